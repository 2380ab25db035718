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
#include "daemon/session/hub.h"
#include "daemon/session/session.h"
#include "daemon/session/subscription.h"
#include "daemon/worker.h"
#include "storage/node.h"

enum { DONE_PER_TURN = 128, CALLS_AT_ONCE = 64 /* of an engine that is another server */ };

/* ---- presence that is to be removed ---- */

struct removal {
    struct link link;
    struct table_entry entry;
    size_t client_len, name_len;
    char name[]; /* client, NUL, channel */
};

static struct bytes removal_name(const struct table_entry *e) {
    const struct removal *r = CONTAINER_OF(e, struct removal, entry);
    return bytes_of(r->name, r->name_len);
}

void keeper_init(struct worker *w, const struct table_seed *seed) {
    list_init(&w->removals);
    table_init(&w->removals_by_name, seed, removal_name);
}

static void drop(struct worker *w, struct removal *r) {
    list_remove(&r->link);
    table_remove(&w->removals_by_name, &r->entry);
    free(r);
}

static void drop_all(struct worker *w) {
    struct link *k;
    while ((k = list_first(&w->removals)))
        drop(w, CONTAINER_OF(k, struct removal, link));
}

/* NULL: it is not there. Without memory nobody's presence is removed: that of somebody who has
 * come back is not to be. */
static struct removal *find(struct worker *w, struct str channel, struct str client) {
    struct table_entry *e = NULL;
    if (table_size(&w->removals_by_name) == 0)
        return NULL;
    buffer_reset(&w->scratch);
    buffer_append_str(&w->scratch, client);
    buffer_append_byte(&w->scratch, '\0');
    buffer_append_str(&w->scratch, channel);
    if (buffer_error(&w->scratch) == 0)
        e = table_find(&w->removals_by_name, buffer_bytes(&w->scratch));
    else
        drop_all(w);
    buffer_reset(&w->scratch);
    return e ? CONTAINER_OF(e, struct removal, entry) : NULL;
}

/* Until its turn has come it may be called off. */
static int remove_next(void *worker) {
    struct worker *w = worker;
    struct link *k = list_first(&w->removals);
    if (!k)
        return 0;
    struct removal *r = CONTAINER_OF(k, struct removal, link);
    list_remove(k);
    table_remove(&w->removals_by_name, &r->entry);
    char *channel = r->name + r->client_len + 1;
    (void) engine_presence_remove(
            w->daemon->engine,
            (struct str){ .data = channel, .len = r->name_len - r->client_len - 1 },
            (struct str){ .data = r->name, .len = r->client_len });
    free(r);
    return 0;
}

/* ---- calls of the engine, side by side where it is another server ---- */

static size_t calls_at_once(const struct worker *w) {
    return engine_is_shared(w->daemon->engine) ? CALLS_AT_ONCE : 1;
}

static void call(struct group *calls, const char *name, task_fn *fn, void *arg, size_t at_once) {
    if (at_once == 1 || group_spawn(calls, name, fn, arg) < 0)
        (void) fn(arg);
}

static void wait_for(struct group *calls) {
    int r = group_wait_all(calls);
    (void) r; /* cancelled: those that are under way are, too */
}

static void remove_some(struct worker *w) {
    size_t most = calls_at_once(w), n = table_size(&w->removals_by_name);
    GROUP(calls);
    for (size_t i = 0; i < most && i < n; i++)
        call(&calls, "presence-removal", remove_next, w, most);
    wait_for(&calls);
}

/* ---- presence that is to be renewed ---- */

struct renewal {
    struct worker *worker;
    struct publication *copy;
};

/* The session may go, and its identity and subscriptions change, in each wait: what the engine
 * works with is a copy, in the shape of a publication that nobody publishes. NULL: no memory; the
 * next time comes before the entry expires. */
static struct publication *copy_of(struct session *s, const struct subscription *sub) {
    struct client_text text;
    struct client_info info = subscription_client_info(s, sub, &text);
    return publication_new(&(struct publication_parts){
            .kind = PUBLICATION_JOIN, .channel = channel_name(sub->channel), .info = &info });
}

static bool has_gone(const struct renewal *one) {
    struct session *s = hub_find_client(one->worker, one->copy->info.client);
    return !s || !subscription_find(s, one->copy->channel);
}

static int renew_one(void *renewal) {
    const struct renewal *one = renewal;
    struct worker *w = one->worker;
    struct publication *copy = one->copy;
    int r = engine_presence_set(w->daemon->engine, copy->channel, &copy->info,
                                w->config->client.presence_ttl_ms);
    /* Was it removed while we waited, and has come back by our doing? */
    if (r == 0 && engine_is_shared(w->daemon->engine) && has_gone(one))
        (void) engine_presence_remove(w->daemon->engine, copy->channel, copy->info.client);
    return 0;
}

static void renew_all(struct renewal *all, size_t n, size_t most) {
    {
        GROUP(calls);
        for (size_t i = 0; i < n; i++)
            call(&calls, "presence", renew_one, &all[i], most);
        wait_for(&calls);
    } /* none is under way any more, though the wait was cut short */
    for (size_t i = 0; i < n; i++)
        publication_unref(all[i].copy);
}

/* All of a session's. How many of those collected, of most, wait for more. */
static size_t renew_session(struct worker *w, struct session *s, struct renewal *all, size_t n,
                            size_t most) {
    w->keeper_session = s;
    for (unsigned i = 0; w->keeper_session && i < s->n_subs; i++) {
        const struct subscription *sub = session_sub(s, i);
        struct publication *copy = sub->has_presence && sub->is_listed ? copy_of(s, sub) : NULL;
        if (!copy)
            continue;
        all[n++] = (struct renewal){ .worker = w, .copy = copy };
        if (n == most) {
            renew_all(all, n, most);
            n = 0;
        }
    }
    w->keeper_session = NULL;
    return n;
}

static struct session *next_due(struct worker *w);

/* False: nobody is due. */
static bool renew_some(struct worker *w) {
    struct session *s = next_due(w);
    if (!s)
        return false;
    struct renewal one, *all = &one;
    size_t most = calls_at_once(w), n = 0;
    if (most > 1)
        all = calloc(most, sizeof *all);
    if (!all)
        all = &one, most = 1;
    do
        n = renew_session(w, s, all, n, most);
    while (n > 0 && (s = next_due(w)));
    renew_all(all, n, most);
    if (all != &one)
        free(all);
    return true;
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
    size_t at_once = engine_is_shared(checks[0].engine) ? n : 1;
    GROUP(asking);
    for (size_t i = 0; i < n; i++)
        call(&asking, "position", ask_position, &checks[i], at_once);
    wait_for(&asking);
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
        if (done % DONE_PER_TURN == 0)
            (void) task_yield(); /* ten thousand may be due in one tick */
        if (w->is_check_due) {   /* who has missed something waits for nobody's presence */
            w->is_check_due = false;
            check_positions(w);
        } else if (!list_is_empty(&w->removals)) {
            remove_some(w);
        } else if (!renew_some(w)) {
            break;
        }
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
    if (find(w, channel, client))
        return;
    size_t name_len = client.len + 1 + channel.len;
    struct removal *r = table_size(&w->removals_by_name) < KEEPER_REMOVALS_MAX
                                ? malloc(sizeof *r + name_len)
                                : NULL;
    if (r) {
        *r = (struct removal){ .client_len = client.len, .name_len = name_len };
        memcpy(r->name, client.data, client.len);
        r->name[client.len] = '\0';
        memcpy(r->name + client.len + 1, channel.data, channel.len);
    }
    if (!r || table_add(&w->removals_by_name, &r->entry) < 0) {
        metrics_count(&w->metrics, COUNT_PRESENCE_LEFT);
        free(r);
        return;
    }
    list_append(&w->removals, &r->link);
    keep(w);
}

void keeper_keep_presence(struct worker *w, struct str channel, struct str client) {
    struct removal *r = find(w, channel, client);
    if (r)
        drop(w, r);
}

void keeper_finish(struct worker *w) {
    drop_all(w);
    table_finish(&w->removals_by_name);
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
