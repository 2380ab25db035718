#include "daemon/map/poll_room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/channel.h"
#include "daemon/map/poll.h"
#include "daemon/session/impl.h"
#include "daemon/wire_page.h"

struct poll_room {
    struct channel *channel; /* held by each subscription */
    struct worker *worker;
    struct poll *poll;
    int64_t grace_s;
    struct table watches;
    struct list subs;
};

/* A key that somebody tracks. */
struct watch {
    struct table_entry entry;
    struct list tracks;
    bool is_new; /* nobody has asked for it yet */
    uint16_t key_len;
    char key[];
};

/* That one session tracks one key. */
struct track {
    struct table_entry entry; /* poll_sub.tracks */
    struct link in_watch;
    struct watch *watch;
    struct poll_sub *sub;
    uint64_t version; /* what the client has */
    int64_t expires_s;
};

struct poll_sub {
    struct poll_sub *next; /* session_more.polls */
    struct link in_room;
    struct session *session;
    struct poll_room *room;
    struct table tracks;
    size_t n_new; /* of their watches */
};

static struct watch *watch_of(struct table_entry *e) {
    return CONTAINER_OF(e, struct watch, entry);
}

static struct track *track_of(struct table_entry *e) {
    return CONTAINER_OF(e, struct track, entry);
}

static struct bytes watch_key(const struct table_entry *e) {
    const struct watch *w = (const struct watch *) (const void *) e;
    _Static_assert(offsetof(struct watch, entry) == 0, "the cast above");
    return bytes_of(w->key, w->key_len);
}

static struct bytes track_key(const struct table_entry *e) {
    const struct track *t = (const struct track *) (const void *) e;
    _Static_assert(offsetof(struct track, entry) == 0, "the cast above");
    return bytes_of(t->watch->key, t->watch->key_len);
}

static struct str key_of(const struct watch *w) {
    return (struct str){ w->key, w->key_len };
}

/* ---- rooms ---- */

static struct poll_room *room_new(struct worker *w, struct channel *c, const struct namespace *ns) {
    struct poll_room *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct poll_room){ .channel = c,
                             .worker = w,
                             .poll = poll_ref(w, channel_name(c), ns),
                             .grace_s = ns->poll.track_grace_ms / 1000 };
    if (!r->poll) {
        free(r);
        return NULL;
    }
    table_init(&r->watches, &w->channels.table.seed, watch_key);
    list_init(&r->subs);
    return r;
}

static void room_free_if_empty(struct poll_room *r) {
    if (!list_is_empty(&r->subs))
        return;
    r->channel->room = NULL;
    table_finish(&r->watches);
    poll_unref(r->worker, r->poll);
    free(r);
}

int poll_enter(struct session *s, struct channel *c, const struct namespace *ns) {
    struct poll_sub *sub = session_more(s) ? calloc(1, sizeof *sub) : NULL;
    if (!sub)
        return -ENOMEM;
    if (!c->room)
        c->room = room_new(s->worker, c, ns);
    if (!c->room) {
        free(sub);
        return -ENOMEM;
    }
    *sub = (struct poll_sub){ .next = s->more->polls, .session = s, .room = c->room };
    s->more->polls = sub;
    list_append(&c->room->subs, &sub->in_room);
    table_init(&sub->tracks, &c->room->watches.seed, track_key);
    return 0;
}

static void untrack(struct track *t) {
    struct poll_sub *sub = t->sub;
    struct poll_room *r = sub->room;
    struct watch *w = t->watch;

    table_remove(&sub->tracks, &t->entry);
    list_remove(&t->in_watch);
    free(t);
    if (!list_is_empty(&w->tracks))
        return;
    table_remove(&r->watches, &w->entry);
    poll_untrack(r->poll, key_of(w));
    free(w);
}

void poll_leave(struct session *s, struct channel *c) {
    struct poll_sub **at = s->more ? &s->more->polls : NULL;

    while (at && *at && (*at)->room != c->room)
        at = &(*at)->next;
    if (!at || !*at)
        return;
    struct poll_sub *sub = *at;
    *at = sub->next;
    TABLE_FOREACH (&sub->tracks, e)
        untrack(track_of(e));
    table_finish(&sub->tracks);
    list_remove(&sub->in_room);
    room_free_if_empty(sub->room);
    free(sub);
}

struct str poll_room_epoch(const struct channel *c, char *buf) {
    return poll_epoch(c->room->poll, buf);
}

struct poll_sub *poll_sub_find(struct session *s, struct str channel) {
    struct poll_sub *sub = s->more ? s->more->polls : NULL;

    while (sub && !str_equal(channel_name(sub->room->channel), channel))
        sub = sub->next;
    return sub;
}

/* ---- tracking ---- */

static struct track *find_track(const struct poll_sub *sub, struct str key) {
    struct table_entry *e = table_find(&sub->tracks, str_bytes(key));
    return e ? track_of(e) : NULL;
}

size_t poll_sub_size_with(const struct poll_sub *sub, const struct command_track *tracks,
                          size_t n) {
    size_t size = table_size(&sub->tracks);

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < tracks[i].n_items; k++)
            size += !find_track(sub, tracks[i].items[k].key);
    return size;
}

/* ret_last: a reference to what is known of the key, or NULL. */
static struct watch *watch_new(struct poll_room *r, struct str key, struct publication **ret_last) {
    struct watch *w = calloc(1, sizeof *w + key.len);
    if (!w)
        return NULL;
    list_init(&w->tracks);
    w->key_len = (uint16_t) key.len;
    memcpy(w->key, key.data, key.len);
    if (table_add(&r->watches, &w->entry) < 0) {
        free(w);
        return NULL;
    }
    if (poll_track(r->poll, key, ret_last, &w->is_new) < 0) {
        table_remove(&r->watches, &w->entry);
        free(w);
        return NULL;
    }
    return w;
}

/* What is known of a key that this worker tracks already: asked as if it came anew. */
static int look_again(struct poll_room *r, struct str key, struct publication **ret_last) {
    bool ignored;
    int e = poll_track(r->poll, key, ret_last, &ignored);
    if (e == 0)
        poll_untrack(r->poll, key);
    return e;
}

static int track_add(struct poll_sub *sub, struct str key, struct track **ret,
                     struct publication **ret_last) {
    struct poll_room *r = sub->room;
    struct track *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;

    struct table_entry *e = table_find(&r->watches, str_bytes(key));
    t->watch = e ? watch_of(e) : watch_new(r, key, ret_last);
    if (!t->watch || (e && look_again(r, key, ret_last) < 0)) {
        free(t);
        return -ENOMEM;
    }
    t->sub = sub;
    list_append(&t->watch->tracks, &t->in_watch);
    if (table_add(&sub->tracks, &t->entry) < 0) {
        list_remove(&t->in_watch);
        if (list_is_empty(&t->watch->tracks)) {
            table_remove(&r->watches, &t->watch->entry);
            poll_untrack(r->poll, key);
            free(t->watch);
        }
        *ret_last = publication_unref(*ret_last);
        free(t);
        return -ENOMEM;
    }
    sub->n_new += t->watch->is_new;
    *ret = t;
    return 0;
}

int poll_sub_track(struct poll_sub *sub, const struct command_track *batch, int64_t expires_s,
                   struct arena *a, struct arena_list *items) {
    for (size_t i = 0; i < batch->n_items; i++) {
        struct str key = batch->items[i].key;
        struct track *t = find_track(sub, key);
        struct publication *last = NULL;

        int r = t ? look_again(sub->room, key, &last) : track_add(sub, key, &t, &last);
        if (r < 0)
            return r;
        if (batch->items[i].version > t->version)
            t->version = batch->items[i].version;
        if (expires_s > t->expires_s)
            t->expires_s = expires_s;
        /* Of a key that is gone only those need to know who have it. */
        if (!last || last->version <= t->version || (last->is_removed && t->version == 0)) {
            publication_unref(last);
            continue;
        }
        struct publication **item = arena_list_add(a, items, sizeof *item);
        if (!item) {
            publication_unref(last);
            return -ENOMEM;
        }
        *item = last;
        t->version = last->version;
    }
    return 0;
}

bool poll_sub_tracks(const struct poll_sub *sub, struct str key) {
    return find_track(sub, key) != NULL;
}

void poll_sub_untrack(struct poll_sub *sub, struct str key) {
    struct track *t = find_track(sub, key);
    if (t)
        untrack(t);
}

void poll_sub_ask(struct poll_sub *sub) {
    size_t n = 0, most = sub->n_new;
    struct str *keys = most ? calloc(most, sizeof *keys) : NULL;

    sub->n_new = 0;
    if (!keys)
        return;
    TABLE_FOREACH (&sub->tracks, e) {
        struct watch *w = track_of(e)->watch;
        if (!w->is_new || n == most)
            continue;
        w->is_new = false;
        keys[n++] = key_of(w);
    }
    if (n && poll_ask(sub->room->worker, sub->room->poll, keys, n) < 0)
        metrics_count(&sub->room->worker->metrics, COUNT_OUT_OF_MEMORY); /* the next round asks */
    free(keys);
}

/* ---- delivery ---- */

/* One framed push per wire format, made when the first wants it. */
struct frames {
    const struct publication *publication;
    struct wire *wire;
    struct batch *batches[WIRE_FORMATS];
};

static int frame(struct frames *f, enum wire_format format) {
    struct push push = { .kind = PUSH_PUBLICATION, .channel = f->publication->channel };
    struct batch *b = batch_new(NULL);

    if (!b)
        return -ENOMEM;
    f->batches[format] = b;
    int r = wire_publication_of(f->publication, wire_codec(format)->is_text, &push.publication);
    push.publication.version = f->publication->version;
    return r < 0 ? r : wire_append_push(f->wire, format, &push, &b->bytes);
}

static void send_to(struct frames *f, struct session *s, struct channel *c) {
    enum wire_format format = session_format(s);
    int r = f->batches[format] ? 0 : frame(f, format);

    if (r == 0 && f->batches[format]->bytes.len)
        outbox_append(session_outbox(s), f->batches[format], 0,
                      (uint32_t) f->batches[format]->bytes.len);
    else if (r == -EPROTOTYPE || r == 0)
        session_disconnect(s, DISCONNECT_INAPPROPRIATE_PROTOCOL);
    else
        session_lost(s, c); /* it comes again, with its versions */
}

static void lose_all(struct poll_room *r) {
    struct channel *c = r->channel;

    c->users++; /* the room may go with the last of them */
    while (c->room && !list_is_empty(&c->room->subs))
        session_lost(CONTAINER_OF(list_first(&c->room->subs), struct poll_sub, in_room)->session,
                     c);
    channel_release(c);
}

void poll_room_deliver(struct poll_room *r, struct publication *p) {
    struct frames f = { .publication = p, .wire = &r->worker->wire };
    int64_t now_s = loop_wall_ms() / 1000;
    struct channel *c = r->channel;

    if (p->key.len == 0) { /* the versions begin anew */
        lose_all(r);
        return;
    }
    struct table_entry *e = table_find(&r->watches, str_bytes(p->key));
    if (!e)
        return;

    struct watch *w = watch_of(e);
    c->users++; /* the last subscriber may be lost meanwhile */
    LIST_FOREACH_SAFE (&w->tracks, k, after) {
        struct track *t = CONTAINER_OF(k, struct track, in_watch);
        struct session *s = t->sub->session;
        bool is_over = now_s > t->expires_s + r->grace_s;
        if (p->version <= t->version && !is_over)
            continue;
        bool is_last = after == &w->tracks.head;
        t->version = p->version;
        if (is_over || p->is_removed)
            untrack(t);
        if (!is_over)
            send_to(&f, s, c);
        if (is_last)
            break; /* the watch may have gone with it */
    }
    for (int i = 0; i < WIRE_FORMATS; i++)
        batch_unref(f.batches[i]);
    channel_release(c);
}
