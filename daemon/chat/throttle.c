#include "daemon/chat/throttle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "async/loop.h"
#include "daemon/config/network.h"
#include "storage/table.h"

/* 256 KiB a kind: under an attack with a new name each time, 10 attempts in 15 minutes each, it
 * takes some thousand a minute before strangers are in each other's cells at all often. */
enum { ROWS = 2, CELLS = 16384 };

struct row {
    struct table_seed seed;
    int64_t full_ms[CELLS]; /* when the bucket is full again */
};

struct throttle {
    pthread_mutex_t lock;
    struct row rows[THROTTLE_KINDS][ROWS];
};

int throttle_open(struct throttle **ret) {
    struct throttle *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    (void) pthread_mutex_init(&t->lock, NULL);
    for (int kind = 0; kind < THROTTLE_KINDS; kind++)
        for (int i = 0; i < ROWS; i++)
            loop_random(&t->rows[kind][i].seed, sizeof t->rows[kind][i].seed);
    *ret = t;
    return 0;
}

struct throttle *throttle_close(struct throttle *t) {
    if (!t)
        return NULL;
    (void) pthread_mutex_destroy(&t->lock);
    free(t);
    return NULL;
}

static int64_t *cell_of(struct row *r, struct str name) {
    return &r->full_ms[table_hash(&r->seed, str_bytes(name)) % CELLS];
}

static int64_t each_ms(const struct throttle_limit *limit) {
    int64_t each = limit->window_ms / (limit->attempts ? limit->attempts : 1);
    return each > 0 ? each : 1;
}

int64_t throttle_take(struct throttle *t, enum throttle_kind kind, struct str name,
                      const struct throttle_limit *limit, int64_t now_ms) {
    int64_t each = each_ms(limit), burst = each * (limit->attempts ? limit->attempts : 1);
    int64_t *cells[ROWS], wait = INT64_MAX;

    (void) pthread_mutex_lock(&t->lock);
    for (int i = 0; i < ROWS; i++) {
        cells[i] = cell_of(&t->rows[kind][i], name);
        int64_t full = (*cells[i] > now_ms ? *cells[i] : now_ms) + each;
        int64_t until = full - now_ms - burst;
        if (until < wait)
            wait = until;
    }
    for (int i = 0; i < ROWS && wait <= 0; i++)
        *cells[i] = (*cells[i] > now_ms ? *cells[i] : now_ms) + each;
    (void) pthread_mutex_unlock(&t->lock);
    return wait > 0 ? wait : 0;
}

void throttle_give_back(struct throttle *t, enum throttle_kind kind, struct str name,
                        const struct throttle_limit *limit) {
    (void) pthread_mutex_lock(&t->lock);
    for (int i = 0; i < ROWS; i++)
        *cell_of(&t->rows[kind][i], name) -= each_ms(limit);
    (void) pthread_mutex_unlock(&t->lock);
}

/* ---- addresses ---- */

struct str throttle_address(struct str address, char buf[static THROTTLE_ADDRESS_MAX]) {
    struct str host = ip_without_port(address);
    struct in6_addr six;

    if (host.len >= THROTTLE_ADDRESS_MAX)
        host.len = THROTTLE_ADDRESS_MAX;
    if (!ip_parse(host, &six))
        return host;
    if (IN6_IS_ADDR_V4MAPPED(&six))
        return str_of(inet_ntop(AF_INET, six.s6_addr + 12, buf, THROTTLE_ADDRESS_MAX));
    memset(six.s6_addr + 8, 0, 8);
    return str_of(inet_ntop(AF_INET6, &six, buf, THROTTLE_ADDRESS_MAX));
}
