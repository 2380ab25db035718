/* The lines to a Redis, whatever it says or does, in virtual time. */
#include "storage/redis/server.h"

#include <hiredis/hiredis.h>

#include "async/event.h"
#include "tests/unit/async/expect.h"
#include "tests/unit/storage/redis_script.h"

enum { SEEDS = 30 };

/* A server, the Redis it talks to, and what it told. */
struct scene {
    struct redis_script script;
    struct redis_server *server;
    struct redis_server_options options;
    struct address addresses[2];
    unsigned greetings, ups, downs, resubscribed, warnings;
    int down_error, greet_error;
    char warning[640], run_id[64];
    struct buffer messages;
};

static int on_greet(void *arg, struct redis_server *s, struct str run_id) {
    struct scene *c = arg;
    c->greetings++;
    (void) snprintf(c->run_id, sizeof c->run_id, "%.*s", (int) run_id.len, run_id.data);
    struct bytes words[] = { str_bytes(STR("ECHO")), str_bytes(STR("greeting")) };
    struct redisReply *reply;
    int r = redis_server_ask(s, words, ELEMENTS_OF(words), &reply);
    if (r < 0)
        return r;
    redis_reply_free(reply);
    return c->greet_error;
}

static void on_up(void *arg) {
    ((struct scene *) arg)->ups++;
}

static void on_down(void *arg, int error) {
    struct scene *c = arg;
    c->downs++;
    c->down_error = error;
}

static void on_resubscribed(void *arg) {
    ((struct scene *) arg)->resubscribed++;
}

static void on_message(void *arg, struct str channel, struct bytes payload) {
    buffer_printf(&((struct scene *) arg)->messages, "%.*s=%.*s;", (int) channel.len, channel.data,
                  (int) payload.len, (const char *) payload.data);
}

static void on_warning(void *arg, const char *text) {
    struct scene *c = arg;
    c->warnings++;
    (void) snprintf(c->warning, sizeof c->warning, "%s", text);
}

static int scene_open(struct scene *c) {
    struct redis_server_options *o = &c->options;
    if (o->n_addresses == 0) {
        c->addresses[0] = (struct address){ "127.0.0.1:6379" };
        o->addresses = c->addresses;
        o->n_addresses = 1;
    }
    o->name = "redis 1";
    o->connect = redis_script_connect;
    o->connect_arg = &c->script;
    o->arg = c;
    o->greet = on_greet;
    o->came_up = on_up;
    o->went_down = on_down;
    o->resubscribed = on_resubscribed;
    o->message = on_message;
    o->warn = on_warning;
    return redis_server_open(o, &c->server);
}

struct telling {
    task_fn *story;
    struct scene *scene;
};

static int tell(void *arg) {
    struct telling *t = arg;
    struct scene *c = t->scene;
    int r = t->story(c);
    c->server = redis_server_close(c->server);
    redis_script_finish(&c->script);
    buffer_finish(&c->messages);
    return r;
}

static int play(task_fn *story, uint64_t seed) {
    struct telling t = { story, calloc(1, sizeof *t.scene) };
    int r = t.scene ? 0 : -ENOMEM;
    if (r == 0)
        r = seed ? run_seeded(seed, tell, &t) : run_virtual(tell, &t);
    free(t.scene);
    return r;
}

#define PLAY(story) assert_int_equal(play((story), 0), 0)

/* Virtual time is cheap: things that must come are waited for, others get their chance. */
#define COMES(condition)                                                                           \
    do {                                                                                           \
        for (int ms_ = 0; ms_ < 60000 && !(condition); ms_ += 5)                                   \
            EXPECT_EQUAL(task_sleep(5), 0);                                                        \
        EXPECT(condition);                                                                         \
    } while (0)

static int up(struct scene *c) {
    int r = scene_open(c);
    if (r < 0)
        return r;
    DEADLINE(patience, 30000);
    return redis_server_wait_up(c->server);
}

/* ---- commands ---- */

struct sent {
    struct redis_command command;
    struct scene *scene;
    bool is_done;
    int error, type;
    unsigned order, *counter;
    char text[32];
};

static void on_done(struct redis_command *self, int error, const struct redisReply *reply) {
    struct sent *s = CONTAINER_OF(self, struct sent, command);
    s->is_done = true;
    s->error = error;
    s->order = (*s->counter)++;
    s->type = reply ? reply->type : 0;
    if (reply && reply->str)
        (void) snprintf(s->text, sizeof s->text, "%s", reply->str);
}

static void send_echo(struct scene *c, struct sent *s, unsigned *counter, const char *text) {
    struct bytes words[] = { str_bytes(STR("ECHO")), str_bytes(str_of(text)) };
    *s = (struct sent){ .command.done = on_done, .scene = c, .counter = counter };
    redis_server_send(c->server, &s->command, words, ELEMENTS_OF(words));
}

static int ask_echo(struct scene *c, const char *text) {
    struct bytes words[] = { str_bytes(STR("ECHO")), str_bytes(str_of(text)) };
    struct redisReply *reply;
    int r = redis_server_ask(c->server, words, ELEMENTS_OF(words), &reply);
    if (r < 0)
        return r;
    bool is_it = reply->type == REDIS_REPLY_STRING && strcmp(reply->str, text) == 0;
    redis_reply_free(reply);
    return is_it ? 0 : -EBADMSG;
}

static int in_order(void *arg) {
    struct scene *c = arg;
    enum { N = 200 };
    static struct sent sent[N];
    unsigned counter = 0;
    EXPECT_EQUAL(up(c), 0);
    for (unsigned i = 0; i < N; i++) {
        char text[16];
        (void) snprintf(text, sizeof text, "%u", i);
        send_echo(c, &sent[i], &counter, text);
        EXPECT(!sent[i].is_done);
        if (i % 7 == 0)
            EXPECT_EQUAL(task_sleep(1), 0);
    }
    COMES(counter == N);
    for (unsigned i = 0; i < N; i++) {
        EXPECT_EQUAL(sent[i].error, 0);
        EXPECT_EQUAL(sent[i].order, i);
        EXPECT_EQUAL(atoi(sent[i].text), i);
    }
    return 0;
}

static int in_order_bit_by_bit(void *arg) {
    struct scene *c = arg;
    c->script.chunk = 1;
    c->options.connect_timeout_ms = 10000;
    return in_order(arg);
}

static int in_order_through_a_strait(void *arg) {
    ((struct scene *) arg)->script.capacity = 50;
    return in_order(arg);
}

static void replies_come_in_order_however_they_are_cut(void **state) {
    (void) state;
    PLAY(in_order);
    PLAY(in_order_bit_by_bit);
    PLAY(in_order_through_a_strait);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(play(in_order, seed), 0);
}

static bool half_an_answer(struct script_line *l, const struct bytes *words, size_t n) {
    struct redis_script *s = l->script;
    if (!script_word_is(words[0], "ECHO") || !script_word_is(words[n - 1], "half"))
        return false;
    buffer_printf(&l->out, "$10\r\nhal");
    s->is_mute = true;
    return true;
}

static int breaks(void *arg) {
    struct scene *c = arg;
    struct sent a, b, full[8], unsent;
    unsigned counter = 0;
    c->script.hook = half_an_answer;
    c->script.capacity = 256;
    EXPECT_EQUAL(up(c), 0);
    send_echo(c, &a, &counter, "whole");
    send_echo(c, &b, &counter, "half");
    COMES(a.is_done);
    EXPECT_EQUAL(a.error, 0);
    EXPECT_EQUAL(task_sleep(10), 0);
    EXPECT(!b.is_done);
    /* Nobody reads while it is written in one go: what does not fit stays here. */
    struct redis_server_stats before, after;
    redis_server_stats(c->server, &before);
    char text[101];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i < ELEMENTS_OF(full); i++)
        send_echo(c, &full[i], &counter, text);
    send_echo(c, &unsent, &counter, "unsent");
    EXPECT_EQUAL(task_yield(), 0);
    redis_script_cut(&c->script);
    COMES(unsent.is_done);
    EXPECT_EQUAL(b.error, -ECONNRESET);
    EXPECT_EQUAL(full[0].error, -ECONNRESET);
    EXPECT_EQUAL(unsent.error, -ENOTCONN);
    EXPECT(full[0].order < unsent.order && b.order < full[0].order);
    EXPECT_EQUAL(c->downs, 1);
    c->script.is_mute = false;
    COMES(c->ups == 2);
    EXPECT_EQUAL(ask_echo(c, "again"), 0);
    redis_server_stats(c->server, &after);
    EXPECT(after.errors > 0 && after.refused > 0 && after.breaks == 2 && after.waiting == 0);
    EXPECT_EQUAL(after.waiting_bytes, 0);
    return 0;
}

static void what_was_sent_is_in_doubt_and_what_was_not_is_not(void **state) {
    (void) state;
    PLAY(breaks);
}

static int mute(void *arg) {
    struct scene *c = arg;
    struct sent a, b;
    unsigned counter = 0;
    c->options.io_timeout_ms = 1000;
    EXPECT_EQUAL(up(c), 0);
    c->script.is_mute = true;
    int64_t began_ms = loop_now();
    send_echo(c, &a, &counter, "a");
    send_echo(c, &b, &counter, "b");
    COMES(counter == 2);
    EXPECT(a.error == -ETIMEDOUT && b.error == -ETIMEDOUT);
    EXPECT(loop_now() - began_ms >= 1000 && loop_now() - began_ms <= 1300);
    EXPECT(strstr(c->warning, "no reply for 1000 ms"));
    return 0;
}

static bool counts_pings(struct script_line *l, const struct bytes *words, size_t n) {
    (void) n;
    if (script_word_is(words[0], "PING"))
        ++*(unsigned *) l->script->arg;
    return false;
}

static int quiet(void *arg) {
    struct scene *c = arg;
    unsigned pings = 0;
    c->script.hook = counts_pings;
    c->script.arg = &pings;
    EXPECT_EQUAL(up(c), 0);
    EXPECT_EQUAL(redis_server_subscribe(c->server, STR("news")), 0);
    unsigned before = pings;
    EXPECT_EQUAL(task_sleep(60000), 0);
    EXPECT(pings >= before + 8 && pings <= before + 14); /* two lines, every 10 s and a bit */
    EXPECT(c->downs == 0);
    c->script.is_mute = true;
    COMES(c->downs == 1);
    EXPECT_EQUAL(c->down_error, -ETIMEDOUT);
    return 0;
}

static void silence_ends_a_line(void **state) {
    (void) state;
    PLAY(mute);
    PLAY(quiet);
}

/* ---- bounds ---- */

static int by_number(void *arg) {
    struct scene *c = arg;
    struct sent sent[5];
    unsigned counter = 0;
    c->options.queue_max = 4;
    EXPECT_EQUAL(up(c), 0);
    for (size_t i = 0; i < ELEMENTS_OF(sent); i++)
        send_echo(c, &sent[i], &counter, "x");
    EXPECT_EQUAL(counter, 0);
    COMES(counter == 5);
    EXPECT_EQUAL(sent[4].error, -ENOBUFS);
    for (size_t i = 0; i < 4; i++)
        EXPECT_EQUAL(sent[i].error, 0);
    EXPECT_EQUAL(ask_echo(c, "more"), 0);
    return 0;
}

static int by_bytes(void *arg) {
    struct scene *c = arg;
    struct sent small[2], big;
    unsigned counter = 0;
    char text[201];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    c->options.queue_max_bytes = 200;
    EXPECT_EQUAL(up(c), 0);
    send_echo(c, &small[0], &counter, "x");
    send_echo(c, &big, &counter, text);
    send_echo(c, &small[1], &counter, "x");
    COMES(counter == 3);
    EXPECT_EQUAL(big.error, -ENOBUFS);
    EXPECT(small[0].error == 0 && small[1].error == 0);
    struct redis_server_stats stats;
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.refused, 1);
    return 0;
}

static int reply_bytes(void *arg) {
    struct scene *c = arg;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    c->options.reply_max_bytes = 2000;
    EXPECT_EQUAL(up(c), 0);
    EXPECT_EQUAL(ask_echo(c, text), -ECONNRESET);
    EXPECT(strstr(c->warning, "a reply longer than allowed"));
    return 0;
}

static void commands_and_replies_are_bounded(void **state) {
    (void) state;
    PLAY(by_number);
    PLAY(by_bytes);
    PLAY(reply_bytes);
}

/* ---- down ---- */

static int pauses(void *arg) {
    struct scene *c = arg;
    c->script.connect_error = -ECONNREFUSED;
    c->options.backoff_min_ms = 100;
    c->options.backoff_max_ms = 1600;
    EXPECT_EQUAL(scene_open(c), 0);
    COMES(c->script.attempts >= 30);
    EXPECT_EQUAL(c->warnings, 2); /* one of each line, though tried often */
    EXPECT(strstr(c->warning, "redis 1: 127.0.0.1:6379: no line for"));
    EXPECT(strstr(c->warning, "connecting: Connection refused"));
    EXPECT(strstr(redis_server_problem(c->server), "Connection refused"));
    /* Two keepers' attempts are mixed: so many within so long. */
    int64_t took_ms = c->script.times[29] - c->script.times[0];
    EXPECT(took_ms >= 10 * 800 && took_ms <= 14 * 1600);
    EXPECT(c->script.times[3] - c->script.times[0] <= 200);
    c->script.connect_error = 0;
    COMES(c->ups == 1);
    EXPECT(strstr(c->warning, "again"));
    EXPECT(redis_server_problem(c->server)[0] == '\0');
    EXPECT_EQUAL(c->warnings, 4);
    return 0;
}

static int hangs(void *arg) {
    struct scene *c = arg;
    c->script.hangs = true;
    c->options.connect_timeout_ms = 300;
    EXPECT_EQUAL(scene_open(c), 0);
    COMES(c->warnings > 0);
    EXPECT(strstr(c->warning, "it does not answer"));
    struct redis_server_stats stats;
    redis_server_stats(c->server, &stats);
    EXPECT(stats.connect_errors > 0 && stats.connects == 0 && !stats.is_up);
    return 0;
}

static void pauses_grow_and_are_told_of_once(void **state) {
    (void) state;
    PLAY(pauses);
    PLAY(hangs);
}

static int waits(void *arg) {
    struct scene *c = arg;
    struct sent a, b, late;
    unsigned counter = 0;
    c->script.connect_error = -ECONNREFUSED;
    c->options.wait_ms = 2000;
    c->options.backoff_max_ms = 100;
    EXPECT_EQUAL(scene_open(c), 0);
    send_echo(c, &a, &counter, "a");
    EXPECT_EQUAL(task_sleep(1000), 0);
    send_echo(c, &b, &counter, "b");
    EXPECT_EQUAL(task_sleep(999), 0);
    EXPECT_EQUAL(counter, 0);
    EXPECT_EQUAL(task_sleep(2), 0);
    EXPECT(a.is_done && !b.is_done);
    EXPECT_EQUAL(a.error, -ENOTCONN);
    send_echo(c, &late, &counter, "late");
    c->script.connect_error = 0;
    COMES(late.is_done);
    EXPECT(b.error == 0 && strcmp(b.text, "b") == 0 && b.order < late.order);
    EXPECT(late.error == 0 && strcmp(late.text, "late") == 0);
    return 0;
}

static int does_not_wait(void *arg) {
    struct scene *c = arg;
    c->script.connect_error = -ECONNREFUSED;
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(ask_echo(c, "a"), -ENOTCONN);
    return 0;
}

/* What the socket had not taken goes to the next line. */
static int carries_over(void *arg) {
    struct scene *c = arg;
    struct sent sent[20];
    unsigned counter = 0;
    char text[21] = "12345678901234567890";
    c->script.capacity = 100;
    c->options.wait_ms = 5000;
    EXPECT_EQUAL(up(c), 0);
    for (size_t i = 0; i < ELEMENTS_OF(sent); i++)
        send_echo(c, &sent[i], &counter, text);
    EXPECT_EQUAL(task_yield(), 0);
    redis_script_cut(&c->script);
    COMES(counter == ELEMENTS_OF(sent));
    EXPECT_EQUAL(sent[0].error, -ECONNRESET);
    unsigned succeeded = 0;
    for (size_t i = 0; i < ELEMENTS_OF(sent); i++) {
        EXPECT(sent[i].order == i);
        EXPECT(sent[i].error == 0 || (sent[i].error == -ECONNRESET && succeeded == 0));
        succeeded += sent[i].error == 0;
    }
    EXPECT(succeeded > 10);
    return 0;
}

static void commands_wait_for_a_line_as_long_as_they_are_told_to(void **state) {
    (void) state;
    PLAY(waits);
    PLAY(does_not_wait);
    PLAY(carries_over);
}

static int wrong_password(void *arg) {
    struct scene *c = arg;
    c->script.password = "right";
    c->options.password = STR("wrong");
    EXPECT_EQUAL(scene_open(c), 0);
    COMES(c->warnings > 0);
    EXPECT(strstr(c->warning, "AUTH: WRONGPASS invalid password"));
    c->script.password = "wrong";
    COMES(c->ups == 1);
    return 0;
}

static int a_replica(void *arg) {
    struct scene *c = arg;
    c->script.role = "slave";
    EXPECT_EQUAL(scene_open(c), 0);
    COMES(c->warnings > 0);
    EXPECT(strstr(c->warning, "it is no master: its role is slave"));
    EXPECT_EQUAL(c->greetings, 0);
    return 0;
}

static int greet_fails(void *arg) {
    struct scene *c = arg;
    c->greet_error = -EPROTO;
    EXPECT_EQUAL(scene_open(c), 0);
    COMES(c->greetings >= 3);
    EXPECT_EQUAL(c->ups, 0);
    c->greet_error = 0;
    COMES(c->ups == 1);
    EXPECT(strcmp(c->run_id, "one") == 0);
    return 0;
}

static void who_is_not_to_be_talked_to_is_named(void **state) {
    (void) state;
    PLAY(wrong_password);
    PLAY(a_replica);
    PLAY(greet_fails);
}

static bool readonly(struct script_line *l, const struct bytes *words, size_t n) {
    if (!script_word_is(words[0], "ECHO") || !script_word_is(words[n - 1], "write"))
        return false;
    buffer_printf(&l->out, "%s", (const char *) l->script->arg);
    return true;
}

static int demoted(void *arg) {
    static const char *const replies[] = {
        "-READONLY You can't write against a read only replica.\r\n",
        "-ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
    };
    struct scene *c = arg;
    c->script.hook = readonly;
    EXPECT_EQUAL(up(c), 0);
    for (size_t i = 0; i < ELEMENTS_OF(replies); i++) {
        struct sent s;
        unsigned counter = 0;
        c->script.arg = (void *) (uintptr_t) replies[i];
        send_echo(c, &s, &counter, "write");
        COMES(counter == 1);
        EXPECT(s.error == 0 && s.type == REDIS_REPLY_ERROR);
        COMES(c->downs == i + 1);
        EXPECT_EQUAL(c->down_error, i < 2 ? -EROFS : -EBUSY);
        COMES(c->ups == i + 2);
    }
    /* An ordinary error is none of the line's. */
    c->script.arg = (void *) (uintptr_t) "-NOSCRIPT No matching script.\r\n";
    struct sent s;
    unsigned counter = 0;
    send_echo(c, &s, &counter, "write");
    COMES(counter == 1);
    EXPECT_EQUAL(ask_echo(c, "still there"), 0);
    EXPECT_EQUAL(c->downs, ELEMENTS_OF(replies));
    redis_server_renew(c->server, "for a test");
    COMES(c->downs == ELEMENTS_OF(replies) + 1);
    EXPECT(strstr(c->warning, "for a test"));
    COMES(c->ups == ELEMENTS_OF(replies) + 2);
    return 0;
}

static void a_server_that_is_no_master_any_more_is_left(void **state) {
    (void) state;
    PLAY(demoted);
}

/* ---- nonsense ---- */

static const char *const nonsense[] = {
    "+OK\r\n",
    "-ERR unasked\r\n",
    ":1\r\n",
    "*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n",
    "*3\r\n$9\r\nsubscribe\r\n$7\r\nunasked\r\n:1\r\n",
    "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n",
    "*2\r\n$4\r\npong\r\n$0\r\n\r\n",
    "*0\r\n",
    "*-1\r\n",
    "*1\r\n*0\r\n",
    "$-1\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    ">2\r\n$4\r\npush\r\n:1\r\n",
    "*2147483647\r\n",
    "\r\n\r\n",
};

static int talks_nonsense(void *arg) {
    struct scene *c = arg;
    EXPECT_EQUAL(up(c), 0);
    EXPECT_EQUAL(redis_server_subscribe(c->server, STR("news")), 0);
    for (size_t i = 0; i < 2 * ELEMENTS_OF(nonsense); i++) {
        bool is_subscribing = i % 2;
        struct script_line *l;
        struct redis_server_stats before, after;
        COMES((l = redis_script_line(&c->script, is_subscribing)) != NULL);
        COMES(redis_server_problem(c->server)[0] == '\0');
        redis_server_stats(c->server, &before);
        c->warning[0] = '\0';
        EXPECT_EQUAL(redis_script_say(l, nonsense[i / 2]), 0);
        COMES(c->warning[0] != '\0');
        COMES(redis_server_problem(c->server)[0] == '\0' &&
              redis_script_line(&c->script, true) != NULL);
        redis_server_stats(c->server, &after);
        if (after.breaks != before.breaks + 1)
            print_error("%s\n", nonsense[i / 2]);
        EXPECT_EQUAL(after.breaks, before.breaks + 1);
    }
    EXPECT_EQUAL(ask_echo(c, "fine"), 0);
    return 0;
}

static void nonsense_ends_the_line_and_nothing_else(void **state) {
    (void) state;
    PLAY(talks_nonsense);
}

/* ---- giving up ---- */

static int asks_one(void *arg) {
    return ask_echo(arg, "one");
}

static int joins_one(void *arg) {
    return redis_server_subscribe(((struct scene *) arg)->server, STR("one"));
}

static int waits_for_line(void *arg) {
    return redis_server_wait_up(((struct scene *) arg)->server);
}

static int gives_up(void *arg) {
    struct scene *c = arg;
    EXPECT_EQUAL(up(c), 0);
    {
        DEADLINE(impatience, 0);
        EXPECT_EQUAL(ask_echo(c, "a"), -ETIMEDOUT);
        EXPECT_EQUAL(redis_server_subscribe(c->server, STR("a")), -ETIMEDOUT);
    }
    EXPECT_EQUAL(ask_echo(c, "b"), 0); /* the answer to a is nobody's */
    EXPECT_EQUAL(redis_server_subscribe(c->server, STR("a")), 0);
    return 0;
}

static int closes(void *arg) {
    struct scene *c = arg;
    struct task *tasks[4];
    int result;
    GROUP(g);
    EXPECT_EQUAL(up(c), 0);
    c->script.is_mute = true;
    EXPECT_EQUAL(task_spawn(&g, "ask", asks_one, c, &tasks[0]), 0);
    EXPECT_EQUAL(task_spawn(&g, "join", joins_one, c, &tasks[1]), 0);
    EXPECT_EQUAL(task_sleep(10), 0);
    c->server = redis_server_close(c->server);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQUAL(task_join(tasks[i], &result), 0);
        EXPECT_EQUAL(result, -ECANCELED);
    }
    EXPECT_EQUAL(c->down_error, -ECANCELED);

    c->script.connect_error = -ECONNREFUSED;
    c->options.wait_ms = 60000;
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(task_spawn(&g, "ask", asks_one, c, &tasks[0]), 0);
    EXPECT_EQUAL(task_spawn(&g, "join", joins_one, c, &tasks[1]), 0);
    EXPECT_EQUAL(task_spawn(&g, "wait", waits_for_line, c, &tasks[2]), 0);
    EXPECT_EQUAL(task_sleep(10), 0);
    c->server = redis_server_close(c->server);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQUAL(task_join(tasks[i], &result), 0);
        EXPECT_EQUAL(result, -ECANCELED);
    }
    return 0;
}

static void giving_up_and_closing_leave_nothing_behind(void **state) {
    (void) state;
    PLAY(gives_up);
    PLAY(closes);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(play(closes, seed), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_come_in_order_however_they_are_cut),
        cmocka_unit_test(what_was_sent_is_in_doubt_and_what_was_not_is_not),
        cmocka_unit_test(silence_ends_a_line),
        cmocka_unit_test(commands_and_replies_are_bounded),
        cmocka_unit_test(pauses_grow_and_are_told_of_once),
        cmocka_unit_test(commands_wait_for_a_line_as_long_as_they_are_told_to),
        cmocka_unit_test(who_is_not_to_be_talked_to_is_named),
        cmocka_unit_test(a_server_that_is_no_master_any_more_is_left),
        cmocka_unit_test(nonsense_ends_the_line_and_nothing_else),
        cmocka_unit_test(giving_up_and_closing_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
