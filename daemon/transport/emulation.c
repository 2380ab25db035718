#include "daemon/transport/emulation.h"

#include <assert.h>
#include <errno.h>

#include "async/deadline.h"
#include "async/future.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/node/desk.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/survey.h"
#include "daemon/transport/connection.h"
#include "daemon/transport/transport.h"
#include "daemon/worker_thread.h"
#include "protocol/codec.h"
#include "protocol/emulation.h"

bool emulation_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && (c->http_stream.enabled || c->sse.enabled);
}

/* Commands on their way to a session and back. The request's; its task waits, shielded. */
struct parcel {
    struct worker *from, *to;
    const struct emulation_request *request;
    struct session_errand errand;
    struct post there, back;
    struct future done; /* on from's loop */
};

static void on_back(struct post *p) {
    future_resolve(&CONTAINER_OF(p, struct parcel, back)->done, 0);
}

/* The worker that waits cannot end before. */
static void send_back(struct parcel *p) {
    inbox_post(p->from->inbox, &p->back);
}

static void on_errand(struct session *s, struct session_errand *e) {
    struct parcel *p = CONTAINER_OF(e, struct parcel, errand);
    struct metrics *m = &s->worker->metrics;

    metrics_count(m, COUNT_MESSAGES_IN);
    metrics_add(m, COUNT_BYTES_IN, p->request->data.len);
    int r = session_handle(s, p->request->data);
    if (r < 0)
        session_disconnect(s, DISCONNECT_SERVER_ERROR); /* unless it was ended already */
    send_back(p);
}

static void on_dropped(struct session_errand *e) {
    send_back(CONTAINER_OF(e, struct parcel, errand));
}

static void on_there(struct post *post) {
    struct parcel *p = CONTAINER_OF(post, struct parcel, there);
    struct session *s = hub_find_session(p->to, p->request->session);

    if (!s || !wire_is_emulated(session_format(s))) {
        send_back(p);
        return;
    }
    p->errand = (struct session_errand){ .run = on_errand, .drop = on_dropped };
    int r = session_post(s, &p->errand);
    (void) r; /* it is dropped then, and sent back */
}

static void deliver(struct worker *from, const struct emulation_request *request) {
    struct daemon *d = from->daemon;
    int index = hub_worker_of_session(d, request->session);
    if (index < 0)
        return;

    struct parcel p = { .from = from,
                        .to = &d->threads[index].worker,
                        .request = request,
                        .there.run = on_there,
                        .back.run = on_back };
    future_init(&p.done);
    if (!survey_post(d, (unsigned) index, &p.there))
        return; /* that worker is ending, and its sessions with it */
    SHIELD(INT64_MAX / 2);
    int r = future_wait(&p.done);
    assert(r == 0);
    (void) r;
}

/* The session is another node's: it takes them as if they had come there. */
static int hand_over(struct http_exchange *x, const struct emulation_request *request) {
    CLEANUP(node_answers_finish) struct node_answers answers = { 0 };
    int r = node_ask(x->worker, request->node,
                     &(struct node_question){ .kind = NODE_ASK_EMULATION,
                                              .name = request->session,
                                              .body = request->data },
                     &answers);
    if (r == -ENOENT || (r == 0 && answers.items[0].result == NODE_GONE))
        return http_exchange_status(x, 404);
    if (r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM)
        return r;
    if (r < 0 || answers.items[0].result != NODE_DONE)
        return http_exchange_status(x, 503);
    x->status = 204;
    return 0;
}

int emulation_serve_node(struct worker *w, const struct node_message *m, struct buffer *out) {
    struct emulation_request request = { .node = str_of(w->daemon->node_id),
                                         .session = m->name,
                                         .data = m->body };
    deliver(w, &request);
    return 0;
}

int emulation_serve(struct http_exchange *x) {
    const struct codec *codec =
            transport_has_binary_body(x->request) ? &codec_protobuf : &codec_json;
    struct emulation_request request;
    const char *why;

    int r = emulation_request_decode(codec, x->body, &x->arena, &request, &why);
    if (r == -EBADMSG)
        return http_exchange_status(x, 400);
    if (r < 0)
        return r;
    if (!str_equal(request.node, str_of(x->worker->daemon->node_id)))
        return hand_over(x, &request);
    deliver(x->worker, &request);
    x->status = 204;
    return 0;
}
