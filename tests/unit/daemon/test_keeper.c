/* The line of those whose presence is to be renewed: whoever comes and goes, each is renewed once
 * for each time that it is due. */
#include "daemon/keeper.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "async/debug.h"
#include "async/task.h"
#include "daemon/session/hub.h"
#include "daemon/worker_thread.h"
#include "storage/engine.h"
#include "storage/node.h"
#include "tests/support/bus.h"
#include "tests/support/world.h"

static const char config[] =
        "client: {presence_update_interval: 3600s, presence_ttl: 7200s,\n"
        "  ping_interval: 3600s}\n"
        "channel: {without_namespace: {presence: true, allow_subscribe_for_client: true}}\n";

/* ---- who was renewed ---- */

enum { PEERS = 256 };

/* The linker puts it in front (--wrap), so these cannot hang from a struct. */
static struct {
    char client[40];
    int times;
} renewed[2 * PEERS];
static size_t n_renewed;

static size_t n_removed;
static int64_t set_ms, remove_ms; /* that each call takes */
static size_t n_under_way, most_under_way;

/* Of the bus, not of the engine behind it. */
static void take_time(const struct engine *e, int64_t ms) {
    if (ms == 0 || !engine_is_shared(e))
        return;
    n_under_way++;
    if (n_under_way > most_under_way)
        most_under_way = n_under_way;
    (void) task_sleep(ms);
    n_under_way--;
}

int __real_engine_presence_remove(struct engine *e, struct str channel, struct str client);
int __wrap_engine_presence_remove(struct engine *e, struct str channel, struct str client);
int __real_engine_presence_set(struct engine *e, struct str channel, const struct client_info *info,
                               int64_t ttl_ms);
int __wrap_engine_presence_set(struct engine *e, struct str channel, const struct client_info *info,
                               int64_t ttl_ms);

int __wrap_engine_presence_set(struct engine *e, struct str channel, const struct client_info *info,
                               int64_t ttl_ms) {
    size_t i = 0;
    while (i < n_renewed && !str_equal(str_of(renewed[i].client), info->client))
        i++;
    if (i == n_renewed && n_renewed < ELEMENTS_OF(renewed))
        (void) snprintf(renewed[n_renewed++].client, sizeof renewed[i].client, "%.*s",
                        (int) info->client.len, info->client.data);
    if (i < n_renewed)
        renewed[i].times++;
    take_time(e, set_ms);
    return __real_engine_presence_set(e, channel, info, ttl_ms);
}

int __wrap_engine_presence_remove(struct engine *e, struct str channel, struct str client) {
    n_removed += engine_is_shared(e);
    take_time(e, remove_ms);
    return __real_engine_presence_remove(e, channel, client);
}

static void forget_renewals(void) {
    memset(renewed, 0, sizeof renewed);
    n_renewed = n_removed = most_under_way = 0;
}

static int times_renewed(struct peer *p) {
    for (size_t i = 0; i < n_renewed; i++)
        if (strcmp(renewed[i].client, peer_client_id(p)) == 0)
            return renewed[i].times;
    return 0;
}

/* ---- sessions ---- */

static struct worker *worker_of(struct world *w) {
    return &w->daemon->threads[0].worker;
}

static struct session *session_of(struct peer *p) {
    return hub_find_client(worker_of(peer_world(p)), str_of(peer_client_id(p)));
}

static struct peer *join(struct world *w) {
    struct peer *p = peer_open(w, NULL);
    if (!p || !peer_connect(p, world_token(w, "{\"sub\":\"42\"}")))
        return NULL;
    peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"room\"}}");
    return peer_expect(p, "{\"id\":2,\"subscribe\":*", __FILE__, __LINE__) ? p : NULL;
}

static void is_due(struct peer *p) {
    keeper_renew(worker_of(peer_world(p)), session_of(p));
}

/* The keeper is at something else, and then it is not; somebody who is due anyway calls it. */
static void keep_busy(struct world *w) {
    worker_of(w)->is_keeping = true;
}

static SUSPENDS int let_go(struct world *w, struct peer *p) {
    worker_of(w)->is_keeping = false;
    is_due(p);
    return task_sleep(10);
}

/* ---- places ---- */

/* It is due and goes; another takes its place, is due as well, or not, or only afterwards. */
static int places_change_hands(struct world *w, void *arg) {
    enum { FEW = 80 }; /* more than the line has room for at first */
    struct peer *all[FEW];
    bool is_new_and_not_due[FEW] = { false };
    (void) arg;
    for (size_t i = 0; i < FEW; i++) {
        all[i] = join(w);
        STORY_EXPECT(w, all[i] != NULL);
    }
    forget_renewals();
    keep_busy(w);
    for (size_t i = 0; i < FEW; i++)
        is_due(all[i]);
    for (size_t i = 1; i < FEW; i += 2) {
        uint32_t place = session_of(all[i])->place;
        peer_close(all[i]);
        STORY_EXPECT(w, task_sleep(10) == 0);
        all[i] = join(w);
        STORY_EXPECT(w, all[i] && session_of(all[i])->place == place);
        is_new_and_not_due[i] = i % 4 == 1;
        for (int twice = 0; twice < 2 && !is_new_and_not_due[i]; twice++)
            is_due(all[i]);
    }
    forget_renewals(); /* that of the subscription is another thing */
    STORY_EXPECT(w, let_go(w, all[0]) == 0);
    for (size_t i = 0; i < FEW; i++)
        STORY_EXPECT(w, times_renewed(all[i]) == !is_new_and_not_due[i]);

    forget_renewals();
    for (size_t i = 0; i < FEW; i++)
        is_due(all[i]);
    STORY_EXPECT(w, task_sleep(10) == 0);
    for (size_t i = 0; i < FEW; i++)
        STORY_EXPECT(w, times_renewed(all[i]) == 1);
    STORY_EXPECT(w, worker_of(w)->presence_due.places == NULL);
    return 0;
}

static void each_is_renewed_once_though_others_had_its_place_in_the_line(void **state) {
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = config, .workers = 1 },
                          places_change_hands, NULL));
}

/* ---- the line moves on ---- */

/* Behind those who have had their turn there is no room: theirs is used again. */
static int due_again_meanwhile(struct world *w, void *arg) {
    static struct peer *all[PEERS];
    struct keeper_line *line = &worker_of(w)->presence_due;
    (void) arg;
    for (size_t i = 0; i < PEERS; i++) {
        all[i] = join(w);
        STORY_EXPECT(w, all[i] != NULL);
    }
    forget_renewals();
    for (size_t i = 0; i < PEERS; i++)
        is_due(all[i]);
    STORY_EXPECT(w, line->n == PEERS && line->capacity == PEERS);
    for (int i = 0; i < 10 && line->first < PEERS / 2; i++)
        STORY_EXPECT(w, task_yield() == 0);
    STORY_EXPECT(w, line->first >= PEERS / 2 && line->first < PEERS);
    for (size_t i = 0; i < 3; i++)
        is_due(all[i]);
    STORY_EXPECT(w, line->capacity == PEERS && line->n < PEERS);
    size_t n = line->n;
    is_due(all[0]); /* it is in the line */
    STORY_EXPECT(w, line->n == n);
    STORY_EXPECT(w, task_sleep(10) == 0);
    for (size_t i = 0; i < PEERS; i++)
        STORY_EXPECT(w, times_renewed(all[i]) == (i < 3 ? 2 : 1));
    return 0;
}

static void the_line_uses_its_room_again_and_forgets_nobody(void **state) {
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = config, .workers = 1 },
                          due_again_meanwhile, NULL));
}

/* ---- an engine that is another server ---- */

enum { CROWD = 200, AT_ONCE = 64, CALL_MS = 10 };

static size_t n_present(struct world *w, const char *channel) {
    size_t clients = 0, users;
    int r = engine_presence_stats(w->daemon->engine, str_of(channel), &clients, &users);
    return r < 0 ? SIZE_MAX : clients;
}

static struct world *open_node(struct world *w) {
    static struct world_options o;
    if (bus_open(&w->bus) < 0)
        return NULL;
    o = (struct world_options){ .config = config, .workers = 1, .bus = w->bus };
    return world_open_another(w, &o);
}

/* One of them goes while it is being renewed. */
static int many_are_due(struct world *w, void *arg) {
    static struct peer *all[CROWD];
    (void) arg;
    struct world *node = open_node(w);
    STORY_EXPECT(w, node != NULL);
    for (size_t i = 0; i < CROWD; i++) {
        all[i] = join(node);
        STORY_EXPECT(w, all[i] != NULL);
    }
    forget_renewals();
    set_ms = CALL_MS;
    for (size_t i = 0; i < CROWD; i++)
        is_due(all[i]);
    STORY_EXPECT(w, task_sleep(CALL_MS / 2) == 0);
    struct session *gone = session_of(all[0]);
    STORY_EXPECT(w, gone && n_under_way == AT_ONCE);
    session_disconnect(gone, DISCONNECT_FORCE_NO_RECONNECT);
    STORY_EXPECT(w, task_sleep(((CROWD + AT_ONCE - 1) / AT_ONCE + 2) * CALL_MS) == 0);
    STORY_EXPECT(w, n_renewed == CROWD && n_under_way == 0);
    STORY_EXPECT(w, most_under_way == AT_ONCE);
    STORY_EXPECT(w, n_present(node, "room") == CROWD - 1);
    set_ms = 0;
    return 0;
}

static void another_server_is_asked_to_renew_many_at_once(void **state) {
    (void) state;
    const char *failure = world_run(&(struct world_options){ .config = config, .workers = 1 },
                                    many_are_due, NULL);
    set_ms = 0;
    assert_null(failure);
}

/* The last of them is called off before its turn. */
static int many_are_removed(struct world *w, void *arg) {
    (void) arg;
    struct world *node = open_node(w);
    STORY_EXPECT(w, node != NULL);
    char client[CROWD][40];
    for (size_t i = 0; i < CROWD; i++) {
        (void) snprintf(client[i], sizeof client[i], "%036zu", i);
        struct client_info info = { .user = STR("u"), .client = str_of(client[i]) };
        STORY_EXPECT(w, engine_presence_set(node->daemon->engine, STR("room"), &info, 60000) == 0);
    }
    forget_renewals();
    remove_ms = CALL_MS;
    for (int twice = 0; twice < 2; twice++)
        for (size_t i = 0; i < CROWD; i++)
            keeper_remove_presence(worker_of(node), STR("room"), str_of(client[i]));
    STORY_EXPECT(w, task_sleep(CALL_MS / 2) == 0);
    STORY_EXPECT(w, n_under_way == AT_ONCE);
    keeper_keep_presence(worker_of(node), STR("room"), str_of(client[CROWD - 1]));
    keeper_keep_presence(worker_of(node), STR("hall"), str_of(client[CROWD - 2]));
    STORY_EXPECT(w, task_sleep((CROWD + AT_ONCE - 1) / AT_ONCE * CALL_MS) == 0);
    STORY_EXPECT(w, n_removed == CROWD - 1 && n_under_way == 0 && most_under_way == AT_ONCE);
    STORY_EXPECT(w, n_present(node, "room") == 1);
    return 0;
}

static void another_server_is_asked_to_remove_many_at_once(void **state) {
    (void) state;
    const char *failure = world_run(&(struct world_options){ .config = config, .workers = 1 },
                                    many_are_removed, NULL);
    remove_ms = 0;
    assert_null(failure);
}

static int too_many_wait(struct world *w, void *arg) {
    struct worker *worker = worker_of(w);
    (void) arg;
    keep_busy(w);
    for (int i = 0; i < KEEPER_REMOVALS_MAX + 2; i++) {
        char client[40];
        (void) snprintf(client, sizeof client, "%036d", i);
        keeper_remove_presence(worker, STR("room"), str_of(client));
    }
    STORY_EXPECT(w, table_size(&worker->removals_by_name) == KEEPER_REMOVALS_MAX);
    STORY_EXPECT(w, atomic_load(&worker->metrics.counters[COUNT_PRESENCE_LEFT]) == 2);
    worker->is_keeping = false;
    return 0;
}

static void removals_that_wait_are_bounded(void **state) {
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = config, .workers = 1 }, too_many_wait,
                          NULL));
}

/* ---- positions ---- */

static const char kept[] =
        "client: {channel_position_check_delay: 40s, ping_interval: 3600s}\n"
        "channel: {without_namespace: {allow_subscribe_for_client: true, history_size: 10,\n"
        "  history_ttl: 7200s, force_positioning: true}}\n";

/* As above. */
static size_t n_compared, n_compared_in_turn, most_in_turn, n_walks;
static uint64_t compared_in; /* turn */
static const struct table *all_channels;
static size_t n_refused; /* of each channel's questions the next have no answer, so many in all */

int __real_engine_position(struct engine *e, struct str channel, struct keep keep,
                           struct position *ret);
int __wrap_engine_position(struct engine *e, struct str channel, struct keep keep,
                           struct position *ret);
struct table_entry *__real_table_first(const struct table *t);
struct table_entry *__wrap_table_first(const struct table *t);

int __wrap_engine_position(struct engine *e, struct str channel, struct keep keep,
                           struct position *ret) {
    struct async_stats stats;
    async_stats(&stats);
    n_compared_in_turn = stats.turns == compared_in ? n_compared_in_turn + 1 : 1;
    most_in_turn = n_compared_in_turn > most_in_turn ? n_compared_in_turn : most_in_turn;
    compared_in = stats.turns;
    n_compared++;
    if (n_refused > 0) {
        n_refused--;
        return -ENOTCONN;
    }
    return __real_engine_position(e, channel, keep, ret);
}

struct table_entry *__wrap_table_first(const struct table *t) {
    n_walks += t == all_channels;
    return __real_table_first(t);
}

enum { ROOMS = 150, OLD_ROOMS = 100 };

static struct peer *enter(struct world *w, size_t i) {
    struct peer *p = peer_open(w, NULL);
    if (!p || !peer_connect(p, world_token(w, "{\"sub\":\"42\"}")))
        return NULL;
    peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"room-%zu\"}}", i);
    return peer_expect(p, "{\"id\":2,\"subscribe\":*", __FILE__, __LINE__) ? p : NULL;
}

static int count_until(int64_t at_ms) {
    n_compared = n_compared_in_turn = most_in_turn = n_walks = 0;
    return task_sleep(at_ms - loop_now());
}

static int compared_in_turns(struct world *w, void *arg) {
    (void) arg;
    all_channels = &worker_of(w)->channels.table;
    for (size_t i = 0; i < OLD_ROOMS; i++)
        STORY_EXPECT(w, enter(w, i) != NULL);
    STORY_EXPECT(w, task_sleep(30000) == 0);
    for (size_t i = OLD_ROOMS; i < ROOMS; i++)
        STORY_EXPECT(w, enter(w, i) != NULL);
    int64_t from_ms = loop_now();

    STORY_EXPECT(w, count_until(from_ms + 20000) == 0);
    STORY_EXPECT(w, n_compared == OLD_ROOMS && most_in_turn == 64);
    STORY_EXPECT(w, n_walks == 0); /* nobody looks at those that are not due */
    STORY_EXPECT(w, count_until(from_ms + 48000) == 0);
    STORY_EXPECT(w, n_compared == ROOMS - OLD_ROOMS);
    STORY_EXPECT(w, count_until(from_ms + 70000) == 0);
    STORY_EXPECT(w, n_compared == OLD_ROOMS);
    return 0;
}

static void positions_are_compared_few_at_a_time_and_only_those_that_are_due(void **state) {
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = kept, .workers = 1 },
                          compared_in_turns, NULL));
}

/* The check of all is at once; those without an answer are asked for again each second, and no
 * others, and then all have their interval again. */
static int asked_for_again(struct world *w, void *arg) {
    (void) arg;
    for (size_t i = 0; i < ROOMS; i++)
        STORY_EXPECT(w, enter(w, i) != NULL);
    int64_t from_ms = loop_now();

    n_refused = ROOMS + 70;
    keeper_check_all(worker_of(w));
    STORY_EXPECT(w, count_until(from_ms + 500) == 0);
    STORY_EXPECT(w, n_compared == ROOMS);
    STORY_EXPECT(w, count_until(from_ms + 1500) == 0);
    STORY_EXPECT(w, n_compared == ROOMS);
    STORY_EXPECT(w, count_until(from_ms + 2500) == 0);
    STORY_EXPECT(w, n_compared == 70);
    STORY_EXPECT(w, count_until(from_ms + 30000) == 0);
    STORY_EXPECT(w, n_compared == 0);
    STORY_EXPECT(w, count_until(from_ms + 50000) == 0);
    STORY_EXPECT(w, n_compared == ROOMS);
    return 0;
}

static void positions_that_the_engine_cannot_say_are_asked_for_again_soon(void **state) {
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = kept, .workers = 1 }, asked_for_again,
                          NULL));
}

/* Who reads the past when something was missed reads it again. */
static int reads_again(struct world *w, void *arg) {
    (void) arg;
    struct channels *all = &worker_of(w)->channels;
    struct channel *c;
    struct joiner before = { 0 }, after = { 0 };
    STORY_EXPECT(w, channel_hold(all, STR("room-1"), &c) == 0);
    channel_join(c, &before);
    channels_missed(all);
    channel_join(c, &after);
    STORY_EXPECT(w, before.is_overrun && !after.is_overrun);
    joiner_finish(&before);
    joiner_finish(&after);
    channel_release(c);
    return 0;
}

static void who_reads_the_past_when_something_was_missed_reads_it_again(void **state) {
    (void) state;
    assert_null(
            world_run(&(struct world_options){ .config = kept, .workers = 1 }, reads_again, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_renewed_once_though_others_had_its_place_in_the_line),
        cmocka_unit_test(the_line_uses_its_room_again_and_forgets_nobody),
        cmocka_unit_test(another_server_is_asked_to_renew_many_at_once),
        cmocka_unit_test(another_server_is_asked_to_remove_many_at_once),
        cmocka_unit_test(removals_that_wait_are_bounded),
        cmocka_unit_test(positions_are_compared_few_at_a_time_and_only_those_that_are_due),
        cmocka_unit_test(positions_that_the_engine_cannot_say_are_asked_for_again_soon),
        cmocka_unit_test(who_reads_the_past_when_something_was_missed_reads_it_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
