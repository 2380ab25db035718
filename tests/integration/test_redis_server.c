/* The line to Redis against real servers: what only they can show. */
#include <hiredis/hiredis.h>

#include "storage/redis/server.h"
#include "tests/support/redis_process.h"
#include "tests/unit/async/certificate.h"

#include "async/event.h"
#include "async/tls.h"

enum { PATIENCE_MS = 60000, MANY_CHANNELS = 20000, MANY_COMMANDS = 50000 };

/* What a server told, and what it said last. */
struct ear {
    struct redis_server *server;
    unsigned ups, downs, resubscribed, messages, warnings;
    struct event changed;
    char run_id[96], warning[640], channel[64], payload[64];
};

static int on_greet(void *arg, struct redis_server *s, struct str run_id) {
    struct ear *e = arg;
    (void) snprintf(e->run_id, sizeof e->run_id, "%.*s", (int) run_id.len, run_id.data);
    struct bytes words[] = { str_bytes(STR("SET")), str_bytes(STR("greeted")),
                             str_bytes(STR("yes")) };
    struct redisReply *reply;
    int r = redis_server_ask(s, words, ELEMENTS_OF(words), &reply);
    if (r == 0)
        redis_reply_free(reply);
    return r;
}

static void on_up(void *arg) {
    struct ear *e = arg;
    e->ups++;
    event_set(&e->changed);
}

static void on_down(void *arg, int error) {
    struct ear *e = arg;
    (void) error;
    e->downs++;
    event_set(&e->changed);
}

static void on_resubscribed(void *arg) {
    struct ear *e = arg;
    e->resubscribed++;
    event_set(&e->changed);
}

static void on_message(void *arg, struct str channel, struct bytes payload) {
    struct ear *e = arg;
    e->messages++;
    (void) snprintf(e->channel, sizeof e->channel, "%.*s", (int) channel.len, channel.data);
    (void) snprintf(e->payload, sizeof e->payload, "%.*s", (int) payload.len,
                    (const char *) payload.data);
    event_set(&e->changed);
}

static void on_warning(void *arg, const char *text) {
    struct ear *e = arg;
    e->warnings++;
    (void) snprintf(e->warning, sizeof e->warning, "%s", text);
    event_set(&e->changed);
}

static int hear(struct ear *e, struct redis_server_options o) {
    *e = (struct ear){ 0 };
    o.name = "redis 1";
    o.arg = e;
    o.greet = on_greet;
    o.came_up = on_up;
    o.went_down = on_down;
    o.resubscribed = on_resubscribed;
    o.message = on_message;
    o.warn = on_warning;
    return redis_server_open(&o, &e->server);
}

/* Until a claim holds. */
#define AWAIT(ear, condition)                                                                      \
    do {                                                                                           \
        DEADLINE(patience, PATIENCE_MS);                                                           \
        while (!(condition)) {                                                                     \
            event_clear(&(ear)->changed);                                                          \
            EXPECT_EQUAL(event_wait(&(ear)->changed), 0);                                          \
        }                                                                                          \
    } while (0)

static void ear_stop(struct ear *e) {
    e->server = redis_server_close(e->server);
}

/* Words apart by blanks; the answer as text. */
static int say(struct ear *e, const char *command, char *ret, size_t size) {
    struct bytes words[8];
    size_t n = 0;
    for (const char *at = command; *at && n < ELEMENTS_OF(words);) {
        size_t len = strcspn(at, " ");
        words[n++] = bytes_of(at, len);
        at += len + (at[len] == ' ');
    }
    struct redisReply *reply;
    DEADLINE(patience, PATIENCE_MS);
    int r = redis_server_ask(e->server, words, n, &reply);
    if (r < 0)
        return r;
    if (reply->type == REDIS_REPLY_INTEGER)
        (void) snprintf(ret, size, "%lld", reply->integer);
    else
        (void) snprintf(ret, size, "%.*s", (int) reply->len, reply->str ? reply->str : "");
    redis_reply_free(reply);
    return 0;
}

#define SAYS(ear, command, answer)                                                                 \
    do {                                                                                           \
        char said_[256];                                                                           \
        EXPECT_EQUAL(say((ear), (command), said_, sizeof said_), 0);                               \
        if (strcmp(said_, (answer)) != 0)                                                          \
            print_error("%s: %s\n", (command), said_);                                             \
        EXPECT(strcmp(said_, (answer)) == 0);                                                      \
    } while (0)

/* ---- stories ---- */

struct story {
    task_fn *fn;
    struct redis_process *p;
    struct redis_server_options options;
    struct ear ear;
};

static int told(void *arg) {
    struct story *s = arg;
    int r = hear(&s->ear, s->options);
    if (r < 0)
        return r;
    r = s->fn(s);
    ear_stop(&s->ear);
    return r;
}

static int run_with(task_fn *fn, const struct redis_process_options *po,
                    struct redis_server_options options) {
    struct story *s = calloc(1, sizeof *s);
    int r = s ? redis_process_start(po, &s->p) : -ENOMEM;
    if (r == 0) {
        s->fn = fn;
        s->options = options;
        s->options.addresses = redis_process_address(s->p);
        s->options.n_addresses = 1;
        r = run_real(told, s);
        (void) redis_process_free(s->p);
    }
    free(s);
    return r;
}

static int subscribe(struct ear *e, const char *channel) {
    DEADLINE(patience, PATIENCE_MS);
    return redis_server_subscribe(e->server, str_of(channel));
}

static int ordinary(void *arg) {
    struct ear *e = &((struct story *) arg)->ear;
    AWAIT(e, e->ups == 1);
    SAYS(e, "GET greeted", "yes");
    SAYS(e, "NONSENSE", "ERR unknown command 'NONSENSE', with args beginning with: ");
    EXPECT_EQUAL(subscribe(e, "news"), 0);
    SAYS(e, "PUBLISH news hello", "1");
    AWAIT(e, e->messages == 1);
    EXPECT(strcmp(e->channel, "news") == 0 && strcmp(e->payload, "hello") == 0);
    SAYS(e, "CLIENT GETNAME", "parley");
    struct redis_server_stats stats;
    redis_server_stats(e->server, &stats);
    EXPECT(stats.is_up && stats.is_subscribed && stats.channels == 1 && stats.messages == 1);
    EXPECT(redis_server_problem(e->server)[0] == '\0');
    return 0;
}

static void commands_and_subscriptions_work(void **state) {
    (void) state;
    assert_int_equal(run_with(ordinary, &(struct redis_process_options){ 0 },
                              (struct redis_server_options){ 0 }),
                     0);
}

static void a_user_with_a_password_and_a_database_is_used(void **state) {
    (void) state;
    struct redis_process_options po = {
        .config = "requirepass other\nuser ada on >secret ~* &* +@all\n"
    };
    struct redis_server_options o = { .username = STR("ada"),
                                      .password = STR("secret"),
                                      .database = 3 };
    assert_int_equal(run_with(ordinary, &po, o), 0);
}

static int refused(void *arg) {
    struct ear *e = &((struct story *) arg)->ear;
    AWAIT(e, e->warnings >= 1);
    if (!strstr(e->warning, "WRONGPASS") && !strstr(e->warning, "NOAUTH"))
        print_error("%s\n", e->warning);
    EXPECT(strstr(e->warning, "WRONGPASS") || strstr(e->warning, "NOAUTH"));
    EXPECT(e->ups == 0);
    return 0;
}

static void a_wrong_or_missing_password_is_named(void **state) {
    (void) state;
    struct redis_process_options po = { .config = "requirepass right\n" };
    assert_int_equal(
            run_with(refused, &po, (struct redis_server_options){ .password = STR("wrong") }), 0);
    assert_int_equal(run_with(refused, &po, (struct redis_server_options){ 0 }), 0);
}

static void tls_with_certificates_of_both_sides_works(void **state) {
    (void) state;
    struct certificate c;
    assert_int_equal(certificate_make(&c, "IP:127.0.0.1"), 0);
    char config[512];
    (void) snprintf(config, sizeof config,
                    "tls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\n", c.cert, c.key,
                    c.cert);
    struct tls_client_options to = {
        .ca_file = c.cert, .cert_file = c.cert, .key_file = c.key, .is_not_http = true
    };
    struct tls *tls;
    assert_int_equal(tls_client_new(&to, &tls, NULL), 0);
    struct redis_process_options po = { .config = config, .is_tls = true };
    int r = run_with(ordinary, &po, (struct redis_server_options){ .tls = tls });
    (void) tls_free(tls);
    certificate_remove(&c);
    assert_int_equal(r, 0);
}

/* ---- it dies ---- */

static int dies(void *arg) {
    struct story *s = arg;
    struct ear *e = &s->ear;
    char name[32], first[64];
    AWAIT(e, e->ups == 1);
    (void) strcpy(first, e->run_id);
    for (int i = 0; i < 10; i++) {
        (void) snprintf(name, sizeof name, "channel-%d", i);
        EXPECT_EQUAL(subscribe(e, name), 0);
    }
    redis_process_kill(s->p);
    AWAIT(e, e->downs == 1);
    EXPECT_EQUAL(say(e, "PING", name, sizeof name), -ENOTCONN);
    EXPECT_EQUAL(redis_process_again(s->p), 0);
    AWAIT(e, e->ups == 2 && e->resubscribed == 1);
    EXPECT(strcmp(first, e->run_id) != 0);
    SAYS(e, "PUBLISH channel-9 again", "1");
    AWAIT(e, e->messages == 1);
    return 0;
}

static void lines_and_channels_come_back_after_a_crash(void **state) {
    (void) state;
    assert_int_equal(run_with(dies, &(struct redis_process_options){ 0 },
                              (struct redis_server_options){ 0 }),
                     0);
}

static int freezes(void *arg) {
    struct story *s = arg;
    struct ear *e = &s->ear;
    char answer[64];
    AWAIT(e, e->ups == 1);
    redis_process_freeze(s->p);
    EXPECT_EQUAL(say(e, "PING", answer, sizeof answer), -ETIMEDOUT);
    redis_process_thaw(s->p);
    AWAIT(e, e->ups == 2);
    SAYS(e, "PING", "PONG");
    return 0;
}

static void a_server_that_stands_still_is_left_and_found_again(void **state) {
    (void) state;
    assert_int_equal(run_with(freezes, &(struct redis_process_options){ 0 },
                              (struct redis_server_options){ .io_timeout_ms = 300 }),
                     0);
}

/* ---- much ---- */

struct burst {
    unsigned done, failed;
    struct event all;
};

struct counted {
    struct redis_command command;
    struct burst *burst;
    long long expects;
};

static void count(struct redis_command *self, int error, const struct redisReply *reply) {
    struct counted *c = CONTAINER_OF(self, struct counted, command);
    if (error < 0 || reply->type != REDIS_REPLY_INTEGER || reply->integer != c->expects)
        c->burst->failed++;
    if (++c->burst->done == MANY_COMMANDS)
        event_set(&c->burst->all);
}

static int in_a_burst(void *arg) {
    struct ear *e = &((struct story *) arg)->ear;
    struct bytes words[] = { str_bytes(STR("INCR")), str_bytes(STR("n")) };
    AWAIT(e, e->ups == 1);
    struct counted *all = calloc(MANY_COMMANDS, sizeof *all);
    EXPECT(all);
    struct burst b = { 0 };
    int64_t began_us = loop_now_us();
    for (int i = 0; i < MANY_COMMANDS; i++) {
        all[i] = (struct counted){ { .done = count }, &b, i + 1 };
        redis_server_send(e->server, &all[i].command, words, ELEMENTS_OF(words));
    }
    int r;
    {
        DEADLINE(patience, PATIENCE_MS);
        r = event_wait(&b.all);
    }
    print_message("%d commands in %lld us\n", MANY_COMMANDS,
                  (long long) (loop_now_us() - began_us));
    if (r == 0)
        free(all);
    EXPECT_EQUAL(r, 0);
    EXPECT_EQUAL(b.failed, 0);
    return 0;
}

static void a_burst_is_answered_in_its_order(void **state) {
    (void) state;
    assert_int_equal(run_with(in_a_burst, &(struct redis_process_options){ 0 },
                              (struct redis_server_options){ 0 }),
                     0);
}

struct joining {
    struct ear *ear;
    unsigned n;
};

static int join_some(void *arg) {
    struct joining *j = arg;
    char name[32];
    (void) snprintf(name, sizeof name, "channel-%u", j->n);
    return subscribe(j->ear, name);
}

static int by_the_thousand(void *arg) {
    struct story *s = arg;
    struct ear *e = &s->ear;
    AWAIT(e, e->ups == 1);
    int64_t began_us = loop_now_us();
    {
        GROUP(g);
        for (unsigned i = 0; i < MANY_CHANNELS; i++) {
            void *data;
            EXPECT_EQUAL(group_spawn_with(&g, "join", join_some, sizeof(struct joining), &data), 0);
            *(struct joining *) data = (struct joining){ e, i };
            if (i % 1000 == 999)
                EXPECT_EQUAL(group_wait_all(&g), 0);
        }
        EXPECT_EQUAL(group_wait(&g), 0);
    }
    int64_t joined_us = loop_now_us();
    redis_process_kill(s->p);
    AWAIT(e, e->downs == 1);
    EXPECT_EQUAL(redis_process_again(s->p), 0);
    int64_t back_us = loop_now_us();
    AWAIT(e, e->resubscribed == 1);
    print_message("%d channels joined in %lld us, back in %lld us\n", MANY_CHANNELS,
                  (long long) (joined_us - began_us), (long long) (loop_now_us() - back_us));
    SAYS(e, "PUBLISH channel-19999 x", "1");
    AWAIT(e, e->messages == 1);
    for (unsigned i = 0; i < MANY_CHANNELS; i++) {
        char name[32];
        (void) snprintf(name, sizeof name, "channel-%u", i);
        redis_server_unsubscribe(e->server, str_of(name));
    }
    return 0;
}

static void many_channels_come_back_quickly(void **state) {
    (void) state;
    assert_int_equal(run_with(by_the_thousand, &(struct redis_process_options){ 0 },
                              (struct redis_server_options){ 0 }),
                     0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_and_subscriptions_work),
        cmocka_unit_test(a_user_with_a_password_and_a_database_is_used),
        cmocka_unit_test(a_wrong_or_missing_password_is_named),
        cmocka_unit_test(tls_with_certificates_of_both_sides_works),
        cmocka_unit_test(lines_and_channels_come_back_after_a_crash),
        cmocka_unit_test(a_server_that_stands_still_is_left_and_found_again),
        cmocka_unit_test(a_burst_is_answered_in_its_order),
        cmocka_unit_test(many_channels_come_back_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
