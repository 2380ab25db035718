/* The client against a scripted server, over a pair of streams in memory and on virtual time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"
#include "clients/cli/client.h"
#include "tests/support/peer.h"

enum { PAIR_BYTES = 65536, SEEDS = 20 };

/*
 * What a test is: two sides, each a function on a task. What they see goes into notes, which the
 * test looks at when both have ended.
 */
struct scene {
    int (*server)(struct scene *s, struct peer *p);
    int (*client)(struct scene *s, struct client *c);
    const char *token;
    const char *raw_answer; /* instead of a handshake's answer */
    int server_result;
    int open_result;
    int client_result;
    struct client_end end;
    struct buffer notes;
    struct stream *server_stream;
    struct peer *peer;
};

#define NOTE(s, ...) buffer_printf(&(s)->notes, __VA_ARGS__)

static void peer_freep(struct peer **p) {
    *p = peer_free(*p);
}

static int run_server(void *arg) {
    struct scene *s = arg;
    CLEANUP(peer_freep) struct peer *p = NULL;

    if (s->raw_answer) {
        char request[2048];
        struct stream *stream = TAKE(s->server_stream);
        struct iovec v = { .iov_len = strlen(s->raw_answer) };
        memcpy(&v.iov_base, &s->raw_answer, sizeof v.iov_base); /* written, never written to */
        ssize_t n = stream_read(stream, request, sizeof request);
        int r = n < 0 ? (int) n : stream_write_all(stream, &v, 1);
        if (r == 0)
            (void) task_sleep(100);
        stream_close(stream);
        return r;
    }
    int r = peer_accept(TAKE(s->server_stream), &p);
    return s->server_result = r < 0 ? r : s->server(s, p);
}

static int run_scene(void *arg) {
    struct scene *s = arg;
    struct url url;
    const char *why;
    struct stream *mine;
    struct client *c = NULL;
    GROUP(group);

    if (url_parse("ws://server:80/somewhere", &url, &why) < 0 ||
        stream_pair(PAIR_BYTES, &mine, &s->server_stream) < 0)
        return -ENOMEM;
    int r = group_spawn(&group, "server", run_server, s);
    if (r < 0)
        return r;

    const struct client_options o = { .url = &url, .stream = mine, .token = str_of(s->token) };
    s->open_result = client_open(&o, &c, &s->end);
    if (s->open_result == 0 && s->client)
        s->client_result = s->client(s, c);
    client_close(c);
    return group_wait_all(&group);
}

/* By several seeds: reads and writes are split at other places by each. */
static void play_seeded(struct scene *s, uint64_t seed) {
    const struct loop_options o = { .is_simulated = true, .seed = seed, .shuffle_ready = seed > 0 };

    buffer_reset(&s->notes);
    s->server_result = s->open_result = s->client_result = 0;
    s->end = (struct client_end){ 0 };
    assert_int_equal(loop_run(&o, run_scene, s), 0);
    assert_int_equal(buffer_error(&s->notes), 0);
    buffer_append_byte(&s->notes, '\0');
}

static void assert_notes(const struct scene *s, const char *expected) {
    assert_string_equal((const char *) s->notes.data, expected);
}

/* Plays it by every seed and expects the same of each. */
static void play(struct scene *s, int open_result, int client_result, const char *notes) {
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        play_seeded(s, seed);
        assert_int_equal(s->open_result, open_result);
        assert_int_equal(s->client_result, client_result);
        assert_notes(s, notes);
    }
    buffer_finish(&s->notes);
}

/* ---- being let in ---- */

static int note_connect(struct scene *s, struct peer *p) {
    struct command_connect connect;
    struct command command;
    int r = peer_let_in(p, 25, &connect);

    if (r < 0)
        return r;
    NOTE(s, "%.*s|%.*s|%.*s|", (int) peer_target(p).len, peer_target(p).data,
         (int) connect.token.len, connect.token.data, (int) connect.name.len, connect.name.data);
    r = peer_next(p, &command);
    NOTE(s, "%s", r == 0 ? "goodbye" : "no goodbye");
    return 0;
}

static int note_result(struct scene *s, struct client *c) {
    const struct reply_connect *r = client_result(c);

    NOTE(s, "%.*s|%.*s|%u|", (int) r->client.len, r->client.data, (int) r->version.len,
         r->version.data, r->ping_s);
    return 0;
}

static void a_client_is_let_in_and_says_goodbye(void **state) {
    struct scene s = { .server = note_connect, .client = note_result, .token = "secret" };

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        play_seeded(&s, seed);
        assert_int_equal(s.open_result, 0);
        /* Both sides note; which is first is the seed's. */
        assert_non_null(strstr((char *) s.notes.data, "/somewhere|secret|parley|"));
        assert_non_null(strstr((char *) s.notes.data, "client-1|9.9|25|"));
        assert_non_null(strstr((char *) s.notes.data, "goodbye"));
        assert_null(strstr((char *) s.notes.data, "no goodbye"));
    }
    buffer_finish(&s.notes);
}

static int refuse_expired(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_next(p, &command);

    if (r <= 0)
        return r;
    r = peer_reply(p, &(struct reply){ .kind = REPLY_ERROR,
                                       .id = command.id,
                                       .error = reply_error_of(ERROR_TOKEN_EXPIRED) });
    return r < 0 ? r : peer_next(p, &command);
}

static void an_error_reply_to_connect_says_why(void **state) {
    struct scene s = { .server = refuse_expired };

    play(&s, -EACCES, 0, "");
    assert_int_equal(s.end.code, ERROR_TOKEN_EXPIRED);
    assert_true(s.end.is_final);
    assert_non_null(strstr(s.end.why, "token expired (109)"));
}

static int refuse_temporarily(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_next(p, &command);

    if (r <= 0)
        return r;
    r = peer_reply(p, &(struct reply){ .kind = REPLY_ERROR,
                                       .id = command.id,
                                       .error = reply_error_of(ERROR_INTERNAL) });
    return r < 0 ? r : peer_next(p, &command);
}

static void a_temporary_error_is_not_final(void **state) {
    struct scene s = { .server = refuse_temporarily };

    play(&s, -EACCES, 0, "");
    assert_false(s.end.is_final);
}

static int disconnect_invalid_token(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_next(p, &command);

    if (r <= 0)
        return r;
    r = peer_close(p, DISCONNECT_INVALID_TOKEN, "invalid token");
    return r < 0 ? r : peer_next(p, &command);
}

static void a_close_instead_of_a_reply_says_why(void **state) {
    struct scene s = { .server = disconnect_invalid_token };

    play(&s, -EACCES, 0, "");
    assert_int_equal(s.end.code, DISCONNECT_INVALID_TOKEN);
    assert_true(s.end.is_final);
    assert_non_null(strstr(s.end.why, "invalid token"));
}

static void what_is_no_websocket_server_is_named(void **state) {
    struct scene s = { .raw_answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" };

    play(&s, -EPROTO, 0, "");
    assert_true(s.end.is_final);
    assert_non_null(strstr(s.end.why, "404 Not Found"));
    assert_non_null(strstr(s.end.why, "/somewhere"));

    s.raw_answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    play(&s, -EPROTO, 0, "");
    assert_false(s.end.is_final);

    s.raw_answer = "SSH-2.0-OpenSSH_9.2p1\r\n";
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        play_seeded(&s, seed);
        assert_true(s.open_result < 0);
        assert_true(s.end.why[0]);
    }
    s.raw_answer =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    play(&s, -EPROTO, 0, "");
    assert_true(s.end.is_final);
}

static int never_answer(struct scene *s, struct peer *p) {
    struct command command;

    while (peer_next(p, &command) > 0) {
    }
    return 0;
}

static void a_server_that_does_not_answer_is_not_waited_for_longer_than_asked(void **state) {
    struct scene s = { .server = never_answer };

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        play_seeded(&s, seed);
        assert_int_equal(s.open_result, -ETIMEDOUT);
        assert_false(s.end.is_final);
        assert_true(s.end.why[0]);
    }
    buffer_finish(&s.notes);
}

static int answer_connect_without_an_id_of_its_own(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_next(p, &command);

    if (r <= 0)
        return r;
    r = peer_send_text(p, "{\"id\":1,\"connect\":{}}");
    return r < 0 ? r : peer_next(p, &command);
}

static void a_connect_result_without_a_client_is_refused(void **state) {
    struct scene s = { .server = answer_connect_without_an_id_of_its_own };

    play(&s, -EPROTO, 0, "");
}

/* ---- talking ---- */

static void note_push(void *arg, const struct push *push) {
    struct scene *s = arg;

    if (push->kind == PUSH_PUBLICATION)
        NOTE(s, "push %.*s|", (int) push->publication.data.len,
             (const char *) push->publication.data.data);
}

static int reply_between_pushes(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    if (r < 0)
        return r;
    r = peer_next(p, &command);
    if (r <= 0)
        return r;
    NOTE(s, "%.*s %.*s|", (int) command_name(command.kind).len, command_name(command.kind).data,
         (int) command.presence.channel.len, command.presence.channel.data);

    /* Two messages in a frame, a reply to nobody, and what was asked for. */
    char text[512];
    (void) snprintf(text, sizeof text,
                    "{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":1}}}\n"
                    "{\"id\":77,\"publish\":{}}\n{}\n"
                    "{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":2}}}\n"
                    "{\"id\":%u,\"presence_stats\":{\"num_clients\":3,\"num_users\":2}}\n"
                    "{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":3}}}",
                    command.id);
    r = peer_send_text(p, text);
    return r < 0 ? r : peer_next(p, &command);
}

static int ask_stats(struct scene *s, struct client *c) {
    struct command command = { .kind = COMMAND_PRESENCE_STATS, .presence = { STR("c") } };
    struct reply reply;
    int r = client_call(c, &command, note_push, s, &reply, &s->end);

    if (r <= 0)
        return r;
    NOTE(s, "%u clients|", reply.presence_stats.num_clients);
    r = client_next(c, &reply, &s->end); /* what came behind the reply is not lost */
    if (r == 1)
        note_push(s, &reply.push);
    return r;
}

static void a_reply_is_found_between_others(void **state) {
    struct scene s = { .server = reply_between_pushes, .client = ask_stats };

    play(&s, 0, 1, "presence_stats c|push 1|push 2|3 clients|push 3|");
}

static int count_pongs(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_let_in(p, 25, NULL);

    for (int i = 0; i < 3 && r >= 0; i++) {
        r = peer_send_text(p, "{}");
        if (r < 0)
            return r;
        r = peer_next(p, &command);
        if (r == 1 && command.kind == COMMAND_PONG)
            NOTE(s, "pong|");
    }
    if (r >= 0)
        r = peer_send_ping(p); /* WebSocket's own is answered below us */
    if (r >= 0)
        r = peer_close(p, DISCONNECT_SHUTDOWN, "shutdown");
    return r < 0 ? r : peer_next(p, &command);
}

static int wait_for_the_end(struct scene *s, struct client *c) {
    struct reply reply;
    int r;

    while ((r = client_next(c, &reply, &s->end)) > 0)
        NOTE(s, "reply|");
    return r;
}

static void pings_are_answered_and_not_handed_out(void **state) {
    struct scene s = { .server = count_pongs, .client = wait_for_the_end };

    play(&s, 0, 0, "pong|pong|pong|");
    assert_int_equal(s.end.code, DISCONNECT_SHUTDOWN);
    assert_false(s.end.is_final);
    assert_non_null(strstr(s.end.why, "shutdown (3001)"));
}

static int fall_silent(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_let_in(p, 25, NULL);

    return r < 0 ? r : peer_next(p, &command);
}

static int time_the_end(struct scene *s, struct client *c) {
    int64_t begin = loop_now();
    int r = wait_for_the_end(s, c);

    NOTE(s, "%d s", (int) ((loop_now() - begin) / 1000));
    return r;
}

static void a_silent_server_is_given_up_after_its_interval_and_ten_seconds(void **state) {
    struct scene s = { .server = fall_silent, .client = time_the_end };

    play(&s, 0, -ETIMEDOUT, "35 s");
    assert_non_null(strstr(s.end.why, "silent"));
    assert_false(s.end.is_final);
}

static int send_nonsense(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    if (r == 0)
        r = peer_send_text(p, "{\"push\":");
    return r < 0 ? r : peer_next(p, &command);
}

static void what_cannot_be_understood_ends_it(void **state) {
    struct scene s = { .server = send_nonsense, .client = wait_for_the_end };

    play(&s, 0, -EPROTO, "");
    assert_true(s.end.is_final);
}

static int send_a_masked_frame(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    if (r == 0)
        r = peer_send_bytes(p, str_bytes(STR("\x81\x82\0\0\0\0{}")));
    return r < 0 ? r : peer_next(p, &command);
}

static void broken_framing_ends_it(void **state) {
    struct scene s = { .server = send_a_masked_frame, .client = wait_for_the_end };

    play(&s, 0, -EPROTO, "");
}

static int vanish(struct scene *s, struct peer *p) {
    return peer_let_in(p, 0, NULL); /* and is freed, which cuts */
}

static void a_cut_is_not_final(void **state) {
    struct scene s = { .server = vanish, .client = wait_for_the_end };

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        play_seeded(&s, seed);
        if (s.open_result == 0) /* the cut may overtake what was under way */
            assert_true(s.client_result < 0);
        assert_false(s.end.is_final);
        assert_true(s.end.why[0]);
    }
    buffer_finish(&s.notes);
}

static int echo_publishes(struct scene *s, struct peer *p) {
    struct command command;
    int r = peer_let_in(p, 0, NULL);

    while (r >= 0 && (r = peer_next(p, &command)) > 0) {
        NOTE(s, "%.*s|", (int) command.publish.data.len, (const char *) command.publish.data.data);
        r = peer_reply(p, &(struct reply){ .kind = REPLY_PUBLISH, .id = command.id });
    }
    return r;
}

static int publish_three(struct scene *s, struct client *c) {
    static const char *const data[] = { "1", "\"two\"", "{\"n\":3}" };
    struct reply reply;
    uint32_t ids[3];

    for (int i = 0; i < 3; i++) {
        ids[i] = client_queue(
                c, &(struct command){ .kind = COMMAND_PUBLISH,
                                      .publish = { .channel = STR("c"),
                                                   .data = str_bytes(str_of(data[i])) } });
        if (!ids[i] || (i && ids[i] == ids[i - 1]))
            return -EINVAL;
    }
    if (!client_queued(c))
        return -EINVAL;
    int r = client_flush(c);
    for (int i = 0; i < 3 && r >= 0; i++) {
        r = client_next(c, &reply, &s->end);
        if (r == 1 && (reply.kind != REPLY_PUBLISH || reply.id != ids[i]))
            return -EINVAL;
    }
    return r;
}

static void queued_commands_are_sent_together_and_answered_by_id(void **state) {
    struct scene s = { .server = echo_publishes, .client = publish_three };

    play(&s, 0, 1, "1|\"two\"|{\"n\":3}|");
}

/* ---- waiting ---- */

static int check_backoff(void *arg) {
    int64_t *longest = arg;

    for (unsigned n = 0; n < 40; n++) {
        for (int i = 0; i < 200; i++) {
            int64_t ms = client_backoff_ms(n);
            if (ms < 1 || ms > 20000)
                return -ERANGE;
            if (ms > longest[n])
                longest[n] = ms;
        }
    }
    return 0;
}

static void waits_grow_to_twenty_seconds_with_jitter(void **state) {
    const struct loop_options o = { .is_simulated = true, .seed = 7 };
    int64_t longest[40] = { 0 };

    assert_int_equal(loop_run(&o, check_backoff, longest), 0);
    assert_true(longest[0] <= 200);
    assert_true(longest[1] > 200 && longest[1] <= 400);
    assert_true(longest[39] > 15000 && longest[39] <= 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_let_in_and_says_goodbye),
        cmocka_unit_test(an_error_reply_to_connect_says_why),
        cmocka_unit_test(a_temporary_error_is_not_final),
        cmocka_unit_test(a_close_instead_of_a_reply_says_why),
        cmocka_unit_test(what_is_no_websocket_server_is_named),
        cmocka_unit_test(a_server_that_does_not_answer_is_not_waited_for_longer_than_asked),
        cmocka_unit_test(a_connect_result_without_a_client_is_refused),
        cmocka_unit_test(a_reply_is_found_between_others),
        cmocka_unit_test(pings_are_answered_and_not_handed_out),
        cmocka_unit_test(a_silent_server_is_given_up_after_its_interval_and_ten_seconds),
        cmocka_unit_test(what_cannot_be_understood_ends_it),
        cmocka_unit_test(broken_framing_ends_it),
        cmocka_unit_test(a_cut_is_not_final),
        cmocka_unit_test(queued_commands_are_sent_together_and_answered_by_id),
        cmocka_unit_test(waits_grow_to_twenty_seconds_with_jitter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
