/* Asking all workers: everybody answers once, and nobody is asked who is no longer there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/task.h"
#include "daemon/survey.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

enum { WORKERS = 3 };

struct part {
    unsigned index, asked;
    bool was_zeroed;
};

static const struct world_options three = { .workers = WORKERS };
static const struct world_options three_threads = { .workers = WORKERS, .is_real = true };

static struct worker *worker_of(struct world *w, unsigned i) {
    return &w->daemon->threads[i].worker;
}

static int who_are_you(struct worker *w, void *arg, void *part) {
    struct part *p = part;
    p->was_zeroed = p->asked == 0;
    p->asked++;
    p->index = w->index;
    return 0;
}

static int who_are_you_after_a_nap(struct worker *w, void *arg, void *part) {
    int r = task_sleep(10 * (1 + w->index));
    return r < 0 ? r : who_are_you(w, arg, part);
}

/* Worker 0 is on the story's own loop only without threads; with them the asker must be a worker,
 * so the question goes through one that asks on. */
struct relay {
    const struct survey *survey;
    int result;
};

static int ask_on(struct worker_thread *t, void *arg) {
    struct relay *r = arg;
    r->result = survey(&t->worker, r->survey);
    return 0;
}

static int ask(struct world *w, unsigned asker, const struct survey *s) {
    struct relay relay = { .survey = s };
    struct chore c;
    chore_send(&c, &w->daemon->threads[asker], ask_on, &relay);
    int r = chore_wait(&c);
    return r < 0 ? r : relay.result;
}

static int everybody_answers(struct world *w, void *arg) {
    for (unsigned asker = 0; asker < WORKERS; asker++)
        for (int suspends = 0; suspends <= 1; suspends++) {
            struct part parts[WORKERS] = { 0 };
            struct survey s = { .ask = suspends ? who_are_you_after_a_nap : who_are_you,
                                .suspends = suspends,
                                .within_ms = 5000,
                                .parts = parts,
                                .part_bytes = sizeof parts[0] };
            STORY_EXPECT(w, ask(w, asker, &s) == 0);
            for (unsigned i = 0; i < WORKERS; i++)
                STORY_EXPECT(w, parts[i].index == i && parts[i].asked == 1 && parts[i].was_zeroed);
        }
    return 0;
}

static void every_worker_answers_in_a_place_of_its_own(void **state) {
    assert_null(world_run(&three, everybody_answers, NULL));
}

static void every_worker_answers_on_its_own_thread(void **state) {
    assert_null(world_run(&three_threads, everybody_answers, NULL));
}

static int sleeps_long(struct worker *w, void *arg, void *part) {
    atomic_fetch_add((atomic_int *) arg, 1);
    return w->index == 1 ? task_sleep(60000) : 0;
}

static int one_is_late(struct world *w, void *arg) {
    atomic_int asked = 0;
    struct survey s = { .ask = sleeps_long, .suspends = true, .within_ms = 500, .arg = &asked };
    int64_t before = loop_now();
    STORY_EXPECT(w, survey(worker_of(w, 0), &s) == -ETIMEDOUT);
    STORY_EXPECT(w, asked == WORKERS);
    STORY_EXPECT(w, loop_now() - before >= 500 && loop_now() - before < 1000);
    return 0;
}

static void who_takes_too_long_is_told_to_stop(void **state) {
    assert_null(world_run(&three, one_is_late, NULL));
}

static int fails(struct worker *w, void *arg, void *part) {
    return w->index == 0 ? 0 : w->index == 1 ? -EIO : -ENOSPC;
}

static int errors(struct world *w, void *arg) {
    STORY_EXPECT(w, survey(worker_of(w, 2), &(struct survey){ .ask = fails }) == -EIO);
    return 0;
}

static void the_first_workers_error_is_the_result(void **state) {
    assert_null(world_run(&three, errors, NULL));
}

static int absent(struct world *w, void *arg) {
    struct part parts[WORKERS] = { 0 };
    struct survey s = { .ask = who_are_you, .parts = parts, .part_bytes = sizeof parts[0] };
    survey_leave(worker_of(w, 1));
    STORY_EXPECT(w, survey(worker_of(w, 0), &s) == -ECANCELED);
    STORY_EXPECT(w, parts[0].asked == 1 && parts[1].asked == 0 && parts[2].asked == 1);
    survey_enter(worker_of(w, 1));
    return 0;
}

static void a_worker_that_ends_is_not_asked(void **state) {
    assert_null(world_run(&three, absent, NULL));
}

/* Patience of its own, short: the survey does not end before what it lent is back. */
static int impatient(struct world *w, void *arg) {
    struct part parts[WORKERS] = { 0 };
    struct survey s = { .ask = who_are_you_after_a_nap,
                        .suspends = true,
                        .within_ms = 5000,
                        .parts = parts,
                        .part_bytes = sizeof parts[0] };
    DEADLINE(mine, 5);
    STORY_EXPECT(w, survey(worker_of(w, 0), &s) == 0);
    STORY_EXPECT(w, parts[2].asked == 1);
    return 0;
}

static void the_asker_waits_for_what_it_has_lent(void **state) {
    assert_null(world_run(&three, impatient, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_worker_answers_in_a_place_of_its_own),
        cmocka_unit_test(every_worker_answers_on_its_own_thread),
        cmocka_unit_test(who_takes_too_long_is_told_to_stop),
        cmocka_unit_test(the_first_workers_error_is_the_result),
        cmocka_unit_test(a_worker_that_ends_is_not_asked),
        cmocka_unit_test(the_asker_waits_for_what_it_has_lent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
