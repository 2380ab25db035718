/*
 * The n-th allocation in the life of a connection fails, for every n: it is served or it ends, and
 * says so in the protocol that it speaks by then; nothing leaks, and nobody else is troubled.
 * Allocations of the client come by here, too.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/http_client.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/worker.h"
#include "daemon/worker_thread.h"
#include "tests/support/failing_memory.h"
#include "tests/support/world.h"

#define CHANNELS                                                                                   \
    "channel:\n"                                                                                   \
    "  without_namespace: {presence: true, join_leave: true, force_push_join_leave: true,\n"       \
    "    history_size: 10, history_ttl: 60s, force_positioning: true,\n"                           \
    "    allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true,\n"                 \
    "    allow_publish_for_client: true, allow_publish_for_anonymous: true}\n"
#define CLIENT                                                                                     \
    "client: {command_rate: 100, presence_update_interval: 5s, channel_position_check_delay: "     \
    "1s,\n"                                                                                        \
    "  expired_close_delay: 5s, expired_sub_close_delay: 5s, ping_interval: 3600s"
#define FORWARDED "http_headers: [Host, Upgrade, Sec-WebSocket-Version]"

static const char by_token[] = CLIENT ", allow_anonymous_connect_without_token: true}\n" CHANNELS;
static const char by_backend[] = CLIENT
        ",\n  proxy: {connect: {enabled: true, endpoint: 'http://app/connect', " FORWARDED "},\n"
        "    refresh: {enabled: true, endpoint: 'http://app/refresh', " FORWARDED "}}}\n"
        "rpc:\n"
        "  proxy: {endpoint: 'http://app/rpc', " FORWARDED "}\n"
        "  without_namespace: {proxy_enabled: true}\n" CHANNELS;

enum who { BY_TOKEN, ANONYMOUS, BY_BACKEND };

struct life {
    enum who who;
    uint64_t n;               /* the allocation that fails; 0: none */
    int said, answered;       /* steps, and those that went as they do with memory */
    int renewed;              /* the backend was asked about expiries */
    char missed[512];         /* the first one that did not */
    int errand, errand_ended; /* errands posted; run or dropped */
    bool has_headers;         /* the backend saw those of the request */
    int64_t begun_s;
};

/* ---- the backend ---- */

static bool has_field(const struct http_call *call, const char *name) {
    for (size_t i = 0; i < call->n_fields; i++)
        if (strcasecmp(call->fields[i].name, name) == 0)
            return true;
    return false;
}

/* Answers with static text, as far as it can be copied. */
static int respond(void *arg, const struct http_call *call, struct http_result *ret) {
    struct life *l = arg;
    char text[256];
    const char *path = strrchr(call->url, '/');
    bool refreshes = strcmp(path, "/refresh") == 0;
    if (strcmp(path, "/rpc") == 0)
        (void) snprintf(text, sizeof text, "{\"result\":{\"data\":{\"r\":1}}}");
    else
        (void) snprintf(text, sizeof text,
                        "{\"result\":{\"user\":\"42\",\"expire_at\":%lld,\"info\":{\"x\":%d}}}",
                        (long long) world_now_s() + (refreshes ? 1000 : 20), refreshes);
    l->renewed += refreshes;
    l->has_headers |= has_field(call, "Sec-WebSocket-Version");
    ret->status = 200;
    ret->body = strdup(text);
    if (!ret->body)
        return -ENOMEM;
    ret->body_len = strlen(ret->body);
    return 0;
}

/* ---- what others do to it ---- */

struct deed {
    struct session_errand errand;
    struct life *life;
    int results[3];
};

static void do_deed(struct session *s, struct session_errand *e) {
    struct deed *d = CONTAINER_OF(e, struct deed, errand);
    const struct life *l = d->life;
    /* Which of the two ends the session, a minute from the beginning, is another each time. */
    struct server_sub sub = {
        .channel = STR("srv"),
        .info = str_bytes(STR("{\"a\":1}")),
        .source = SERVER_SUB_API,
        .expire_at_s = l->begun_s + (l->who == BY_TOKEN ? 50 : 500),
    };
    d->life->errand_ended++;
    d->results[0] = session_subscribe_server(s, &sub);
    d->results[1] = session_sub_refresh_server(s, STR("a"), false, l->begun_s + 30, true,
                                               str_bytes(STR("{\"b\":1}")));
    d->results[2] = l->who == BY_BACKEND ? 0
                                         : session_refresh_server(s, false, l->begun_s + 60, true,
                                                                  str_bytes(STR("{\"i\":2}")));
}

static void drop_deed(struct session_errand *e) {
    CONTAINER_OF(e, struct deed, errand)->life->errand_ended++;
}

static struct worker *worker_of(struct world *w) {
    return &w->daemon->threads[0].worker;
}

/* To whoever is connected besides the first. */
static void post(struct world *w, const struct session *first, struct deed *d) {
    HUB_FOREACH (worker_of(w), walk)
        if (walk.session != first && walk.session->state == SESSION_CONNECTED) {
            d->life->errand++;
            (void) session_post(walk.session, &d->errand);
            return;
        }
}

/* ---- the life ---- */

/* Hears until a message is as the pattern says. What is not heard is noted: without memory that
 * may be. */
static void hears(struct life *l, struct peer *p, const char *pattern) {
    const char *heard = "";
    l->said++;
    for (int i = 0; i < 20 && !text_matches(heard, pattern); i++) {
        heard = peer_hear(p, 500);
        if (strcmp(heard, "garbage") == 0)
            (void) story_is(peer_world(p), false, "what is heard is WebSocket", __FILE__, __LINE__);
        if (heard[0] != '{' && !text_matches(heard, pattern))
            break; /* an end, or nothing more */
    }
    if (text_matches(heard, pattern))
        l->answered++;
    else if (!l->missed[0])
        (void) snprintf(l->missed, sizeof l->missed, "%.200s, but heard %.200s", pattern, heard);
}

struct tokens {
    char connection[1024], subscription[1024];
};

static void sign(struct world *w, struct life *l, struct tokens *t) {
    (void) snprintf(t->connection, sizeof t->connection, "%s",
                    world_token(w, "{\"sub\":\"42\",\"exp\":%lld,\"info\":{\"x\":1}}",
                                (long long) l->begun_s + 40));
    (void) snprintf(
            t->subscription, sizeof t->subscription, "%s",
            world_token(w, "{\"sub\":\"%s\",\"channel\":\"a\",\"exp\":%lld,\"info\":{\"y\":1}}",
                        l->who == ANONYMOUS ? "" : "42", (long long) l->begun_s + 35));
}

static void live(struct world *w, struct life *l, struct peer *p, const struct tokens *t,
                 struct deed *d, const struct session *first) {
    if (l->who == BY_TOKEN)
        peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", t->connection);
    else
        peer_say(p, "{\"id\":1,\"connect\":{}}");
    hears(l, p, "{\"id\":1,\"connect\":*");
    peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"token\":\"%s\"}}", t->subscription);
    hears(l, p, "{\"id\":2,\"subscribe\":*");
    peer_say(p, "{\"id\":3,\"subscribe\":{\"channel\":\"b\"}}");
    hears(l, p, "{\"id\":3,\"subscribe\":*");
    peer_say(p, "{\"id\":4,\"publish\":{\"channel\":\"a\",\"data\":{}}}");
    hears(l, p, "{\"id\":4,\"publish\":*");
    post(w, first, d);
    hears(l, p, "{\"push\":{\"channel\":\"srv\",\"subscribe\":*");
    if (l->who != BY_BACKEND) {
        hears(l, p, "{\"push\":{\"refresh\":*");
    } else {
        peer_say(p, "{\"id\":5,\"rpc\":{\"method\":\"x\"}}");
        hears(l, p, "{\"id\":5,\"rpc\":*");
    }
    peer_say(p, "{\"id\":6,\"unsubscribe\":{\"channel\":\"b\"}}");
    hears(l, p, "{\"id\":6,\"unsubscribe\":*");
    peer_say(p, "{\"id\":7,\"sub_refresh\":{\"channel\":\"a\",\"token\":\"%s\"}}", t->subscription);
    hears(l, p, "{\"id\":7,\"sub_refresh\":*");
    /* Its time in a channel is over, then its own. */
    (void) task_sleep(44000);
    hears(l, p, "{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2501,*");
    if (l->who == BY_BACKEND)
        return;
    (void) task_sleep(24000);
    hears(l, p, l->who == BY_TOKEN ? "close 3006 *" : "close 3005 *");
}

static int whole_life(struct world *w, void *arg) {
    static const struct peer_options may_be_refused = { .worker = -1, .may_be_refused = true };
    struct life *l = arg;
    struct tokens tokens;
    struct deed deed = { .errand = { .run = do_deed, .drop = drop_deed }, .life = l };
    struct peer *first = peer_open(w, NULL);
    l->begun_s = world_now_s();
    STORY_EXPECT(w, first && peer_connect(first, world_token(w, "{\"sub\":\"1\"}")));
    const struct session *firsts = hub_find_client(worker_of(w), str_of(peer_client_id(first)));
    size_t connections = worker_of(w)->n_connections;
    sign(w, l, &tokens);

    fails_in = l->n;
    struct peer *p = peer_open(w, &may_be_refused);
    if (p)
        live(w, l, p, &tokens, &deed, firsts);
    peer_close(p);
    (void) task_sleep(10000);
    fails_in = 0;

    STORY_EXPECT(w, l->errand == l->errand_ended);
    for (size_t i = 0; i < ELEMENTS_OF(deed.results); i++)
        STORY_EXPECT(w, l->n > 0 || deed.results[i] == 0);
    STORY_EXPECT(w, worker_of(w)->hub.n_taken == 1);
    STORY_EXPECT(w, worker_of(w)->n_connections == connections);

    struct peer *next = peer_open(w, NULL);
    STORY_EXPECT(w, next != NULL);
    PLAYS(next, "> {'id':1,'connect':{}}\n < {'id':1,'connect':{'client':*\n"
                "> {'id':2,'subscribe':{'channel':'next'}}\n < {'id':2,'subscribe':{*");
    peer_say(next, "{\"id\":3,\"publish\":{\"channel\":\"next\",\"data\":1}}");
    struct life after = { 0 };
    hears(&after, next, "{\"id\":3,\"publish\":*");
    STORY_EXPECT(w, after.answered == 1);
    peer_close(next);
    peer_close(first);
    return 0;
}

static const char *live_once(struct life *l) {
    const struct http_client_options http = { .respond = respond, .respond_arg = l };
    const struct world_options o = { .config = l->who == BY_BACKEND ? by_backend : by_token,
                                     .workers = 1,
                                     .http = &http };
    has_failed = false;
    const char *failure = world_run(&o, whole_life, l);
    fails_in = 0;
    return failure;
}

static void live_without(enum who who) {
    struct life whole = { .who = who };
    assert_null(live_once(&whole));
    assert_string_equal(whole.missed, "");
    assert_int_equal(whole.answered, whole.said);
    assert_int_equal(whole.errand, 1);
    assert_int_equal(whole.renewed > 0, who == BY_BACKEND);
    assert_int_equal(whole.has_headers, who == BY_BACKEND);

    uint64_t n = 0;
    do {
        struct life l = { .who = who, .n = ++n };
        if (live_once(&l))
            fail_msg("without allocation %llu", (unsigned long long) n);
    } while (has_failed);
    print_message("%llu allocations\n", (unsigned long long) n - 1);
    assert_true(n > 100); /* it has come by here */
}

static void a_client_with_tokens_lives_through_any_failed_allocation(void **state) {
    (void) state;
    live_without(BY_TOKEN);
}

static void an_anonymous_client_lives_through_any_failed_allocation(void **state) {
    (void) state;
    live_without(ANONYMOUS);
}

static void a_client_of_a_backend_lives_through_any_failed_allocation(void **state) {
    (void) state;
    live_without(BY_BACKEND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_with_tokens_lives_through_any_failed_allocation),
        cmocka_unit_test(an_anonymous_client_lives_through_any_failed_allocation),
        cmocka_unit_test(a_client_of_a_backend_lives_through_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
