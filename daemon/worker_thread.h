/*
 * A worker's home: the thread and loop it runs on, or a task of the caller's loop. How the daemon's
 * main loop starts it, asks it to do things and ends it.
 */
#pragma once

#include <pthread.h>

#include "async/future.h"
#include "daemon/listen.h"
#include "daemon/worker.h"

struct chore;

struct worker_thread {
    struct daemon *daemon;
    struct worker worker;
    struct acceptors acceptors;
    struct group chores;          /* running, on the worker's loop */
    struct future *stop;          /* on the worker's loop */
    struct future opened, closed; /* on the main loop */
    struct post opened_post, closed_post, stop_post;
    unsigned index;
    int result; /* of worker_open() */
    pthread_t thread;
    bool has_thread, has_run, is_open;
};

/* Main loop. Suspends until the worker is there. -ENOMEM, -EAGAIN, as worker_open(). */
SUSPENDS MUST_CHECK int worker_thread_start(struct worker_thread *t, struct daemon *d,
                                            unsigned index);

/* Main loop, shielded. Takes one that was never started. */
SUSPENDS void worker_thread_stop(struct worker_thread *t);

/* Something for a worker to do: run(t, arg) in a task of its loop. It may suspend. */
struct chore {
    struct worker_thread *thread;
    int (*run)(struct worker_thread *t, void *arg);
    void *arg;
    int result;
    struct future done; /* on the main loop */
    struct post there, back;
};

/* Main loop. The chore and arg stay until chore_wait() has returned; its result. */
void chore_send(struct chore *e, struct worker_thread *t,
                int (*run)(struct worker_thread *t, void *arg), void *arg);
SUSPENDS int chore_wait(struct chore *e);
