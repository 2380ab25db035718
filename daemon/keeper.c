#include "daemon/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/future.h"
#include "async/group.h"
#include "async/task.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/publish.h"
#include "daemon/session/session.h"
#include "daemon/session/subscription.h"
#include "daemon/worker.h"
#include "storage/node.h"

enum { DONE_PER_TURN = 128 };

struct keeper_job {
    struct link link;
    uint16_t channel_len, client_len;
    char text[]; /* channel, then client */
};

/* ---- presence ---- */

static void run_job(struct worker *w, struct keeper_job *j) {
    (void) engine_presence_remove(w->daemon->engine, (struct str){ j->text, j->channel_len },
                                  (struct str){ j->text + j->channel_len, j->client_len });
    free(j);
}

/* The session may go, and its identity and subscriptions change, in each wait: what the engine
 * works with is a copy, in the shape of a publication that nobody publishes. */
static void renew_one(struct worker *w, struct session *s, const struct subscription *sub) {
    struct client_text text;
    struct client_info info = subscription_client_info(s, sub, &text);
    struct publication *copy = publication_new(&(struct publication_parts){
            .kind = PUBLICATION_JOIN, .channel = channel_name(sub->channel), .info = &info });
    if (!copy) /* the next time comes before the entry expires */
        return;

    int r = engine_presence_set(w->daemon->engine, copy->channel, &copy->info,
                                w->config->client.presence_ttl_ms);
    bool has_gone = !w->keeper_session || !subscription_find(s, copy->channel);
    if (r == 0 && has_gone) /* it was removed meanwhile, and has come back by our doing */
        (void) engine_presence_remove(w->daemon->engine, copy->channel, copy->info.client);
    publication_unref(copy);
}

static void renew(struct worker *w, struct session *s) {
    w->keeper_session = s;
    for (unsigned i = 0; w->keeper_session && i < s->n_subs; i++) {
        const struct subscription *sub = session_sub(s, i);
        if (sub->has_presence && sub->is_listed)
            renew_one(w, s, sub);
    }
    w->keeper_session = NULL;
}

/* ---- positions ---- */

struct check {
    struct engine *engine;
    struct channel *channel;
    struct keep keep;
    struct position distributed;
    int result;
};

enum { CHECKS_AT_ONCE = 64, CHECK_AGAIN_MS = 1000 };

/* When a channel was compared that is due whatever the interval. */
static const int64_t LONG_AGO_MS = INT64_MIN / 2;

/* Channels whose position was not compared since then, held, and at the end of the line from now
 * on: of the others none is looked at. */
static size_t take_due(struct worker *w, int64_t since_ms, struct check *checks) {
    struct list *line = &w->channels.positioned;
    size_t n = 0;
    struct link *k;

    while (n < CHECKS_AT_ONCE && (k = list_first(line))) {
        struct channel *c = CONTAINER_OF(k, struct channel, positioned);
        if (c->checked_ms > since_ms)
            break;
        int64_t now_ms = loop_now();
        c->checked_ms = now_ms > since_ms ? now_ms : since_ms + 1;
        list_remove(k);
        list_append(line, k);
        c->users++;
        checks[n++] = (struct check){ .engine = w->daemon->engine, .channel = c };
    }
    return n;
}

/* Those that the engine had no answer for are the first. */
static void take_unanswered(struct worker *w) {
    struct link *k;
    while ((k = list_pop(&w->channels.unanswered))) {
        CONTAINER_OF(k, struct channel, positioned)->checked_ms = LONG_AGO_MS;
        list_prepend(&w->channels.positioned, k);
    }
}

struct marker {
    struct post post;
    struct future passed;
};

static void marker_passed(struct post *p) {
    future_resolve(&CONTAINER_OF(p, struct marker, post)->passed, 0);
}

/* What the engine calls distributed lies in our inbox, at the latest: before a post of ours. */
static int pass_inbox(struct worker *w) {
    struct marker m = { .post.run = marker_passed };
    future_init(&m.passed);
    inbox_post(w->inbox, &m.post);
    SHIELD(INT64_MAX / 2); /* m is in the inbox until it has run */
    return future_wait(&m.passed);
}

static int ask_position(void *arg) {
    struct check *c = arg;
    c->result = engine_position(c->engine, channel_name(c->channel), c->keep, &c->distributed);
    return 0;
}

/* Another server is asked for all of them together. */
static void ask_positions(struct check *checks, size_t n) {
    bool is_far = engine_is_shared(checks[0].engine);
    GROUP(asking);
    for (size_t i = 0; i < n; i++)
        if (!is_far || group_spawn(&asking, "position", ask_position, &checks[i]) < 0)
            (void) ask_position(&checks[i]);
    int r = group_wait_all(&asking);
    (void) r; /* cancelled: those that are under way are, too */
}

static void check_some(struct worker *w, struct check *checks, size_t n) {
    for (size_t i = 0; i < n; i++) {
        /* Who keeps what is the namespace's to say; the position is there whatever is kept. */
        const struct namespace *ns =
                config_namespace_of(w->config, channel_name(checks[i].channel));
        checks[i].keep = ns ? publish_keep_of(ns) : (struct keep){ 0 };
        checks[i].result = -ECANCELED;
    }
    ask_positions(checks, n);
    int r = pass_inbox(w);
    for (size_t i = 0; i < n; i++) {
        struct channel *c = checks[i].channel;
        if (r == 0 && checks[i].result == 0) {
            channel_check(c, &checks[i].distributed);
        } else if (c->n_positioned > 0) {
            list_remove(&c->positioned);
            list_append(&w->channels.unanswered, &c->positioned);
        }
    }
}

/* Each few of them wait for the inbox, and others have their turn. */
static void check_positions(struct worker *w) {
    int64_t every_ms = w->config->client.position_check_ms;
    int64_t since_ms = w->is_check_forced ? loop_now()
                       : every_ms > 0     ? loop_now() - every_ms
                                          : LONG_AGO_MS;
    struct check *checks = calloc(CHECKS_AT_ONCE, sizeof *checks);
    size_t n;

    w->is_check_forced = false;
    take_unanswered(w);
    while (checks && !task_cancelled() && (n = take_due(w, since_ms, checks)) > 0) {
        check_some(w, checks, n);
        while (n > 0)
            channel_release(checks[--n].channel);
    }
    free(checks);
    /* They may have missed something, and wait for no interval. */
    if (!list_is_empty(&w->channels.unanswered))
        w->is_check_wanted = timer_set(&w->check, CHECK_AGAIN_MS) == 0;
}

/* ---- whose turn it is ---- */

static int make_room(struct keeper_line *l) {
    if (l->n < l->capacity)
        return 0;
    if (l->first > 0 && l->first >= l->n / 2) { /* those who have had their turn make room */
        l->n -= l->first;
        memmove(l->places, l->places + l->first, l->n * sizeof *l->places);
        l->first = 0;
        return 0;
    }
    size_t capacity = l->capacity ? l->capacity * 2 : 64;
    uint32_t *more = realloc(l->places, capacity * sizeof *more);
    if (!more)
        return -ENOMEM;
    l->places = more;
    l->capacity = capacity;
    return 0;
}

static void line_finish(struct keeper_line *l) {
    free(l->places);
    *l = (struct keeper_line){ 0 };
}

/* One who has gone has left its place in the line, which nobody has, or somebody who comes another
 * time as well: once is enough. */
static struct session *next_due(struct worker *w) {
    struct keeper_line *l = &w->presence_due;
    while (l->first < l->n) {
        uint32_t place = l->places[l->first++];
        struct session *s = place <= w->hub.n_places ? hub_at(&w->hub, place) : NULL;
        if (!s || !s->is_presence_due)
            continue;
        s->is_presence_due = false;
        return s;
    }
    line_finish(l);
    return NULL;
}

/* ---- the task ---- */

static int keeper_run(void *arg) {
    struct worker *w = arg;

    for (unsigned done = 1; !task_cancelled(); done++) {
        struct link *k;
        struct session *s;
        if (done % DONE_PER_TURN == 0)
            (void) task_yield(); /* ten thousand may be due in one tick */
        if (w->is_check_due) {   /* who has missed something waits for nobody's presence */
            w->is_check_due = false;
            check_positions(w);
        } else if ((k = list_pop(&w->keeper_jobs)))
            run_job(w, CONTAINER_OF(k, struct keeper_job, link));
        else if ((s = next_due(w)))
            renew(w, s);
        else
            break;
    }
    w->is_keeping = false;
    return 0;
}

static void keep(struct worker *w) {
    if (w->is_keeping)
        return;
    /* Without memory for a task the next occasion tries again. */
    w->is_keeping = group_spawn(&w->tasks, "keeper", keeper_run, w) == 0;
}

void keeper_renew(struct worker *w, struct session *s) {
    /* Without memory its next time comes before the entry expires. */
    if (!s->is_presence_due && make_room(&w->presence_due) == 0) {
        w->presence_due.places[w->presence_due.n++] = s->place;
        s->is_presence_due = true;
    }
    keep(w);
}

/* Its place in the line stays, for nobody. */
void keeper_forget(struct worker *w, struct session *s) {
    s->is_presence_due = false;
    if (w->keeper_session == s)
        w->keeper_session = NULL;
}

void keeper_remove_presence(struct worker *w, struct str channel, struct str client) {
    struct keeper_job *j = malloc(sizeof *j + channel.len + client.len);
    if (!j)
        return;
    j->link = (struct link){ 0 };
    j->channel_len = (uint16_t) channel.len;
    j->client_len = (uint16_t) client.len;
    memcpy(j->text, channel.data, channel.len);
    memcpy(j->text + channel.len, client.data, client.len);
    list_append(&w->keeper_jobs, &j->link);
    keep(w);
}

void keeper_keep_presence(struct worker *w, struct str channel, struct str client) {
    LIST_FOREACH_SAFE (&w->keeper_jobs, k, after) {
        struct keeper_job *j = CONTAINER_OF(k, struct keeper_job, link);
        if (!str_equal((struct str){ j->text, j->channel_len }, channel) ||
            !str_equal((struct str){ j->text + j->channel_len, j->client_len }, client))
            continue;
        list_remove(k);
        free(j);
    }
}

void keeper_finish(struct worker *w) {
    struct link *k;
    while ((k = list_pop(&w->keeper_jobs)))
        free(CONTAINER_OF(k, struct keeper_job, link));
    line_finish(&w->presence_due);
    timer_clear(&w->check);
}

void keeper_watch_positions(struct worker *w) {
    /* Without memory the next subscription tries again. */
    if (w->check.index == 0 && w->config->client.position_check_ms > 0 &&
        timer_set(&w->check, w->config->client.position_check_ms / 8) < 0)
        metrics_count(&w->metrics, COUNT_OUT_OF_MEMORY);
}

void keeper_check(struct worker *w) {
    int64_t every_ms = w->config->client.position_check_ms;
    struct link *oldest = list_first(&w->channels.positioned);
    bool is_wanted = w->is_check_wanted;

    w->is_check_wanted = false;
    if (!is_wanted && (every_ms == 0 || !oldest))
        return; /* since a reload; the next subscription begins anew */
    keeper_watch_positions(w);
    if (!is_wanted &&
        loop_now() - CONTAINER_OF(oldest, struct channel, positioned)->checked_ms < every_ms)
        return;
    w->is_check_due = true;
    keep(w);
}

void keeper_check_all(struct worker *w) {
    w->is_check_due = w->is_check_forced = true;
    keep(w);
}
