/* The server API inside a simulated daemon: order, callers who go away, and everybody at once. */
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
#include "protocol/http.h"
#include "tests/support/world.h"

enum { WORKERS = 3, SEEDS = 12, PIPE = 4096 };

#define CONFIG                                                                                     \
    "http_api: {key: k}\n"                                                                         \
    "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s}\n"                \
    "channel:\n  namespaces:\n"                                                                    \
    "    - {name: kept, history_size: 10000, history_ttl: 600s, force_recovery: true, "            \
    "allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true}\n"

static const struct world_options one = { .config = CONFIG };
static const struct world_options three = { .config = CONFIG, .workers = WORKERS };

/* ---- a caller ---- */

struct caller {
    struct stream *stream;
    struct buffer in;
};

static void hang_up(struct caller *c) {
    if (c->stream)
        stream_close(c->stream);
    buffer_finish(&c->in);
}

static int dial(struct world *w, unsigned worker, struct caller *ret) {
    struct stream *theirs;
    *ret = (struct caller){ 0 };
    int r = stream_pair(PIPE, &ret->stream, &theirs);
    if (r < 0)
        return r;
    r = daemon_accept(w->daemon, worker, theirs);
    if (r < 0)
        stream_close(theirs);
    return r;
}

static int say(struct caller *c, const char *path, struct bytes body) {
    struct buffer out = BUFFER_INIT;
    buffer_printf(&out,
                  "POST %s HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Length: %zu\r\n\r\n",
                  path, body.len);
    buffer_append_bytes(&out, body);
    int r = buffer_error(&out);
    if (r == 0)
        r = stream_write_all(c->stream, &(struct iovec){ out.data, out.len }, 1);
    buffer_finish(&out);
    return r;
}

/* The body of the answer: in c->in, with a NUL behind. */
static int hear(struct caller *c, const char **ret) {
    buffer_reset(&c->in);
    for (;;) {
        uint8_t *at = buffer_reserve(&c->in, PIPE + 1);
        ssize_t n = at ? stream_read(c->stream, at, PIPE) : -ENOMEM;
        if (n <= 0)
            return n < 0 ? (int) n : -EPIPE;
        at[n] = '\0';
        buffer_added(&c->in, (size_t) n);
        const char *text = (const char *) c->in.data, *end = strstr(text, "\r\n\r\n"),
                   *length = strstr(text, "Content-Length: ");
        if (!end || !length)
            continue;
        size_t len = strtoul(length + strlen("Content-Length: "), NULL, 10);
        if ((size_t) (end + 4 - text) + len > c->in.len)
            continue;
        *ret = end + 4;
        return 0;
    }
}

__attribute__((format(printf, 4, 5))) static int ask(struct caller *c, const char *path,
                                                     const char **ret, const char *body, ...) {
    char text[512];
    va_list args;
    va_start(args, body);
    int len = vsnprintf(text, sizeof text, body, args);
    va_end(args);
    for (int i = 0; i < len; i++)
        text[i] = text[i] == '\'' ? '"' : text[i];
    int r = say(c, path, bytes_of(text, (size_t) len));
    return r < 0 ? r : hear(c, ret);
}

/* ---- order ---- */

struct pipeliner {
    struct world *world;
    unsigned index;
    int rounds;
    bool is_done;
};

enum { LINES = 30 };

/* Lines of publishes into a channel of its own, with a read among them: offsets say in which order
 * they took effect. */
static int pipeline(void *arg) {
    struct pipeliner *p = arg;
    struct caller c CLEANUP(hang_up);
    int r = dial(p->world, p->index % WORKERS, &c);

    for (int round = 0; round < p->rounds && r == 0; round++) {
        struct buffer body = BUFFER_INIT;
        const char *at;
        for (int i = 0; i < LINES; i++)
            buffer_printf(
                    &body,
                    i == LINES / 2
                            ? "{\"method\":\"history\",\"params\":{\"channel\":\"kept:%u\"}}\n"
                            : "{\"method\":\"publish\",\"params\":{\"channel\":\"kept:%u\","
                              "\"data\":%d}}\n",
                    p->index, i);
        r = say(&c, "/api", buffer_bytes(&body));
        buffer_finish(&body);
        if (r == 0)
            r = hear(&c, &at);
        for (int i = 0, published = round * (LINES - 1); i < LINES && r == 0; i++) {
            unsigned long offset = (unsigned long) (i == LINES / 2 ? published : ++published);
            char wanted[40];
            (void) snprintf(wanted, sizeof wanted, "\"offset\":%lu", offset);
            const char *end = strchrnul(at, '\n'), *found = strstr(at, wanted);
            if (!found || found > end || (*end == '\0') != (i == LINES - 1))
                r = -EBADMSG;
            at = *end ? end + 1 : end;
        }
    }
    p->is_done = r == 0;
    return r;
}

static int many_pipeliners(struct world *w, void *arg) {
    enum { CALLERS = 8 };
    struct pipeliner callers[CALLERS];
    GROUP(tasks);
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (struct pipeliner){ .world = w, .index = i, .rounds = 4 };
        STORY_EXPECT(w, group_spawn(&tasks, "caller", pipeline, &callers[i]) == 0);
    }
    STORY_EXPECT(w, group_wait(&tasks) == 0);
    for (unsigned i = 0; i < CALLERS; i++)
        STORY_EXPECT(w, callers[i].is_done);
    return 0;
}

static void answers_and_effects_are_in_order(void **state) {
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world_options o = three;
        o.seed = seed;
        const char *why = world_run(&o, many_pipeliners, NULL);
        if (why)
            fail_msg("seed %llu: %s", (unsigned long long) seed, why);
    }
}

static int keep_alive(struct world *w, void *arg) {
    struct caller c CLEANUP(hang_up);
    const char *text;
    STORY_EXPECT(w, dial(w, 0, &c) == 0);
    for (int i = 1; i <= 3; i++) {
        char wanted[40];
        (void) snprintf(wanted, sizeof wanted, "{\"result\":{\"offset\":%d,*", i);
        STORY_EXPECT(w, ask(&c, "/api/publish", &text, "{'channel':'kept:a','data':1}") == 0);
        STORY_EXPECT(w, text_matches(text, wanted));
    }
    STORY_EXPECT(w, ask(&c, "/api/publish", &text, "{'channel':'kept:a','data':") == 0);
    STORY_EXPECT(w, text_matches(text, "{\"error\":{\"code\":107,*"));
    STORY_EXPECT(w, ask(&c, "/api/info", &text, "{}") == 0);
    STORY_EXPECT(w, text_matches(text, "{\"result\":{\"nodes\":[{*"));
    return 0;
}

static void one_connection_carries_many_requests(void **state) {
    assert_null(world_run(&one, keep_alive, NULL));
}

/* ---- callers without a key ---- */

/* Answered at once: nobody waits for a body that would be for nothing. */
static int keyless(struct world *w, void *arg) {
    static const char *const heads[] = { "POST /api/publish", "POST /api", "GET /api/info",
                                         "POST /api/openapi.json", "GET /api/openapi.json" };
    static const char *const answers[] = { "HTTP/1.1 401 ", "HTTP/1.1 401 ", "HTTP/1.1 405 ",
                                           "HTTP/1.1 405 ", "HTTP/1.1 200 " };
    for (size_t i = 0; i < ELEMENTS_OF(heads); i++) {
        struct caller c CLEANUP(hang_up);
        char head[256], answer[16] = "";
        STORY_EXPECT(w, dial(w, 0, &c) == 0);
        int len = snprintf(head, sizeof head,
                           "%s HTTP/1.1\r\nHost: a\r\nX-API-Key: no\r\nContent-Length: "
                           "8000000\r\n\r\n{",
                           heads[i]);
        STORY_EXPECT(w, stream_write_all(c.stream, &(struct iovec){ head, (size_t) len }, 1) == 0);
        DEADLINE(soon, 1000);
        STORY_EXPECT(w, stream_read(c.stream, (uint8_t *) answer, 13) == 13);
        STORY_EXPECT(w, strcmp(answer, answers[i]) == 0);
    }
    return 0;
}

static void without_a_key_no_body_is_read(void **state) {
    assert_null(world_run(&one, keyless, NULL));
}

/* ---- callers who go away ---- */

static int gone(struct world *w, void *arg) {
    const char *text;
    for (int i = 0; i < 20; i++) {
        struct caller c CLEANUP(hang_up);
        struct buffer body = BUFFER_INIT;
        STORY_EXPECT(w, dial(w, (unsigned) i % WORKERS, &c) == 0);
        for (int k = 0; k < 20; k++)
            buffer_printf(
                    &body,
                    "{\"method\":\"publish\",\"params\":{\"channel\":\"kept:gone\",\"data\":%d,"
                    "\"idempotency_key\":\"%d-%d\"}}\n",
                    k, i, k);
        STORY_EXPECT(w, say(&c, "/api", buffer_bytes(&body)) == 0);
        buffer_finish(&body);
        for (int k = 0; k < i % 4; k++)
            (void) task_yield();
        stream_pair_cut(c.stream);
    }
    (void) task_sleep(1000);
    /* Whatever of them was read was done as a whole. */
    struct caller c CLEANUP(hang_up);
    STORY_EXPECT(w, dial(w, 0, &c) == 0);
    STORY_EXPECT(w, ask(&c, "/api/history", &text, "{'channel':'kept:gone','limit':0}") == 0);
    const char *offset = strstr(text, "\"offset\":");
    STORY_EXPECT(w, offset && strtoul(offset + 9, NULL, 10) % 20 == 0);
    return 0;
}

static void a_caller_who_goes_away_leaves_nothing_half_done(void **state) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world_options o = three;
        o.seed = seed;
        const char *why = world_run(&o, gone, NULL);
        if (why)
            fail_msg("seed %llu: %s", (unsigned long long) seed, why);
    }
}

/* ---- everybody at once ---- */

struct restless {
    struct world *world;
    unsigned index;
};

static int come_and_go(void *arg) {
    struct restless *r = arg;
    for (int i = 0; i < 6; i++) {
        struct peer *p = peer_open(r->world, NULL);
        if (!p)
            return -EPIPE;
        peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                 world_token(r->world, "{\"sub\":\"u%u\"}", r->index % 3));
        for (int k = 0; k < 5; k++)
            (void) peer_hear(p, 20 * (1 + (int64_t) loop_random_below(5)));
        peer_close(p);
    }
    return 0;
}

static int order_about(void *arg) {
    struct restless *r = arg;
    struct caller c CLEANUP(hang_up);
    const char *text = NULL;
    int e = dial(r->world, r->index % WORKERS, &c);

    for (int i = 0; i < 30 && e == 0; i++) {
        unsigned user = (unsigned) loop_random_below(3);
        switch (loop_random_below(6)) {
        case 0:
            e = ask(&c, "/api/subscribe", &text, "{'user':'u%u','channel':'kept:%u'}", user,
                    (unsigned) loop_random_below(4));
            break;
        case 1:
            e = ask(&c, "/api/unsubscribe", &text, "{'user':'u%u','channel':''}", user);
            break;
        case 2:
            e = ask(&c, "/api/disconnect", &text,
                    "{'user':'u%u','disconnect':{'code':4000,'reason':'go'}}", user);
            break;
        case 3:
            e = ask(&c, "/api/refresh", &text, "{'user':'u%u','expire_at':%lld}", user,
                    (long long) world_now_s() + 1000);
            break;
        case 4:
            e = ask(&c, "/api/batch", &text,
                    "{'parallel':true,'commands':[{'connections':{}},{'channels':{}},{'info':{}},"
                    "{'publish':{'channel':'kept:1','data':1}}]}");
            if (e == 0 && !text_matches(text, "{\"replies\":[{\"connections\":*},{\"channels\":*},"
                                              "{\"info\":*},{\"publish\":*}]}"))
                e = -EBADMSG;
            break;
        default:
            e = ask(&c, "/api/publish", &text, "{'channel':'kept:%u','data':1}",
                    (unsigned) loop_random_below(4));
        }
        if (e == 0 && strstr(text, "\"error\""))
            e = -EBADMSG;
    }
    return e;
}

static int storm(struct world *w, void *arg) {
    enum { CLIENTS = 6, ORDERERS = 4 };
    struct restless all[CLIENTS + ORDERERS];
    GROUP(tasks);
    for (unsigned i = 0; i < ELEMENTS_OF(all); i++) {
        all[i] = (struct restless){ .world = w, .index = i };
        STORY_EXPECT(w, group_spawn(&tasks, "restless", i < CLIENTS ? come_and_go : order_about,
                                    &all[i]) == 0);
    }
    STORY_EXPECT(w, group_wait(&tasks) == 0);
    return 0;
}

static void orders_and_clients_who_come_and_go_get_along(void **state) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world_options o = three;
        o.seed = seed;
        const char *why = world_run(&o, storm, NULL);
        if (why)
            fail_msg("seed %llu: %s", (unsigned long long) seed, why);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_carries_many_requests),
        cmocka_unit_test(without_a_key_no_body_is_read),
        cmocka_unit_test(answers_and_effects_are_in_order),
        cmocka_unit_test(a_caller_who_goes_away_leaves_nothing_half_done),
        cmocka_unit_test(orders_and_clients_who_come_and_go_get_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
