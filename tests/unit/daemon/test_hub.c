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
        cmocka_unit_test(a_users_connections_are_counted_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
