/* What peers do that no library does, and what the daemon must not fall over. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/debug.h"
#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/keeper.h"
#include "daemon/worker_thread.h"
#include "protocol/frame.h"
#include "tests/support/world.h"

#define QUIET "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s}\n"

/* Every frame that waits begins at its first byte: nothing of the line has to be finished. */
static int leaves_full_pipe(struct world *w, void *arg) {
    enum { PONG_BYTES = 64, PIPE_BYTES = 4096 };
    struct peer *a = peer_open(w, NULL);
    STORY_EXPECT(w, a && peer_connect(a, NULL));
    char payload[PONG_BYTES - 2];
    memset(payload, 'p', sizeof payload);
    for (int i = 0; i < PIPE_BYTES / PONG_BYTES + 3; i++) {
        STORY_EXPECT(w, peer_send_frame(a, FRAME_PING, bytes_of(payload, sizeof payload)) == 0);
        STORY_EXPECT(w, task_sleep(1) == 0);
    }
    peer_close(a);
    STORY_EXPECT(w, task_sleep(10000) == 0);
    return 0;
}

static void who_leaves_while_a_whole_frame_waits_leaves_nothing_behind(void **state) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct world_options o = { .config = QUIET, .pipe_bytes = 4096, .seed = seed };
        assert_null(world_run(&o, leaves_full_pipe, NULL));
    }
}

/* ---- much at once ---- */

#define BIG                                                                                        \
    "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s, "                 \
    "queue_max_size: 65536}\n"                                                                     \
    "channel: {namespaces: [{name: kept, history_size: 100, history_ttl: 600s, force_recovery: "   \
    "true, allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true, "                \
    "allow_publish_for_client: true, allow_publish_for_anonymous: true, "                          \
    "allow_history_for_client: true, allow_history_for_anonymous: true}]}\n"

/* Publishes n kilobytes to the channel, one at a time. */
static bool fill(struct peer *p, const char *channel, int n) {
    char kilobyte[1024];
    memset(kilobyte, 'x', sizeof kilobyte);
    for (int i = 0; i < n; i++) {
        peer_say(p, "{\"id\":%d,\"publish\":{\"channel\":\"%s\",\"data\":\"%.*s\"}}", i + 1000,
                 channel, (int) sizeof kilobyte, kilobyte);
        if (!text_matches(peer_hear(p, 1000), "{*\"publish\":{}}"))
            return false;
    }
    return true;
}

static int more_than_the_queue(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL), *a = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, NULL) && a && peer_connect(a, NULL));
    STORY_EXPECT(w, fill(p, "kept:x", 80));
    PLAYS(a, "> {'id':2,'history':{'channel':'kept:x','limit':80}}\n"
             "< {'id':2,'error':{'code':106,*\n"
             "> {'id':3,'history':{'channel':'kept:x','limit':10}}\n"
             "< {'id':3,'history':{'publications':[{'data':'xxx*\n"
             "> {'id':4,'subscribe':{'channel':'kept:x','recover':true}}\n"
             "< {'id':4,'subscribe':{'recoverable':true,'epoch':'*','offset':80,"
             "'positioned':true,'was_recovering':true}}\n"
             "> {'id':5,'unsubscribe':{'channel':'kept:x'}}\n < {'id':5,'unsubscribe':{}}\n"
             "> {'id':6,'subscribe':{'channel':'kept:x','recover':true,'offset':60}}\n"
             "< {'id':6,'subscribe':{*'recovered':true,'offset':60*");
    peer_close(p);
    peer_close(a);
    return 0;
}

static void what_fits_no_queue_is_refused_and_not_tried_for_ever(void **state) {
    struct world_options o = { .config = BIG, .pipe_bytes = 4096 };
    assert_null(world_run(&o, more_than_the_queue, NULL));
}

/* Twenty channels at once, as a library does when it comes back: forty times what the pipe holds,
 * five times what may wait. */
static int all_channels_at_once(struct world *w, void *arg) {
    enum { CHANNELS = 20, EACH = 15 };
    struct peer *p = peer_open(w, NULL), *a = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, NULL) && a && peer_connect(a, NULL));
    CLEANUP(buffer_finish) struct buffer all = BUFFER_INIT;
    for (int i = 0; i < CHANNELS; i++) {
        char name[16];
        (void) snprintf(name, sizeof name, "kept:%d", i);
        STORY_EXPECT(w, fill(p, name, EACH));
        buffer_printf(&all, "%s{\"id\":%d,\"subscribe\":{\"channel\":\"%s\",\"recover\":true}}",
                      i ? "\n" : "", i + 2, name);
    }
    STORY_EXPECT(w, peer_send_frame(a, FRAME_TEXT, buffer_bytes(&all)) == 0);
    STORY_EXPECT(w, task_sleep(500) == 0);
    for (int i = 0; i < CHANNELS; i++)
        HEARS(a, "{*\"subscribe\":{*\"recovered\":true,*");
    peer_close(p);
    peer_close(a);
    return 0;
}

static void who_asks_for_much_gets_it_as_fast_as_it_reads(void **state) {
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct world_options o = { .config = BIG, .pipe_bytes = 8192, .seed = seed };
        assert_null(world_run(&o, all_channels_at_once, NULL));
    }
}

/* ---- at the limit ---- */

static int crowd(struct world *w, void *arg) {
    enum { CROWD = 1 + 64 };
    struct stream *theirs[CROWD + 1] = { 0 }, *ours = NULL;
    struct worker *worker = &w->daemon->threads[0].worker;
    int r = 0;

    for (int i = 0; i < CROWD && r == 0; i++) {
        r = stream_pair(4096, &ours, &theirs[i]);
        if (r == 0)
            r = daemon_accept(w->daemon, 0, ours);
    }
    bool is_full = r == 0;
    r = stream_pair(4096, &ours, &theirs[CROWD]);
    int refused = r == 0 ? worker_accept(worker, ours, ACCEPT_PLAIN) : r;
    if (refused < 0)
        stream_close(ours);
    struct stream *operator_end = NULL;
    r = stream_pair(4096, &ours, &operator_end);
    int internal = r == 0 ? worker_accept(worker, ours, ACCEPT_INTERNAL) : r;
    if (internal < 0)
        stream_close(ours);
    stream_close(operator_end);
    for (int i = 0; i <= CROWD; i++)
        stream_close(theirs[i]);
    STORY_EXPECT(w, is_full && refused == -EBUSY && internal == 0);
    STORY_EXPECT(w, task_sleep(1000) == 0);
    STORY_EXPECT(w, atomic_load(&w->daemon->connections) == 0);
    return 0;
}

static void operators_get_in_however_many_are_at_the_door(void **state) {
    struct world_options o = { .config = "client: {connection_limit: 1}\n" };
    assert_null(world_run(&o, crowd, NULL));
}

/* ---- ending ---- */

static int drain(void *arg) {
    daemon_drain(arg);
    return 0;
}

/* It comes after all others have been told, and before the last of them has gone. */
static int late_comer(struct world *w, void *arg) {
    const struct peer_options same = { .worker = 0 }; /* its worker is not done yet */
    struct peer *first = peer_open(w, &same);
    STORY_EXPECT(w, first && peer_connect(first, NULL));
    STORY_EXPECT(w, group_spawn(&w->tasks, "drain", drain, w->daemon) == 0);
    STORY_EXPECT(w, task_sleep(60) == 0);
    struct peer *late = peer_open(w, &same);
    STORY_EXPECT(w, late != NULL);
    int64_t from = loop_now();
    HEARS(late, "close 3001 shutdown");
    STORY_EXPECT(w, loop_now() - from < 1000);
    peer_close(first);
    peer_close(late);
    return 0;
}

static void who_comes_while_others_are_told_to_go_is_told_too(void **state) {
    struct world_options o = { .config = QUIET "shutdown: {spread: 100ms, timeout: 60s}\n" };
    assert_null(world_run(&o, late_comer, NULL));
}

/* What ends the connection has the most of a long message behind it; the rest of that and the
 * peer's close come later. Masking keys are all zeros. */
static int sends_on(struct world *w, void *arg) {
    enum { LONG = 12000, LATE = 2000 };
    static const char bad[] = "{\"id\":7,\"ping\":{}}";
    static const uint8_t bad_header[] = { 0x81, 0x80 | (sizeof bad - 1), 0, 0, 0, 0 };
    static const uint8_t long_header[] = { 0x81, 0xfe, LONG >> 8, LONG & 0xff, 0, 0, 0, 0 };
    CLEANUP(buffer_finish) struct buffer all = BUFFER_INIT;
    struct peer *a = peer_open(w, NULL);
    STORY_EXPECT(w, a && peer_connect(a, NULL));

    buffer_append(&all, bad_header, sizeof bad_header);
    buffer_append(&all, bad, sizeof bad - 1);
    buffer_append(&all, long_header, sizeof long_header);
    for (int i = 0; i < LONG; i++)
        buffer_append_byte(&all, ' ');
    STORY_EXPECT(w, peer_send_raw(a, bytes_of(all.data, all.len - LATE)) == 0);
    STORY_EXPECT(w, task_sleep(10) == 0);
    STORY_EXPECT(w, peer_send_raw(a, bytes_of(all.data + all.len - LATE, LATE)) == 0);
    int64_t from = loop_now();
    HEARS(a, "close 3501 bad request"); /* and echoes it */
    HEARS(a, "end");
    STORY_EXPECT(w, loop_now() - from < 1000);
    peer_close(a);
    return 0;
}

static void a_goodbye_is_heard_behind_what_nobody_wants_any_more(void **state) {
    struct world_options o = { .config = QUIET };
    assert_null(world_run(&o, sends_on, NULL));
}

/* ---- presence ---- */

#define ROOM                                                                                       \
    "channel: {namespaces: [{name: room, presence: true, allow_subscribe_for_client: true, "       \
    "allow_subscribe_for_anonymous: true, allow_presence_for_client: true, "                       \
    "allow_presence_for_anonymous: true}]}\n"

static int full_house(struct world *w, void *arg) {
    enum { GUESTS = 1000 };
    struct peer *a = peer_open(w, NULL);
    STORY_EXPECT(w, a && peer_connect(a, NULL));
    for (int i = 0; i < GUESTS; i++) {
        char id[37];
        (void) snprintf(id, sizeof id, "%036d", i);
        struct client_info info = { .user = STR("u"), .client = str_of(id) };
        STORY_EXPECT(w, engine_presence_set(w->daemon->engine, STR("room:x"), &info, 60000) == 0);
    }
    PLAYS(a, "> {'id':3,'presence':{'channel':'room:x'}}\n < {'id':3,'error':{'code':106,*\n"
             "> {'id':4,'presence_stats':{'channel':'room:x'}}\n < {*'num_clients':1000,*");
    peer_close(a);
    return 0;
}

static void a_list_of_all_who_are_there_is_refused_when_it_fits_no_queue(void **state) {
    struct world_options o = { .config = "client: {allow_anonymous_connect_without_token: true, "
                                         "queue_max_size: 65536}\n" ROOM,
                               .pipe_bytes = 4096 };
    assert_null(world_run(&o, full_house, NULL));
}

/* It lost its place and has it again, while the keeper has other things to do first. */
static int comes_back_early(struct world *w, void *arg) {
    struct worker *worker = &w->daemon->threads[0].worker;
    struct peer *a = peer_open(w, NULL);
    STORY_EXPECT(w, a && peer_connect(a, NULL));

    worker->is_keeping = true;
    keeper_remove_presence(worker, STR("room:x"), str_of(peer_client_id(a)));
    keeper_remove_presence(worker, STR("room:y"), str_of(peer_client_id(a)));
    PLAYS(a, "> {'id':2,'subscribe':{'channel':'room:x'}}\n < {'id':2,'subscribe':{}}");
    worker->is_keeping = false;
    keeper_remove_presence(worker, STR("room:z"), str_of(peer_client_id(a)));
    PLAYS(a, "+ 100\n"
             "> {'id':3,'presence_stats':{'channel':'room:x'}}\n"
             "< {*'num_clients':1,'num_users':1}}");
    peer_close(a);
    return 0;
}

static void who_comes_back_at_once_stays_present(void **state) {
    struct world_options o = { .config = QUIET ROOM };
    assert_null(world_run(&o, comes_back_early, NULL));
}

/* One of them begins to speak when its time is almost over, and has no more of it than the others.
 */
static int says_nothing(struct world *w, void *arg) {
    enum { CROWD = 40, TIMEOUT_MS = 10000 };
    static char begun[] = "GET / HT";
    const struct iovec half = { begun, sizeof begun - 1 };
    struct worker *worker = &w->daemon->threads[0].worker;
    struct stream *crowd[CROWD];
    struct async_stats before, now;

    async_stats(&before);
    for (int i = 0; i < CROWD; i++) {
        struct stream *theirs;
        STORY_EXPECT(w, stream_pair(4096, &crowd[i], &theirs) == 0);
        STORY_EXPECT(w, daemon_accept(w->daemon, 0, theirs) == 0);
    }
    STORY_EXPECT(w, task_sleep(10) == 0);
    async_stats(&now);
    STORY_EXPECT(w, now.dormant == before.dormant + CROWD);
    STORY_EXPECT(w, now.stacks_in_use == before.stacks_in_use);

    STORY_EXPECT(w, task_sleep(TIMEOUT_MS - 100) == 0);
    STORY_EXPECT(w, stream_write_all(crowd[0], &half, 1) == 0);
    STORY_EXPECT(w, task_sleep(10) == 0);
    STORY_EXPECT(w, metrics_counter_of(&worker->metrics, COUNT_HANDSHAKE_TIMEOUTS) == 0);
    STORY_EXPECT(w, task_sleep(200) == 0);
    STORY_EXPECT(w, metrics_counter_of(&worker->metrics, COUNT_HANDSHAKE_TIMEOUTS) == CROWD);
    STORY_EXPECT(w, worker->n_connections == 0);
    for (int i = 0; i < CROWD; i++)
        stream_close(crowd[i]);
    return 0;
}

static void who_comes_and_says_nothing_holds_no_stack_and_goes_in_time(void **state) {
    struct world_options o = { .config = QUIET };
    assert_null(world_run(&o, says_nothing, NULL));
}

/* They are told why, and do not answer. One says something else meanwhile, one leaves. */
static int closes_slowly(struct world *w, void *arg) {
    enum { CROWD = 40, PATIENCE_MS = 5000 };
    static const uint8_t nothing[] = { 0x89, 0x80, 0, 0, 0, 0 }; /* a ping */
    struct worker *worker = &w->daemon->threads[0].worker;
    struct peer *crowd[CROWD];
    struct async_stats before, now;

    for (int i = 0; i < CROWD; i++) {
        crowd[i] = peer_open(w, NULL);
        STORY_EXPECT(w, crowd[i] && peer_connect(crowd[i], NULL));
    }
    STORY_EXPECT(w, task_sleep(10) == 0);
    async_stats(&before);
    for (int i = 0; i < CROWD; i++)
        peer_say(crowd[i], "{\"id\":7,\"ping\":{}}");
    STORY_EXPECT(w, task_sleep(10) == 0);
    async_stats(&now);
    STORY_EXPECT(w, now.dormant == before.dormant && now.stacks_in_use == before.stacks_in_use);
    STORY_EXPECT(w, worker->n_connections == CROWD);

    peer_close(crowd[0]);
    STORY_EXPECT(w, peer_send_raw(crowd[1], bytes_of(nothing, sizeof nothing)) == 0);
    STORY_EXPECT(w, task_sleep(PATIENCE_MS - 100) == 0);
    STORY_EXPECT(w, worker->n_connections == CROWD - 1);
    STORY_EXPECT(w, task_sleep(300) == 0);
    STORY_EXPECT(w, worker->n_connections == 0);
    for (int i = 1; i < CROWD; i++)
        peer_close(crowd[i]);
    return 0;
}

static void who_does_not_answer_a_goodbye_holds_no_stack_and_goes_in_time(void **state) {
    struct world_options o = { .config = QUIET, .workers = 1 }; /* its stacks are counted */
    assert_null(world_run(&o, closes_slowly, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_and_says_nothing_holds_no_stack_and_goes_in_time),
        cmocka_unit_test(who_does_not_answer_a_goodbye_holds_no_stack_and_goes_in_time),
        cmocka_unit_test(who_leaves_while_a_whole_frame_waits_leaves_nothing_behind),
        cmocka_unit_test(what_fits_no_queue_is_refused_and_not_tried_for_ever),
        cmocka_unit_test(who_asks_for_much_gets_it_as_fast_as_it_reads),
        cmocka_unit_test(operators_get_in_however_many_are_at_the_door),
        cmocka_unit_test(who_comes_while_others_are_told_to_go_is_told_too),
        cmocka_unit_test(a_goodbye_is_heard_behind_what_nobody_wants_any_more),
        cmocka_unit_test(a_list_of_all_who_are_there_is_refused_when_it_fits_no_queue),
        cmocka_unit_test(who_comes_back_at_once_stays_present),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
