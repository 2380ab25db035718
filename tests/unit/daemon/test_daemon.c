/* What holds between several clients and over time: delivery, order, limits, goodbyes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "daemon/worker_thread.h"
#include "protocol/frame.h"
#include "tests/support/world.h"

#define NS_RIGHTS                                                                                  \
    "allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true, "                      \
    "allow_publish_for_client: true, allow_publish_for_anonymous: true, "                          \
    "allow_presence_for_client: true, allow_presence_for_anonymous: true, "                        \
    "allow_history_for_client: true, allow_history_for_anonymous: true"

#define NAMESPACES                                                                                 \
    "channel:\n  namespaces:\n"                                                                    \
    "    - {name: open, " NS_RIGHTS "}\n"                                                          \
    "    - {name: room, presence: true, join_leave: true, force_push_join_leave: true, " NS_RIGHTS \
    "}\n"                                                                                          \
    "    - {name: kept, history_size: 50, history_ttl: 600s, force_recovery: true, " NS_RIGHTS     \
    "}\n"

#define QUIET "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s}\n"

static const struct world_options quiet = { .config = QUIET NAMESPACES };
static const struct world_options quiet_three = { .config = QUIET NAMESPACES, .workers = 3 };

static uint64_t counted(struct world *w, enum metrics_counter id) {
    uint64_t n = 0;
    for (size_t i = 0; i < w->daemon->n_workers; i++)
        n += metrics_counter_of(&w->daemon->threads[i].worker.metrics, id);
    return n;
}

/* A connected peer, subscribed to channel unless that is NULL. */
static struct peer *join(struct world *w, const char *channel) {
    struct peer *p = peer_open(w, NULL);
    if (!p || !peer_connect(p, NULL))
        return peer_close(p);
    if (channel) {
        peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}", channel);
        if (!peer_expect(p, "{\"id\":2,\"subscribe\":{*", __FILE__, __LINE__))
            return peer_close(p);
    }
    return p;
}

#define JOINED(var, world, channel)                                                                \
    struct peer *var = join((world), (channel));                                                   \
    STORY_EXPECT((world), var != NULL)

static bool story_heard(struct world *w, const char *heard, const char *pattern) {
    bool is_so = text_matches(heard, pattern);
    if (!is_so)
        (void) snprintf(w->failure, sizeof w->failure, "expected %s, but heard %.500s", pattern,
                        heard);
    return is_so;
}

/* ---- delivery ---- */

static int delivery(struct world *w, void *arg) {
    JOINED(a, w, "open:x");
    JOINED(b, w, "open:x");
    JOINED(c, w, "open:y");

    PLAYS(a, "> {'id':3,'publish':{'channel':'open:x','data':1}}\n < {'*");
    PLAYS(b, "< {'push':{'channel':'open:x','pub':{'data':1,'info':{'user':'','client':'*'}}}}");
    PLAYS(c, "> {'id':4,'unsubscribe':{'channel':'open:z'}}\n < {'id':4,'unsubscribe':{}}");
    peer_close(a);
    peer_close(b);
    peer_close(c);
    return 0;
}

static void a_publication_reaches_all_subscribers_and_nobody_else(void **state) {
    assert_null(world_run(&quiet, delivery, NULL));
    assert_null(world_run(&quiet_three, delivery, NULL)); /* each on a worker of its own */
}

static int many_in_order(struct world *w, void *arg) {
    enum { MANY = 500 };
    JOINED(a, w, NULL);
    JOINED(b, w, "kept:x");
    CLEANUP(buffer_finish) struct buffer all = BUFFER_INIT;

    for (int i = 1; i <= MANY; i++)
        buffer_printf(&all, "{\"id\":%d,\"publish\":{\"channel\":\"kept:x\",\"data\":%d}}\n",
                      i + 10, i);
    STORY_EXPECT(w, peer_send_frame(a, FRAME_TEXT, buffer_bytes(&all)) == 0);
    for (int i = 1; i <= MANY; i++) {
        char pattern[128];
        (void) snprintf(pattern, sizeof pattern, "{\"id\":%d,\"publish\":{}}", i + 10);
        HEARS(a, pattern);
        (void) snprintf(pattern, sizeof pattern, "{*\"pub\":{\"data\":%d,*\"offset\":%d*}}", i, i);
        HEARS(b, pattern);
    }
    peer_close(a);
    peer_close(b);
    return 0;
}

static void pipelined_publishes_are_answered_and_delivered_in_order(void **state) {
    assert_null(world_run(&quiet, many_in_order, NULL));
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world_options o = quiet_three;
        o.seed = seed;
        assert_null(world_run(&o, many_in_order, NULL));
    }
}

static int joins_and_leaves(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    PLAYS(a, "> {'id':2,'subscribe':{'channel':'room:x'}}\n < {'id':2,'subscribe':{}}\n"
             "< {'push':{'channel':'room:x','join':{'info':{'user':'','client':'CLIENT'}}}}");
    JOINED(b, w, "room:x");
    char pattern[256];
    (void) snprintf(pattern, sizeof pattern,
                    "*\"join\":{\"info\":{\"user\":\"\",\"client\":\"%s\"}}}}", peer_client_id(b));
    HEARS(a, pattern);
    HEARS(b, pattern);
    PLAYS(a,
          "> {'id':3,'presence_stats':{'channel':'room:x'}}\n < {*'num_clients':2,'num_users':1}}");

    (void) snprintf(pattern, sizeof pattern,
                    "*\"leave\":{\"info\":{\"user\":\"\",\"client\":\"%s\"}}}}", peer_client_id(b));
    peer_close(b); /* just gone, without a word */
    HEARS(a, pattern);
    PLAYS(a,
          "> {'id':4,'presence_stats':{'channel':'room:x'}}\n < {*'num_clients':1,'num_users':1}}");
    peer_close(a);
    return 0;
}

static void others_hear_who_comes_and_goes(void **state) {
    assert_null(world_run(&quiet, joins_and_leaves, NULL));
    assert_null(world_run(&quiet_three, joins_and_leaves, NULL));
}

static int presence_lasts(struct world *w, void *arg) {
    JOINED(a, w, "room:x");
    JOINED(b, w, NULL);
    STORY_EXPECT(w, task_sleep(300000) == 0);
    PLAYS(b,
          "> {'id':4,'presence_stats':{'channel':'room:x'}}\n < {*'num_clients':1,'num_users':1}}");
    peer_close(a);
    peer_close(b);
    return 0;
}

static void presence_is_renewed_as_long_as_the_client_is_there(void **state) {
    assert_null(world_run(&quiet, presence_lasts, NULL));
}

/* ---- positions ---- */

static int a_hole(struct world *w, void *arg) {
    JOINED(a, w, "kept:x");
    PLAYS(a, "> {'id':3,'publish':{'channel':'kept:x','data':1}}\n < {'*\n < {'*");

    /* What an engine must never do: a publication that does not continue the stream. */
    struct channel *c = channel_find(&w->daemon->threads[0].worker.channels, STR("kept:x"));
    STORY_EXPECT(w, c != NULL);
    struct publication *p = publication_new(
            &(struct publication_parts){ .channel = STR("kept:x"), .data = str_bytes(STR("3")) });
    p->position.offset = 3;
    memcpy(p->position.epoch, c->epoch, sizeof c->epoch);
    p->hash = c->entry.hash;
    channels_deliver(c->all, p);
    loop_at_turn_end(&w->daemon->threads[0].worker.flush);
    publication_unref(p);

    PLAYS(a, "< {'push':{'channel':'kept:x','unsubscribe':{'code':2500,'reason':'insufficient "
             "state'}}}\n"
             "> {'id':4,'subscribe':{'channel':'kept:x','recover':true,'offset':1}}\n"
             "< {'id':4,'subscribe':{*'recovered':true,'offset':1*}}");
    STORY_EXPECT(w, counted(w, COUNT_POSITION_LOST) == 1);
    peer_close(a);
    return 0;
}

static void a_hole_in_the_stream_sends_the_client_back(void **state) {
    assert_null(world_run(&quiet, a_hole, NULL));
}

static int a_silent_loss(struct world *w, void *arg) {
    JOINED(a, w, "kept:x");
    JOINED(b, w, NULL);
    struct worker *worker = &w->daemon->threads[0].worker;
    struct channel *c = channel_find(&worker->channels, STR("kept:x"));
    STORY_EXPECT(w, c != NULL);

    /* Distribution loses one. */
    engine_detach(w->daemon->engine, &worker->sink, STR("kept:x"));
    PLAYS(b, "> {'id':3,'publish':{'channel':'kept:x','data':1}}\n < {'id':3,'publish':{}}");
    STORY_EXPECT(w, engine_attach(w->daemon->engine, &worker->sink, STR("kept:x")) == 0);

    STORY_EXPECT(w, text_matches(peer_hear(a, 60000), "*\"unsubscribe\":{\"code\":2500*"));
    peer_close(a);
    peer_close(b);
    return 0;
}

static void a_loss_that_nothing_shows_is_found_within_a_minute(void **state) {
    assert_null(world_run(&quiet, a_silent_loss, NULL));
}

static int nothing_lost(struct world *w, void *arg) {
    JOINED(a, w, "kept:x");
    PLAYS(a, "> {'id':3,'publish':{'channel':'kept:x','data':1}}\n < {'*\n < {'*");
    STORY_EXPECT(w, strcmp(peer_hear(a, 200000), "nothing") == 0);
    peer_close(a);
    return 0;
}

static void positions_that_agree_disturb_nobody(void **state) {
    assert_null(world_run(&quiet, nothing_lost, NULL));
}

/* ---- time ---- */

static int pings(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    int64_t from = loop_now();
    HEARS(a, "{}");
    int64_t first = loop_now() - from;
    STORY_EXPECT(w, first >= 12000 && first <= 25200);
    PLAYS(a, "> {}");
    from = loop_now();
    HEARS(a, "{}");
    STORY_EXPECT(w, loop_now() - from >= 24800 && loop_now() - from <= 25300);
    from = loop_now();
    HEARS(a, "close 3012 no pong"); /* this time it did not answer */
    STORY_EXPECT(w, loop_now() - from >= 7900 && loop_now() - from <= 8300);
    STORY_EXPECT(w, counted(w, COUNT_PONG_TIMEOUTS) == 1);
    peer_close(a);
    return 0;
}

static void pings_come_regularly_and_must_be_answered(void **state) {
    struct world_options o = { .config =
                                       "client: {allow_anonymous_connect_without_token: true}\n" };
    assert_null(world_run(&o, pings, NULL));
}

static int two_pongs(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    PLAYS(a, "< {}\n > {}\n > {}\n < close 3501 bad request");
    peer_close(a);
    return 0;
}

static void a_second_pong_is_one_too_many(void **state) {
    struct world_options o = { .config =
                                       "client: {allow_anonymous_connect_without_token: true}\n" };
    assert_null(world_run(&o, two_pongs, NULL));
}

/* ---- slow ones ---- */

static int slow_and_fast(struct world *w, void *arg) {
    enum { COUNT = 100 };
    JOINED(slow, w, "open:x");
    JOINED(fast, w, "open:x");
    JOINED(publisher, w, NULL);
    char kilobyte[1024];

    memset(kilobyte, 'x', sizeof kilobyte);
    for (int i = 0; i < COUNT; i++) {
        peer_say(publisher, "{\"id\":%d,\"publish\":{\"channel\":\"open:x\",\"data\":\"%.*s\"}}",
                 i + 3, (int) sizeof kilobyte, kilobyte);
        HEARS(publisher, "{*\"publish\":{}}");
        HEARS(fast, "{\"push\":*");
    }
    const char *heard;
    int received = 0;
    while (strncmp(heard = peer_hear(slow, 30000), "{\"push\"", 7) == 0)
        received++;
    STORY_EXPECT(w, story_heard(w, heard, "close 3008 slow"));
    STORY_EXPECT(w, received < COUNT);
    STORY_EXPECT(w, counted(w, COUNT_QUEUE_LIMIT) == 1);
    peer_close(slow);
    peer_close(fast);
    peer_close(publisher);
    return 0;
}

static void a_slow_reader_is_dropped_and_nobody_else_notices(void **state) {
    struct world_options o = {
        .config = "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s, "
                  "queue_max_size: 32768}\n" NAMESPACES,
        .pipe_bytes = 4096,
    };
    assert_null(world_run(&o, slow_and_fast, NULL));
}

static int stuck(struct world *w, void *arg) {
    JOINED(a, w, "open:x");
    JOINED(publisher, w, NULL);
    char kilobyte[1024];

    memset(kilobyte, 'x', sizeof kilobyte);
    for (int i = 0; i < 8; i++) {
        peer_say(publisher, "{\"id\":%d,\"publish\":{\"channel\":\"open:x\",\"data\":\"%.*s\"}}",
                 i + 3, (int) sizeof kilobyte, kilobyte);
        HEARS(publisher, "{*\"publish\":{}}");
    }
    STORY_EXPECT(w, task_sleep(3000) == 0); /* it does not read; the write timeout is a second */
    STORY_EXPECT(w, counted(w, COUNT_WRITE_TIMEOUTS) == 1);
    const char *heard;
    while (strncmp(heard = peer_hear(a, 30000), "{\"push\"", 7) == 0)
        ;
    STORY_EXPECT(w, story_heard(w, heard, "close 3009 write error"));
    peer_close(a);
    peer_close(publisher);
    return 0;
}

static void who_takes_nothing_for_the_write_timeout_is_dropped(void **state) {
    struct world_options o = quiet;
    o.pipe_bytes = 4096;
    assert_null(world_run(&o, stuck, NULL));
}

static int pings_unread(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    char payload[100];
    memset(payload, 'p', sizeof payload);
    int r = 0;
    for (int i = 0; i < 2000 && r == 0; i++)
        r = peer_send_frame(a, FRAME_PING, bytes_of(payload, sizeof payload));
    const char *heard;
    while (strncmp(heard = peer_hear(a, 30000), "pong", 4) == 0)
        ;
    STORY_EXPECT(w, text_matches(heard, "close 3008 slow") || text_matches(heard, "close 3009 *") ||
                            text_matches(heard, "reset") || text_matches(heard, "end"));
    peer_close(a);
    return 0;
}

static void pongs_that_nobody_reads_count_too(void **state) {
    struct world_options o = {
        .config = "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s, "
                  "queue_max_size: 32768}\n" NAMESPACES,
        .pipe_bytes = 4096,
    };
    assert_null(world_run(&o, pings_unread, NULL));
}

/* ---- frames ---- */

static int byte_by_byte(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    static const char text[] = "{\"id\":7,\"subscribe\":{\"channel\":\"open:x\"}}";
    uint8_t frame[128] = { 0x81, 0x80 | (sizeof text - 1), 1, 2, 3, 4 };
    for (size_t i = 0; i < sizeof text - 1; i++)
        frame[6 + i] = (uint8_t) (text[i] ^ frame[2 + i % 4]);
    for (size_t i = 0; i < 6 + sizeof text - 1; i++) {
        STORY_EXPECT(w, peer_send_raw(a, bytes_of(&frame[i], 1)) == 0);
        STORY_EXPECT(w, task_sleep(10) == 0);
    }
    HEARS(a, "{\"id\":7,\"subscribe\":{}}");
    peer_close(a);
    return 0;
}

static void a_frame_may_come_byte_by_byte(void **state) {
    assert_null(world_run(&quiet, byte_by_byte, NULL));
}

static int control_frames(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    STORY_EXPECT(w, peer_send_frame(a, FRAME_PING, str_bytes(STR("hello"))) == 0);
    HEARS(a, "pong hello");
    uint8_t close[] = { 0x03, 0xe8, 'b', 'y', 'e' };
    STORY_EXPECT(w, peer_send_frame(a, FRAME_CLOSE, bytes_of(close, sizeof close)) == 0);
    HEARS(a, "close 1000 *");
    HEARS(a, "end");
    peer_close(a);
    return 0;
}

static void pings_are_answered_and_a_close_is_echoed(void **state) {
    assert_null(world_run(&quiet, control_frames, NULL));
}

static int garbage(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    static const uint8_t unmasked[] = { 0x81, 0x01, 'x' };
    STORY_EXPECT(w, peer_send_raw(a, bytes_of(unmasked, sizeof unmasked)) == 0);
    HEARS(a, "close 1002 *");
    HEARS(a, "end");
    STORY_EXPECT(w, counted(w, COUNT_PROTOCOL_ERRORS) == 1);
    peer_close(a);
    return 0;
}

static void broken_framing_is_told_so(void **state) {
    assert_null(world_run(&quiet, garbage, NULL));
}

static int too_big(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    CLEANUP(buffer_finish) struct buffer big = BUFFER_INIT;
    while (big.len <= 65536)
        buffer_append_byte(&big, ' ');
    (void) peer_send_frame(a, FRAME_TEXT, buffer_bytes(&big));
    HEARS(a, "close 1009 *");
    STORY_EXPECT(w, counted(w, COUNT_MESSAGE_LIMIT) == 1);
    peer_close(a);
    return 0;
}

static void a_message_over_the_limit_ends_the_connection(void **state) {
    assert_null(world_run(&quiet, too_big, NULL));
}

static int deflated(struct world *w, void *arg) {
    struct peer *a = peer_open(w, &(struct peer_options){ .worker = -1, .offers_deflate = true });
    STORY_EXPECT(w, a && peer_connect(a, NULL));
    PLAYS(a, "> {'id':2,'subscribe':{'channel':'open:x'}}\n < {'id':2,'subscribe':{}}");
    JOINED(b, w, "open:x");
    char text[2000];
    memset(text, 'x', sizeof text);
    peer_say(b, "{\"id\":3,\"publish\":{\"channel\":\"open:x\",\"data\":\"%.*s\"}}",
             (int) sizeof text, text);
    HEARS(b, "{*");
    HEARS(b, "{*");
    HEARS(a, "{\"push\":{*\"data\":\"xxx*xxx\",*");
    peer_close(a);
    peer_close(b);
    return 0;
}

static void who_agreed_to_compression_gets_it_and_others_do_not(void **state) {
    struct world_options o = { .config = QUIET "websocket: {compression: true}\n" NAMESPACES };
    assert_null(world_run(&o, deflated, NULL));
}

/* Commands that go deep, with a few bytes changed: some still are commands. */
static int mischief(struct world *w, void *arg) {
    static const char *const commands[] = {
        "{\"id\":3,\"subscribe\":{\"channel\":\"kept:x\",\"recover\":true,\"offset\":1,\"epoch\":"
        "\"a\"}}",
        "{\"id\":4,\"publish\":{\"channel\":\"kept:x\",\"data\":{\"a\":[1,2,3]}}}",
        "{\"id\":5,\"history\":{\"channel\":\"kept:x\",\"limit\":9,\"since\":{\"offset\":1}}}",
        "{\"id\":6,\"presence\":{\"channel\":\"room:x\"}}\n{\"id\":7,\"subscribe\":{\"channel\":"
        "\"room:x\"}}",
        "{\"id\":8,\"unsubscribe\":{\"channel\":\"kept:x\"}}",
        "{\"id\":9,\"refresh\":{\"token\":\"a.b.c\"}}",
        "{}",
    };
    JOINED(witness, w, "kept:x");

    for (int i = 0; i < 20; i++) {
        JOINED(p, w, NULL);
        for (int j = 0; j < 10; j++) {
            const char *from = commands[loop_random_below(ELEMENTS_OF(commands))];
            size_t len = strlen(from);
            char text[256];
            memcpy(text, from, len);
            for (uint64_t k = loop_random_below(3); k > 0; k--)
                text[loop_random_below(len)] = (char) loop_random_below(128);
            unsigned opcode = loop_random_below(20) ? FRAME_TEXT : (unsigned) loop_random_below(16);
            if (peer_send_frame(p, opcode, bytes_of(text, len)) < 0)
                break;
            if (loop_random_below(3) == 0)
                (void) peer_hear(p, 10);
        }
        if (loop_random_below(2))
            peer_close(p);
    }
    /* Whatever happened to them, others are served. */
    PLAYS(witness, "> {'id':99,'unsubscribe':{'channel':'kept:x'}}");
    const char *heard;
    while (strncmp(heard = peer_hear(witness, 1000), "{\"push\"", 7) == 0)
        ;
    STORY_EXPECT(w, strcmp(heard, "{\"id\":99,\"unsubscribe\":{}}") == 0);
    return 0;
}

static void whatever_one_sends_others_are_served(void **state) {
    struct world_options o = quiet_three;
    for (o.seed = 1; o.seed <= 40; o.seed++)
        assert_null(world_run(&o, mischief, NULL));
}

/* ---- limits ---- */

static int too_fast(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    for (int i = 0; i < 10; i++)
        peer_say(a, "{\"id\":%d,\"unsubscribe\":{\"channel\":\"x\"}}", i + 2);
    for (int i = 0; i < 4; i++)
        HEARS(a, "{*\"unsubscribe\":{}}");
    HEARS(a, "close 3013 too many requests");
    STORY_EXPECT(w, counted(w, COUNT_RATE_LIMIT) == 1);
    peer_close(a);
    return 0;
}

static void commands_have_a_rate(void **state) {
    struct world_options o = {
        .config = "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s, "
                  "command_rate: 1, command_burst: 5}\n"
    };
    assert_null(world_run(&o, too_fast, NULL));
}

static int origins(struct world *w, void *arg) {
    struct peer_options o = { .worker = -1, .origin = "https://chat.example.com" };
    struct peer *a = peer_open(w, &o);
    STORY_EXPECT(w, a != NULL);
    peer_close(a);
    o.origin = "https://evil.example.org";
    STORY_EXPECT(w, peer_open(w, &o) == NULL);
    STORY_EXPECT(w, strstr(w->failure, "status 403") != NULL);
    w->failure[0] = 0;
    STORY_EXPECT(w, counted(w, COUNT_REFUSED_ORIGIN) == 1);
    return 0;
}

static void pages_of_other_origins_are_refused(void **state) {
    struct world_options o = { .config = "client: {allowed_origins: ['https://*.example.com']}\n" };
    assert_null(world_run(&o, origins, NULL));
}

static int crowded(struct world *w, void *arg) {
    JOINED(a, w, NULL);
    JOINED(b, w, NULL);
    STORY_EXPECT(w, peer_open(w, NULL) == NULL);
    STORY_EXPECT(w, strstr(w->failure, "status 503") != NULL);
    w->failure[0] = 0;
    STORY_EXPECT(w, counted(w, COUNT_REFUSED_LIMIT) == 1);
    peer_close(a);
    STORY_EXPECT(w, task_sleep(10) == 0);
    JOINED(c, w, NULL);
    peer_close(b);
    peer_close(c);
    return 0;
}

static void more_connections_than_allowed_hear_503(void **state) {
    struct world_options o = {
        .config = "client: {allow_anonymous_connect_without_token: true, connection_limit: 2}\n"
    };
    assert_null(world_run(&o, crowded, NULL));
}

/* ---- the end ---- */

struct leaver {
    struct peer *peer;
    char heard[64];
    int64_t at_ms;
};

static int hear_the_end(void *arg) {
    struct leaver *l = arg;
    (void) snprintf(l->heard, sizeof l->heard, "%s", peer_hear(l->peer, 60000));
    l->at_ms = loop_now();
    return 0;
}

static int drained(struct world *w, void *arg) {
    enum { CLIENTS = 20 };
    struct leaver *all = calloc(CLIENTS, sizeof *all);
    struct group listeners;
    int64_t from = loop_now();

    group_init(&listeners);
    for (int i = 0; i < CLIENTS; i++) {
        all[i].peer = join(w, "open:x");
        if (!all[i].peer || group_spawn(&listeners, "leaver", hear_the_end, &all[i]) < 0)
            return -ENOMEM;
    }
    daemon_drain(w->daemon);
    int r = group_wait(&listeners);
    int64_t last = 0;
    bool is_told = true;
    for (int i = 0; i < CLIENTS; i++) {
        is_told = is_told && strcmp(all[i].heard, "close 3001 shutdown") == 0;
        last = all[i].at_ms > last ? all[i].at_ms : last;
        peer_close(all[i].peer);
    }
    free(all);
    STORY_EXPECT(w, r == 0 && is_told);
    STORY_EXPECT(w, last - from > 1000 && last - from < 5000); /* spread over shutdown.spread */
    return 0;
}

static void a_drain_tells_everyone_to_come_back_not_all_at_once(void **state) {
    struct world_options o = { .config =
                                       QUIET NAMESPACES "shutdown: {spread: 2s, timeout: 10s}\n" };
    assert_null(world_run(&o, drained, NULL));
    o.workers = 3;
    assert_null(world_run(&o, drained, NULL));
}

static int reloaded(struct world *w, void *arg) {
    JOINED(a, w, "open:x");
    PLAYS(a, "> {'id':3,'publish':{'channel':'open:x','data':1}}\n < {'*\n < {'*");
    STORY_EXPECT(w, world_configure(w, "client: {allow_anonymous_connect_without_token: true}\n"
                                       "channel:\n  namespaces:\n    - {name: open}\n") == 0);
    PLAYS(a,
          "> {'id':4,'publish':{'channel':'open:x','data':1}}\n < {'id':4,'error':{'code':103,*");
    peer_close(a);
    return 0;
}

static void a_reload_changes_what_clients_may(void **state) {
    assert_null(world_run(&quiet, reloaded, NULL));
    assert_null(world_run(&quiet_three, reloaded, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publication_reaches_all_subscribers_and_nobody_else),
        cmocka_unit_test(pipelined_publishes_are_answered_and_delivered_in_order),
        cmocka_unit_test(others_hear_who_comes_and_goes),
        cmocka_unit_test(presence_is_renewed_as_long_as_the_client_is_there),
        cmocka_unit_test(a_hole_in_the_stream_sends_the_client_back),
        cmocka_unit_test(a_loss_that_nothing_shows_is_found_within_a_minute),
        cmocka_unit_test(positions_that_agree_disturb_nobody),
        cmocka_unit_test(pings_come_regularly_and_must_be_answered),
        cmocka_unit_test(a_second_pong_is_one_too_many),
        cmocka_unit_test(a_slow_reader_is_dropped_and_nobody_else_notices),
        cmocka_unit_test(who_takes_nothing_for_the_write_timeout_is_dropped),
        cmocka_unit_test(pongs_that_nobody_reads_count_too),
        cmocka_unit_test(a_frame_may_come_byte_by_byte),
        cmocka_unit_test(pings_are_answered_and_a_close_is_echoed),
        cmocka_unit_test(broken_framing_is_told_so),
        cmocka_unit_test(a_message_over_the_limit_ends_the_connection),
        cmocka_unit_test(who_agreed_to_compression_gets_it_and_others_do_not),
        cmocka_unit_test(whatever_one_sends_others_are_served),
        cmocka_unit_test(commands_have_a_rate),
        cmocka_unit_test(pages_of_other_origins_are_refused),
        cmocka_unit_test(more_connections_than_allowed_hear_503),
        cmocka_unit_test(a_drain_tells_everyone_to_come_back_not_all_at_once),
        cmocka_unit_test(a_reload_changes_what_clients_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
