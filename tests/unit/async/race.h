/*
 * A suspending call is cancelled, runs out of time, and is completed, in the same turn and in
 * either order, alone and with someone else behind it in line: whatever happens, what completes it
 * reaches exactly one who takes it (or, where all are woken, everyone), or is still there.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/event.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"

struct race_world;

struct race {
    const char *name;
    size_t bytes; /* of own, zeroed for each run */
    int (*set_up)(struct race_world *w);
    int (*call)(struct race_world *w); /* the call under test; < 0: it failed */
    void (*release)(
            struct race_world *w); /* by the same task, much later, if it succeeded; may be NULL */
    void (*complete)(struct race_world *w); /* one thing, for the one who is first */
    int (*left)(struct race_world *w);      /* things that nobody has taken; may be NULL */
    void (*tear_down)(struct race_world *w);
    bool wakes_all;
    bool is_alone;   /* only one may wait */
    bool needs_task; /* complete() suspends, or is for tasks: not from a timer */
    bool is_late;    /* through the kernel: what completes it is seen by the next poll, so that a
                        cancellation in the same turn comes first */
};

enum race_script {
    RACE_COMPLETE,
    RACE_CANCEL,
    RACE_COMPLETE_THEN_CANCEL,
    RACE_CANCEL_THEN_COMPLETE,
    RACE_TIME_OUT,
    RACE_COMPLETE_THEN_TIME_OUT,
    RACE_TIME_OUT_THEN_COMPLETE,
    RACE_BEGIN_CANCELLED,
    RACE_SCRIPTS
};

static const char *const race_script_names[RACE_SCRIPTS] = {
    "complete",           "cancel",          "complete, cancel",
    "cancel, complete",   "time out",        "complete, time out",
    "time out, complete", "begin cancelled",
};

struct race_world {
    const struct race *race;
    enum race_script script;
    bool has_bystander;
    void *own;
    struct group children; /* for the race's use */
    struct event over;
    struct timer timer;
    int waits; /* who has begun to wait */
    int results[2];
    bool is_done[2];
    int left;
    char failure[256];
};

enum { RACE_TIMEOUT_MS = 20 };

static void race_wait(struct race_world *w, int who) {
    int r = w->race->call(w);
    w->results[who] = r;
    w->is_done[who] = true;
    if (r >= 0 && w->race->release) {
        SHIELD(INT64_MAX);
        (void) !event_wait(&w->over);
        w->race->release(w);
    }
}

static int race_victim(void *arg) {
    struct race_world *w = arg;
    bool times_out = w->script == RACE_TIME_OUT || w->script == RACE_COMPLETE_THEN_TIME_OUT ||
                     w->script == RACE_TIME_OUT_THEN_COMPLETE;
    DEADLINE(d, times_out ? RACE_TIMEOUT_MS : INT64_MAX);
    race_wait(w, 0);
    return 0;
}

static int race_bystander(void *arg) {
    race_wait(arg, 1);
    return 0;
}

static void race_complete_by_timer(struct timer *t) {
    struct race_world *w = CONTAINER_OF(t, struct race_world, timer);
    w->race->complete(w);
}

static void race_play(struct race_world *w, struct task *victim) {
    switch (w->script) {
    case RACE_COMPLETE:
        w->race->complete(w);
        break;
    case RACE_CANCEL:
        task_cancel(victim);
        break;
    case RACE_COMPLETE_THEN_CANCEL:
        w->race->complete(w);
        task_cancel(victim);
        break;
    case RACE_CANCEL_THEN_COMPLETE:
        task_cancel(victim);
        w->race->complete(w);
        break;
    case RACE_TIME_OUT_THEN_COMPLETE:
        /* Set after the victim's own, so it fires after it in the same turn. */
        if (!w->race->needs_task) {
            (void) !timer_set(&w->timer, RACE_TIMEOUT_MS);
            break;
        }
        (void) task_sleep(RACE_TIMEOUT_MS);
        w->race->complete(w);
        break;
    case RACE_TIME_OUT:
    case RACE_COMPLETE_THEN_TIME_OUT:
    case RACE_BEGIN_CANCELLED:
    case RACE_SCRIPTS:
    default:
        break;
    }
}

static int race_root(void *arg) {
    struct race_world *w = arg;
    w->timer.run = race_complete_by_timer;
    group_init(&w->children);
    int r = w->race->set_up(w);
    if (r < 0)
        return r;
    {
        GROUP(g);
        struct task *victim;
        if (w->script == RACE_COMPLETE_THEN_TIME_OUT)
            (void) !timer_set(&w->timer, RACE_TIMEOUT_MS);
        r = task_spawn(&g, "victim", race_victim, w, &victim);
        if (r < 0)
            return r;
        if (w->script == RACE_BEGIN_CANCELLED)
            task_cancel(victim);
        if (w->has_bystander)
            r = group_spawn(&g, "bystander", race_bystander, w);
        for (int i = 0; i < 4; i++)
            (void) task_yield(); /* both wait; no time has passed */
        race_play(w, victim);
        (void) task_sleep(2 * RACE_TIMEOUT_MS);
        w->left = w->race->left ? w->race->left(w) : -1;
        bool was_done[2] = { w->is_done[0], w->is_done[1] };
        event_set(&w->over);
        group_cancel(&g);
        (void) !group_wait_all(&g);
        (void) !task_join(victim, NULL);
        memcpy(w->is_done, was_done, sizeof was_done);
    }
    if (w->race->tear_down)
        w->race->tear_down(w);
    group_finish(&w->children);
    return r;
}

static void race_expect(struct race_world *w) {
    enum race_script s = w->script;
    int expected = 0;
    if (s == RACE_CANCEL || s == RACE_CANCEL_THEN_COMPLETE || s == RACE_BEGIN_CANCELLED)
        expected = -ECANCELED;
    if (s == RACE_TIME_OUT || s == RACE_TIME_OUT_THEN_COMPLETE)
        expected = -ETIMEDOUT;
    if (w->race->is_late && s == RACE_COMPLETE_THEN_CANCEL)
        expected = -ECANCELED;
    if (w->race->is_late && s == RACE_COMPLETE_THEN_TIME_OUT)
        expected = -ETIMEDOUT;
    bool is_completed = s != RACE_CANCEL && s != RACE_TIME_OUT && s != RACE_BEGIN_CANCELLED;
    bool bystander_gets = w->has_bystander && is_completed && (expected < 0 || w->race->wakes_all);
    int left = is_completed && expected < 0 && !bystander_gets ? 1 : 0;

    const char *wrong = NULL;
    if (!w->is_done[0])
        wrong = "the victim still waits";
    else if (expected < 0 ? w->results[0] != expected : w->results[0] < 0)
        wrong = "the victim's result";
    else if (w->has_bystander && w->is_done[1] != bystander_gets)
        wrong = bystander_gets ? "the bystander still waits"
                               : "the bystander was woken for nothing";
    else if (bystander_gets && w->results[1] < 0)
        wrong = "the bystander's result";
    else if (w->race->left && !w->race->wakes_all && w->left != left)
        wrong = "the number of things left";
    if (wrong)
        (void) snprintf(w->failure, sizeof w->failure,
                        "%s (%s%s): %s; victim %d, bystander %d, left %d", w->race->name,
                        race_script_names[s], w->has_bystander ? ", bystander" : "", wrong,
                        w->results[0], w->results[1], w->left);
}

/* Asserts, for each race of the table. */
static void race_all(const struct race *races, size_t n) {
    static uint64_t own[512];
    for (size_t i = 0; i < n; i++)
        for (int script = 0; script < RACE_SCRIPTS; script++)
            for (int bystander = 0; bystander < (races[i].is_alone ? 1 : 2); bystander++) {
                if (script == RACE_COMPLETE_THEN_TIME_OUT && races[i].needs_task)
                    continue;
                struct race_world w = { .race = &races[i],
                                        .script = (enum race_script) script,
                                        .has_bystander = bystander != 0,
                                        .own = own };
                assert_true(races[i].bytes <= sizeof own);
                memset(own, 0, sizeof own);
                const struct loop_options o = { .is_simulated = true };
                int r = loop_run(&o, race_root, &w);
                if (r == 0)
                    race_expect(&w);
                else
                    (void) snprintf(w.failure, sizeof w.failure, "%s (%s): ended with %d",
                                    races[i].name, race_script_names[script], r);
                if (w.failure[0])
                    fail_msg("%s", w.failure);
            }
}
