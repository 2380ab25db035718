#include "storage/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/clock.h"
#include "storage/engine_impl.h"

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

void engine_init(struct engine *e, const struct engine_class *class,
                 const struct table_seed *seed) {
    e->class = class;
    e->seed = *seed;
    distribution_init(&e->distribution, seed);
    presence_store_init(&e->presence, seed);
}

void engine_finish(struct engine *e) {
    distribution_finish(&e->distribution);
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

static void run_done(struct post *post) {
    struct publish_request *request = CONTAINER_OF(post, struct publish_request, post);
    request->done(request);
}

void engine_answer(struct publish_request *request, int result) {
    request->publication = publication_unref(request->publication);
    request->result = result;
    request->post = (struct post){ .run = run_done };
    inbox_post(request->inbox, &request->post);
}

void engine_publish(struct engine *e, struct publish_request *request) {
    struct publication *p = request->publication;
    uint64_t hash = engine_hash(e, p->channel);
    request->position = (struct position){ 0 };
    p->time_ms = loop_wall_ms();
    p->position = (struct position){ 0 };

    /* Where nothing is kept there is nothing to wait for, unless what went before it still waits.
     */
    if (keep_is_nothing(&request->keep) && !(e->class->is_behind && e->class->is_behind(e, hash)))
        engine_answer(request, distribution_send(&e->distribution, hash, p));
    else
        e->class->publish(e, request, hash);
}

int engine_broadcast(struct engine *e, struct publication *p) {
    p->time_ms = loop_wall_ms();
    p->position = (struct position){ 0 };
    return distribution_send(&e->distribution, engine_hash(e, p->channel), p);
}

/* ---- sinks ---- */

int engine_add_sink(struct engine *e, struct engine_sink *s) {
    return distribution_add_sink(&e->distribution, s);
}

void engine_remove_sink(struct engine *e, struct engine_sink *s) {
    distribution_remove_sink(&e->distribution, s);
}

int engine_attach(struct engine *e, struct engine_sink *s, struct str channel) {
    return distribution_attach(&e->distribution, s, channel);
}

void engine_detach(struct engine *e, struct engine_sink *s, struct str channel) {
    distribution_detach(&e->distribution, s, channel);
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

/* ---- presence ---- */

int engine_presence_set(struct engine *e, struct str channel, const struct client_info *info,
                        int64_t ttl_ms) {
    return presence_store_set(&e->presence, loop_now(), channel, info, ttl_ms);
}

int engine_presence_remove(struct engine *e, struct str channel, struct str client) {
    presence_store_remove(&e->presence, channel, client);
    return 0;
}

int engine_presence(struct engine *e, struct str channel, struct presence *ret) {
    return presence_store_read(&e->presence, loop_now(), channel, ret);
}

int engine_presence_stats(struct engine *e, struct str channel, size_t *ret_clients,
                          size_t *ret_users) {
    presence_store_count(&e->presence, loop_now(), channel, ret_clients, ret_users);
    return 0;
}

void engine_stats(struct engine *e, struct engine_stats *ret) {
    *ret = (struct engine_stats){ .writable = true };
    e->class->stats(e, ret);
}
