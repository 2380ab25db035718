/* The index of a worker's sessions against a plain list of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/base.h"
#include "daemon/session/hub.h"
#include "daemon/session/impl.h"
#include "daemon/worker.h"

enum { SESSIONS = 3000, USERS = 300 };

static struct worker worker;
static struct session sessions[SESSIONS];
static uint64_t random_state = 42;

static unsigned below(unsigned bound) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) (random_state >> 33) % bound;
}

/* Some have no user, and some users have many sessions. */
static unsigned user_of(unsigned i) {
    return i % 3 == 0 ? 0 : i % 3 == 1 ? 1 + i % 3 : i % USERS;
}

static struct str user_name(unsigned user, char *buf, size_t cap) {
    int len = user ? snprintf(buf, cap, "user %u", user) : 0;
    return (struct str){ buf, (size_t) len };
}

static void make(unsigned i) {
    char name[32];
    struct str user = user_name(user_of(i), name, sizeof name);
    struct identity *identity = calloc(1, sizeof *identity + user.len);
    assert_non_null(identity);
    identity->user_len = (uint16_t) user.len;
    if (user.len)
        memcpy(identity->text, user.data, user.len);
    sessions[i] = (struct session){ .worker = &worker, .identity = identity };
    memcpy(sessions[i].client.bytes, &i, sizeof i);
    assert_int_equal(hub_enter(&worker, &sessions[i]), 0);
}

static void leave_all(void) {
    for (unsigned i = 0; i < SESSIONS; i++) {
        hub_exit(&worker, &sessions[i]);
        identity_free(sessions[i].identity);
        sessions[i].identity = NULL;
    }
    hub_finish(&worker.hub);
}

static bool is_in(unsigned i) {
    return sessions[i].is_in_hub;
}

static void every_user_is_found(void) {
    static unsigned wanted[USERS];
    unsigned users = 0;

    memset(wanted, 0, sizeof wanted);
    for (unsigned i = 0; i < SESSIONS; i++)
        wanted[user_of(i)] += is_in(i);
    for (unsigned u = 0; u < USERS; u++) {
        char name[32];
        unsigned n = 0;
        struct str user = user_name(u, name, sizeof name);
        HUB_FOREACH_USER (&worker, user, s) {
            assert_true(str_equal(session_user(s), user));
            n++;
        }
        assert_int_equal(n, wanted[u]);
        users += wanted[u] > 0;
    }
    assert_int_equal(hub_users(&worker), users);
}

static void every_client_is_found(void) {
    struct client_text text;
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_ptr_equal(hub_find_client(&worker, session_client(&sessions[i], &text)),
                         is_in(i) ? &sessions[i] : NULL);
}

static void sessions_come_and_go(void **state) {
    hub_init(&worker.hub, &(struct table_seed){ { 1, 2 } });
    for (unsigned i = 0; i < SESSIONS; i++)
        make(i);
    every_client_is_found();
    for (unsigned round = 0; round < 30; round++) {
        unsigned likely = round % 3 ? 80 : 20; /* it grows, and shrinks */
        for (unsigned n = 0; n < 2000; n++) {
            unsigned i = below(SESSIONS);
            bool comes = below(100) < likely;
            if (comes && !is_in(i))
                assert_int_equal(hub_add(&worker, &sessions[i]), 0);
            else if (!comes)
                hub_remove(&worker, &sessions[i]);
        }
        every_user_is_found();
        every_client_is_found();
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        hub_remove(&worker, &sessions[i]);
    assert_int_equal(hub_users(&worker), 0);
    every_client_is_found();
    leave_all();
}

static void whoever_is_looked_at_may_leave(void **state) {
    hub_init(&worker.hub, &(struct table_seed){ { 3, 4 } });
    for (unsigned i = 0; i < SESSIONS; i++) {
        make(i);
        assert_int_equal(hub_add(&worker, &sessions[i]), 0);
    }
    unsigned n = 0, left = 0;
    HUB_FOREACH_USER (&worker, STR(""), s) {
        if (n++ % 2)
            hub_remove(&worker, s);
    }
    HUB_FOREACH_USER (&worker, STR(""), s)
        left++;
    assert_int_equal(n, SESSIONS / 3);
    assert_int_equal(left, SESSIONS / 6);
    HUB_FOREACH_USER (&worker, STR(""), s)
        hub_remove(&worker, s);
    assert_null(hub_first_of_user(&worker, STR("")));
    leave_all();
}

/* ---- places ---- */

enum { FEW = 40 }; /* more than there is room for at first */

/* So many enter. */
static void enter_some(unsigned first, unsigned n) {
    for (unsigned i = first; i < first + n; i++)
        make(i);
}

static void exit_one(unsigned i) {
    hub_exit(&worker, &sessions[i]);
    assert_int_equal(sessions[i].place, 0);
    identity_free(sessions[i].identity);
    sessions[i].identity = NULL;
}

static unsigned count_walked(void) {
    unsigned n = 0;
    HUB_FOREACH (&worker, walk) {
        assert_ptr_equal(walk.session, hub_at(&worker.hub, walk.session->place));
        n++;
    }
    return n;
}

static void a_place_given_up_is_the_next_ones(void **state) {
    hub_init(&worker.hub, &(struct table_seed){ { 5, 6 } });
    enter_some(0, FEW);
    uint32_t first = sessions[3].place, second = sessions[FEW - 1].place;
    exit_one(3);
    exit_one(FEW - 1);
    assert_null(hub_at(&worker.hub, first));
    assert_int_equal(count_walked(), FEW - 2);
    enter_some(FEW, 2); /* the last given up is the first taken */
    assert_int_equal(sessions[FEW].place, second);
    assert_int_equal(sessions[FEW + 1].place, first);
    assert_int_equal(worker.hub.n_places, FEW);
    enter_some(FEW + 2, 1);
    assert_int_equal(sessions[FEW + 2].place, FEW + 1);
    assert_int_equal(count_walked(), FEW + 1);
    hub_exit(&worker, &sessions[3]); /* has no place any more */
    assert_int_equal(count_walked(), FEW + 1);
    leave_all();
}

/* Each that is looked at brings another, which makes the places grow under the walk. */
static void who_comes_during_a_walk_disturbs_nobody(void **state) {
    hub_init(&worker.hub, &(struct table_seed){ { 7, 8 } });
    enter_some(0, FEW);
    unsigned seen[SESSIONS] = { 0 }, came = FEW;
    HUB_FOREACH (&worker, walk) {
        seen[walk.session - sessions]++;
        if (came < 4 * FEW)
            enter_some(came++, 1);
    }
    for (unsigned i = 0; i < came; i++)
        assert_true(seen[i] == 1 || (i >= FEW && seen[i] == 0));
    assert_int_equal(count_walked(), came);
    leave_all();
}

/* The one that is looked at, those before it and those behind it. */
static void who_leaves_during_a_walk_is_not_met_again(void **state) {
    hub_init(&worker.hub, &(struct table_seed){ { 9, 10 } });
    enter_some(0, FEW);
    unsigned seen[FEW] = { 0 };
    HUB_FOREACH (&worker, walk) {
        unsigned i = (unsigned) (walk.session - sessions);
        assert_int_equal(seen[i]++, 0);
        if (i == 10) {
            exit_one(2);
            exit_one(11); /* the next */
            exit_one(FEW - 1);
        } else if (i % 5 == 0) {
            exit_one(i);
        }
    }
    for (unsigned i = 0; i < FEW; i++)
        assert_int_equal(seen[i], i != 11 && i != FEW - 1);
    leave_all();
}

static void the_last_one_leaves_inside_a_walk_which_ends(void **state) {
    hub_init(&worker.hub, &(struct table_seed){ { 11, 12 } });
    enter_some(0, FEW);
    unsigned n = 0;
    HUB_FOREACH (&worker, walk) {
        n++;
        exit_one((unsigned) (walk.session - sessions));
    }
    assert_int_equal(n, FEW);
    assert_null(worker.hub.places);
    assert_int_equal(count_walked(), 0);

    enter_some(0, 3);
    n = 0;
    HUB_FOREACH (&worker, walk) { /* all leave at once, under the first */
        n++;
        for (unsigned i = 0; i < 3; i++)
            exit_one(i);
    }
    assert_int_equal(n, 1);
    enter_some(0, 1);
    assert_int_equal(sessions[0].place, 1);
    leave_all();
}

static void a_users_connections_are_counted_up_to_the_limit(void **state) {
    struct user_counts *c = user_counts_new();
    assert_non_null(c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(user_counts_add(c, STR("a"), 3), 0);
    assert_true(user_counts_add(c, STR("a"), 3) < 0);
    assert_int_equal(user_counts_add(c, STR("b"), 3), 0);
    assert_int_equal(user_counts_add(c, STR("a"), 0), 0); /* no limit */
    user_counts_remove(c, STR("a"));
    assert_true(user_counts_add(c, STR("a"), 3) < 0);
    user_counts_remove(c, STR("a"));
    assert_int_equal(user_counts_add(c, STR("a"), 3), 0);
    user_counts_remove(c, STR("nobody"));
    assert_null(user_counts_free(c));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_come_and_go),
        cmocka_unit_test(whoever_is_looked_at_may_leave),
        cmocka_unit_test(a_place_given_up_is_the_next_ones),
        cmocka_unit_test(who_comes_during_a_walk_disturbs_nobody),
        cmocka_unit_test(who_leaves_during_a_walk_is_not_met_again),
        cmocka_unit_test(the_last_one_leaves_inside_a_walk_which_ends),
        cmocka_unit_test(a_users_connections_are_counted_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
