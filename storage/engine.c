#include "storage/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/clock.h"
#include "storage/engine_impl.h"

static const size_t MEMORY_MAX_BYTES = (size_t) 1 << 30;

/* ---- epochs ---- */

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

void epoch_format(char epoch[static EPOCH_SIZE], const char *base, uint64_t generation) {
    char reversed[16];
    size_t n = 0;
    do {
        reversed[n++] = digits[generation % 36];
        generation /= 36;
    } while (generation > 0);

    size_t len = strnlen(base, EPOCH_BASE_SIZE - 1);
    assert(len + n < EPOCH_SIZE); /* 10 and at most 13 */
    memcpy(epoch, base, len);
    while (n > 0)
        epoch[len++] = reversed[--n];
    epoch[len] = 0;
}

static void epoch_base_make(char base[static EPOCH_BASE_SIZE]) {
    for (size_t i = 0; i + 1 < EPOCH_BASE_SIZE; i++)
        base[i] = digits[loop_random_below(36)];
    base[EPOCH_BASE_SIZE - 1] = 0;
}

/* ---- opening and closing ---- */

static void tick(struct timer *t) {
    struct engine *e = CONTAINER_OF(t, struct engine, timer);
    presence_store_sweep(&e->presence, loop_now());
    ephemera_tick(e);
    e->class->tick(e);
    /* The timer has just left its place in the loop's heap, so there is room for it. */
    int r = timer_set(&e->timer, ENGINE_TICK_MS);
    assert(r == 0);
    (void) r;
}

int engine_open(const struct engine_options *o, struct engine **ret, char **ret_why) {
    assert(loop_current());
    *ret_why = NULL;
    char base[EPOCH_BASE_SIZE];
    epoch_base_make(base);
    struct table_seed seed;
    loop_random(&seed, sizeof seed);

    struct engine *e = NULL;
    int r = o->kind == ENGINE_MEMORY   ? memory_engine_new(o, base, &seed, &e)
            : o->kind == ENGINE_SQLITE ? sqlite_engine_new(o, base, &seed, &e, ret_why)
            : o->kind == ENGINE_REDIS  ? redis_engine_new(o, base, &seed, &e, ret_why)
                                       : -EINVAL;
    if (r < 0) {
        if (!*ret_why && asprintf(ret_why, "the engine cannot start: %s", strerror(-r)) < 0)
            *ret_why = NULL;
        return r;
    }

    e->timer.run = tick;
    r = timer_set(&e->timer, ENGINE_TICK_MS);
    if (r < 0) {
        engine_close(e);
        return r;
    }
    *ret = e;
    return 0;
}

void engine_init(struct engine *e, const struct engine_class *class, const struct engine_options *o,
                 const char *epoch_base, const struct table_seed *seed) {
    e->class = class;
    e->seed = *seed;
    e->budget.max = o->memory_max_bytes ? o->memory_max_bytes : MEMORY_MAX_BYTES;
    memcpy(e->epoch_base, epoch_base, EPOCH_BASE_SIZE);
    ephemera_init(&e->ephemera, o, seed, &e->budget);
    distribution_init(&e->distribution, seed);
    presence_store_init(&e->presence, seed);
}

void engine_finish(struct engine *e) {
    ephemera_finish(&e->ephemera);
    distribution_finish(&e->distribution);
    assert(atomic_load(&e->budget.used) == 0);
    presence_store_finish(&e->presence);
}

struct engine *engine_close(struct engine *e) {
    if (!e)
        return NULL;
    timer_clear(&e->timer);
    e->class->close(e);
    return NULL;
}

/* ---- publishing ---- */

/* The publications are let go of here: memory goes back cheaply to the thread that it came from. */
static void run_dones(struct post *post) {
    struct publish_request *request = CONTAINER_OF(post, struct publish_request, post);
    while (request) {
        struct publish_request *next = request->next;
        request->publication = publication_unref(request->publication);
        request->map.stream = publication_unref(request->map.stream);
        request->done(request);
        request = next;
    }
}

void engine_answer_all(struct publish_request *first, struct wakes *wakes) {
    first->post = (struct post){ .run = run_dones };
    inbox_post_quietly(first->inbox, &first->post, wakes);
}

void engine_answer(struct publish_request *request, int result) {
    request->result = result;
    request->next = NULL;
    engine_answer_all(request, NULL);
}

int engine_publish_unkept(struct engine *e, struct publish_request *request, uint64_t hash) {
    return publish_is_plain(request)
                   ? distribution_send(&e->distribution, hash, request->publication)
                   : ephemera_publish(e, request, hash);
}

void engine_publish(struct engine *e, struct publish_request *request) {
    struct publication *p = request->publication;
    uint64_t hash = engine_hash(e, p->channel);
    request->position = (struct position){ 0 };
    request->is_duplicate = request->is_stale = false;
    request->suppression = MAP_NOT_SUPPRESSED;
    p->time_ms = loop_wall_ms();
    p->position = (struct position){ 0 };

    /* Where nothing is kept there is nothing to wait for, unless what went before it still waits.
     */
    if (keep_is_nothing(&request->keep) && !(e->class->is_behind && e->class->is_behind(e, hash)))
        engine_answer(request, engine_publish_unkept(e, request, hash));
    else
        e->class->publish(e, request, hash);
}

const struct table_seed *engine_seed(const struct engine *e) {
    return &e->seed;
}

int engine_broadcast_here(struct engine *e, struct publication *p) {
    p->time_ms = loop_wall_ms();
    p->position = (struct position){ 0 };
    return distribution_send(&e->distribution, engine_hash(e, p->channel), p);
}

int engine_broadcast(struct engine *e, struct publication *p) {
    if (!e->class->broadcast)
        return engine_broadcast_here(e, p);
    p->time_ms = loop_wall_ms();
    p->position = (struct position){ 0 };
    return e->class->broadcast(e, engine_hash(e, p->channel), p);
}

/* ---- sinks ---- */

int engine_add_sink(struct engine *e, struct engine_sink *s) {
    return distribution_add_sink(&e->distribution, s);
}

void engine_remove_sink(struct engine *e, struct engine_sink *s) {
    distribution_remove_sink(&e->distribution, s);
}

int engine_attach(struct engine *e, struct engine_sink *s, struct str channel) {
    int r = distribution_attach(&e->distribution, s, channel);
    if (r == 0 && e->class->attach) {
        r = e->class->attach(e, engine_hash(e, channel), channel);
        if (r < 0)
            distribution_detach(&e->distribution, s, channel);
    }
    return r;
}

void engine_detach(struct engine *e, struct engine_sink *s, struct str channel) {
    distribution_detach(&e->distribution, s, channel);
    if (e->class->detach)
        e->class->detach(e, engine_hash(e, channel), channel);
}

/* ---- reading ---- */

void page_finish(struct page *p) {
    for (size_t i = 0; i < p->n; i++)
        publication_unref(p->items[i]);
    free(p->items);
    *p = (struct page){ 0 };
}

int engine_history(struct engine *e, const struct history_query *q, struct page *ret) {
    return e->class->history(e, q, ret);
}

int engine_history_remove(struct engine *e, struct str channel) {
    return e->class->history_remove(e, channel);
}

int engine_position(struct engine *e, struct str channel, struct keep keep, struct position *ret) {
    return e->class->position(e, channel, keep, ret);
}

/* ---- maps ---- */

/* Ephemeral maps are; where others share the engine there is no such map. */
static bool is_of_this_process(const struct engine *e, const struct keep *keep) {
    return keep_is_nothing(keep) && !engine_is_shared(e);
}

int engine_map_read(struct engine *e, const struct map_query *q, struct map_page *ret) {
    return is_of_this_process(e, &q->keep) ? ephemera_map_read(e, q, ret)
                                           : e->class->map_read(e, q, ret);
}

int engine_map_stats(struct engine *e, struct str channel, struct keep keep, uint64_t *ret_keys) {
    if (!is_of_this_process(e, &keep))
        return e->class->map_count(e, channel, ret_keys);
    *ret_keys = ephemera_map_count(e, channel);
    return 0;
}

int engine_map_clear(struct engine *e, struct str channel, struct keep keep) {
    if (!is_of_this_process(e, &keep))
        return e->class->map_clear(e, channel, &keep);
    ephemera_map_clear(e, channel, &keep);
    return 0;
}

/* ---- events ---- */

static void run_event_done(struct post *post) {
    struct event_request *request = CONTAINER_OF(post, struct event_request, post);
    request->done(request);
}

void engine_event_answer(struct event_request *request, int result) {
    request->result = result;
    request->post = (struct post){ .run = run_event_done };
    inbox_post(request->inbox, &request->post);
}

void engine_event_append(struct engine *e, struct event_request *request) {
    e->class->event_append(e, request);
}

int engine_events_next(struct engine *e, struct str queue, uint64_t after, uint32_t limit,
                       size_t max_bytes, struct events *ret) {
    return e->class->events_next(e, queue, after, limit, max_bytes, ret);
}

int engine_events_done(struct engine *e, const uint64_t *ids, size_t n) {
    return e->class->events_done(e, ids, n);
}

int engine_events_end_standing(struct engine *e) {
    return e->class->events_end_standing(e);
}

int engine_events_keep_queues(struct engine *e, const struct str *queues, size_t n,
                              uint64_t *ret_n) {
    return e->class->events_keep_queues(e, queues, n, ret_n);
}

/* ---- denials ---- */

int engine_denial_put(struct engine *e, const struct denial *d) {
    return e->class->denial_put(e, d);
}

int engine_denial_remove(struct engine *e, enum denial_kind kind, struct str key) {
    return e->class->denial_remove(e, kind, key);
}

int engine_denials(struct engine *e, struct denials *ret) {
    return e->class->denials(e, ret);
}

/* ---- presence ---- */

int engine_presence_set(struct engine *e, struct str channel, const struct client_info *info,
                        int64_t ttl_ms) {
    if (e->class->presence_set)
        return e->class->presence_set(e, channel, info, ttl_ms);
    return presence_store_set(&e->presence, loop_now(), channel, info, ttl_ms);
}

int engine_presence_remove(struct engine *e, struct str channel, struct str client) {
    if (e->class->presence_remove)
        return e->class->presence_remove(e, channel, client);
    presence_store_remove(&e->presence, channel, client);
    return 0;
}

int engine_presence(struct engine *e, struct str channel, struct presence *ret) {
    if (e->class->presence)
        return e->class->presence(e, channel, ret);
    return presence_store_read(&e->presence, loop_now(), channel, ret);
}

int engine_presence_stats(struct engine *e, struct str channel, size_t *ret_clients,
                          size_t *ret_users) {
    if (e->class->presence_stats)
        return e->class->presence_stats(e, channel, ret_clients, ret_users);
    presence_store_count(&e->presence, loop_now(), channel, ret_clients, ret_users);
    return 0;
}

/* ---- other nodes ---- */

void nodes_finish(struct nodes *n) {
    free(n->items);
    free(n->memory);
    *n = (struct nodes){ 0 };
}

bool engine_is_shared(const struct engine *e) {
    return e->class->signal;
}

int engine_nodes(struct engine *e, struct nodes *ret) {
    if (e->class->nodes)
        return e->class->nodes(e, ret);
    *ret = (struct nodes){ 0 };
    return 0;
}

int engine_signal(struct engine *e, struct str to, struct bytes message) {
    return e->class->signal ? e->class->signal(e, to, message) : 0;
}

bool engine_leases(const struct engine *e) {
    return e->class->lease;
}

int engine_lease(struct engine *e, const struct lease_claim *c, struct lease *ret) {
    return e->class->lease ? e->class->lease(e, c, ret) : -ENOSYS;
}

int engine_listen(struct engine *e, struct engine_ear *ear) {
    return e->class->listen ? e->class->listen(e, ear) : 0;
}

void engine_unlisten(struct engine *e, struct engine_ear *ear) {
    if (e->class->unlisten)
        e->class->unlisten(e, ear);
}

/* ---- who is where, on all nodes ---- */

bool engine_has_occupants(const struct engine *e) {
    return e->class->occupants_open;
}

int engine_occupants_open(struct engine *e, struct engine_teller *t) {
    return e->class->occupants_open(e, t);
}

int engine_occupants_change(struct engine *e, struct str channel, bool is_occupied) {
    return e->class->occupants_change(e, channel, is_occupied);
}

void engine_occupants_told(struct engine *e, unsigned place) {
    e->class->occupants_told(e, place);
}

void engine_occupants_close(struct engine *e) {
    e->class->occupants_close(e);
}

/* ---- numbers ---- */

const uint32_t engine_group_bounds[ENGINE_GROUP_BOUNDS] = { 1,  2,   4,   8,   16,  32,
                                                            64, 128, 256, 512, 1024 };
const uint32_t engine_commit_bounds_us[ENGINE_COMMIT_BOUNDS] = {
    250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
};

static size_t bucket_of(const uint32_t *bounds, size_t n, uint64_t value) {
    size_t i = 0;
    while (i < n && value > bounds[i])
        i++;
    return i;
}

size_t engine_group_bucket(size_t n) {
    return bucket_of(engine_group_bounds, ENGINE_GROUP_BOUNDS, n);
}

size_t engine_commit_bucket(uint64_t ns) {
    return bucket_of(engine_commit_bounds_us, ENGINE_COMMIT_BOUNDS, ns / 1000);
}

void engine_stats(struct engine *e, struct engine_stats *ret) {
    *ret = (struct engine_stats){ .writable = true,
                                  .duplicates = atomic_load(&e->ephemera.duplicates),
                                  .stale = atomic_load(&e->ephemera.stale),
                                  .suppressed = atomic_load(&e->ephemera.suppressed),
                                  .map_keys_expired = atomic_load(&e->ephemera.keys_expired),
                                  .idempotency_refused = atomic_load(&e->ephemera.once_refused),
                                  .map_keys_refused = atomic_load(&e->ephemera.keys_refused),
                                  .memory_refused = atomic_load(&e->ephemera.memory_refused),
                                  .denials_refused = atomic_load(&e->ephemera.denials_refused) };
    e->class->stats(e, ret);
}
