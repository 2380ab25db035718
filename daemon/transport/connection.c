#include "daemon/transport/connection.h"

#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/session/control.h"
#include "daemon/session/impl.h"
#include "daemon/transport/connection_impl.h"
#include "daemon/worker.h"

enum { READS_PER_TURN = 4 }; /* then others have their turn */

static int connection_resume(void *arg);

static void connection_finish(struct connection *conn) {
    struct worker *w = conn->session.worker;

    frame_decoder_finish(&conn->decoder);
    conn->session.outbox.stream = stream_close(conn->session.outbox.stream);
    if (conn->session.has_begun)
        session_finish(&conn->session);
    worker_connection_ended(w);
}

/* ---- messages ---- */

static void answer_ping(struct connection *conn, struct bytes payload) {
    uint8_t header[FRAME_HEADER_MAX];
    struct frame pong = { .opcode = FRAME_PONG };
    size_t len = frame_header(&pong, payload.len, header);
    outbox_append_copy(&conn->session.outbox, bytes_of(header, len), payload);
}

/* A request to connect, without a command around it. */
static int connect_one_way(struct session *s, struct bytes request) {
    CLEANUP(command_reader_finish) struct command_reader reader;
    struct command_connect c;

    command_reader_init(&reader, wire_codec(session_format(s)), request);
    int r = command_decode_connect(&reader, &c);
    if (r < 0) {
        session_disconnect(s, r == -ENOMEM ? DISCONNECT_SERVER_ERROR : DISCONNECT_BAD_REQUEST);
        return -ECONNABORTED;
    }
    return session_handle_connect(s, &reader, &c);
}

/* Who only listens says but one thing; what else it says is not listened to. */
static int take_message(struct connection *conn, struct bytes message) {
    struct session *s = &conn->session;
    if (!wire_traits(session_format(s))->is_unidirectional)
        return session_handle(s, message);
    return s->state == SESSION_NEW ? connect_one_way(s, message) : 0;
}

static int handle(struct connection *conn, const struct frame_event *ev) {
    struct metrics *m = &conn->session.worker->metrics;

    switch (ev->opcode) {
    case FRAME_TEXT:
    case FRAME_BINARY:
        metrics_count(m, COUNT_MESSAGES_IN);
        metrics_add(m, COUNT_BYTES_IN, ev->payload.len);
        return take_message(conn, ev->payload);
    case FRAME_PING:
        answer_ping(conn, ev->payload);
        return 0;
    case FRAME_CLOSE:
        conn->session.has_heard_close = true;
        conn->session.heard_code = ev->close_code;
        return -ECONNRESET;
    case FRAME_PONG:
        session_heard_pong(&conn->session);
        return 0;
    case FRAME_CONTINUATION:
    default:
        return 0;
    }
}

int connection_next_frame(struct connection *conn, struct bytes *in, struct frame_event *ret) {
    const struct worker *w = conn->session.worker;
    bool is_one_way = wire_traits(session_format(&conn->session))->is_unidirectional;
    return frame_next(&conn->decoder, w->wire.frames,
                      is_one_way ? &w->uni_frame_limits : &w->frame_limits, in, ret);
}

static int feed(struct connection *conn, struct bytes in) {
    struct frame_event ev;
    int r;

    while ((r = connection_next_frame(conn, &in, &ev)) > 0) {
        r = handle(conn, &ev);
        if (r < 0) {
            if (!conn->session.has_heard_close)
                connection_skip(conn, in); /* the decoder must not lose its place */
            return r;
        }
    }
    return r;
}

/* All that has arrived. 0: there is no more for now. < 0: the end. */
static int read_and_handle(struct connection *conn) {
    struct worker *w = conn->session.worker;

    for (;;) {
        for (int i = 0; i < READS_PER_TURN; i++) {
            /* Lent, since handling a command may wait while other connections read. */
            struct input *input = worker_lend_input(w);
            if (!input)
                return -ENOMEM;
            ssize_t n =
                    stream_try_read(conn->session.outbox.stream, input->bytes, sizeof input->bytes);
            /* While an answer is streamed there is nothing to say; the peer's end is waited for. */
            int r = n > 0 && conn->session.is_websocket
                            ? feed(conn, bytes_of(input->bytes, (size_t) n))
                            : 0;
            bool is_all = n < (ssize_t) sizeof input->bytes && !conn->session.is_tls;
            worker_return_input(w, input);

            if (n == -EAGAIN)
                return 0;
            if (n <= 0)
                return -EPIPE;
            if (r < 0)
                return r;
            if (is_all) /* the kernel had no more */
                return 0;
        }
        int r = task_yield();
        if (r < 0)
            return r;
    }
}

static int connection_part(void *arg);

/* Without memory for waiting the peer is not waited for. */
static int part_or_finish(struct connection *conn, bool is_awaited) {
    if (is_awaited &&
        task_linger(conn->session.outbox.stream, loop_now() + connection_time_left_ms(conn),
                    connection_part, conn) == 0)
        return 0;
    connection_finish(conn);
    return 0;
}

static int connection_part(void *arg) {
    struct connection *conn = arg;
    return part_or_finish(conn, connection_hear_goodbye(conn));
}

/* opening: the terms, if the connect request has not been handled. */
static int connection_end(struct connection *conn, const struct connection_terms *opening,
                          int why) {
    bool is_awaited = conn->session.has_begun && connection_say_goodbye(conn, opening, why);
    return part_or_finish(conn, is_awaited);
}

/* ---- life ---- */

static int rest_or_end(struct connection *conn, int r) {
    if (r < 0 || task_cancelled())
        return connection_end(conn, NULL, r < 0 ? r : -ECANCELED);
    return task_dormant(conn->session.outbox.stream, INT64_MAX, connection_resume, conn);
}

static int connection_resume(void *arg) {
    struct connection *conn = arg;
    session_run_errands(&conn->session);
    return rest_or_end(conn, task_cancelled() ? -ECANCELED : read_and_handle(conn));
}

/* ---- from request to session ---- */

/* The first that the peer hears. Without memory for it that is nothing, not a goodbye in the
 * protocol that it announces: as if the peer had gone. */
static int send_head(struct connection *conn, const struct connection_terms *terms) {
    struct outbox *o = &conn->session.outbox;
    outbox_append_copy(o, buffer_bytes(&terms->head), bytes_of(NULL, 0));
    return o->is_broken ? -EPIPE : 0;
}

static int begin_websocket(struct connection *conn, struct connection_terms *terms) {
    struct worker *w = conn->session.worker;

    frame_decoder_init(&conn->decoder, FRAME_SERVER, terms->is_deflated);
    metrics_count(&w->metrics, COUNT_UPGRADES);
    int r = send_head(conn, terms);
    if (r < 0)
        return r;
    r = terms->has_first ? connect_one_way(&conn->session, buffer_bytes(&terms->first)) : 0;
    return r == 0 && terms->rest.len ? feed(conn, buffer_bytes(&terms->rest)) : r;
}

/* The request had all the client can say on this connection. */
static int begin_stream(struct connection *conn, struct connection_terms *terms) {
    struct session *s = &conn->session;
    struct worker *w = s->worker;
    int r;

    metrics_count(&w->metrics, COUNT_STREAMS);
    metrics_count(&w->metrics, COUNT_MESSAGES_IN);
    metrics_add(&w->metrics, COUNT_BYTES_IN, terms->first.len);
    if (!wire_traits(terms->format)->is_unidirectional) {
        r = send_head(conn, terms);
        return r < 0 ? r : session_handle(s, buffer_bytes(&terms->first));
    }
    /* A connect that fails may get an HTTP status of its own: nothing is sent before. */
    outbox_hold(&s->outbox);
    outbox_append_copy(&s->outbox, buffer_bytes(&terms->head), bytes_of(NULL, 0));
    r = connect_one_way(s, buffer_bytes(&terms->first));
    if (r == 0 && s->state != SESSION_CLOSING)
        outbox_release(&s->outbox);
    return r;
}

static int begin_session(struct connection *conn, struct connection_terms *terms) {
    struct session *s = &conn->session;
    const struct wire_traits *t = wire_traits(terms->format);

    int r = session_init(s, s->worker, s->outbox.stream, terms->format);
    if (r == 0 && (terms->headers || terms->login_cookie) && !session_more(s)) {
        session_finish(s);
        r = -ENOMEM;
    }
    if (r < 0) { /* nobody has been told anything that would call for a goodbye */
        metrics_count(&s->worker->metrics, COUNT_OUT_OF_MEMORY);
        return r;
    }
    s->has_begun = true;
    conn->session.is_websocket = t->is_websocket;
    s->pings = terms->pings & 3u;
    if (terms->headers)
        s->more->headers = TAKE(terms->headers);
    if (terms->login_cookie)
        s->more->login_cookie = TAKE(terms->login_cookie);
    task_rename(t->is_websocket ? "client" : "listener");
    return t->is_websocket ? begin_websocket(conn, terms) : begin_stream(conn, terms);
}

static int begin_or_end(struct connection *conn, struct connection_terms *terms, int r) {
    if (r <= 0)
        return connection_end(conn, NULL, r);
    r = begin_session(conn, terms);
    if (r < 0 || task_cancelled())
        return connection_end(conn, terms, r < 0 ? r : -ECANCELED);
    return rest_or_end(conn, 0);
}

/* It has said something, gone away, or run out of time. */
static int connection_listen(void *arg) {
    struct connection *conn = arg;
    CLEANUP(connection_terms_finish) struct connection_terms terms = { 0 };
    return begin_or_end(conn, &terms, connection_serve_http(conn, &terms));
}

/* One connection, from accept to goodbye. Owns conn. Ends when the peer leaves, breaks the rules,
 * falls silent, or we are told to stop. */
int connection_serve(void *arg) {
    struct connection *conn = arg;
    struct session *s = &conn->session;
    int64_t patience_ms = s->worker->config->http.handshake_timeout_ms;
    CLEANUP(connection_terms_finish) struct connection_terms terms = { 0 };
    bool is_silent = false;

    s->deadline = wheel_tick_in(&s->worker->wheel, patience_ms);
    int r = connection_greet(conn, &terms, &is_silent);
    if (!is_silent)
        return begin_or_end(conn, &terms, r);
    r = task_dormant(s->outbox.stream, loop_now() + patience_ms, connection_listen, conn);
    return r < 0 ? connection_end(conn, NULL, r) : r;
}
