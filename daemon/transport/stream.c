#include "daemon/transport/stream.h"

#include <errno.h>

#include "daemon/config/config.h"
#include "daemon/transport/connection.h"
#include "daemon/transport/cors.h"
#include "daemon/transport/transport.h"
#include "daemon/worker.h"

bool http_stream_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && c->http_stream.enabled;
}

bool sse_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && c->sse.enabled;
}

bool uni_http_stream_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && c->uni_http_stream.enabled;
}

bool uni_sse_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && c->uni_sse.enabled;
}

bool init_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && c->init.enabled;
}

/* The answer's head, with the headers that the exchange has so far (CORS). Nothing between us and
 * the client may gather or keep what follows. */
static int write_head(struct http_exchange *x, struct str type) {
    struct connection_terms *t = x->terms;

    /* Those alone, for an answer that says no after all. */
    for (size_t i = 0; i < x->n_headers; i++) {
        struct http_header h = x->headers[i];
        buffer_printf(&t->headers_text, "%.*s: %.*s\r\n", (int) h.name.len, h.name.data,
                      (int) h.value.len, h.value.data);
    }
    http_exchange_header(x, STR("Content-Type"), type);
    http_exchange_header(x, STR("Transfer-Encoding"), STR("chunked"));
    http_exchange_header(x, STR("Connection"), STR("keep-alive"));
    http_exchange_header(x, STR("Cache-Control"), STR("no-cache, no-store, no-transform"));
    http_exchange_header(x, STR("X-Accel-Buffering"), STR("no"));
    http_exchange_header(x, STR("X-Content-Type-Options"), STR("nosniff"));
    int r = http_write_head(&t->head,
                            &(struct http_answer){ .status = 200,
                                                   .headers = x->headers,
                                                   .header_count = x->n_headers },
                            -1);
    return r < 0 ? r : buffer_error(&t->headers_text);
}

/* The connect request has been put into terms->first. */
static int begin(struct http_exchange *x, enum wire_format format, struct str type) {
    struct connection_terms *t = x->terms;
    const struct wire_traits *traits = wire_traits(format);

    /* HTTP/1.0 has no chunks. */
    if (x->request->version_minor == 0)
        return http_exchange_status(x, 505);
    int r = transport_check_origin(x);
    if (r > 0)
        r = transport_admit(x);
    if (r <= 0)
        return r;
    t->format = format;
    t->has_first = true;
    t->pings = traits->is_unidirectional ? PINGS_ONE_WAY : PINGS_COMMAND;
    r = write_head(x, type);
    if (r == 0 && traits->is_event) /* lets browsers say that it is open */
        wire_append_chunk(bytes_of("\r\n", 2), &t->head);
    r = r < 0 ? r : buffer_error(&t->head);
    return r < 0 ? r : HTTP_EXCHANGE_TAKEN;
}

static bool is_get(const struct http_exchange *x) {
    return str_equal(x->request->method, STR("GET"));
}

/* GET: what cf_connect says; POST: the body. 1; 0: there is no cf_connect; < 0. */
static int take_request(struct http_exchange *x) {
    struct buffer *first = &x->terms->first;
    if (is_get(x))
        return transport_query(x->request->query, STR("cf_connect"), first);
    buffer_append_bytes(first, x->body);
    int r = buffer_error(first);
    return r < 0 ? r : 1;
}

/* ---- both ways ---- */

int http_stream_serve(struct http_exchange *x) {
    bool is_binary = transport_has_binary_body(x->request);
    int r = take_request(x);
    if (r < 0)
        return r;
    return is_binary ? begin(x, WIRE_STREAM_PROTOBUF, STR("application/octet-stream"))
                     : begin(x, WIRE_STREAM_JSON, STR("application/x-ndjson"));
}

int sse_serve(struct http_exchange *x) {
    if (str_equal(x->request->method, STR("HEAD")))
        return http_exchange_status(x, 405);
    int r = take_request(x);
    if (r == -ENOMEM)
        return r;
    if (r <= 0 || x->terms->first.len == 0)
        return http_exchange_status(x, 400);
    return begin(x, WIRE_SSE_JSON, STR("text/event-stream"));
}

/* ---- one way ---- */

static int begin_one_way(struct http_exchange *x, enum wire_format format, struct str type) {
    if (str_equal(x->request->method, STR("HEAD")))
        return http_exchange_status(x, 405);
    int r = take_request(x);
    if (r >= 0)
        r = transport_check_connect(buffer_bytes(&x->terms->first));
    if (r == -EINVAL || r == -EBADMSG)
        return http_exchange_status(x, 400);
    return r < 0 ? r : begin(x, format, type);
}

int uni_http_stream_serve(struct http_exchange *x) {
    return begin_one_way(x, WIRE_UNI_STREAM_JSON, STR("application/x-ndjson"));
}

int uni_sse_serve(struct http_exchange *x) {
    return begin_one_way(x, WIRE_UNI_SSE_JSON, STR("text/event-stream"));
}

int init_serve(struct http_exchange *x) {
    http_exchange_header(x, STR("Cache-Control"), STR("no-store"));
    x->content_type = STR("application/json");
    buffer_append_str(&x->out, STR("{}"));
    return 0;
}
