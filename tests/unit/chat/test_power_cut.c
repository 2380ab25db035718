/*
 * Chat's store over a disk that loses power: many seeds, each with several cuts, failing syncs and
 * restarts. Whatever was acknowledged is there afterwards, once, under its number and without a gap
 * before it; what is sent again is known; and every message is handed out to be published.
 *
 * PARLEY_SEEDS=first-last runs others.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/chat/house.h"

enum { SENDERS = 4, ROUNDS = 5, SENT_MAX = 2000, SEEDS = 40, TEXT_BYTES = 1 << 16 };

struct test {
    struct house *h;
    char room[CHAT_ID_MAX + 1];
    uint64_t acked[SENT_MAX]; /* by number of the sender's making: its seq; 0: nobody was told */
    bool was_asked[SENT_MAX];
    int next;
    uint64_t acks, failures;
    bool is_over;
    char text[TEXT_BYTES];
};

static int send_numbered(struct test *t, int number, bool *ret_is_duplicate) {
    struct house_send s = { .user = "u1", .room = t->room };
    (void) snprintf(s.id, sizeof s.id, "n%d", number);
    s.client_id = s.text = s.id;
    t->was_asked[number] = true;
    int r = house_send(t->h, &s);
    if (r != 0) {
        t->failures++;
        return r;
    }
    if (t->acked[number] != 0 && t->acked[number] != s.seq)
        house_fail(t->h, __FILE__, __LINE__, "sent again it has another number");
    t->acked[number] = s.seq;
    t->acks++;
    *ret_is_duplicate = s.is_duplicate;
    return 0;
}

static int send_on(void *arg) {
    struct test *t = arg;
    bool is_duplicate;
    while (!t->is_over && t->next < SENT_MAX - SENDERS) {
        int number = t->next++;
        /* Now and then what came to nothing is sent again at once, or something old is. */
        if (send_numbered(t, number, &is_duplicate) != 0 && loop_random_below(2))
            (void) send_numbered(t, number, &is_duplicate);
        if (loop_random_below(8) == 0)
            (void) send_numbered(t, (int) loop_random_below((uint64_t) number + 1), &is_duplicate);
        if (task_sleep((int64_t) loop_random_below(6)) < 0)
            break;
    }
    return 0;
}

static int send_and_cut(struct test *t) {
    struct house *h = t->h;
    GROUP(g);
    t->is_over = false;
    h->keeps_silent = loop_random_below(2);
    for (int i = 0; i < SENDERS; i++)
        CHECK(h, group_spawn(&g, "send", send_on, t) == 0);
    if (loop_random_below(3) == 0)
        sim_disk_fail(h->disk, SIM_SYNC, 1 + loop_random_below(20), 1 + loop_random_below(3), EIO);
    (void) task_sleep((int64_t) loop_random_below(120));
    if (loop_random_below(5) > 0)
        sim_disk_cut(h->disk);
    t->is_over = true;
    CHECK(h, group_wait(&g) == 0);
    sim_disk_fail(h->disk, SIM_ANY, 0, 0, 0);
    return 0;
}

static int verify(struct test *t) {
    struct house *h = t->h;
    static bool is_there[SENT_MAX];
    memset(is_there, 0, sizeof is_there);
    CHECK(h, house_history(h, t->room, t->text, sizeof t->text) == 0);
    unsigned long long seq, before = 0;
    int number, used;
    for (const char *at = t->text; sscanf(at, "%llu=n%d%n", &seq, &number, &used) == 2;
         at += used) {
        CHECK(h, seq == before + 1);
        CHECK(h, number < SENT_MAX && t->was_asked[number] && !is_there[number]);
        CHECK(h, t->acked[number] == 0 || t->acked[number] == seq);
        is_there[number] = true;
        t->acked[number] = seq; /* now that it was seen it must stay */
        before = seq;
    }
    for (int i = 0; i < SENT_MAX; i++)
        CHECK(h, t->acked[i] == 0 || is_there[i]);
    return 0;
}

/* All that there is was handed out, for the last time in order. */
static int verify_heard(struct test *t) {
    struct house *h = t->h;
    static bool was_heard[SENT_MAX];
    memset(was_heard, 0, sizeof was_heard);
    CHECK(h, h->heard_n < HEARD_MAX);
    for (size_t i = 0; i < h->heard_n; i++)
        was_heard[atoi(h->heard[i] + 5)] = true;
    for (int i = 0; i < SENT_MAX; i++)
        CHECK(h, t->acked[i] == 0 || was_heard[t->acked[i]]);
    return 0;
}

static int cut_story(struct house *h) {
    struct test *t = calloc(1, sizeof *t);
    CHECK(h, t);
    t->h = h;
    int r = house_furnish(h, t->room);
    for (int round = 0; r == 0 && round < ROUNDS; round++) {
        r = send_and_cut(t);
        house_close(h);
        if (r == 0)
            r = house_open(h);
        if (r < 0)
            house_fail(h, __FILE__, __LINE__, h->why ? h->why : "open");
        if (r == 0)
            r = verify(t);
    }
    h->keeps_silent = false;
    if (r == 0)
        r = house_restart(h);
    house_settle(h);
    if (r == 0)
        r = verify_heard(t);
    if (r == 0 && t->acks < 3)
        house_fail(h, __FILE__, __LINE__, "there was something to lose");
    free(t);
    return r;
}

static void what_was_acknowledged_survives_power_cuts(void **state) {
    (void) state;
    unsigned long long first = 1, last = SEEDS;
    const char *asked = getenv("PARLEY_SEEDS");
    if (asked && sscanf(asked, "%llu-%llu", &first, &last) == 1)
        last = first;
    for (uint64_t seed = first; seed <= last; seed++) {
        struct house *h = house_new_seeded(seed);
        house_run(h, cut_story);
        if (h->failure[0])
            print_message("seed %llu\n", (unsigned long long) seed);
        assert_string_equal(h->failure, "");
        house_free(h);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_power_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
