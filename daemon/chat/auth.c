#include "daemon/chat/auth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "async/loop.h"
#include "async/offload.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/own.h"
#include "daemon/chat/password.h"
#include "daemon/chat/remote.h"
#include "daemon/chat/throttle.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/keys/keys.h"
#include "daemon/log.h"
#include "daemon/transport/http_exchange.h"
#include "daemon/transport/visitor.h"
#include "daemon/worker.h"
#include "protocol/cookie.h"
#include "storage/chat/account.h"

enum {
    TOKEN_BYTES = 32,
    SEEN_EVERY_MS = 60000,
    KEEP_EVERY_MS = 3600 * 1000, /* a connection keeps its login */
    KEEPS_PER_TTL = 4,           /* and in the time of a short one so often */
    HASHERS = 2, /* threads of a worker; the gate says how many of all are at work */
    HASHES_WAITING_MAX = 64,
};

/* ---- the daemon's ---- */

struct owner_question {
    struct chat_work work;
    bool has_owner;
};

static int ask_owner(struct chat_work *w, struct chat_tx *tx) {
    return chat_account_has_owner(tx, &CONTAINER_OF(w, struct owner_question, work)->has_owner);
}

static int find_owner(struct auth *a) {
    struct owner_question q = { .work = CHAT_WORK(ask_owner) };
    int r = chat_store_read(a->daemon->chat->store, &q.work);
    chat_work_finish(&q.work);
    a->has_owner = q.has_owner;
    return r;
}

/* A new one at each start: an old log lets nobody in. */
static int make_setup_code(struct auth *a) {
    uint8_t random[AUTH_CODE_BYTES];
    if (a->has_owner || a->has_setup_code)
        return 0;
    a->has_setup_code = true;
    loop_random(random, sizeof random);
    secret_write(STR(""), bytes_of(random, sizeof random), a->setup_code);
    return secret_hash(str_of(a->setup_code), a->setup_hash);
}

int auth_open(struct daemon *d, struct auth **ret) {
    struct auth *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    a->daemon = d;
    int r = password_gate_open(d->config->chat.passwords_at_once, &a->gate);
    if (r == 0)
        r = throttle_open(&a->throttle);
    if (r < 0)
        auth_close(a);
    else
        *ret = a;
    return r;
}

int auth_look(struct auth *a) {
    int r = find_owner(a);
    return r == 0 ? make_setup_code(a) : r;
}

struct auth *auth_close(struct auth *a) {
    if (!a)
        return NULL;
    throttle_close(a->throttle);
    password_gate_close(a->gate);
    explicit_bzero(a->setup_code, sizeof a->setup_code);
    free(atomic_load(&a->url));
    free(a);
    return NULL;
}

/* chat.url, or where the daemon listens first. */
static void append_url(const struct daemon *d, struct buffer *out) {
    struct str url = d->config->chat.url;
    const char *address = d->n_addresses ? d->addresses[0].text : "";

    while (url.len && url.data[url.len - 1] == '/')
        url.len--;
    if (url.len) {
        buffer_append_str(out, url);
        return;
    }
    buffer_append_str(out, d->config->http.tls_enabled ? STR("https://") : STR("http://"));
    /* What is in front of a Unix socket nobody can say; all addresses are this machine's, too. */
    if (strncmp(address, "unix:", 5) == 0)
        buffer_append_str(out, STR("HOST"));
    else if (strncmp(address, "0.0.0.0:", 8) == 0)
        buffer_printf(out, "127.0.0.1%s", address + 7);
    else if (strncmp(address, "[::]:", 5) == 0)
        buffer_printf(out, "[::1]%s", address + 4);
    else
        buffer_append_str(out, str_of(address));
}

bool auth_listens(const struct auth *a) {
    return atomic_load(&a->url);
}

void auth_keep_url(struct auth *a) {
    struct buffer url = BUFFER_INIT;
    append_url(a->daemon, &url);
    buffer_append_byte(&url, 0);
    if (buffer_error(&url) < 0) /* links are then the path alone */
        buffer_finish(&url);
    else
        atomic_store(&a->url, (char *) url.data);
}

void auth_append_link(const struct auth *a, const char *what, struct str code, struct buffer *out) {
    const char *url = atomic_load(&a->url);
    buffer_append_str(out, str_of(url));
    buffer_printf(out, "/#/%s/", what);
    buffer_append_str(out, code);
}

/* For whoever sits there: a line of its own, without what a log puts around it. */
static void show(struct str link) {
    if (isatty(STDERR_FILENO))
        (void) dprintf(STDERR_FILENO,
                       "\n    The chat has no owner yet. To become it, open\n    %.*s\n\n",
                       (int) link.len, link.data);
}

void auth_say_setup_link(struct auth *a) {
    struct buffer link = BUFFER_INIT;

    if (a->setup_code[0] == '\0' || !auth_listens(a))
        return;
    auth_append_link(a, "setup", str_of(a->setup_code), &link);
    explicit_bzero(a->setup_code, sizeof a->setup_code);
    struct str text = { (const char *) link.data, link.len };
    LOG_NOTICE(a->daemon->log, "the chat has no owner yet: whoever opens this link becomes it",
               LOG_STR("url", text));
    if (a->daemon->log)
        show(text);
    if (link.data)
        explicit_bzero(link.data, link.cap);
    buffer_finish(&link);
}

/* ---- passwords ---- */

static int open_pool(struct worker *w) {
    if (w->hashers)
        return 0;
    return pool_open(&(struct pool_options){ .name = "passwords",
                                             .threads = HASHERS,
                                             .queue_max = HASHES_WAITING_MAX },
                     &w->hashers);
}

static int counted(struct worker *w, int r) {
    if (r == -EAGAIN)
        metrics_count(&w->metrics, COUNT_AUTH_BUSY);
    return r;
}

int auth_hash(struct worker *w, struct str typed, char ret[static PASSWORD_TEXT_MAX]) {
    int r = open_pool(w);
    if (r == 0)
        r = password_hash_off_loop(w->daemon->auth->gate, w->hashers, typed, ret);
    return counted(w, r);
}

int auth_verify(struct worker *w, struct str kept, struct str typed) {
    struct password_gate *gate = w->daemon->auth->gate;
    int r = open_pool(w);
    if (r == 0)
        r = password_verify_off_loop(gate, w->hashers, kept.len ? kept : password_nobody(gate),
                                     typed);
    return counted(w, r);
}

/* ---- logins ---- */

int auth_make_token(char ret[static SECRET_TEXT_MAX], uint8_t ret_hash[static SECRET_HASH_SIZE]) {
    uint8_t random[TOKEN_BYTES];
    loop_random(random, sizeof random);
    secret_write(AUTH_TOKEN_PREFIX, bytes_of(random, sizeof random), ret);
    explicit_bzero(random, sizeof random);
    return secret_hash(str_of(ret), ret_hash);
}

int64_t auth_expiry_of(const struct config *c, int64_t now_ms) {
    return c->chat.login_ttl_ms ? now_ms + c->chat.login_ttl_ms : 0;
}

void auth_who_finish(struct auth_who *w) {
    if (w)
        chat_work_finish(&w->work);
}

void auth_who_finishp(struct auth_who **w) {
    auth_who_finish(*w);
}

static int find(struct chat_work *work, struct chat_tx *tx) {
    struct auth_who *w = CONTAINER_OF(work, struct auth_who, work);
    return chat_login_find(tx, w->hash, &w->login, &w->user);
}

struct sighting {
    struct chat_work work;
    int64_t login, at_ms, expires_at;
};

static int note(struct chat_work *work, struct chat_tx *tx) {
    const struct sighting *s = CONTAINER_OF(work, struct sighting, work);
    return chat_login_seen(tx, s->login, s->at_ms, s->expires_at);
}

/* It says when somebody was here, and moves the end: to the minute is enough. That it could not be
 * noted is no reason to let nobody in. */
static int note_seen(struct worker *w, const struct auth_who *who) {
    int64_t now = loop_wall_ms();
    if (now - who->login.last_seen_at < SEEN_EVERY_MS)
        return 0;
    struct sighting s = { .work = CHAT_WORK(note),
                          .login = who->login.key,
                          .at_ms = now,
                          .expires_at = auth_expiry_of(w->config, now) };
    int r = chat_write(w->daemon->chat, &s.work);
    chat_work_finish(&s.work);
    return r == -ECANCELED || r == -ETIMEDOUT ? r : 0;
}

int auth_find(struct worker *w, struct str token, struct auth_who *ret) {
    if (token.len >= SECRET_TEXT_MAX || !str_starts_with(token, AUTH_TOKEN_PREFIX))
        return CHAT_NOT_FOUND;
    int r = secret_hash(token, ret->hash);
    if (r < 0)
        return r;
    ret->work = CHAT_WORK(find);
    r = chat_read(w->daemon->chat, &ret->work);
    return r == 0 ? note_seen(w, ret) : r;
}

/* ---- connections that stay ---- */

struct keeping {
    struct chat_work work;
    struct str user, login;
    int64_t at_ms, expires_at;
};

static int keep(struct chat_work *work, struct chat_tx *tx) {
    const struct keeping *k = CONTAINER_OF(work, struct keeping, work);
    return chat_login_used(tx, k->user, k->login, k->at_ms, k->expires_at);
}

static int keep_elsewhere(struct worker *w, struct str user, struct str login) {
    CLEANUP(chat_answer_finish) struct chat_answer answer = { 0 };
    return chat_remote_call(
            w,
            &(struct chat_asked){ .user = user, .method = CHAT_ASK_KEEP, .data = str_bytes(login) },
            &answer);
}

int auth_keep(struct worker *w, struct str user, struct str login) {
    if (!chat_is_here(w->daemon->chat))
        return keep_elsewhere(w, user, login);
    int64_t now = loop_wall_ms();
    struct keeping k = { .work = CHAT_WORK(keep),
                         .user = user,
                         .login = login,
                         .at_ms = now,
                         .expires_at = auth_expiry_of(w->config, now) };
    int r = chat_write(w->daemon->chat, &k.work);
    chat_work_finish(&k.work);
    return r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM ? r : 0;
}

int64_t auth_keep_every_ms(const struct config *c) {
    int64_t part = c->chat.login_ttl_ms / KEEPS_PER_TTL;
    return part && part < KEEP_EVERY_MS ? part : KEEP_EVERY_MS;
}

/* ---- over HTTP ---- */

static int find_user(struct chat_work *work, struct chat_tx *tx) {
    struct auth_who *w = CONTAINER_OF(work, struct auth_who, work);
    int r = chat_user_get(tx, w->user.id, &w->user);
    return r == 0 && w->user.deactivated_at ? CHAT_NOT_FOUND : r;
}

/* A token of the embedding application, whose user has connected before. */
static int find_by_jwt(struct http_exchange *x, struct str token, struct auth_who *ret) {
    struct connection_claims *claims = arena_alloc(&x->arena, sizeof *claims);
    const char *why;

    int r = claims ? keys_verify_connection(x->worker, token, &x->arena, claims, &why) : -ENOMEM;
    if (r == -ENOMEM || r == -ECANCELED || r == -ETIMEDOUT)
        return r;
    if (r < 0 || claims->user.len == 0 ||
        (claims->expire_at_s && claims->expire_at_s * 1000 <= loop_wall_ms()))
        return CHAT_NOT_FOUND;
    ret->work = CHAT_WORK(find_user);
    ret->user.id = claims->user;
    return chat_read(x->worker->daemon->chat, &ret->work);
}

static bool bearer_of(const struct http_exchange *x, struct str *ret) {
    const size_t len = sizeof "Bearer " - 1;
    struct str value;
    if (http_head_find(&x->request->head, STR("Authorization"), &value) != 1 || value.len <= len ||
        !http_equal_nocase((struct str){ value.data, len }, STR("Bearer ")))
        return false;
    *ret = (struct str){ value.data + len, value.len - len };
    return true;
}

int auth_of_request(struct http_exchange *x, struct auth_who *ret) {
    struct str token;

    if (bearer_of(x, &token))
        return str_starts_with(token, AUTH_TOKEN_PREFIX) ? auth_find(x->worker, token, ret)
                                                         : find_by_jwt(x, token, ret);
    if (cookie_find(&x->request->head, AUTH_COOKIE, &token) == 1)
        return auth_find(x->worker, token, ret);
    return CHAT_NOT_FOUND;
}
