#include "async/lane.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/inbox.h"
#include "async/task_impl.h"
#include "async/thread.h"

enum { LATE_MS_MAX = 4 };

struct lane {
    struct loop *loop;
    void (*run)(void *arg);
    void *arg;
    char name[16];

    struct inbox *inbox; /* where the thread says goodbye */
    struct post ended;
    struct task *closer;
    bool has_ended;
    pthread_t thread;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t kicked;
    bool is_kicked, is_closing;

    bool is_simulated;
    struct timer timer;
    struct turn_hook hook; /* in the timer's place when that could not be set */
};

static void *lane_thread(void *arg) {
    struct lane *l = arg;

    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->is_kicked && !l->is_closing)
            pthread_cond_wait(&l->kicked, &l->lock);
        if (!l->is_kicked)
            break;
        l->is_kicked = false;
        pthread_mutex_unlock(&l->lock);
        l->run(l->arg);
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    inbox_post(l->inbox, &l->ended);
    return NULL;
}

static void lane_ended(struct post *p) {
    struct lane *l = CONTAINER_OF(p, struct lane, ended);

    l->has_ended = true;
    if (l->closer)
        (void) task_ready(l->closer, 0);
}

static void run_simulated(struct lane *l) {
    l->is_kicked = false;
    l->run(l->arg);
    if (!l->is_kicked && l->closer)
        (void) task_ready(l->closer, 0);
}

static void run_by_timer(struct timer *t) {
    run_simulated(CONTAINER_OF(t, struct lane, timer));
}

static void run_by_hook(struct turn_hook *h) {
    run_simulated(CONTAINER_OF(h, struct lane, hook));
}

static void lane_free(struct lane *l) {
    inbox_close(l->inbox);
    pthread_cond_destroy(&l->kicked);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int lane_open(const char *name, void (*run)(void *arg), void *arg, struct lane **ret) {
    struct lane *l = calloc(1, sizeof *l);

    if (!l)
        return -ENOMEM;
    l->loop = loop_of_thread;
    l->run = run;
    l->arg = arg;
    l->is_simulated = loop_is_simulated(l->loop);
    l->ended.run = lane_ended;
    l->timer.run = run_by_timer;
    l->hook.run = run_by_hook;
    (void) snprintf(l->name, sizeof l->name, "%s", name);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->kicked, NULL);
    l->inbox = inbox_open(l->loop);
    int r = !l->inbox         ? -ENOMEM
            : l->is_simulated ? 0
                              : thread_start(&l->thread, l->name, lane_thread, l);
    if (r < 0) {
        lane_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void lane_kick(struct lane *l) {
    if (l->is_simulated) {
        if (l->is_kicked)
            return;
        l->is_kicked = true;
        /* Out of memory it is early, but still not inside the kick. */
        int64_t late =
                loop_is_adversary(l->loop) ? (int64_t) loop_chance_below(l->loop, LATE_MS_MAX) : 0;
        if (timer_set(&l->timer, late) < 0)
            loop_at_turn_end(&l->hook);
        return;
    }
    pthread_mutex_lock(&l->lock);
    if (!l->is_kicked) {
        l->is_kicked = true;
        pthread_cond_signal(&l->kicked);
    }
    pthread_mutex_unlock(&l->lock);
}

struct lane *lane_close(struct lane *l) {
    if (!l)
        return NULL;
    SHIELD(INT64_MAX / 4);
    l->closer = task_self();
    if (l->is_simulated) {
        while (l->is_kicked)
            if (task_suspend(WAIT_LANE, l) < 0)
                continue;
    } else {
        pthread_mutex_lock(&l->lock);
        l->is_closing = true;
        pthread_cond_signal(&l->kicked);
        pthread_mutex_unlock(&l->lock);
        loop_hold(l->loop);
        while (!l->has_ended)
            if (task_suspend(WAIT_LANE, l) < 0)
                continue;
        loop_release(l->loop);
        (void) pthread_join(l->thread, NULL);
    }
    lane_free(l);
    return NULL;
}
