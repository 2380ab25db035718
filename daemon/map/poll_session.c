#include "daemon/map/poll_session.h"

#include <errno.h>

#include "daemon/map/poll_room.h"
#include "daemon/session/impl.h"
#include "daemon/wire_page.h"
#include "protocol/poll_signature.h"

/* A track command on its way. */
struct tracking {
    struct session *session;
    const struct command_sub_refresh *asked;
    const struct config *config;
    const struct namespace *ns;
    struct poll_sub *sub;
    struct arena arena;
    struct arena_list items; /* struct publication *: references */
    int64_t *expires_s;      /* of each batch */
};

static void tracking_finish(struct tracking *t) {
    struct publication **items = t->items.items;

    for (size_t i = 0; i < t->items.n; i++)
        publication_unref(items[i]);
    arena_finish(&t->arena);
}

static struct poll_secret secret_of(const struct config *c, int64_t now_s) {
    struct poll_secret s = { .current = c->poll.hmac_secret_key };
    uint64_t until_s = c->poll.hmac_previous_until_s;

    if (until_s == 0 || (uint64_t) now_s < until_s)
        s.previous = c->poll.hmac_previous_secret_key;
    return s;
}

static bool are_keys(const struct command_track *batch, size_t max) {
    for (size_t i = 0; i < batch->n_items; i++)
        if (batch->items[i].key.len == 0 || batch->items[i].key.len > max)
            return false;
    return true;
}

/* Whether the application lets this user track these keys, and until when. 0, or the error. */
static int judge_batch(const struct tracking *t, const struct command_track *batch,
                       int64_t *ret_expires_s) {
    int64_t now_s = loop_wall_ms() / 1000;
    struct poll_secret secret = secret_of(t->config, now_s);
    struct poll_grant grant = { .user = session_user(t->session),
                                .channel = t->asked->channel,
                                .keys = batch->items,
                                .n_keys = batch->n_items };

    if (batch->n_items == 0 || !are_keys(batch, t->config->channel_max_length))
        return ERROR_BAD_REQUEST;
    int r = poll_signature_check(batch->signature, &secret, &grant, ret_expires_s);
    if (r < 0)
        return r == -ENOMEM ? ERROR_INTERNAL : ERROR_PERMISSION_DENIED;
    return now_s > *ret_expires_s + t->ns->poll.track_grace_ms / 1000 ? ERROR_TOKEN_EXPIRED : 0;
}

/* All of the batches, or none. */
static int judge(struct tracking *t) {
    const struct command_sub_refresh *c = t->asked;

    if (c->n_track == 0)
        return ERROR_BAD_REQUEST;
    t->expires_s = arena_alloc(&t->arena, c->n_track * sizeof *t->expires_s);
    if (!t->expires_s)
        return ERROR_INTERNAL;
    for (size_t i = 0; i < c->n_track; i++) {
        int code = judge_batch(t, &c->track[i], &t->expires_s[i]);
        if (code)
            return code;
    }
    return poll_sub_size_with(t->sub, c->track, c->n_track) > t->ns->poll.keys_max_per_connection
                   ? ERROR_LIMIT_EXCEEDED
                   : 0;
}

/* ret_expires_s: the earliest. */
static int track_all(struct tracking *t, int64_t *ret_expires_s) {
    const struct command_sub_refresh *c = t->asked;

    *ret_expires_s = INT64_MAX;
    for (size_t i = 0; i < c->n_track; i++) {
        int r = poll_sub_track(t->sub, &c->track[i], t->expires_s[i], &t->arena, &t->items);
        if (r < 0)
            return r;
        if (t->expires_s[i] < *ret_expires_s)
            *ret_expires_s = t->expires_s[i];
    }
    return 0;
}

static void untrack_all(const struct tracking *t) {
    for (size_t i = 0; i < t->asked->n_untrack; i++)
        poll_sub_untrack(t->sub, t->asked->untrack[i]);
}

/* What is known already, but of what it lets go in the same breath. 0; -EPROTOTYPE; -ENOMEM. */
static int list_items(struct tracking *t, struct wire_publications *ret) {
    struct publication **items = t->items.items;
    bool is_text = wire_codec(session_format(t->session))->is_text;
    struct arena_list list = { 0 };

    for (size_t i = 0; i < t->items.n; i++) {
        if (!poll_sub_tracks(t->sub, items[i]->key))
            continue;
        struct wire_publication *w = arena_list_add(&t->arena, &list, sizeof *w);
        if (!w)
            return -ENOMEM;
        int r = wire_publication_of(items[i], is_text, w);
        if (r < 0)
            return r;
        w->version = items[i]->version;
    }
    *ret = wire_publications_of(list.items, list.n);
    return 0;
}

/* 1: done; 0: refused; < 0: the session ends. */
static int on_track(struct tracking *t, uint32_t id) {
    struct session *s = t->session;
    int64_t expires_s;
    struct reply reply = { .kind = REPLY_SUB_REFRESH, .id = id };

    int code = judge(t);
    if (code)
        return session_error(s, id, (uint32_t) code);
    int r = track_all(t, &expires_s);
    untrack_all(t);
    if (r == 0)
        r = list_items(t, &reply.sub_refresh.items);
    if (r < 0)
        return session_end(s, r == -EPROTOTYPE ? DISCONNECT_INAPPROPRIATE_PROTOCOL
                                               : DISCONNECT_SERVER_ERROR);
    reply.sub_refresh.expires = true;
    reply.sub_refresh.ttl_s = session_ttl_s(expires_s, loop_wall_ms() / 1000);
    session_reply(s, &reply);
    return 1;
}

int poll_refresh(struct session *s, uint32_t id, const struct command_sub_refresh *c) {
    CLEANUP(tracking_finish)
    struct tracking t = { .session = s,
                          .asked = c,
                          .config = s->worker->config,
                          .ns = config_namespace_of(s->worker->config, c->channel),
                          .sub = poll_sub_find(s, c->channel) };

    if (!t.sub || !t.ns || t.ns->type != SUBSCRIPTION_POLL || c->type > SUB_REFRESH_UNTRACK)
        return session_error(s, id, ERROR_BAD_REQUEST);
    if (c->type == SUB_REFRESH_TRACK) {
        int r = on_track(&t, id);
        if (r <= 0)
            return r;
    } else {
        session_reply(s, &(struct reply){ .kind = REPLY_SUB_REFRESH, .id = id });
        untrack_all(&t);
    }
    poll_sub_ask(t.sub);
    return 0;
}
