/* The engine's start on a modelled Redis: whenever its lines are there in time, it starts. */
#include "storage/engine.h"
#include "storage/redis/options.h"
#include "tests/support/redis_model/redis_model.h"
#include "tests/unit/async/expect.h"

/* How long the engine looks at an attempt before it looks again. */
enum { LOOK_MS = 50, SEEDS = 100 };

struct scene {
    struct redis_model *redis;
    int64_t late_ms; /* that the first line takes to connect */
    unsigned lines;
    int64_t took_ms;
};

static int connect_late(void *arg, const struct address *a, const struct tls *tls,
                        struct stream **ret) {
    struct scene *s = arg;
    (void) a;
    (void) tls;
    int r = s->lines++ == 0 && s->late_ms > 0 ? task_sleep(s->late_ms) : 0;
    return r < 0 ? r : redis_model_connect(s->redis, s, ret);
}

static int open_and_close(struct scene *s) {
    const struct redis_shard_options shard = { .addresses = { { "redis:6379" } },
                                               .n_addresses = 1 };
    const struct redis_options redis = { .shards = &shard,
                                         .n_shards = 1,
                                         .node_id = STR("one"),
                                         .connect = connect_late,
                                         .connect_arg = s };
    const struct engine_options o = { .kind = ENGINE_REDIS, .redis = &redis };
    struct engine *e;
    char *why = NULL;
    int64_t began_ms = loop_now();
    int r = engine_open(&o, &e, &why);
    s->took_ms = loop_now() - began_ms;
    free(why);
    if (r == 0)
        engine_close(e);
    return r;
}

static int scene_run(void *arg) {
    struct scene *s = arg;
    int r = redis_model_open(&(struct redis_model_options){ 0 }, &s->redis);
    if (r == 0)
        r = open_and_close(s);
    s->redis = redis_model_close(s->redis);
    return r;
}

/* The first time says how long it takes, the second time the last reply comes as a look ends:
 * before it or after it, as the seed says. */
static void lines_that_come_up_as_a_look_ends_are_there(void **state) {
    (void) state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct scene first = { 0 };
        assert_int_equal(run_seeded(seed, scene_run, &first), 0);
        struct scene second = { .late_ms = LOOK_MS - first.took_ms % LOOK_MS };
        int r = run_seeded(seed, scene_run, &second);
        if (r < 0)
            fail_msg("seed %u: %s", (unsigned) seed, strerror(-r));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_come_up_as_a_look_ends_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
