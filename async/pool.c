#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/inbox.h"
#include "async/list.h"
#include "async/offload.h"
#include "async/task_impl.h"
#include "async/thread.h"

enum { THREADS_DEFAULT = 2, THREADS_MAX = 64, QUEUE_DEFAULT = 1024, LATE_MS_MAX = 3 };

/* In the frame of the task that waits for it. */
struct job {
    struct link link; /* in the queue while no thread has it */
    struct pool *pool;
    int (*fn)(void *arg);
    void *arg;
    int result;
    bool is_queued, is_done;
    struct task *task;
    struct post post;
    struct timer timer; /* simulated */
};

struct pool {
    struct loop *loop;
    struct inbox *inbox;
    unsigned threads_max, threads;
    size_t queue_max;
    size_t jobs; /* under way or waiting; loop thread only */
    char name[16];

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;
    struct list queue;
    size_t queued, idle;
    bool is_closing;
    pthread_t handles[THREADS_MAX];
};

int pool_open(const struct pool_options *o, struct pool **ret) {
    struct pool *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    p->loop = loop_of_thread;
    p->threads_max = o && o->threads ? o->threads : THREADS_DEFAULT;
    if (p->threads_max > THREADS_MAX)
        p->threads_max = THREADS_MAX;
    p->queue_max = o && o->queue_max ? o->queue_max : QUEUE_DEFAULT;
    (void) snprintf(p->name, sizeof p->name, "%s", o && o->name ? o->name : "pool");
    p->inbox = inbox_open(p->loop);
    if (!p->inbox) {
        free(p);
        return -ENOMEM;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    *ret = p;
    return 0;
}

struct pool *pool_close(struct pool *p) {
    if (!p)
        return NULL;
    assert(p->jobs == 0);
    pthread_mutex_lock(&p->lock);
    p->is_closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    /* Threads without a job end at once. */
    for (unsigned i = 0; i < p->threads; i++)
        (void) pthread_join(p->handles[i], NULL);
    inbox_close(p->inbox);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

static void job_done(struct post *post) {
    struct job *j = CONTAINER_OF(post, struct job, post);

    j->is_done = true;
    (void) task_ready(j->task, 0);
}

static void *pool_thread(void *arg) {
    struct pool *p = arg;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct link *k = list_pop(&p->queue);
        if (!k) {
            if (p->is_closing)
                break;
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
            continue;
        }
        struct job *j = CONTAINER_OF(k, struct job, link);
        j->is_queued = false;
        p->queued--;
        pthread_mutex_unlock(&p->lock);
        j->result = j->fn(j->arg);
        inbox_post(p->inbox, &j->post);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static int start_thread(struct pool *p) {
    int r = thread_start(&p->handles[p->threads], p->name, pool_thread, p);

    if (r == 0)
        p->threads++;
    return r;
}

static int enqueue(struct pool *p, struct job *j) {
    pthread_mutex_lock(&p->lock);
    bool is_full = p->queued >= p->queue_max;
    bool wants_thread = p->queued + 1 > p->idle && p->threads < p->threads_max;
    pthread_mutex_unlock(&p->lock);
    if (is_full)
        return -ENOBUFS;
    if (wants_thread && start_thread(p) < 0 && p->threads == 0)
        return -EAGAIN;

    pthread_mutex_lock(&p->lock);
    list_append(&p->queue, &j->link);
    j->is_queued = true;
    p->queued++;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static bool take_back(struct pool *p, struct job *j) {
    if (loop_is_simulated(p->loop)) {
        if (j->is_done)
            return false;
        timer_clear(&j->timer);
        return true;
    }
    pthread_mutex_lock(&p->lock);
    bool was_queued = j->is_queued;
    if (was_queued) {
        list_remove(&j->link);
        j->is_queued = false;
        p->queued--;
    }
    pthread_mutex_unlock(&p->lock);
    return was_queued;
}

static void run_simulated(struct timer *t) {
    struct job *j = CONTAINER_OF(t, struct job, timer);

    j->result = j->fn(j->arg);
    job_done(&j->post);
}

static SUSPENDS int wait_for(struct pool *p, struct job *j) {
    while (!j->is_done) {
        int r = task_suspend(WAIT_OFFLOAD, j->pool);
        if (r < 0 && take_back(p, j))
            return r;
        if (r < 0) {
            SHIELD(INT64_MAX / 4);
            while (!j->is_done)
                if (task_suspend(WAIT_OFFLOAD, j->pool) < 0)
                    continue;
        }
    }
    return 0;
}

int offload(struct pool *p, int (*fn)(void *arg), void *arg) {
    struct job j = { .pool = p, .fn = fn, .arg = arg, .task = task_self(), .post.run = job_done };
    bool is_simulated = loop_is_simulated(p->loop);
    int r = task_check();

    if (r < 0)
        return r;
    if (is_simulated && p->jobs >= p->threads_max + p->queue_max) {
        r = -ENOBUFS;
    } else if (is_simulated) {
        j.timer.run = run_simulated;
        r = timer_set(&j.timer, loop_is_adversary(p->loop)
                                        ? (int64_t) loop_chance_below(p->loop, LATE_MS_MAX)
                                        : 0);
    } else {
        r = enqueue(p, &j);
    }
    if (r < 0)
        return r;
    p->jobs++;
    if (!is_simulated)
        loop_hold(p->loop);
    r = wait_for(p, &j);
    if (!is_simulated)
        loop_release(p->loop);
    p->jobs--;
    return r < 0 ? r : j.result;
}

size_t pool_waiting(const struct pool *p) {
    struct pool *mine = (struct pool *) (uintptr_t) p;

    pthread_mutex_lock(&mine->lock);
    size_t n = p->queued;
    pthread_mutex_unlock(&mine->lock);
    return n;
}
