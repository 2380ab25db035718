/* Who is kept out: blocked users, revoked tokens, tokens from before. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "daemon/keys/denial.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

#define OPEN    "channel: {without_namespace: {allow_subscribe_for_client: true}}\n"
#define BLOCKED "close 3507 permission denied"
#define EXPIRED "{\"id\":1,\"error\":{\"code\":109,*"

static struct worker *worker(struct world *w) {
    return &w->daemon->threads[w->daemon->n_workers - 1].worker;
}

/* A peer that has said connect with these claims. */
static struct peer *come(struct world *w, const char *claims) {
    struct peer *p = peer_open(w, NULL);
    if (p)
        peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", world_token(w, "%s", claims));
    return p;
}

#define COMES(w, claims, pattern)                                                                  \
    do {                                                                                           \
        struct peer *p_ = come((w), (claims));                                                     \
        STORY_EXPECT((w), p_ != NULL);                                                             \
        HEARS(p_, pattern);                                                                        \
        peer_close(p_);                                                                            \
    } while (0)
#define IN "{\"id\":1,\"connect\":{*"

/* ---- users ---- */

static int block(struct world *w, void *arg) {
    struct peer *all[6], *other = come(w, "{\"sub\":\"you\"}");

    HEARS(other, IN);
    for (size_t i = 0; i < ELEMENTS_OF(all); i++) {
        all[i] = come(w, "{\"sub\":\"me\"}");
        STORY_EXPECT(w, all[i] != NULL);
        HEARS(all[i], IN);
    }
    STORY_EXPECT(w, denial_block_user(worker(w), STR("me"), 0, false) == 0);
    for (size_t i = 0; i < ELEMENTS_OF(all); i++)
        HEARS(all[i], BLOCKED);
    COMES(w, "{\"sub\":\"me\"}", BLOCKED);
    COMES(w, "{\"sub\":\"m\"}", IN);
    PLAYS(other, "> {'id':2,'subscribe':{'channel':'x'}}\n < {'id':2,'subscribe':{}}\n");

    STORY_EXPECT(w, denial_unblock_user(worker(w), STR("me"), false) == 0);
    STORY_EXPECT(w, denial_unblock_user(worker(w), STR("me"), false) == 0);
    COMES(w, "{\"sub\":\"me\"}", IN);

    /* For a time; twice: the longer one counts, whichever came first. */
    STORY_EXPECT(w, denial_block_user(worker(w), STR("me"), world_now_s() + 100, false) == 0);
    STORY_EXPECT(w, denial_block_user(worker(w), STR("me"), world_now_s() + 50, false) == 0);
    STORY_EXPECT(w, task_sleep(99000) == 0);
    COMES(w, "{\"sub\":\"me\"}", BLOCKED);
    STORY_EXPECT(w, task_sleep(2000) == 0);
    COMES(w, "{\"sub\":\"me\"}", IN);
    return 0;
}

static void a_blocked_user_is_out_everywhere_until_unblocked(void **state) {
    struct world_options o = { .workers = 3, .config = OPEN };
    assert_null(world_run(&o, block, NULL));
    o.seed = 3;
    assert_null(world_run(&o, block, NULL));
}

static int race(struct world *w, void *arg) {
    const unsigned *seed = arg;
    struct peer *crowd[8];
    for (size_t i = 0; i < ELEMENTS_OF(crowd); i++) {
        crowd[i] = peer_open(w, NULL);
        STORY_EXPECT(w, crowd[i] != NULL);
    }
    for (size_t i = 0; i < ELEMENTS_OF(crowd); i++)
        peer_say(crowd[i], "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                 world_token(w, "{\"sub\":\"me\",\"jti\":\"t\",\"channels\":[\"a\",\"b\",\"c\"]}"));
    for (unsigned i = 0; i < *seed % 40; i++)
        STORY_EXPECT(w, task_yield() == 0);
    STORY_EXPECT(w, denial_block_user(worker(w), STR("me"), 0, false) == 0);
    for (size_t i = 0; i < ELEMENTS_OF(crowd); i++) {
        const char *heard = peer_hear(crowd[i], 5000);
        while (heard[0] == '{')
            heard = peer_hear(crowd[i], 5000);
        STORY_EXPECT(w, strcmp(heard, BLOCKED) == 0);
    }
    return 0;
}

/* With a database: connects wait for what their channels keep. */
static void nobody_slips_in_while_a_user_is_being_blocked(void **state) {
    const char *why = NULL;
    for (unsigned seed = 1; seed <= 40 && !why; seed++) {
        char dir[] = "/tmp/parley-denial-XXXXXX", command[96];
        assert_non_null(mkdtemp(dir));
        const struct world_options o = {
            .workers = 3,
            .seed = seed,
            .data_dir = dir,
            .config = "channel: {without_namespace: {presence: true, history_size: 9, history_ttl: "
                      "60s, force_recovery: true}}\n"
        };
        why = world_run(&o, race, &seed);
        if (why)
            print_error("seed %u: %s\n", seed, why);
        (void) snprintf(command, sizeof command, "rm -r %s", dir);
        assert_int_equal(system(command), 0);
    }
    assert_null(why);
}

static int refreshing(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"me\",\"exp\":%lld}",
                                                     (long long) world_now_s() + 60)));
    /* By another token than the one that is revoked meanwhile. */
    STORY_EXPECT(w, denial_revoke_token(worker(w), STR("second"), 0, false) == 0);
    peer_say(p, "{\"id\":2,\"refresh\":{\"token\":\"%s\"}}",
             world_token(w, "{\"sub\":\"me\",\"jti\":\"second\"}"));
    HEARS(p, "close 3005 connection expired");
    return 0;
}

static void a_refresh_is_checked_like_a_connect(void **state) {
    const struct world_options o = { .config = OPEN };
    assert_null(world_run(&o, refreshing, NULL));
}

/* ---- tokens ---- */

static int revoke(struct world *w, void *arg) {
    struct peer *gone = come(w, "{\"sub\":\"me\",\"jti\":\"t1\"}");
    struct peer *stays = come(w, "{\"sub\":\"me\",\"jti\":\"t2\"}");
    HEARS(gone, IN);
    HEARS(stays, IN);
    STORY_EXPECT(w, denial_revoke_token(worker(w), STR("t1"), world_now_s() + 1000, false) == 0);
    HEARS(gone, "close 3005 connection expired"); /* comes back, and is asked for another */
    COMES(w, "{\"sub\":\"me\",\"jti\":\"t1\"}", EXPIRED);
    COMES(w, "{\"sub\":\"me\",\"jti\":\"t3\"}", IN);
    COMES(w, "{\"sub\":\"me\"}", IN);

    STORY_EXPECT(w, denial_revoke_token(worker(w), STR("s1"), 0, false) == 0);
    peer_say(stays, "{\"id\":2,\"subscribe\":{\"channel\":\"$x\",\"token\":\"%s\"}}",
             world_token(w, "{\"sub\":\"me\",\"channel\":\"$x\",\"jti\":\"s1\"}"));
    HEARS(stays, "{\"id\":2,\"error\":{\"code\":109,*");
    peer_say(stays, "{\"id\":3,\"subscribe\":{\"channel\":\"$x\",\"token\":\"%s\"}}",
             world_token(w, "{\"sub\":\"me\",\"channel\":\"$x\",\"jti\":\"s2\"}"));
    HEARS(stays, "{\"id\":3,\"subscribe\":{}}");
    STORY_EXPECT(w, task_sleep(1001000) == 0);
    COMES(w, "{\"sub\":\"me\",\"jti\":\"t1\"}", IN);
    return 0;
}

static void a_revoked_token_lets_nobody_in(void **state) {
    const struct world_options o = { .workers = 2,
                                     .config = "client: {ping_interval: 0s, pong_timeout: 0s}\n" };
    assert_null(world_run(&o, revoke, NULL));
}

static int invalidate(struct world *w, void *arg) {
    const long long now = world_now_s();
    char old[96], new[96], none[] = "{\"sub\":\"me\"}";
    (void) snprintf(old, sizeof old, "{\"sub\":\"me\",\"iat\":%lld}", now - 100);
    (void) snprintf(new, sizeof new, "{\"sub\":\"me\",\"iat\":%lld}", now);
    struct peer *gone = come(w, old), *stays = come(w, new), *undated = come(w, none);
    HEARS(gone, IN);
    HEARS(stays, IN);
    HEARS(undated, IN);

    STORY_EXPECT(w,
                 denial_invalidate_tokens(worker(w), STR("me"), STR(""), now - 50, 0, false) == 0);
    HEARS(gone, "close 3005 *");
    HEARS(undated, "close 3005 *");
    COMES(w, old, EXPIRED);
    COMES(w, none, EXPIRED);
    COMES(w, new, IN);
    COMES(w, "{\"sub\":\"you\"}", IN);
    /* An earlier time takes nothing back. */
    STORY_EXPECT(w,
                 denial_invalidate_tokens(worker(w), STR("me"), STR(""), now - 500, 0, false) == 0);
    COMES(w, old, EXPIRED);

    /* Of a user for a channel; of anybody for a channel. */
    STORY_EXPECT(w, denial_invalidate_tokens(worker(w), STR("me"), STR("$a"), now, 0, false) == 0);
    STORY_EXPECT(w, denial_invalidate_tokens(worker(w), STR(""), STR("$b"), now, 0, false) == 0);
    static const struct {
        const char *channel;
        int age;
        bool is_good;
    } table[] = { { "$a", 10, false }, { "$a", 0, true },  { "$b", 10, false },
                  { "$b", 0, true },   { "$c", 10, true }, { "$c", 60, false } };
    for (size_t i = 0; i < ELEMENTS_OF(table); i++) {
        peer_say(stays, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\",\"token\":\"%s\"}}",
                 table[i].channel,
                 world_token(w, "{\"sub\":\"me\",\"channel\":\"%s\",\"iat\":%lld}",
                             table[i].channel, now - table[i].age));
        HEARS(stays, table[i].is_good ? "{\"id\":2,\"subscribe\":{}}"
                                      : "{\"id\":2,\"error\":{\"code\":109,*");
        peer_say(stays, "{\"id\":3,\"unsubscribe\":{\"channel\":\"%s\"}}", table[i].channel);
        HEARS(stays, "{\"id\":3,\"unsubscribe\":{}}");
    }
    STORY_EXPECT(w, denial_count(w->daemon) == 3);
    return 0;
}

static void tokens_issued_before_a_time_are_void(void **state) {
    const struct world_options o = { .workers = 2 };
    assert_null(world_run(&o, invalidate, NULL));
}

/* ---- for good ---- */

static int restart(struct world *w, void *arg) {
    const long long now = world_now_s();
    char old[96];
    (void) snprintf(old, sizeof old, "{\"sub\":\"her\",\"iat\":%lld}", now - 100);
    STORY_EXPECT(w, denial_block_user(worker(w), STR("me"), now + 1000, false) == 0);
    STORY_EXPECT(w, denial_block_user(worker(w), STR("you"), now + 10, false) == 0);
    STORY_EXPECT(w, denial_block_user(worker(w), STR("him"), 0, false) == 0);
    STORY_EXPECT(w, denial_unblock_user(worker(w), STR("him"), false) == 0);
    STORY_EXPECT(w, denial_revoke_token(worker(w), STR("t"), 0, false) == 0);
    STORY_EXPECT(w, denial_invalidate_tokens(worker(w), STR("her"), STR(""), now, 0, false) == 0);
    STORY_EXPECT(w, denial_invalidate_tokens(worker(w), STR(""), STR("$b"), now, 0, false) == 0);
    STORY_EXPECT(w, task_sleep(20000) == 0 && world_restart(w) == 0);
    COMES(w, "{\"sub\":\"me\"}", BLOCKED);
    COMES(w, "{\"sub\":\"you\"}", IN);
    COMES(w, "{\"sub\":\"him\"}", IN);
    COMES(w, "{\"sub\":\"you\",\"jti\":\"t\"}", EXPIRED);
    COMES(w, old, EXPIRED);
    STORY_EXPECT(w, denial_is_token_revoked(w->daemon,
                                            &(struct denial_token){ .user = STR("x"),
                                                                    .channel = STR("$b"),
                                                                    .issued_at_s = now - 1 }));
    return 0;
}

static void denials_survive_a_restart(void **state) {
    char dir[] = "/tmp/parley-denial-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const struct world_options o = { .data_dir = dir, .workers = 2 };
    const char *why = world_run(&o, restart, NULL);
    char command[96];
    (void) snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    assert_null(why);
}

static int nonsense(struct world *w, void *arg) {
    struct worker *k = worker(w);
    static char name[DENIAL_NAME_MAX + 1];
    memset(name, 'x', sizeof name);
    struct str longer = { name, sizeof name }, longest = { name, sizeof name - 1 };
    STORY_EXPECT(w, denial_block_user(k, STR(""), 0, false) == -EINVAL);
    STORY_EXPECT(w, denial_unblock_user(k, STR(""), false) == -EINVAL);
    STORY_EXPECT(w, denial_revoke_token(k, STR(""), 0, false) == -EINVAL);
    STORY_EXPECT(w, denial_invalidate_tokens(k, STR(""), STR(""), 0, 0, false) == -EINVAL);
    STORY_EXPECT(w, denial_block_user(k, STR("a"), world_now_s(), false) == -EINVAL);
    STORY_EXPECT(w, denial_block_user(k, STR("a"), -1, false) == -EINVAL);
    STORY_EXPECT(w, denial_block_user(k, STR("a"), INT64_MAX, false) == -EINVAL);
    STORY_EXPECT(w, denial_block_user(k, longer, 0, false) == -EMSGSIZE);
    STORY_EXPECT(w, denial_count(w->daemon) == 0);
    STORY_EXPECT(w, denial_block_user(k, longest, 0, false) == 0);
    STORY_EXPECT(w, denial_is_user_blocked(w->daemon, longest));
    STORY_EXPECT(w, !denial_is_user_blocked(w->daemon, longer));
    STORY_EXPECT(w, !denial_is_user_blocked(w->daemon, STR("")));

    /* Those whose time has passed do not pile up. */
    for (int i = 0; i < 3000; i++) {
        char user[16];
        (void) snprintf(user, sizeof user, "u%d", i);
        STORY_EXPECT(w, denial_block_user(k, str_of(user), world_now_s() + 1, false) == 0);
        if (i % 100 == 0)
            STORY_EXPECT(w, task_sleep(2000) == 0);
    }
    STORY_EXPECT(w, denial_count(w->daemon) < 600);
    return 0;
}

static void what_makes_no_sense_is_refused(void **state) {
    const struct world_options o = { 0 };
    assert_null(world_run(&o, nonsense, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocked_user_is_out_everywhere_until_unblocked),
        cmocka_unit_test(nobody_slips_in_while_a_user_is_being_blocked),
        cmocka_unit_test(a_refresh_is_checked_like_a_connect),
        cmocka_unit_test(a_revoked_token_lets_nobody_in),
        cmocka_unit_test(tokens_issued_before_a_time_are_void),
        cmocka_unit_test(denials_survive_a_restart),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
