/* Maps, kept or ephemeral, told of each engine. */
#include "storage/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/redis_model/redis_model.h"
#include "tests/unit/storage/world.h"

/* What the stories differ in. */
static struct keep keep_of(const struct world *w) {
    return w->seed == 2 ? keep_none : keep_ten;
}

static bool is_kept(const struct world *w) {
    return w->seed != 2;
}

/* ---- Redis: a model of it, in virtual time ---- */

static struct redis_model *redis;
static story_fn *redis_story;

static int connect_to_model(void *arg, const struct address *a, const struct tls *tls,
                            struct stream **ret) {
    (void) a;
    (void) tls;
    return redis_model_connect(redis, arg, ret);
}

static int run_on_model(struct world *w) {
    CHECK(w, redis_model_open(&(struct redis_model_options){ 0 }, &redis) == 0);
    int r = world_open(w);
    if (r == 0)
        r = redis_story(w);
    world_close(w);
    redis = redis_model_close(redis);
    return r;
}

static void run_story(struct world *w, story_fn *story) {
    redis_story = story;
    if (w->options.kind == ENGINE_REDIS)
        world_run_closed(w, run_on_model);
    else
        world_run(w, story);
    assert_string_equal(w->failure, "");
}

static struct publish_request change(struct world *w, const char *key, const char *data) {
    struct publication_parts parts = { .channel = STR("m"),
                                       .key = str_of(key),
                                       .data = bytes_of(data, data ? strlen(data) : 0),
                                       .is_removed = !data };
    return (struct publish_request){ .publication = publication_new(&parts),
                                     .keep = keep_of(w),
                                     .map.is_map = true };
}

static int put(struct world *w, const char *key, const char *data) {
    struct attempt a = { 0 };
    int r = world_publish_with(w, &a, change(w, key, data));
    return r < 0 ? r : (int) a.request.suppression;
}

static int read_map(struct world *w, struct map_query q, const char *expected) {
    struct map_page page;
    char text[256];
    q.channel = STR("m");
    q.keep = keep_of(w);
    CHECK(w, engine_map_read(w->engine, &q, &page) == 0);
    keys_text(page.items, page.n, text);
    map_page_finish(&page);
    if (strcmp(text, expected) != 0)
        world_fail(w, __FILE__, __LINE__, text);
    return strcmp(text, expected) == 0 ? 0 : -1;
}

static int read_all(struct world *w, const char *expected) {
    return read_map(w, (struct map_query){ .limit = 100 }, expected);
}

static int heard(struct world *w, const char *expected) {
    char text[256];
    world_settle(w);
    keys_text(w->listener.heard, w->listener.n, text);
    if (strcmp(text, expected) != 0)
        world_fail(w, __FILE__, __LINE__, text);
    return strcmp(text, expected) == 0 ? 0 : -1;
}

/* ---- changing ---- */

static int change_story(struct world *w) {
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("m")) == 0);
    CHECK(w, put(w, "b", "1") == 0 && put(w, "a", "2") == 0 && put(w, "b", "3") == 0);
    CHECK(w, put(w, "c", "4") == 0 && put(w, "a", NULL) == 0);
    CHECK(w, put(w, "a", NULL) == MAP_SUPPRESSED_KEY_NOT_FOUND);
    CHECK(w, read_all(w, "b=3 c=4") == 0);
    CHECK(w, read_map(w, (struct map_query){ .limit = 1, .key = STR("c") }, "c=4") == 0);
    CHECK(w, read_map(w, (struct map_query){ .limit = 1, .key = STR("a") }, "") == 0);
    int r = heard(w, "b=1 a=2 b=3 c=4 a!");
    engine_detach(w->engine, &w->listener.sink, STR("m"));
    CHECK(w, r == 0);

    uint64_t keys;
    CHECK(w, engine_map_stats(w->engine, STR("m"), keep_of(w), &keys) == 0 && keys == 2);
    struct map_page page;
    struct map_query q = { .channel = STR("m"), .keep = keep_of(w), .limit = 10 };
    CHECK(w, engine_map_read(w->engine, &q, &page) == 0);
    bool is_right = page.n == 2 && page.top.epoch[0] && page.cursor.len == 0 &&
                    page.top.offset == (is_kept(w) ? 5 : 0) &&
                    page.items[0]->position.offset == (is_kept(w) ? 3 : 0);
    map_page_finish(&page);
    CHECK(w, is_right);
    struct page stream;
    char text[256];
    CHECK(w, world_history(w, "m", keep_of(w), &stream) == 0);
    keys_text(stream.items, stream.n, text);
    page_finish(&stream);
    CHECK(w, strcmp(text, is_kept(w) ? "b=1 a=2 b=3 c=4 a!" : "") == 0);
    return 0;
}

static void keys_have_the_value_last_put_and_subscribers_hear_of_each(void **state) {
    run_story(*state, change_story);
}

static int mode_story(struct world *w) {
    struct attempt a = { 0 };
    struct publish_request q = change(w, "k", "1");
    q.map.key_mode = MAP_KEY_IF_EXISTS;
    CHECK(w, world_publish_with(w, &a, q) == 0);
    CHECK(w, a.request.suppression == MAP_SUPPRESSED_KEY_NOT_FOUND);
    q = change(w, "k", "2");
    q.map.key_mode = MAP_KEY_IF_NEW;
    CHECK(w, world_publish_with(w, &a, q) == 0 && a.request.suppression == 0);
    q = change(w, "k", "3");
    q.map.key_mode = MAP_KEY_IF_NEW;
    CHECK(w, world_publish_with(w, &a, q) == 0);
    CHECK(w, a.request.suppression == MAP_SUPPRESSED_KEY_EXISTS);
    CHECK(w, a.request.position.offset == (is_kept(w) ? 1 : 0));
    q = change(w, "k", "4");
    q.map.key_mode = MAP_KEY_IF_EXISTS;
    CHECK(w, world_publish_with(w, &a, q) == 0 && a.request.suppression == 0);
    return read_all(w, "k=4");
}

static void a_key_may_have_to_be_new_or_to_exist(void **state) {
    run_story(*state, mode_story);
}

static int once_story(struct world *w) {
    struct attempt a = { 0 };
    struct publish_request q = change(w, "k", "1");
    q.idempotency_key = STR("i");
    CHECK(w, world_publish_with(w, &a, q) == 0 && a.request.suppression == 0);
    q = change(w, "k", "2");
    q.idempotency_key = STR("i");
    CHECK(w, world_publish_with(w, &a, q) == 0 && a.request.is_duplicate);
    CHECK(w, a.request.suppression == MAP_SUPPRESSED_IDEMPOTENCY);
    return read_all(w, "k=1");
}

static void a_repeated_change_does_nothing(void **state) {
    run_story(*state, once_story);
}

static int put_version(struct world *w, const char *key, uint64_t version, const char *epoch) {
    struct attempt a = { 0 };
    struct publish_request q = change(w, key, "x");
    q.version = version;
    q.version_epoch = str_of(epoch);
    int r = world_publish_with(w, &a, q);
    return r < 0 ? r : (int) a.request.suppression;
}

static int version_story(struct world *w) {
    CHECK(w, put_version(w, "a", 5, "e") == 0 && put_version(w, "b", 3, "") == 0);
    CHECK(w, put_version(w, "a", 5, "e") == MAP_SUPPRESSED_VERSION);
    CHECK(w, put_version(w, "a", 4, "") == MAP_SUPPRESSED_VERSION);
    CHECK(w, put_version(w, "a", 1, "f") == 0 && put_version(w, "b", 4, "") == 0);
    CHECK(w, put(w, "a", NULL) == 0 && put_version(w, "a", 1, "f") == 0);
    return 0;
}

static void each_key_has_a_version_of_its_own(void **state) {
    run_story(*state, version_story);
}

static int put_at(struct world *w, struct position expected, const char *data) {
    struct attempt a = { 0 };
    struct publish_request q = change(w, "k", data);
    q.map.has_expected = true;
    q.map.expected = expected;
    int r = world_publish_with(w, &a, q);
    return r < 0 ? r : (int) a.request.suppression;
}

static int position_story(struct world *w) {
    struct attempt a = { 0 };
    CHECK(w, put_at(w, (struct position){ 0 }, "1") == 0);
    CHECK(w, put_at(w, (struct position){ 0 }, "2") == MAP_SUPPRESSED_POSITION);
    CHECK(w, world_publish_with(w, &a, change(w, "other", "x")) == 0);
    struct position at = a.request.position;
    CHECK(w, put_at(w, at, "3") == MAP_SUPPRESSED_POSITION);
    at.offset = 1;
    CHECK(w, put_at(w, at, "4") == 0 && put_at(w, at, "5") == MAP_SUPPRESSED_POSITION);
    at.offset = 3;
    at.epoch[0] = at.epoch[0] == 'x' ? 'y' : 'x';
    CHECK(w, put_at(w, at, "6") == MAP_SUPPRESSED_POSITION);
    return read_all(w, "k=4 other=x");
}

static void a_change_may_depend_on_where_the_key_was_put(void **state) {
    run_story(*state, position_story);
}

static int stream_story(struct world *w) {
    struct attempt a = { 0 };
    struct publish_request q = change(w, "k", "whole");
    q.map.stream = publication_new(&(struct publication_parts){
            .channel = STR("m"), .key = STR("k"), .data = bytes_of("part", 4) });
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("m")) == 0);
    CHECK(w, world_publish_with(w, &a, q) == 0);
    int r = heard(w, "k=part");
    engine_detach(w->engine, &w->listener.sink, STR("m"));
    CHECK(w, r == 0);
    return read_all(w, "k=whole");
}

static void the_stream_may_get_something_else_than_the_state(void **state) {
    run_story(*state, stream_story);
}

/* ---- time ---- */

static int expiry_story(struct world *w) {
    struct attempt a = { 0 };
    struct tag tag = { STR("t"), STR("v") };
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("m")) == 0);
    struct publish_request q = change(w, "a", NULL);
    publication_unref(q.publication);
    q.publication = publication_new(&(struct publication_parts){ .channel = STR("m"),
                                                                 .key = STR("a"),
                                                                 .data = bytes_of("1", 1),
                                                                 .tags = &tag,
                                                                 .n_tags = 1 });
    q.map.key_ttl_ms = 3000;
    CHECK(w, world_publish_with(w, &a, q) == 0);
    CHECK(w, put(w, "b", "2") == 0);
    q = change(w, "c", "3");
    q.map.key_ttl_ms = 3000;
    CHECK(w, world_publish_with(w, &a, q) == 0);
    CHECK(w, task_sleep(2000) == 0);
    q = change(w, "c", "4"); /* lives on */
    q.map.key_ttl_ms = 3000;
    q.map.key_mode = MAP_KEY_IF_NEW;
    q.map.refreshes_ttl = true;
    CHECK(w, world_publish_with(w, &a, q) == 0);
    CHECK(w, a.request.suppression == MAP_SUPPRESSED_KEY_EXISTS);
    CHECK(w, task_sleep(2500) == 0);
    int r = heard(w, "a=1 b=2 c=3 a!");
    CHECK(w, r == 0 && w->listener.heard[3]->n_tags == 1);
    CHECK(w, w->listener.heard[3]->position.offset == (is_kept(w) ? 4 : 0));
    CHECK(w, read_all(w, "b=2 c=3") == 0);
    CHECK(w, task_sleep(3000) == 0);
    CHECK(w, heard(w, "a=1 b=2 c=3 a! c!") == 0 && read_all(w, "b=2") == 0);
    engine_detach(w->engine, &w->listener.sink, STR("m"));
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.map_keys_expired == 2);
    return 0;
}

static void keys_whose_time_is_over_go_and_subscribers_hear_of_it(void **state) {
    run_story(*state, expiry_story);
}

/* The stream is forgotten long before; the map's numbers must still be its own. */
static int outlives_story(struct world *w) {
    struct keep shortly = { .history_size = 5, .history_ttl_ms = 1000, .meta_ttl_ms = 5000 };
    struct attempt a = { 0 };
    CHECK(w, read_all(w, "") == 0); /* an epoch is promised, for less than the map will be there */
    struct publish_request q = change(w, "a", "1");
    q.keep = shortly;
    CHECK(w, world_publish_with(w, &a, q) == 0);
    struct position first = a.request.position;
    CHECK(w, task_sleep(900000) == 0);
    CHECK(w, read_all(w, "a=1") == 0);
    q = change(w, "a", NULL);
    q.keep = shortly;
    CHECK(w, world_publish_with(w, &a, q) == 0 && a.request.position.offset == 2);
    CHECK(w, strcmp(a.request.position.epoch, first.epoch) == 0);
    CHECK(w, task_sleep(300000) == 0);
    q = change(w, "a", "2");
    q.keep = shortly;
    CHECK(w, world_publish_with(w, &a, q) == 0 && a.request.position.offset == 1);
    CHECK(w, strcmp(a.request.position.epoch, first.epoch) != 0);
    return 0;
}

static void a_map_outlives_the_publications_of_its_stream(void **state) {
    run_story(*state, outlives_story);
}

/* ---- reading ---- */

static int pages(struct world *w, struct map_query q, uint32_t limit, const char *expected) {
    char all[512] = "", cursor[64];
    q.channel = STR("m");
    q.keep = keep_of(w);
    q.limit = limit;
    for (int i = 0; i < 20; i++) {
        struct map_page page;
        char text[256];
        CHECK(w, engine_map_read(w->engine, &q, &page) == 0);
        (void) snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "|" : "",
                        keys_text(page.items, page.n, text));
        bool is_over = page.cursor.len == 0;
        (void) snprintf(cursor, sizeof cursor, "%.*s", (int) page.cursor.len, page.cursor.data);
        map_page_finish(&page);
        if (is_over)
            break;
        q.cursor = str_of(cursor);
    }
    if (strcmp(all, expected) != 0)
        world_fail(w, __FILE__, __LINE__, all);
    return strcmp(all, expected) == 0 ? 0 : -1;
}

static int pages_story(struct world *w) {
    static const struct {
        const char *key;
        int64_t score;
    } keys[] = { { "c", 9 }, { "d", 5 }, { "a", 1 }, { "e", -3 }, { "c", 5 }, { "b", INT64_MIN } };
    for (size_t i = 0; i < ELEMENTS_OF(keys); i++) {
        struct attempt a = { 0 };
        struct publish_request q = change(w, "", NULL);
        publication_unref(q.publication);
        q.publication = publication_new(&(struct publication_parts){
                .channel = STR("m"), .key = str_of(keys[i].key), .score = keys[i].score });
        CHECK(w, world_publish_with(w, &a, q) == 0);
    }
    struct map_query by_key = { 0 }, down = { .is_ordered = true };
    struct map_query up = { .is_ordered = true, .asc = true };
    CHECK(w, pages(w, by_key, 2, "a= b=|c= d=|e=") == 0);
    CHECK(w, pages(w, by_key, 5, "a= b= c= d= e=") == 0);
    CHECK(w, pages(w, down, 2, "d= c=|a= e=|b=") == 0);
    CHECK(w, pages(w, up, 1, "b=|e=|a=|c=|d=") == 0);
    struct map_query bad = { .channel = STR("m"), .keep = keep_of(w), .limit = 1 };
    bad.is_ordered = true;
    static const char *const cursors[] = { "x", ":a", "1:", "1x:a", "99999999999999999999:a" };
    for (size_t i = 0; i < ELEMENTS_OF(cursors); i++) {
        struct map_page page;
        bad.cursor = str_of(cursors[i]);
        CHECK(w, engine_map_read(w->engine, &bad, &page) == -EINVAL);
    }
    return 0;
}

static void maps_are_read_in_pages_by_key_or_by_score(void **state) {
    run_story(*state, pages_story);
}

static int clear_story(struct world *w) {
    CHECK(w, put(w, "a", "1") == 0 && put(w, "b", "2") == 0);
    struct map_page page;
    struct map_query q = { .channel = STR("m"), .keep = keep_of(w), .limit = 10 };
    CHECK(w, engine_map_read(w->engine, &q, &page) == 0);
    struct position before = page.top;
    map_page_finish(&page);
    CHECK(w, engine_map_clear(w->engine, STR("m"), keep_of(w)) == 0);
    CHECK(w, engine_map_clear(w->engine, STR("other"), keep_of(w)) == 0);
    CHECK(w, engine_map_read(w->engine, &q, &page) == 0);
    bool is_right = page.n == 0 && page.top.offset == 0 &&
                    (strcmp(page.top.epoch, before.epoch) != 0) == is_kept(w);
    struct position after = page.top;
    map_page_finish(&page);
    CHECK(w, is_right);
    struct attempt a = { 0 };
    CHECK(w, world_publish_with(w, &a, change(w, "c", "3")) == 0);
    CHECK(w, a.request.position.offset == (is_kept(w) ? 1 : 0));
    CHECK(w, !is_kept(w) || strcmp(a.request.position.epoch, after.epoch) == 0);
    return read_all(w, "c=3");
}

static void a_cleared_map_begins_anew(void **state) {
    run_story(*state, clear_story);
}

static int limit_story(struct world *w) {
    struct attempt a = { 0 }, b = { 0 }, c = { 0 };
    CHECK(w, put(w, "a", "1") == 0);
    attempt_start_with(w, &a, change(w, "b", "2"));
    attempt_start_with(w, &b, change(w, "c", "3"));
    attempt_start_with(w, &c, change(w, "a", "4"));
    CHECK(w, attempt_wait(&a) == 0 && attempt_wait(&b) == -EDQUOT && attempt_wait(&c) == 0);
    CHECK(w, put(w, "b", NULL) == 0 && put(w, "c", "5") == 0);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.map_keys_refused == 1 && stats.memory_refused == 0);
    return read_all(w, "a=4 c=5");
}

static void a_map_has_room_for_so_many_keys(void **state) {
    struct world *w = *state;
    w->options.map_keys_max = 2;
    run_story(w, limit_story);
}

static int restart_story(struct world *w) {
    struct attempt a = { 0 };
    CHECK(w, put(w, "a", "1") == 0 && put(w, "b", "2") == 0);
    struct publish_request q = change(w, "c", "3");
    q.map.key_ttl_ms = 5000;
    CHECK(w, world_publish_with(w, &a, q) == 0);
    world_close(w);
    CHECK(w, task_sleep(10000) == 0);
    CHECK(w, world_open(w) == 0);
    CHECK(w, read_all(w, "a=1 b=2") == 0);
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("m")) == 0);
    CHECK(w, task_sleep(2000) == 0);
    int r = heard(w, "c!");
    engine_detach(w->engine, &w->listener.sink, STR("m"));
    CHECK(w, r == 0 && w->listener.heard[0]->position.offset == 4);
    CHECK(w, put(w, "b", NULL) == 0);
    return read_all(w, "a=1");
}

static void a_kept_map_survives_a_restart(void **state) {
    run_story(*state, restart_story);
}

/* ---- all engines, kept or not ---- */

static int begin(void **state, enum engine_kind kind, bool is_kept) {
    struct world *w = world_new(kind, false);
    w->seed = is_kept ? 1 : 2;
    *state = w;
    return 0;
}

static int begin_memory(void **state) {
    return begin(state, ENGINE_MEMORY, true);
}

static int begin_sqlite(void **state) {
    return begin(state, ENGINE_SQLITE, true);
}

static int begin_model(void **state, bool is_kept) {
    begin(state, ENGINE_MEMORY, is_kept);
    struct world *w = *state;
    w->redis_shard =
            (struct redis_shard_options){ .addresses = { { "redis:6379" } }, .n_addresses = 1 };
    w->redis_options = (struct redis_options){ .shards = &w->redis_shard,
                                               .n_shards = 1,
                                               .node_id = STR("one"),
                                               .connect = connect_to_model,
                                               .connect_arg = w };
    w->options.redis = &w->redis_options;
    w->options.kind = ENGINE_REDIS;
    return 0;
}

static int begin_redis(void **state) {
    return begin_model(state, true);
}

static int begin_redis_ephemeral(void **state) {
    return begin_model(state, false);
}

static int begin_memory_ephemeral(void **state) {
    return begin(state, ENGINE_MEMORY, false);
}

static int begin_sqlite_ephemeral(void **state) {
    return begin(state, ENGINE_SQLITE, false);
}

static int end(void **state) {
    *state = world_free(*state);
    return 0;
}

#define SHARED(test)                                                                               \
    { #test " (sqlite)", test, begin_sqlite, end, NULL }, {                                        \
#test " (redis)", test, begin_redis, end, NULL                                             \
    }
#define KEPT(test) { #test " (memory)", test, begin_memory, end, NULL }, SHARED(test)
#define ALL(test)                                                                                  \
    KEPT(test), { #test " (memory, ephemeral)", test, begin_memory_ephemeral, end, NULL },         \
            { #test " (sqlite, ephemeral)", test, begin_sqlite_ephemeral, end, NULL }, {           \
#test " (redis, ephemeral)", test, begin_redis_ephemeral, end, NULL                        \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ALL(keys_have_the_value_last_put_and_subscribers_hear_of_each),
        ALL(a_key_may_have_to_be_new_or_to_exist),
        ALL(a_repeated_change_does_nothing),
        ALL(each_key_has_a_version_of_its_own),
        KEPT(a_change_may_depend_on_where_the_key_was_put),
        ALL(the_stream_may_get_something_else_than_the_state),
        ALL(keys_whose_time_is_over_go_and_subscribers_hear_of_it),
        KEPT(a_map_outlives_the_publications_of_its_stream),
        ALL(maps_are_read_in_pages_by_key_or_by_score),
        ALL(a_cleared_map_begins_anew),
        ALL(a_map_has_room_for_so_many_keys),
        SHARED(a_kept_map_survives_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
