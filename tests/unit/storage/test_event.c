/* The queue of events, and denials, told of each engine. */
#include "storage/event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/denial.h"
#include "tests/unit/storage/world.h"

static void run_story(struct world *w, story_fn *story) {
    world_run(w, story);
    assert_string_equal(w->failure, "");
}

struct appending {
    struct event_request request;
    struct event_item item;
    struct future done;
};

static void appended(struct event_request *request) {
    struct appending *a = CONTAINER_OF(request, struct appending, request);
    (void) future_resolve(&a->done, 0);
}

static void start(struct world *w, struct appending *a, const char *queue, const char *subject,
                  const char *payload, enum event_effect effect) {
    static const char end[] = "end";
    *a = (struct appending){
        .request = { .items = &a->item, .n = 1, .inbox = w->inbox, .done = appended },
        .item = { .queue = str_of(queue),
                  .subject = str_of(subject),
                  .payload = bytes_of(payload, strlen(payload)),
                  .time_ms = 1,
                  .end = bytes_of(end, 3),
                  .effect = effect },
    };
    future_init(&a->done);
    engine_event_append(w->engine, &a->request);
}

static int append(struct world *w, const char *queue, const char *subject, const char *payload,
                  enum event_effect effect) {
    struct appending a;
    start(w, &a, queue, subject, payload, effect);
    int r = future_wait(&a.done);
    return r < 0 ? r : a.request.result < 0 ? a.request.result : (int) a.request.dropped;
}

/* "subject=payload ..." */
static int check(struct world *w, const char *queue, uint64_t after, uint32_t limit,
                 const char *expected) {
    struct events events;
    char text[512] = "";
    CHECK(w, engine_events_next(w->engine, str_of(queue), after, limit, 1000, &events) == 0);
    for (size_t i = 0; i < events.n; i++)
        (void) snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s=%.*s",
                        i ? " " : "", (int) events.items[i].subject.len,
                        events.items[i].subject.data, (int) events.items[i].payload.len,
                        (const char *) events.items[i].payload.data);
    bool ascends = true;
    for (size_t i = 0; i < events.n; i++)
        ascends = ascends && events.items[i].id > (i ? events.items[i - 1].id : after) &&
                  events.items[i].time_ms >= 0;
    events_finish(&events);
    if (strcmp(text, expected) != 0)
        world_fail(w, __FILE__, __LINE__, text);
    CHECK(w, ascends);
    return strcmp(text, expected) == 0 ? 0 : -1;
}

static int done_first(struct world *w, const char *queue, uint32_t n) {
    struct events events;
    uint64_t ids[16];
    CHECK(w, engine_events_next(w->engine, str_of(queue), 0, n, 1000, &events) == 0);
    size_t found = events.n;
    for (size_t i = 0; i < found; i++)
        ids[i] = events.items[i].id;
    events_finish(&events);
    CHECK(w, engine_events_done(w->engine, ids, found) == 0);
    return engine_events_done(w->engine, ids, found); /* again: they are unknown */
}

static int queue_story(struct world *w) {
    struct appending all[4];
    start(w, &all[0], "q", "a", "1", EVENT_ONLY);
    start(w, &all[1], "q", "b", "2", EVENT_ONLY);
    start(w, &all[2], "other", "a", "3", EVENT_ONLY);
    start(w, &all[3], "q", "a", "", EVENT_ONLY);
    for (int i = 0; i < 4; i++)
        CHECK(w, future_wait(&all[i].done) == 0 && all[i].request.result == 0);
    CHECK(w, check(w, "q", 0, 10, "a=1 b=2 a=") == 0);
    CHECK(w, check(w, "q", 0, 2, "a=1 b=2") == 0);
    CHECK(w, check(w, "other", 0, 10, "a=3") == 0);
    CHECK(w, check(w, "none", 0, 10, "") == 0);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.events == 4 && stats.events_rejected == 0);
    CHECK(w, done_first(w, "q", 2) == 0 && check(w, "q", 0, 10, "a=") == 0);
    struct events events;
    CHECK(w, engine_events_next(w->engine, STR("q"), 0, 1, 1000, &events) == 0);
    uint64_t id = events.items[0].id;
    events_finish(&events);
    CHECK(w, check(w, "q", id, 10, "") == 0);
    CHECK(w, append(w, "q", "c", "5", EVENT_ONLY) == 0 && check(w, "q", id, 10, "c=5") == 0);
    engine_stats(w->engine, &stats);
    CHECK(w, stats.events == 3);
    uint64_t dropped;
    CHECK(w, engine_events_keep_queues(w->engine, &STR("q"), 1, &dropped) == 0 && dropped == 1);
    CHECK(w, check(w, "other", 0, 10, "") == 0 && check(w, "q", 0, 10, "a= c=5") == 0);
    CHECK(w, engine_events_keep_queues(w->engine, NULL, 0, &dropped) == 0 && dropped == 2);
    engine_stats(w->engine, &stats);
    CHECK(w, stats.events == 0);
    CHECK(w, append(w, "q", "d", "6", EVENT_ONLY) == 0 && check(w, "q", id, 10, "d=6") == 0);
    return 0;
}

static void events_wait_in_their_order_until_they_are_done(void **state) {
    run_story(*state, queue_story);
}

/* Several at a time are one: an end is of what began just before it. */
static int batch_story(struct world *w) {
    struct appending a;
    struct event_item items[4];
    for (int i = 0; i < 4; i++)
        items[i] = (struct event_item){ .queue = STR("q"),
                                        .subject = i < 2 ? STR("a") : STR("b"),
                                        .payload = bytes_of(&"1234"[i], 1),
                                        .effect = i % 2 ? EVENT_ENDS : EVENT_BEGINS };
    a.request =
            (struct event_request){ .items = items, .n = 4, .inbox = w->inbox, .done = appended };
    future_init(&a.done);
    engine_event_append(w->engine, &a.request);
    CHECK(w, future_wait(&a.done) == 0 && a.request.result == 0 && a.request.dropped == 0);
    struct events events;
    CHECK(w, engine_events_next(w->engine, STR("q"), 0, 10, 1000, &events) == 0);
    size_t n = events.n;
    events_finish(&events);
    CHECK(w, n == 4);
    return 0;
}

static void events_handed_over_together_stay_in_order(void **state) {
    run_story(*state, batch_story);
}

static int bytes_story(struct world *w) {
    char large[700];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    for (int i = 0; i < 3; i++)
        CHECK(w, append(w, "q", "a", large, EVENT_ONLY) == 0);
    struct events events;
    CHECK(w, engine_events_next(w->engine, STR("q"), 0, 10, 100, &events) == 0);
    size_t n = events.n;
    events_finish(&events);
    CHECK(w, n == 1);
    CHECK(w, engine_events_next(w->engine, STR("q"), 0, 10, 1500, &events) == 0);
    n = events.n;
    events_finish(&events);
    CHECK(w, n == 2);
    return 0;
}

static void no_more_bytes_are_given_than_asked_but_for_a_first_one(void **state) {
    run_story(*state, bytes_story);
}

static int standing_story(struct world *w) {
    CHECK(w, append(w, "q", "a", "begin", EVENT_BEGINS) == 0);
    CHECK(w, append(w, "q", "b", "begin", EVENT_BEGINS) == 0);
    CHECK(w, append(w, "q", "a", "over", EVENT_ENDS) == 0);
    CHECK(w, append(w, "q", "a", "over again", EVENT_ENDS) == 0); /* stands no more: dropped */
    CHECK(w, check(w, "q", 0, 10, "a=begin b=begin a=over") == 0);
    CHECK(w, engine_events_end_standing(w->engine) == 0);
    CHECK(w, engine_events_end_standing(w->engine) == 0);
    CHECK(w, check(w, "q", 0, 10, "a=begin b=begin a=over b=end") == 0);
    CHECK(w, append(w, "r", "c", "", EVENT_STANDS) == 0); /* is not told, but its end is */
    CHECK(w, append(w, "r", "d", "", EVENT_STANDS) == 0);
    CHECK(w, append(w, "r", "c", "over", EVENT_ENDS) == 0);
    CHECK(w, engine_events_end_standing(w->engine) == 0);
    CHECK(w, check(w, "r", 0, 10, "c=over d=end") == 0);
    return 0;
}

static void what_stands_is_ended_once(void **state) {
    run_story(*state, standing_story);
}

static int full_story(struct world *w) {
    CHECK(w, append(w, "q", "a", "1", EVENT_BEGINS) == 0);
    CHECK(w, append(w, "q", "b", "2", EVENT_ONLY) == 0);
    CHECK(w, append(w, "q", "c", "3", EVENT_BEGINS) == 1);
    CHECK(w, append(w, "q", "c", "4", EVENT_ENDS) == 0); /* nobody heard of its beginning */
    CHECK(w, append(w, "q", "a", "5", EVENT_ENDS) == 0); /* but of this one's */
    CHECK(w, check(w, "q", 0, 10, "a=1 b=2 a=5") == 0);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.events == 3 && stats.events_rejected == 1);
    CHECK(w, done_first(w, "q", 3) == 0 && check(w, "q", 0, 10, "") == 0 &&
                     append(w, "q", "c", "6", EVENT_BEGINS) == 0);
    return 0;
}

static void a_full_queue_takes_only_the_ends_of_what_it_took(void **state) {
    struct world *w = *state;
    w->options.events_max = 2;
    run_story(w, full_story);
}

static int restart_story(struct world *w) {
    CHECK(w, append(w, "q", "a", "1", EVENT_BEGINS) == 0);
    CHECK(w, append(w, "q", "b", "2", EVENT_ONLY) == 0 && done_first(w, "q", 1) == 0);
    world_close(w);
    CHECK(w, world_open(w) == 0);
    CHECK(w, check(w, "q", 0, 10, "b=2") == 0);
    CHECK(w, engine_events_end_standing(w->engine) == 0);
    CHECK(w, check(w, "q", 0, 10, "b=2 a=end") == 0);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.events == 2);
    return 0;
}

static void events_and_what_stands_survive_a_restart(void **state) {
    run_story(*state, restart_story);
}

/* ---- denials ---- */

static int count_denials(struct world *w) {
    struct denials all;
    int r = engine_denials(w->engine, &all);
    if (r < 0)
        return r;
    r = (int) all.n;
    denials_finish(&all);
    return r;
}

static int denial_story(struct world *w) {
    struct denial user = { .kind = DENIAL_USER, .key = STR("ada") };
    struct denial token = { .kind = DENIAL_TOKEN, .key = STR("ada"), .expire_at_ms = 1 };
    CHECK(w, count_denials(w) == 0);
    CHECK(w, engine_denial_put(w->engine, &user) == 0);
    token.expire_at_ms = loop_wall_ms() + 5000;
    CHECK(w, engine_denial_put(w->engine, &token) == 0 && count_denials(w) == 2);
    user.kind = DENIAL_USER_TOKENS;
    user.before_ms = 77;
    CHECK(w, engine_denial_put(w->engine, &user) == -ENOSPC);
    user.kind = DENIAL_USER;
    CHECK(w, engine_denial_put(w->engine, &user) == 0); /* replaces */
    if (w->options.kind == ENGINE_SQLITE) {
        world_close(w);
        CHECK(w, world_open(w) == 0);
    }
    CHECK(w, task_sleep(6000) == 0);
    struct denials all;
    CHECK(w, engine_denials(w->engine, &all) == 0);
    bool is_right = all.n == 1 && all.items[0].kind == DENIAL_USER &&
                    str_equal(all.items[0].key, STR("ada")) && all.items[0].before_ms == 77 &&
                    all.items[0].expire_at_ms == 0;
    denials_finish(&all);
    CHECK(w, is_right);
    CHECK(w, engine_denial_put(w->engine, &token) == 0); /* there is room again */
    CHECK(w, engine_denial_remove(w->engine, DENIAL_USER, STR("ada")) == 0);
    CHECK(w, engine_denial_remove(w->engine, DENIAL_USER, STR("nobody")) == 0);
    CHECK(w, count_denials(w) == 0);
    return 0;
}

static void denials_stay_until_removed_or_expired(void **state) {
    struct world *w = *state;
    w->options.denials_max = 2;
    run_story(w, denial_story);
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
        BOTH(events_wait_in_their_order_until_they_are_done),
        BOTH(no_more_bytes_are_given_than_asked_but_for_a_first_one),
        BOTH(events_handed_over_together_stay_in_order),
        BOTH(what_stands_is_ended_once),
        BOTH(a_full_queue_takes_only_the_ends_of_what_it_took),
        SQLITE(events_and_what_stands_survive_a_restart),
        BOTH(denials_stay_until_removed_or_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
