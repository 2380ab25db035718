/* A daemon as it is in production: real threads, real time, TCP. What it does is tested on virtual
 * time; here it is only asked whether the workers share what they share properly. TSan watches. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/worker_thread.h"
#include "protocol/frame.h"
#include "tests/support/world.h"

enum { SUBSCRIBERS = 12, PUBLISHERS = 3, EACH = 300, CHURNERS = 6 };
enum { VICTIMS = 3, ROUNDS = 12, OPERATORS = 3, QUESTIONS = 80 };

static const char config[] =
        "client: {allow_anonymous_connect_without_token: true}\n"
        "http_api: {insecure: true}\n"
        "shutdown: {spread: 200ms, timeout: 10s}\n"
        "channel:\n  namespaces:\n"
        "    - {name: kept, history_size: 1000, history_ttl: 600s, force_recovery: true, presence: "
        "true,\n"
        "       join_leave: true, allow_subscribe_for_client: true, allow_subscribe_for_anonymous: "
        "true,\n"
        "       allow_publish_for_client: true, allow_publish_for_anonymous: true,\n"
        "       allow_presence_for_client: true, allow_presence_for_anonymous: true}\n";

struct crowd {
    struct world *world;
    int *subscribed; /* how many subscribers are in */
    int *victims;    /* how many are still to be put out */
    int id;
    int result;
    size_t received;
};

static struct peer *enter(struct world *w, bool subscribes) {
    struct peer *p = peer_open(w, NULL);
    if (!p || !peer_connect(p, NULL))
        return peer_close(p);
    if (!subscribes)
        return p;
    peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"kept:x\"}}");
    return peer_expect(p, "{\"id\":2,\"subscribe\":{*", __FILE__, __LINE__) ? p : peer_close(p);
}

/* Hears everything from where it came in, without a hole. */
static int subscriber(void *arg) {
    struct crowd *c = arg;
    struct peer *p = enter(c->world, true);
    unsigned long last = 0;

    if (!p)
        return c->result = -ECONNREFUSED;
    ++*c->subscribed;
    while (c->received < PUBLISHERS * EACH) {
        const char *heard = peer_hear(p, 20000);
        if (strcmp(heard, "{}") == 0) {
            peer_say(p, "{}");
            continue;
        }
        const char *at = strstr(heard, "\"offset\":");
        unsigned long offset = at ? strtoul(at + 9, NULL, 10) : 0;
        if (offset != last + 1) {
            (void) snprintf(c->world->failure, sizeof c->world->failure, "after %lu heard %.200s",
                            last, heard);
            return c->result = -EBADMSG;
        }
        last = offset;
        c->received++;
    }
    peer_close(p);
    return 0;
}

static int publisher(void *arg) {
    struct crowd *c = arg;
    struct peer *p = enter(c->world, false);

    if (!p)
        return c->result = -ECONNREFUSED;
    while (*c->subscribed < SUBSCRIBERS && task_sleep(10) == 0)
        ;
    for (int i = 0; i < EACH; i++)
        peer_say(p, "{\"id\":%d,\"publish\":{\"channel\":\"kept:x\",\"data\":\"%d-%d\"}}", i + 2,
                 c->id, i);
    for (int i = 0; i < EACH; i++) {
        char pattern[64];
        (void) snprintf(pattern, sizeof pattern, "{\"id\":%d,\"publish\":{}}", i + 2);
        if (!peer_expect(p, pattern, __FILE__, __LINE__))
            return c->result = -EBADMSG;
    }
    peer_close(p);
    return 0;
}

/* Comes and goes, politely or not. */
static int churner(void *arg) {
    struct crowd *c = arg;

    for (int i = 0; i < 10; i++) {
        struct peer *p = enter(c->world, true);
        if (!p)
            return c->result = -ECONNREFUSED;
        peer_say(p, "{\"id\":3,\"presence_stats\":{\"channel\":\"kept:x\"}}");
        if (i % 2)
            peer_say(p, "{\"id\":4,\"unsubscribe\":{\"channel\":\"kept:x\"}}");
        (void) peer_hear(p, 5000);
        peer_close(p);
    }
    return 0;
}

/* Comes back whenever it is put out. */
static int victim(void *arg) {
    struct crowd *c = arg;
    char token[512];

    (void) snprintf(token, sizeof token, "%s", world_token(c->world, "{\"sub\":\"victim\"}"));
    for (int i = 0; i < ROUNDS; i++) {
        struct peer *p = peer_open(c->world, NULL);
        const char *heard = "";
        if (!p)
            return c->result = -ECONNREFUSED;
        peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", token);
        peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"kept:x\"}}");
        while (heard[0] == '{' || !heard[0])
            heard = peer_hear(p, 20000);
        if (strcmp(heard, "close 3503 force disconnect") != 0)
            return c->result = -EBADMSG;
        peer_close(p);
    }
    --*c->victims;
    return 0;
}

/* A request of its own connection. ret: head and body, terminated. */
static int ask(struct world *w, const char *what, const char *body, struct buffer *ret) {
    struct address address;
    struct stream *s;
    char text[ADDRESS_TEXT_MAX], request[512];
    ssize_t n = 0;

    if (!daemon_address(w->daemon, 0, text, sizeof text) || address_parse(text, &address) < 0)
        return -ENOENT;
    int r = stream_connect(&address, NULL, &s);
    if (r < 0)
        return r;
    int len = snprintf(request, sizeof request,
                       "%s HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %zu\r\n"
                       "\r\n%s",
                       what, strlen(body), body);
    struct iovec v = { request, (size_t) len };
    r = stream_write_all(s, &v, 1);
    buffer_reset(ret);
    do {
        uint8_t *at = r < 0 ? NULL : buffer_reserve(ret, 16384);
        n = at ? stream_read(s, at, 16384) : -ENOMEM;
        if (n > 0)
            buffer_added(ret, (size_t) n);
    } while (n > 0);
    buffer_append_byte(ret, 0);
    stream_close(s);
    return r < 0 ? r : (int) n;
}

/* Asks all workers, and puts people out, as long as there is somebody. */
static int operator(void *arg) {
    static const struct {
        const char *what, *body, *answer;
    } questions[] = {
        { "POST /api/channels", "{}", "\"channels\":{" },
        { "POST /api/connections", "{\"user\":\"victim\"}", "\"connections\":{" },
        { "POST /api/broadcast", "{\"channels\":[\"a\",\"b\"],\"data\":{}}", "\"responses\":[" },
        { "POST /api/unsubscribe", "{\"user\":\"victim\",\"channel\":\"kept:y\"}",
          "\"result\":{}" },
        { "POST /api/disconnect", "{\"user\":\"victim\"}", "\"result\":{}" },
        { "POST /api/presence", "{\"channel\":\"kept:x\"}", "\"presence\":{" },
        { "GET /metrics", "", "parley_node_workers 4\n" },
        { "GET /health", "", "\"alive\":4" },
    };
    struct crowd *c = arg;
    CLEANUP(buffer_finish) struct buffer answer = BUFFER_INIT;

    for (int i = 0; i < QUESTIONS || *c->victims > 0; i++) {
        size_t k = (size_t) i % ELEMENTS_OF(questions);
        int r = ask(c->world, questions[k].what, questions[k].body, &answer);
        if (r < 0)
            return c->result = r;
        if (!strstr((const char *) answer.data, questions[k].answer)) {
            (void) snprintf(c->world->failure, sizeof c->world->failure, "%s: %.500s",
                            questions[k].what, (const char *) answer.data);
            return c->result = -EBADMSG;
        }
        c->received += k == 2; /* broadcasts, of two publications each */
    }
    return 0;
}

static bool scrape_says(const char *scrape, const char *name, size_t value) {
    char line[128];
    (void) snprintf(line, sizeof line, "\nparley_%s %zu\n", name, value);
    return strstr(scrape, line);
}

/* What was counted by many is exact in sum. */
static int look_at_metrics(struct world *w, size_t broadcasts) {
    CLEANUP(buffer_finish) struct buffer answer = BUFFER_INIT;
    STORY_EXPECT(w, ask(w, "GET /metrics", "", &answer) == 0);
    const char *scrape = (const char *) answer.data;
    STORY_EXPECT(w, scrape_says(scrape, "publications_accepted_total",
                                (size_t) PUBLISHERS * EACH + 2 * broadcasts));
    STORY_EXPECT(w, scrape_says(scrape, "client_num_server_disconnects_total{code=\"3503\"}",
                                (size_t) VICTIMS * ROUNDS));
    STORY_EXPECT(w, scrape_says(scrape, "api_commands_total{method=\"broadcast\"}", broadcasts));
    STORY_EXPECT(w, scrape_says(scrape, "publications_failed_total", 0));
    return 0;
}

typedef int role_fn(void *arg);

static role_fn *role_of(int i) {
    static const struct {
        int n;
        role_fn *role;
    } roles[] = { { SUBSCRIBERS, subscriber }, { PUBLISHERS, publisher }, { CHURNERS, churner },
                  { VICTIMS, victim },
                  {
                          OPERATORS,
                          operator},
    };
    size_t k = 0;
    while (i >= roles[k].n)
        i -= roles[k++].n;
    return roles[k].role;
}

static int crowded(struct world *w, void *arg) {
    enum { ALL = SUBSCRIBERS + PUBLISHERS + CHURNERS + VICTIMS + OPERATORS };
    struct crowd *crowd = calloc(ALL, sizeof *crowd);
    struct group group;
    int r = 0, subscribed = 0, victims = VICTIMS;
    size_t broadcasts = 0;

    if (!crowd)
        return -ENOMEM;
    group_init(&group);
    for (int i = 0; i < ALL && r == 0; i++) {
        crowd[i] = (struct crowd){
            .world = w, .subscribed = &subscribed, .victims = &victims, .id = i
        };
        r = group_spawn(&group, "peer", role_of(i), &crowd[i]);
    }
    for (int i = 0; i < 5 && r == 0; i++) /* configurations change meanwhile */
        r = world_configure(w, config);
    if (r == 0)
        r = group_wait(&group);
    group_finish(&group);
    bool is_well = true;
    for (int i = 0; i < ALL; i++) {
        is_well = is_well && crowd[i].result == 0 &&
                  (i >= SUBSCRIBERS || crowd[i].received == PUBLISHERS * EACH);
        broadcasts += i < ALL - OPERATORS ? 0 : crowd[i].received;
    }
    free(crowd);
    STORY_EXPECT(w, r == 0 && is_well);
    return look_at_metrics(w, broadcasts);
}

static void workers_share_what_they_share_without_a_hole(void **state) {
    struct world_options o = { .config = config, .workers = 4, .is_real = true };
    assert_null(world_run(&o, crowded, NULL));
}

/* ---- what is handed from worker to worker ---- */

enum { WORKERS = 4, HEARERS = 6, SAID = 200 };

static struct metrics *metrics_of(struct world *w, size_t i) {
    return &w->daemon->threads[i].worker.metrics;
}

static uint64_t counted(struct world *w, enum metrics_counter id) {
    uint64_t n = 0;
    for (size_t i = 0; i < w->daemon->n_workers; i++)
        n += metrics_counter_of(metrics_of(w, i), id);
    return n;
}

/* Workers with a subscriber, less the one who publishes himself. */
static uint64_t others_with_subscribers(struct world *w, bool all_of_them) {
    uint64_t n = 0;
    for (size_t i = 0; i < w->daemon->n_workers; i++)
        n += metrics_gauge_of(metrics_of(w, i), GAUGE_SUBSCRIPTIONS) > 0 &&
             (all_of_them || metrics_counter_of(metrics_of(w, i), COUNT_PUBLISHED) == 0);
    return n;
}

/* arg: not NULL: publications go by way of the writer's thread. */
static int handed_over(struct world *w, void *arg) {
    struct peer *hearers[HEARERS], *speaker;

    for (int n = 1; n <= HEARERS; n++) { /* on one worker, on two, and so on */
        hearers[n - 1] = enter(w, true);
        STORY_EXPECT(w, hearers[n - 1] != NULL);
    }
    speaker = enter(w, false);
    STORY_EXPECT(w, speaker != NULL);
    for (int i = 0; i < SAID; i++)
        peer_say(speaker, "{\"id\":%d,\"publish\":{\"channel\":\"kept:x\",\"data\":%d}}", i + 2, i);
    for (int i = 0; i < SAID; i++)
        STORY_EXPECT(w, strstr(peer_hear(speaker, 20000), "\"publish\":{}"));
    for (int n = 0; n < HEARERS; n++)
        for (int i = 0; i < SAID; i++) {
            char expected[32];
            (void) snprintf(expected, sizeof expected, "\"data\":%d,", i);
            STORY_EXPECT(w, strstr(peer_hear(hearers[n], 20000), expected));
        }
    STORY_EXPECT(w, others_with_subscribers(w, true) > 2);
    STORY_EXPECT(w,
                 counted(w, COUNT_HANDED_OVER) == SAID * others_with_subscribers(w, arg != NULL));
    STORY_EXPECT(w, counted(w, COUNT_PUBLISHED) == SAID);
    return 0;
}

static const char handing[] =
        "client: {allow_anonymous_connect_without_token: true}\n"
        "channel:\n  namespaces:\n"
        "    - {name: kept, history_size: 1000, history_ttl: 600s, "
        "allow_subscribe_for_client: true, allow_subscribe_for_anonymous: "
        "true,\n"
        "       allow_publish_for_client: true, allow_publish_for_anonymous: true}\n";

static void a_publication_crosses_once_to_each_worker_with_subscribers(void **state) {
    struct world_options o = { .config = handing, .workers = WORKERS, .is_real = true };
    assert_null(world_run(&o, handed_over, NULL));

    char dir[] = "/tmp/parley-threads-XXXXXX", command[64];
    assert_non_null(mkdtemp(dir));
    o.data_dir = dir;
    const char *why = world_run(&o, handed_over, dir);
    (void) snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    assert_null(why);
}

/* ---- who gets which connection ---- */

enum { CROWD = 40 };

/* arg: how far apart the workers may be. */
static int in_even_shares(struct world *w, void *arg) {
    struct peer *peers[CROWD];
    int64_t fewest = INT64_MAX, most = 0, all = 0;

    for (int i = 0; i < CROWD; i++) {
        peers[i] = peer_open(w, NULL);
        STORY_EXPECT(w, peers[i] != NULL);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        int64_t n = metrics_gauge_of(metrics_of(w, i), GAUGE_CONNECTIONS);
        fewest = n < fewest ? n : fewest;
        most = n > most ? n : most;
        all += n;
    }
    STORY_EXPECT(w, all == CROWD);
    STORY_EXPECT(w, most - fewest <= *(const int64_t *) arg);
    STORY_EXPECT(w, counted(w, COUNT_ACCEPTED) == CROWD);
    return 0;
}

/* The kernel's choice alone would not do. */
static void connections_are_shared_out_evenly(void **state) {
    int64_t apart = 2;
    struct world_options o = { .config = handing, .workers = WORKERS, .is_real = true };
    assert_null(world_run(&o, in_even_shares, &apart));
}

static void what_one_worker_accepts_for_all_is_shared_out_exactly(void **state) {
    int64_t apart = 0;
    char where[] = "/tmp/parley-threads-XXXXXX", yaml[128];
    assert_non_null(mkdtemp(where));
    (void) snprintf(yaml, sizeof yaml, "http_server: {listen: ['unix:%s/s']}\n", where);
    struct world_options o = { .config = yaml, .workers = WORKERS, .is_real = true };
    const char *why = world_run(&o, in_even_shares, &apart);
    (void) snprintf(yaml, sizeof yaml, "%s/s", where);
    (void) remove(yaml);
    assert_int_equal(remove(where), 0);
    assert_null(why);
}

static int left_alone(struct world *w, void *arg) {
    struct peer *peers[6];
    for (size_t i = 0; i < ELEMENTS_OF(peers); i++) {
        peers[i] = enter(w, true);
        STORY_EXPECT(w, peers[i] != NULL);
    }
    return 0; /* the world ends with them in it */
}

static void a_daemon_ends_with_clients_in_it(void **state) {
    struct world_options o = { .config = config, .workers = 3, .is_real = true };
    assert_null(world_run(&o, left_alone, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_share_what_they_share_without_a_hole),
        cmocka_unit_test(a_publication_crosses_once_to_each_worker_with_subscribers),
        cmocka_unit_test(connections_are_shared_out_evenly),
        cmocka_unit_test(what_one_worker_accepts_for_all_is_shared_out_exactly),
        cmocka_unit_test(a_daemon_ends_with_clients_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
