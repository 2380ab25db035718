/*
 * A question that every worker is asked: it is answered on each worker's own loop, side by side,
 * and whoever asks waits for all of them.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "async/base.h"

struct daemon;
struct inbox;
struct worker;

/*
 * A worker's answer. arg: shared by all of them, at the same time: only to be read, or atomic.
 * part: this worker's own memory, zeroed before; the asker's again afterwards. 0, or an error < 0.
 */
typedef int survey_fn(struct worker *w, void *arg, void *part);

struct survey {
    survey_fn *ask;
    bool suspends;     /* ask runs in a task and may; otherwise between tasks, and must not */
    int64_t within_ms; /* if it suspends: what it waits for longer fails with -ETIMEDOUT */
    void *arg;
    void *parts; /* surveys.n of the daemon, one after another; NULL if part_bytes is 0 */
    size_t part_bytes;
};

/*
 * Asks and waits until every worker is done, shielded: arg and parts may be of the caller's frame
 * and are nobody else's on return. In any task of asker's loop. A worker that is ending, or whose
 * loop has no room for a task, has not been asked: -ECANCELED, -ENOMEM.
 *
 * 0, or the error of the first worker, by index, that had one.
 */
SUSPENDS MUST_CHECK int survey(struct worker *asker, const struct survey *s);

/* ---- the daemon's ---- */

/* Where each worker can be reached: guards against asking one whose inbox is closed. */
struct survey_desk {
    pthread_mutex_t lock;
    struct inbox **inboxes; /* of each worker; NULL: it cannot be asked now */
    size_t n;
};

MUST_CHECK int survey_desk_init(struct survey_desk *d, size_t n_workers); /* -ENOMEM */
void survey_desk_finish(struct survey_desk *d);                           /* takes a zeroed one */

/* Posts to a worker's inbox, any thread; false: it is ending. While a post is under way its worker
 * may have begun to end, but its inbox is open and its sessions are listed as long as they last. */
struct post;
bool survey_post(struct daemon *d, unsigned index, struct post *p);

/* On the worker's loop, in a post that has come: has it not begun to end? */
bool survey_reaches(struct worker *w);

/* A worker can be asked from enter to leave; after leave its inbox may be closed. */
void survey_enter(struct worker *w);
void survey_leave(struct worker *w);
