/* A master, a replica and three Sentinels, all real: the master dies, and the lines follow to the
 * one that takes over. */
#include <errno.h>
#include <hiredis/hiredis.h>

#include "async/event.h"
#include "storage/redis/server.h"
#include "tests/support/redis_process.h"
#include "tests/unit/async/expect.h"

enum { PATIENCE_MS = 120000, SENTINELS = 3 };

struct town {
    struct redis_process *servers[2], *sentinels[SENTINELS];
    struct redis_server *server;
    struct event changed;
    unsigned ups, resubscribed, hellos, messages;
    char warning[640];
};

/* ---- starting ---- */

/* Asked on the side, by a line that blocks. The first line of what it says, or an array's length.
 */
static int ask_aside(const struct redis_process *p, const char *password, const char *command,
                     char *ret, size_t size) {
    redisContext *c = redisConnect("127.0.0.1", redis_process_port(p));
    redisReply *r = c && !c->err ? redisCommand(c, "AUTH %s", password) : NULL;
    freeReplyObject(r);
    r = r ? redisCommand(c, command) : NULL;
    if (r && (r->type == REDIS_REPLY_INTEGER || r->type == REDIS_REPLY_ARRAY))
        (void) snprintf(ret, size, "%lld",
                        r->type == REDIS_REPLY_ARRAY ? (long long) r->elements : r->integer);
    else
        (void) snprintf(ret, size, "%s", r && r->str ? r->str : "");
    int result = r ? 0 : -EIO;
    freeReplyObject(r);
    redisFree(c);
    return result;
}

static int start_town(struct town *t) {
    char config[512], text[64];
    int r = redis_process_start(&(struct redis_process_options){ .config = "requirepass secret\n"
                                                                           "masterauth secret\n" },
                                &t->servers[0]);
    if (r < 0)
        return r;
    unsigned master = redis_process_port(t->servers[0]);
    (void) snprintf(config, sizeof config,
                    "requirepass secret\nmasterauth secret\nreplicaof 127.0.0.1 %u\n", master);
    r = redis_process_start(&(struct redis_process_options){ .config = config }, &t->servers[1]);
    if (r == 0) /* until the replica is in step: Sentinels find it at their first look then */
        r = ask_aside(t->servers[0], "secret", "WAIT 1 60000", text, sizeof text);
    (void) snprintf(config, sizeof config,
                    "requirepass watch\nsentinel sentinel-pass watch\n"
                    "sentinel monitor mymaster 127.0.0.1 %u 2\n"
                    "sentinel auth-pass mymaster secret\n"
                    "sentinel down-after-milliseconds mymaster 1000\n"
                    "sentinel failover-timeout mymaster 4000\n",
                    master);
    for (int i = 0; r == 0 && i < SENTINELS; i++)
        r = redis_process_start(
                &(struct redis_process_options){ .config = config, .is_sentinel = true },
                &t->sentinels[i]);
    return r;
}

static void end_town(struct town *t) {
    for (int i = 0; i < SENTINELS; i++)
        (void) redis_process_free(t->sentinels[i]);
    for (int i = 0; i < 2; i++)
        (void) redis_process_free(t->servers[i]);
}

/* They know each other and the replica: now they can elect it. */
static bool are_ready(struct town *t) {
    char text[256];
    for (int i = 0; i < SENTINELS; i++) {
        if (ask_aside(t->sentinels[i], "watch", "SENTINEL replicas mymaster", text, sizeof text) <
                    0 ||
            strcmp(text, "1") != 0)
            return false;
        if (ask_aside(t->sentinels[i], "watch", "SENTINEL ckquorum mymaster", text, sizeof text) <
                    0 ||
            strncmp(text, "OK 3 usable", 11) != 0)
            return false;
    }
    return true;
}

/* ---- what is heard ---- */

static void on_up(void *arg) {
    struct town *t = arg;
    t->ups++;
    event_set(&t->changed);
}

static void on_resubscribed(void *arg) {
    struct town *t = arg;
    t->resubscribed++;
    event_set(&t->changed);
}

static void on_message(void *arg, struct str channel, struct bytes payload) {
    struct town *t = arg;
    (void) payload;
    if (str_equal(channel, STR("news")))
        t->messages++;
    else
        t->hellos++;
    event_set(&t->changed);
}

static void on_warning(void *arg, const char *text) {
    struct town *t = arg;
    (void) snprintf(t->warning, sizeof t->warning, "%s", text);
}

#define AWAIT(town, condition)                                                                     \
    do {                                                                                           \
        DEADLINE(patience, PATIENCE_MS);                                                           \
        while (!(condition)) {                                                                     \
            event_clear(&(town)->changed);                                                         \
            if (event_wait(&(town)->changed) < 0) {                                                \
                print_error("%s: %s\n", #condition, (town)->warning);                              \
                return -ETIMEDOUT;                                                                 \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static int ask(struct town *t, const struct bytes *words, size_t n, const char *expected) {
    struct redisReply *reply;
    DEADLINE(patience, PATIENCE_MS);
    int r = redis_server_ask(t->server, words, n, &reply);
    if (r < 0)
        return r;
    char text[64];
    if (reply->type == REDIS_REPLY_INTEGER)
        (void) snprintf(text, sizeof text, "%lld", reply->integer);
    else
        (void) snprintf(text, sizeof text, "%.63s", reply->str ? reply->str : "");
    redis_reply_free(reply);
    if (strcmp(text, expected) == 0)
        return 0;
    print_error("%s, not %s\n", text, expected);
    return -EBADMSG;
}

#define WORD(literal) str_bytes(STR(literal))
#define ASK(town, expected, ...)                                                                   \
    EXPECT_EQUAL(ask((town), (struct bytes[]){ __VA_ARGS__ },                                      \
                     ELEMENTS_OF(((struct bytes[]){ __VA_ARGS__ })), (expected)),                  \
                 0)

/* ---- the story ---- */

static int follow(struct town *t) {
    AWAIT(t, t->ups == 1);
    EXPECT_EQUAL(redis_server_subscribe(t->server, STR("news")), 0);
    /* Each of them says hello there every other second: a time to look again. */
    EXPECT_EQUAL(redis_server_subscribe(t->server, STR("__sentinel__:hello")), 0);
    for (unsigned seen = t->hellos; !are_ready(t); seen = t->hellos)
        AWAIT(t, t->hellos > seen);
    redis_server_unsubscribe(t->server, STR("__sentinel__:hello"));
    ASK(t, "OK", WORD("SET"), WORD("kept"), WORD("yes"));
    ASK(t, "1", WORD("WAIT"), WORD("1"), WORD("60000"));

    int64_t killed_ms = loop_now();
    redis_process_kill(t->servers[0]);
    AWAIT(t, t->ups == 2 && t->resubscribed == 1);
    print_message("followed after %lld ms\n", (long long) (loop_now() - killed_ms));
    ASK(t, "yes", WORD("GET"), WORD("kept"));
    ASK(t, "OK", WORD("SET"), WORD("new"), WORD("yes"));
    ASK(t, "1", WORD("PUBLISH"), WORD("news"), WORD("x"));
    AWAIT(t, t->messages == 1);

    /* The Sentinel that was configured is gone as well: the others are known from it. */
    redis_process_kill(t->sentinels[0]);
    EXPECT_EQUAL(redis_process_again(t->servers[0]), 0);
    redis_process_kill(t->servers[1]);
    EXPECT_EQUAL(redis_process_again(t->servers[1]), 0);
    AWAIT(t, t->ups >= 3 && t->resubscribed >= 2);
    ASK(t, "1", WORD("PUBLISH"), WORD("news"), WORD("y"));
    AWAIT(t, t->messages == 2);
    return 0;
}

static int in_town(void *arg) {
    struct town *t = arg;
    struct redis_server_options o = {
        .name = "redis 1",
        .addresses = redis_process_address(t->sentinels[0]),
        .n_addresses = 1,
        .master_name = STR("mymaster"),
        .password = STR("secret"),
        .sentinel_password = STR("watch"),
        .arg = t,
        .came_up = on_up,
        .resubscribed = on_resubscribed,
        .message = on_message,
        .warn = on_warning,
    };
    int r = redis_server_open(&o, &t->server);
    if (r < 0)
        return r;
    r = follow(t);
    t->server = redis_server_close(t->server);
    return r;
}

static void the_lines_follow_the_master(void **state) {
    (void) state;
    struct town *t = calloc(1, sizeof *t);
    assert_non_null(t);
    int r = start_town(t);
    if (r == 0)
        r = run_real(in_town, t);
    end_town(t);
    free(t);
    assert_int_equal(r, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lines_follow_the_master),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
