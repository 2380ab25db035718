#include "daemon/transport/websocket.h"

#include <errno.h>

#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/transport/connection.h"
#include "daemon/transport/transport.h"
#include "daemon/worker.h"
#include "protocol/deflate.h"
#include "protocol/handshake.h"

static const struct str subprotocols[] = { { "centrifuge-json", 15 },
                                           { "centrifuge-protobuf", 19 } };

static bool wants_protobuf(const struct http_request *r, const struct handshake *h) {
    return str_equal(h->subprotocol, subprotocols[1]) ||
           transport_query_is(r->query, STR("format"), STR("protobuf")) ||
           transport_query_is(r->query, STR("cf_protocol"), STR("protobuf"));
}

/* Everything before the answer. HTTP_EXCHANGE_TAKEN: *ret are the terms; or what serve() returns.
 */
static int shake_hands(struct http_exchange *x, const struct handshake_options *options,
                       struct handshake *ret) {
    struct str origin = { 0 }, cookie;

    bool has_origin = http_head_find(&x->request->head, STR("Origin"), &origin) == 1;
    if (!config_allows_origin(x->config, has_origin, origin) && !transport_has_login(x, &cookie))
        return transport_refuse_origin(x, origin);
    int r = handshake_check(x->request, options, ret);
    if (r < 0) {
        metrics_count(&x->worker->metrics, COUNT_HANDSHAKE_ERRORS);
        x->is_raw = true;
        x->closes = true;
        return handshake_write_refusal(r, &x->out);
    }
    r = transport_admit(x);
    if (r <= 0)
        return r;
    r = handshake_write_answer(ret, NULL, 0, &x->terms->head);
    return r < 0 ? r : HTTP_EXCHANGE_TAKEN;
}

bool websocket_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && !c->websocket.is_disabled;
}

int websocket_serve(struct http_exchange *x) {
    struct handshake_options options = {
        .subprotocols = subprotocols,
        .subprotocol_count = ELEMENTS_OF(subprotocols),
        .allows_deflate = x->config->websocket.compression,
    };
    struct handshake h;
    int r = shake_hands(x, &options, &h);
    if (r != HTTP_EXCHANGE_TAKEN)
        return r;

    struct connection_terms *t = x->terms;
    bool is_protobuf = wants_protobuf(x->request, &h);
    /* What is compressed is compressed once for all, in our window. Who asked for a smaller one
     * gets messages plain, as RFC 7692 lets us. */
    bool reads_ours = h.is_deflated && h.send_window_bits >= DEFLATE_WINDOW_DEFAULT;
    t->format = is_protobuf ? (reads_ours ? WIRE_PROTOBUF_DEFLATED : WIRE_PROTOBUF)
                            : (reads_ours ? WIRE_JSON_DEFLATED : WIRE_JSON);
    t->is_deflated = h.is_deflated;
    if (transport_query_is(x->request->query, STR("cf_ws_frame_ping_pong"), STR("true")))
        t->pings = PINGS_FRAME;
    return r;
}

bool uni_websocket_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && c->uni_websocket.is_enabled;
}

int uni_websocket_serve(struct http_exchange *x) {
    /* Messages go out plain; what a client compresses is read. */
    struct handshake_options options = {
        .subprotocols = subprotocols,
        .subprotocol_count = 1,
        .allows_deflate = x->config->uni_websocket.compression,
    };
    struct connection_terms *t = x->terms;
    struct handshake h;

    int found = transport_query(x->request->query, STR("cf_connect"), &t->first);
    if (found == 1)
        found = transport_check_connect(buffer_bytes(&t->first)) ?: 1;
    if (found == -EINVAL || found == -EBADMSG)
        return http_exchange_status(x, 400);
    if (found < 0)
        return found;

    int r = shake_hands(x, &options, &h);
    if (r != HTTP_EXCHANGE_TAKEN)
        return r;
    t->format = WIRE_UNI_JSON;
    t->is_deflated = h.is_deflated;
    t->has_first = found == 1;
    t->pings = PINGS_BOTH_WAYS;
    return r;
}
