/* Webhooks of channels where two daemons share a modelled Redis, on virtual time: both tell the
 * same service, and whatever happens in between it knows in the end which channels have
 * subscribers. */
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
#include "daemon/backend/webhook.h"
#include "daemon/daemon.h"
#include "storage/redis/options.h"
#include "tests/support/redis_model/redis_model.h"
#include "tests/support/world.h"

enum {
    NODES = 2,
    CHANNELS = 6,
    EVENTS_MAX = 4096,
    DELAY_MS = 2000,
    LEASE_MS = 15000,
    SETTLED_MS = 60000, /* whatever went wrong: leases, pauses of those who try again */
};

struct told {
    unsigned long long number;
    unsigned channel;
    bool is_occupied;
};

/* What the service knows, each event once. */
struct service {
    struct told told[EVENTS_MAX];
    size_t n, repeated;
    int refusals;
};

struct node {
    struct cluster *cluster;
    struct world *world;
    struct world_options options;
    char config[2048];
    bool is_cut_off;
    struct peer *peers[CHANNELS]; /* in channel open:INDEX; or NULL */
};

struct cluster {
    struct service service;
    struct redis_model *redis;
    struct node nodes[NODES];
    struct world *w;
};

/* ---- the service ---- */

static void note(struct service *s, const char *event) {
    struct told t;
    const char *type = strstr(event, "\"type\":\"channel_"), *seq = strstr(event, "\"seq\":");
    const char *channel = strstr(event, "\"channel\":\"open:");
    if (!type || !seq || !channel || s->n == EVENTS_MAX)
        return;
    t.is_occupied = strncmp(type, "\"type\":\"channel_occupied", 23) == 0;
    t.channel = (unsigned) strtoul(channel + 16, NULL, 10);
    t.number = strtoull(seq + 6, NULL, 10);
    size_t at = 0;
    while (at < s->n && s->told[at].number < t.number)
        at++;
    if (at < s->n && s->told[at].number == t.number) {
        s->repeated++;
        return;
    }
    memmove(&s->told[at + 1], &s->told[at], (s->n - at) * sizeof t);
    s->told[at] = t;
    s->n++;
}

static int respond(void *arg, const struct http_call *call, struct http_result *ret) {
    struct service *s = arg;
    (void) task_sleep(1);
    ret->status = 204;
    if (s->refusals > 0) {
        s->refusals--;
        ret->status = 503;
        return 0;
    }
    char *body = strndup(call->body, call->body_len);
    for (const char *event = strstr(body, "{\"time\":"), *next; event; event = next) {
        next = strstr(event + 1, "{\"time\":");
        char *one = strndup(event, next ? (size_t) (next - event) : strlen(event));
        note(s, one);
        free(one);
    }
    free(body);
    return 0;
}

/* "o" and "v" by turns, of a channel. */
static bool knows(struct cluster *c, unsigned channel, const char *expected) {
    char text[EVENTS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < c->service.n; i++)
        if (c->service.told[i].channel == channel)
            text[n++] = c->service.told[i].is_occupied ? 'o' : 'v';
    text[n] = '\0';
    if (strcmp(text, expected) != 0)
        (void) story_is(c->w, false, text, __FILE__, __LINE__);
    return strcmp(text, expected) == 0;
}

/* ---- two nodes ---- */

static int reach(void *arg, const struct address *a, const struct tls *tls, struct stream **ret) {
    struct node *n = arg;
    (void) a;
    (void) tls;
    return n->is_cut_off ? -ECONNREFUSED : redis_model_connect(n->cluster->redis, n, ret);
}

static int open_engine(void *arg, struct daemon *d, const struct engine_options *o,
                       struct engine **ret) {
    const struct redis_shard_options shard = { .addresses = { { "redis:6379" } },
                                               .n_addresses = 1 };
    const struct redis_options redis = { .shards = &shard,
                                         .n_shards = 1,
                                         .node_id = str_of(d->node_id),
                                         .node_name = str_of(d->node_name),
                                         .connect = reach,
                                         .connect_arg = arg };
    struct engine_options options = *o;
    char *why = NULL;
    options.redis = &redis;
    options.kind = ENGINE_REDIS;
    options.data_dir = NULL;
    int r = engine_open(&options, ret, &why);
    free(why);
    return r;
}

#define CONFIG                                                                                     \
    "client: {ping_interval: 3600s, allow_anonymous_connect_without_token: true}\n"                \
    "channel: {namespaces: [{name: open, allow_subscribe_for_client: true,\n"                      \
    "  allow_subscribe_for_anonymous: true}]}\n"                                                   \
    "webhooks: {retry_min: 100ms, retry_max: 1s, vacated_delay: 2s, endpoints: [{name: all,\n"     \
    "  endpoint: 'http://service/', timeout: 1s}]}\n"

static bool open_node(struct cluster *c, unsigned i, const struct http_client_options *http) {
    struct node *n = &c->nodes[i];
    n->cluster = c;
    (void) snprintf(n->config, sizeof n->config, "node: {name: %c}\n%s", 'a' + (char) i, CONFIG);
    n->options = (struct world_options){
        .config = n->config, .http = http, .open_engine = open_engine, .open_engine_arg = n
    };
    n->world = world_open_another(c->w, &n->options);
    return n->world;
}

typedef int cluster_fn(struct cluster *c);

struct telling {
    cluster_fn *story;
};

static void close_nodes(struct cluster *c) {
    for (int i = 0; i < NODES; i++)
        if (c->nodes[i].world)
            world_close_another(c->w, c->nodes[i].world);
    c->redis = redis_model_close(c->redis);
}

static int cluster_story(struct world *w, void *arg) {
    struct telling *t = arg;
    struct cluster *c = calloc(1, sizeof *c);
    const struct http_client_options http = { .respond = respond, .respond_arg = &c->service };
    struct redis_model_stats stats;
    c->w = w;
    int r = redis_model_open(&(struct redis_model_options){ 0 }, &c->redis);
    for (unsigned i = 0; r == 0 && i < NODES; i++)
        r = open_node(c, i, &http) ? 0 : -ENOMEM;
    if (r == 0)
        r = t->story(c);
    redis_model_stats(c->redis, &stats);
    (void) story_is(w, !stats.unknown, "all commands are modelled", __FILE__, __LINE__);
    close_nodes(c);
    free(c);
    return r;
}

static const char *run(cluster_fn *story, uint64_t seed) {
    struct telling t = { story };
    const struct world_options o = { .config = "node: {name: neither}\n", .seed = seed };
    return world_run(&o, cluster_story, &t);
}

static bool enter(struct cluster *c, unsigned node, unsigned channel) {
    struct node *n = &c->nodes[node];
    struct peer *p = peer_open(n->world, NULL);
    if (!p || !peer_connect(p, NULL))
        return false;
    peer_say(p, "{\"id\":7,\"subscribe\":{\"channel\":\"open:%u\"}}", channel);
    if (!peer_expect(p, "{\"id\":7,\"subscribe\":*}", __FILE__, __LINE__)) {
        peer_close(p);
        return false;
    }
    n->peers[channel] = p;
    return true;
}

static void leave(struct cluster *c, unsigned node, unsigned channel) {
    peer_close(c->nodes[node].peers[channel]);
    c->nodes[node].peers[channel] = NULL;
}

static void cut_off(struct cluster *c, unsigned node, bool is_cut_off) {
    c->nodes[node].is_cut_off = is_cut_off;
    if (is_cut_off)
        redis_model_cut(c->redis, &c->nodes[node]);
}

/* ---- what is told ---- */

static int first_and_last_story(struct cluster *c) {
    struct world *w = c->w;
    STORY_EXPECT(w, enter(c, 0, 1));
    (void) task_sleep(500);
    STORY_EXPECT(w, knows(c, 1, "o"));
    STORY_EXPECT(w, enter(c, 1, 1));
    leave(c, 0, 1);
    (void) task_sleep(3 * DELAY_MS);
    leave(c, 1, 1);
    (void) task_sleep(DELAY_MS - 500);
    STORY_EXPECT(w, knows(c, 1, "o")); /* it may come back, to any node */
    STORY_EXPECT(w, enter(c, 0, 1));
    (void) task_sleep(3 * DELAY_MS);
    STORY_EXPECT(w, knows(c, 1, "o"));
    leave(c, 0, 1);
    (void) task_sleep(DELAY_MS + 500);
    return knows(c, 1, "ov") && c->service.repeated == 0 ? 0 : -EBADMSG;
}

static void the_first_of_all_nodes_occupies_and_the_last_vacates(void **state) {
    (void) state;
    assert_null(run(first_and_last_story, 0));
}

static int silent_story(struct cluster *c) {
    struct world *w = c->w;
    STORY_EXPECT(w, enter(c, 0, 1) && enter(c, 0, 2) && enter(c, 1, 2));
    (void) task_sleep(1000);
    cut_off(c, 0, true);
    (void) task_sleep(LEASE_MS / 2);
    STORY_EXPECT(w, knows(c, 1, "o"));
    (void) task_sleep(LEASE_MS);
    STORY_EXPECT(w, knows(c, 1, "ov")); /* as far as anybody can know */
    STORY_EXPECT(w, knows(c, 2, "o"));
    cut_off(c, 0, false);
    (void) task_sleep(SETTLED_MS);
    STORY_EXPECT(w, knows(c, 1, "ovo"));
    STORY_EXPECT(w, knows(c, 2, "o"));
    leave(c, 0, 1);
    leave(c, 0, 2);
    leave(c, 1, 2);
    (void) task_sleep(SETTLED_MS);
    return knows(c, 1, "ovov") && knows(c, 2, "ov") ? 0 : -EBADMSG;
}

static void a_node_that_is_not_heard_of_has_nobody_until_it_is_back(void **state) {
    (void) state;
    assert_null(run(silent_story, 0));
}

static int short_break_story(struct cluster *c) {
    struct world *w = c->w;
    STORY_EXPECT(w, enter(c, 0, 1) && enter(c, 0, 2) && enter(c, 1, 4));
    (void) task_sleep(1000);
    for (int i = 0; i < 3; i++) {
        cut_off(c, 0, true);
        leave(c, 0, 2);
        (void) task_sleep(DELAY_MS + 1000);
        cut_off(c, 0, false);
        (void) task_sleep(SETTLED_MS);
        STORY_EXPECT(w, knows(c, 1, "o"));
        STORY_EXPECT(w, knows(c, 4, "o"));
        STORY_EXPECT(w, knows(c, 2, i == 0 ? "ov" : i == 1 ? "ovov" : "ovovov"));
        STORY_EXPECT(w, enter(c, 0, 2));
        (void) task_sleep(1000);
    }
    return 0;
}

static void what_changes_while_a_line_is_broken_is_told_when_it_is_back(void **state) {
    (void) state;
    assert_null(run(short_break_story, 0));
}

/* All nodes lose it at once, for longer than any lease: nobody was gone. */
static int away_story(struct cluster *c) {
    struct world *w = c->w;
    STORY_EXPECT(w, enter(c, 0, 1) && enter(c, 1, 2) && enter(c, 1, 3));
    (void) task_sleep(1000);
    redis_model_crash(c->redis, 0, 4 * LEASE_MS);
    leave(c, 1, 3);
    (void) task_sleep(4 * LEASE_MS + SETTLED_MS);
    STORY_EXPECT(w, knows(c, 1, "o"));
    STORY_EXPECT(w, knows(c, 2, "o"));
    return knows(c, 3, "ov") ? 0 : -EBADMSG;
}

static void a_redis_that_was_away_makes_nobody_gone(void **state) {
    (void) state;
    assert_null(run(away_story, 0));
}

static int empty_story(struct cluster *c) {
    struct world *w = c->w;
    STORY_EXPECT(w, enter(c, 0, 1) && enter(c, 0, 2) && enter(c, 1, 2) && enter(c, 1, 3));
    (void) task_sleep(1000);
    redis_model_flush(c->redis);
    redis_model_cut(c->redis, NULL);
    leave(c, 1, 3);
    (void) task_sleep(SETTLED_MS);
    STORY_EXPECT(w, knows(c, 1, "o"));
    STORY_EXPECT(w, knows(c, 2, "o"));
    STORY_EXPECT(w, knows(c, 3, "ov"));
    redis_model_flush(c->redis); /* the lines stay */
    leave(c, 0, 1);
    (void) task_sleep(SETTLED_MS);
    leave(c, 0, 2);
    leave(c, 1, 2);
    (void) task_sleep(SETTLED_MS);
    return knows(c, 1, "ov") && knows(c, 2, "ov") ? 0 : -EBADMSG;
}

static void a_redis_that_is_emptied_is_told_all_again_and_the_service_nothing(void **state) {
    (void) state;
    assert_null(run(empty_story, 0));
}

static int deaf_story(struct cluster *c) {
    struct world *w = c->w;
    c->service.refusals = 1000000;
    for (unsigned i = 0; i < CHANNELS; i++)
        STORY_EXPECT(w, enter(c, i % NODES, i));
    (void) task_sleep(1000);
    for (unsigned i = 0; i < CHANNELS; i++)
        leave(c, i % NODES, i);
    (void) task_sleep(SETTLED_MS);
    c->service.refusals = 0;
    (void) task_sleep(SETTLED_MS);
    for (unsigned i = 0; i < CHANNELS; i++)
        STORY_EXPECT(w, knows(c, i, "ov"));
    return 0;
}

static void a_service_that_was_away_hears_all_of_it(void **state) {
    (void) state;
    assert_null(run(deaf_story, 0));
}

/* ---- whatever happens ---- */

static void hurt(struct cluster *c) {
    switch (loop_random_below(8)) {
    case 0:
        cut_off(c, (unsigned) loop_random_below(NODES), true);
        break;
    case 1:
        redis_model_cut(c->redis, NULL);
        break;
    case 2:
        redis_model_cut_subscribers(c->redis);
        break;
    case 3:
        redis_model_crash(c->redis, 0, (int64_t) loop_random_below(2 * LEASE_MS));
        break;
    case 4:
        redis_model_forget_scripts(c->redis);
        break;
    case 5:
        redis_model_pause(c->redis, (int64_t) loop_random_below(6000));
        break;
    default:
        for (unsigned i = 0; i < NODES; i++)
            cut_off(c, i, false);
        break;
    }
}

/* Subscribing waits for Redis: somebody comes while it is there. */
static int walk(struct cluster *c) {
    struct world *w = c->w;
    for (int step = 0; step < 60; step++) {
        unsigned node = (unsigned) loop_random_below(NODES);
        unsigned channel = (unsigned) loop_random_below(CHANNELS);
        struct engine_stats stats;
        engine_stats(c->nodes[node].world->daemon->engine, &stats);
        if (c->nodes[node].peers[channel])
            leave(c, node, channel);
        else if (stats.writable)
            (void) enter(c, node, channel);
        (void) task_sleep((int64_t) loop_random_below(3000));
        if (loop_random_below(5) == 0)
            hurt(c);
        w->failure[0] = '\0'; /* who was refused may try again */
        c->nodes[node].world->failure[0] = '\0';
    }
    return 0;
}

static bool is_by_turns(struct cluster *c, unsigned channel, bool is_there) {
    char expected[EVENTS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < c->service.n; i++)
        if (c->service.told[i].channel == channel) {
            expected[n] = n % 2 ? 'v' : 'o';
            n++;
        }
    expected[n] = '\0';
    return n % 2 == is_there && knows(c, channel, expected);
}

static int random_story(struct cluster *c) {
    struct world *w = c->w;
    for (int round = 0; round < 3; round++) {
        STORY_EXPECT(w, walk(c) == 0);
        for (unsigned i = 0; i < NODES; i++)
            cut_off(c, i, false);
        redis_model_heal(c->redis);
        (void) task_sleep(SETTLED_MS);
        for (unsigned i = 0; i < CHANNELS; i++)
            STORY_EXPECT(w, is_by_turns(c, i, c->nodes[0].peers[i] || c->nodes[1].peers[i]));
    }
    return c->service.n > 0 ? 0 : -EBADMSG;
}

static void whatever_happens_the_service_knows_in_the_end(void **state) {
    (void) state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        const char *failure = run(random_story, seed);
        if (failure)
            print_error("seed %llu\n", (unsigned long long) seed);
        assert_null(failure);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_all_nodes_occupies_and_the_last_vacates),
        cmocka_unit_test(a_node_that_is_not_heard_of_has_nobody_until_it_is_back),
        cmocka_unit_test(what_changes_while_a_line_is_broken_is_told_when_it_is_back),
        cmocka_unit_test(a_redis_that_was_away_makes_nobody_gone),
        cmocka_unit_test(a_redis_that_is_emptied_is_told_all_again_and_the_service_nothing),
        cmocka_unit_test(a_service_that_was_away_hears_all_of_it),
        cmocka_unit_test(whatever_happens_the_service_knows_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
