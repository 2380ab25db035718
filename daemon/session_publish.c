/* publish: started one after another without waiting, answered in order. */
#include <errno.h>
#include <stdlib.h>

#include "async/future.h"
#include "daemon/publish.h"
#include "daemon/rate.h"
#include "daemon/session_impl.h"

/* What one connection may have under way; then it is read no further until replies go out. */
enum { PUBLISHES_MAX = 1024, PUBLISHES_MAX_BYTES = 1024 * 1024 };

struct publish_op {
    struct publish publish;
    struct session *session; /* NULL: it has gone, nobody is to be answered */
    struct link link;        /* publishes.ops */
    uint32_t id;
    uint32_t bytes;
    int error; /* to answer; 0: success */
    bool is_done;
};

struct publishes {
    struct list ops; /* in the order of the commands */
    size_t n, bytes;
    struct future *room; /* of the connection's task, waiting for fewer */
};

static void answer(struct session *s, const struct publish_op *op) {
    if (op->error)
        session_error(s, op->id, (uint32_t) op->error);
    else
        session_reply(s, &(struct reply){ .kind = REPLY_PUBLISH, .id = op->id });
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
        free(op);
    }
    if (all->room)
        future_resolve(all->room, 0);
    else if (all->n == 0) {
        free(all);
        s->publishes = NULL;
    }
}

static void published(struct publish *p) {
    struct publish_op *op = CONTAINER_OF(p, struct publish_op, publish);

    if (!op->session) {
        free(op);
        return;
    }
    op->is_done = true;
    op->error = p->request.result < 0 ? ERROR_INTERNAL : 0;
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
        if (s->publishes->n == 0) {
            free(s->publishes);
            s->publishes = NULL;
        }
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
            free(op);
        else
            op->session = NULL;
    }
    free(all);
    s->publishes = NULL;
}

/* 0: it may; else the error. *ret: the channel's options. */
static int judge(struct session *s, const struct command_publish *c, const struct namespace **ret) {
    const struct config *config = s->worker->config;

    int error = permission_namespace(config, c->channel, ret);
    if (error)
        return error;
    if (c->type != 0)
        return ERROR_BAD_REQUEST;
    if (!permission_has(config, &(*ret)->publish, session_asker(s, c->channel)))
        return ERROR_PERMISSION_DENIED;
    if (!publish_accepts(*ret, c->data))
        return ERROR_BAD_REQUEST;
    return rate_allow(s, RATE_PUBLISH, *ret);
}

/* What is said of the publisher: with the channel's part of it if subscribed by a token. */
static struct client_info publisher(struct session *s, struct str channel) {
    struct subscription *sub = subscription_find(s, channel);
    return sub ? subscription_client_info(s, sub) : session_info(s);
}

int session_publish(struct session *s, uint32_t id, const struct command_publish *c) {
    int r = wait_for(s, PUBLISHES_MAX - 1, PUBLISHES_MAX_BYTES);
    if (r < 0)
        return r;

    const struct namespace *ns = NULL;
    int error = judge(s, c, &ns);
    if (error && !s->publishes)
        return session_error(s, id, (uint32_t) error);

    struct publish_op *op = calloc(1, sizeof *op);
    if (op && !s->publishes)
        s->publishes = calloc(1, sizeof *s->publishes);
    if (!op || !s->publishes) {
        free(op);
        return session_end(s, DISCONNECT_SERVER_ERROR);
    }
    *op = (struct publish_op){
        .session = s, .id = id, .bytes = (uint32_t) c->data.len, .error = error
    };
    list_append(&s->publishes->ops, &op->link);
    s->publishes->n++;
    s->publishes->bytes += op->bytes;

    if (!error) {
        struct client_info info = publisher(s, c->channel);
        op->publish.done = published;
        r = publish_start(&op->publish, s->worker, ns,
                          &(struct publication_parts){
                                  .kind = PUBLICATION_DATA,
                                  .channel = c->channel,
                                  .data = c->data,
                                  .info = &info,
                                  .is_json_line = wire_codec(session_format(s))->is_text });
        if (r == 0)
            return 0;
        op->error = ERROR_INTERNAL;
    }
    op->is_done = true; /* answered in its turn */
    complete(s);
    return 0;
}
