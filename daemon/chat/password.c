#include "daemon/chat/password.h"

#include <argon2.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "async/loop.h"
#include "async/offload.h"
#include "protocol/base64.h"

/* ---- argon2 ---- */

static int error_of(int rc) {
    switch (rc) {
    case ARGON2_OK:
        return 0;
    case ARGON2_VERIFY_MISMATCH:
        return -EKEYREJECTED;
    case ARGON2_MEMORY_ALLOCATION_ERROR:
    case ARGON2_THREAD_FAIL:
        return -ENOMEM;
    default:
        return -EINVAL;
    }
}

int password_hash(struct str password, const struct password_cost *cost,
                  const uint8_t salt[static PASSWORD_SALT_SIZE],
                  char ret[static PASSWORD_TEXT_MAX]) {
    return error_of(argon2id_hash_encoded(cost->passes, cost->memory_kib, cost->lanes,
                                          password.data, password.len, salt, PASSWORD_SALT_SIZE,
                                          PASSWORD_HASH_SIZE, ret, PASSWORD_TEXT_MAX));
}

/* A number behind a key, or 0. *at moves behind it. */
static uint32_t number(const char **at, const char *end, const char *key) {
    size_t len = strlen(key);
    uint32_t value = 0;
    if ((size_t) (end - *at) < len || memcmp(*at, key, len) != 0)
        return 0;
    const char *p = *at + len;
    for (int n = 0; p < end && *p >= '0' && *p <= '9' && n < 9; n++)
        value = value * 10 + (uint32_t) (*p++ - '0');
    *at = p;
    return value;
}

static bool read_cost(struct str text, struct password_cost *ret) {
    const char *at = text.data, *end = text.data + text.len;
    if (!str_starts_with(text, STR("$argon2id$v=19$")))
        return false;
    at += sizeof "$argon2id$v=19$" - 1;
    ret->memory_kib = number(&at, end, "m=");
    ret->passes = number(&at, end, ",t=");
    ret->lanes = number(&at, end, ",p=");
    return ret->memory_kib && ret->passes && ret->lanes && at < end && *at == '$';
}

int password_verify(struct str text, struct str password) {
    char terminated[PASSWORD_TEXT_MAX];
    struct password_cost cost;

    if (text.len >= sizeof terminated || !read_cost(text, &cost) ||
        cost.memory_kib > PASSWORD_MEMORY_KIB_MAX || cost.passes > PASSWORD_PASSES_MAX ||
        cost.lanes > PASSWORD_LANES_MAX)
        return -EBADMSG;
    memcpy(terminated, text.data, text.len);
    terminated[text.len] = '\0';
    int r = error_of(argon2id_verify(terminated, password.data, password.len));
    return r == -EINVAL ? -EBADMSG : r;
}

bool password_is_outdated(struct str text, const struct password_cost *cost) {
    struct password_cost own;
    return !read_cost(text, &own) || own.memory_kib != cost->memory_kib ||
           own.passes != cost->passes || own.lanes != cost->lanes;
}

/* ---- the gate ---- */

struct password_gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    unsigned free;
    char nobody[PASSWORD_TEXT_MAX];
};

static void append_unpadded(struct buffer *out, size_t n) {
    uint8_t random[PASSWORD_HASH_SIZE];
    loop_random(random, n);
    base64_encode(BASE64_STANDARD, bytes_of(random, n), out);
    while (out->len && out->data[out->len - 1] == '=')
        out->len--;
}

/* What no password hashes to, as far as anybody knows. */
static int write_nobody(char ret[static PASSWORD_TEXT_MAX]) {
    const struct password_cost *cost = &PASSWORD_COST;
    struct buffer text = BUFFER_INIT;
    buffer_printf(&text, "$argon2id$v=19$m=%u,t=%u,p=%u$", cost->memory_kib, cost->passes,
                  cost->lanes);
    append_unpadded(&text, PASSWORD_SALT_SIZE);
    buffer_append_byte(&text, '$');
    append_unpadded(&text, PASSWORD_HASH_SIZE);
    buffer_append_byte(&text, '\0');
    int r = buffer_error(&text);
    if (r == 0)
        memcpy(ret, text.data, text.len);
    buffer_finish(&text);
    return r;
}

int password_gate_open(unsigned at_once, struct password_gate **ret) {
    struct password_gate *g = calloc(1, sizeof *g);
    if (!g)
        return -ENOMEM;
    (void) pthread_mutex_init(&g->lock, NULL);
    (void) pthread_cond_init(&g->opened, NULL);
    g->free = at_once;
    int r = write_nobody(g->nobody);
    if (r < 0)
        password_gate_close(g);
    else
        *ret = g;
    return r;
}

struct password_gate *password_gate_close(struct password_gate *g) {
    if (!g)
        return NULL;
    (void) pthread_cond_destroy(&g->opened);
    (void) pthread_mutex_destroy(&g->lock);
    free(g);
    return NULL;
}

struct str password_nobody(const struct password_gate *g) {
    return str_of(g->nobody);
}

/* Only threads of pools wait here, never a loop's; in a simulated loop nothing runs side by side.
 */
static void enter(struct password_gate *g) {
    (void) pthread_mutex_lock(&g->lock);
    while (g->free == 0)
        (void) pthread_cond_wait(&g->opened, &g->lock);
    g->free--;
    (void) pthread_mutex_unlock(&g->lock);
}

static void leave(struct password_gate *g) {
    (void) pthread_mutex_lock(&g->lock);
    g->free++;
    (void) pthread_cond_signal(&g->opened);
    (void) pthread_mutex_unlock(&g->lock);
}

struct hashing {
    struct password_gate *gate;
    struct str password, text;
    uint8_t salt[PASSWORD_SALT_SIZE];
    char *ret;
};

static int hash_there(void *arg) {
    const struct hashing *h = arg;
    enter(h->gate);
    int r = password_hash(h->password, &PASSWORD_COST, h->salt, h->ret);
    leave(h->gate);
    return r;
}

static int verify_there(void *arg) {
    const struct hashing *h = arg;
    enter(h->gate);
    int r = password_verify(h->text, h->password);
    leave(h->gate);
    return r;
}

static int run(struct pool *pool, int (*fn)(void *arg), struct hashing *h) {
    int r = offload(pool, fn, h);
    return r == -ENOBUFS ? -EAGAIN : r;
}

int password_hash_off_loop(struct password_gate *g, struct pool *pool, struct str password,
                           char ret[static PASSWORD_TEXT_MAX]) {
    struct hashing h = { .gate = g, .password = password, .ret = ret };
    loop_random(h.salt, sizeof h.salt);
    return run(pool, hash_there, &h);
}

int password_verify_off_loop(struct password_gate *g, struct pool *pool, struct str text,
                             struct str password) {
    struct hashing h = { .gate = g, .password = password, .text = text };
    return run(pool, verify_there, &h);
}
