/*
 * What is more than appending, over a disk that loses power: publishers repeat under the same key
 * until they are told it is done, and it was done once; maps are what their streams say, and what
 * was acknowledged; events stay until they are done.
 *
 * PARLEY_SEEDS=first-last runs others.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/event.h"
#include "storage/map.h"
#include "tests/unit/storage/world.h"

enum { PUBLISHERS = 4, KEYS = 5, ROUNDS = 5, DATA_MAX = 20000, EVENTS_SEEN_MAX = 4096 };

static const struct keep keep_all = { .history_size = 1000000, .history_ttl_ms = 86400000 };

/* One that does one thing at a time, and again until it is done. */
struct publisher {
    struct test *t;
    int index;
    uint32_t done; /* things, so far */
};

struct event_ledger {
    uint32_t appended; /* acknowledged: numbers below it, but for those in doubt */
    bool is_doubtful[EVENTS_SEEN_MAX];
    uint32_t taken; /* by the one who delivers */
};

struct test {
    struct world *w;
    struct publisher publishers[PUBLISHERS];
    struct event_ledger events;
    bool is_over;
};

static struct publish_request thing(const struct publisher *p, char key[static 32],
                                    char data[static 32]) {
    (void) snprintf(data, 32, "%d/%u", p->index, p->done);
    (void) snprintf(key, 32, "k%u", p->done % KEYS);
    bool is_map = p->index % 2;
    struct publication_parts parts = { .channel = is_map ? STR("m") : STR("c"),
                                       .key = is_map ? str_of(key) : STR(""),
                                       .data = bytes_of(data, strlen(data)),
                                       .is_removed = is_map && p->done % 7 == 6 };
    return (struct publish_request){ .publication = publication_new(&parts),
                                     .keep = keep_all,
                                     .map.is_map = is_map,
                                     .idempotency_key = str_of(data),
                                     .idempotency_ttl_ms = 86400000 };
}

static int publish_on(void *arg) {
    struct publisher *p = arg;
    struct test *t = p->t;
    char key[32], data[32];
    while (!t->is_over) {
        struct attempt a = { 0 };
        if (world_publish_with(t->w, &a, thing(p, key, data)) == 0)
            p->done++;
        if (task_sleep((int64_t) loop_random_below(6)) < 0)
            break;
    }
    return 0;
}

/* ---- events ---- */

struct appending {
    struct event_request request;
    struct event_item item;
    struct future done;
};

static void appended(struct event_request *request) {
    struct appending *a = CONTAINER_OF(request, struct appending, request);
    (void) future_resolve(&a->done, 0);
}

static int append_on(void *arg) {
    struct test *t = arg;
    struct event_ledger *l = &t->events;
    while (!t->is_over && l->appended + 1 < EVENTS_SEEN_MAX) {
        char text[16];
        (void) snprintf(text, sizeof text, "%u", l->appended);
        struct appending a = {
            .request = { .items = &a.item, .n = 1, .inbox = t->w->inbox, .done = appended },
            .item = { .queue = STR("q"),
                      .subject = STR("s"),
                      .payload = bytes_of(text, strlen(text)) },
        };
        future_init(&a.done);
        engine_event_append(t->w->engine, &a.request);
        if (future_wait(&a.done) < 0)
            break;
        l->is_doubtful[l->appended++] = a.request.result < 0;
        if (task_sleep((int64_t) loop_random_below(6)) < 0)
            break;
    }
    return 0;
}

/* The first one there must be the next that was not done: only those in doubt may be missing. */
static int take_event(struct test *t, bool *ret_any) {
    struct event_ledger *l = &t->events;
    struct events events;
    int r = engine_events_next(t->w->engine, STR("q"), 0, 1, 1000, &events);
    *ret_any = r == 0 && events.n > 0;
    if (!*ret_any)
        return 0;
    char text[16] = "";
    memcpy(text, events.items[0].payload.data, events.items[0].payload.len);
    uint32_t number = (uint32_t) strtoul(text, NULL, 10);
    uint64_t id = events.items[0].id;
    events_finish(&events);
    for (; l->taken < number; l->taken++)
        CHECK(t->w, l->is_doubtful[l->taken]);
    if (engine_events_done(t->w->engine, &id, 1) == 0)
        l->taken = number + 1 > l->taken ? number + 1 : l->taken;
    else
        l->is_doubtful[number] = true; /* it may turn out to be gone */
    return 0;
}

static int take_on(void *arg) {
    struct test *t = arg;
    bool any;
    while (!t->is_over && take_event(t, &any) == 0) {
        if (task_sleep((int64_t) loop_random_below(20)) < 0)
            break;
    }
    return 0;
}

/* ---- verifying ---- */

static void parse(struct bytes data, int *ret_index, uint32_t *ret_number) {
    char text[32] = "";
    memcpy(text, data.data, data.len < 31 ? data.len : 31);
    if (sscanf(text, "%d/%u", ret_index, ret_number) != 2)
        *ret_index = -1;
}

/* Each publisher's things are there once, in order: those that are done, and perhaps the next. */
static int verify_stream(struct test *t, const struct page *page, bool is_map) {
    uint32_t next[PUBLISHERS] = { 0 };
    for (size_t i = 0; i < page->n; i++) {
        int index;
        uint32_t number;
        parse(page->items[i]->data, &index, &number);
        CHECK(t->w, index >= 0 && index < PUBLISHERS && index % 2 == is_map);
        if (!is_map)
            CHECK(t->w, number == next[index]);
        CHECK(t->w, number >= next[index]); /* a map's publisher may remove what is not there */
        next[index] = number + 1;
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        uint32_t done = t->publishers[i].done;
        if (i % 2 == 0 && !is_map)
            CHECK(t->w, next[i] == done || next[i] == done + 1);
        if (i % 2 == 1 && is_map)
            CHECK(t->w, next[i] <= done + 1);
    }
    return 0;
}

static int verify_state(struct test *t, const struct page *stream, const struct map_page *state) {
    const struct publication *values[KEYS] = { 0 };
    for (size_t i = 0; i < stream->n; i++)
        values[stream->items[i]->key.data[1] - '0'] = stream->items[i];
    size_t n = 0;
    for (int k = 0; k < KEYS; k++) {
        if (!values[k] || values[k]->is_removed)
            continue;
        CHECK(t->w, n < state->n && str_equal(state->items[n]->key, values[k]->key));
        CHECK(t->w, bytes_equal(state->items[n]->data, values[k]->data));
        CHECK(t->w, state->items[n]->position.offset == values[k]->position.offset);
        n++;
    }
    CHECK(t->w, n == state->n);
    return 0;
}

static int verify(struct test *t) {
    struct world *w = t->w;
    struct page page;
    struct map_page state;
    CHECK(w, world_history(w, "c", keep_all, &page) == 0);
    int r = verify_stream(t, &page, false);
    page_finish(&page);
    if (r < 0)
        return r;
    CHECK(w, world_history(w, "m", keep_all, &page) == 0);
    struct map_query q = { .channel = STR("m"), .keep = keep_all, .limit = 100 };
    r = engine_map_read(w->engine, &q, &state);
    if (r == 0) {
        r = verify_stream(t, &page, true);
        if (r == 0)
            r = verify_state(t, &page, &state);
        map_page_finish(&state);
    }
    page_finish(&page);
    return r;
}

static int verify_events(struct test *t) {
    bool any = true;
    while (any) {
        if (take_event(t, &any) < 0)
            return -1;
    }
    for (; t->events.taken < t->events.appended; t->events.taken++)
        CHECK(t->w, t->events.is_doubtful[t->events.taken]);
    return 0;
}

static int run_and_cut(struct test *t) {
    struct world *w = t->w;
    GROUP(g);
    t->is_over = false;
    for (int i = 0; i < PUBLISHERS; i++)
        CHECK(w, group_spawn(&g, "publish", publish_on, &t->publishers[i]) == 0);
    CHECK(w, group_spawn(&g, "append", append_on, t) == 0);
    CHECK(w, group_spawn(&g, "take", take_on, t) == 0);
    if (loop_random_below(3) == 0)
        sim_disk_fail(w->disk, SIM_SYNC, 1 + loop_random_below(20), 1 + loop_random_below(3), EIO);
    (void) task_sleep((int64_t) loop_random_below(150));
    if (loop_random_below(2) == 0) { /* what is written last is refused, and may be there */
        sim_disk_fail(w->disk, SIM_SYNC, 1, 1000000, EIO);
        (void) task_sleep((int64_t) loop_random_below(10));
    }
    if (loop_random_below(5) > 0)
        sim_disk_cut(w->disk);
    t->is_over = true;
    CHECK(w, group_wait(&g) == 0);
    sim_disk_fail(w->disk, SIM_ANY, 0, 0, 0);
    return 0;
}

static int cut_story(struct world *w) {
    struct test *t = calloc(1, sizeof *t);
    t->w = w;
    for (int i = 0; i < PUBLISHERS; i++)
        t->publishers[i] = (struct publisher){ .t = t, .index = i };
    int r = 0;
    for (int round = 0; r == 0 && round <= ROUNDS; round++) {
        r = world_open(w);
        if (r < 0)
            world_fail(w, __FILE__, __LINE__, w->why ? w->why : "it opens");
        if (r == 0)
            r = verify(t);
        if (r == 0)
            r = round < ROUNDS ? run_and_cut(t) : verify_events(t);
        world_close(w);
    }
    if (r == 0 && (t->publishers[0].done < 5 || t->events.taken < 5))
        world_fail(w, __FILE__, __LINE__, "there was something to lose");
    free(t);
    return r;
}

static void nothing_is_done_twice_or_lost_over_power_cuts(void **state) {
    char failure[WORLD_FAILURE_MAX];
    world_run_cuts(cut_story, 150, failure);
    assert_string_equal(failure, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_done_twice_or_lost_over_power_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
