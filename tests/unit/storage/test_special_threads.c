/* Workers on threads of their own that repeat each other's publishes and share maps. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/event.h"
#include "storage/map.h"
#include "tests/unit/storage/world.h"

enum { WORKERS = 4, ROUNDS = 60 };

static const struct keep keep_all = { .history_size = 100000, .history_ttl_ms = 86400000 };

struct worker {
    pthread_t thread;
    struct engine *engine;
    unsigned number;
    struct world world; /* of its own thread: for helpers */
    unsigned first, duplicates, stale, suppressed;
};

struct appending {
    struct event_request request;
    struct event_item item;
    struct future done;
};

static void appended(struct event_request *request) {
    struct appending *a = CONTAINER_OF(request, struct appending, request);
    (void) future_resolve(&a->done, 0);
}

static int append_event(struct world *w) {
    struct appending a = {
        .request = { .items = &a.item, .n = 1, .inbox = w->inbox, .done = appended },
        .item = { .queue = STR("q"), .subject = STR("s"), .payload = bytes_of("x", 1) },
    };
    future_init(&a.done);
    engine_event_append(w->engine, &a.request);
    CHECK(w, future_wait(&a.done) == 0 && a.request.result == 0);
    return 0;
}

static int do_once(struct worker *me, unsigned round) {
    struct world *w = &me->world;
    struct attempt a = { 0 };
    char key[16];
    (void) snprintf(key, sizeof key, "%u", round);
    CHECK(w, world_publish_with(
                     w, &a,
                     (struct publish_request){ .publication = a_publication(STR("once"), key),
                                               .keep = keep_all,
                                               .idempotency_key = str_of(key) }) == 0);
    me->first += !a.request.is_duplicate;
    me->duplicates += a.request.is_duplicate;
    CHECK(w, world_publish_with(
                     w, &a,
                     (struct publish_request){ .publication = a_publication(STR("version"), key),
                                               .keep = keep_all,
                                               .version = round + 1 }) == 0);
    me->stale += a.request.is_stale;
    return 0;
}

static int change_map(struct worker *me, unsigned round, struct keep keep) {
    struct world *w = &me->world;
    struct attempt a = { 0 };
    struct publication_parts parts = { .channel = STR("map"),
                                       .key = STR("shared"),
                                       .data = bytes_of("x", 1),
                                       .is_removed = (round + me->number) % 3 == 0 };
    CHECK(w, world_publish_with(w, &a,
                                (struct publish_request){ .publication = publication_new(&parts),
                                                          .keep = keep,
                                                          .map.is_map = true }) == 0);
    me->suppressed += a.request.suppression != MAP_NOT_SUPPRESSED;
    struct map_page page;
    struct map_query q = { .channel = STR("map"), .keep = keep, .limit = 10 };
    CHECK(w, engine_map_read(w->engine, &q, &page) == 0);
    size_t n = page.n;
    map_page_finish(&page);
    CHECK(w, n <= 1);
    return 0;
}

static int work(void *arg) {
    struct worker *me = arg;
    struct world *w = &me->world;
    int r = 0;
    w->engine = me->engine;
    w->inbox = inbox_open(loop_current());
    for (unsigned round = 0; r == 0 && round < ROUNDS; round++) {
        r = do_once(me, round);
        if (r == 0)
            r = change_map(me, round, keep_all);
        if (r == 0)
            r = change_map(me, round, keep_none);
        if (r == 0)
            r = append_event(w);
    }
    w->inbox = inbox_close(w->inbox);
    return r;
}

static void *run_worker(void *arg) {
    struct worker *me = arg;
    int r = loop_run(NULL, work, me);
    if (r < 0)
        world_fail(&me->world, __FILE__, __LINE__, "the loop ended well");
    return NULL;
}

static int count_history(struct world *w, const char *channel, size_t *ret) {
    struct page page;
    CHECK(w, world_history(w, channel, keep_all, &page) == 0);
    *ret = page.n;
    page_finish(&page);
    return 0;
}

static int workers_story(struct world *world) {
    struct worker *workers = calloc(WORKERS, sizeof *workers);
    unsigned first = 0, duplicates = 0, stale = 0, suppressed = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].engine = world->engine;
        workers[i].number = i;
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].world.failure[0])
            world_fail(world, __FILE__, __LINE__, workers[i].world.failure);
        first += workers[i].first;
        duplicates += workers[i].duplicates;
        stale += workers[i].stale;
        suppressed += workers[i].suppressed;
    }
    free(workers);

    size_t once, versions;
    CHECK(world, count_history(world, "once", &once) == 0 && once == ROUNDS);
    CHECK(world, first == ROUNDS && duplicates == ROUNDS * (WORKERS - 1));
    CHECK(world, count_history(world, "version", &versions) == 0);
    CHECK(world, versions == WORKERS * ROUNDS - stale);
    struct engine_stats stats;
    engine_stats(world->engine, &stats);
    CHECK(world, stats.duplicates == duplicates && stats.stale == stale);
    CHECK(world, stats.suppressed == suppressed && stats.events == WORKERS * ROUNDS);
    return 0;
}

static void workers_share_keys_versions_maps_and_events(void **state) {
    struct world *w = *state;
    world_run(w, workers_story);
    assert_string_equal(w->failure, "");
}

static int begin_memory(void **state) {
    *state = world_new(ENGINE_MEMORY, true);
    return 0;
}

static int begin_sqlite(void **state) {
    *state = world_new(ENGINE_SQLITE, true);
    return 0;
}

static int end(void **state) {
    *state = world_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        { "they share keys, versions, maps and events (memory)",
          workers_share_keys_versions_maps_and_events, begin_memory, end, NULL },
        { "they share keys, versions, maps and events (sqlite)",
          workers_share_keys_versions_maps_and_events, begin_sqlite, end, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
