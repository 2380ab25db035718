/* The modelled Redis over its lines, and what goes wrong with it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "protocol/buffer.h"
#include "tests/support/redis_model/redis_model.h"

typedef int story_fn(struct redis_model *m);

struct world {
    story_fn *story;
    const char *password;
    unsigned lost; /* commands that begin with "SET" */
};

static char failure[1024];

static void hear_lost(void *arg, const struct bytes *argv, size_t n) {
    struct world *w = arg;
    w->lost += n == 3 && memcmp(argv[0].data, "SET", 3) == 0;
}

static int tell(void *arg) {
    struct world *w = arg;
    struct redis_model *m;
    int r = redis_model_open(
            &(struct redis_model_options){ .password = w->password, .arg = w, .lost = hear_lost },
            &m);
    if (r == 0)
        r = w->story(m);
    redis_model_close(m);
    return r;
}

static unsigned run(story_fn *story, const char *password) {
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world w = { .story = story, .password = password };
        struct loop_options o = { .is_simulated = true, .seed = seed };
        failure[0] = 0;
        int r = loop_run(&o, tell, &w);
        if (failure[0] || r < 0)
            fail_msg("seed %u: %s (%d)", (unsigned) seed, failure, r);
        lost = w.lost;
    }
    return lost;
}

/* ---- a client ---- */

static int say(struct stream *s, const char *text) {
    struct iovec v = { .iov_base = (void *) (uintptr_t) text, .iov_len = strlen(text) };
    return stream_write_all(s, &v, 1);
}

/* Says it, and hears so much; "-" stands for a line that breaks. */
static int talk(struct stream *s, const char *text, const char *wanted) {
    char got[512];
    size_t len = 0;
    DEADLINE(patience, 60000);
    int r = text ? say(s, text) : 0;

    while (r == 0 && len < strlen(wanted)) {
        ssize_t n = stream_read(s, got + len, sizeof got - 1 - len);
        if (n <= 0) {
            r = n == 0 ? -ECONNRESET : (int) n;
            break;
        }
        len += (size_t) n;
    }
    got[len] = 0;
    if (r == -ECONNRESET && strcmp(wanted, "-") == 0)
        return 0;
    if (r < 0 || strcmp(got, wanted) != 0) {
        (void) snprintf(failure, sizeof failure, "said %s\nheard %s (%d)", text ? text : "nothing",
                        got, r);
        return r < 0 ? r : -EBADMSG;
    }
    return 0;
}

#define TALK(stream, text, wanted)                                                                 \
    do {                                                                                           \
        int r_ = talk((stream), (text), (wanted));                                                 \
        if (r_ < 0)                                                                                \
            return r_;                                                                             \
    } while (0)

static void close_stream(struct stream **s) {
    stream_close(*s);
}

#define LINE(name, model)                                                                          \
    struct stream *name CLEANUP(close_stream) = NULL;                                              \
    do {                                                                                           \
        int r_ = redis_model_connect((model), NULL, &name);                                        \
        if (r_ < 0)                                                                                \
            return r_;                                                                             \
    } while (0)

/* ---- stories ---- */

static int story_of_commands(struct redis_model *m) {
    LINE(one, m);
    TALK(one, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
    TALK(one, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
         "+OK\r\n$1\r\nv\r\n");
    TALK(one, "*3\r\n$4\r\nEVAL\r\n$31\r\nreturn redis.call('GET', 'k')..\r\n$1\r\n0\r\n",
         "-ERR Error compiling script (new function): user_script:1: unexpected symbol near "
         "'<eof>'\r\n");
    TALK(one, "nonsense\r\n", "-");
    return 0;
}

static void commands_are_answered_however_they_arrive(void **state) {
    (void) state;
    (void) run(story_of_commands, NULL);
}

static int story_of_password(struct redis_model *m) {
    LINE(one, m);
    TALK(one, "*1\r\n$4\r\nPING\r\n", "-NOAUTH Authentication required.\r\n");
    TALK(one, "*2\r\n$4\r\nAUTH\r\n$2\r\nno\r\n",
         "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    TALK(one, "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", "+OK\r\n");
    TALK(one, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
    return 0;
}

static void a_password_is_asked_for(void **state) {
    (void) state;
    (void) run(story_of_password, "secret");
}

static int story_of_channels(struct redis_model *m) {
    LINE(one, m);
    LINE(two, m);
    TALK(one, "*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n",
         "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
    TALK(two, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nb\r\n$2\r\nhi\r\n", ":1\r\n");
    TALK(one, NULL, "*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$2\r\nhi\r\n");
    TALK(one, "*1\r\n$4\r\nPING\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    TALK(one, "*2\r\n$11\r\nUNSUBSCRIBE\r\n$1\r\nb\r\n",
         "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
    TALK(two, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nb\r\n$2\r\nhi\r\n", ":0\r\n");
    redis_model_cut_subscribers(m);
    TALK(one, NULL, "-");
    TALK(two, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
    return 0;
}

static void subscribers_hear_what_is_published(void **state) {
    (void) state;
    (void) run(story_of_channels, NULL);
}

static const char set_a[] = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
static const char set_b[] = "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n";
static const char get_both[] = "*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n";

static int story_of_crash(struct redis_model *m) {
    struct stream *refused;
    LINE(one, m);
    TALK(one, set_a, "+OK\r\n");
    TALK(one, set_b, "+OK\r\n");
    redis_model_crash(m, 1, 100);
    TALK(one, get_both, "-");
    if (redis_model_connect(m, NULL, &refused) != -ECONNREFUSED)
        return -EBADMSG;
    if (task_sleep(101) < 0)
        return -ECANCELED;
    LINE(two, m);
    TALK(two, get_both, "*2\r\n$1\r\n1\r\n$-1\r\n");
    return 0;
}

static void a_crash_loses_what_was_written_last(void **state) {
    (void) state;
    assert_int_equal(run(story_of_crash, NULL), 1);
}

static int story_of_split(struct redis_model *m) {
    LINE(old, m);
    TALK(old, set_a, "+OK\r\n");
    redis_model_fail_over(m, 0, 5000);
    if (task_sleep(1001) < 0)
        return -ECANCELED;
    TALK(old, set_b, "+OK\r\n");
    TALK(old, get_both, "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    if (task_sleep(5000) < 0)
        return -ECANCELED;
    TALK(old, get_both, "-");
    redis_model_heal(m);
    LINE(two, m);
    TALK(two, get_both, "*2\r\n$1\r\n1\r\n$-1\r\n");
    return 0;
}

static void a_split_brain_loses_what_the_old_half_wrote(void **state) {
    (void) state;
    assert_int_equal(run(story_of_split, NULL), 1);
}

static int story_of_return(struct redis_model *m) {
    LINE(one, m);
    TALK(one, set_a, "+OK\r\n");
    TALK(one, set_b, "+OK\r\n");
    redis_model_load_slowly(m, 1000);
    redis_model_fail_over_and_back(m, 1, 100);
    TALK(one, get_both, "-");
    if (task_sleep(101) < 0)
        return -ECANCELED;
    LINE(two, m);
    TALK(two, get_both, "-LOADING Redis is loading the dataset in memory\r\n");
    if (task_sleep(1000) < 0)
        return -ECANCELED;
    TALK(two, get_both, "*2\r\n$1\r\n1\r\n$-1\r\n");
    return 0;
}

static void a_master_comes_back_with_less(void **state) {
    (void) state;
    assert_int_equal(run(story_of_return, NULL), 1);
}

static int story_of_memory(struct redis_model *m) {
    LINE(one, m);
    redis_model_fill(m, 500);
    TALK(one, set_a, "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    TALK(one, get_both, "*2\r\n$-1\r\n$-1\r\n");
    if (task_sleep(500) < 0)
        return -ECANCELED;
    TALK(one, set_a, "+OK\r\n");
    return 0;
}

static void who_is_full_refuses_what_grows(void **state) {
    (void) state;
    (void) run(story_of_memory, NULL);
}

static int story_of_pause(struct redis_model *m) {
    LINE(one, m);
    int64_t since = loop_now();
    redis_model_pause(m, 500);
    TALK(one, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
    return loop_now() - since < 500 ? -EBADMSG : 0;
}

static void a_pause_answers_nobody(void **state) {
    (void) state;
    (void) run(story_of_pause, NULL);
}

static int story_of_time(struct redis_model *m) {
    LINE(one, m);
    TALK(one, "*5\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\nPX\r\n$4\r\n5000\r\n", "+OK\r\n");
    TALK(one, "*2\r\n$6\r\nEXISTS\r\n$1\r\na\r\n", ":1\r\n");
    if (task_sleep(5000) < 0)
        return -ECANCELED;
    TALK(one, "*2\r\n$6\r\nEXISTS\r\n$1\r\na\r\n", ":0\r\n");
    return 0;
}

static void keys_expire_on_virtual_time(void **state) {
    (void) state;
    (void) run(story_of_time, NULL);
}

static int story_of_scripts(struct redis_model *m) {
    static const char load[] =
            "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$37\r\nreturn redis.call('SET', "
            "'a', 'made')\r\n";
    static const char run_it[] = "*3\r\n$7\r\nEVALSHA\r\n$40\r\n"
                                 "a28f36f3f7e3dda38a4ad7d2b0ed1cc6ba9bb7ad\r\n$1\r\n0\r\n";
    char asked[512], sha[64];
    LINE(one, m);
    if (say(one, load) < 0 || stream_wait_readable(one) < 0)
        return -EIO;
    for (size_t len = 0; len < 47;) { /* $40, the hash */
        ssize_t n = stream_read(one, sha + len, 47 - len);
        if (n <= 0)
            return -EIO;
        len += (size_t) n;
    }
    memcpy(asked, run_it, sizeof run_it);
    memcpy(strstr(asked, "a28f"), sha + 5, 40);
    TALK(one, asked, "+OK\r\n");
    redis_model_crash(m, 0, 10); /* what the script wrote is there, and the script is not */
    if (task_sleep(11) < 0)
        return -ECANCELED;
    LINE(two, m);
    TALK(two, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$4\r\nmade\r\n");
    TALK(two, asked, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    return 0;
}

static void scripts_are_forgotten_with_their_process(void **state) {
    (void) state;
    (void) run(story_of_scripts, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_answered_however_they_arrive),
        cmocka_unit_test(a_password_is_asked_for),
        cmocka_unit_test(subscribers_hear_what_is_published),
        cmocka_unit_test(a_crash_loses_what_was_written_last),
        cmocka_unit_test(a_split_brain_loses_what_the_old_half_wrote),
        cmocka_unit_test(a_master_comes_back_with_less),
        cmocka_unit_test(who_is_full_refuses_what_grows),
        cmocka_unit_test(a_pause_answers_nobody),
        cmocka_unit_test(keys_expire_on_virtual_time),
        cmocka_unit_test(scripts_are_forgotten_with_their_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
