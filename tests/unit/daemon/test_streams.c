/* HTTP with bodies, streamed answers and /emulation across workers, on virtual time: whatever way
 * the bytes are cut and the workers take turns. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

#define CONFIG                                                                                     \
    "client: {allow_anonymous_connect_without_token: true, ping_interval: 20s, "                   \
    "allowed_origins: ['*']}\n"                                                                    \
    "http_stream: {enabled: true}\nsse: {enabled: true}\nuni_sse: {enabled: true}\n"               \
    "channel: {namespaces: [{name: kept, history_size: 100, history_ttl: 600s, force_recovery: "   \
    "true, allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true, "                \
    "allow_publish_for_client: true, allow_publish_for_anonymous: true}]}\n"

/* A client that writes HTTP by hand. */
struct hand {
    struct stream *stream;
    struct buffer got; /* and not yet looked past */
};

static int hand_open(struct world *w, unsigned worker, struct hand *ret) {
    struct stream *theirs;
    *ret = (struct hand){ 0 };
    int r = stream_pair(4096, &ret->stream, &theirs);
    if (r < 0)
        return r;
    r = daemon_accept(w->daemon, worker, theirs);
    if (r < 0) {
        stream_close(theirs);
        ret->stream = stream_close(ret->stream);
    }
    return r;
}

static void hand_close(struct hand *h) {
    h->stream = stream_close(h->stream);
    buffer_finish(&h->got);
}

static int say(struct hand *h, const char *text) {
    struct iovec v = { (void *) (uintptr_t) text, strlen(text) };
    return stream_write_all(h->stream, &v, 1);
}

/* Reads until the text has come, and forgets everything up to its end. */
static bool hear(struct hand *h, const char *text) {
    DEADLINE(patience, 30000);
    for (;;) {
        void *at = h->got.len ? memmem(h->got.data, h->got.len, text, strlen(text)) : NULL;
        if (at) {
            buffer_consume(&h->got, (size_t) ((uint8_t *) at - h->got.data) + strlen(text));
            return true;
        }
        uint8_t *room = buffer_reserve(&h->got, 4096);
        ssize_t n = room ? stream_read(h->stream, room, 4096) : -ENOMEM;
        if (n <= 0)
            return false;
        buffer_added(&h->got, (size_t) n);
    }
}

static bool has_ended(struct hand *h) {
    char byte;
    DEADLINE(patience, 30000);
    return stream_read(h->stream, &byte, 1) == 0;
}

/* The value of a quoted member that comes next, copied. */
static bool hear_value(struct hand *h, const char *name, char *ret, size_t cap) {
    char quoted[64];
    (void) snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    if (!hear(h, quoted))
        return false;
    while (!memchr(h->got.data, '"', h->got.len)) {
        uint8_t *room = buffer_reserve(&h->got, 4096);
        ssize_t n = room ? stream_read(h->stream, room, 4096) : -ENOMEM;
        if (n <= 0)
            return false;
        buffer_added(&h->got, (size_t) n);
    }
    size_t len = (size_t) ((uint8_t *) memchr(h->got.data, '"', h->got.len) - h->got.data);
    if (len >= cap)
        return false;
    memcpy(ret, h->got.data, len);
    ret[len] = '\0';
    return true;
}

struct listener_of {
    struct hand hand;
    char session[64], node[64];
};

static bool listen_by_stream(struct world *w, unsigned worker, struct listener_of *l) {
    static const char body[] = "{\"id\":1,\"connect\":{}}\n"
                               "{\"id\":2,\"subscribe\":{\"channel\":\"kept:a\"}}";
    char request[256];
    (void) snprintf(
            request, sizeof request,
            "POST /connection/http_stream HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n"
            "%s",
            sizeof body - 1, body);
    return hand_open(w, worker, &l->hand) == 0 && say(&l->hand, request) == 0 &&
           hear_value(&l->hand, "session", l->session, sizeof l->session) &&
           hear_value(&l->hand, "node", l->node, sizeof l->node) && hear(&l->hand, "\"id\":2");
}

static int post(struct hand *h, const struct listener_of *to, const char *command) {
    char body[1024], request[1536];
    (void) snprintf(body, sizeof body, "{\"session\":\"%s\",\"node\":\"%s\",\"data\":\"%s\"}",
                    to->session, to->node, command);
    (void) snprintf(request, sizeof request,
                    "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                    strlen(body), body);
    return say(h, request);
}

/* ---- */

static int across_workers(struct world *w, void *arg) {
    struct listener_of l;
    struct hand others[3];
    STORY_EXPECT(w, listen_by_stream(w, 0, &l));

    for (unsigned i = 0; i < 3; i++) {
        char command[128], heard[32];
        STORY_EXPECT(w, hand_open(w, i, &others[i]) == 0);
        (void) snprintf(command, sizeof command,
                        "{\\\"id\\\":%u,\\\"publish\\\":{\\\"channel\\\":\\\"kept:a\\\","
                        "\\\"data\\\":%u}}",
                        10 + i, 70 + i);
        STORY_EXPECT(w, post(&others[i], &l, command) == 0);
        STORY_EXPECT(w, hear(&others[i], "204 No Content"));
        (void) snprintf(heard, sizeof heard, "\"data\":%u", 70 + i);
        STORY_EXPECT(w, hear(&l.hand, heard));
    }
    for (unsigned i = 0; i < 3; i++)
        hand_close(&others[i]);
    hand_close(&l.hand);
    return 0;
}

static void commands_reach_their_session_from_every_worker(void **state) {
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct world_options o = { .config = CONFIG, .workers = 3, .seed = seed };
        assert_null(world_run(&o, across_workers, NULL));
    }
}

static int cut_under_way(struct world *w, void *arg) {
    struct listener_of l;
    struct hand other;
    STORY_EXPECT(w, listen_by_stream(w, 0, &l));
    STORY_EXPECT(w, hand_open(w, 1, &other) == 0);
    for (int i = 0; i < 5; i++)
        STORY_EXPECT(w, post(&other, &l,
                             "{\\\"id\\\":9,\\\"history\\\":{\\\"channel\\\":\\\"kept:"
                             "a\\\"}}") == 0);
    hand_close(&l.hand); /* whenever that is noticed, whoever posts is answered */
    for (int i = 0; i < 5; i++)
        STORY_EXPECT(w, hear(&other, "204 No Content"));
    hand_close(&other);
    STORY_EXPECT(w, task_sleep(10000) == 0);
    STORY_EXPECT(w, w->daemon->threads[0].worker.hub.n_taken == 0);
    return 0;
}

static void who_posts_for_a_client_that_goes_is_answered(void **state) {
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct world_options o = { .config = CONFIG, .workers = 2, .seed = seed };
        assert_null(world_run(&o, cut_under_way, NULL));
    }
}

static int told_to_stop(struct world *w, void *arg) {
    struct listener_of l;
    STORY_EXPECT(w, listen_by_stream(w, 0, &l));
    STORY_EXPECT(w, world_restart(w) == 0);
    STORY_EXPECT(w,
                 hear(&l.hand, "{\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}"
                               "}\n\r\n0\r\n\r\n"));
    STORY_EXPECT(w, l.hand.got.len == 0 && has_ended(&l.hand));
    hand_close(&l.hand);
    return 0;
}

static void a_stream_ends_with_its_reason_when_the_daemon_does(void **state) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world_options o = { .config = CONFIG, .workers = 2, .seed = seed };
        assert_null(world_run(&o, told_to_stop, NULL));
    }
}

/* Two requests, cut anywhere. */
static int two_answers(struct world *w, void *arg) {
    static const char text[] =
            "POST /emulation HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            "\r\n2\r\n{}\r\n0\r\n\r\n"
            "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        char first[sizeof text];
        struct hand h;
        memcpy(first, text, cut);
        first[cut] = '\0';
        STORY_EXPECT(w, hand_open(w, 0, &h) == 0 && say(&h, first) == 0);
        STORY_EXPECT(w, task_sleep(1) == 0 && say(&h, text + cut) == 0);
        STORY_EXPECT(w, hear(&h, "HTTP/1.1 400 Bad Request") && hear(&h, "HTTP/1.1 404 Not Found"));
        hand_close(&h);
    }
    return 0;
}

static void requests_are_the_same_however_they_are_cut(void **state) {
    struct world_options o = { .config = CONFIG };
    assert_null(world_run(&o, two_answers, NULL));
}

/* A body that never comes, or a half. */
static int never_comes(struct world *w, void *arg) {
    struct hand h;
    STORY_EXPECT(w, hand_open(w, 0, &h) == 0);
    STORY_EXPECT(
            w, say(&h, "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{") == 0);
    STORY_EXPECT(w, task_sleep(3600 * 1000) == 0);
    STORY_EXPECT(w, w->daemon->threads[0].worker.n_connections == 0);
    hand_close(&h);
    return 0;
}

static void a_body_has_its_time(void **state) {
    struct world_options o = { .config = CONFIG };
    assert_null(world_run(&o, never_comes, NULL));
}

static int half_a_body(struct world *w, void *arg) {
    struct hand h;
    STORY_EXPECT(w, hand_open(w, 0, &h) == 0);
    STORY_EXPECT(w, say(&h, "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
                            "{") == 0);
    STORY_EXPECT(w, task_sleep(100) == 0);
    int64_t from = loop_now();
    daemon_drain(w->daemon);
    STORY_EXPECT(w, loop_now() - from < 1000);
    STORY_EXPECT(w, has_ended(&h));
    hand_close(&h);
    return 0;
}

static void who_is_still_asking_does_not_keep_the_daemon(void **state) {
    struct world_options o = { .config = CONFIG };
    assert_null(world_run(&o, half_a_body, NULL));
}

/* Whatever follows a request for a stream is not taken for anything. */
static int talks_on(struct world *w, void *arg) {
    struct listener_of l;
    STORY_EXPECT(w, listen_by_stream(w, 0, &l));
    for (int i = 0; i < 100; i++)
        STORY_EXPECT(w, say(&l.hand, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
    STORY_EXPECT(w, hear(&l.hand, "{}\n")); /* a ping, in its time */
    STORY_EXPECT(w, w->daemon->threads[0].worker.n_connections == 1);
    hand_close(&l.hand);
    return 0;
}

static void what_is_said_into_a_stream_is_not_heard(void **state) {
    struct world_options o = { .config = CONFIG };
    assert_null(world_run(&o, talks_on, NULL));
}

static int slow_listener(struct world *w, void *arg) {
    struct listener_of slow, other;
    STORY_EXPECT(w, listen_by_stream(w, 0, &slow));
    STORY_EXPECT(w, listen_by_stream(w, 0, &other));
    struct hand h;
    STORY_EXPECT(w, hand_open(w, 0, &h) == 0);
    for (int i = 0; i < 40; i++) {
        STORY_EXPECT(w, post(&h, &other,
                             "{\\\"id\\\":5,\\\"publish\\\":{\\\"channel\\\":"
                             "\\\"kept:a\\\",\\\"data\\\":"
                             "\\\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                             "\\\"}}") == 0);
        STORY_EXPECT(w, hear(&h, "204") && hear(&other.hand, "\"pub\""));
    }
    /* It takes nothing for the write timeout. */
    STORY_EXPECT(w, task_sleep(20000) == 0);
    STORY_EXPECT(w, metrics_counter_of(&w->daemon->threads[0].worker.metrics,
                                       COUNT_WRITE_TIMEOUTS) == 1);
    hand_close(&h);
    hand_close(&slow.hand);
    hand_close(&other.hand);
    return 0;
}

static void who_takes_nothing_is_sent_away(void **state) {
    struct world_options o = { .config = CONFIG };
    assert_null(world_run(&o, slow_listener, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_reach_their_session_from_every_worker),
        cmocka_unit_test(who_posts_for_a_client_that_goes_is_answered),
        cmocka_unit_test(a_stream_ends_with_its_reason_when_the_daemon_does),
        cmocka_unit_test(requests_are_the_same_however_they_are_cut),
        cmocka_unit_test(a_body_has_its_time),
        cmocka_unit_test(who_is_still_asking_does_not_keep_the_daemon),
        cmocka_unit_test(what_is_said_into_a_stream_is_not_heard),
        cmocka_unit_test(who_takes_nothing_is_sent_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
