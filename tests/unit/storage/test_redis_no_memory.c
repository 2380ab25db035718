/* The n-th allocation fails, for every n: a call says so, or a line breaks and comes back; nothing
 * hangs, nothing leaks. */
#include "storage/redis/server.h"
#include "tests/support/failing_memory.h"
#include "tests/unit/async/expect.h"
#include "tests/unit/storage/redis_script.h"

enum { PATIENCE_MS = 60000 };

struct scene {
    struct redis_script script;
    struct redis_server *server;
    unsigned messages;
};

static void on_message(void *arg, struct str channel, struct bytes payload) {
    (void) channel;
    (void) payload;
    ((struct scene *) arg)->messages++;
}

static int ask(struct scene *c) {
    struct bytes words[] = { str_bytes(STR("ECHO")), str_bytes(STR("x")) };
    struct redisReply *reply;
    DEADLINE(patience, PATIENCE_MS);
    int r = redis_server_ask(c->server, words, ELEMENTS_OF(words), &reply);
    if (r == 0)
        redis_reply_free(reply);
    return r;
}

static int join(struct scene *c) {
    DEADLINE(patience, PATIENCE_MS);
    return redis_server_subscribe(c->server, STR("news"));
}

/* What the failure broke is whole again when it is done again. */
#define AGAIN(call)                                                                                \
    do {                                                                                           \
        int r_ = (call);                                                                           \
        if (r_ != 0 && has_failed)                                                                 \
            r_ = (call);                                                                           \
        EXPECT_EQUAL(r_, 0);                                                                       \
    } while (0)

static int all(void *arg) {
    struct scene *c = arg;
    struct address addresses[] = { { "127.0.0.1:26379" } };
    struct redis_server_options o = {
        .addresses = addresses,
        .n_addresses = 1,
        .master_name = STR("mymaster"),
        .password = STR("secret"),
        .connect = redis_script_connect,
        .connect_arg = &c->script,
        .wait_ms = 20000,
        .arg = c,
        .message = on_message,
    };
    c->script.password = "secret";
    c->script.master_host = "10.0.0.1";
    c->script.master_port = "6379";
    AGAIN(redis_server_open(&o, &c->server));
    AGAIN(ask(c));
    AGAIN(join(c));
    redis_script_cut(&c->script);
    AGAIN(ask(c));
    AGAIN(join(c));
    redis_server_unsubscribe(c->server, STR("news"));
    redis_server_unsubscribe(c->server, STR("news"));
    EXPECT_EQUAL(task_sleep(20000), 0);
    return 0;
}

static int play(void *arg) {
    struct scene c = { 0 };
    has_failed = false;
    fails_in = *(uint64_t *) arg;
    int r = all(&c);
    fails_in = 0;
    c.server = redis_server_close(c.server);
    redis_script_finish(&c.script);
    return r;
}

static void any_allocation_may_fail(void **state) {
    (void) state;
    uint64_t n = 1;
    for (;; n++) {
        int r = run_virtual(play, &n);
        if (r != 0)
            fail_msg("allocation %llu: %d", (unsigned long long) n, r);
        if (!has_failed)
            break;
    }
    assert_true(n > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
