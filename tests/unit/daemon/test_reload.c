/* What a reload means to those who are connected: they were told how things are, and it stays so.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "tests/support/world.h"

#define ANYBODY "allow_anonymous_connect_without_token: true"
#define KEPT                                                                                       \
    "channel: {namespaces: [{name: kept, history_size: 50, history_ttl: 600s, force_recovery: "    \
    "true, allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true}]}\n"

static int slower_pings(struct world *w, void *arg) {
    struct peer *old = peer_open(w, NULL);
    PLAYS(old, "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*'ping':25,'pong':true*");
    STORY_EXPECT(w, world_configure(w, "client: {" ANYBODY ", ping_interval: 100s}\n") == 0);
    for (int i = 0; i < 5; i++) {
        STORY_EXPECT(w, strcmp(peer_hear(old, 25200), "{}") == 0);
        peer_say(old, "{}");
    }
    struct peer *new = peer_open(w, NULL);
    PLAYS(new, "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*'ping':100,'pong':true*");
    STORY_EXPECT(w, world_configure(w, "client: {" ANYBODY ", ping_interval: 0s}\n") == 0);
    STORY_EXPECT(w, strcmp(peer_hear(old, 25200), "{}") == 0);
    peer_close(old);
    peer_close(new);
    return 0;
}

static void clients_are_pinged_as_often_as_they_were_told(void **state) {
    struct world_options o = { .config = "client: {" ANYBODY "}\n" };
    assert_null(world_run(&o, slower_pings, NULL));
}

static int pongs_wanted_now(struct world *w, void *arg) {
    struct peer *a = peer_open(w, NULL);
    PLAYS(a, "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*'ping':25}}");
    STORY_EXPECT(w, world_configure(w, "client: {" ANYBODY ", pong_timeout: 8s}\n") == 0);
    for (int i = 0; i < 5; i++)
        STORY_EXPECT(w, strcmp(peer_hear(a, 25200), "{}") == 0);
    peer_close(a);
    return 0;
}

static void who_was_not_told_to_answer_pings_need_not(void **state) {
    struct world_options o = { .config = "client: {" ANYBODY ", pong_timeout: 0s}\n" };
    assert_null(world_run(&o, pongs_wanted_now, NULL));
}

static int slower_pongs(struct world *w, void *arg) {
    struct peer *a = peer_open(w, NULL);
    PLAYS(a, "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*'ping':5,'pong':true*");
    STORY_EXPECT(w, world_configure(w, "client: {" ANYBODY
                                       ", ping_interval: 60s, pong_timeout: 50s}\n") == 0);
    PLAYS(a, "< {}\n < close 3012 no pong");
    peer_close(a);
    return 0;
}

static void a_dead_client_is_noticed_whatever_a_reload_says_of_pongs(void **state) {
    struct world_options o = { .config = "client: {" ANYBODY
                                         ", ping_interval: 5s, pong_timeout: 2s}\n" };
    assert_null(world_run(&o, slower_pongs, NULL));
}

static int checks_off(struct world *w, void *arg) {
    struct peer *a = peer_open(w, NULL);
    STORY_EXPECT(w, a && peer_connect(a, NULL));
    PLAYS(a, "> {'id':2,'subscribe':{'channel':'kept:x'}}\n < {'id':2,'subscribe':{*");
    STORY_EXPECT(w, world_configure(w, "client: {" ANYBODY ", ping_interval: 3600s, "
                                       "channel_position_check_delay: 0s}\n" KEPT) == 0);
    STORY_EXPECT(w, strcmp(peer_hear(a, 300000), "nothing") == 0);
    peer_close(a);
    return 0;
}

static void positions_are_no_longer_compared_when_a_reload_turns_that_off(void **state) {
    struct world_options o = { .config = "client: {" ANYBODY ", ping_interval: 3600s}\n" KEPT };
    assert_null(world_run(&o, checks_off, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_pinged_as_often_as_they_were_told),
        cmocka_unit_test(who_was_not_told_to_answer_pings_need_not),
        cmocka_unit_test(a_dead_client_is_noticed_whatever_a_reload_says_of_pongs),
        cmocka_unit_test(positions_are_no_longer_compared_when_a_reload_turns_that_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
