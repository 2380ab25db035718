/* Leases on a modelled Redis: who gets one, for how long, and of which thing. */
#include "storage/engine.h"
#include "storage/lease.h"
#include "storage/redis/options.h"
#include "tests/support/redis_model/redis_model.h"
#include "tests/unit/async/expect.h"

enum { TTL_MS = 10000 };

struct scene {
    struct redis_model *redis;
    struct engine *engine;
    struct lease seen;
    int (*story)(struct scene *s);
};

static int connect_model(void *arg, const struct address *a, const struct tls *tls,
                         struct stream **ret) {
    struct scene *s = arg;
    (void) a;
    (void) tls;
    return redis_model_connect(s->redis, s, ret);
}

static int open_engine(struct scene *s) {
    const struct redis_shard_options shard = { .addresses = { { "redis:6379" } },
                                               .n_addresses = 1 };
    const struct redis_options redis = { .shards = &shard,
                                         .n_shards = 1,
                                         .node_id = STR("one"),
                                         .connect = connect_model,
                                         .connect_arg = s };
    char *why = NULL;
    int r = engine_open(&(struct engine_options){ .kind = ENGINE_REDIS, .redis = &redis },
                        &s->engine, &why);
    free(why);
    return r;
}

/* What came of it; -1: an error. The node's name is what it tells. */
static int ask_with(struct scene *s, enum lease_call call, const char *node, const char *id,
                    uint64_t generation, uint64_t changes, bool accepts, const char *lock) {
    int r = engine_lease(s->engine,
                         &(struct lease_claim){ .call = call,
                                                .name = STR("thing"),
                                                .holder = str_of(node),
                                                .told = str_of(node),
                                                .ttl_ms = TTL_MS,
                                                .id = str_of(id),
                                                .generation = generation,
                                                .changes = changes,
                                                .accepts = accepts,
                                                .lock = str_of(lock) },
                         &s->seen);
    return r < 0 ? -1 : (int) s->seen.result;
}

static int ask(struct scene *s, enum lease_call call, const char *node, const char *id,
               uint64_t generation, uint64_t changes, bool accepts) {
    return ask_with(s, call, node, id, generation, changes, accepts, "");
}

static int take(struct scene *s, const char *node, const char *id, uint64_t generation,
                uint64_t changes) {
    return ask(s, LEASE_TAKE, node, id, generation, changes, false);
}

static int look(struct scene *s) {
    return ask(s, LEASE_LOOK, "nobody", "", 0, 0, false);
}

static int take_locked(struct scene *s, const char *node, const char *id, uint64_t generation,
                       uint64_t changes, const char *lock) {
    return ask_with(s, LEASE_TAKE, node, id, generation, changes, false, lock);
}

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return -__LINE__;                                                                      \
    } while (0)

/* ---- stories: 0, or the line that was not so ---- */

static int time_story(struct scene *s) {
    MUST(look(s) == LEASE_FREE && s->seen.holder[0] == '\0');
    MUST(take(s, "a", "", 0, 0) == LEASE_OURS);
    MUST(take(s, "b", "", 0, 0) == LEASE_OTHERS);
    MUST(strcmp(s->seen.holder, "a") == 0 && strcmp(s->seen.told, "a") == 0);
    MUST(s->seen.left_ms > TTL_MS - 1000 && s->seen.left_ms <= TTL_MS);
    MUST(task_sleep(TTL_MS - 1000) == 0);
    MUST(take(s, "a", "", 0, 0) == LEASE_OURS); /* renewed */
    MUST(task_sleep(TTL_MS - 1000) == 0);
    MUST(take(s, "b", "", 0, 0) == LEASE_OTHERS);
    MUST(task_sleep(1100) == 0);
    MUST(take(s, "b", "", 0, 0) == LEASE_OURS);
    MUST(take(s, "a", "", 0, 0) == LEASE_OTHERS);
    MUST(ask(s, LEASE_GIVE, "a", "", 0, 0, false) == LEASE_OTHERS); /* not a's to give */
    MUST(ask(s, LEASE_GIVE, "b", "", 0, 0, false) == LEASE_FREE);
    MUST(look(s) == LEASE_FREE);
    return 0;
}

static int thing_story(struct scene *s) {
    MUST(take(s, "a", "db1", 3, 100) == LEASE_OURS && s->seen.id[0] == '\0');
    MUST(take(s, "a", "db1", 4, 120) == LEASE_OURS);
    MUST(strcmp(s->seen.id, "db1") == 0 && s->seen.generation == 3 && s->seen.changes == 100);
    MUST(ask(s, LEASE_GIVE, "a", "", 0, 0, false) == LEASE_FREE);

    MUST(take(s, "b", "", 0, 0) == LEASE_OURS); /* does not know yet which one it has */
    MUST(take(s, "b", "db2", 9, 999) == LEASE_OTHER_THING);
    MUST(look(s) == LEASE_FREE); /* and has no lease any more */
    MUST(take(s, "b", "db1", 3, 500) == LEASE_STALE);
    MUST(take(s, "b", "db1", 4, 119) == LEASE_STALE);
    MUST(look(s) == LEASE_FREE && s->seen.generation == 4 && s->seen.changes == 120);
    MUST(take(s, "b", "db1", 4, 120) == LEASE_OURS);
    return 0;
}

static int accepting_story(struct scene *s) {
    MUST(take(s, "a", "db1", 4, 120) == LEASE_OURS);
    MUST(ask(s, LEASE_TAKE, "b", "db2", 1, 1, true) == LEASE_OTHERS); /* not from who has it */
    MUST(ask(s, LEASE_GIVE, "a", "", 0, 0, false) == LEASE_FREE);
    MUST(ask(s, LEASE_TAKE, "b", "db2", 1, 1, true) == LEASE_OURS);
    MUST(take(s, "b", "db2", 5, 2) == LEASE_OURS);
    MUST(ask(s, LEASE_GIVE, "b", "", 0, 0, false) == LEASE_FREE);
    MUST(take(s, "a", "db1", 4, 120) == LEASE_OTHER_THING);
    return 0;
}

/* Whoever else has the holder's lock: the holder has it no more. */
static int lock_story(struct scene *s) {
    MUST(take_locked(s, "a", "db1", 4, 120, "file1") == LEASE_OURS);
    MUST(take_locked(s, "b", "db1", 4, 120, "file2") == LEASE_OTHERS); /* a copy */
    MUST(strcmp(s->seen.lock, "file1") == 0);
    MUST(take(s, "b", "db1", 4, 120) == LEASE_OTHERS);
    MUST(take_locked(s, "b", "", 0, 0, "file1") == LEASE_OTHERS); /* of which database? */
    MUST(take_locked(s, "b", "db2", 9, 999, "file1") == LEASE_OTHERS);
    MUST(ask_with(s, LEASE_TAKE, "b", "db2", 9, 999, true, "file1") == LEASE_OTHERS);
    MUST(take_locked(s, "b", "db1", 4, 119, "file1") == LEASE_STALE); /* it was put back */
    MUST(look(s) == LEASE_OTHERS && strcmp(s->seen.holder, "a") == 0);
    MUST(take_locked(s, "b", "db1", 4, 120, "file1") == LEASE_OURS);
    MUST(take_locked(s, "a", "db1", 4, 121, "file3") == LEASE_OTHERS);
    MUST(strcmp(s->seen.holder, "b") == 0 && strcmp(s->seen.lock, "file1") == 0);
    MUST(ask(s, LEASE_GIVE, "a", "", 0, 0, false) == LEASE_OTHERS);

    /* The lock of an earlier one says nothing of who has it now and has none. */
    MUST(ask(s, LEASE_GIVE, "b", "", 0, 0, false) == LEASE_FREE);
    MUST(take(s, "c", "", 0, 0) == LEASE_OURS);
    MUST(take_locked(s, "a", "db1", 4, 121, "file1") == LEASE_OTHERS && s->seen.lock[0] == '\0');
    MUST(take(s, "c", "db1", 5, 122) == LEASE_OURS);
    MUST(take_locked(s, "a", "db1", 5, 122, "") == LEASE_OTHERS);
    return 0;
}

/* Redis that has forgotten all: who has it goes on, and says again which thing it is. */
static int forgetting_story(struct scene *s) {
    MUST(take(s, "a", "db1", 4, 120) == LEASE_OURS);
    redis_model_flush(s->redis);
    MUST(take(s, "a", "db1", 4, 121) == LEASE_OURS && s->seen.id[0] == '\0');
    MUST(take(s, "b", "db1", 4, 120) == LEASE_OTHERS && s->seen.changes == 121);
    return 0;
}

/* ---- how they are told ---- */

static int scene_run(void *arg) {
    struct scene *s = arg;
    int r = redis_model_open(&(struct redis_model_options){ 0 }, &s->redis);
    if (r == 0)
        r = open_engine(s);
    if (r == 0) {
        r = s->story(s);
        engine_close(s->engine);
    }
    s->redis = redis_model_close(s->redis);
    return r;
}

static void tell(int (*one)(struct scene *s)) {
    struct scene *s = calloc(1, sizeof *s);
    s->story = one;
    int r = run_seeded(1, scene_run, s);
    free(s);
    if (r < 0)
        fail_msg("line %d: it is not so", -r);
}

static void one_node_at_a_time_has_it_for_as_long_as_it_says_so(void **state) {
    (void) state;
    tell(time_story);
}

static void another_thing_and_an_old_copy_get_none(void **state) {
    (void) state;
    tell(thing_story);
}

static void what_is_accepted_is_the_thing_from_then_on(void **state) {
    (void) state;
    tell(accepting_story);
}

static void who_has_the_holders_lock_need_not_wait(void **state) {
    (void) state;
    tell(lock_story);
}

static void a_redis_that_has_forgotten_is_told_again(void **state) {
    (void) state;
    tell(forgetting_story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_at_a_time_has_it_for_as_long_as_it_says_so),
        cmocka_unit_test(another_thing_and_an_old_copy_get_none),
        cmocka_unit_test(what_is_accepted_is_the_thing_from_then_on),
        cmocka_unit_test(who_has_the_holders_lock_need_not_wait),
        cmocka_unit_test(a_redis_that_has_forgotten_is_told_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
