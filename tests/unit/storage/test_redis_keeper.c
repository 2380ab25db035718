/* A Redis that is away, is the wrong one, or talks nonsense. */
#include <hiredis/hiredis.h>

#include "tests/unit/storage/redis_scene.h"

#define PLAY(story) assert_int_equal(scene_play((story), 0), 0)

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
    EXPECT_EQUAL(scene_up(c), 0);
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
    EXPECT(strstr(c->warning, "AUTH: refused (WRONGPASS)"));
    c->script.password = "wrong";
    COMES(c->ups == 1);
    return 0;
}

/* What it says repeats what it was sent. */
static int a_password_is_not_passed_on(void *arg) {
    struct scene *c = arg;
    c->options.password = STR("hunter2");
    c->script.auth_error = "ERR unknown command 'AUTH', with args beginning with: 'hunter2'";
    EXPECT_EQUAL(scene_open(c), 0);
    COMES(c->warnings > 0);
    EXPECT(strstr(c->warning, "AUTH: refused (ERR)"));
    EXPECT(!strstr(c->warning, "hunter2"));
    EXPECT(!strstr(redis_server_problem(c->server), "hunter2"));
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
    PLAY(a_password_is_not_passed_on);
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
    EXPECT_EQUAL(scene_up(c), 0);
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
    EXPECT_EQUAL(scene_up(c), 0);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_and_are_told_of_once),
        cmocka_unit_test(commands_wait_for_a_line_as_long_as_they_are_told_to),
        cmocka_unit_test(who_is_not_to_be_talked_to_is_named),
        cmocka_unit_test(a_server_that_is_no_master_any_more_is_left),
        cmocka_unit_test(nonsense_ends_the_line_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
