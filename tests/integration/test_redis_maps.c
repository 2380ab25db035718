/* Maps of nodes that share a Redis. What all engines promise, tests/unit/storage/test_map.c asks of
 * a model of Redis; here it is Redis itself, and there are two nodes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/map.h"
#include "tests/integration/redis_nodes.h"

static struct publish_request scored(const char *key, const char *data, int64_t score,
                                     struct keep keep) {
    struct publication_parts parts = { .channel = STR("m"),
                                       .key = str_of(key),
                                       .data = bytes_of(data, data ? strlen(data) : 0),
                                       .score = score,
                                       .is_removed = !data };
    return (struct publish_request){ .publication = publication_new(&parts),
                                     .keep = keep,
                                     .map.is_map = true };
}

static struct publish_request change(const char *key, const char *data, struct keep keep) {
    return scored(key, data, 0, keep);
}

static int put(struct world *w, const char *key, const char *data, struct keep keep) {
    struct attempt a = { 0 };
    int r = world_publish_with(w, &a, change(key, data, keep));
    return r < 0 ? r : (int) a.request.suppression;
}

static bool heard(struct world *w, const char *expected) {
    char text[256];
    keys_text(w->listener.heard, w->listener.n, text);
    if (strcmp(text, expected) != 0)
        world_fail(w, __FILE__, __LINE__, text);
    return strcmp(text, expected) == 0;
}

static bool holds(struct world *w, struct keep keep, const char *expected) {
    struct map_page page;
    char text[256];
    struct map_query q = { .channel = STR("m"), .keep = keep, .limit = 100 };
    if (engine_map_read(w->engine, &q, &page) < 0)
        return false;
    keys_text(page.items, page.n, text);
    map_page_finish(&page);
    if (strcmp(text, expected) != 0)
        world_fail(w, __FILE__, __LINE__, text);
    return strcmp(text, expected) == 0;
}

static int attach_both(struct world *a, struct world *b) {
    int r = engine_attach(a->engine, &a->listener.sink, STR("m"));
    return r < 0 ? r : engine_attach(b->engine, &b->listener.sink, STR("m"));
}

static void detach_both(struct world *a, struct world *b) {
    engine_detach(a->engine, &a->listener.sink, STR("m"));
    engine_detach(b->engine, &b->listener.sink, STR("m"));
}

/* ---- two nodes ---- */

static int change_on_both(struct world *a, struct world *b, struct keep keep) {
    CHECK(a, attach_both(a, b) == 0);
    CHECK(a, put(a, "k", "1", keep) == 0 && put(b, "l", "2", keep) == 0);
    CHECK(a, put(b, "k", "3", keep) == 0 && put(a, "l", NULL, keep) == 0);
    CHECK(a, put(b, "l", NULL, keep) == MAP_SUPPRESSED_KEY_NOT_FOUND);
    CHECK(a, world_await(a, 4) && world_await(b, 4));
    detach_both(a, b);
    CHECK(a, heard(a, "k=1 l=2 k=3 l!") && heard(b, "k=1 l=2 k=3 l!"));
    return holds(a, keep, "k=3") && holds(b, keep, "k=3") ? 0 : -1;
}

static int kept_story(struct world *a, struct world *b) {
    CHECK(a, change_on_both(a, b, keep_ten) == 0);
    struct page page;
    char text[256];
    struct history_query q = {
        .channel = STR("m"), .keep = keep_ten, .has_since = true, .since_offset = 2, .limit = 10
    };
    CHECK(a, engine_history(b->engine, &q, &page) == 0);
    keys_text(page.items, page.n, text);
    uint64_t top = page.top.offset;
    page_finish(&page);
    CHECK(a, strcmp(text, "k=3 l!") == 0 && top == 4);
    return 0;
}

static void changes_of_one_node_are_the_others_too(void **state) {
    (void) state;
    run_both(kept_story);
}

static int ephemeral_story(struct world *a, struct world *b) {
    CHECK(a, change_on_both(a, b, keep_none) == 0);
    for (size_t i = 0; i < b->listener.n; i++)
        CHECK(a, b->listener.heard[i]->position.offset == 0);
    uint64_t keys;
    CHECK(a, engine_map_stats(b->engine, STR("m"), keep_none, &keys) == 0 && keys == 1);
    CHECK(a, strcmp(tell(a, "EXISTS parley.meta.m parley.stream.m"), ":0\r\n") == 0);
    return 0;
}

static void so_are_those_of_an_ephemeral_map(void **state) {
    (void) state;
    run_both(ephemeral_story);
}

static int condition_story(struct world *a, struct world *b) {
    struct attempt x = { 0 }, y = { 0 };
    struct publish_request q = change("k", "1", keep_ten), again = change("k", "2", keep_ten);
    q.map.key_mode = again.map.key_mode = MAP_KEY_IF_NEW;
    q.version = again.version = 7;
    attempt_start_with(a, &x, q);
    attempt_start_with(b, &y, again);
    CHECK(a, attempt_wait(&x) == 0 && attempt_wait(&y) == 0);
    CHECK(a, (x.request.suppression == MAP_SUPPRESSED_KEY_EXISTS) !=
                     (y.request.suppression == MAP_SUPPRESSED_KEY_EXISTS));
    CHECK(a, x.request.position.offset == 1 && y.request.position.offset == 1);

    q = change("k", "3", keep_ten);
    q.map.has_expected = true;
    q.map.expected = x.request.position;
    q.idempotency_key = STR("once");
    CHECK(a, world_publish_with(b, &y, q) == 0 && y.request.suppression == MAP_NOT_SUPPRESSED);
    q = change("k", "4", keep_ten);
    q.idempotency_key = STR("once");
    CHECK(a, world_publish_with(a, &x, q) == 0 && x.request.is_duplicate);
    CHECK(a, x.request.position.offset == 2);
    q = change("k", "5", keep_ten);
    q.version = 1;
    CHECK(a, world_publish_with(a, &x, q) == 0 && x.request.suppression == MAP_NOT_SUPPRESSED);
    q = change("k", "6", keep_ten);
    q.version = 1;
    CHECK(a, world_publish_with(b, &x, q) == 0 && x.request.suppression == MAP_SUPPRESSED_VERSION);
    return holds(b, keep_ten, "k=5") ? 0 : -1;
}

static void of_two_who_want_a_key_to_be_new_one_is_first(void **state) {
    (void) state;
    run_both(condition_story);
}

/* Both nodes look for it. */
static int expiry_story(struct world *a, struct world *b) {
    struct attempt x = { 0 };
    CHECK(a, attach_both(a, b) == 0 && put(b, "stays", "1", keep_ten) == 0);
    struct publish_request q = change("k", "1", keep_ten);
    q.map.key_ttl_ms = 200;
    CHECK(a, world_publish_with(a, &x, q) == 0);
    CHECK(a, world_await(a, 3) && world_await(b, 3));
    CHECK(a, task_sleep(1200) == 0); /* another look of each */
    detach_both(a, b);
    CHECK(a, heard(a, "stays=1 k=1 k!") && heard(b, "stays=1 k=1 k!"));
    struct engine_stats one, two;
    engine_stats(a->engine, &one);
    engine_stats(b->engine, &two);
    CHECK(a, one.map_keys_expired + two.map_keys_expired == 1);
    CHECK(a, strcmp(tell(a, "EXISTS parley.map_times.m parley.maps_due"), ":0\r\n") == 0);
    CHECK(a, holds(a, keep_ten, "stays=1") && put(b, "stays", NULL, keep_ten) == 0);
    CHECK(a, strcmp(tell(a, "EXISTS parley.map.m parley.map_order.m"), ":0\r\n") == 0);
    return 0;
}

static void a_key_whose_time_is_over_goes_once(void **state) {
    (void) state;
    run_both(expiry_story);
}

/* ---- pages ---- */

enum { MANY = 1300 };

static int read_pages(struct world *w, struct map_query q, char order[static MANY + 1]) {
    char cursor[64];
    size_t n = 0;
    q.channel = STR("m");
    q.keep = keep_ten;
    for (;;) {
        struct map_page page;
        CHECK(w, engine_map_read(w->engine, &q, &page) == 0);
        for (size_t i = 0; i < page.n && n < MANY; i++)
            order[n++] = (char) page.items[i]->data.data[0];
        (void) snprintf(cursor, sizeof cursor, "%.*s", (int) page.cursor.len, page.cursor.data);
        map_page_finish(&page);
        if (!cursor[0])
            break;
        q.cursor = str_of(cursor);
    }
    order[n] = '\0';
    return n == MANY ? 0 : -1;
}

/* Scores that no double tells apart; their keys say nothing of the order. */
static int pages_story(struct world *w) {
    char order[MANY + 1], down[MANY + 1];
    for (int i = 0; i < MANY; i++) {
        struct attempt x = { 0 };
        char key[16], data[2] = { (char) ('a' + i * 26 / MANY), '\0' };
        (void) snprintf(key, sizeof key, "%d", i * 7919 % MANY);
        int64_t score = INT64_MAX - MANY + i;
        CHECK(w, world_publish_with(w, &x, scored(key, data, score, keep_ten)) == 0);
    }
    CHECK(w, read_pages(w, (struct map_query){ .is_ordered = true, .asc = true, .limit = 700 },
                        order) == 0);
    for (size_t i = 1; i < MANY; i++)
        CHECK(w, order[i - 1] <= order[i]);
    CHECK(w,
          read_pages(w, (struct map_query){ .is_ordered = true, .limit = UINT32_MAX }, down) == 0);
    for (size_t i = 0; i < MANY; i++)
        CHECK(w, down[i] == order[MANY - 1 - i]);
    CHECK(w, read_pages(w, (struct map_query){ .limit = 100 }, down) == 0); /* by key */
    CHECK(w, strcmp(tell(w, "EXISTS parley.map_keys.m"), ":0\r\n") == 0);
    return 0;
}

static void many_keys_are_read_in_the_order_of_exact_scores(void **state) {
    (void) state;
    run_one(pages_story);
}

static void pages_end_where_an_answer_would_be_too_long(void **state) {
    (void) state;
    world->redis_options.reply_max_bytes = 3000;
    run_one(pages_story);
}

/* ---- what goes wrong ---- */

static int full_story(struct world *w) {
    CHECK(w, put(w, "k", "1", keep_ten) == 0);
    CHECK(w, tell(w, "CONFIG SET maxmemory 1")[0] == '+');
    CHECK(w, put(w, "k", "2", keep_ten) == -ENOSPC && put(w, "l", "2", keep_none) == -ENOSPC);
    CHECK(w, holds(w, keep_ten, "k=1"));
    CHECK(w, tell(w, "CONFIG SET maxmemory 0")[0] == '+');
    struct attempt x = { 0 };
    CHECK(w, world_publish_with(w, &x, change("k", "3", keep_ten)) == 0);
    CHECK(w, x.request.position.offset == 2);
    return holds(w, keep_ten, "k=3") ? 0 : -1;
}

static void a_full_redis_refuses_and_burns_no_offset(void **state) {
    (void) state;
    run_one(full_story);
}

static int emptied_story(struct world *w) {
    struct listening l;
    struct attempt x = { 0 };
    listening_init(&l, w);
    CHECK(w, engine_listen(w->engine, &l.ear) == 0);
    CHECK(w, world_publish_with(w, &x, change("k", "1", keep_ten)) == 0);
    struct position before = x.request.position;
    CHECK(w, tell(w, "FLUSHALL")[0] == '+');
    bool is_told = await_missed(&l); /* though nobody here asks for anything */
    engine_unlisten(w->engine, &l.ear);
    CHECK(w, is_told && holds(w, keep_ten, ""));
    CHECK(w, world_publish_with(w, &x, change("k", "2", keep_ten)) == 0);
    CHECK(w, x.request.position.offset == 1 && strcmp(x.request.position.epoch, before.epoch) != 0);
    return 0;
}

static void an_emptied_redis_is_noticed(void **state) {
    (void) state;
    run_one(emptied_story);
}

/* Somebody else's values are left out. */
static int foreign_story(struct world *w) {
    CHECK(w, put(w, "a", "1", keep_ten) == 0 && put(w, "b", "2", keep_ten) == 0);
    CHECK(w, tell(w, "HSET parley.map.m a garbage")[0] == ':');
    CHECK(w, holds(w, keep_ten, "b=2"));
    CHECK(w, put(w, "a", "3", keep_ten) == 0 && holds(w, keep_ten, "a=3 b=2"));
    return 0;
}

static void what_is_not_ours_is_no_value(void **state) {
    (void) state;
    run_one(foreign_story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(changes_of_one_node_are_the_others_too),
        TEST(so_are_those_of_an_ephemeral_map),
        TEST(of_two_who_want_a_key_to_be_new_one_is_first),
        TEST(a_key_whose_time_is_over_goes_once),
        TEST(many_keys_are_read_in_the_order_of_exact_scores),
        TEST(pages_end_where_an_answer_would_be_too_long),
        TEST(a_full_redis_refuses_and_burns_no_offset),
        TEST(an_emptied_redis_is_noticed),
        TEST(what_is_not_ours_is_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
