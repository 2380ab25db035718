/* How often is often enough: per client and namespace, per user wherever it is connected, per key.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "daemon/keys/rate.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

#define ALLOWED                                                                                    \
    "allow_subscribe_for_client: true, allow_publish_for_client: true, presence: true, "           \
    "allow_presence_for_client: true, history_size: 5, history_ttl: 600s, "                        \
    "allow_history_for_client: true"
#define TOO_MANY(id) "{\"id\":" id ",\"error\":{\"code\":111,*\"temporary\":true}}"

static struct peer *enter(struct world *w, const char *user) {
    struct peer *p = peer_open(w, NULL);
    char claims[64];
    (void) snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}", user);
    return p && peer_connect(p, world_token(w, "%s", claims)) ? p : NULL;
}

static uint64_t counted(struct world *w, enum metrics_counter id) {
    uint64_t n = 0;
    for (size_t i = 0; i < w->daemon->n_workers; i++)
        n += metrics_counter_of(&w->daemon->threads[i].worker.metrics, id);
    return n;
}

/* ---- a client in a namespace ---- */

static int each_operation(struct world *w, void *arg) {
    static const struct {
        const char *command;
        const char *good;
    } ops[] = {
        { "'publish':{'channel':'aa:x','data':{}}", "{'id':1,'publish':{}}" },
        { "'history':{'channel':'aa:x','limit':1}", "{'id':1,'history':{*" },
        { "'presence':{'channel':'aa:x'}", "{'id':1,'presence':{*" },
    };
    struct peer *p = enter(w, "me"), *other = enter(w, "you");
    char line[256];
    STORY_EXPECT(w, p && other);

    for (size_t i = 0; i < ELEMENTS_OF(ops); i++) {
        for (int k = 0; k < 3; k++) { /* the burst */
            (void) snprintf(line, sizeof line, "> {'id':1,%s}\n < %s", ops[i].command, ops[i].good);
            PLAYS(p, line);
        }
        (void) snprintf(line, sizeof line, "> {'id':1,%s}\n < {'id':1,'error':{'code':111,*",
                        ops[i].command);
        PLAYS(p, line);
        PLAYS(p, line);
        (void) snprintf(line, sizeof line, "> {'id':1,%s}\n < %s", ops[i].command, ops[i].good);
        PLAYS(other, line); /* has a bucket of its own */
        STORY_EXPECT(w, task_sleep(500) == 0);
        PLAYS(p, line); /* two a second */
        (void) snprintf(line, sizeof line, "> {'id':1,%s}\n < {'id':1,'error':{'code':111,*",
                        ops[i].command);
        PLAYS(p, line);
    }
    /* Statistics of presence are out of the same bucket; another namespace has its own. */
    PLAYS(p, "> {'id':1,'presence_stats':{'channel':'aa:x'}}\n < {'id':1,'error':{'code':111,*\n"
             "> {'id':1,'presence_stats':{'channel':'bb:x'}}\n < {'id':1,'presence_stats':{*\n"
             "> {'id':1,'publish':{'channel':'bb:x','data':{}}}\n < {'id':1,'publish':{}}\n");
    for (int i = 0; i < 10; i++)
        PLAYS(p, "> {'id':1,'publish':{'channel':'bb:x','data':{}}}\n < {'id':1,'publish':{}}\n");

    /* What was refused is not done, and costs nothing else. */
    for (int i = 0; i < 3; i++) {
        (void) snprintf(line, sizeof line,
                        "> {'id':%d,'subscribe':{'channel':'aa:%d'}}\n < {'id':%d,'subscribe':{*",
                        i + 1, i, i + 1);
        PLAYS(p, line);
    }
    PLAYS(p, "> {'id':9,'subscribe':{'channel':'aa:4'}}\n < {'id':9,'error':{'code':111,*\n"
             "> {'id':9,'unsubscribe':{'channel':'aa:4'}}\n < {'id':9,'unsubscribe':{}}\n + 500\n"
             "> {'id':9,'subscribe':{'channel':'aa:4'}}\n < {'id':9,'subscribe':{*\n");
    STORY_EXPECT(w, counted(w, COUNT_RATE_CLIENT) == 11);
    return 0;
}

static void a_client_has_a_bucket_for_each_operation_of_a_namespace(void **state) {
    const struct world_options o = {
        .config = "channel: {namespaces: [{name: aa, " ALLOWED
                  ", publish_rate: 2, publish_burst: 3, history_rate: 2, history_burst: 3, "
                  "presence_rate: 2, presence_burst: 3, subscribe_rate: 2, subscribe_burst: 3}, "
                  "{name: bb, " ALLOWED "}]}\n"
    };
    assert_null(world_run(&o, each_operation, NULL));
}

static int calls(struct world *w, void *arg) {
    struct peer *p = enter(w, "me");
    STORY_EXPECT(w, p != NULL);
    PLAYS(p, "> {'id':1,'rpc':{'method':'x','data':{}}}\n < {'id':1,'error':{'code':108,*\n"
             "> {'id':2,'rpc':{'method':'x','data':{}}}\n < {'id':2,'error':{'code':108,*\n"
             "> {'id':3,'rpc':{'method':'x','data':{}}}\n < {'id':3,'error':{'code':111,*\n");
    return 0;
}

static void calls_have_a_bucket_too(void **state) {
    const struct world_options o = { .config = "rpc: {client_rate: 1, client_burst: 2}\n" };
    assert_null(world_run(&o, calls, NULL));
}

/* ---- a user ---- */

static int user_everywhere(struct world *w, void *arg) {
    struct peer *me[4], *you = enter(w, "you");
    int good = 0, refused = 0;

    for (size_t i = 0; i < ELEMENTS_OF(me); i++) {
        me[i] = enter(w, "me");
        STORY_EXPECT(w, me[i] != NULL);
    }
    for (int round = 0; round < 5; round++)
        for (size_t i = 0; i < ELEMENTS_OF(me); i++)
            peer_say(me[i], "{\"id\":1,\"publish\":{\"channel\":\"x\",\"data\":{}}}");
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < ELEMENTS_OF(me); i++) {
            const char *heard = peer_hear(me[i], 5000);
            good += text_matches(heard, "{\"id\":1,\"publish\":{}}");
            refused += text_matches(heard, TOO_MANY("1"));
        }
    }
    STORY_EXPECT(w, good == 7 && refused == 13);
    STORY_EXPECT(w, counted(w, COUNT_RATE_USER) == 13);
    PLAYS(you, "> {'id':1,'publish':{'channel':'x','data':{}}}\n < {'id':1,'publish':{}}\n");
    return 0;
}

static void a_user_has_one_bucket_whichever_worker_serves_it(void **state) {
    struct world_options o = { .workers = 3,
                               .config = "client: {user_rate: 1, user_burst: 7}\n"
                                         "channel: {without_namespace: {" ALLOWED "}}\n" };
    assert_null(world_run(&o, user_everywhere, NULL));
    o.seed = 7;
    assert_null(world_run(&o, user_everywhere, NULL));
}

static int nobody_in_particular(struct world *w, void *arg) {
    struct peer *p = enter(w, "");
    STORY_EXPECT(w, p != NULL);
    for (int i = 0; i < 5; i++)
        PLAYS(p, "> {'id':1,'publish':{'channel':'x','data':{}}}\n < {'id':1,'publish':{}}\n");
    return 0;
}

static void the_anonymous_are_not_one_user(void **state) {
    const struct world_options o = { .config = "client: {user_rate: 1, user_burst: 1}\n"
                                               "channel: {without_namespace: {" ALLOWED
                                               ", allow_publish_for_anonymous: true}}\n" };
    assert_null(world_run(&o, nobody_in_particular, NULL));
}

/* ---- a namespace ---- */

static int crowded(struct world *w, void *arg) {
    struct peer *crowd[5], *one = enter(w, "one");
    int good = 0;
    for (size_t i = 0; i < ELEMENTS_OF(crowd); i++) {
        char user[8];
        (void) snprintf(user, sizeof user, "u%zu", i);
        crowd[i] = enter(w, user);
        STORY_EXPECT(w, crowd[i] != NULL);
    }
    for (size_t i = 0; i < ELEMENTS_OF(crowd); i++) {
        peer_say(crowd[i], "{\"id\":1,\"publish\":{\"channel\":\"aa:%zu\",\"data\":{}}}", i);
        good += text_matches(peer_hear(crowd[i], 5000), "{\"id\":1,\"publish\":{}}");
    }
    STORY_EXPECT(w, good == 3 && counted(w, COUNT_RATE_NAMESPACE) == 2);
    /* What the namespace refuses is not on the user's account. */
    for (int i = 0; i < 5; i++)
        PLAYS(one, "> {'id':2,'publish':{'channel':'aa:x','data':{}}}\n < "
                   "{'id':2,'error':{'code':111,*\n");
    PLAYS(one,
          "> {'id':3,'publish':{'channel':'bb:x','data':{}}}\n < {'id':3,'publish':{}}\n"
          "> {'id':4,'publish':{'channel':'bb:x','data':{}}}\n < {'id':4,'publish':{}}\n"
          "> {'id':5,'publish':{'channel':'bb:x','data':{}}}\n < {'id':5,'error':{'code':111,*\n");
    STORY_EXPECT(w, counted(w, COUNT_RATE_NAMESPACE) == 7 && counted(w, COUNT_RATE_USER) == 1);
    return 0;
}

static void a_namespace_has_a_bucket_for_all_who_are_in_it(void **state) {
    const struct world_options o = {
        .workers = 3,
        .config =
                "client: {user_rate: 1, user_burst: 2}\nchannel: {namespaces: [{name: aa, " ALLOWED
                ", all_publish_rate: 1, all_publish_burst: 3}, {name: bb, " ALLOWED "}]}\n"
    };
    assert_null(world_run(&o, crowded, NULL));
}

/* ---- keys ---- */

static int keys(struct world *w, void *arg) {
    struct worker *worker = &w->daemon->threads[0].worker;
    const struct config_rate limit = { .rate = 10, .burst = 20 }, none = { 0 };
    int64_t retry_ms = -1;

    STORY_EXPECT(w, rate_allow_api(worker, STR("a"), &limit, 15, &retry_ms) && retry_ms == 0);
    STORY_EXPECT(w, !rate_allow_api(worker, STR("a"), &limit, 10, &retry_ms));
    STORY_EXPECT(w, retry_ms >= 500 && retry_ms <= 501);
    STORY_EXPECT(w, rate_allow_api(worker, STR("a"), &limit, 5, &retry_ms));
    STORY_EXPECT(w, rate_allow_api(worker, STR("b"), &limit, 20, &retry_ms));
    STORY_EXPECT(w, task_sleep(2000) == 0);
    /* Larger than the bucket: as large as the bucket, or it could never be. */
    STORY_EXPECT(w, rate_allow_api(worker, STR("a"), &limit, 1000, &retry_ms));
    STORY_EXPECT(w, !rate_allow_api(worker, STR("a"), &limit, 1, &retry_ms));
    STORY_EXPECT(w, rate_allow_api(worker, STR("a"), &limit, 0, &retry_ms));
    STORY_EXPECT(w, rate_allow_api(worker, STR("a"), &none, 1000, &retry_ms));

    /* Buckets that are full again are forgotten. */
    for (int i = 0; i < 20000; i++) {
        char name[16];
        (void) snprintf(name, sizeof name, "k%d", i);
        STORY_EXPECT(w, rate_allow_api(worker, str_of(name), &limit, 1, &retry_ms));
        if (i % 1000 == 0)
            STORY_EXPECT(w, task_sleep(1000) == 0);
    }
    STORY_EXPECT(w, rates_count(w->daemon->rates) < 10000);
    return 0;
}

static void a_key_has_a_bucket_and_is_told_when_to_come_back(void **state) {
    const struct world_options o = { .workers = 1 };
    assert_null(world_run(&o, keys, NULL));
}

/* ---- many threads at one bucket ---- */

enum { THREADS = 4, TRIES = 20000 };

struct greedy {
    struct daemon daemon;
    struct config config;
    _Atomic unsigned taken;
};

static void *grab(void *arg) {
    struct greedy *g = arg;
    struct worker *w = calloc(1, sizeof *w);
    const struct config_rate limit = { .rate = 1, .burst = 5000 };
    int64_t retry_ms;
    if (!w)
        return NULL;
    w->daemon = &g->daemon;
    w->config = &g->config;
    for (int i = 0; i < TRIES; i++)
        g->taken += rate_allow_api(w, STR("one"), &limit, 1, &retry_ms);
    free(w);
    return NULL;
}

static void threads_together_get_what_a_bucket_holds(void **state) {
    struct greedy *g = calloc(1, sizeof *g);
    pthread_t threads[THREADS];

    assert_non_null(g);
    assert_int_equal(rates_open(&g->daemon.rates), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, grab, g), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(g->taken, 5000, 5060); /* and one a second meanwhile */
    rates_close(g->daemon.rates);
    free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_has_a_bucket_for_each_operation_of_a_namespace),
        cmocka_unit_test(calls_have_a_bucket_too),
        cmocka_unit_test(a_user_has_one_bucket_whichever_worker_serves_it),
        cmocka_unit_test(the_anonymous_are_not_one_user),
        cmocka_unit_test(a_namespace_has_a_bucket_for_all_who_are_in_it),
        cmocka_unit_test(a_key_has_a_bucket_and_is_told_when_to_come_back),
        cmocka_unit_test(threads_together_get_what_a_bucket_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
