/* The program parley, as a shell would run it, against a scripted server on the loopback. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"
#include "protocol/json.h"
#include "protocol/token.h"
#include "tests/support/peer.h"

enum { ARGUMENTS_MAX = 16, RUN_MS = 30000, READ_BYTES = 4096 };

/* One run of the program. What the server sees goes into notes. */
struct run {
    const char *arguments[ARGUMENTS_MAX]; /* behind --url */
    const char *input;                    /* of stdin; NULL: none */
    /* What the server does with the n-th connection; NULL: there is no server. */
    int (*serve)(struct run *r, struct peer *p, unsigned n);

    unsigned connections;
    struct buffer notes;
    unsigned counted; /* for whatever a server counts */

    struct buffer out, err;
    int exit_code;
    bool timed_out;

    struct group serving;
    struct listener *listener;
};

#define NOTE(r, ...) buffer_printf(&(r)->notes, __VA_ARGS__)

static void peer_freep(struct peer **p) {
    *p = peer_free(*p);
}

static void listener_closep(struct listener **l) {
    *l = listener_close(*l);
}

static void stream_closep(struct stream **s) {
    *s = stream_close(*s);
}

/* ---- the server ---- */

struct connection {
    struct run *run;
    struct stream *stream;
    unsigned n;
};

static int serve_connection(void *arg) {
    struct connection c = *(struct connection *) arg;
    CLEANUP(peer_freep) struct peer *p = NULL;

    free(arg);
    int r = peer_accept(c.stream, &p);
    return r < 0 ? r : c.run->serve(c.run, p, c.n);
}

static int accept_all(void *arg) {
    struct run *run = arg;
    struct stream *s;
    int r;

    while ((r = listener_next(run->listener, &s)) > 0) {
        struct connection *c = malloc(sizeof *c);
        if (!c) {
            stream_close(s);
            return -ENOMEM;
        }
        *c = (struct connection){ run, s, run->connections++ };
        r = group_spawn(&run->serving, "connection", serve_connection, c);
        if (r < 0) {
            stream_close(s);
            free(c);
            return r;
        }
    }
    return r;
}

/* ---- the program ---- */

struct reading {
    int fd;
    struct buffer *to;
};

static int read_all(void *arg) {
    struct reading *reading = arg;
    CLEANUP(stream_closep) struct stream *s = NULL;
    int r = stream_from_fd(reading->fd, &s);

    if (r < 0) {
        (void) close(reading->fd);
        return r;
    }
    for (;;) {
        uint8_t *at = buffer_reserve(reading->to, READ_BYTES);
        if (!at)
            return -ENOMEM;
        ssize_t n = stream_read(s, at, READ_BYTES);
        if (n <= 0)
            return (int) n;
        buffer_added(reading->to, (size_t) n);
    }
}

/* Input is a file that is deleted already: whatever its length, nobody has to write it. */
static int make_input(const char *text, int *ret) {
    char path[] = "/tmp/parley-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    size_t len = text ? strlen(text) : 0;

    if (fd < 0)
        return -errno;
    (void) unlink(path);
    if ((len && write(fd, text, len) != (ssize_t) len) || lseek(fd, 0, SEEK_SET) < 0) {
        (void) close(fd);
        return -EIO;
    }
    *ret = fd;
    return 0;
}

static char *mutable(const char *text) {
    union {
        const char *borrowed;
        char *argument;
    } u = { .borrowed = text };

    return u.argument; /* argv's type predates const; nobody writes to it */
}

static int start_program(struct run *run, const char *url, pid_t *ret, int *ret_out, int *ret_err) {
    char *argv[ARGUMENTS_MAX + 4] = { mutable(PARLEY_PROGRAM), mutable("--url"), mutable(url) };
    posix_spawn_file_actions_t actions;
    int in = -1, out[2], err[2];

    for (size_t i = 0; i < ARGUMENTS_MAX && run->arguments[i]; i++)
        argv[i + 3] = mutable(run->arguments[i]);
    int r = make_input(run->input, &in);
    if (r < 0)
        return r;
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
        return -errno;

    r = posix_spawn_file_actions_init(&actions);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    if (r == 0)
        r = posix_spawn(ret, PARLEY_PROGRAM, &actions, NULL, argv, environ);
    (void) posix_spawn_file_actions_destroy(&actions);
    (void) close(in);
    (void) close(out[1]);
    (void) close(err[1]);
    *ret_out = out[0];
    *ret_err = err[0];
    return -r;
}

static int root(void *arg) {
    struct run *run = arg;
    CLEANUP(listener_closep) struct listener *listener = NULL;
    struct address address;
    char text[ADDRESS_TEXT_MAX], url[ADDRESS_TEXT_MAX + 8];
    struct reading out = { .to = &run->out }, err = { .to = &run->err };
    pid_t pid;
    int status = 0;
    GROUP(readers);

    int r = address_parse("127.0.0.1:0", &address);
    if (r == 0)
        r = listener_open(&address, NULL, &listener);
    if (r < 0)
        return r;
    (void) snprintf(url, sizeof url, "ws://%s", listener_address(listener, text, sizeof text));

    group_init(&run->serving);
    if (run->serve) {
        run->listener = listener;
        r = group_spawn(&run->serving, "accept", accept_all, run);
        if (r < 0)
            return r;
    } else {
        listener = listener_close(listener); /* the port is known to be nobody's now */
    }

    r = start_program(run, url, &pid, &out.fd, &err.fd);
    if (r < 0)
        return r;
    r = group_spawn(&readers, "stdout", read_all, &out);
    if (r == 0)
        r = group_spawn(&readers, "stderr", read_all, &err);
    if (r == 0) {
        DEADLINE(limit, RUN_MS);
        r = group_wait(&readers);
        run->timed_out = deadline_passed(&limit);
    }
    if (r < 0)
        (void) kill(pid, SIGKILL);
    (void) waitpid(pid, &status, 0); /* its outputs are closed: it has ended, or is about to */
    run->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    group_finish(&run->serving);
    return r;
}

static void play(struct run *run, int exit_code) {
    int r = loop_run(NULL, root, run);

    buffer_append_byte(&run->out, '\0');
    buffer_append_byte(&run->err, '\0');
    buffer_append_byte(&run->notes, '\0');
    if (r < 0 || run->exit_code != exit_code)
        fail_msg("%s: exit code %d, not %d\n%s%s%s", strerror(-r), run->exit_code, exit_code,
                 run->timed_out ? "it did not end\n" : "", (char *) run->err.data,
                 (char *) run->notes.data);
}

static void run_finish(struct run *run) {
    buffer_finish(&run->out);
    buffer_finish(&run->err);
    buffer_finish(&run->notes);
}

static const char *output(const struct run *run) {
    return (const char *) run->out.data;
}

static void assert_says(const struct run *run, const char *words) {
    if (!strstr((const char *) run->err.data, words))
        fail_msg("'%s' is not in:\n%s", words, (char *) run->err.data);
}

/* ---- servers ---- */

static int wait_for_goodbye(struct peer *p) {
    struct command command;
    int r;

    while ((r = peer_next(p, &command)) > 0) {
    }
    return r;
}

static int take(struct peer *p, enum command_kind kind, struct command *ret) {
    int r = peer_next(p, ret);

    return r < 0 ? r : r == 0 ? -ECONNRESET : ret->kind == kind ? 0 : -EPROTO;
}

static int publish_to_it(struct peer *p, const char *data, uint64_t offset) {
    return peer_push(p, &(struct push){ .kind = PUSH_PUBLICATION,
                                        .channel = STR("news"),
                                        .publication = { .data = str_bytes(str_of(data)),
                                                         .offset = offset } });
}

static int accept_subscription(struct peer *p, uint32_t id, uint64_t offset) {
    return peer_reply(p, &(struct reply){ .kind = REPLY_SUBSCRIBE,
                                          .id = id,
                                          .subscribe = { .recoverable = true,
                                                         .positioned = true,
                                                         .epoch = STR("e1"),
                                                         .offset = offset } });
}

static void note_subscribe(struct run *run, const struct command_subscribe *s) {
    NOTE(run, "%.*s %s %llu:%.*s|", (int) s->channel.len, s->channel.data,
         s->recover ? "recover" : "new", (unsigned long long) s->offset, (int) s->epoch.len,
         s->epoch.data);
}

static int serve_two_publications(struct run *run, struct peer *p, unsigned n) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    if (r == 0)
        r = take(p, COMMAND_SUBSCRIBE, &command);
    if (r == 0)
        r = accept_subscription(p, command.id, 7);
    if (r == 0)
        r = publish_to_it(p, "{\"a\":1}", 8);
    if (r == 0)
        r = publish_to_it(p, "\"two\\u0007 \\u00e9\"", 9);
    return r < 0 ? r : wait_for_goodbye(p);
}

static void sub_prints_what_is_published(void **state) {
    struct run run = { .arguments = { "sub", "news", "--count", "2" },
                       .serve = serve_two_publications };

    play(&run, EX_OK);
    assert_non_null(strstr(output(&run), "{\"a\":1}\n"));
    /* Text is shown as text, and controls do not reach the terminal. */
    assert_non_null(strstr(output(&run), "two\\x07 \xc3\xa9\n"));
    assert_int_equal(run.connections, 1);
    run_finish(&run);
}

static void sub_prints_json_lines_where_asked(void **state) {
    struct run run = { .arguments = { "sub", "news", "--count", "2", "--json", "--quiet" },
                       .serve = serve_two_publications };
    int lines = 0;

    play(&run, EX_OK);
    for (const char *line = output(&run); *line; lines++) {
        size_t len = strcspn(line, "\n");
        assert_true(json_is_valid(bytes_of(line, len), NULL));
        assert_int_equal(line[len], '\n');
        line += len + 1;
    }
    assert_int_equal(lines, 2);
    assert_string_equal((char *) run.err.data, "");
    run_finish(&run);
}

/* Cuts after 8; the second connection has 9 in its reply and 10 live. */
static int serve_a_cut(struct run *run, struct peer *p, unsigned n) {
    static const struct wire_publication missed = { .data = { (const uint8_t *) "9", 1 },
                                                    .offset = 9 };
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    if (r == 0)
        r = take(p, COMMAND_SUBSCRIBE, &command);
    if (r < 0)
        return r;
    note_subscribe(run, &command.subscribe);
    if (n == 0) {
        r = accept_subscription(p, command.id, 7);
        if (r == 0)
            r = publish_to_it(p, "8", 8);
        (void) task_sleep(100);
        return r;
    }
    r = peer_reply(p, &(struct reply){
                              .kind = REPLY_SUBSCRIBE,
                              .id = command.id,
                              .subscribe = { .recoverable = true,
                                             .positioned = true,
                                             .was_recovering = true,
                                             .recovered = true,
                                             .epoch = STR("e1"),
                                             .offset = 8,
                                             .publications = wire_publications_of(&missed, 1) } });
    if (r == 0)
        r = publish_to_it(p, "10", 10);
    return r < 0 ? r : wait_for_goodbye(p);
}

static void sub_comes_back_and_gets_what_it_missed(void **state) {
    struct run run = { .arguments = { "sub", "news", "--count", "3" }, .serve = serve_a_cut };

    play(&run, EX_OK);
    assert_string_equal((char *) run.notes.data, "news new 0:|news recover 8:e1|");
    const char *eight = strchr(output(&run), '8');
    const char *nine = eight ? strchr(eight, '9') : NULL;
    assert_non_null(nine);
    assert_non_null(strstr(nine, "10"));
    assert_says(&run, "news: recovered");
    run_finish(&run);
}

static int serve_a_gap(struct run *run, struct peer *p, unsigned n) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    if (r == 0)
        r = take(p, COMMAND_SUBSCRIBE, &command);
    if (r < 0)
        return r;
    note_subscribe(run, &command.subscribe);
    if (n == 0) {
        r = accept_subscription(p, command.id, 7);
        (void) task_sleep(100);
        return r;
    }
    r = peer_reply(p, &(struct reply){ .kind = REPLY_SUBSCRIBE,
                                       .id = command.id,
                                       .subscribe = { .recoverable = true,
                                                      .positioned = true,
                                                      .was_recovering = true,
                                                      .epoch = STR("e2"),
                                                      .offset = 100 } });
    if (r == 0)
        r = publish_to_it(p, "101", 101);
    return r < 0 ? r : wait_for_goodbye(p);
}

static void sub_says_when_something_is_missing(void **state) {
    struct run run = { .arguments = { "sub", "news", "--count", "1" }, .serve = serve_a_gap };

    play(&run, EX_OK);
    assert_string_equal((char *) run.notes.data, "news new 0:|news recover 7:e1|");
    assert_says(&run, "recovered: false");
    run_finish(&run);

    run = (struct run){ .arguments = { "sub", "news", "--count", "1", "--json", "--quiet" },
                        .serve = serve_a_gap };
    play(&run, EX_OK);
    assert_non_null(strstr(output(&run), "\"recovered\":false"));
    assert_says(&run, "recovered: false");
    run_finish(&run);
}

static int serve_an_unsubscribe(struct run *run, struct peer *p, unsigned n) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    for (int i = 0; i < 2 && r == 0; i++) {
        r = take(p, COMMAND_SUBSCRIBE, &command);
        if (r == 0)
            r = accept_subscription(p, command.id, 7);
        note_subscribe(run, &command.subscribe);
        const struct push push = {
            .kind = PUSH_UNSUBSCRIBE,
            .channel = STR("news"),
            .unsubscribe = { .code = i == 0 ? UNSUBSCRIBE_INSUFFICIENT_STATE : UNSUBSCRIBE_SERVER,
                             .reason = STR("because") },
        };
        if (r == 0)
            r = peer_push(p, &push);
    }
    return r < 0 ? r : wait_for_goodbye(p);
}

static void sub_subscribes_again_only_where_the_server_says_so(void **state) {
    struct run run = { .arguments = { "sub", "news" }, .serve = serve_an_unsubscribe };

    play(&run, EX_UNAVAILABLE);
    assert_string_equal((char *) run.notes.data, "news new 0:|news recover 7:e1|");
    assert_says(&run, "because (2000)");
    assert_int_equal(run.connections, 1);
    run_finish(&run);
}

static int refuse_everything(struct run *run, struct peer *p, unsigned n) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    while (r >= 0 && (r = peer_next(p, &command)) > 0)
        r = peer_reply(p, &(struct reply){ .kind = REPLY_ERROR,
                                           .id = command.id,
                                           .error = reply_error_of(ERROR_PERMISSION_DENIED) });
    return r;
}

static void what_is_not_allowed_has_its_exit_code_and_words(void **state) {
    static const char *const commands[][3] = {
        { "sub", "news" },
        { "pub", "news", "1" },
        { "history", "news" },
        { "presence", "news" },
    };

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        struct run run = { .arguments = { commands[i][0], commands[i][1], commands[i][2] },
                           .serve = refuse_everything };
        play(&run, EX_NOPERM);
        assert_says(&run, "permission denied (103)");
        assert_string_equal(output(&run), "");
        run_finish(&run);
    }
}

static int close_with_invalid_token(struct run *run, struct peer *p, unsigned n) {
    struct command command;
    int r = take(p, COMMAND_CONNECT, &command);

    if (r == 0)
        r = peer_close(p, DISCONNECT_INVALID_TOKEN, "invalid token");
    return r < 0 ? r : wait_for_goodbye(p);
}

static void a_refused_token_is_final(void **state) {
    struct run run = { .arguments = { "--token", "x", "sub", "news" },
                       .serve = close_with_invalid_token };

    play(&run, EX_NOPERM);
    assert_says(&run, "invalid token");
    assert_int_equal(run.connections, 1);
    run_finish(&run);
}

/* ---- pub ---- */

static int acknowledge_all(struct run *run, struct peer *p, unsigned n) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    while (r >= 0 && (r = peer_next(p, &command)) > 0) {
        if (command.kind != COMMAND_PUBLISH)
            return -EPROTO;
        NOTE(run, "%.*s|", (int) command.publish.data.len,
             (const char *) command.publish.data.data);
        r = peer_reply(p, &(struct reply){ .kind = REPLY_PUBLISH, .id = command.id });
    }
    return r;
}

static void pub_sends_json_as_it_is_and_text_as_a_string(void **state) {
    static const struct {
        const char *option, *data, *sent;
    } table[] = {
        { "--quiet", "{\"a\": 1}", "{\"a\":1}|" },
        { "--quiet", "hello \"you\"", "\"hello \\\"you\\\"\"|" },
        { "--quiet", "42", "42|" },
        { "--text", "42", "\"42\"|" },
        { "--quiet", "[1,\n2]", "[1,2]|" },
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct run run = { .arguments = { "pub", table[i].option, "news", table[i].data },
                           .serve = acknowledge_all };
        play(&run, EX_OK);
        assert_string_equal((char *) run.notes.data, table[i].sent);
        run_finish(&run);
    }
}

static void pub_sends_each_line_of_its_input(void **state) {
    struct run run = { .arguments = { "pub", "news", "-" },
                       .input = "1\ntwo\r\n\n{\"n\":3}\nlast",
                       .serve = acknowledge_all };

    play(&run, EX_OK);
    assert_string_equal((char *) run.notes.data, "1|\"two\"|{\"n\":3}|\"last\"|");
    assert_says(&run, "4 published");
    run_finish(&run);
}

/* Acknowledges only when nothing comes any more: counts the most that was under way. */
static int acknowledge_late(struct run *run, struct peer *p, unsigned n) {
    uint32_t waiting[64];
    size_t count = 0;
    int r = peer_let_in(p, 0, NULL);

    while (r >= 0) {
        struct command command;
        {
            DEADLINE(quiet, 100);
            r = peer_next(p, &command);
            if (r == -ETIMEDOUT && deadline_passed(&quiet))
                r = -EAGAIN;
        }
        if (r == -EAGAIN) {
            r = 0;
            for (size_t i = 0; i < count && r == 0; i++)
                r = peer_reply(p, &(struct reply){ .kind = REPLY_PUBLISH, .id = waiting[i] });
            count = 0;
        } else if (r <= 0) {
            return r;
        } else if (command.kind != COMMAND_PUBLISH || count == sizeof waiting / sizeof waiting[0]) {
            return -EPROTO;
        } else {
            waiting[count++] = command.id;
            if (count > run->counted)
                run->counted = (unsigned) count;
        }
    }
    return r;
}

static void pub_has_no_more_under_way_than_its_window(void **state) {
    struct run run = { .arguments = { "pub", "--window", "5", "news", "-" },
                       .input = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
                       .serve = acknowledge_late };

    play(&run, EX_OK);
    assert_int_equal(run.counted, 5);
    assert_says(&run, "12 published");
    run_finish(&run);
}

/* Takes three, acknowledges one, and is gone; the next takes all. */
static int cut_in_the_middle(struct run *run, struct peer *p, unsigned n) {
    struct command command;

    if (n > 0)
        return acknowledge_all(run, p, n);
    int r = peer_let_in(p, 0, NULL);
    for (int i = 0; i < 3 && r == 0; i++) {
        r = take(p, COMMAND_PUBLISH, &command);
        if (r == 0 && i == 0)
            r = peer_reply(p, &(struct reply){ .kind = REPLY_PUBLISH, .id = command.id });
    }
    (void) task_sleep(100);
    return r;
}

static void pub_sends_again_what_was_not_acknowledged(void **state) {
    struct run run = { .arguments = { "pub", "news", "-" },
                       .input = "1\n2\n3\n4\n5\n",
                       .serve = cut_in_the_middle };

    play(&run, EX_OK);
    assert_string_equal((char *) run.notes.data, "2|3|4|5|");
    assert_says(&run, "5 published");
    assert_int_equal(run.connections, 2);
    run_finish(&run);
}

/* ---- questions ---- */

static int answer_questions(struct run *run, struct peer *p, unsigned n) {
    static const struct client_info info = { .user = { "alice", 5 }, .client = { "c1", 2 } };
    static const struct client_info here[] = {
        { .user = { "alice", 5 }, .client = { "c1", 2 } },
        { .client = { "c2", 2 } },
    };
    static const struct wire_publication kept[] = {
        { .data = { (const uint8_t *) "1", 1 }, .offset = 1, .epoch = { "e", 1 } },
        { .data = { (const uint8_t *) "{\"x\":2}", 7 }, .offset = 2, .info = &info },
    };
    struct command command;
    int r = peer_let_in(p, 25, NULL);

    while (r >= 0 && (r = peer_next(p, &command)) > 0) {
        struct reply reply = { .id = command.id };
        if (command.kind == COMMAND_HISTORY) {
            reply.kind = REPLY_HISTORY;
            reply.history = (struct reply_history){ .publications = wire_publications_of(kept, 2),
                                                    .epoch = STR("e"),
                                                    .offset = 2 };
            NOTE(run, "%d %s|", command.history.limit, command.history.reverse ? "back" : "on");
        } else if (command.kind == COMMAND_PRESENCE) {
            reply.kind = REPLY_PRESENCE;
            reply.presence = (struct reply_presence){ .items = here, .n = 2 };
        } else {
            reply.kind = REPLY_PRESENCE_STATS;
            reply.presence_stats = (struct reply_presence_stats){ 2, 1 };
        }
        r = peer_reply(p, &reply);
    }
    return r;
}

static void questions_are_answered_for_people_and_programs(void **state) {
    static const struct {
        const char *arguments[4];
        const char *expected[2];
    } table[] = {
        { { "history", "news" }, { "{\"x\":2}", "1" } },
        { { "history", "news", "--json" }, { "\"offset\":2", "\"channel\":\"news\"" } },
        { { "presence", "news" }, { "alice", "anonymous" } },
        { { "presence", "news", "--json" }, { "\"presence\":{\"c1\":", "\"c2\"" } },
        { { "presence", "news", "--stats" }, { "2 clients", "1 users" } },
        { { "presence", "news", "--stats", "--json" }, { "\"num_clients\":2", "\"num_users\":1" } },
        { { "info" }, { "9.9", "client-1" } },
        { { "info", "--json" }, { "\"version\":\"9.9\"", "\"ping\":25" } },
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct run run = { .serve = answer_questions };
        memcpy(run.arguments, table[i].arguments, sizeof table[i].arguments);
        play(&run, EX_OK);
        for (int k = 0; k < 2; k++)
            if (!strstr(output(&run), table[i].expected[k]))
                fail_msg("%s %s: no %s in %s", table[i].arguments[0], table[i].arguments[2],
                         table[i].expected[k], output(&run));
        run_finish(&run);
    }
}

static void history_asks_for_what_it_is_told_to(void **state) {
    struct run run = { .arguments = { "history", "--limit", "7", "--reverse", "news" },
                       .serve = answer_questions };

    play(&run, EX_OK);
    assert_string_equal((char *) run.notes.data, "7 back|");
    run_finish(&run);
}

/* A server that answers every question as if it had been another. */
static int answer_beside_the_point(struct run *run, struct peer *p, unsigned n) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    while (r >= 0 && (r = peer_next(p, &command)) > 0)
        r = peer_reply(p, &(struct reply){ .kind = command.kind == COMMAND_PUBLISH
                                                           ? REPLY_PRESENCE_STATS
                                                           : REPLY_PUBLISH,
                                           .id = command.id });
    return r;
}

static void an_answer_to_another_question_is_a_protocol_error(void **state) {
    static const char *const commands[][3] = {
        { "history", "news" },
        { "presence", "news" },
        { "presence", "news", "--stats" },
        { "sub", "news" },
    };

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        struct run run = { .arguments = { commands[i][0], commands[i][1], commands[i][2] },
                           .serve = answer_beside_the_point };
        play(&run, EX_PROTOCOL);
        run_finish(&run);
    }
}

/* ---- without a server ---- */

static void no_server_is_said_with_its_address(void **state) {
    static const char *const commands[][3] = {
        { "sub", "news" }, { "pub", "news", "1" }, { "history", "news" }, { "presence", "news" },
        { "info" },
    };

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        struct run run = { .arguments = { commands[i][0], commands[i][1], commands[i][2] } };
        play(&run, EX_UNAVAILABLE);
        assert_says(&run, "127.0.0.1:");
        assert_says(&run, "refused");
        run_finish(&run);
    }
}

static void mistakes_on_the_command_line_are_explained(void **state) {
    static const struct {
        const char *arguments[4];
        const char *words;
    } table[] = {
        { { NULL }, "usage:" },
        { { "dance" }, "dance" },
        { { "sub" }, "CHANNEL" },
        { { "pub", "news" }, "DATA" },
        { { "--colour", "sub", "news" }, "colour" },
        { { "--window", "0", "pub", "news" }, "window" },
        { { "--window", "many", "pub", "news" }, "many" },
        { { "--since", "5", "sub", "news" }, "OFFSET:EPOCH" },
        { { "--url", "ftp://x", "sub", "news" }, "ftp://x" },
        { { "--token-file", "/nonexistent", "sub", "news" }, "/nonexistent" },
        { { "gentoken" }, "secret" },
        { { "gentoken", "--secret", "s", "--info={" }, "JSON" },
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct run run = { 0 };
        memcpy(run.arguments, table[i].arguments, sizeof table[i].arguments);
        play(&run, EX_USAGE);
        assert_says(&run, table[i].words);
        assert_string_equal(output(&run), "");
        run_finish(&run);
    }
}

static void certificates_that_cannot_be_read_are_named(void **state) {
    struct run run = { .arguments = { "--url", "wss://127.0.0.1:1", "--ca-file", "/nonexistent",
                                      "info" } };

    play(&run, EX_CONFIG);
    assert_says(&run, "/nonexistent");
    run_finish(&run);
}

static void help_is_no_mistake(void **state) {
    struct run run = { .arguments = { "--help" } };

    play(&run, EX_OK);
    assert_non_null(strstr(output(&run), "exit codes"));
    assert_string_equal((char *) run.err.data, "");
    run_finish(&run);
}

static void gentoken_makes_tokens_that_verify(void **state) {
    struct run run = { .arguments = { "gentoken", "--secret", "a secret", "--user", "al\"ice",
                                      "--info", "{\"a\":1}", "--ttl", "60" } };
    const struct token_options o = { .hmac_secret = str_bytes(STR("a secret")) };
    struct token_verifier *v;
    struct arena arena = ARENA_INIT;
    struct connection_claims claims;
    const char *why = NULL;

    play(&run, EX_OK);
    struct str token = { output(&run), strcspn(output(&run), "\n") };
    assert_int_equal(token_verifier_new(&o, &v), 0);
    int64_t now_s = (int64_t) time(NULL);
    assert_int_equal(token_verify_connection(v, token, now_s, &arena, &claims, &why), 0);
    assert_true(str_equal(claims.user, STR("al\"ice")));
    assert_true(claims.expire_at_s > now_s && claims.expire_at_s <= now_s + 60);
    assert_int_equal(token_verify_connection(v, token, now_s + 61, &arena, &claims, &why),
                     -EKEYEXPIRED);
    token_verifier_free(v);
    arena_finish(&arena);
    run_finish(&run);
}

/* Ed25519 of RFC 8032 §7.1, test 1. */
#define PRIVATE_PEM                                                                                \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"                           \
    "-----END PRIVATE KEY-----\n"

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void checktoken_says_what_the_server_would(void **state) {
    char dir[] = "/tmp/parley-cli-XXXXXX", key[64], config[64], token[1024];
    assert_non_null(mkdtemp(dir));
    (void) snprintf(key, sizeof key, "%s/key.pem", dir);
    (void) snprintf(config, sizeof config, "%s/server.yaml", dir);
    write_file(key, PRIVATE_PEM);
    write_file(config, "client:\n  token: {hmac_secret_key: a secret of the server's, audience: "
                       "web, user_id_claim: who}\n  subscription_token: {enabled: true, "
                       "hmac_secret_key: another secret of it}\n");

    /* By a key of a file. */
    struct run sign = { .arguments = { "gentoken", "--key-file", key, "--user", "me", "--key-id",
                                       "k", "--channels", "a,b" } };
    play(&sign, EX_OK);
    (void) snprintf(token, sizeof token, "%.*s", (int) strcspn(output(&sign), "\n"), output(&sign));
    struct run good = { .arguments = { "checktoken", "--key-file", key, token } };
    play(&good, EX_OK);
    assert_non_null(strstr(output(&good), "EdDSA"));
    assert_non_null(strstr(output(&good), "\"channels\":[\"a\",\"b\"]"));
    struct run stranger = { .arguments = { "checktoken", "--config", config, token } };
    play(&stranger, EX_NOPERM);
    assert_non_null(strstr(output(&stranger), "not good"));

    /* As the server's configuration has it: a connection's and a subscription's have their own. */
    struct run own = { .arguments = { "gentoken", "--config", config, "--user", "me" } };
    play(&own, EX_OK);
    (void) snprintf(token, sizeof token, "%.*s", (int) strcspn(output(&own), "\n"), output(&own));
    struct run own_good = { .arguments = { "checktoken", "--config", config, "--json", token } };
    play(&own_good, EX_OK);
    assert_non_null(strstr(output(&own_good), "{\"valid\":true,\"kind\":\"connection\""));
    assert_non_null(strstr(output(&own_good), "\"who\":\"me\""));
    assert_non_null(strstr(output(&own_good), "\"aud\":\"web\""));
    struct run sub = { .arguments = { "gentoken", "--config", config, "--user", "me", "--channel",
                                      "$x", "--ttl", "0" } };
    play(&sub, EX_OK);
    (void) snprintf(token, sizeof token, "%.*s", (int) strcspn(output(&sub), "\n"), output(&sub));
    struct run sub_good = { .arguments = { "checktoken", "--config", config, token } };
    play(&sub_good, EX_OK);
    struct run wrong_secret = { .arguments = { "checktoken", "--secret", "a secret of the server's",
                                               token } };
    play(&wrong_secret, EX_NOPERM);

    struct run nonsense = { .arguments = { "checktoken", "--config", config, "x.y" } };
    play(&nonsense, EX_NOPERM);
    struct run keyless = { .arguments = { "gentoken", "--user", "me" } };
    play(&keyless, EX_USAGE);
    struct run no_pem = { .arguments = { "gentoken", "--key-file", config } };
    play(&no_pem, EX_DATAERR);

    struct run *all[] = { &sign,     &good,         &stranger, &own,     &own_good, &sub,
                          &sub_good, &wrong_secret, &nonsense, &keyless, &no_pem };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        run_finish(all[i]);
    assert_int_equal(unlink(key) | unlink(config) | rmdir(dir), 0);
}

static void bench_counts_what_is_acknowledged(void **state) {
    struct run run = { .arguments = { "bench", "publish", "--seconds", "1", "--rate", "50",
                                      "--json" },
                       .serve = acknowledge_all };

    play(&run, EX_OK);
    size_t len = strcspn(output(&run), "\n");
    assert_true(json_is_valid(bytes_of(output(&run), len), NULL));
    assert_non_null(strstr(output(&run), "\"acknowledged\":"));
    assert_null(strstr(output(&run), "\"acknowledged\":0,"));
    run_finish(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sub_prints_what_is_published),
        cmocka_unit_test(sub_prints_json_lines_where_asked),
        cmocka_unit_test(sub_comes_back_and_gets_what_it_missed),
        cmocka_unit_test(sub_says_when_something_is_missing),
        cmocka_unit_test(sub_subscribes_again_only_where_the_server_says_so),
        cmocka_unit_test(what_is_not_allowed_has_its_exit_code_and_words),
        cmocka_unit_test(a_refused_token_is_final),
        cmocka_unit_test(pub_sends_json_as_it_is_and_text_as_a_string),
        cmocka_unit_test(pub_sends_each_line_of_its_input),
        cmocka_unit_test(pub_has_no_more_under_way_than_its_window),
        cmocka_unit_test(pub_sends_again_what_was_not_acknowledged),
        cmocka_unit_test(questions_are_answered_for_people_and_programs),
        cmocka_unit_test(history_asks_for_what_it_is_told_to),
        cmocka_unit_test(an_answer_to_another_question_is_a_protocol_error),
        cmocka_unit_test(no_server_is_said_with_its_address),
        cmocka_unit_test(mistakes_on_the_command_line_are_explained),
        cmocka_unit_test(certificates_that_cannot_be_read_are_named),
        cmocka_unit_test(help_is_no_mistake),
        cmocka_unit_test(gentoken_makes_tokens_that_verify),
        cmocka_unit_test(checktoken_says_what_the_server_would),
        cmocka_unit_test(bench_counts_what_is_acknowledged),
    };

    (void) unsetenv("PARLEY_URL");
    (void) unsetenv("PARLEY_TOKEN");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
