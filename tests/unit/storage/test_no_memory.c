/*
 * The n-th allocation fails, for every n: whatever was asked says so or succeeds, nothing is half
 * done, nothing leaks. SQLite's own allocations are its library's and do not come by here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/denial.h"
#include "storage/event.h"
#include "storage/map.h"
#include "storage/sqlite/archive.h"
#include "tests/support/failing_memory.h"
#include "tests/unit/storage/world.h"

/* Does it again if it was the one that failed; anything else than "no memory" is a finding. */
#define TWICE(w, call)                                                                             \
    do {                                                                                           \
        int r_ = (call);                                                                           \
        CHECK(w, r_ == 0 || r_ == -ENOMEM);                                                        \
        if (r_ < 0)                                                                                \
            CHECK(w, (call) == 0);                                                                 \
    } while (0)

/* One of each: idempotent, versioned, a map kept and one that is not. */
static int special_requests(struct world *w, struct publish_request all[static 4]) {
    for (int i = 0; i < 4; i++) {
        struct publication_parts parts = { .channel = i < 2 ? STR("s") : STR("m"),
                                           .key = i < 2 ? STR("") : STR("k"),
                                           .data = bytes_of("x", 1) };
        struct publication *p = publication_new(&parts);
        all[i] = (struct publish_request){ .publication = p ? p : publication_new(&parts),
                                           .keep = i < 3 ? keep_ten : keep_none,
                                           .map.is_map = i >= 2 };
        CHECK(w, all[i].publication);
    }
    all[0].idempotency_key = STR("once");
    all[1].version = 1;
    all[1].version_epoch = STR("e");
    all[2].idempotency_key = STR("once");
    all[3].map.key_ttl_ms = 1000;
    return 0;
}

static int special_story(struct world *w) {
    bool is_done[4] = { false };
    for (int round = 0; round < 2; round++) {
        struct publish_request all[4];
        CHECK(w, special_requests(w, all) == 0);
        for (int i = 0; i < 4; i++) {
            struct attempt a = { 0 };
            if (is_done[i]) {
                publication_unref(all[i].publication);
                continue;
            }
            int r = world_publish_with(w, &a, all[i]);
            CHECK(w, r == 0 || r == -ENOMEM);
            CHECK(w, r < 0 || (!a.request.is_duplicate && !a.request.is_stale));
            is_done[i] = r == 0;
        }
    }
    CHECK(w, is_done[0] && is_done[1] && is_done[2] && is_done[3]);
    struct map_page page;
    struct map_query q = { .channel = STR("m"), .keep = keep_ten, .limit = 5 };
    TWICE(w, engine_map_read(w->engine, &q, &page));
    size_t n = page.n;
    map_page_finish(&page);
    CHECK(w, n == 1);
    struct denial d = { .kind = DENIAL_USER, .key = STR("ada") };
    struct denials denials;
    TWICE(w, engine_denial_put(w->engine, &d));
    TWICE(w, engine_denials(w->engine, &denials));
    denials_finish(&denials);
    struct events events;
    TWICE(w, engine_events_end_standing(w->engine));
    TWICE(w, engine_events_next(w->engine, STR("q"), 0, 1, 1, &events));
    events_finish(&events);
    return 0;
}

static int everything_story(struct world *w) {
    static const struct client_info ada = { .user = { "ada", 3 }, .client = { "c1", 2 } };
    char data[16], text[256];
    size_t clients, users;
    struct presence all;
    struct page page;
    fails_in = w->seed;
    w->listener.sink.inbox = w->inbox;
    TWICE(w, world_open(w));
    TWICE(w, engine_attach(w->engine, &w->listener.sink, STR("a")));
    for (int i = 1; i <= 9; i++) {
        (void) snprintf(data, sizeof data, "%d", i);
        TWICE(w, world_publish(w, "a", data, keep_ten, NULL));
    }
    TWICE(w, world_publish(w, "a", "bare", keep_none, NULL));
    TWICE(w, world_publish(w, "b", "b", keep_ten, NULL));
    TWICE(w, world_history(w, "a", keep_ten, &page));
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "1=1 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9") == 0);
    struct position at;
    TWICE(w, engine_position(w->engine, STR("new"), keep_ten, &at));
    TWICE(w, engine_presence_set(w->engine, STR("a"), &ada, 1000));
    TWICE(w, engine_presence(w->engine, STR("a"), &all));
    presence_finish(&all);
    CHECK(w, engine_presence_stats(w->engine, STR("a"), &clients, &users) == 0);
    CHECK(w, clients == 1 && users == 1);
    CHECK(w, special_story(w) == 0);
    TWICE(w, engine_history_remove(w->engine, STR("a")));
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    (void) task_sleep(3000);
    listener_text(&w->listener, text);
    CHECK(w, strcmp(text, "1=1 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9 0=bare") == 0);
    fails_in = 0;
    return 0;
}

/* Nothing is left out but what there was no memory to remember; what there was none to write is
 * written later. */
static int archive_story(struct world *w) {
    static const struct client_info ada = { .user = { "ada", 3 }, .client = { "c1", 2 } };
    struct archive_options o = { .data_dir = w->options.data_dir, .vfs = w->options.vfs };
    struct archive *a = NULL;
    struct archive_stats stats;
    char *why;
    fails_in = w->seed;
    int r = archive_open(&o, &a, &why);
    free(why);
    CHECK(w, r == 0 || r == -ENOMEM);
    if (r < 0)
        CHECK(w, archive_open(&o, &a, &why) == 0);
    for (uint64_t i = 1; i <= 5; i++) {
        struct publication_parts parts = { .channel = STR("a"), .info = &ada };
        struct publication *p = publication_new(&parts);
        if (!p)
            p = publication_new(&parts);
        p->position.offset = i;
        archive_put(a, p);
        publication_unref(p);
        (void) task_sleep(10);
        archive_tick(a);
    }
    (void) task_sleep(10);
    archive_stats(a, &stats);
    archive_close(a);
    fails_in = 0;
    CHECK(w, stats.waiting == 0 && stats.dropped <= 1 && stats.errors <= 1);
    CHECK(w, stats.written + stats.dropped == 5);
    return 0;
}

static void run_all(enum engine_kind kind, story_fn *story, uint64_t at_least) {
    uint64_t n = 1;
    for (has_failed = true; has_failed; n++) {
        struct world *w = world_new(kind, false);
        char failure[sizeof w->failure + 32] = "";
        w->seed = n;
        has_failed = false;
        world_run_closed(w, story);
        fails_in = 0;
        if (w->failure[0])
            (void) snprintf(failure, sizeof failure, "allocation %llu: %s", (unsigned long long) n,
                            w->failure);
        world_free(w);
        assert_string_equal(failure, "");
    }
    assert_true(n > at_least); /* it has come by here */
}

static void memory_runs_out_in_memory(void **state) {
    run_all(ENGINE_MEMORY, everything_story, 30);
}

static void memory_runs_out_in_sqlite(void **state) {
    run_all(ENGINE_SQLITE, everything_story, 30);
}

static void memory_runs_out_in_an_archive(void **state) {
    run_all(ENGINE_SQLITE, archive_story, 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out_in_memory),
        cmocka_unit_test(memory_runs_out_in_sqlite),
        cmocka_unit_test(memory_runs_out_in_an_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
