/* Publishes that turn out to do nothing: made before, or of a version that is not newer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/storage/world.h"

static void run_story(struct world *w, story_fn *story) {
    world_run(w, story);
    assert_string_equal(w->failure, "");
}

static struct publish_request once(const char *channel, const char *data, const char *key,
                                   struct keep keep) {
    return (struct publish_request){ .publication = a_publication(str_of(channel), data),
                                     .keep = keep,
                                     .idempotency_key = str_of(key) };
}

static struct publish_request versioned(const char *data, uint64_t version, const char *epoch) {
    return (struct publish_request){ .publication = a_publication(STR("a"), data),
                                     .keep = keep_ten,
                                     .version = version,
                                     .version_epoch = str_of(epoch) };
}

static int check_history(struct world *w, const char *channel, const char *expected) {
    struct page page;
    char text[256];
    CHECK(w, world_history(w, channel, keep_ten, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    if (strcmp(text, expected) != 0)
        world_fail(w, __FILE__, __LINE__, text);
    return strcmp(text, expected) == 0 ? 0 : -1;
}

/* ---- idempotency ---- */

static int repeat_story(struct world *w) {
    struct attempt a = { 0 };
    char text[256];
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("a")) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "x", "k", keep_ten)) == 0);
    CHECK(w, !a.request.is_duplicate && a.request.position.offset == 1);
    struct position first = a.request.position;
    CHECK(w, world_publish(w, "a", "y", keep_ten, NULL) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "again", "k", keep_ten)) == 0);
    CHECK(w, a.request.is_duplicate && a.request.position.offset == 1);
    CHECK(w, strcmp(a.request.position.epoch, first.epoch) == 0);
    CHECK(w, world_publish_with(w, &a, once("b", "z", "k", keep_ten)) == 0);
    CHECK(w, !a.request.is_duplicate);
    CHECK(w, world_publish_with(w, &a, once("a", "w", "other", keep_ten)) == 0);
    CHECK(w, !a.request.is_duplicate && a.request.position.offset == 3);
    world_settle(w);
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    CHECK(w, strcmp(listener_text(&w->listener, text), "1=x 2=y 3=w") == 0);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.duplicates == 1 && stats.publishes == 4);
    return check_history(w, "a", "1=x 2=y 3=w");
}

static void a_repeat_is_answered_as_the_first_was_and_does_nothing(void **state) {
    run_story(*state, repeat_story);
}

static int queued_story(struct world *w) {
    struct attempt all[5] = { 0 };
    for (int i = 0; i < 5; i++)
        attempt_start_with(w, &all[i], once("a", "x", "k", keep_ten));
    for (int i = 0; i < 5; i++) {
        CHECK(w, attempt_wait(&all[i]) == 0);
        CHECK(w, all[i].request.position.offset == 1 && all[i].request.is_duplicate == (i > 0));
    }
    return check_history(w, "a", "1=x");
}

static void a_repeat_is_seen_while_the_first_is_still_under_way(void **state) {
    run_story(*state, queued_story);
}

static int unkept_story(struct world *w) {
    struct attempt a = { 0 }, b = { 0 };
    char text[256];
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("a")) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "x", "k", keep_none)) == 0);
    CHECK(w, !a.request.is_duplicate && a.request.position.offset == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "y", "k", keep_none)) == 0);
    CHECK(w, a.request.is_duplicate);
    /* Behind one that is kept, in its turn. */
    attempt_start(w, &a, "a", "kept", keep_ten);
    attempt_start_with(w, &b, once("a", "z", "new", keep_none));
    CHECK(w, attempt_wait(&a) == 0 && attempt_wait(&b) == 0 && !b.request.is_duplicate);
    world_settle(w);
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    CHECK(w, strcmp(listener_text(&w->listener, text), "0=x 1=kept 0=z") == 0);
    return 0;
}

static void a_repeat_does_nothing_in_a_channel_without_history_either(void **state) {
    run_story(*state, unkept_story);
}

static int time_story(struct world *w) {
    struct attempt a = { 0 };
    struct publish_request shortly = once("a", "x", "short", keep_ten);
    shortly.idempotency_ttl_ms = 2000;
    CHECK(w, world_publish_with(w, &a, shortly) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "y", "long", keep_ten)) == 0);
    CHECK(w, world_publish_with(w, &a, once("b", "y", "long", keep_none)) == 0);
    CHECK(w, task_sleep(5000) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "z", "short", keep_ten)) == 0);
    CHECK(w, !a.request.is_duplicate && a.request.position.offset == 3);
    CHECK(w, task_sleep(285000) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "z", "long", keep_ten)) == 0);
    CHECK(w, a.request.is_duplicate);
    CHECK(w, world_publish_with(w, &a, once("b", "z", "long", keep_none)) == 0);
    CHECK(w, a.request.is_duplicate);
    CHECK(w, task_sleep(40000) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "z", "long", keep_ten)) == 0);
    CHECK(w, !a.request.is_duplicate);
    CHECK(w, world_publish_with(w, &a, once("b", "z", "long", keep_none)) == 0);
    CHECK(w, !a.request.is_duplicate);
    return 0;
}

static void a_key_may_be_used_again_when_its_time_is_over(void **state) {
    run_story(*state, time_story);
}

static int restart_story(struct world *w) {
    struct attempt a = { 0 };
    CHECK(w, world_publish_with(w, &a, once("a", "x", "k", keep_ten)) == 0);
    struct position first = a.request.position;
    CHECK(w, world_publish_with(w, &a, versioned("v", 7, "e")) == 0);
    world_close(w);
    CHECK(w, world_open(w) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "x", "k", keep_ten)) == 0);
    CHECK(w, a.request.is_duplicate && a.request.position.offset == 1);
    CHECK(w, strcmp(a.request.position.epoch, first.epoch) == 0);
    CHECK(w, world_publish_with(w, &a, versioned("v", 7, "e")) == 0);
    CHECK(w, a.request.is_stale && a.request.position.offset == 2);
    return 0;
}

static void keys_and_versions_survive_a_restart(void **state) {
    run_story(*state, restart_story);
}

static int full_story(struct world *w) {
    struct attempt a = { 0 }, b = { 0 }, c = { 0 };
    attempt_start_with(w, &a, once("a", "x", "1", keep_ten));
    attempt_start_with(w, &b, once("a", "y", "2", keep_ten));
    attempt_start(w, &c, "a", "z", keep_ten);
    CHECK(w, attempt_wait(&a) == 0 && attempt_wait(&b) == -ENOSPC && attempt_wait(&c) == 0);
    CHECK(w, c.request.position.offset == 2);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.idempotency_refused == 1 && stats.publishes == 2);
    CHECK(w, task_sleep(400000) == 0);
    CHECK(w, world_publish_with(w, &a, once("a", "y", "2", keep_ten)) == 0);
    return check_history(w, "a", "3=y");
}

static void who_finds_no_room_for_a_key_is_refused_alone(void **state) {
    struct world *w = *state;
    w->options.idempotency_max = 1;
    run_story(w, full_story);
}

/* A failed commit remembers nothing. */
static int failed_story(struct world *w) {
    struct attempt a = { 0 }, b = { 0 };
    CHECK(w, world_publish_with(w, &a, once("a", "x", "1", keep_ten)) == 0);
    sim_disk_fail(w->disk, SIM_WRITE, 1, 1000000, EIO);
    attempt_start_with(w, &a, once("a", "y", "2", keep_ten));
    attempt_start_with(w, &b, once("a", "y", "1", keep_ten));
    CHECK(w, attempt_wait(&a) < 0 && attempt_wait(&b) < 0);
    CHECK(w, !b.request.is_duplicate && b.request.position.offset == 0);
    sim_disk_fail(w->disk, SIM_ANY, 0, 0, 0);
    CHECK(w, world_publish_with(w, &a, once("a", "y", "2", keep_ten)) == 0);
    CHECK(w, !a.request.is_duplicate && a.request.position.offset == 2);
    return 0;
}

static void what_failed_may_be_tried_again_under_its_key(void **state) {
    run_story(*state, failed_story);
}

/* ---- versions ---- */

static int version_story(struct world *w) {
    static const struct {
        uint64_t version;
        const char *epoch;
        bool is_stale;
    } cases[] = {
        { 5, "", false },           { 5, "", true },           { 4, "", true },   { 6, "", false },
        { 0, "", false },           { 6, "", true },           { 1, "e", false }, /* another epoch
                                                                                   */
        { 1, "e", true },           { 1, "", true },           { 2, "e", false }, { 1, "f", false },
        { UINT64_MAX, "f", false }, { UINT64_MAX, "f", true },
    };
    uint64_t top = 0;
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct attempt a = { 0 };
        CHECK(w, world_publish_with(w, &a, versioned("x", cases[i].version, cases[i].epoch)) == 0);
        top += !cases[i].is_stale;
        if (a.request.is_stale != cases[i].is_stale || a.request.position.offset != top) {
            char text[64];
            (void) snprintf(text, sizeof text, "case %zu", i);
            world_fail(w, __FILE__, __LINE__, text);
            return -1;
        }
    }
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.stale == 6 && stats.publishes == top);
    return 0;
}

static void a_version_that_is_not_greater_does_nothing(void **state) {
    run_story(*state, version_story);
}

static int begin_memory(void **state) {
    *state = world_new(ENGINE_MEMORY, false);
    return 0;
}

static int begin_sqlite(void **state) {
    *state = world_new(ENGINE_SQLITE, false);
    return 0;
}

static int end(void **state) {
    *state = world_free(*state);
    return 0;
}

#define SQLITE(test)                                                                               \
    { #test " (sqlite)", test, begin_sqlite, end, NULL }
#define BOTH(test) { #test " (memory)", test, begin_memory, end, NULL }, SQLITE(test)

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(a_repeat_is_answered_as_the_first_was_and_does_nothing),
        BOTH(a_repeat_is_seen_while_the_first_is_still_under_way),
        BOTH(a_repeat_does_nothing_in_a_channel_without_history_either),
        BOTH(a_key_may_be_used_again_when_its_time_is_over),
        BOTH(a_version_that_is_not_greater_does_nothing),
        SQLITE(keys_and_versions_survive_a_restart),
        SQLITE(who_finds_no_room_for_a_key_is_refused_alone),
        SQLITE(what_failed_may_be_tried_again_under_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
