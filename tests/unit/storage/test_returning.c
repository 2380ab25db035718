/* Everybody comes back at once, with the positions they had: the SQLite engine reads once for all
 * who ask the same, and not at all for those who have missed nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/storage/world.h"

enum { CROWD = 40 };

/* One who comes back. */
struct returning {
    struct world *w;
    uint64_t since;
    struct page page;
    int result;
    bool is_done;
};

static int come_back(void *arg) {
    struct returning *r = arg;
    struct history_query q = { .channel = STR("a"),
                               .keep = keep_ten,
                               .has_since = true,
                               .since_offset = r->since,
                               .limit = 100 };
    r->result = engine_history(r->w->engine, &q, &r->page);
    r->is_done = true;
    return 0;
}

static uint64_t reads_so_far(struct world *w) {
    struct engine_stats s;
    engine_stats(w->engine, &s);
    return s.reads;
}

static int restart(struct world *w) {
    world_close(w);
    return world_open(w);
}

static void finish(struct returning *all, size_t n) {
    for (size_t i = 0; i < n; i++)
        page_finish(&all[i].page);
    free(all);
}

static bool has(const struct returning *r, const char *expected) {
    char text[256];
    return r->is_done && r->result == 0 && r->page.top.offset == 9 &&
           strcmp(page_text(&r->page, text), expected) == 0;
}

/* ---- one reading for all of them ---- */

static int crowd_story(struct world *w) {
    CHECK(w, world_publish_times(w, "a", 9, keep_ten) == 0);
    CHECK(w, restart(w) == 0);
    struct returning *all = calloc(CROWD, sizeof *all);
    CHECK(w, all);
    {
        GROUP(g);
        for (int i = 0; i < CROWD; i++) {
            all[i] = (struct returning){ .w = w, .since = i % 2 ? 6 : 4 };
            CHECK(w, group_spawn(&g, "returning", come_back, &all[i]) == 0);
        }
        CHECK(w, group_wait(&g) == 0);
    }
    for (int i = 0; i < CROWD; i++) {
        CHECK(w, has(&all[i], i % 2 ? "7=7 8=8 9=9" : "5=5 6=6 7=7 8=8 9=9"));
        CHECK(w, all[i].page.items[0] == all[i % 2].page.items[0]); /* read by one, for all */
    }
    finish(all, CROWD);
    return 0;
}

static void those_who_ask_the_same_are_answered_by_one_reading(void **state) {
    world_run(*state, crowd_story);
    assert_string_equal(((struct world *) *state)->failure, "");
}

/* ---- some do not wait ---- */

static int impatient_story(struct world *w) {
    CHECK(w, world_publish_times(w, "a", 9, keep_ten) == 0);
    CHECK(w, restart(w) == 0);
    struct returning *all = calloc(CROWD, sizeof *all);
    CHECK(w, all);
    {
        GROUP(patient);
        GROUP(impatient);
        for (int i = 0; i < CROWD; i++) {
            all[i] = (struct returning){ .w = w, .since = 6 };
            CHECK(w,
                  group_spawn(i % 3 ? &patient : &impatient, "returning", come_back, &all[i]) == 0);
        }
        CHECK(w, task_yield() == 0);
        group_cancel(&impatient);
        CHECK(w, group_wait(&impatient) <= 0);
        CHECK(w, group_wait(&patient) == 0);
    }
    for (int i = 0; i < CROWD; i++)
        CHECK(w, has(&all[i], "7=7 8=8 9=9") || (i % 3 == 0 && all[i].result == -ECANCELED));
    finish(all, CROWD);
    return 0;
}

static void who_gives_up_leaves_the_others_their_answer(void **state) {
    world_run(*state, impatient_story);
    assert_string_equal(((struct world *) *state)->failure, "");
}

/* ---- nothing to read ---- */

static int nothing_missed_story(struct world *w) {
    CHECK(w, world_publish_times(w, "a", 9, keep_ten) == 0);
    struct returning r = { .w = w, .since = 9 };
    struct page page;
    struct history_query position = { .channel = STR("a"), .keep = keep_ten };
    uint64_t before = reads_so_far(w);

    CHECK(w, come_back(&r) == 0);
    CHECK(w, has(&r, ""));
    page_finish(&r.page);
    CHECK(w, engine_history(w->engine, &position, &page) == 0);
    CHECK(w, page.top.offset == 9 && page.n == 0);
    page_finish(&page);
    CHECK(w, reads_so_far(w) == before);

    r.since = 8; /* one was missed */
    CHECK(w, come_back(&r) == 0);
    CHECK(w, has(&r, "9=9"));
    CHECK(w, reads_so_far(w) == before + 1);
    page_finish(&r.page);

    CHECK(w, restart(w) == 0); /* nobody has looked yet */
    before = reads_so_far(w);
    r = (struct returning){ .w = w, .since = 9 };
    CHECK(w, come_back(&r) == 0);
    CHECK(w, has(&r, ""));
    page_finish(&r.page);
    CHECK(w, reads_so_far(w) == before + 1);
    return 0;
}

static void who_has_missed_nothing_is_answered_without_reading(void **state) {
    world_run(*state, nothing_missed_story);
    assert_string_equal(((struct world *) *state)->failure, "");
}

/* ---- setup ---- */

static int make_simulated(void **state) {
    *state = world_new(ENGINE_SQLITE, false);
    return *state ? 0 : -1;
}

static int make_real(void **state) {
    *state = world_new(ENGINE_SQLITE, true);
    return *state ? 0 : -1;
}

static int drop(void **state) {
    world_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(those_who_ask_the_same_are_answered_by_one_reading,
                                        make_simulated, drop),
        cmocka_unit_test_setup_teardown(who_gives_up_leaves_the_others_their_answer, make_simulated,
                                        drop),
        cmocka_unit_test_setup_teardown(who_gives_up_leaves_the_others_their_answer, make_real,
                                        drop),
        cmocka_unit_test_setup_teardown(who_has_missed_nothing_is_answered_without_reading,
                                        make_simulated, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
