/* What any engine does, told of each. */
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

/* ---- numbering ---- */

static int offsets_story(struct world *w) {
    struct position first, second, other;
    CHECK(w, world_publish(w, "a", "x", keep_ten, &first) == 0);
    CHECK(w, world_publish(w, "a", "y", keep_ten, &second) == 0);
    CHECK(w, world_publish(w, "b", "z", keep_ten, &other) == 0);
    CHECK(w, first.offset == 1 && second.offset == 2 && other.offset == 1);
    CHECK(w, first.epoch[0] && strcmp(first.epoch, second.epoch) == 0);
    struct position at;
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &at) == 0);
    CHECK(w, at.offset == 2 && strcmp(at.epoch, first.epoch) == 0);
    return 0;
}

static void offsets_count_from_one_in_each_channel(void **state) {
    run_story(*state, offsets_story);
}

static int promise_story(struct world *w) {
    struct position before, first;
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &before) == 0);
    CHECK(w, before.offset == 0 && before.epoch[0]);
    struct page page;
    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    CHECK(w, page.n == 0 && strcmp(page.top.epoch, before.epoch) == 0);
    page_finish(&page);
    CHECK(w, world_publish(w, "a", "x", keep_ten, &first) == 0);
    CHECK(w, strcmp(first.epoch, before.epoch) == 0);
    return 0;
}

static void the_epoch_read_before_the_first_publication_is_the_one_it_carries(void **state) {
    run_story(*state, promise_story);
}

/* A channel's life ends, which changes what others will be given, but not what was promised before.
 */
static int kept_promise_story(struct world *w) {
    struct keep shortly = { .history_size = 5, .history_ttl_ms = 1000, .meta_ttl_ms = 2000 };
    struct position gone, promised, first;
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void) snprintf(name, sizeof name, "gone-%d", i);
        CHECK(w, world_publish(w, name, "x", shortly, &gone) == 0);
    }
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &promised) == 0);
    CHECK(w, task_sleep(200000) == 0);
    struct position again;
    CHECK(w, engine_position(w->engine, STR("gone-7"), keep_ten, &again) == 0);
    CHECK(w, again.offset == 0 && strcmp(again.epoch, gone.epoch) != 0);
    CHECK(w, world_publish(w, "a", "x", keep_ten, &first) == 0);
    CHECK(w, strcmp(first.epoch, promised.epoch) == 0);
    return 0;
}

static void another_channels_end_does_not_break_the_promise_of_an_epoch(void **state) {
    run_story(*state, kept_promise_story);
}

static int meta_story(struct world *w) {
    struct keep shortly = { .history_size = 5, .history_ttl_ms = 1000, .meta_ttl_ms = 10000 };
    struct position old, young, at;
    CHECK(w, world_publish(w, "a", "x", shortly, NULL) == 0);
    CHECK(w, world_publish(w, "a", "y", shortly, &old) == 0);
    CHECK(w, task_sleep(8000) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), shortly, &at) == 0);
    CHECK(w, at.offset == 2 && strcmp(at.epoch, old.epoch) == 0);

    CHECK(w, task_sleep(100000) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), shortly, &at) == 0);
    CHECK(w, at.offset == 0 && strcmp(at.epoch, old.epoch) != 0);
    CHECK(w, world_publish(w, "a", "z", shortly, &young) == 0);
    CHECK(w, young.offset == 1 && strcmp(young.epoch, at.epoch) == 0);

    struct page page;
    char text[256];
    CHECK(w, world_history(w, "a", shortly, &page) == 0);
    bool is_right = strcmp(page_text(&page, text), "1=z") == 0;
    page_finish(&page);
    CHECK(w, is_right);
    return 0;
}

static void a_stream_that_begins_anew_has_another_epoch(void **state) {
    run_story(*state, meta_story);
}

/* ---- reading ---- */

static int ask(struct world *w, struct history_query q, const char *expected) {
    struct page page;
    char text[256];
    q.channel = STR("a");
    q.keep = keep_ten;
    CHECK(w, engine_history(w->engine, &q, &page) == 0);
    page_text(&page, text);
    uint64_t top = page.top.offset;
    page_finish(&page);
    if (strcmp(text, expected) != 0) {
        world_fail(w, __FILE__, __LINE__, text);
        return -1;
    }
    CHECK(w, top == 5);
    return 0;
}

static int queries_story(struct world *w) {
    enum { ALL = 100 };
    CHECK(w, world_publish_times(w, "a", 5, keep_ten) == 0);
    static const struct {
        struct history_query query;
        const char *expected;
    } cases[] = {
        { { .limit = ALL }, "1=1 2=2 3=3 4=4 5=5" },
        { { .limit = 2 }, "1=1 2=2" },
        { { .limit = 0 }, "" },
        { { .limit = ALL, .has_since = true, .since_offset = 0 }, "1=1 2=2 3=3 4=4 5=5" },
        { { .limit = ALL, .has_since = true, .since_offset = 3 }, "4=4 5=5" },
        { { .limit = 1, .has_since = true, .since_offset = 3 }, "4=4" },
        { { .limit = ALL, .has_since = true, .since_offset = 5 }, "" },
        { { .limit = ALL, .has_since = true, .since_offset = 99 }, "" },
        { { .limit = ALL, .has_since = true, .since_offset = UINT64_MAX }, "" },
        { { .limit = ALL, .reverse = true }, "5=5 4=4 3=3 2=2 1=1" },
        { { .limit = 2, .reverse = true }, "5=5 4=4" },
        { { .limit = ALL, .reverse = true, .has_since = true, .since_offset = 3 }, "2=2 1=1" },
        { { .limit = 1, .reverse = true, .has_since = true, .since_offset = 4 }, "3=3" },
        { { .limit = ALL, .reverse = true, .has_since = true, .since_offset = 1 }, "" },
        { { .limit = ALL, .reverse = true, .has_since = true, .since_offset = 0 }, "" },
        { { .limit = 2, .reverse = true, .has_since = true, .since_offset = 99 }, "5=5 4=4" },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        int r = ask(w, cases[i].query, cases[i].expected);
        if (r < 0)
            return r;
    }
    return 0;
}

static void history_is_read_forwards_backwards_from_a_place_and_up_to_a_number(void **state) {
    run_story(*state, queries_story);
}

static int size_story(struct world *w) {
    struct page page;
    char text[256];
    struct keep three = { .history_size = 3, .history_ttl_ms = 60000 };
    for (int n = 0; n < 60; n++) {
        CHECK(w, world_publish(w, "a", "x", three, NULL) == 0);
        CHECK(w, world_history(w, "a", three, &page) == 0);
        size_t kept = page.n;
        uint64_t top = page.top.offset, last = page.items[page.n - 1]->position.offset;
        page_finish(&page);
        CHECK(w, kept == (n < 2 ? (size_t) n + 1 : 3));
        CHECK(w, top == (uint64_t) n + 1 && last == top);
    }
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.publishes == 60 && stats.trimmed >= 60 - 3 - 20);
    CHECK(w, world_history(w, "a", three, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "58=x 59=x 60=x") == 0);
    return 0;
}

static void no_more_than_the_size_is_ever_read(void **state) {
    run_story(*state, size_story);
}

static int ttl_story(struct world *w) {
    struct page page;
    char text[256];
    CHECK(w, world_publish(w, "a", "old", keep_ten, NULL) == 0);
    CHECK(w, task_sleep(40000) == 0);
    CHECK(w, world_publish(w, "a", "young", keep_ten, NULL) == 0);
    CHECK(w, task_sleep(30000) == 0);
    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "2=young") == 0);

    struct history_query back = {
        .channel = STR("a"), .keep = keep_ten, .limit = 9, .reverse = true
    };
    CHECK(w, engine_history(w->engine, &back, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "2=young") == 0);

    CHECK(w, task_sleep(300000) == 0);
    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    size_t n = page.n;
    uint64_t top = page.top.offset;
    page_finish(&page);
    CHECK(w, n == 0 && top == 2);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.trimmed == 2); /* not only hidden: gone */
    CHECK(w, world_publish(w, "a", "new", keep_ten, NULL) == 0);
    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "3=new") == 0);
    return 0;
}

static void publications_live_for_their_time(void **state) {
    run_story(*state, ttl_story);
}

static int everything_story(struct world *w) {
    struct client_info info = { .user = STR("ada"),
                                .client = STR("c1"),
                                .conn_info = str_bytes(STR("{\"n\":1}")),
                                .chan_info = str_bytes(STR("[]")) };
    struct tag tags[] = { { STR("k"), STR("v") }, { STR("empty"), STR("") } };
    char big[300];
    memset(big, 'b', sizeof big);
    struct publication_parts parts = { .channel = STR("a"),
                                       .data = bytes_of(big, sizeof big),
                                       .info = &info,
                                       .tags = tags,
                                       .n_tags = 2 };
    struct attempt a = { 0 };
    attempt_start(w, &a, "other", "", keep_ten); /* empty data too */
    CHECK(w, attempt_wait(&a) == 0);
    a.request.publication = publication_new(&parts);
    future_init(&a.done);
    engine_publish(w->engine, &a.request);
    CHECK(w, attempt_wait(&a) == 0);

    struct page page;
    CHECK(w, world_history(w, "other", keep_ten, &page) == 0);
    bool is_empty = page.n == 1 && page.items[0]->data.len == 0 && !page.items[0]->has_info;
    page_finish(&page);
    CHECK(w, is_empty);

    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    bool is_same = page.n == 1;
    if (is_same) {
        const struct publication *p = page.items[0];
        is_same = p->has_info && str_equal(p->info.user, info.user) &&
                  str_equal(p->info.client, info.client) &&
                  bytes_equal(p->info.conn_info, info.conn_info) &&
                  bytes_equal(p->info.chan_info, info.chan_info) && p->n_tags == 2 &&
                  str_equal(p->tags[0].key, tags[0].key) &&
                  str_equal(p->tags[0].value, tags[0].value) &&
                  str_equal(p->tags[1].key, tags[1].key) && p->tags[1].value.len == 0 &&
                  bytes_equal(p->data, parts.data) && str_equal(p->channel, parts.channel) &&
                  p->position.offset == 1 && p->time_ms == loop_wall_ms();
    }
    page_finish(&page);
    CHECK(w, is_same);
    return 0;
}

static void a_publication_comes_back_whole(void **state) {
    struct world *w = *state;
    w->seed = 0; /* no delays: the times are compared */
    run_story(w, everything_story);
}

static int remove_story(struct world *w) {
    struct position at;
    struct page page;
    CHECK(w, world_publish_times(w, "a", 4, keep_ten) == 0);
    CHECK(w, world_publish(w, "b", "stays", keep_ten, NULL) == 0);
    CHECK(w, engine_history_remove(w->engine, STR("a")) == 0);
    CHECK(w, engine_history_remove(w->engine, STR("never was")) == 0);
    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    size_t n = page.n;
    at = page.top;
    page_finish(&page);
    CHECK(w, n == 0 && at.offset == 4);
    struct position next;
    CHECK(w, world_publish(w, "a", "five", keep_ten, &next) == 0);
    CHECK(w, next.offset == 5 && strcmp(next.epoch, at.epoch) == 0);
    char text[256];
    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "5=five") == 0);
    CHECK(w, world_history(w, "b", keep_ten, &page) == 0);
    n = page.n;
    page_finish(&page);
    CHECK(w, n == 1);
    return 0;
}

static void removing_a_history_leaves_offset_and_epoch(void **state) {
    run_story(*state, remove_story);
}

/* ---- distributing ---- */

static int deliver_story(struct world *w) {
    char text[256];
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("a")) == 0);
    CHECK(w, world_publish(w, "a", "one", keep_ten, NULL) == 0);
    CHECK(w, world_publish(w, "b", "unheard", keep_ten, NULL) == 0);
    CHECK(w, world_publish(w, "a", "bare", keep_none, NULL) == 0);
    CHECK(w, world_publish(w, "a", "two", keep_ten, NULL) == 0);
    struct publication *join = a_publication(STR("a"), "join");
    CHECK(w, engine_broadcast(w->engine, join) == 0);
    publication_unref(join);
    world_settle(w);
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    CHECK(w, world_publish(w, "a", "three", keep_ten, NULL) == 0);
    world_settle(w);
    listener_text(&w->listener, text);
    CHECK(w, strcmp(text, "1=one 0=bare 2=two 0=join") == 0);
    return 0;
}

static void publications_reach_those_who_attached_in_order(void **state) {
    run_story(*state, deliver_story);
}

/* A publish's answer finds the publication already in the worker's inbox. */
static int before_story(struct world *w) {
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("a")) == 0);
    bool was_first = true;
    for (int i = 0; i < 20; i++) {
        CHECK(w, world_publish(w, "a", "x", i % 3 ? keep_ten : keep_none, NULL) == 0);
        was_first = was_first && w->listener.n == (size_t) i + 1;
    }
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    CHECK(w, was_first);
    return 0;
}

static void a_worker_has_the_publication_before_its_answer(void **state) {
    run_story(*state, before_story);
}

static int order_story(struct world *w) {
    enum { N = 40 };
    static struct attempt all[N];
    int order = 0;
    char data[16];
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("a")) == 0);
    for (int i = 0; i < N; i++) {
        (void) snprintf(data, sizeof data, "%d", i);
        all[i].order = &order;
        attempt_start(w, &all[i], "a", data, i % 5 == 4 ? keep_none : keep_ten);
    }
    bool are_ordered = true;
    for (int i = 0; i < N; i++) {
        CHECK(w, attempt_wait(&all[i]) == 0);
        are_ordered = are_ordered && all[i].place == i;
    }
    world_settle(w);
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    CHECK(w, are_ordered && w->listener.n == N);
    for (int i = 0; i < N; i++) {
        (void) snprintf(data, sizeof data, "%d", i);
        CHECK(w, bytes_equal(w->listener.heard[i]->data, bytes_of(data, strlen(data))));
    }
    return 0;
}

static void one_senders_publishes_keep_their_order_kept_or_not(void **state) {
    run_story(*state, order_story);
}

static int removed_story(struct world *w) {
    struct listener other = w->listener;
    other.heard = NULL;
    other.n = other.cap = 0;
    CHECK(w, engine_add_sink(w->engine, &other.sink) == 0);
    CHECK(w, engine_attach(w->engine, &other.sink, STR("a")) == 0);
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("a")) == 0);
    struct publication *p = a_publication(STR("a"), "late");
    CHECK(w, engine_broadcast(w->engine, p) == 0);
    publication_unref(p);
    engine_detach(w->engine, &other.sink, STR("a"));
    engine_remove_sink(w->engine, &other.sink);
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    world_settle(w);
    CHECK(w, other.n == 0 && w->listener.n == 1);
    return 0;
}

static void a_removed_sink_gets_nothing_that_was_on_its_way(void **state) {
    run_story(*state, removed_story);
}

static int too_many_story(struct world *w) {
    static struct engine_sink sinks[ENGINE_SINKS_MAX];
    for (int i = 0; i + 1 < ENGINE_SINKS_MAX; i++) {
        sinks[i] = w->listener.sink;
        CHECK(w, engine_add_sink(w->engine, &sinks[i]) == 0);
    }
    struct engine_sink more = w->listener.sink;
    CHECK(w, engine_add_sink(w->engine, &more) == -ENOSPC);
    for (int i = 0; i + 1 < ENGINE_SINKS_MAX; i++)
        engine_remove_sink(w->engine, &sinks[i]);
    return 0;
}

static void there_is_room_for_64_workers(void **state) {
    run_story(*state, too_many_story);
}

/* ---- presence ---- */

static int presence_story(struct world *w) {
    struct client_info ada = { .user = STR("ada"), .client = STR("1") };
    struct client_info ada2 = { .user = STR("ada"), .client = STR("2") };
    size_t clients, users;
    struct presence all;
    CHECK(w, engine_presence_set(w->engine, STR("a"), &ada, 10000) == 0);
    CHECK(w, engine_presence_set(w->engine, STR("a"), &ada2, 60000) == 0);
    CHECK(w, engine_presence_stats(w->engine, STR("a"), &clients, &users) == 0);
    CHECK(w, clients == 2 && users == 1);
    CHECK(w, task_sleep(20000) == 0);
    CHECK(w, engine_presence(w->engine, STR("a"), &all) == 0);
    bool is_right = all.n == 1 && str_equal(all.items[0].client, STR("2"));
    presence_finish(&all);
    CHECK(w, is_right);
    CHECK(w, engine_presence_remove(w->engine, STR("a"), STR("2")) == 0);
    CHECK(w, engine_presence_stats(w->engine, STR("a"), &clients, &users) == 0);
    CHECK(w, clients == 0 && users == 0);
    return 0;
}

static void presence_follows_the_loops_clock(void **state) {
    run_story(*state, presence_story);
}

/* ---- being interrupted ---- */

static int reading_task(void *arg) {
    struct world *w = arg;
    struct page page;
    int r = world_history(w, "a", keep_ten, &page);
    if (r == 0)
        page_finish(&page);
    return r == -ECANCELED ? 0 : r;
}

static int removing_task(void *arg) {
    struct world *w = arg;
    int r = engine_history_remove(w->engine, STR("a"));
    return r == -ECANCELED ? 0 : r;
}

static int interrupted_story(struct world *w) {
    CHECK(w, world_publish_times(w, "a", 5, keep_ten) == 0);
    for (int wait = 0; wait < 12; wait++) {
        GROUP(g);
        for (int i = 0; i < 4; i++)
            CHECK(w, group_spawn(&g, "read", i == 3 ? removing_task : reading_task, w) == 0);
        for (int turn = 0; turn < wait; turn++)
            CHECK(w, task_yield() == 0);
        group_cancel(&g);
        CHECK(w, group_wait_all(&g) == 0);
    }
    CHECK(w, world_publish(w, "a", "x", keep_ten, NULL) == 0);
    return 0;
}

static void a_read_may_be_cancelled_at_any_moment(void **state) {
    struct world *w = *state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        w->seed = seed;
        run_story(w, interrupted_story);
    }
}

/* ---- each engine ---- */

static int begin_memory(void **state) {
    *state = world_new(ENGINE_MEMORY, false);
    return 0;
}

static int begin_sqlite(void **state) {
    *state = world_new(ENGINE_SQLITE, false);
    return 0;
}

static int begin_redis(void **state) {
    *state = world_new(ENGINE_REDIS, true);
    return 0;
}

static int end(void **state) {
    *state = world_free(*state);
    return 0;
}

#define BOTH(test)                                                                                 \
    { #test " (memory)", test, begin_memory, end, NULL }, {                                        \
#test " (sqlite)", test, begin_sqlite, end, NULL                                           \
    }

/* Redis's time is real: what waits for long is told in tests/integration/test_redis_engine.c. */
#define ALL(test)                                                                                  \
    BOTH(test), {                                                                                  \
#test " (redis)", test, begin_redis, end, NULL                                             \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ALL(offsets_count_from_one_in_each_channel),
        ALL(the_epoch_read_before_the_first_publication_is_the_one_it_carries),
        BOTH(another_channels_end_does_not_break_the_promise_of_an_epoch),
        BOTH(a_stream_that_begins_anew_has_another_epoch),
        ALL(history_is_read_forwards_backwards_from_a_place_and_up_to_a_number),
        BOTH(no_more_than_the_size_is_ever_read),
        BOTH(publications_live_for_their_time),
        BOTH(a_publication_comes_back_whole),
        ALL(removing_a_history_leaves_offset_and_epoch),
        ALL(publications_reach_those_who_attached_in_order),
        ALL(a_worker_has_the_publication_before_its_answer),
        ALL(one_senders_publishes_keep_their_order_kept_or_not),
        BOTH(a_removed_sink_gets_nothing_that_was_on_its_way),
        ALL(there_is_room_for_64_workers),
        BOTH(presence_follows_the_loops_clock),
        ALL(a_read_may_be_cancelled_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
