/* How connections end: the peer is told why, and given the time to read it. */
#include <errno.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/session/control.h"
#include "daemon/transport/connection_impl.h"
#include "daemon/worker.h"
#include "protocol/http.h"

enum { CLOSE_HANDSHAKE_MS = 5000 };

/* What comes after the end is decoded for the peer's close frame alone. */
void connection_skip(struct connection *conn, struct bytes in) {
    struct frame_event ev;
    while (!conn->session.has_closed_too && connection_next_frame(conn, &in, &ev) > 0)
        conn->session.has_closed_too = ev.opcode == FRAME_CLOSE;
}

/* ---- goodbye ---- */

/* Has the peer broken the rules of WebSocket, so that what it says means nothing any more? */
static bool is_garbled(int why) {
    return why == -EPROTO || why == -EILSEQ || why == -EBADMSG || why == -EMSGSIZE;
}

/* One look at whether the peer has said its half of the close handshake, or has gone; what else it
 * sends is dropped. A socket that is closed with unread bytes in it is reset, and the peer might
 * never read our close frame. Many may say goodbye at a time: none holds memory while it waits. */
static bool has_gone_too(struct connection *conn) {
    struct session *s = &conn->session;
    struct input *input = worker_lend_input(s->worker);
    ssize_t n =
            input ? stream_try_read(s->outbox.stream, input->bytes, sizeof input->bytes) : -ENOMEM;
    if (n > 0 && s->awaits_close)
        connection_skip(conn, bytes_of(input->bytes, (size_t) n));
    worker_return_input(s->worker, input);
    return (n <= 0 && n != -EAGAIN) || s->has_closed_too;
}

/* ---- streams ---- */

static const struct config_transform *transform_of(const struct config_transforms *all,
                                                   uint32_t code) {
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].from == code)
            return &all->items[i];
    return NULL;
}

/* An error of connect, which a client that only listens cannot be answered. */
static uint32_t disconnect_for_error(uint32_t code) {
    switch (code) {
    case ERROR_TOKEN_EXPIRED:
    case ERROR_EXPIRED:
        return DISCONNECT_EXPIRED;
    case ERROR_TOO_MANY_REQUESTS:
        return DISCONNECT_TOO_MANY_REQUESTS;
    case ERROR_PERMISSION_DENIED:
        return DISCONNECT_PERMISSION_DENIED;
    default:
        return DISCONNECT_SERVER_ERROR;
    }
}

static struct push_disconnect farewell_of(const struct connection *conn, bool is_opening) {
    const struct session *s = &conn->session;
    const struct config_client *c = &s->worker->config->client;
    struct push_disconnect f = { s->close_code, session_close_reason(s) };

    if (!wire_traits(session_format(s))->is_unidirectional)
        return f;
    const struct config_transform *t = (is_opening || f.code < 3000) && c->connect_codes_enabled
                                               ? transform_of(&c->connect_codes, f.code)
                                               : NULL;
    if (t) {
        f = (struct push_disconnect){ t->code, t->text };
    } else if (f.code < 3000) {
        f.code = disconnect_for_error(f.code);
        f.reason = disconnect_reason(f.code);
    }
    return f;
}

/* Before anything was sent the answer may still be another: true. */
static bool answer_otherwise(struct connection *conn, const struct connection_terms *opening,
                             struct buffer *out) {
    const struct session *s = &conn->session;
    const struct config *c = s->worker->config;
    const struct config_stream *stream =
            session_format(s) == WIRE_UNI_SSE_JSON ? &c->uni_sse : &c->uni_http_stream;

    if (!s->outbox.is_held || !stream->connect_codes_enabled)
        return false;
    const struct config_transform *t = transform_of(&stream->connect_codes, s->close_code);
    if (!t)
        return false;
    struct str reason = http_reason_of((int) t->code);
    buffer_printf(out, "HTTP/1.1 %u %.*s\r\nContent-Length: %zu\r\nConnection: close\r\n", t->code,
                  (int) reason.len, reason.data, t->text.len);
    buffer_append_str(out, STR("Content-Type: text/plain; charset=utf-8\r\n"));
    buffer_append_bytes(out, buffer_bytes(&opening->headers_text));
    buffer_append_str(out, STR("\r\n"));
    buffer_append_str(out, t->text);
    return true;
}

/* The last message says why, and then the answer's body is over. */
static void last_chunks(struct connection *conn, const struct connection_terms *opening,
                        struct buffer *out) {
    struct session *s = &conn->session;
    struct push bye = { .kind = PUSH_DISCONNECT, .disconnect = farewell_of(conn, opening) };

    if (opening && answer_otherwise(conn, opening, out))
        return;
    if (opening && s->outbox.is_held)
        buffer_append_bytes(out, buffer_bytes(&opening->head));
    (void) wire_append_push(&s->worker->wire, session_format(s), &bye, out);
    wire_append_end(session_format(s), out);
}

/* ---- all ---- */

/* What this end calls for, if the peer is there to read it. */
static void last_words(struct connection *conn, const struct connection_terms *opening, int why,
                       struct buffer *out) {
    struct worker *w = conn->session.worker;
    struct session *s = &conn->session;

    if (why == -EPIPE)
        return;
    if (conn->session.has_heard_close) {
        frame_encode_close(conn->session.heard_code, STR(""), NULL, out);
        return;
    }
    if (conn->session.is_websocket && is_garbled(why)) {
        uint16_t code = (uint16_t) frame_close_code_of(why);
        metrics_count(&w->metrics, why == -EMSGSIZE ? COUNT_MESSAGE_LIMIT : COUNT_PROTOCOL_ERRORS);
        metrics_count_disconnect(&w->metrics, code);
        frame_encode_close(code, STR(""), NULL, out);
        return;
    }

    if (s->state != SESSION_CLOSING)
        session_disconnect(s, why == -ENOMEM           ? DISCONNECT_SERVER_ERROR
                              : w->daemon->is_stopping ? DISCONNECT_SHUTDOWN
                                                       : DISCONNECT_CONNECTION_CLOSED);
    if (!conn->session.is_websocket) {
        last_chunks(conn, opening, out);
        return;
    }
    struct push bye = { .kind = PUSH_DISCONNECT, .disconnect = farewell_of(conn, opening) };
    if (wire_traits(session_format(s))->is_unidirectional)
        (void) wire_append_push(&w->wire, session_format(s), &bye, out);
    frame_encode_close((uint16_t) bye.disconnect.code, bye.disconnect.reason, NULL, out);
}

/* Without TLS, closing the socket, which comes next, says all that shutting it down would. */
static void end_stream(struct session *s) {
    if (s->awaits_close && s->is_tls && stream_shutdown(s->outbox.stream) < 0)
        s->outbox.is_dead = true;
}

bool connection_say_goodbye(struct connection *conn, const struct connection_terms *opening,
                            int why) {
    CLEANUP(buffer_finish) struct buffer last = BUFFER_INIT;
    struct session *s = &conn->session;
    struct outbox *o = &s->outbox;

    SHIELD(CLOSE_HANDSHAKE_MS);
    s->deadline = wheel_tick_in(&s->worker->wheel, CLOSE_HANDSHAKE_MS);
    last_words(conn, opening, why, &last);
    s->state = SESSION_CLOSING;
    outbox_flush(o);
    outbox_end(o, buffer_error(&last) == 0 ? buffer_bytes(&last) : bytes_of(NULL, 0));
    session_leave(s);
    if (outbox_drain(o) < 0 || last.len == 0 || o->is_dead)
        return false;

    s->awaits_close = s->is_websocket && !is_garbled(why);
    if (!s->awaits_close)
        return stream_shutdown(o->stream) == 0;
    if (!s->has_heard_close && !s->has_closed_too)
        return true;
    end_stream(s);
    return false;
}

bool connection_hear_goodbye(struct connection *conn) {
    struct session *s = &conn->session;
    if (!has_gone_too(conn) && connection_time_left_ms(conn) > 0)
        return true;
    end_stream(s);
    return false;
}
