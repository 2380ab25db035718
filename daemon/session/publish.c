/* publish: started one after another without waiting, answered in order. */
#include <errno.h>
#include <stdlib.h>

#include "async/future.h"
#include "daemon/chat/session.h"
#include "daemon/keys/rate.h"
#include "daemon/map/publish.h"
#include "daemon/publish.h"
#include "daemon/session/impl.h"
#include "daemon/session/proxy.h"

/* What one connection may have under way; then it is read no further until replies go out. */
enum { PUBLISHES_MAX = 1024, PUBLISHES_MAX_BYTES = 1024 * 1024 };

struct publish_op {
    struct publish publish;
    struct worker *worker;
    struct session *session; /* NULL: it has gone, nobody is to be answered */
    struct link link;        /* publishes.ops */
    struct publish_op *next; /* in worker.publish_ops */
    uint32_t id;
    uint32_t bytes;
    bool is_done;
    struct refusal refusal; /* to answer; code 0: success */
    struct arena arena;     /* what a backend said of it */
};

/* Sanitizers see one touched after its end only if it was really freed. */
#ifdef PARLEY_SANITIZED
enum { OPS_KEPT = 0 };
#else
enum { OPS_KEPT = 128 };
#endif

/* A turn may start hundreds, more than the heap gives out and takes back cheaply. Cleared but for
 * what publish_start_on() fills in. */
static struct publish_op *publish_op_new(struct session *s, uint32_t id, size_t bytes) {
    struct worker *w = s->worker;
    struct publish_op *op = w->publish_ops;
    if (op) {
        w->publish_ops = op->next;
        w->n_publish_ops--;
    } else {
        op = malloc(sizeof *op);
        if (!op)
            return NULL;
    }
    op->worker = w;
    op->session = s;
    op->link = (struct link){ 0 };
    op->id = id;
    op->bytes = (uint32_t) bytes;
    op->is_done = false;
    op->refusal = (struct refusal){ 0 };
    op->arena = ARENA_INIT;
    return op;
}

static void publish_op_free(struct publish_op *op) {
    struct worker *w = op->worker;
    arena_finish(&op->arena);
    if (w->n_publish_ops == OPS_KEPT) {
        free(op);
        return;
    }
    op->next = w->publish_ops;
    w->publish_ops = op;
    w->n_publish_ops++;
}

void publish_ops_finish(struct worker *w) {
    while (w->publish_ops) {
        struct publish_op *op = w->publish_ops;
        w->publish_ops = op->next;
        free(op);
    }
    w->n_publish_ops = 0;
    free(w->spare_publishes);
    w->spare_publishes = NULL;
}

struct publishes {
    struct list ops; /* in the order of the commands */
    size_t n, bytes;
    struct future *room; /* of the connection's task, waiting for fewer */
};

/* One that is not in use is kept: most clients publish one at a time. NULL: no memory. */
static struct publishes *publishes_new(struct worker *w) {
    struct publishes *all = w->spare_publishes;
    if (!all)
        all = malloc(sizeof *all);
    w->spare_publishes = NULL;
    if (all)
        *all = (struct publishes){ 0 };
    return all;
}

static void publishes_free(struct session *s) {
    struct worker *w = s->worker;
    free(w->spare_publishes);
    w->spare_publishes = s->publishes;
    s->publishes = NULL;
}

static void answer(struct session *s, const struct publish_op *op) {
    struct reply published; /* has no more than this: the rest is not cleared */

    if (op->refusal.code) {
        session_refuse(s, op->id, op->refusal);
        return;
    }
    published.kind = REPLY_PUBLISH;
    published.id = op->id;
    session_reply(s, &published);
}

/* Answers those at the front that are done. */
static void complete(struct session *s) {
    struct publishes *all = s->publishes;
    struct link *k;

    while ((k = list_first(&all->ops))) {
        struct publish_op *op = CONTAINER_OF(k, struct publish_op, link);
        if (!op->is_done)
            break;
        list_remove(k);
        all->n--;
        all->bytes -= op->bytes;
        answer(s, op);
        publish_op_free(op);
    }
    if (all->room)
        future_resolve(all->room, 0);
    else if (all->n == 0)
        publishes_free(s);
}

static void published(struct publish *p) {
    struct publish_op *op = CONTAINER_OF(p, struct publish_op, publish);

    if (!op->session) {
        publish_op_free(op);
        return;
    }
    op->is_done = true;
    if (p->request.result == -EDQUOT)
        op->refusal = refusal_of(ERROR_LIMIT_EXCEEDED);
    else if (p->request.result < 0)
        op->refusal = refusal_of(ERROR_INTERNAL);
    complete(op->session);
}

/* Until at most n are under way. */
static int wait_for(struct session *s, size_t n, size_t bytes) {
    while (s->publishes && (s->publishes->n > n || s->publishes->bytes > bytes)) {
        struct future room;
        future_init(&room);
        s->publishes->room = &room;
        int r = future_wait(&room);
        s->publishes->room = NULL;
        if (s->publishes->n == 0)
            publishes_free(s);
        if (r < 0)
            return r;
    }
    return 0;
}

int publishes_wait(struct session *s) {
    return wait_for(s, 0, 0);
}

void publishes_forget(struct session *s) {
    struct publishes *all = s->publishes;
    struct link *k;
    if (!all)
        return;
    while ((k = list_pop(&all->ops))) {
        struct publish_op *op = CONTAINER_OF(k, struct publish_op, link);
        if (op->is_done)
            publish_op_free(op);
        else
            op->session = NULL;
    }
    publishes_free(s);
}

/* May it, as far as the rules say? Where the backend is asked they leave it to that. 0, or the
 * error. *ret: the channel's options. */
static int judge(struct session *s, const struct config *config, const struct command_publish *c,
                 const struct namespace **ret) {
    int error = permission_namespace(config, c->channel, ret);
    if (error)
        return error;
    if (c->type == SUBSCRIPTION_MAP && namespace_is_map(*ret)) {
        error = map_publish_judge(s, config, *ret, c);
        return error ? error : rate_allow(s, RATE_PUBLISH, *ret);
    }
    if (c->type != SUBSCRIPTION_STREAM || (*ret)->type != SUBSCRIPTION_STREAM)
        return ERROR_BAD_REQUEST;
    if (!(*ret)->publish_proxy &&
        !permission_has(config, &(*ret)->publish, session_asker(s, c->channel)))
        return ERROR_PERMISSION_DENIED;
    if (!publish_accepts(*ret, c->data))
        return ERROR_BAD_REQUEST;
    return rate_allow(s, RATE_PUBLISH, *ret);
}

/* What is said of the publisher: with the channel's part of it if subscribed by a token. */
static struct client_info publisher(struct session *s, struct str channel,
                                    struct client_text *text) {
    struct subscription *sub = subscription_find(s, channel);
    return sub ? subscription_client_info(s, sub, text) : session_info(s, text);
}

/* A publish command on its way to its place in the line. */
struct publishing {
    struct session *session;
    const struct command_publish *asked;
    struct publish_op *op;
    struct config *config; /* a reference, once something is waited for */
    const struct namespace *ns;
    struct publication_parts parts;
    struct publish_terms terms;
    struct client_text client;
};

static void publishing_finish(struct publishing *p) {
    if (p->op)
        publish_op_free(p->op);
    config_unref(p->config);
}

/* The backend is asked before anything else of this connection goes on, which keeps the order. */
static SUSPENDS int ask_backend(struct publishing *p) {
    struct refusal *why = &p->op->refusal;
    const struct config_proxy *backend = why->code ? NULL : p->ns->publish_proxy;

    if (p->terms.map.is_map && !why->code)
        backend = map_publish_backend(p->ns, p->asked);
    if (!backend)
        return 0;
    p->config = config_ref(p->session->worker->config); /* with what was found in it */
    int r = session_proxy_publish(p->session, backend, p->asked, &p->op->arena, &p->parts,
                                  &p->terms, why);
    if (r == 0 && !why->code && !p->parts.is_removed && !publish_accepts(p->ns, p->parts.data))
        *why = refusal_of(ERROR_BAD_REQUEST);
    return r;
}

/* Into the line: answered in its turn. */
static int line_up(struct publishing *p) {
    struct session *s = p->session;
    struct publish_op *op = p->op;

    if (!s->publishes) {
        s->publishes = publishes_new(s->worker);
        if (!s->publishes)
            return session_end(s, DISCONNECT_SERVER_ERROR);
    }
    list_append(&s->publishes->ops, &TAKE(p->op)->link);
    s->publishes->n++;
    s->publishes->bytes += op->bytes;

    if (!op->refusal.code) {
        struct client_info info = publisher(s, p->asked->channel, &p->client);
        p->parts.info = &info;
        op->publish.done = published;
        if (publish_start_on(&op->publish, s->worker, p->ns, &p->parts, &p->terms) == 0)
            return 0;
        op->refusal = refusal_of(ERROR_INTERNAL);
    }
    op->is_done = true;
    complete(s);
    return 0;
}

int session_publish(struct session *s, uint32_t id, const struct command_publish *c) {
    if (chat_is_room(s->worker, c->channel))
        return chat_session_publish(s, id, c->channel, c->data);
    int r = wait_for(s, PUBLISHES_MAX - 1, PUBLISHES_MAX_BYTES);
    if (r < 0)
        return r;

    CLEANUP(publishing_finish)
    struct publishing p = {
        .session = s,
        .asked = c,
        .op = publish_op_new(s, id, c->data.len),
        .parts = { .kind = PUBLICATION_DATA,
                   .channel = c->channel,
                   .data = c->data,
                   .is_json_line = wire_codec(session_format(s))->is_text },
    };
    if (!p.op)
        return session_end(s, DISCONNECT_SERVER_ERROR);
    int error = judge(s, s->worker->config, c, &p.ns);
    if (error)
        p.op->refusal = refusal_of((uint32_t) error);
    else if (namespace_is_map(p.ns))
        map_publish_fill(s, p.ns, c, &p.client, &p.parts, &p.terms);
    r = ask_backend(&p);
    if (r < 0)
        return r == -ENOMEM ? session_end(s, DISCONNECT_SERVER_ERROR) : r;
    if (p.op->refusal.is_disconnect)
        return session_refuse(s, id, p.op->refusal);
    return line_up(&p);
}
