/* Reading and clearing maps. Changing them is publishing: api/pipeline.c. */
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/future.h"
#include "daemon/api/impl.h"
#include "daemon/publish.h"
#include "daemon/survey.h"
#include "protocol/json.h"
#include "storage/map.h"

/* The map's namespace and where its keys are kept. 0, or an error. */
static int map_of(struct api_call *c, const struct namespace **ret, struct keep *ret_keep) {
    struct publish_terms terms = { 0 };
    int r = api_namespace(c, c->params->channel, ret);
    if (r)
        return r;
    if (!namespace_is_map(*ret))
        return api_error(c, ERROR_BAD_REQUEST, "channel is no map");
    publish_map_terms(*ret, &terms);
    *ret_keep = terms.keep;
    return 0;
}

static void put_entry(struct buffer *out, const struct publication *p) {
    buffer_append_str(out, STR("{\"key\":"));
    json_append_string(out, p->key);
    if (!p->is_removed || p->data.len)
        api_put_payload(out, STR(",\"data\":"), STR(",\"data\":null,\"b64data\":"), p->data);
    api_put_tags(out, p->tags, p->n_tags);
    if (p->position.offset)
        buffer_printf(out, ",\"offset\":%llu", (unsigned long long) p->position.offset);
    if (p->score)
        buffer_printf(out, ",\"score\":%lld", (long long) p->score);
    if (p->is_removed)
        buffer_append_str(out, STR(",\"removed\":true"));
    if (p->time_ms)
        buffer_printf(out, ",\"time\":%lld", (long long) p->time_ms);
    buffer_append_byte(out, '}');
}

static int put_entries(struct buffer *out, struct publication *const *items, size_t n,
                       const struct position *top) {
    int r = 0;
    buffer_append_str(out, STR("{\"entries\":["));
    for (size_t i = 0; i < n && r == 0; i++) {
        if (i)
            buffer_append_byte(out, ',');
        put_entry(out, items[i]);
        r = api_breathe(i);
    }
    buffer_printf(out, "],\"offset\":%llu,\"epoch\":", (unsigned long long) top->offset);
    json_append_string(out, str_of(top->epoch));
    return r;
}

static uint32_t limit_of(int64_t limit) {
    return limit < 0 ? UINT32_MAX : (uint32_t) limit;
}

static int epoch_differs(struct api_call *c, struct str asked, const struct position *top,
                         const char *name) {
    if (asked.len == 0 || str_equal(asked, str_of(top->epoch)))
        return 0;
    return api_error(c, ERROR_UNRECOVERABLE_POSITION, "%s is not the stream's", name);
}

int api_map_read_state(struct api_call *c) {
    const struct api_params *q = c->params;
    const struct namespace *ns = NULL;
    struct map_query query = { .channel = q->channel,
                               .key = q->key,
                               .cursor = q->key.len ? (struct str){ 0 } : q->cursor,
                               .limit = q->key.len ? 1 : limit_of(q->limit),
                               .asc = q->asc };
    CLEANUP(map_page_finish) struct map_page page = { 0 };

    int r = map_of(c, &ns, &query.keep);
    if (r)
        return r;
    query.is_ordered = true; /* by score, as clients read it; without scores by key */
    r = engine_map_read(c->worker->daemon->engine, &query, &page);
    if (r == -EINVAL)
        return api_error(c, ERROR_BAD_REQUEST, "cursor is not one of this map");
    if (r < 0)
        return api_failed(c, r);
    r = epoch_differs(c, q->revision_epoch, &page.top, "revision_epoch");
    if (r)
        return r;
    r = put_entries(c->out, page.items, page.n, &page.top);
    if (r < 0)
        return r;
    if (page.cursor.len && query.limit > 0 && q->key.len == 0) {
        buffer_append_str(c->out, STR(",\"cursor\":"));
        json_append_string(c->out, page.cursor);
    }
    buffer_append_byte(c->out, '}');
    return 0;
}

int api_map_read_stream(struct api_call *c) {
    const struct api_params *q = c->params;
    const struct namespace *ns = NULL;
    bool has_since = q->since_offset > 0 || q->since_epoch.len > 0;
    struct history_query query = { .channel = q->channel,
                                   .has_since = has_since,
                                   .since_offset = q->since_offset,
                                   .limit = limit_of(q->limit),
                                   .reverse = q->reverse };
    CLEANUP(page_finish) struct page page = { 0 };

    int r = map_of(c, &ns, &query.keep);
    if (r)
        return r;
    if (query.keep.history_size == 0 || query.keep.history_ttl_ms == 0)
        return api_error(c, ERROR_NOT_AVAILABLE, "the map is ephemeral and has no stream");
    if (q->reverse && has_since && q->since_offset == 0)
        return api_error(c, ERROR_BAD_REQUEST, "since_offset must not be 0 in reverse");
    r = engine_history(c->worker->daemon->engine, &query, &page);
    if (r < 0)
        return api_failed(c, r);
    r = epoch_differs(c, q->since_epoch, &page.top, "since_epoch");
    if (r)
        return r;
    r = put_entries(c->out, page.items, page.n, &page.top);
    if (r < 0)
        return r;
    buffer_append_byte(c->out, '}');
    return 0;
}

int api_map_stats(struct api_call *c) {
    const struct namespace *ns = NULL;
    struct keep keep;
    uint64_t keys;
    int r = map_of(c, &ns, &keep);
    if (r)
        return r;
    r = engine_map_stats(c->worker->daemon->engine, c->params->channel, keep, &keys);
    if (r < 0)
        return api_failed(c, r);
    buffer_printf(c->out, "{\"num_keys\":%llu}", (unsigned long long) keys);
    return 0;
}

/* ---- clearing ---- */

enum { REMOVED_AT_ONCE = 256 };

struct removing {
    struct future done;
    size_t left;
};

struct removal {
    struct publish publish;
    struct removing *of;
};

static void on_removed(struct publish *p) {
    struct removing *of = CONTAINER_OF(p, struct removal, publish)->of;
    if (--of->left == 0)
        future_resolve(&of->done, 0);
}

static void remove_one(struct api_call *c, const struct namespace *ns, struct str key,
                       struct removal *r) {
    struct publish_terms terms = { .map.is_map = true };
    r->publish.done = on_removed;
    publish_map_terms(ns, &terms);
    if (publish_start_on(&r->publish, c->worker, ns,
                         &(struct publication_parts){ .kind = PUBLICATION_DATA,
                                                      .channel = c->params->channel,
                                                      .key = key,
                                                      .is_removed = true },
                         &terms) < 0)
        on_removed(&r->publish); /* it is cleared anyway; its subscribers do not hear of it */
}

static int remove_page(struct api_call *c, const struct namespace *ns,
                       const struct map_page *page) {
    struct removing all = { .left = page->n + 1 };
    struct removal *items = calloc(page->n, sizeof *items);
    if (!items)
        return -ENOMEM;
    future_init(&all.done);
    for (size_t i = 0; i < page->n; i++) {
        items[i].of = &all;
        remove_one(c, ns, page->items[i]->key, &items[i]);
    }
    if (--all.left > 0) {
        SHIELD(INT64_MAX / 2); /* items are storage's until then */
        int r = future_wait(&all.done);
        (void) r;
    }
    free(items);
    return 0;
}

/* A map without a stream has no position that its subscribers could lose: they hear of each key. */
static int remove_keys(struct api_call *c, const struct namespace *ns, struct keep keep) {
    for (;;) {
        CLEANUP(map_page_finish) struct map_page page = { 0 };
        int r = engine_map_read(c->worker->daemon->engine,
                                &(struct map_query){ .channel = c->params->channel,
                                                     .keep = keep,
                                                     .limit = REMOVED_AT_ONCE,
                                                     .is_ordered = true },
                                &page);
        if (r < 0 || page.n == 0)
            return r;
        r = remove_page(c, ns, &page);
        if (r < 0 || page.cursor.len == 0)
            return r;
    }
}

struct cleared {
    struct str channel;
    struct position now;
};

static int tell_here(struct worker *w, void *arg, void *part) {
    const struct cleared *a = arg;
    struct channel *channel = channel_find(&w->channels, a->channel);
    if (!channel)
        return 0;
    channel->users++; /* the last subscriber may be lost meanwhile */
    channel_check(channel, &a->now);
    channel_release(channel);
    return 0;
}

/* Another stream begins: whoever followed the old one has to read the map again. */
static int tell_subscribers(struct api_call *c, struct keep keep) {
    struct cleared arg = { .channel = c->params->channel };
    int r = engine_position(c->worker->daemon->engine, arg.channel, keep, &arg.now);
    return r < 0 ? r : survey(c->worker, &(struct survey){ .ask = tell_here, .arg = &arg });
}

int api_map_clear(struct api_call *c) {
    const struct namespace *ns = NULL;
    struct keep keep;
    int r = map_of(c, &ns, &keep);
    if (r)
        return r;
    bool has_stream = keep.history_size > 0 && keep.history_ttl_ms > 0;
    if (!has_stream && !c->is_here_only)
        r = remove_keys(c, ns, keep);
    if (r == 0 && !c->is_here_only)
        r = engine_map_clear(c->worker->daemon->engine, c->params->channel, keep);
    if (r == 0 && has_stream)
        r = tell_subscribers(c, keep);
    if (r < 0)
        return api_failed(c, r);
    buffer_append_str(c->out, STR("{}"));
    return 0;
}
