#include "storage/presence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct table_seed seed = { { 3, 4 } };

enum { TTL_MS = 1000 };

static int begin(void **state) {
    static struct presence_store store;
    presence_store_init(&store, &seed);
    *state = &store;
    return 0;
}

static int end(void **state) {
    presence_store_finish(*state); /* LeakSanitizer looks after the rest */
    return 0;
}

static void join(struct presence_store *s, int64_t now_ms, const char *client, const char *user) {
    struct client_info info = { .user = str_of(user), .client = str_of(client) };
    assert_int_equal(presence_store_set(s, now_ms, STR("room"), &info, TTL_MS), 0);
}

static void assert_count(struct presence_store *s, int64_t now_ms, size_t clients, size_t users) {
    size_t n_clients = 99, n_users = 99;
    presence_store_count(s, now_ms, STR("room"), &n_clients, &n_users);
    assert_int_equal(n_clients, clients);
    assert_int_equal(n_users, users);
}

static void users_are_counted_once_however_many_clients_they_have(void **state) {
    join(*state, 0, "1", "ada");
    join(*state, 0, "2", "ada");
    join(*state, 0, "3", "bob");
    join(*state, 0, "4", "");
    assert_count(*state, 0, 4, 3);
    presence_store_remove(*state, STR("room"), STR("1"));
    assert_count(*state, 0, 3, 3);
    presence_store_remove(*state, STR("room"), STR("2"));
    assert_count(*state, 0, 2, 2);
    presence_store_remove(*state, STR("room"), STR("2")); /* once more: nothing */
    presence_store_remove(*state, STR("elsewhere"), STR("2"));
    assert_count(*state, 0, 2, 2);
}

static void who_is_not_renewed_is_gone(void **state) {
    join(*state, 0, "1", "ada");
    join(*state, 500, "2", "bob");
    assert_count(*state, 999, 2, 2);
    assert_count(*state, 1000, 1, 1);
    join(*state, 1400, "2", "bob");
    assert_count(*state, 2399, 1, 1);
    assert_count(*state, 2400, 0, 0);
}

static void what_is_known_of_a_client_can_change(void **state) {
    struct client_info info = { .user = STR("ada"),
                                .client = STR("1"),
                                .chan_info = str_bytes(STR("{\"mood\":1}")) };
    join(*state, 0, "1", "guest");
    assert_int_equal(presence_store_set(*state, 10, STR("room"), &info, TTL_MS), 0);
    assert_count(*state, 10, 1, 1);

    struct presence all;
    assert_int_equal(presence_store_read(*state, 10, STR("room"), &all), 0);
    assert_int_equal(all.n, 1);
    assert_true(str_equal(all.items[0].user, STR("ada")));
    assert_true(bytes_equal(all.items[0].chan_info, info.chan_info));
    presence_finish(&all);
}

static void everyone_is_listed_and_the_list_outlives_them(void **state) {
    enum { N = 100 };
    char name[16];
    for (int i = 0; i < N; i++) {
        (void) snprintf(name, sizeof name, "c%02u", (unsigned) i % N);
        join(*state, 0, name, "ada");
    }
    struct presence all;
    assert_int_equal(presence_store_read(*state, 1, STR("room"), &all), 0);
    for (int i = 0; i < N; i++) {
        (void) snprintf(name, sizeof name, "c%02u", (unsigned) i % N);
        presence_store_remove(*state, STR("room"), str_of(name));
    }
    assert_int_equal(all.n, N);
    bool is_there[N] = { false };
    for (size_t i = 0; i < all.n; i++) {
        struct str c = all.items[i].client;
        assert_int_equal(c.len, 3);
        is_there[(c.data[1] - '0') * 10 + c.data[2] - '0'] = true;
    }
    for (int i = 0; i < N; i++)
        assert_true(is_there[i]);
    presence_finish(&all);
    presence_finish(&all); /* takes a finished one */
}

static void an_empty_room_is_an_empty_list(void **state) {
    struct presence all;
    assert_int_equal(presence_store_read(*state, 0, STR("nobody"), &all), 0);
    assert_int_equal(all.n, 0);
    presence_finish(&all);
}

static void sweeping_frees_rooms_that_nobody_asks_about(void **state) {
    struct presence_store *s = *state;
    join(s, 0, "1", "ada");
    for (int i = 0; i < PRESENCE_SHARDS; i++)
        presence_store_sweep(s, TTL_MS - 1);
    assert_count(s, 0, 1, 1);
    for (int i = 0; i < PRESENCE_SHARDS; i++)
        presence_store_sweep(s, TTL_MS);
    for (int i = 0; i < PRESENCE_SHARDS; i++)
        assert_int_equal(table_size(&s->shards[i].channels), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(users_are_counted_once_however_many_clients_they_have,
                                        begin, end),
        cmocka_unit_test_setup_teardown(who_is_not_renewed_is_gone, begin, end),
        cmocka_unit_test_setup_teardown(what_is_known_of_a_client_can_change, begin, end),
        cmocka_unit_test_setup_teardown(everyone_is_listed_and_the_list_outlives_them, begin, end),
        cmocka_unit_test_setup_teardown(an_empty_room_is_an_empty_list, begin, end),
        cmocka_unit_test_setup_teardown(sweeping_frees_rooms_that_nobody_asks_about, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
