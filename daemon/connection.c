#include "daemon/connection.h"

#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/session_control.h"
#include "daemon/worker.h"

enum {
    READS_PER_TURN = 4, /* then others have their turn */
    CLOSE_HANDSHAKE_MS = 5000,
};

static int connection_resume(void *arg);

static void connection_free(struct connection *conn) {
    struct worker *w = conn->session.worker;

    frame_decoder_finish(&conn->decoder);
    conn->session.outbox.stream = stream_close(conn->session.outbox.stream);
    if (conn->has_session)
        session_finish(&conn->session);
    worker_connection_ended(w);
    free(conn);
}

/* ---- messages ---- */

static void answer_ping(struct connection *conn, struct bytes payload) {
    uint8_t header[FRAME_HEADER_MAX];
    struct frame pong = { .opcode = FRAME_PONG };
    size_t len = frame_header(conn->session.worker->wire.frames, &pong, payload.len, header);
    outbox_append_copy(&conn->session.outbox, bytes_of(header, len), payload);
}

static int handle(struct connection *conn, const struct frame_event *ev) {
    struct metrics *m = &conn->session.worker->metrics;

    switch (ev->opcode) {
    case FRAME_TEXT:
    case FRAME_BINARY:
        metrics_count(m, COUNT_MESSAGES_IN);
        metrics_add(m, COUNT_BYTES_IN, ev->payload.len);
        return session_handle(&conn->session, ev->payload);
    case FRAME_PING:
        answer_ping(conn, ev->payload);
        return 0;
    case FRAME_CLOSE:
        conn->has_heard_close = true;
        conn->heard_code = ev->close_code;
        return -ECONNRESET;
    case FRAME_PONG:
    case FRAME_CONTINUATION:
    default:
        return 0;
    }
}

/* What comes after the end is decoded for the peer's close frame alone. */
static void skip(struct connection *conn, struct bytes in) {
    struct frame_event ev;
    while (!conn->has_closed_too && frame_next(&conn->decoder, &in, &ev) > 0)
        conn->has_closed_too = ev.opcode == FRAME_CLOSE;
}

static int feed(struct connection *conn, struct bytes in) {
    struct frame_event ev;
    int r;

    while ((r = frame_next(&conn->decoder, &in, &ev)) > 0) {
        r = handle(conn, &ev);
        if (r < 0) {
            if (!conn->has_heard_close)
                skip(conn, in); /* the decoder must not lose its place */
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
            int r = n > 0 ? feed(conn, bytes_of(input->bytes, (size_t) n)) : 0;
            bool is_all = n < (ssize_t) sizeof input->bytes && !conn->is_tls;
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

/* ---- goodbye ---- */

/* Has the peer broken the rules of WebSocket, so that what it says means nothing any more? */
static bool is_garbled(int why) {
    return why == -EPROTO || why == -EILSEQ || why == -EBADMSG || why == -EMSGSIZE;
}

/* Appends the close frame that this end calls for, if the peer is there to read it. */
static void close_frame(struct connection *conn, int why, struct buffer *out) {
    struct worker *w = conn->session.worker;
    struct session *s = &conn->session;
    uint16_t code;
    struct str reason = { 0 };

    if (why == -EPIPE)
        return;
    if (conn->has_heard_close) {
        code = conn->heard_code;
    } else if (is_garbled(why)) {
        code = (uint16_t) frame_close_code_of(why);
        metrics_count(&w->metrics, why == -EMSGSIZE ? COUNT_MESSAGE_LIMIT : COUNT_PROTOCOL_ERRORS);
        metrics_count_disconnect(&w->metrics, code);
    } else {
        if (s->state != SESSION_CLOSING)
            session_disconnect(s, why == -ENOMEM           ? DISCONNECT_SERVER_ERROR
                                  : w->daemon->is_stopping ? DISCONNECT_SHUTDOWN
                                                           : DISCONNECT_CONNECTION_CLOSED);
        code = s->close_code;
        reason = session_close_reason(s);
    }
    frame_encode_close(w->wire.frames, code, reason, NULL, out);
}

/* Waits for the peer's half of the close handshake; what else it sends is dropped. A socket that is
 * closed with unread bytes in it is reset, and the peer might never read our close frame. */
static void await_close(struct connection *conn, bool is_readable) {
    struct worker *w = conn->session.worker;
    struct stream *stream = conn->session.outbox.stream;
    ssize_t n = -EAGAIN;

    /* Many may say goodbye at a time: none holds memory for input while it waits. */
    while ((n > 0 || n == -EAGAIN) && !conn->has_heard_close && !conn->has_closed_too &&
           stream_wait_readable(stream) == 0) {
        struct input *input = worker_lend_input(w);
        n = input ? stream_try_read(stream, input->bytes, sizeof input->bytes) : -ENOMEM;
        if (n > 0 && is_readable)
            skip(conn, bytes_of(input->bytes, (size_t) n));
        worker_return_input(w, input);
        if (task_yield() < 0) /* however fast the peer is */
            break;
    }
}

/* Cancelled or not, the peer hears why, and others hear that it has gone. */
static void say_goodbye(struct connection *conn, int why) {
    CLEANUP(buffer_finish) struct buffer last = BUFFER_INIT;
    struct outbox *o = &conn->session.outbox;

    SHIELD(CLOSE_HANDSHAKE_MS);
    close_frame(conn, why, &last);
    conn->session.state = SESSION_CLOSING;
    outbox_flush(o);
    outbox_end(o, buffer_error(&last) == 0 ? buffer_bytes(&last) : bytes_of(NULL, 0));
    session_leave(&conn->session);
    if (outbox_drain(o) < 0 || last.len == 0 || o->is_dead)
        return;

    bool is_readable = !is_garbled(why);
    if (is_readable)
        await_close(conn, true);
    if (stream_shutdown(conn->session.outbox.stream) == 0 && !is_readable)
        await_close(conn, false);
}

static int connection_end(struct connection *conn, int why) {
    if (conn->has_session)
        say_goodbye(conn, why);
    connection_free(conn);
    return 0;
}

/* ---- life ---- */

static int rest_or_end(struct connection *conn, int r) {
    if (r < 0 || task_cancelled())
        return connection_end(conn, r < 0 ? r : -ECANCELED);
    return task_dormant(conn->session.outbox.stream, INT64_MAX, connection_resume, conn);
}

static int connection_resume(void *arg) {
    struct connection *conn = arg;
    session_run_errands(&conn->session);
    return rest_or_end(conn, task_cancelled() ? -ECANCELED : read_and_handle(conn));
}

static int begin_session(struct connection *conn, struct connection_terms *terms) {
    struct worker *w = conn->session.worker;

    frame_decoder_init(&conn->decoder, FRAME_SERVER, w->wire.frames, &w->frame_limits,
                       terms->is_deflated);
    session_init(&conn->session, w, conn->session.outbox.stream, terms->format, task_current());
    conn->session.pings = (uint8_t) terms->pings;
    conn->has_session = true;
    metrics_count(&w->metrics, COUNT_UPGRADES);
    task_rename("client");

    outbox_append_copy(&conn->session.outbox, buffer_bytes(&terms->head), bytes_of(NULL, 0));
    return terms->rest.len ? feed(conn, buffer_bytes(&terms->rest)) : 0;
}

/* One connection, from accept to goodbye. Owns conn. Ends when the peer leaves, breaks the rules,
 * falls silent, or we are told to stop. */
int connection_serve(void *arg) {
    struct connection *conn = arg;
    CLEANUP(connection_terms_finish) struct connection_terms terms = { 0 };

    int r = connection_serve_http(conn, &terms);
    if (r <= 0)
        return connection_end(conn, r);
    return rest_or_end(conn, begin_session(conn, &terms));
}
