/* parley gentoken: signs a connection or subscription token. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "async/loop.h"
#include "clients/cli/cli.h"
#include "clients/cli/token/keys_of.h"
#include "protocol/json.h"
#include "protocol/token.h"

static void put_name(struct buffer *out, const char *name) {
    if (out->len > 1)
        buffer_append_byte(out, ',');
    json_append_string(out, str_of(name));
    buffer_append_byte(out, ':');
}

static void put_text(struct buffer *out, const char *name, struct str value) {
    if (!value.data)
        return;
    put_name(out, name);
    json_append_string(out, value);
}

static void put_number(struct buffer *out, const char *name, int64_t value) {
    put_name(out, name);
    buffer_append_int(out, value);
}

static void put_json(struct buffer *out, const char *name, const char *value) {
    if (!value)
        return;
    put_name(out, name);
    buffer_append_str(out, str_of(value));
}

/* "a,b" */
static void put_channels(struct buffer *out, const char *list) {
    if (!list)
        return;
    put_name(out, "channels");
    buffer_append_byte(out, '[');
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ",");
        if (at != list)
            buffer_append_byte(out, ',');
        json_append_string(out, (struct str){ at, len });
        at += len + (at[len] == ',');
    }
    buffer_append_byte(out, ']');
}

/* What is said on the command line counts, else what the server asks for. */
static struct str or_else(const char *said, struct str configured) {
    return said ? str_of(said) : configured.len ? configured : (struct str){ 0 };
}

static void make_claims(const struct cli_options *o, const struct config_token *t,
                        struct buffer *out) {
    int64_t now_s = loop_wall_ms() / 1000;
    char user_claim[256] = "sub";

    if (t->user_id_claim.len)
        (void) snprintf(user_claim, sizeof user_claim, "%s", t->user_id_claim.data);
    buffer_append_byte(out, '{');
    put_text(out, user_claim, str_of(o->user ? o->user : ""));
    put_number(out, "iat", now_s);
    if (o->ttl_s)
        put_number(out, "exp", now_s + o->ttl_s);
    if (o->expire_at_s >= 0)
        put_number(out, "expire_at", o->expire_at_s);
    put_text(out, "jti", str_of(o->token_id));
    put_text(out, "aud", or_else(o->audience, t->audience));
    put_text(out, "iss", or_else(o->issuer, t->issuer));
    put_text(out, "channel", str_of(o->channel));
    put_text(out, "client", str_of(o->client_id));
    put_json(out, "info", o->info);
    put_json(out, "data", o->data);
    put_json(out, "meta", o->meta);
    put_json(out, "subs", o->subs);
    put_json(out, "override", o->override);
    put_channels(out, o->channels);
    buffer_append_byte(out, '}');
}

/* The first that the key is for. */
static enum token_algorithm own_algorithm(const struct token_key *k) {
    unsigned bits = token_key_algorithms(k);
    return (enum token_algorithm)(bits & (~bits + 1));
}

static int make_token(const struct cli_options *o, const struct cli_keys *k) {
    CLEANUP(buffer_finish) struct buffer claims = BUFFER_INIT;
    CLEANUP(buffer_finish) struct buffer token = BUFFER_INIT;

    if (!k->key) {
        cli_say("%s has no client.token.hmac_secret_key: the private key is elsewhere, name it "
                "with --key-file",
                o->config_file);
        return EX_CONFIG;
    }
    enum token_algorithm algorithm =
            o->algorithm ? token_algorithm_of(str_of(o->algorithm)) : own_algorithm(k->key);
    if (!(token_key_algorithms(k->key) & algorithm)) {
        cli_say("the key is not one for %s", o->algorithm);
        return EX_USAGE;
    }
    make_claims(o, &k->settings, &claims);
    int r = buffer_error(&claims);
    if (r == 0)
        r = token_sign_by(k->key, algorithm, str_of(o->key_id), buffer_bytes(&claims), &token);
    if (r < 0) {
        cli_say("cannot sign: %s", strerror(-r));
        return EX_DATAERR;
    }
    printf("%.*s\n", (int) token.len, (const char *) token.data);
    return EX_OK;
}

int cli_gentoken(const struct cli_options *o) {
    struct cli_keys keys;

    if (o->channel && (o->meta || o->subs || o->channels)) {
        cli_say("--meta, --subs and --channels are for connections, --channel is for a "
                "subscription");
        return EX_USAGE;
    }
    if (!o->channel && (o->client_id || o->override || o->data)) {
        cli_say("--client, --data and --override need --channel: they are for a subscription");
        return EX_USAGE;
    }
    int code = cli_keys_load(o, o->channel != NULL, true, &keys);
    if (code == 0)
        code = make_token(o, &keys);
    cli_keys_finish(&keys);
    return code;
}
