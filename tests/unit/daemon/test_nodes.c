/* Two daemons that share an engine, on one virtual loop: whatever is asked of one holds for the
 * clients of both. */
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
#include "daemon/keys/denial.h"
#include "daemon/node/desk.h"
#include "daemon/session/single.h"
#include "daemon/worker_thread.h"
#include "protocol/http.h"
#include "tests/support/bus.h"
#include "tests/support/world.h"

#define COMMON                                                                                     \
    "http_api: {key: k}\n"                                                                         \
    "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s, "                 \
    "allowed_origins: ['*']}\n"                                                                    \
    "http_stream: {enabled: true}\n"                                                               \
    "channel:\n  namespaces:\n"                                                                    \
    "    - {name: kept, history_size: 100, history_ttl: 600s, force_recovery: true, "              \
    "force_positioning: true, presence: true, join_leave: true, force_push_join_leave: true, "     \
    "allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true}\n"                     \
    "    - {name: open, allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true}\n"

/* What a story has: two nodes, "a" and "b". */
struct cluster {
    struct world *w; /* that they belong to */
    struct bus *bus;
    struct world *a, *b;
    struct world_options options[2];
};

static bool cluster_open(struct world *w, const char *more, struct cluster *ret) {
    static char config[2][2048];
    *ret = (struct cluster){ .w = w };
    if (bus_open(&w->bus) < 0)
        return false;
    ret->bus = w->bus;
    for (int i = 0; i < 2; i++) {
        (void) snprintf(config[i], sizeof config[i], "node: {name: %c}\n%s", 'a' + i, more);
        ret->options[i] = (struct world_options){ .config = config[i], .bus = w->bus };
    }
    ret->a = world_open_another(w, &ret->options[0]);
    ret->b = ret->a ? world_open_another(w, &ret->options[1]) : NULL;
    return ret->b;
}

#define OPEN(w, c) STORY_EXPECT(w, cluster_open(w, COMMON, &(c)))

/* ---- a caller of the server API, and of other paths ---- */

struct answer {
    int status;
    char body[8192];
};

/* One request on a connection of its own. */
static bool post(struct world *w, const char *path, const char *body, struct answer *ret) {
    struct stream *mine, *theirs;
    char request[4096];
    size_t n = 0;
    DEADLINE(patience, 60000);
    static char raw[sizeof ret->body + 1024];

    if (stream_pair(65536, &mine, &theirs) < 0)
        return false;
    if (daemon_accept(w->daemon, 0, theirs) < 0) {
        stream_close(theirs);
        stream_close(mine);
        return false;
    }
    int len = snprintf(request, sizeof request,
                       "POST %s HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nConnection: "
                       "close\r\nContent-Length: %zu\r\n\r\n%s",
                       path, strlen(body), body);
    int r = stream_write_all(mine, &(struct iovec){ request, (size_t) len }, 1);
    char *text = malloc(sizeof raw);
    while (r == 0 && text && n + 1 < sizeof raw) {
        ssize_t got = stream_read(mine, text + n, sizeof raw - 1 - n);
        if (got <= 0)
            break;
        n += (size_t) got;
    }
    stream_close(mine);
    if (!text)
        return false;
    text[n] = '\0';
    char *end = strstr(text, "\r\n\r\n");
    ret->status = n > 12 ? atoi(text + 9) : 0;
    (void) snprintf(ret->body, sizeof ret->body, "%s", end ? end + 4 : "");
    free(text);
    return ret->status > 0;
}

/* Calls a method; ' stands for ". The answer's body, good until the next call. */
__attribute__((format(printf, 3, 4))) static const char *call(struct world *w, const char *method,
                                                              const char *format, ...) {
    static struct answer answer;
    char path[64], body[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(body, sizeof body, format, args);
    va_end(args);
    for (int i = 0; i < len; i++)
        body[i] = body[i] == '\'' ? '"' : body[i];
    (void) snprintf(path, sizeof path, "/api/%s", method);
    return post(w, path, body, &answer) ? answer.body : "no answer";
}

static bool says(const char *text, const char *pattern) {
    char wanted[1024];
    size_t n = 0;
    for (; pattern[n] && n + 1 < sizeof wanted; n++)
        wanted[n] = pattern[n] == '\'' ? '"' : pattern[n];
    wanted[n] = '\0';
    if (text_matches(text, wanted))
        return true;
    (void) fprintf(stderr, "expected %s\nbut heard %s\n", wanted, text);
    return false;
}

static struct peer *user_of(struct world *w, const char *user) {
    struct peer *p = peer_open(w, NULL);
    if (!p)
        return NULL;
    peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
             world_token(w, "{\"sub\":\"%s\",\"jti\":\"t-%s\",\"iat\":%lld}", user, user,
                         (long long) world_now_s()));
    return p;
}

static struct node_stats stats_of(const struct world *w) {
    struct node_stats s;
    node_desk_stats(w->daemon, &s);
    return s;
}

/* ---- what is done to connections ---- */

static int orders(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    struct peer *p = user_of(c.b, "u");
    HEARS(p, "{\"id\":1,\"connect\":*");
    STORY_EXPECT(w,
                 says(call(c.a, "subscribe", "{'user':'u','channel':'open:x'}"), "{'result':{}}"));
    HEARS(p, "*\"channel\":\"open:x\",\"subscribe\"*");
    STORY_EXPECT(w, says(call(c.a, "publish", "{'channel':'open:x','data':1}"), "{'result':{*"));
    HEARS(p, "*\"channel\":\"open:x\",\"pub\":{\"data\":1*");
    STORY_EXPECT(
            w, says(call(c.a, "unsubscribe", "{'user':'u','channel':'open:x'}"), "{'result':{}}"));
    HEARS(p, "*\"channel\":\"open:x\",\"unsubscribe\":{\"code\":2000*");
    STORY_EXPECT(w, says(call(c.a, "refresh", "{'user':'u','expire_at':%lld}",
                              (long long) world_now_s() + 1000),
                         "{'result':{}}"));
    HEARS(p, "*\"refresh\":{\"expires\":true,\"ttl\":1000}*");
    STORY_EXPECT(w, says(call(c.a, "disconnect",
                              "{'user':'u','disconnect':{'code':4123,'reason':"
                              "'go'}}"),
                         "{'result':{}}"));
    HEARS(p, "close 4123 go");
    struct node_stats s = stats_of(c.a);
    STORY_EXPECT(w, s.others == 1 && s.questions == 4 && s.unanswered == 0 && s.damaged == 0);
    return 0;
}

static void an_order_reaches_the_connections_of_every_node(void **state) {
    assert_null(world_run(NULL, orders, NULL));
}

/* A limit that only the other node runs into is the answer's error. */
static int refused_elsewhere(struct world *w, void *arg) {
    struct cluster c;
    STORY_EXPECT(w, cluster_open(w, COMMON, &c));
    STORY_EXPECT(w, world_configure(c.b, "http_api: {key: k}\nclient: {channel_limit: 1}\n"
                                         "channel: {namespaces: [{name: open}]}\n") == 0);
    struct peer *p = user_of(c.b, "u");
    HEARS(p, "{\"id\":1,\"connect\":*");
    STORY_EXPECT(w,
                 says(call(c.a, "subscribe", "{'user':'u','channel':'open:1'}"), "{'result':{}}"));
    HEARS(p, "*\"subscribe\"*");
    STORY_EXPECT(w, says(call(c.a, "subscribe", "{'user':'u','channel':'open:2'}"),
                         "{'error':{'code':106,*"));
    return 0;
}

static void what_another_node_refuses_is_the_answer(void **state) {
    assert_null(world_run(NULL, refused_elsewhere, NULL));
}

/* ---- what nodes have together ---- */

static int lists(struct world *w, void *arg) {
    struct cluster c;
    struct peer *all[4];
    OPEN(w, c);
    for (int i = 0; i < 4; i++) {
        char user[16];
        (void) snprintf(user, sizeof user, "u%d", i);
        all[i] = user_of(i % 2 ? c.b : c.a, user);
        HEARS(all[i], "{\"id\":1,\"connect\":*");
        peer_say(all[i], "{\"id\":2,\"subscribe\":{\"channel\":\"open:%s\"}}",
                 i < 2    ? "both"
                 : i == 2 ? "here"
                          : "\\\"q");
        HEARS(all[i], "{\"id\":2,\"subscribe\":*");
    }
    const char *text = call(c.a, "channels", "{}");
    STORY_EXPECT(w, says(text, "{'result':{'channels':{*") &&
                            strstr(text, "\"open:both\":{\"num_clients\":2}") &&
                            strstr(text, "\"open:here\":{\"num_clients\":1}") &&
                            strstr(text, "\"open:\\\"q\":{\"num_clients\":1}"));
    STORY_EXPECT(w, says(call(c.b, "channels", "{'pattern':'open:h*'}"),
                         "{'result':{'channels':{'open:here':{'num_clients':1}}}}"));
    text = call(c.a, "info", "{}");
    STORY_EXPECT(w, says(text, "{'result':{'nodes':[{'uid':'*','name':'a',*'num_clients':2,*},"
                               "{'uid':'*','name':'b',*'num_clients':2,*}]}}"));
    STORY_EXPECT(w, strstr(text, c.a->daemon->node_id) && strstr(text, c.b->daemon->node_id));
    return 0;
}

static void lists_are_of_all_nodes(void **state) {
    assert_null(world_run(NULL, lists, NULL));
}

enum { CLIENTS = 7 };

static int pages(struct world *w, void *arg) {
    const int *here = arg; /* every so many of them are on a */
    struct cluster c;
    OPEN(w, c);
    for (int i = 0; i < CLIENTS; i++) {
        char user[16];
        (void) snprintf(user, sizeof user, "u%d", i);
        struct peer *p = user_of(i % *here ? c.b : c.a, user);
        HEARS(p, "{\"id\":1,\"connect\":*");
    }
    for (int limit = 1; limit <= CLIENTS + 1; limit++) {
        char cursor[64] = "", before[64] = "";
        int seen = 0;
        for (int turn = 0; turn == 0 || cursor[0]; turn++) {
            const char *text = call(limit % 2 ? c.a : c.b, "connections",
                                    "{'limit':%d,'cursor':'%s'}", limit, cursor);
            STORY_EXPECT(w, says(text, "{'result':{'connections':{*}*}}"));
            int listed = 0;
            const char *at = text;
            while ((at = strstr(at, ":{\"transport\":"))) {
                /* the client id, in quotes, stands before */
                char id[64];
                const char *end = at - 1, *begin = end - 1;
                while (*begin != '"')
                    begin--;
                (void) snprintf(id, sizeof id, "%.*s", (int) (end - begin - 1), begin + 1);
                STORY_EXPECT(w, strcmp(before, id) < 0);
                (void) snprintf(before, sizeof before, "%s", id);
                listed++;
                at++;
            }
            STORY_EXPECT(w, listed <= limit);
            seen += listed;
            const char *next = strstr(text, "\"cursor\":\"");
            (void) snprintf(cursor, sizeof cursor, "%.*s",
                            next ? (int) strcspn(next + 10, "\"") : 0, next ? next + 10 : "");
            STORY_EXPECT(w, !cursor[0] || strcmp(cursor, before) == 0);
            STORY_EXPECT(w, turn < 20);
        }
        STORY_EXPECT(w, seen == CLIENTS);
    }
    return 0;
}

static void pages_of_connections_are_merged_in_order(void **state) {
    for (int here = 1; here <= CLIENTS + 1; here += here)
        assert_null(world_run(NULL, pages, &here));
}

/* ---- who is kept out ---- */

static int denials(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    struct peer *blocked = user_of(c.b, "u"), *revoked = user_of(c.b, "v"),
                *old = user_of(c.b, "x"), *again;
    HEARS(blocked, "{\"id\":1,\"connect\":*");
    HEARS(revoked, "{\"id\":1,\"connect\":*");
    HEARS(old, "{\"id\":1,\"connect\":*");
    STORY_EXPECT(w, says(call(c.a, "block_user", "{'user':'u'}"), "{'result':{}}"));
    HEARS(blocked, "close 3507 *");
    again = peer_open(c.b, &(struct peer_options){ .worker = -1, .may_be_refused = true });
    peer_say(again, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
             world_token(c.b, "{\"sub\":\"u\"}"));
    HEARS(again, "close 3507 *");
    STORY_EXPECT(w, says(call(c.a, "unblock_user", "{'user':'u'}"), "{'result':{}}"));
    again = user_of(c.b, "u");
    HEARS(again, "{\"id\":1,\"connect\":*");
    STORY_EXPECT(w, says(call(c.a, "revoke_token", "{'uid':'t-v'}"), "{'result':{}}"));
    HEARS(revoked, "close 3005 *");
    (void) task_sleep(2000);
    STORY_EXPECT(w, says(call(c.a, "invalidate_user_tokens", "{'user':'x'}"), "{'result':{}}"));
    HEARS(old, "close 3005 *");
    /* Which tokens: by the clock of the one that was asked. */
    char wanted[64];
    (void) snprintf(wanted, sizeof wanted, "\"issued_before\":%lld,", (long long) world_now_s());
    bus_silence(c.bus, c.b->daemon, true);
    (void) call(c.a, "invalidate_user_tokens", "{'user':'x'}");
    struct bytes sent = bus_last(c.bus);
    STORY_EXPECT(w, memmem(sent.data, sent.len, wanted, strlen(wanted)));
    return 0;
}

static void who_is_denied_is_put_out_of_every_node(void **state) {
    assert_null(world_run(NULL, denials, NULL));
}

struct burial {
    struct cluster *c;
    int64_t after_ms;
};

static int bury_later(void *arg) {
    struct burial *b = arg;
    int r = task_sleep(b->after_ms);
    if (r == 0)
        bus_bury(b->c->bus, b->c->b->daemon);
    return r;
}

/* ---- emulation ---- */

static int emulation(struct world *w, void *arg) {
    struct cluster c;
    struct answer answer;
    struct stream *mine, *theirs;
    char text[4096] = "", body[1024];
    size_t n = 0;
    static const char request[] =
            "POST /connection/http_stream HTTP/1.1\r\nHost: a\r\nContent-Length: 23\r\n\r\n"
            "{\"id\":1,\"connect\":{  }}";
    OPEN(w, c);
    STORY_EXPECT(w, stream_pair(65536, &mine, &theirs) == 0);
    STORY_EXPECT(w, daemon_accept(c.b->daemon, 0, theirs) == 0);
    int r = stream_write_all(
            mine, &(struct iovec){ (void *) (uintptr_t) request, sizeof request - 1 }, 1);
    while (r == 0 && !strstr(text, "\"node\":\"")) {
        ssize_t got = stream_read(mine, text + n, sizeof text - 1 - n);
        r = got <= 0 ? -EPIPE : 0;
        n += got > 0 ? (size_t) got : 0;
    }
    const char *session = r == 0 ? strstr(text, "\"session\":\"") : NULL;
    bool is_good = session;
    if (is_good) {
        (void) snprintf(body, sizeof body,
                        "{\"session\":\"%.*s\",\"node\":\"%s\",\"data\":\"{\\\"id\\\":7,"
                        "\\\"subscribe\\\":{\\\"channel\\\":\\\"open:e\\\"}}\"}",
                        (int) strcspn(session + 11, "\""), session + 11, c.b->daemon->node_id);
        is_good = post(c.a, "/emulation", body, &answer) && answer.status == 204;
    }
    {
        DEADLINE(patience, 5000);
        while (is_good && !strstr(text, "\"id\":7,\"subscribe\"")) {
            ssize_t got = stream_read(mine, text + n, sizeof text - 1 - n);
            is_good = got > 0;
            n += got > 0 ? (size_t) got : 0;
        }
    }
    stream_close(mine);
    STORY_EXPECT(w, is_good);
    /* A session that is not there, as on one node; a node that is not; one that does not answer. */
    (void) snprintf(body, sizeof body, "{\"session\":\"none\",\"node\":\"%s\",\"data\":\"{}\"}",
                    c.b->daemon->node_id);
    STORY_EXPECT(w, post(c.a, "/emulation", body, &answer) && answer.status == 204);
    STORY_EXPECT(w, post(c.a, "/emulation", "{\"session\":\"s\",\"node\":\"n\",\"data\":\"{}\"}",
                         &answer) &&
                            answer.status == 404);
    bus_silence(c.bus, c.b->daemon, true);
    STORY_EXPECT(w, post(c.a, "/emulation", body, &answer) && answer.status == 503);
    (void) task_sleep(16000); /* it is long ago that it said hello */
    struct burial later = { &c, 500 };
    GROUP(tasks);
    STORY_EXPECT(w, group_spawn(&tasks, "bury", bury_later, &later) == 0);
    STORY_EXPECT(w, post(c.a, "/emulation", body, &answer) && answer.status == 404);
    STORY_EXPECT(w, post(c.a, "/emulation", body, &answer) && answer.status == 404);
    return 0;
}

static void what_a_client_posts_finds_its_session_on_another_node(void **state) {
    assert_null(world_run(NULL, emulation, NULL));
}

/* ---- one connection of a user ---- */

#define ONLY                                                                                       \
    "http_api: {key: k}\n"                                                                         \
    "client: {subscribe_to_user_personal_channel: {enabled: true, single_connection: true}}\n"

static int single(struct world *w, void *arg) {
    struct cluster c;
    STORY_EXPECT(w, cluster_open(w, ONLY, &c));
    struct peer *first = user_of(c.b, "u");
    HEARS(first, "{\"id\":1,\"connect\":*");
    struct peer *other = user_of(c.b, "v");
    HEARS(other, "{\"id\":1,\"connect\":*");
    struct peer *second = user_of(c.a, "u");
    HEARS(second, "{\"id\":1,\"connect\":*");
    HEARS(first, "close 3504 *");
    struct peer *third = user_of(c.b, "u");
    HEARS(third, "{\"id\":1,\"connect\":*");
    HEARS(second, "close 3504 *");
    STORY_EXPECT(w, strcmp(peer_hear(third, 1000), "nothing") == 0);
    STORY_EXPECT(w, strcmp(peer_hear(other, 1000), "nothing") == 0);
    return 0;
}

static void a_new_connection_ends_those_on_other_nodes(void **state) {
    assert_null(world_run(NULL, single, NULL));
}

/* Both come in one instant: exactly one stays, whichever. */
static int single_at_once(struct world *w, void *arg) {
    struct cluster c;
    STORY_EXPECT(w, cluster_open(w, ONLY, &c));
    for (int i = 0; i < 5; i++) {
        struct peer *both[2] = { peer_open(c.a, NULL), peer_open(c.b, NULL) };
        for (int k = 0; k < 2; k++)
            peer_say(both[k], "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                     world_token(k ? c.b : c.a, "{\"sub\":\"u\"}"));
        int ended = 0;
        for (int k = 0; k < 2; k++) {
            HEARS(both[k], "{\"id\":1,\"connect\":*");
            ended += text_matches(peer_hear(both[k], 1000), "close 3504 *");
        }
        STORY_EXPECT(w, ended == 1);
        peer_close(both[0]);
        peer_close(both[1]);
    }
    return 0;
}

static void of_two_that_come_at_once_one_stays(void **state) {
    for (uint64_t seed = 0; seed < 8; seed++)
        assert_null(world_run(&(struct world_options){ .seed = seed }, single_at_once, NULL));
}

/* A node whose clock is behind numbers on from what it has heard. */
static int clocks(struct world *w, void *arg) {
    struct cluster c;
    STORY_EXPECT(w, cluster_open(w, ONLY, &c));
    c.a->daemon->entered = (uint64_t) loop_wall_ms() + 3600 * 1000;
    struct peer *first = user_of(c.a, "u");
    HEARS(first, "{\"id\":1,\"connect\":*");
    (void) task_sleep(100);
    struct peer *second = user_of(c.b, "u");
    HEARS(second, "{\"id\":1,\"connect\":*");
    HEARS(first, "close 3504 *");
    STORY_EXPECT(w, strcmp(peer_hear(second, 1000), "nothing") == 0);
    return 0;
}

static void wrong_clocks_do_not_keep_the_older_one(void **state) {
    assert_null(world_run(NULL, clocks, NULL));
}

/* ---- nodes that do not answer ---- */

static int silence(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    bus_silence(c.bus, c.b->daemon, true);
    int64_t from = loop_now();
    STORY_EXPECT(w, says(call(c.a, "disconnect", "{'user':'u'}"),
                         "{'error':{'code':100,'message':'*node b did not answer in time'}}"));
    STORY_EXPECT(w, loop_now() - from >= 3000 && loop_now() - from < 3500);
    STORY_EXPECT(w, says(call(c.a, "channels", "{}"), "{'error':{'code':100,*node b*"));
    STORY_EXPECT(w, says(call(c.a, "connections", "{}"), "{'error':{'code':100,*node b*"));
    STORY_EXPECT(w, says(call(c.a, "info", "{}"),
                         "{'result':{'nodes':[{*'name':'a',*},{'uid':'*','name':'b','version':'1',"
                         "'unanswered':true}]}}"));
    struct node_stats s = stats_of(c.a);
    STORY_EXPECT(w, s.questions == 4 && s.unanswered == 4);
    bus_silence(c.bus, c.b->daemon, false);
    STORY_EXPECT(w, says(call(c.a, "channels", "{}"), "{'result':{'channels':{}}}"));
    return 0;
}

static void a_node_that_does_not_answer_is_named(void **state) {
    assert_null(world_run(NULL, silence, NULL));
}

static int leaving(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    (void) task_sleep(16000); /* it is long ago that it said hello */
    struct burial later = { &c, 1000 };
    bus_silence(c.bus, c.b->daemon, true);
    GROUP(tasks);
    STORY_EXPECT(w, group_spawn(&tasks, "bury", bury_later, &later) == 0);
    int64_t from = loop_now();
    STORY_EXPECT(w, says(call(c.a, "disconnect", "{'user':'u'}"), "{'result':{}}"));
    STORY_EXPECT(w, loop_now() - from >= 1000 && loop_now() - from <= 1000 + 2 * NODE_LOOK_MS);
    STORY_EXPECT(w, says(call(c.a, "info", "{}"), "{'result':{'nodes':[{*'name':'a',*}]}}"));
    STORY_EXPECT(w, stats_of(c.a).others == 0 && stats_of(c.a).unanswered == 0);
    return 0;
}

static void a_node_that_leaves_is_not_waited_for(void **state) {
    assert_null(world_run(NULL, leaving, NULL));
}

/* The engine's lists lag behind: what nodes say of themselves counts. */
static int lagging(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    bus_freeze_lists(c.bus);
    struct world_options third = c.options[1];
    struct world *late = world_open_another(w, &third);
    STORY_EXPECT(w, late);
    struct peer *p = user_of(late, "u");
    HEARS(p, "{\"id\":1,\"connect\":*");
    STORY_EXPECT(w, says(call(c.a, "info", "{}"),
                         "{'result':{'nodes':[{*'name':'a',*},{*'name':'b',*},{*'name':'b',*"
                         "'num_clients':1,*}]}}"));
    STORY_EXPECT(w, says(call(c.a, "disconnect", "{'user':'u'}"), "{'result':{}}"));
    HEARS(p, "close 3503 *");
    world_close_another(w, late);
    world_close_another(w, c.b);
    int64_t from = loop_now();
    STORY_EXPECT(w, says(call(c.a, "info", "{}"), "{'result':{'nodes':[{*'name':'a',*}]}}"));
    STORY_EXPECT(w, loop_now() - from < 100 && stats_of(c.a).others == 0);
    return 0;
}

static void who_comes_and_goes_says_so(void **state) {
    assert_null(world_run(NULL, lagging, NULL));
}

struct closing {
    struct cluster *c;
    int round;
};

static int close_later(void *arg) {
    struct closing *b = arg;
    for (int i = 0; i < b->round; i++)
        (void) task_yield();
    world_close_another(b->c->w, b->c->b);
    return 0;
}

/* Whenever it goes while it is being asked, both get on. */
static int closing(struct world *w, void *arg) {
    const int *round = arg;
    struct cluster c;
    OPEN(w, c);
    struct peer *p = user_of(c.b, "u");
    HEARS(p, "{\"id\":1,\"connect\":*");
    struct closing later = { &c, *round };
    GROUP(tasks);
    STORY_EXPECT(w, group_spawn(&tasks, "close", close_later, &later) == 0);
    STORY_EXPECT(w, says(call(c.a, "unsubscribe", "{'user':'u','channel':''}"), "{*}"));
    STORY_EXPECT(w, group_wait_all(&tasks) == 0);
    STORY_EXPECT(w, says(call(c.a, "unsubscribe", "{'user':'u','channel':''}"), "{'result':{}}"));
    return 0;
}

static void a_node_may_close_while_it_is_asked(void **state) {
    for (int round = 0; round < 40; round++)
        assert_null(
                world_run(&(struct world_options){ .seed = (uint64_t) round }, closing, &round));
}

/* Without a line to the others what is here is done all the same. */
static int cut_off(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    struct peer *p = user_of(c.a, "u");
    HEARS(p, "{\"id\":1,\"connect\":*");
    bus_break(c.bus, c.a->daemon, true);
    int64_t from = loop_now();
    STORY_EXPECT(w, says(call(c.a, "disconnect", "{'user':'u'}"),
                         "{'error':{'code':100,*node b could not be asked: see /health'}}"));
    HEARS(p, "close 3503 *");
    STORY_EXPECT(w,
                 says(call(c.a, "info", "{}"),
                      "{'result':{'nodes':[{*'name':'a',*},{*'name':'b',*'unanswered':true}]}}"));
    STORY_EXPECT(w, loop_now() - from < 100 && stats_of(c.a).unsent == 2);
    return 0;
}

static void a_node_that_is_cut_off_does_what_it_can(void **state) {
    assert_null(world_run(NULL, cut_off, NULL));
}

/* The asker goes: the answer finds nobody. */
static int asker_goes(struct world *w, void *arg) {
    const int *round = arg;
    struct cluster c;
    struct stream *mine, *theirs;
    static const char request[] = "POST /api/channels HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\n"
                                  "Content-Length: 2\r\n\r\n{}";
    OPEN(w, c);
    STORY_EXPECT(w, stream_pair(65536, &mine, &theirs) == 0);
    STORY_EXPECT(w, daemon_accept(c.a->daemon, 0, theirs) == 0);
    int r = stream_write_all(
            mine, &(struct iovec){ (void *) (uintptr_t) request, sizeof request - 1 }, 1);
    for (int i = 0; i < *round; i++)
        (void) task_yield();
    stream_close(mine);
    STORY_EXPECT(w, r == 0);
    world_close_another(w, c.a);
    (void) task_sleep(100);
    STORY_EXPECT(w, says(call(c.b, "channels", "{}"), "{'result':{'channels':{}}}"));
    return 0;
}

static void an_asker_may_go_before_the_answer(void **state) {
    for (int round = 0; round < 40; round++)
        assert_null(
                world_run(&(struct world_options){ .seed = (uint64_t) round }, asker_goes, &round));
}

/* ---- messages that are not as they should be ---- */

static int forge(struct cluster *c, const struct world *to, const struct node_message *m) {
    struct buffer out = BUFFER_INIT;
    node_message_encode(m, &out);
    int r = buffer_error(&out);
    if (r == 0)
        r = bus_forge(c->bus, str_of(c->a->daemon->node_id), to->daemon, buffer_bytes(&out));
    buffer_finish(&out);
    return r;
}

static int strange(struct world *w, void *arg) {
    static const struct {
        const char *bytes;
        size_t len;
    } DAMAGED[] = {
        { "", 0 },
        { "\x05\x08", 2 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10 },
        { "\x02\x08\x02", 3 } /* version 2 */,
        { "\x01\x0a", 2 },
        { "{}", 2 },
    };
    struct cluster c;
    OPEN(w, c);
    for (size_t i = 0; i < ELEMENTS_OF(DAMAGED); i++)
        STORY_EXPECT(w, bus_forge(c.bus, str_of(c.a->daemon->node_id), c.b->daemon,
                                  bytes_of(DAMAGED[i].bytes, DAMAGED[i].len)) == 0);
    /* of a later version: a question is answered, an order is passed over */
    STORY_EXPECT(w, forge(&c, c.b, &(struct node_message){ .kind = 99, .id = 77 }) == 0);
    STORY_EXPECT(w, forge(&c, c.b, &(struct node_message){ .kind = 98 }) == 0);
    /* nobody waits for these */
    STORY_EXPECT(w, forge(&c, c.b, &(struct node_message){ .kind = NODE_ANSWER, .id = 5 }) == 0);
    (void) task_sleep(100);
    struct node_stats b = stats_of(c.b), a = stats_of(c.a);
    STORY_EXPECT(w, b.received == ELEMENTS_OF(DAMAGED) + 3 && b.damaged == ELEMENTS_OF(DAMAGED));
    STORY_EXPECT(w, b.unknown == 2 && b.late == 1 && b.sent == 2 && b.dropped == 0);
    STORY_EXPECT(w, a.received == 2 && a.late == 1); /* a hello, and that */
    /* a method there is not, one that is no node's, parameters that are none */
    STORY_EXPECT(w, forge(&c, c.b,
                          &(struct node_message){ .kind = NODE_ASK_API,
                                                  .id = 1,
                                                  .name = STR("publish"),
                                                  .body = str_bytes(STR("{}")) }) == 0);
    STORY_EXPECT(w, forge(&c, c.b,
                          &(struct node_message){ .kind = NODE_ASK_API,
                                                  .id = 2,
                                                  .name = STR("disconnect"),
                                                  .body = str_bytes(STR("{")) }) == 0);
    STORY_EXPECT(w, forge(&c, c.b, &(struct node_message){ .kind = NODE_ORDER_SINGLE }) == 0);
    (void) task_sleep(100);
    STORY_EXPECT(w, stats_of(c.b).sent == 4);
    STORY_EXPECT(w, says(call(c.a, "channels", "{}"), "{'result':{'channels':{}}}"));
    return 0;
}

static void damaged_and_unknown_messages_are_counted(void **state) {
    assert_null(world_run(NULL, strange, NULL));
}

/* Where b is of an older version, which knows no such method. */
static int older(struct world *w, void *arg) {
    struct cluster c;
    struct node_answers answers;
    OPEN(w, c);
    struct worker *asker = &c.a->daemon->threads[0].worker;
    STORY_EXPECT(w, node_survey(asker,
                                &(struct node_question){ .kind = NODE_ASK_API,
                                                         .name = STR("no_such_method") },
                                &answers) == 0);
    STORY_EXPECT(w, answers.n == 1 && answers.items[0].result == NODE_DOES_NOT_KNOW);
    STORY_EXPECT(w, str_equal(answers.items[0].name, STR("b")));
    node_answers_finish(&answers);
    STORY_EXPECT(w, node_survey(asker, &(struct node_question){ .kind = 1234 }, &answers) == 0);
    STORY_EXPECT(w, answers.n == 1 && answers.items[0].result == NODE_DOES_NOT_KNOW);
    node_answers_finish(&answers);
    STORY_EXPECT(w, node_ask(asker, STR("nobody"), &(struct node_question){ .kind = 1234 },
                             &answers) == -ENOENT);
    return 0;
}

static void an_older_version_says_what_it_does_not_know(void **state) {
    assert_null(world_run(NULL, older, NULL));
}

/* ---- a line to Redis that was broken ---- */

static int broken(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    struct peer *p = user_of(c.b, "u");
    HEARS(p, "{\"id\":1,\"connect\":*");
    peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"kept:x\"}}");
    HEARS(p, "{\"id\":2,\"subscribe\":*");
    HEARS(p, "*\"join\"*");
    STORY_EXPECT(w, says(call(c.a, "publish", "{'channel':'kept:x','data':1}"), "{'result':{*"));
    HEARS(p, "*\"pub\":{\"data\":1,\"offset\":1*");
    bus_break(c.bus, c.b->daemon, true);
    STORY_EXPECT(w, says(call(c.a, "publish", "{'channel':'kept:x','data':2}"), "{'result':{*"));
    STORY_EXPECT(w, strcmp(peer_hear(p, 5000), "nothing") == 0);
    int64_t from = loop_now();
    bus_break(c.bus, c.b->daemon, false);
    HEARS(p, "*\"unsubscribe\":{\"code\":2500*");
    STORY_EXPECT(w, loop_now() - from < 100);
    STORY_EXPECT(w, stats_of(c.b).missed == 1);
    return 0;
}

static void who_missed_something_hears_of_it_at_once(void **state) {
    assert_null(world_run(NULL, broken, NULL));
}

/* What others denied meanwhile, and what they took back, holds as soon as it can be read. */
static int missed_denials(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    STORY_EXPECT(w, says(call(c.a, "block_user", "{'user':'freed'}"), "{'result':{}}"));
    struct peer *blocked = user_of(c.b, "u"), *revoked = user_of(c.b, "v"),
                *old = user_of(c.b, "x"), *stays = user_of(c.b, "y");
    HEARS(blocked, "{\"id\":1,\"connect\":*");
    HEARS(revoked, "{\"id\":1,\"connect\":*");
    HEARS(old, "{\"id\":1,\"connect\":*");
    HEARS(stays, "{\"id\":1,\"connect\":*");
    bus_break(c.bus, c.b->daemon, true);
    (void) call(c.a, "block_user", "{'user':'u'}");
    (void) call(c.a, "revoke_token", "{'uid':'t-v'}");
    (void) call(c.a, "invalidate_user_tokens", "{'user':'x'}");
    STORY_EXPECT(w, says(call(c.a, "unblock_user", "{'user':'freed'}"),
                         "{'error':{'code':100,*did not answer in time*"));
    STORY_EXPECT(w, strcmp(peer_hear(blocked, 1000), "nothing") == 0);
    STORY_EXPECT(w, denial_is_user_blocked(c.b->daemon, STR("freed")));
    bus_break(c.bus, c.b->daemon, false);
    HEARS(blocked, "close 3507 *");
    HEARS(revoked, "close 3005 *");
    HEARS(old, "close 3005 *");
    STORY_EXPECT(w, !denial_is_user_blocked(c.b->daemon, STR("freed")));
    STORY_EXPECT(w, strcmp(peer_hear(stays, 1000), "nothing") == 0);
    return 0;
}

static void denials_that_were_missed_are_read_again(void **state) {
    assert_null(world_run(NULL, missed_denials, NULL));
}

/* ---- health ---- */

static int probes(struct world *w, void *arg) {
    struct cluster c;
    OPEN(w, c);
    struct worker *a = &c.a->daemon->threads[0].worker, *b = &c.b->daemon->threads[0].worker;
    struct probe_result result;
    STORY_EXPECT(w, probe_ask(b, &result) == 0 && result.error == 0);
    uint64_t seen = b->probe.seen[0];
    for (int i = 0; i < 3; i++) {
        STORY_EXPECT(w, probe_ask(a, &result) == 0 && result.error == 0 && result.missing == 0);
        (void) task_sleep(PROBE_FRESH_MS + 1);
    }
    STORY_EXPECT(w, a->probe.number == 3 && b->probe.seen[0] == seen);
    bus_break(c.bus, c.b->daemon, true);
    STORY_EXPECT(w, probe_ask(b, &result) == 0 && result.error == -ETIMEDOUT);
    return 0;
}

static void the_probe_of_one_node_is_not_anothers(void **state) {
    assert_null(world_run(NULL, probes, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_reaches_the_connections_of_every_node),
        cmocka_unit_test(what_another_node_refuses_is_the_answer),
        cmocka_unit_test(lists_are_of_all_nodes),
        cmocka_unit_test(pages_of_connections_are_merged_in_order),
        cmocka_unit_test(who_is_denied_is_put_out_of_every_node),
        cmocka_unit_test(what_a_client_posts_finds_its_session_on_another_node),
        cmocka_unit_test(a_new_connection_ends_those_on_other_nodes),
        cmocka_unit_test(of_two_that_come_at_once_one_stays),
        cmocka_unit_test(wrong_clocks_do_not_keep_the_older_one),
        cmocka_unit_test(a_node_that_does_not_answer_is_named),
        cmocka_unit_test(a_node_that_leaves_is_not_waited_for),
        cmocka_unit_test(who_comes_and_goes_says_so),
        cmocka_unit_test(a_node_may_close_while_it_is_asked),
        cmocka_unit_test(a_node_that_is_cut_off_does_what_it_can),
        cmocka_unit_test(an_asker_may_go_before_the_answer),
        cmocka_unit_test(damaged_and_unknown_messages_are_counted),
        cmocka_unit_test(an_older_version_says_what_it_does_not_know),
        cmocka_unit_test(who_missed_something_hears_of_it_at_once),
        cmocka_unit_test(denials_that_were_missed_are_read_again),
        cmocka_unit_test(the_probe_of_one_node_is_not_anothers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
