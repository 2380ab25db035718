/* Webhooks on virtual time, told to a service of the test's own. */
#include "daemon/backend/webhook.h"

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
#include "daemon/backend/webhook_impl.h"
#include "daemon/daemon.h"
#include "tests/support/sim_vfs.h"
#include "tests/support/world.h"

enum { TOLD_MAX = 8192, CALLS_MAX = 64 };

/* What the service was told: "type:subject" of each event, and of each request when it came. */
struct service {
    char told[TOLD_MAX];
    int64_t at_ms[CALLS_MAX];
    size_t calls;
    int refusals; /* before it takes anything */
    int status;   /* of refusals; below 0: -errno */
    const char *head;
    size_t most; /* events in one request */
    bool is_badly_signed;
    char ids[TOLD_MAX];
};

static const char *member(const char *event, const char *end, const char *name, char buf[64]) {
    char key[32];
    (void) snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = strstr(event, key);
    buf[0] = 0;
    if (at && at < end) {
        at += strlen(key);
        (void) snprintf(buf, 64, "%.*s", (int) strcspn(at, "\""), at);
    }
    return buf;
}

static void take(struct service *s, const char *body) {
    size_t n = 0;
    for (const char *event = strstr(body, "{\"time\":"), *next; event; event = next, n++) {
        char type[64], user[64], channel[64], id[64];
        next = strstr(event + 1, "{\"time\":");
        const char *end = next ? next : event + strlen(event);
        size_t at = strlen(s->told);
        (void) snprintf(s->told + at, sizeof s->told - at, "%s%s:%s%s", at ? " " : "",
                        member(event, end, "type", type), member(event, end, "user", user),
                        member(event, end, "channel", channel));
        at = strlen(s->ids);
        (void) snprintf(s->ids + at, sizeof s->ids - at, "%s ", member(event, end, "id", id));
    }
    s->most = n > s->most ? n : s->most;
}

static bool is_well_signed(const struct http_call *call) {
    for (size_t i = 0; i < call->n_fields; i++) {
        long long t;
        char expected[WEBHOOK_SIGNATURE_MAX];
        if (strcmp(call->fields[i].name, "X-Parley-Signature") != 0)
            continue;
        return sscanf(call->fields[i].value, "t=%lld,", &t) == 1 &&
               webhook_sign(STR("secret"), t, bytes_of(call->body, call->body_len), expected) ==
                       0 &&
               strcmp(call->fields[i].value, expected) == 0;
    }
    return false;
}

static int respond(void *arg, const struct http_call *call, struct http_result *ret) {
    struct service *s = arg;
    if (s->calls < CALLS_MAX)
        s->at_ms[s->calls] = loop_now();
    s->calls++;
    s->is_badly_signed = s->is_badly_signed || !is_well_signed(call);
    (void) task_sleep(1);
    if (s->refusals > 0) {
        s->refusals--;
        if (s->status < 0)
            return s->status;
        ret->status = s->status;
        ret->head = s->head ? strdup(s->head) : NULL;
        return 0;
    }
    char *body = strndup(call->body, call->body_len);
    take(s, body);
    free(body);
    ret->status = 204;
    return 0;
}

#define CLIENTS                                                                                    \
    "client: {ping_interval: 3600s, allow_anonymous_connect_without_token: true}\n"                \
    "channel: {namespaces: [{name: open, allow_subscribe_for_client: true,\n"                      \
    "  allow_subscribe_for_anonymous: true}, {name: other, allow_subscribe_for_client: true,\n"    \
    "  allow_subscribe_for_anonymous: true}]}\n"
#define HOOK(rest)                                                                                 \
    "webhooks: {retry_min: 100ms, retry_max: 10s, vacated_delay: 2s, endpoints: [{name: all,\n"    \
    "  endpoint: 'http://service/', secret: secret, timeout: 1s" rest "}]}\n"

static const char *run(struct service *s, const char *config, story_fn *story, unsigned workers) {
    struct http_client_options http = { .respond = respond, .respond_arg = s };
    struct world_options o = { .config = config, .workers = workers, .http = &http };
    return world_run(&o, story, s);
}

static int check(struct world *w, const struct service *s, const char *expected) {
    if (strcmp(s->told, expected) != 0)
        (void) story_is(w, false, s->told, __FILE__, __LINE__);
    return strcmp(s->told, expected) == 0 ? 0 : -EBADMSG;
}

static struct peer *arrive(struct world *w, const char *user) {
    struct peer *p = peer_open(w, NULL);
    char claims[64];
    (void) snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}", user);
    if (p && peer_connect(p, world_token(w, "%s", claims)))
        return p;
    return NULL;
}

/* ---- clients ---- */

static int clients_story(struct world *w, void *arg) {
    struct service *s = arg;
    struct peer *a = arrive(w, "ada"), *b = arrive(w, "bob");
    STORY_EXPECT(w, a && b);
    (void) task_sleep(1000);
    STORY_EXPECT(w, check(w, s, "connect:ada connect:bob") == 0);
    peer_close(a);
    (void) task_sleep(1000);
    peer_close(b);
    (void) task_sleep(1000);
    STORY_EXPECT(w, check(w, s, "connect:ada connect:bob disconnect:ada disconnect:bob") == 0);
    STORY_EXPECT(w, !s->is_badly_signed);
    struct webhook_stats stats;
    webhooks_stats(w->daemon->webhooks, &stats);
    STORY_EXPECT(w, stats.events == 4 && stats.delivered == 4 && stats.failed == 0);
    STORY_EXPECT(w, stats.waiting == 0 && stats.dropped == 0);
    return 0;
}

static void the_service_hears_who_comes_and_goes(void **state) {
    struct service s = { 0 };
    assert_null(run(&s, CLIENTS HOOK(", concurrency: 1"), clients_story, 1));
}

static int only_ends_story(struct world *w, void *arg) {
    struct peer *a = arrive(w, "ada");
    STORY_EXPECT(w, a);
    (void) task_sleep(1000);
    STORY_EXPECT(w, check(w, arg, "") == 0);
    peer_close(a);
    (void) task_sleep(1000);
    return check(w, arg, "disconnect:ada");
}

static void who_wants_to_hear_of_ends_alone_does(void **state) {
    struct service s = { 0 };
    assert_null(run(&s, CLIENTS HOOK(", events: [disconnect]"), only_ends_story, 1));
}

/* ---- again and again ---- */

static int refused_story(struct world *w, void *arg) {
    struct service *s = arg;
    struct peer *a = arrive(w, "ada");
    STORY_EXPECT(w, a);
    (void) task_sleep(50);
    peer_close(a); /* waits behind, though nothing else keeps it */
    (void) task_sleep(300000);
    STORY_EXPECT(w, check(w, s, "connect:ada disconnect:ada") == 0);
    STORY_EXPECT(w, s->calls == 12); /* ten refusals, and one for each */
    int64_t pause_ms = 100;
    for (size_t i = 1; i <= 10; i++) {
        int64_t passed_ms = s->at_ms[i] - s->at_ms[i - 1];
        STORY_EXPECT(w, passed_ms >= pause_ms / 2 && passed_ms <= pause_ms + 10);
        pause_ms = pause_ms * 2 < 10000 ? pause_ms * 2 : 10000;
    }
    struct webhook_stats stats;
    webhooks_stats(w->daemon->webhooks, &stats);
    STORY_EXPECT(w, stats.requests == 12 && stats.failed == 10 && stats.delivered == 2);
    return 0;
}

static void what_is_not_taken_is_offered_again_ever_more_slowly(void **state) {
    static const int statuses[] = { 500, 301, 404, -ECONNREFUSED, -ETIMEDOUT };
    for (size_t i = 0; i < ELEMENTS_OF(statuses); i++) {
        struct service s = { .refusals = 10, .status = statuses[i] };
        assert_null(run(&s, CLIENTS HOOK(""), refused_story, 1));
    }
}

static int asked_story(struct world *w, void *arg) {
    struct service *s = arg;
    struct peer *a = arrive(w, "ada");
    STORY_EXPECT(w, a);
    (void) task_sleep(60000);
    STORY_EXPECT(w, s->calls == 2 && s->at_ms[1] - s->at_ms[0] >= 5000);
    return check(w, s, "connect:ada");
}

static void a_service_may_say_when_to_come_back(void **state) {
    struct service s = { .refusals = 1,
                         .status = 503,
                         .head = "HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n\r\n" };
    assert_null(run(&s, CLIENTS HOOK(""), asked_story, 1));
}

static int batches_story(struct world *w, void *arg) {
    struct service *s = arg;
    struct peer *all[9];
    for (int i = 0; i < 9; i++) {
        all[i] = arrive(w, "ada");
        STORY_EXPECT(w, all[i]);
    }
    (void) task_sleep(60000);
    STORY_EXPECT(w, s->most == 4 && s->calls <= 6);
    struct webhook_stats stats;
    webhooks_stats(w->daemon->webhooks, &stats);
    STORY_EXPECT(w, stats.delivered == 9);
    return 0;
}

static void what_has_gathered_goes_out_together(void **state) {
    struct service s = { .refusals = 2, .status = 500 };
    assert_null(run(&s, CLIENTS HOOK(", batch_max: 4, concurrency: 1"), batches_story, 1));
}

/* ---- channels ---- */

#define SUBSCRIBES(peer, channel)                                                                  \
    PLAYS(peer, "> {'id':5,'subscribe':{'channel':'" channel "'}}\n < {'id':5,'subscribe':{*")
#define UNSUBSCRIBES(peer, channel)                                                                \
    PLAYS(peer, "> {'id':6,'unsubscribe':{'channel':'" channel "'}}\n < {'id':6,'unsubscribe':{*")

static int channels_story(struct world *w, void *arg) {
    struct service *s = arg;
    struct peer *a = peer_open(w, &(struct peer_options){ .worker = 0 });
    struct peer *b = peer_open(w, &(struct peer_options){ .worker = 1 });
    STORY_EXPECT(w, a && b && peer_connect(a, NULL) && peer_connect(b, NULL));
    SUBSCRIBES(a, "open:x");
    SUBSCRIBES(b, "open:x");
    SUBSCRIBES(b, "other:y"); /* of no interest */
    (void) task_sleep(1000);
    STORY_EXPECT(w, check(w, s, "channel_occupied:open:x") == 0);
    UNSUBSCRIBES(a, "open:x");
    (void) task_sleep(5000);
    STORY_EXPECT(w, check(w, s, "channel_occupied:open:x") == 0);
    UNSUBSCRIBES(b, "open:x");
    (void) task_sleep(1000);
    SUBSCRIBES(a, "open:x"); /* back in time */
    (void) task_sleep(5000);
    STORY_EXPECT(w, check(w, s, "channel_occupied:open:x") == 0);
    peer_close(a);
    (void) task_sleep(1500);
    STORY_EXPECT(w, check(w, s, "channel_occupied:open:x") == 0);
    (void) task_sleep(1500);
    STORY_EXPECT(w, check(w, s, "channel_occupied:open:x channel_vacated:open:x") == 0);
    SUBSCRIBES(b, "open:x");
    (void) task_sleep(1000);
    return check(w, s, "channel_occupied:open:x channel_vacated:open:x channel_occupied:open:x");
}

static void the_service_hears_which_channels_are_occupied_on_any_worker(void **state) {
    struct service s = { 0 };
    assert_null(run(&s,
                    CLIENTS HOOK(", events: [channel_occupied, channel_vacated], "
                                 "namespaces: [open]"),
                    channels_story, 2));
}

static int reload_story(struct world *w, void *arg) {
    struct peer *a = peer_open(w, NULL);
    STORY_EXPECT(w, a && peer_connect(a, NULL));
    SUBSCRIBES(a, "open:x");
    STORY_EXPECT(w, world_configure(w, CLIENTS HOOK("")) == 0);
    (void) task_sleep(1000);
    STORY_EXPECT(w, check(w, arg, "channel_occupied:open:x") == 0);
    STORY_EXPECT(w, world_configure(w, CLIENTS HOOK(", batch_max: 2")) == 0);
    UNSUBSCRIBES(a, "open:x");
    (void) task_sleep(5000);
    STORY_EXPECT(w, check(w, arg, "channel_occupied:open:x channel_vacated:open:x") == 0);
    STORY_EXPECT(w, world_configure(w, CLIENTS) == 0);
    SUBSCRIBES(a, "open:x");
    (void) task_sleep(5000);
    return check(w, arg, "channel_occupied:open:x channel_vacated:open:x");
}

static void a_reload_brings_and_takes_away_endpoints(void **state) {
    struct service s = { 0 };
    assert_null(run(&s, CLIENTS, reload_story, 1));
}

/* ---- limits and ends ---- */

static int full_story(struct world *w, void *arg) {
    struct service *s = arg;
    struct peer *a = arrive(w, "ada"), *b = arrive(w, "bob");
    STORY_EXPECT(w, a && b);
    (void) task_sleep(1000);
    struct peer *c = arrive(w, "cid");
    STORY_EXPECT(w, c);
    (void) task_sleep(1000);
    peer_close(a);
    peer_close(b);
    peer_close(c); /* nobody heard of it */
    (void) task_sleep(1000);
    struct webhook_stats stats;
    webhooks_stats(w->daemon->webhooks, &stats);
    STORY_EXPECT(w, stats.dropped == 1 && stats.delivered == 0);
    s->refusals = 0;
    (void) task_sleep(60000);
    return check(w, s, "connect:ada connect:bob disconnect:ada disconnect:bob");
}

static void a_full_queue_drops_whole_stories(void **state) {
    struct service s = { .refusals = 1000000, .status = 500 };
    assert_null(run(&s,
                    CLIENTS "webhooks: {queue_max: 2, retry_max: 1s, endpoints: [{name: all,\n"
                            "  endpoint: 'http://service/', secret: secret, concurrency: 1}]}\n",
                    full_story, 1));
}

static int restart_story(struct world *w, void *arg) {
    struct service *s = arg;
    struct peer *a = arrive(w, "ada");
    STORY_EXPECT(w, a);
    SUBSCRIBES(a, "open:x");
    (void) task_sleep(1000);
    s->told[0] = 0;
    s->refusals = 1000000; /* from here on nothing gets through to this process's end */
    s->status = 500;
    STORY_EXPECT(w, world_restart(w) == 0);
    s->refusals = 0;
    (void) task_sleep(30000);
    bool is_told = strstr(s->told, "disconnect:ada") && strstr(s->told, "channel_vacated:open:x");
    STORY_EXPECT(w, is_told);
    return 0;
}

static void what_was_not_delivered_is_the_next_processs_to_deliver(void **state) {
    struct service s = { 0 };
    struct sim_disk *disk = sim_disk_new("parley-webhook", 1);
    struct http_client_options http = { .respond = respond, .respond_arg = &s };
    struct world_options o = {
        .config = CLIENTS HOOK(""), .data_dir = "disk", .vfs = "parley-webhook", .http = &http
    };
    const char *failure = world_run(&o, restart_story, &s);
    sim_disk_free(disk);
    assert_null(failure);
}

/* Nobody can make it remember more than queue_max while nothing can be stored. */
static int dying_disk_story(struct world *w, void *arg) {
    struct webhook_stats stats;
    struct peer *a = arrive(w, "ada");
    STORY_EXPECT(w, a);
    (void) task_sleep(1000);
    sim_disk_fail(arg, SIM_WRITE, 1, 1000000, EIO);
    for (int i = 0; i < 60; i++) {
        struct peer *p = arrive(w, "eve");
        STORY_EXPECT(w, p);
        SUBSCRIBES(p, "open:x");
        UNSUBSCRIBES(p, "open:x");
        peer_close(p);
        (void) task_sleep(2500);
    }
    peer_close(a);
    (void) task_sleep(1000);
    webhooks_stats(w->daemon->webhooks, &stats);
    STORY_EXPECT(w, stats.store_errors > 0 && stats.dropped > 60);
    STORY_EXPECT(w, stats.waiting <= 2 * 8 + 1); /* with their ends, and ada's */
    return 0;
}

static void a_dying_disk_is_no_way_to_fill_the_memory(void **state) {
    struct service s = { 0 };
    struct sim_disk *disk = sim_disk_new("parley-webhook", 1);
    struct http_client_options http = { .respond = respond, .respond_arg = &s };
    struct world_options o = { .config = CLIENTS
                               "webhooks: {queue_max: 8, vacated_delay: 1s, endpoints: [{name: "
                               "all,\n  endpoint: 'http://service/', secret: secret}]}\n",
                               .data_dir = "disk",
                               .vfs = "parley-webhook",
                               .http = &http };
    const char *failure = world_run(&o, dying_disk_story, disk);
    sim_disk_free(disk);
    assert_null(failure);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_hears_who_comes_and_goes),
        cmocka_unit_test(who_wants_to_hear_of_ends_alone_does),
        cmocka_unit_test(what_is_not_taken_is_offered_again_ever_more_slowly),
        cmocka_unit_test(a_service_may_say_when_to_come_back),
        cmocka_unit_test(what_has_gathered_goes_out_together),
        cmocka_unit_test(the_service_hears_which_channels_are_occupied_on_any_worker),
        cmocka_unit_test(a_reload_brings_and_takes_away_endpoints),
        cmocka_unit_test(a_full_queue_drops_whole_stories),
        cmocka_unit_test(what_was_not_delivered_is_the_next_processs_to_deliver),
        cmocka_unit_test(a_dying_disk_is_no_way_to_fill_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
