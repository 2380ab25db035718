/* parley checktoken: says whether a server would believe a token, and what it claims. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/http_client.h"
#include "async/loop.h"
#include "clients/cli/cli.h"
#include "clients/cli/token/keys_of.h"
#include "protocol/json.h"
#include "protocol/jwk.h"
#include "protocol/token.h"

/* ---- keys of an endpoint ---- */

struct fetching {
    const char *url, *ca_file;
    struct jwk_set set;
    char why[200];
};

static int fetch(void *arg) {
    struct fetching *f = arg;
    struct http_result answer = { 0 };
    struct http_client *http;
    struct tls *tls = NULL;
    char *opening_why = NULL;
    const char *why = NULL;

    int r = tls_client_new(&(struct tls_client_options){ .ca_file = f->ca_file }, &tls,
                           &opening_why);
    if (r == 0)
        r = http_client_open(&(struct http_client_options){ .tls = tls }, &http);
    if (r < 0) {
        (void) snprintf(f->why, sizeof f->why, "%s", opening_why ? opening_why : strerror(-r));
        free(opening_why);
        tls_free(tls);
        return r;
    }
    r = http_client_call(http,
                         &(struct http_call){ .url = f->url,
                                              .response_max = JWK_SET_BYTES_MAX,
                                              .redirects_max = 3 },
                         &answer);
    if (r < 0)
        (void) snprintf(f->why, sizeof f->why, "%s", *answer.why ? answer.why : strerror(-r));
    if (r == 0 && answer.status != 200) {
        (void) snprintf(f->why, sizeof f->why, "status %d", answer.status);
        r = -EPROTO;
    }
    if (r == 0) {
        r = jwk_set_decode(bytes_of(answer.body, answer.body_len), &f->set, &why);
        if (r < 0)
            (void) snprintf(f->why, sizeof f->why, "%s", why);
    }
    http_result_finish(&answer);
    http_client_close(http);
    tls_free(tls);
    return r;
}

/* ---- the token ---- */

struct checking {
    const struct cli_options *options;
    struct cli_keys keys;
    struct arena arena;
    struct token token;
    bool is_read;      /* token is there */
    const char *why;   /* NULL: it is good */
    const char *kind;  /* "connection" */
    bool is_undecided; /* why the keys cannot be had */
    char memory[256];
};

static void unchecked(struct checking *c, const char *url, const char *why) {
    (void) snprintf(c->memory, sizeof c->memory, "the keys at %s cannot be had: %s", url, why);
    c->why = c->memory;
    c->is_undecided = true;
}

static int check_signature(struct checking *c, const struct keyring_choice *choice) {
    struct fetching f = { .url = choice->url.data,
                          .ca_file = c->keys.settings.jwks_ca_file.len
                                             ? c->keys.settings.jwks_ca_file.data
                                             : c->options->ca_file };
    struct token_key *keys[KEYRING_CHOICE_MAX + 1];
    size_t n = 0;
    int r = -EKEYREJECTED;

    if (c->options->key_file || c->options->secret) {
        keys[n++] = c->keys.key;
    } else if (choice->url.len) {
        if (loop_run(NULL, fetch, &f) < 0) {
            unchecked(c, f.url, f.why);
            return -EAGAIN;
        }
        keys[0] = jwk_set_find(&f.set, choice->token.key_id, choice->token.algorithm);
        n = keys[0] ? 1 : 0;
    } else {
        for (size_t i = 0; i < choice->n_keys; i++)
            keys[n++] = choice->keys[i];
    }
    c->why = n ? "the signature is not by that key" : "there is no such key";
    for (size_t i = 0; i < n && r == -EKEYREJECTED; i++)
        r = token_key_verify(keys[i], choice->token.algorithm, choice->token.text,
                             choice->token.signature);
    jwk_set_finish(&f.set);
    return r;
}

static int read_claims(struct checking *c, const struct keyring_choice *choice) {
    struct connection_claims connection;
    struct subscription_claims subscription;
    int64_t now_s = loop_wall_ms() / 1000;

    if (c->kind[0] == 'c')
        return token_read_connection(&choice->token, &choice->rules, now_s, &c->arena, &connection,
                                     &c->why);
    return token_read_subscription(&choice->token, &choice->rules, now_s, &c->arena, &subscription,
                                   &c->why);
}

static int check(struct checking *c, struct str text) {
    struct keyring_problem problem;
    struct keyring *ring = NULL;
    struct keyring_choice choice;
    bool is_own = c->options->key_file || c->options->secret;
    int64_t now_s = loop_wall_ms() / 1000;

    int r = keyring_new(&c->keys.settings, &ring, &problem);
    if (r < 0)
        return r;
    r = is_own ? keyring_read(ring, text, &c->arena, &choice, &c->why)
               : keyring_choose(ring, text, now_s, &c->arena, &choice, &c->why);
    if (is_own) {
        choice.rules.audience = c->keys.settings.audience;
        choice.rules.issuer = c->keys.settings.issuer;
    }
    if (r == 0)
        r = check_signature(c, &choice);
    if (r == 0) {
        c->why = NULL;
        r = read_claims(c, &choice);
    }
    keyring_free(ring);
    return r;
}

/* Of which kind it says it is. */
static const char *kind_of(const struct token *t) {
    struct json j;
    struct json_string key;
    bool has_channel = false;

    json_init(&j, t->claims);
    if (json_enter_object(&j)) {
        while (json_member(&j, &key)) {
            has_channel |= json_is(key, STR("channel"));
            json_skip(&j);
        }
    }
    return has_channel ? "subscription" : "connection";
}

static void print(const struct checking *c) {
    struct buffer out = BUFFER_INIT;
    bool is_json = c->options->is_json, has_claims;
    const struct token *t = &c->token;

    has_claims = c->is_read && json_is_valid(t->claims, NULL);
    if (is_json) {
        buffer_append_str(&out, STR("{\"valid\":"));
        buffer_append_str(&out, c->is_undecided ? STR("null")
                                : c->why        ? STR("false")
                                                : STR("true"));
        if (c->why) {
            buffer_append_str(&out, STR(",\"why\":"));
            json_append_string(&out, str_of(c->why));
        }
        if (c->is_read) {
            buffer_printf(&out, ",\"kind\":\"%s\",\"alg\":", c->kind);
            json_append_string(&out, token_algorithm_name(t->algorithm));
        }
        if (t->key_id.len) {
            buffer_append_str(&out, STR(",\"kid\":"));
            json_append_string(&out, t->key_id);
        }
        if (has_claims) {
            buffer_append_str(&out, STR(",\"claims\":"));
            json_compact(t->claims, &out);
        }
        buffer_append_byte(&out, '}');
    } else {
        if (c->is_read)
            buffer_printf(&out, "a token for a %s, %.*s\n", c->kind,
                          (int) token_algorithm_name(t->algorithm).len,
                          token_algorithm_name(t->algorithm).data);
        if (has_claims) {
            json_compact(t->claims, &out);
            buffer_append_byte(&out, '\n');
        }
        buffer_append_str(&out, c->why ? STR("not good: ") : STR("good"));
        buffer_append_str(&out, str_of(c->why));
    }
    printf("%.*s\n", (int) out.len, (const char *) out.data);
    buffer_finish(&out);
}

int cli_checktoken(const struct cli_options *o) {
    struct checking *c = calloc(1, sizeof *c);
    struct str text = str_of(o->arguments[0]);
    if (!c)
        return EX_OSERR;
    c->options = o;
    c->is_read = token_open(text, &c->arena, &c->token, &c->why) == 0;
    c->kind = c->is_read ? kind_of(&c->token) : "connection";
    int code = cli_keys_load(o, c->kind[0] == 's', false, &c->keys);
    if (code == 0) {
        int r = check(c, text);
        print(c);
        code = r == 0 ? EX_OK : c->is_undecided ? EX_TEMPFAIL : r == -ENOMEM ? EX_OSERR : EX_NOPERM;
    }
    cli_keys_finish(&c->keys);
    arena_finish(&c->arena);
    free(c);
    return code;
}
