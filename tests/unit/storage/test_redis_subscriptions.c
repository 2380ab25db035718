/* Channels and Sentinels: what a server is subscribed to, and where its master is. */
#include "storage/redis/subscriptions.h"

#include "tests/unit/storage/redis_scene.h"

enum { MANY = 10000, SEEDS = 20 };

static int join(struct scene *c, const char *name) {
    DEADLINE(patience, 30000);
    return redis_server_subscribe(c->server, str_of(name));
}

static void leave(struct scene *c, const char *name) {
    redis_server_unsubscribe(c->server, str_of(name));
}

/* How often a line begins so among the commands that were heard. */
static unsigned heard(struct scene *c, const char *text) {
    unsigned n = 0;
    buffer_append_byte(&c->script.heard, 0);
    c->script.heard.len--;
    for (const char *at = (const char *) c->script.heard.data; (at = strstr(at, text)); at++)
        n++;
    return n;
}

/* ---- counts ---- */

static int counted(void *arg) {
    struct scene *c = arg;
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(join(c, "a"), 0);
    EXPECT_EQUAL(join(c, "a"), 0);
    EXPECT_EQUAL(heard(c, "SUBSCRIBE a\n"), 1);
    leave(c, "a");
    EXPECT_EQUAL(task_sleep(20000), 0);
    EXPECT_EQUAL(heard(c, "UNSUBSCRIBE"), 0);
    leave(c, "a");
    EXPECT_EQUAL(join(c, "a"), 0); /* before Redis was told */
    EXPECT_EQUAL(task_sleep(20000), 0);
    EXPECT_EQUAL(heard(c, "SUBSCRIBE"), 1);
    leave(c, "a");
    COMES(heard(c, "UNSUBSCRIBE a\n") == 1);
    EXPECT_EQUAL(join(c, "a"), 0); /* while it may be under way */
    struct redis_server_stats stats;
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.channels, 1);
    EXPECT_EQUAL(heard(c, "UNSUBSCRIBE a\nSUBSCRIBE a\n"), 1);
    leave(c, "a");
    COMES(heard(c, "UNSUBSCRIBE a\n") == 2);
    EXPECT_EQUAL(task_sleep(1000), 0);
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.channels, 0);
    return 0;
}

static int fickle(void *arg) {
    struct scene *c = arg;
    struct redis_server_stats stats;
    EXPECT_EQUAL(scene_open(c), 0);
    for (int i = 0; i < 200; i++) {
        DEADLINE(impatience, (int64_t) loop_random_below(30));
        int r = redis_server_subscribe(c->server, STR("a"));
        EXPECT(r == 0 || r == -ETIMEDOUT);
        if (r == 0)
            leave(c, "a");
        if (loop_random_below(10) == 0)
            redis_script_cut(&c->script);
        deadline_leave(&impatience);
        EXPECT_EQUAL(task_sleep((int64_t) loop_random_below(1500)), 0);
        deadline_enter(&impatience, 0);
    }
    EXPECT_EQUAL(join(c, "a"), 0);
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.channels, 1);
    leave(c, "a");
    EXPECT_EQUAL(task_sleep(10000), 0);
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.channels, 0);
    return 0;
}

static void channels_are_counted_and_redis_is_told_late(void **state) {
    (void) state;
    assert_int_equal(scene_play(counted, 0), 0);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        assert_int_equal(scene_play(counted, seed), 0);
        assert_int_equal(scene_play(fickle, seed), 0);
    }
}

/* ---- messages ---- */

static int listening(void *arg) {
    struct scene *c = arg;
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(join(c, "a"), 0);
    struct script_line *l = redis_script_line(&c->script, true);
    EXPECT(l);
    EXPECT_EQUAL(redis_script_say(l, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3\r\none\r\n"
                                     "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n"),
                 0);
    COMES(c->messages.len == 9);
    EXPECT(memcmp(c->messages.data, "a=one;a=;", 9) == 0);
    return 0;
}

static void messages_arrive_in_their_order(void **state) {
    (void) state;
    for (uint64_t seed = 0; seed <= SEEDS; seed++)
        assert_int_equal(scene_play(listening, seed), 0);
}

/* ---- coming back ---- */

struct joining {
    struct scene *scene;
    unsigned n;
};

static int join_one(void *arg) {
    struct joining *j = arg;
    char name[16];
    (void) snprintf(name, sizeof name, "c%u", j->n);
    return join(j->scene, name);
}

static int join_many(struct scene *c, unsigned from, unsigned to) {
    GROUP(g);
    for (unsigned i = from; i < to; i++) {
        void *data;
        EXPECT_EQUAL(group_spawn_with(&g, "join", join_one, sizeof(struct joining), &data), 0);
        *(struct joining *) data = (struct joining){ c, i };
    }
    return group_wait(&g);
}

static int comes_back(void *arg) {
    struct scene *c = arg;
    struct redis_server_stats stats;
    EXPECT_EQUAL(scene_open(c), 0);
    for (unsigned i = 0; i < MANY; i += 1000)
        EXPECT_EQUAL(join_many(c, i, i + 1000), 0);
    EXPECT(heard(c, "SUBSCRIBE") < 60); /* all of a turn's together */
    EXPECT_EQUAL(c->resubscribed, 0);
    buffer_reset(&c->script.heard);
    redis_script_cut(&c->script);
    COMES(c->resubscribed == 1);
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.channels, MANY);
    EXPECT(c->script.widest <= REDIS_BATCH + 1);
    EXPECT(heard(c, "SUBSCRIBE") <= MANY / REDIS_BATCH + 4);
    EXPECT_EQUAL(task_sleep(20000), 0);
    EXPECT_EQUAL(c->resubscribed, 1);
    /* Also when there is nothing to bring back, for there may be one day who cares. */
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        (void) snprintf(name, sizeof name, "c%u", i);
        leave(c, name);
    }
    redis_script_cut(&c->script);
    COMES(c->resubscribed == 2);
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.channels, 0);
    return 0;
}

/* The line breaks again while channels come back. */
static bool breaks_midway(struct script_line *l, const struct bytes *words, size_t n) {
    unsigned *left = l->script->arg;
    (void) n;
    if (!left || !script_word_is(words[0], "SUBSCRIBE") || (*left > 0 && --*left > 0))
        return false;
    l->script->arg = NULL;
    l->is_closing = true;
    return true;
}

static int breaks_again(void *arg) {
    struct scene *c = arg;
    struct redis_server_stats stats;
    unsigned left = 3;
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(join_many(c, 0, 1500), 0);
    c->script.hook = breaks_midway;
    c->script.arg = &left;
    redis_script_cut(&c->script);
    EXPECT_EQUAL(join_many(c, 1400, 1600), 0);
    COMES(c->resubscribed == 1);
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.channels, 1600);
    return 0;
}

static void all_channels_come_back_after_a_break(void **state) {
    (void) state;
    assert_int_equal(scene_play(comes_back, 0), 0);
    for (uint64_t seed = 0; seed <= SEEDS; seed++)
        assert_int_equal(scene_play(breaks_again, seed), 0);
}

static bool forbids(struct script_line *l, const struct bytes *words, size_t n) {
    (void) n;
    if (!script_word_is(words[0], "SUBSCRIBE"))
        return false;
    l->is_subscribing = true;
    buffer_printf(&l->out,
                  "-NOPERM this user has no permissions to access one of the channels\r\n");
    return true;
}

static int forbidden(void *arg) {
    struct scene *c = arg;
    c->script.hook = forbids;
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(join(c, "a"), -ETIMEDOUT);
    EXPECT(strstr(c->warning, "no line for subscriptions: NOPERM this user"));
    c->script.hook = NULL;
    EXPECT_EQUAL(join(c, "b"), 0);
    EXPECT_EQUAL(heard(c, "SUBSCRIBE a"), 0); /* who gave up is not subscribed */
    return 0;
}

static void what_is_forbidden_is_named(void **state) {
    (void) state;
    assert_int_equal(scene_play(forbidden, 0), 0);
}

/* Another process answers to the address: both lines are to be with it. */
static int another_process(void *arg) {
    struct scene *c = arg;
    struct script_line *l;
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(join(c, "a"), 0);
    COMES(c->ups == 1 && (l = redis_script_line(&c->script, false)) != NULL);
    c->script.run_id = "two";
    stream_pair_cut(l->stream);
    COMES(c->ups == 2 && c->resubscribed == 1);
    return 0;
}

static void both_lines_are_to_the_same_process(void **state) {
    (void) state;
    assert_int_equal(scene_play(another_process, 0), 0);
}

/* ---- Sentinels ---- */

static unsigned lines_to(struct scene *c, const char *address) {
    unsigned n = 0;
    LIST_FOREACH (&c->script.lines, k)
        n += strcmp(CONTAINER_OF(k, struct script_line, link)->address.text, address) == 0;
    return n;
}

static struct script_line *watching_line(struct scene *c) {
    LIST_FOREACH (&c->script.lines, k) {
        struct script_line *l = CONTAINER_OF(k, struct script_line, link);
        if (l->is_subscribing && strstr(l->address.text, "6379") && l->commands > 2 &&
            strncmp(l->address.text, "127.0.0.", 8) == 0)
            return l;
    }
    return NULL;
}

static int switches(void *arg) {
    struct scene *c = arg;
    c->options.master_name = STR("mymaster");
    c->options.n_addresses = 2;
    c->script.master_host = "10.0.0.1";
    c->script.master_port = "7000";
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(join(c, "a"), 0);
    COMES(c->ups == 1 && lines_to(c, "10.0.0.1:7000") == 2 && watching_line(c));
    struct script_line *l = watching_line(c);
    /* Of another master: nothing to us. */
    EXPECT_EQUAL(redis_script_say(l, "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$37\r\n"
                                     "mymaster2 10.0.0.1 7000 10.0.0.2 7000\r\n"),
                 0);
    EXPECT_EQUAL(task_sleep(5000), 0);
    EXPECT_EQUAL(c->ups, 1);
    c->script.master_host = "10.0.0.2";
    int64_t began_ms = loop_now();
    l = watching_line(c);
    EXPECT_EQUAL(redis_script_say(l, "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$36\r\n"
                                     "mymaster 10.0.0.1 7000 10.0.0.2 7000\r\n"),
                 0);
    COMES(c->ups == 2 && c->resubscribed == 1);
    EXPECT(loop_now() - began_ms < 200);
    EXPECT_EQUAL(lines_to(c, "10.0.0.2:7000"), 2);
    EXPECT_EQUAL(lines_to(c, "10.0.0.1:7000"), 0);
    /* Unheard, for the line to the Sentinel is broken: seen when there is one again. */
    l = watching_line(c);
    c->script.master_host = "fd00::3";
    stream_pair_cut(l->stream);
    COMES(c->ups == 3);
    EXPECT_EQUAL(lines_to(c, "[fd00::3]:7000"), 2);
    return 0;
}

static int unknown_master(void *arg) {
    struct scene *c = arg;
    c->options.master_name = STR("mymaster");
    EXPECT_EQUAL(scene_open(c), 0);
    COMES(c->warning[0]);
    EXPECT(strstr(c->warning, "Sentinel 127.0.0.1:6379: it knows no master named mymaster"));
    c->script.master_host = "unix:/etc/passwd";
    c->script.master_port = "1";
    COMES(strstr(c->warning, "is no address"));
    c->script.master_host = "10.0.0.1";
    COMES(c->ups == 1);
    return 0;
}

/* Of two configured ones one is gone; then the other: a third is known from it. */
static bool first_is_gone(struct script_line *l, const struct bytes *words, size_t n) {
    const char *const *gone = l->script->arg;
    (void) words;
    (void) n;
    for (; *gone; gone++)
        if (strcmp(l->address.text, *gone) == 0)
            l->is_closing = true;
    return l->is_closing;
}

static int learns(void *arg) {
    struct scene *c = arg;
    static const char *const one[] = { "127.0.0.1:6379", NULL };
    static const char *const both[] = { "127.0.0.1:6379", "127.0.0.2:6379", NULL };
    c->options.master_name = STR("mymaster");
    c->options.n_addresses = 2;
    c->script.master_host = "10.0.0.1";
    c->script.master_port = "7000";
    c->script.hook = first_is_gone;
    c->script.arg = (void *) (uintptr_t) one;
    EXPECT_EQUAL(scene_open(c), 0);
    COMES(c->ups == 1);
    c->script.arg = (void *) (uintptr_t) both;
    redis_script_cut(&c->script);
    COMES(c->ups == 2);
    COMES(lines_to(c, "127.0.0.3:26379") > 0);
    return 0;
}

static void the_master_is_where_sentinel_says(void **state) {
    (void) state;
    assert_int_equal(scene_play(switches, 0), 0);
    assert_int_equal(scene_play(unknown_master, 0), 0);
    for (uint64_t seed = 0; seed <= SEEDS; seed++)
        assert_int_equal(scene_play(learns, seed), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_are_counted_and_redis_is_told_late),
        cmocka_unit_test(messages_arrive_in_their_order),
        cmocka_unit_test(all_channels_come_back_after_a_break),
        cmocka_unit_test(what_is_forbidden_is_named),
        cmocka_unit_test(both_lines_are_to_the_same_process),
        cmocka_unit_test(the_master_is_where_sentinel_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
