#include "tests/support/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/inbox.h"
#include "async/list.h"
#include "async/loop.h"
#include "daemon/daemon.h"
#include "protocol/buffer.h"
#include "storage/engine_impl.h"

enum { FROZEN_MAX = 8 };

struct bus {
    struct engine *shared;
    struct list nodes;
    struct buffer last;
    bool is_frozen;
    size_t n_frozen;
    char frozen[FROZEN_MAX][2][NODE_ID_LEN + 1]; /* ids and names */
};

/* One daemon's engine. */
struct member {
    struct engine engine;
    struct link link; /* the bus's */
    struct bus *bus;
    struct engine *own; /* of what is not shared: events */
    struct daemon *daemon;
    struct inbox *inbox;
    struct engine_sink sink; /* of the shared one */
    struct list interests;
    struct engine_ear *ear;
    bool is_silent, is_buried, is_broken;
};

/* A channel that workers of a member want. */
struct interest {
    struct link link;
    size_t n;
    size_t len;
    char name[];
};

static struct member *member_of(struct engine *e) {
    return CONTAINER_OF(e, struct member, engine);
}

static struct engine *shared_of(struct engine *e) {
    return member_of(e)->bus->shared;
}

static struct str id_of(const struct member *m) {
    return str_of(m->daemon->node_id);
}

static struct member *find(const struct bus *b, struct str id) {
    LIST_FOREACH (&b->nodes, k) {
        struct member *m = CONTAINER_OF(k, struct member, link);
        if (str_equal(id_of(m), id))
            return m;
    }
    return NULL;
}

/* ---- what is shared ---- */

static void publish(struct engine *e, struct publish_request *request, uint64_t hash) {
    engine_publish(shared_of(e), request);
}

static bool is_behind(struct engine *e, uint64_t hash) {
    return true; /* whatever is published goes by there */
}

static int history(struct engine *e, const struct history_query *q, struct page *ret) {
    return engine_history(shared_of(e), q, ret);
}

static int history_remove(struct engine *e, struct str channel) {
    return engine_history_remove(shared_of(e), channel);
}

static int position(struct engine *e, struct str channel, struct keep keep, struct position *ret) {
    return engine_position(shared_of(e), channel, keep, ret);
}

static void stats(struct engine *e, struct engine_stats *ret) {
    engine_stats(shared_of(e), ret);
}

static int denial_put(struct engine *e, const struct denial *d) {
    return engine_denial_put(shared_of(e), d);
}

static int denial_remove(struct engine *e, enum denial_kind kind, struct str key) {
    return engine_denial_remove(shared_of(e), kind, key);
}

static int denials(struct engine *e, struct denials *ret) {
    return engine_denials(shared_of(e), ret);
}

static int presence_set(struct engine *e, struct str channel, const struct client_info *info,
                        int64_t ttl_ms) {
    return engine_presence_set(shared_of(e), channel, info, ttl_ms);
}

static int presence_remove(struct engine *e, struct str channel, struct str client) {
    return engine_presence_remove(shared_of(e), channel, client);
}

static int presence(struct engine *e, struct str channel, struct presence *ret) {
    return engine_presence(shared_of(e), channel, ret);
}

static int presence_stats(struct engine *e, struct str channel, size_t *ret_clients,
                          size_t *ret_users) {
    return engine_presence_stats(shared_of(e), channel, ret_clients, ret_users);
}

static int broadcast(struct engine *e, uint64_t hash, struct publication *p) {
    return engine_broadcast(shared_of(e), p);
}

/* ---- what is a node's own ---- */

static void event_append(struct engine *e, struct event_request *request) {
    engine_event_append(member_of(e)->own, request);
}

static int events_next(struct engine *e, struct str queue, uint64_t after, uint32_t limit,
                       size_t max_bytes, struct events *ret) {
    return engine_events_next(member_of(e)->own, queue, after, limit, max_bytes, ret);
}

static int events_done(struct engine *e, const uint64_t *ids, size_t n) {
    return engine_events_done(member_of(e)->own, ids, n);
}

static int events_end_standing(struct engine *e) {
    return engine_events_end_standing(member_of(e)->own);
}

static int events_keep_queues(struct engine *e, const struct str *queues, size_t n,
                              uint64_t *ret_n) {
    return engine_events_keep_queues(member_of(e)->own, queues, n, ret_n);
}

/* ---- distribution ---- */

static void deliver(struct engine_sink *sink, struct publication *p) {
    struct member *m = CONTAINER_OF(sink, struct member, sink);
    int r = m->is_broken ? 0
                         : distribution_send(&m->engine.distribution,
                                             engine_hash(&m->engine, p->channel), p);
    (void) r; /* without memory they see a gap */
}

static struct interest *find_interest(struct member *m, struct str channel) {
    LIST_FOREACH (&m->interests, k) {
        struct interest *i = CONTAINER_OF(k, struct interest, link);
        if (str_equal((struct str){ i->name, i->len }, channel))
            return i;
    }
    return NULL;
}

static int attach(struct engine *e, uint64_t hash, struct str channel) {
    struct member *m = member_of(e);
    struct interest *i = find_interest(m, channel);
    if (i) {
        i->n++;
        return 0;
    }
    i = calloc(1, sizeof *i + channel.len);
    if (!i)
        return -ENOMEM;
    *i = (struct interest){ .n = 1, .len = channel.len };
    memcpy(i->name, channel.data, channel.len);
    int r = engine_attach(m->bus->shared, &m->sink, channel);
    if (r < 0)
        free(i);
    else
        list_append(&m->interests, &i->link);
    return r;
}

static void detach(struct engine *e, uint64_t hash, struct str channel) {
    struct member *m = member_of(e);
    struct interest *i = find_interest(m, channel);
    if (--i->n > 0)
        return;
    engine_detach(m->bus->shared, &m->sink, channel);
    list_remove(&i->link);
    free(i);
}

/* ---- signals ---- */

struct signal_post {
    struct post post;
    struct bus *bus;
    char to[NODE_ID_LEN + 1];
    struct str from;
    struct bytes message;
    uint8_t bytes[];
};

static void on_signal(struct post *p) {
    struct signal_post *s = CONTAINER_OF(p, struct signal_post, post);
    struct member *to = find(s->bus, str_of(s->to)); /* it may have gone */
    if (to && to->ear && !to->is_silent)
        to->ear->hear(to->ear, s->from, s->message);
    free(s);
}

static int send(struct bus *b, struct str from, const struct member *to, struct bytes message) {
    struct signal_post *s = malloc(sizeof *s + from.len + message.len);
    if (!s)
        return -ENOMEM;
    *s = (struct signal_post){ .post.run = on_signal,
                               .bus = b,
                               .from = { (const char *) s->bytes, from.len },
                               .message = bytes_of(s->bytes + from.len, message.len) };
    memcpy(s->to, to->daemon->node_id, sizeof s->to);
    memcpy(s->bytes, from.data, from.len);
    if (message.len)
        memcpy(s->bytes + from.len, message.data, message.len);
    inbox_post(to->inbox, &s->post);
    buffer_reset(&b->last);
    buffer_append_bytes(&b->last, message);
    return 0;
}

static int signal_nodes(struct engine *e, struct str to, struct bytes message) {
    struct member *from = member_of(e);
    int r = from->is_broken ? -ENOTCONN : 0;
    LIST_FOREACH (&from->bus->nodes, k) {
        struct member *m = CONTAINER_OF(k, struct member, link);
        if (m != from && r == 0 && (to.len == 0 || str_equal(to, id_of(m))))
            r = send(from->bus, id_of(from), m, message);
    }
    return r;
}

static int frozen_nodes(const struct member *self, struct nodes *ret) {
    const struct bus *b = self->bus;
    ret->items = calloc(FROZEN_MAX, sizeof *ret->items);
    for (size_t i = 0; ret->items && i < b->n_frozen; i++)
        if (!str_equal(id_of(self), str_of(b->frozen[i][0])))
            ret->items[ret->n++] = (struct node){ .id = str_of(b->frozen[i][0]),
                                                  .name = str_of(b->frozen[i][1]),
                                                  .version = STR("1"),
                                                  .started_ms = 1 };
    return ret->items ? 0 : -ENOMEM;
}

static int nodes(struct engine *e, struct nodes *ret) {
    struct member *self = member_of(e);
    size_t n = 0;
    *ret = (struct nodes){ 0 };
    if (self->bus->is_frozen)
        return frozen_nodes(self, ret);
    LIST_FOREACH (&self->bus->nodes, k)
        n++;
    ret->items = calloc(n, sizeof *ret->items);
    if (!ret->items)
        return -ENOMEM;
    LIST_FOREACH (&self->bus->nodes, k) {
        struct member *m = CONTAINER_OF(k, struct member, link);
        if (m != self && !m->is_buried)
            ret->items[ret->n++] = (struct node){ .id = id_of(m),
                                                  .name = str_of(m->daemon->node_name),
                                                  .version = STR("1"),
                                                  .started_ms = 1 };
    }
    return 0;
}

static int listen_to(struct engine *e, struct engine_ear *ear) {
    member_of(e)->ear = ear;
    return 0;
}

static void unlisten(struct engine *e, struct engine_ear *ear) {
    member_of(e)->ear = NULL;
}

static void tick(struct engine *e) {
}

static void close_engine(struct engine *e) {
    struct member *m = member_of(e);
    list_remove(&m->link);
    engine_remove_sink(m->bus->shared, &m->sink);
    inbox_close(m->inbox);
    engine_close(m->own);
    engine_finish(e);
    free(m);
}

static const struct engine_class CLASS = {
    .publish = publish,
    .is_behind = is_behind,
    .history = history,
    .history_remove = history_remove,
    .position = position,
    .stats = stats,
    .event_append = event_append,
    .events_next = events_next,
    .events_done = events_done,
    .events_end_standing = events_end_standing,
    .events_keep_queues = events_keep_queues,
    .denial_put = denial_put,
    .denial_remove = denial_remove,
    .denials = denials,
    .broadcast = broadcast,
    .attach = attach,
    .detach = detach,
    .presence_set = presence_set,
    .presence_remove = presence_remove,
    .presence = presence,
    .presence_stats = presence_stats,
    .nodes = nodes,
    .signal = signal_nodes,
    .listen = listen_to,
    .unlisten = unlisten,
    .tick = tick,
    .close = close_engine,
};

/* ---- life ---- */

static const char BASE[EPOCH_BASE_SIZE] = "bus"; /* unused: nothing is kept here */

static int open_memory(struct engine **ret) {
    char *why = NULL;
    int r = engine_open(&(struct engine_options){ .kind = ENGINE_MEMORY }, ret, &why);
    free(why);
    return r;
}

int bus_open(struct bus **ret) {
    struct bus *b = calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    list_init(&b->nodes);
    int r = open_memory(&b->shared);
    if (r < 0)
        free(b);
    else
        *ret = b;
    return r;
}

struct bus *bus_close(struct bus *b) {
    if (!b)
        return NULL;
    engine_close(b->shared);
    buffer_finish(&b->last);
    free(b);
    return NULL;
}

int bus_open_engine(void *bus, struct daemon *d, const struct engine_options *o,
                    struct engine **ret) {
    struct bus *b = bus;
    struct member *m = aligned_alloc(_Alignof(struct member), sizeof *m);
    struct table_seed seed;
    if (!m)
        return -ENOMEM;
    memset(m, 0, sizeof *m);
    int r = open_memory(&m->own);
    if (r < 0) {
        free(m);
        return r;
    }
    loop_random(&seed, sizeof seed);
    engine_init(&m->engine, &CLASS, o, BASE, &seed);
    m->bus = b;
    m->daemon = d;
    m->inbox = inbox_open(loop_current());
    m->sink = (struct engine_sink){ .inbox = m->inbox, .deliver = deliver };
    list_init(&m->interests);
    list_append(&b->nodes, &m->link);
    r = engine_add_sink(b->shared, &m->sink);
    *ret = &m->engine;
    return r;
}

/* ---- what goes wrong ---- */

void bus_silence(struct bus *b, const struct daemon *d, bool is_silent) {
    find(b, str_of(d->node_id))->is_silent = is_silent;
}

void bus_bury(struct bus *b, const struct daemon *d) {
    struct member *m = find(b, str_of(d->node_id));
    m->is_silent = m->is_buried = true;
}

void bus_freeze_lists(struct bus *b) {
    b->is_frozen = true;
    LIST_FOREACH (&b->nodes, k) {
        const struct member *m = CONTAINER_OF(k, struct member, link);
        char(*to)[NODE_ID_LEN + 1] = b->frozen[b->n_frozen++];
        (void) snprintf(to[0], sizeof to[0], "%s", m->daemon->node_id);
        (void) snprintf(to[1], sizeof to[1], "%.16s", m->daemon->node_name);
    }
}

void bus_break(struct bus *b, const struct daemon *d, bool is_broken) {
    struct member *m = find(b, str_of(d->node_id));
    m->is_broken = m->is_silent = is_broken;
    if (!is_broken && m->ear->missed)
        m->ear->missed(m->ear);
}

int bus_forge(struct bus *b, struct str from, const struct daemon *to, struct bytes message) {
    return send(b, from, find(b, str_of(to->node_id)), message);
}

struct bytes bus_last(const struct bus *b) {
    return buffer_bytes(&b->last);
}
