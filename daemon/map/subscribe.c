#include "daemon/map/subscribe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/publish.h"
#include "daemon/session/subscription.h"
#include "protocol/json.h"
#include "protocol/tags_filter.h"
#include "storage/map.h"

/* One per subscription under way, of the session's list; lies still: the channel knows the grant's
 * joiner. */
struct catch_up {
    struct catch_up *next;
    struct session *session;
    struct config *config; /* a reference, for all pages */
    struct arena arena;    /* of what the grant points to */
    struct grant grant;
    struct keep keep;
    bool has_stream, is_joined, has_begun;
    bool recovers;         /* it began with the stream, from the client's own position */
    enum map_phase phase;  /* of the page that comes next */
    struct position since; /* with the state: frozen at its first page; then what the client has */
    bool knows_top;
    uint64_t first_top; /* of the stream, when its first page was read */
    char *cursor;       /* of the next page of the state */
    size_t cursor_len;
};

/* ---- life ---- */

struct catch_up *catch_up_find(struct session *s, struct str channel) {
    for (struct catch_up *u = s->more ? s->more->catch_ups : NULL; u; u = u->next)
        if (str_equal(channel_name(u->grant.held), channel))
            return u;
    return NULL;
}

static void catch_up_free(struct catch_up *u) {
    u->grant.held = NULL; /* the subscription's, or nobody's any more */
    grant_finish(&u->grant);
    arena_finish(&u->arena);
    config_unref(u->config);
    free(u->cursor);
    free(u);
}

static void detach(struct catch_up *u) {
    struct catch_up **at = &u->session->more->catch_ups;
    while (*at != u)
        at = &(*at)->next;
    *at = u->next;
}

void catch_up_drop(struct session *s, const struct channel *c) {
    for (struct catch_up *u = s->more ? s->more->catch_ups : NULL; u; u = u->next) {
        if (u->grant.held != c)
            continue;
        detach(u);
        catch_up_free(u);
        return;
    }
}

static int copy_bytes(struct arena *a, struct bytes *b) {
    if (!b->len)
        return 0;
    void *copy = arena_alloc(a, b->len);
    if (!copy)
        return -ENOMEM;
    *b = bytes_of(memcpy(copy, b->data, b->len), b->len);
    return 0;
}

static struct catch_up *catch_up_new(struct session *s, struct grant *g) {
    struct catch_up *u = session_more(s) ? calloc(1, sizeof *u) : NULL;
    if (!u)
        return NULL;
    u->session = s;
    u->config = config_ref(g->config);
    u->grant = *g;
    u->grant.session = s;
    g->filter = NULL;
    if (copy_bytes(&u->arena, &u->grant.info) < 0 || copy_bytes(&u->arena, &u->grant.data) < 0) {
        catch_up_free(u);
        return NULL;
    }
    struct publish_terms terms = { 0 };
    publish_map_terms(g->ns, &terms);
    u->keep = terms.keep;
    u->has_stream = u->keep.history_size > 0;
    u->grant.is_map = true;
    u->grant.has_stream = u->has_stream;
    return u;
}

/* The subscription ends, and the client is told why: 0, or as session_refuse(). */
static int give_up(struct catch_up *u, uint32_t id, uint32_t code) {
    struct session *s = u->session;
    subscription_end(s, subscription_of(s, u->grant.held)); /* u has gone with it */
    return session_refuse(s, id, refusal_of(code));
}

static int failed(struct catch_up *u, uint32_t id, int error) {
    struct session *s = u->session;
    subscription_end(s, subscription_of(s, u->grant.held));
    return session_failed(s, id, error);
}

/* ---- what is read ---- */

static void join(struct catch_up *u) {
    if (!u->is_joined)
        channel_join(u->grant.held, &u->grant.joiner);
    u->is_joined = true;
}

static void leave(struct catch_up *u) {
    if (u->is_joined)
        joiner_finish(&u->grant.joiner);
    u->is_joined = false;
}

static uint32_t page_limit(const struct catch_up *u, int32_t asked) {
    const struct config_map *m = &u->grant.ns->map;
    if (asked <= 0)
        return m->default_page;
    if ((uint32_t) asked < m->min_page)
        return m->min_page;
    return (uint32_t) asked > m->max_page ? m->max_page : (uint32_t) asked;
}

static size_t bytes_of_items(struct publication *const *items, size_t n) {
    return wire_page_bytes(&(struct wire_page){ .page = items, .n_page = n });
}

/* The first of them that fit into a reply; at least one, where there is one. */
static size_t fitting(const struct catch_up *u, struct publication *const *items, size_t n) {
    size_t max = session_reply_max(u->session);
    while (n > 1 && bytes_of_items(items, n) > max)
        n /= 2;
    return n;
}

/* A page no longer than what a client's queue takes. */
static int read_state(struct catch_up *u, const struct command_subscribe *c, uint32_t limit,
                      struct map_page *ret) {
    struct map_query q = {
        .channel = channel_name(u->grant.held),
        .keep = u->keep,
        .cursor = c->cursor,
        .limit = limit,
        .is_ordered = true,
        .asc = c->asc,
    };
    for (;;) {
        int r = engine_map_read(u->session->worker->daemon->engine, &q, ret);
        if (r < 0 || fitting(u, ret->items, ret->n) == ret->n)
            return r;
        q.limit = (uint32_t) fitting(u, ret->items, ret->n);
        map_page_finish(ret);
    }
}

/* What follows the client's position, as many as tell "all" from "more". */
static int read_stream(struct catch_up *u, uint32_t limit, struct page *ret) {
    struct history_query q = {
        .channel = channel_name(u->grant.held),
        .keep = u->keep,
        .has_since = true,
        .since_offset = u->since.offset,
        .limit = limit + 1,
    };
    return engine_history(u->session->worker->daemon->engine, &q, ret);
}

/* Does the page go on where the client is, in the same stream? */
static bool goes_on(const struct catch_up *u, const struct page *p) {
    if (u->since.epoch[0] && strcmp(u->since.epoch, p->top.epoch) != 0)
        return false;
    if (p->n == 0)
        return p->top.offset == u->since.offset;
    return p->items[0]->position.offset == u->since.offset + 1;
}

static bool reaches_top(const struct page *p) {
    return p->n == 0 || p->items[p->n - 1]->position.offset == p->top.offset;
}

/* ---- what is said ---- */

static bool is_text(const struct catch_up *u) {
    return wire_codec(session_format(u->session))->is_text;
}

/* Appends those that the client wants, as it wants them. 0; -EPROTOTYPE; -ENOMEM. */
static int list_add(const struct catch_up *u, struct publication *const *items, size_t n,
                    struct arena *a, struct arena_list *list) {
    bool as_strings = u->grant.has_delta && is_text(u);

    for (size_t i = 0; i < n; i++) {
        const struct publication *p = items[i];
        if (!p->is_removed && !tags_filter_match(u->grant.filter, p->tags, p->n_tags))
            continue;
        struct wire_publication *w = arena_list_add(a, list, sizeof *w);
        if (!w)
            return -ENOMEM;
        int r = wire_publication_of(p, is_text(u), w);
        if (r < 0)
            return r;
        w->data_is_string = as_strings && p->data.len > 0;
    }
    return 0;
}

static struct wire_publications list_of(const struct arena_list *l) {
    return wire_publications_of(l->items, l->n);
}

/* It is about to have these, the newest at that position (NULL: not yet the newest): patches will
 * be made on them. */
static void know(const struct catch_up *u, struct publication *const *items, size_t n,
                 const struct position *at) {
    if (u->grant.has_delta && u->has_stream)
        channel_know_keys(u->grant.held, items, n, at);
}

static int say(struct catch_up *u, struct reply *reply) {
    reply->kind = REPLY_SUBSCRIBE;
    reply->subscribe.type = u->grant.ns->type;
    session_reply(u->session, reply);
    return 0;
}

static int cannot_say(struct catch_up *u, uint32_t id, int error) {
    return error == -EPROTOTYPE ? session_end(u->session, DISCONNECT_INAPPROPRIATE_PROTOCOL)
                                : failed(u, id, error);
}

static int say_state(struct catch_up *u, uint32_t id, const struct map_page *page) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct arena_list state = { 0 };
    struct reply reply = { .id = id };

    know(u, page->items, page->n, &page->top);
    int r = list_add(u, page->items, page->n, &arena, &state);
    if (r < 0)
        return cannot_say(u, id, r);
    reply.subscribe = (struct reply_subscribe){ .phase = MAP_PHASE_STATE,
                                                .state = list_of(&state),
                                                .cursor = page->cursor,
                                                .offset = u->since.offset,
                                                .epoch = str_of(u->since.epoch) };
    return say(u, &reply);
}

static int say_stream(struct catch_up *u, uint32_t id, const struct page *page, size_t n) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct arena_list changes = { 0 };
    struct reply reply = { .id = id };

    int r = list_add(u, page->items, n, &arena, &changes);
    if (r < 0)
        return cannot_say(u, id, r);
    u->since = page->items[n - 1]->position;
    know(u, page->items, n, NULL);
    reply.subscribe = (struct reply_subscribe){ .phase = MAP_PHASE_STREAM,
                                                .publications = list_of(&changes),
                                                .offset = u->since.offset,
                                                .epoch = str_of(u->since.epoch) };
    return say(u, &reply);
}

/* ---- the place in the channel ---- */

/* What was published while it read, above what it read. -ESTALE: there is a hole. */
static int merge(const struct catch_up *u, const struct page *page, size_t *ret_first,
                 size_t *ret_n, uint64_t *ret_top) {
    const struct joiner *j = &u->grant.joiner;
    uint64_t top = page ? page->top.offset : 0;
    size_t first = j->n;

    if (!u->has_stream) {
        *ret_first = 0;
        *ret_n = j->n;
        *ret_top = 0;
        return 0;
    }
    for (size_t i = 0; i < j->n; i++) {
        const struct position *at = &j->items[i]->position;
        if (strcmp(at->epoch, page->top.epoch) != 0)
            return -ESTALE;
        if (at->offset <= top)
            continue;
        if (at->offset != top + 1)
            return -ESTALE;
        first = first == j->n ? i : first;
        top++;
    }
    *ret_first = first;
    *ret_n = j->n - first;
    *ret_top = top;
    return 0;
}

static int fill_live(struct catch_up *u, const struct map_page *state, const struct page *stream,
                     size_t first_live, size_t n_live, struct arena *a,
                     struct reply_subscribe *ret) {
    struct arena_list entries = { 0 }, changes = { 0 };
    struct grant *g = &u->grant;
    int r = 0;

    if (state)
        r = list_add(u, state->items, state->n, a, &entries);
    if (r == 0 && stream)
        r = list_add(u, stream->items, stream->n, a, &changes);
    if (r == 0 && n_live)
        r = list_add(u, g->joiner.items + first_live, n_live, a, &changes);
    if (r < 0)
        return r;
    *ret = (struct reply_subscribe){
        .phase = MAP_PHASE_LIVE,
        .state = list_of(&entries),
        .publications = list_of(&changes),
        .epoch = str_of(stream ? stream->top.epoch : u->since.epoch),
        .positioned = g->is_positioned,
        .recoverable = g->is_recoverable,
        .was_recovering = u->recovers,
        .recovered = u->recovers,
        .delta = g->has_delta,
        .data = g->data,
        .publish_debounce_ms = (uint32_t) g->ns->publish_debounce_ms,
    };
    grant_fill_expiry(g, ret);
    return 0;
}

/* Takes the place; nothing suspends from merging on, so that no publication gets between the answer
 * and the place in the channel. */
static int go_live(struct catch_up *u, uint32_t id, const struct map_page *state,
                   const struct page *stream) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct grant *g = &u->grant;
    struct session *s = u->session;
    struct reply reply = { .id = id };
    size_t first, n_live;
    uint64_t top;

    int r = grant_enter(g);
    if (r < 0)
        return failed(u, id, r);

    if (g->joiner.is_overrun)
        return session_end(s, DISCONNECT_SLOW);
    r = merge(u, stream, &first, &n_live, &top);
    if (r < 0)
        return give_up(u, id, ERROR_UNRECOVERABLE_POSITION);
    if ((stream ? stream->n : 0) + n_live > g->ns->map.live_transition_max)
        return session_end(s, DISCONNECT_SLOW);
    r = fill_live(u, state, stream, first, n_live, &arena, &reply.subscribe);
    if (r < 0)
        return cannot_say(u, id, r);
    reply.subscribe.offset = top;
    if (state)
        know(u, state->items, state->n, &state->top);
    if (stream)
        know(u, stream->items, stream->n, &stream->top);
    if (n_live)
        know(u, g->joiner.items + first, n_live, &g->joiner.items[first + n_live - 1]->position);

    struct subscriber_options options = {
        .flags = (g->is_positioned ? SUBSCRIBER_POSITIONED : 0) |
                 (g->has_joins ? SUBSCRIBER_JOINS : 0) | (g->has_delta ? SUBSCRIBER_DELTA : 0) |
                 (u->has_stream ? 0 : SUBSCRIBER_UNNUMBERED),
        .next = top + 1,
        .epoch = g->is_positioned ? str_of(stream->top.epoch) : (struct str){ 0 },
        .filter = g->filter,
    };
    r = channel_add(g->held, s, &options);
    if (r < 0)
        return failed(u, id, r);
    g->filter = NULL;
    g->is_settled = true;
    if (u->recovers)
        metrics_count(&s->worker->metrics, COUNT_RECOVERED);

    struct subscription *sub = subscription_of(s, g->held);
    sub->is_catching_up = false;
    if (sub->terms)
        sub->terms->expire_at = 0;
    detach(u);
    (void) say(u, &reply);
    grant_begin(g);
    catch_up_free(u);
    return 0;
}

/* ---- pages ---- */

static int keep_cursor(struct catch_up *u, struct str cursor) {
    free(u->cursor);
    u->cursor = malloc(cursor.len ? cursor.len : 1);
    u->cursor_len = u->cursor ? cursor.len : 0;
    if (!u->cursor)
        return -ENOMEM;
    memcpy(u->cursor, cursor.data, cursor.len);
    return 0;
}

/* The last page of the state: with what changed since the first one, if that fits. */
static int last_state(struct catch_up *u, uint32_t id, const struct map_page *state,
                      uint32_t limit) {
    CLEANUP(page_finish) struct page stream = { 0 };

    u->phase = MAP_PHASE_STREAM;
    if (!u->has_stream)
        return go_live(u, id, state, NULL);

    join(u);
    int r = read_stream(u, limit, &stream);
    if (r < 0)
        return failed(u, id, r);
    size_t bytes = bytes_of_items(state->items, state->n) + bytes_of_items(stream.items, stream.n);
    if (goes_on(u, &stream) && reaches_top(&stream) && stream.n <= limit &&
        bytes <= session_reply_max(u->session))
        return go_live(u, id, state, &stream);
    leave(u);
    return say_state(u, id, state);
}

static int on_state(struct catch_up *u, uint32_t id, const struct command_subscribe *c) {
    CLEANUP(map_page_finish) struct map_page page = { 0 };
    uint32_t limit = page_limit(u, c->limit);

    if (!u->has_stream)
        join(u); /* what is published from now on is in no page */
    int r = read_state(u, c, limit, &page);
    if (r == -EINVAL)
        return give_up(u, id, ERROR_BAD_REQUEST);
    if (r < 0)
        return failed(u, id, r);
    if (!u->has_begun)
        u->since = page.top;
    else if (strcmp(page.top.epoch, u->since.epoch) != 0)
        return give_up(u, id, ERROR_UNRECOVERABLE_POSITION);
    u->has_begun = true;

    if (!page.cursor.len)
        return last_state(u, id, &page, limit);
    if (keep_cursor(u, page.cursor) < 0)
        return failed(u, id, -ENOMEM);
    return say_state(u, id, &page);
}

static int on_stream(struct catch_up *u, uint32_t id, const struct command_subscribe *c) {
    CLEANUP(page_finish) struct page page = { 0 };
    uint32_t limit = page_limit(u, c->limit), most = u->grant.ns->map.live_transition_max;

    if (!u->has_stream)
        return give_up(u, id, ERROR_UNRECOVERABLE_POSITION);
    /* Near what was the top when it began it goes live, however fast others publish. */
    bool is_near = u->knows_top && u->since.offset + limit >= u->first_top;
    uint32_t fits = is_near && most > limit ? most : limit;

    join(u);
    int r = read_stream(u, fits, &page);
    if (r < 0)
        return failed(u, id, r);
    if (!goes_on(u, &page)) {
        if (u->recovers)
            metrics_count(&u->session->worker->metrics, COUNT_UNRECOVERED);
        return give_up(u, id, ERROR_UNRECOVERABLE_POSITION);
    }
    if (!u->knows_top)
        u->first_top = page.top.offset;
    u->knows_top = true;
    if (reaches_top(&page) && page.n <= fits && fitting(u, page.items, page.n) == page.n)
        return go_live(u, id, NULL, &page);
    leave(u);
    size_t n = page.n > limit ? limit : page.n;
    return say_stream(u, id, &page, fitting(u, page.items, n));
}

static int next_page(struct catch_up *u, uint32_t id, const struct command_subscribe *c) {
    return u->phase == MAP_PHASE_STATE ? on_state(u, id, c) : on_stream(u, id, c);
}

int catch_up_go_on(struct catch_up *u, uint32_t id, const struct command_subscribe *c) {
    struct str expected = { u->cursor, u->cursor_len };

    /* Another page than the next one: somebody else reads along. */
    if (u->phase == MAP_PHASE_STATE ? c->phase != MAP_PHASE_STATE || !str_equal(c->cursor, expected)
                                    : c->phase == MAP_PHASE_STATE || c->offset != u->since.offset)
        return session_error(u->session, id, ERROR_CONCURRENT_PAGINATION);
    return next_page(u, id, c);
}

bool catch_up_is_begun_by(const struct command_subscribe *c) {
    return c->phase == MAP_PHASE_STATE ? c->cursor.len == 0 : c->recover;
}

static bool take_position(struct catch_up *u, const struct command_subscribe *c) {
    u->recovers = true;
    u->phase = MAP_PHASE_STREAM;
    u->since.offset = c->offset;
    if (c->epoch.len >= sizeof u->since.epoch) /* none of ours */
        return false;
    if (c->epoch.len)
        memcpy(u->since.epoch, c->epoch.data, c->epoch.len);
    return true;
}

int catch_up_begin(struct session *s, uint32_t id, const struct command_subscribe *c,
                   struct grant *g) {
    if (c->phase > MAP_PHASE_STATE)
        return session_error(s, id, ERROR_BAD_REQUEST);
    if (!catch_up_is_begun_by(c)) /* nothing is under way that this could go on with */
        return session_error(s, id, ERROR_PERMISSION_DENIED);

    struct catch_up *u = catch_up_new(s, g);
    if (!u)
        return session_end(s, DISCONNECT_SERVER_ERROR);
    u->phase = MAP_PHASE_STATE;
    bool knows_position = c->phase == MAP_PHASE_STATE || take_position(u, c);

    int r = grant_hold(&u->grant);
    if (r < 0) {
        catch_up_free(u);
        return session_failed(s, id, r);
    }
    u->next = s->more->catch_ups;
    s->more->catch_ups = u;
    struct subscription *sub = subscription_of(s, u->grant.held);
    sub->is_catching_up = true;
    subscription_limit_catch_up(s, sub, u->grant.ns->map.catch_up_timeout_ms);
    if (!knows_position)
        return give_up(u, id, ERROR_UNRECOVERABLE_POSITION);
    return next_page(u, id, c);
}
