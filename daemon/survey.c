#include "daemon/survey.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/future.h"
#include "async/inbox.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "daemon/worker_thread.h"

/* ---- the desk ---- */

int survey_desk_init(struct survey_desk *d, size_t n_workers) {
    d->inboxes = calloc(n_workers, sizeof(struct inbox *));
    if (!d->inboxes)
        return -ENOMEM;
    d->n = n_workers;
    return -pthread_mutex_init(&d->lock, NULL);
}

void survey_desk_finish(struct survey_desk *d) {
    if (!d->inboxes)
        return;
    (void) pthread_mutex_destroy(&d->lock);
    free(d->inboxes);
    d->inboxes = NULL;
}

static void list(struct worker *w, struct inbox *inbox) {
    struct survey_desk *d = &w->daemon->surveys;
    (void) pthread_mutex_lock(&d->lock);
    d->inboxes[w->index] = inbox;
    (void) pthread_mutex_unlock(&d->lock);
}

void survey_enter(struct worker *w) {
    list(w, w->inbox);
}

void survey_leave(struct worker *w) {
    list(w, NULL);
}

/* Under the lock: once survey_leave() has returned nothing more is posted. */
static bool post_to(struct survey_desk *d, unsigned index, struct post *p) {
    (void) pthread_mutex_lock(&d->lock);
    struct inbox *inbox = d->inboxes[index];
    if (inbox)
        inbox_post(inbox, p);
    (void) pthread_mutex_unlock(&d->lock);
    return inbox != NULL;
}

bool survey_post(struct daemon *d, unsigned index, struct post *p) {
    return post_to(&d->surveys, index, p);
}

bool survey_reaches(struct worker *w) {
    struct survey_desk *d = &w->daemon->surveys;
    (void) pthread_mutex_lock(&d->lock);
    bool is = d->inboxes[w->index] != NULL;
    (void) pthread_mutex_unlock(&d->lock);
    return is;
}

/* ---- a survey ---- */

struct asking {
    const struct survey *survey;
    struct inbox *home;
    struct future done; /* on the asker's loop, as left is */
    size_t left;
};

/* One worker's share of it. */
struct asked {
    struct asking *asking;
    struct worker *worker;
    void *part;
    int result;
    struct post there, back;
};

static void on_back(struct post *p) {
    struct asking *a = CONTAINER_OF(p, struct asked, back)->asking;
    if (--a->left == 0)
        future_resolve(&a->done, 0);
}

static void answer(struct asked *one, int result) {
    one->result = result;
    inbox_post(one->asking->home, &one->back);
}

static int answer_in_task(void *arg) {
    struct asked *one = arg;
    const struct survey *s = one->asking->survey;
    int r;
    {
        DEADLINE(patience, s->within_ms);
        r = s->ask(one->worker, s->arg, one->part);
    }
    answer(one, r);
    return 0;
}

static void on_there(struct post *p) {
    struct asked *one = CONTAINER_OF(p, struct asked, there);
    const struct survey *s = one->asking->survey;

    if (!survey_reaches(one->worker)) { /* it began to end while this was on its way */
        answer(one, -ECANCELED);
        return;
    }
    if (!s->suspends) {
        answer(one, s->ask(one->worker, s->arg, one->part));
        return;
    }
    int r = group_spawn(&one->worker->tasks, "survey", answer_in_task, one);
    if (r < 0)
        answer(one, r);
}

int survey(struct worker *asker, const struct survey *s) {
    struct daemon *d = asker->daemon;
    size_t n = d->surveys.n;
    struct asked *all = calloc(n, sizeof *all);
    if (!all)
        return -ENOMEM;

    struct asking asking = { .survey = s, .home = asker->inbox };
    future_init(&asking.done);
    for (unsigned i = 0; i < n; i++) {
        all[i] = (struct asked){ .asking = &asking,
                                 .worker = &d->threads[i].worker,
                                 .part = s->part_bytes ? (char *) s->parts + i * s->part_bytes
                                                       : NULL,
                                 .there.run = on_there,
                                 .back.run = on_back };
        if (post_to(&d->surveys, i, &all[i].there))
            asking.left++;
        else
            all[i].result = -ECANCELED;
    }

    if (asking.left > 0) {
        SHIELD(INT64_MAX / 2); /* parts and all are theirs until then */
        int r = future_wait(&asking.done);
        assert(r == 0);
        (void) r;
    }
    int first = 0;
    for (size_t i = 0; i < n && first == 0; i++)
        first = all[i].result;
    free(all);
    return first;
}
