#include "daemon/keys/rate.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "async/loop.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/session/impl.h"
#include "daemon/worker.h"
#include "protocol/codes.h"
#include "storage/table.h"

enum {
    SHARDS = 16,
    SWEEP_FIRST = 256,
    NS_PER_S = 1000000000,
    KEY_BYTES = 16,
    CLIENT_BUCKETS_FIRST = 4,
};

/*
 * A bucket, as generic cell rate has it: the time at which it will be full again. A bucket whose
 * time has passed is as good as none.
 */
static int64_t now_ns(void) {
    return loop_now_us() * 1000;
}

/* 0, and *full_ns is when it will be full after that; or how long until there is enough. */
static int64_t try_take(int64_t *full_ns, const struct config_rate *limit, uint32_t cost,
                        int64_t now) {
    int64_t burst = limit->burst ? limit->burst : 1, each = NS_PER_S / limit->rate;
    int64_t n = cost < burst ? cost : burst;
    int64_t full = (*full_ns > now ? *full_ns : now) + n * each;

    if (full > now + burst * each)
        return full - now - burst * each;
    *full_ns = full;
    return 0;
}

/* ---- shared by all workers ---- */

struct bucket {
    struct table_entry in_table;
    uint8_t key[KEY_BYTES]; /* a hash: names may be long */
    int64_t full_ns;
};

struct shard {
    pthread_mutex_t lock;
    struct table table;
    size_t sweep_at; /* buckets: then full ones are looked for */
} __attribute__((aligned(64)));

struct rates {
    struct shard shards[SHARDS];
    struct table_seed seeds[2];
};

static struct bytes key_of(const struct table_entry *k) {
    return bytes_of(CONTAINER_OF(k, struct bucket, in_table)->key, KEY_BYTES);
}

int rates_open(struct rates **ret) {
    struct rates *r = aligned_alloc(64, sizeof *r);
    if (!r)
        return -ENOMEM;
    *r = (struct rates){ 0 };
    loop_random(r->seeds, sizeof r->seeds);
    for (size_t i = 0; i < SHARDS; i++) {
        (void) pthread_mutex_init(&r->shards[i].lock, NULL);
        table_init(&r->shards[i].table, &r->seeds[0], key_of);
        r->shards[i].sweep_at = SWEEP_FIRST;
    }
    *ret = r;
    return 0;
}

struct rates *rates_close(struct rates *r) {
    if (!r)
        return NULL;
    for (size_t i = 0; i < SHARDS; i++) {
        TABLE_FOREACH (&r->shards[i].table, k) {
            table_remove(&r->shards[i].table, k);
            free(CONTAINER_OF(k, struct bucket, in_table));
        }
        table_finish(&r->shards[i].table);
        (void) pthread_mutex_destroy(&r->shards[i].lock);
    }
    free(r);
    return NULL;
}

static void sweep(struct shard *s, int64_t now) {
    if (table_size(&s->table) < s->sweep_at)
        return;
    TABLE_FOREACH (&s->table, k) {
        struct bucket *b = CONTAINER_OF(k, struct bucket, in_table);
        if (b->full_ns <= now) {
            table_remove(&s->table, k);
            free(b);
        }
    }
    s->sweep_at = 2 * table_size(&s->table) + SWEEP_FIRST;
}

/* NULL: no memory. */
static struct bucket *bucket_of(struct shard *s, const uint8_t *key, int64_t now) {
    struct table_entry *k = table_find(&s->table, bytes_of(key, KEY_BYTES));
    if (k)
        return CONTAINER_OF(k, struct bucket, in_table);
    sweep(s, now);
    struct bucket *b = malloc(sizeof *b);
    if (!b)
        return NULL;
    b->full_ns = 0;
    memcpy(b->key, key, KEY_BYTES);
    if (table_add(&s->table, &b->in_table) < 0) {
        free(b);
        return NULL;
    }
    return b;
}

/* Whose a shared bucket is: the same name may be a user's and a key's. */
enum kind {
    OF_USER,
    OF_KEY,
    OF_CHAT,                            /* and what is counted: CHAT_RATES of them */
    OF_NAMESPACE = OF_CHAT + CHAT_RATES /* and the operation */
};

static struct shard *shard_of(struct rates *r, uint8_t kind, struct str name,
                              uint8_t ret_key[static KEY_BYTES]) {
    uint64_t halves[2] = { table_hash(&r->seeds[0], str_bytes(name)),
                           table_hash(&r->seeds[1], str_bytes(name)) ^ kind };
    memcpy(ret_key, halves, sizeof halves);
    return &r->shards[halves[1] % SHARDS];
}

/* 0, or how long until there is enough. */
static int64_t take_shared(struct rates *r, uint8_t kind, struct str name,
                           const struct config_rate *limit, uint32_t cost) {
    uint8_t key[KEY_BYTES];
    int64_t wait_ns = NS_PER_S; /* without memory */
    struct shard *s = shard_of(r, kind, name, key);

    (void) pthread_mutex_lock(&s->lock);
    int64_t now = now_ns(); /* behind the lock, so that nobody's is before another's */
    struct bucket *b = bucket_of(s, key, now);
    if (b)
        wait_ns = try_take(&b->full_ns, limit, cost, now);
    (void) pthread_mutex_unlock(&s->lock);
    return wait_ns;
}

/* One token that was taken and not needed. */
static void give_back(struct rates *r, uint8_t kind, struct str name,
                      const struct config_rate *limit) {
    uint8_t key[KEY_BYTES];
    struct shard *s = shard_of(r, kind, name, key);

    (void) pthread_mutex_lock(&s->lock);
    struct table_entry *k = table_find(&s->table, bytes_of(key, KEY_BYTES));
    if (k)
        CONTAINER_OF(k, struct bucket, in_table)->full_ns -= NS_PER_S / limit->rate;
    (void) pthread_mutex_unlock(&s->lock);
}

size_t rates_count(struct rates *r) {
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        (void) pthread_mutex_lock(&r->shards[i].lock);
        n += table_size(&r->shards[i].table);
        (void) pthread_mutex_unlock(&r->shards[i].lock);
    }
    return n;
}

/* ---- a client's own ---- */

struct client_bucket {
    uint64_t key; /* hash of the namespace's name, and the operation */
    int64_t full_ns;
};

struct client_rates {
    uint32_t n, capacity;
    struct client_bucket buckets[];
};

void rate_forget(struct session_more *m) {
    free(m->rates);
    m->rates = NULL;
}

/* Full ones are as good as none: their places are taken first. NULL: no memory. */
static struct client_bucket *client_bucket(struct session *s, uint64_t key, int64_t now) {
    struct session_more *more = session_more(s);
    if (!more)
        return NULL;
    struct client_rates *r = more->rates;
    struct client_bucket *free_one = NULL;
    for (uint32_t i = 0; r && i < r->n; i++) {
        if (r->buckets[i].key == key)
            return &r->buckets[i];
        if (r->buckets[i].full_ns <= now)
            free_one = &r->buckets[i];
    }
    if (!free_one) {
        if (!r || r->n == r->capacity) {
            uint32_t capacity = r ? 2 * r->capacity : CLIENT_BUCKETS_FIRST;
            struct client_rates *grown =
                    realloc(r, sizeof *grown + capacity * sizeof *grown->buckets);
            if (!grown)
                return NULL;
            grown->n = r ? grown->n : 0;
            grown->capacity = capacity;
            more->rates = r = grown;
        }
        free_one = &r->buckets[r->n++];
    }
    *free_one = (struct client_bucket){ .key = key };
    return free_one;
}

/* Of one client, and of all together. */
struct limits {
    const struct config_rate *own, *all;
};

static struct limits limits_of(const struct config *c, enum rate_operation op,
                               const struct namespace *ns) {
    switch (op) {
    case RATE_PUBLISH:
        return (struct limits){ &ns->publish_rate, &ns->all_publish_rate };
    case RATE_SUBSCRIBE:
        return (struct limits){ &ns->subscribe_rate, &ns->all_subscribe_rate };
    case RATE_HISTORY:
        return (struct limits){ &ns->history_rate, &ns->all_history_rate };
    case RATE_PRESENCE:
        return (struct limits){ &ns->presence_rate, &ns->all_presence_rate };
    case RATE_RPC:
    default:
        return (struct limits){ &c->rpc_rate, &c->all_rpc_rate };
    }
}

static int refused(struct session *s, enum metrics_counter counter) {
    metrics_count(&s->worker->metrics, counter);
    return ERROR_TOO_MANY_REQUESTS;
}

/* The shared ones: of the user, and of all in the namespace. */
static int allow_shared(struct session *s, enum rate_operation op, struct str ns,
                        const struct config_rate *all) {
    struct worker *w = s->worker;
    struct rates *shared = w->daemon->rates;
    const struct config_rate *users = &w->config->client.user_rate;
    bool has_user = users->rate && session_user(s).len;

    if (has_user && take_shared(shared, OF_USER, session_user(s), users, 1) > 0)
        return refused(s, COUNT_RATE_USER);
    if (!all->rate || take_shared(shared, OF_NAMESPACE + (uint8_t) op, ns, all, 1) == 0)
        return 0;
    if (has_user)
        give_back(shared, OF_USER, session_user(s), users);
    return refused(s, COUNT_RATE_NAMESPACE);
}

int rate_allow(struct session *s, enum rate_operation op, const struct namespace *ns) {
    struct worker *w = s->worker;
    struct limits limits = limits_of(w->config, op, ns);
    struct str name = ns ? ns->name : (struct str){ 0 };
    struct client_bucket *b = NULL;
    int64_t full_ns = 0;

    if (limits.own->rate) {
        int64_t now = now_ns();
        uint64_t key = table_hash(&w->daemon->rates->seeds[0], str_bytes(name)) + (uint64_t) op;
        b = client_bucket(s, key, now);
        if (!b)
            return refused(s, COUNT_OUT_OF_MEMORY);
        full_ns = b->full_ns;
        if (try_take(&full_ns, limits.own, 1, now) > 0)
            return refused(s, COUNT_RATE_CLIENT);
    }
    int code = allow_shared(s, op, name, limits.all);
    if (code == 0 && b)
        b->full_ns = full_ns;
    return code;
}

/* ---- API keys ---- */

bool rate_allow_api(struct worker *w, struct str key, const struct config_rate *limit,
                    uint32_t cost, int64_t *ret_retry_ms) {
    *ret_retry_ms = 0;
    if (!limit->rate || cost == 0)
        return true;
    int64_t wait_ns = take_shared(w->daemon->rates, OF_KEY, key, limit, cost);
    if (wait_ns == 0)
        return true;
    metrics_count(&w->metrics, COUNT_RATE_API);
    *ret_retry_ms = wait_ns / 1000000 + 1;
    return false;
}

static const enum metrics_counter CHAT_COUNTS[CHAT_RATES] = {
    [CHAT_RATE_SEND] = COUNT_CHAT_RATE_SEND,
    [CHAT_RATE_WRITE] = COUNT_CHAT_RATE_WRITE,
    [CHAT_RATE_READ] = COUNT_CHAT_RATE_READ,
    [CHAT_RATE_SEARCH] = COUNT_CHAT_RATE_SEARCH,
};

bool rate_allow_chat(struct worker *w, unsigned chat_rate, struct str user, int64_t *ret_retry_ms) {
    const struct config_rate *limit = &w->config->chat.rates[chat_rate];

    *ret_retry_ms = 0;
    if (!limit->rate)
        return true;
    int64_t wait_ns =
            take_shared(w->daemon->rates, (uint8_t) (OF_CHAT + chat_rate), user, limit, 1);
    if (wait_ns == 0)
        return true;
    metrics_count(&w->metrics, CHAT_COUNTS[chat_rate]);
    *ret_retry_ms = wait_ns / 1000000 + 1;
    return false;
}
