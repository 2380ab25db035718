#include "daemon/transport_websocket.h"

#include <errno.h>

#include "daemon/config.h"
#include "daemon/connection.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker.h"
#include "protocol/deflate.h"
#include "protocol/handshake.h"

static const struct str subprotocols[] = { { "centrifuge-json", 15 },
                                           { "centrifuge-protobuf", 19 } };

static int refuse_origin(struct http_exchange *x, struct str origin) {
    metrics_count(&x->worker->metrics, COUNT_REFUSED_ORIGIN);
    LOG_INFO(x->worker->daemon->log, "origin refused", LOG_STR("origin", origin));
    x->closes = true;
    return http_exchange_status(x, 403);
}

static bool query_says(const struct http_request *r, struct str name, struct str value) {
    struct str found;
    return http_query_find(r->query, name, &found) == 1 && str_equal(found, value);
}

static bool wants_protobuf(const struct http_request *r, const struct handshake *h) {
    return str_equal(h->subprotocol, subprotocols[1]) ||
           query_says(r, STR("format"), STR("protobuf")) ||
           query_says(r, STR("cf_protocol"), STR("protobuf"));
}

int websocket_serve(struct http_exchange *x) {
    struct worker *w = x->worker;
    struct str origin = { 0 };

    bool has_origin = http_head_find(&x->request->head, STR("Origin"), &origin) == 1;
    if (!config_allows_origin(x->config, has_origin, origin))
        return refuse_origin(x, origin);

    struct handshake_options options = {
        .subprotocols = subprotocols,
        .subprotocol_count = ELEMENTS_OF(subprotocols),
        .allows_deflate = x->config->websocket.compression,
    };
    struct handshake h;
    int r = handshake_check(x->request, &options, &h);
    if (r < 0) {
        metrics_count(&w->metrics, COUNT_HANDSHAKE_ERRORS);
        x->is_raw = true;
        x->closes = true;
        return handshake_write_refusal(r, &x->out);
    }

    struct connection_terms *t = x->terms;
    bool is_protobuf = wants_protobuf(x->request, &h);
    /* What is compressed is compressed once for all, in our window. Who asked for a smaller one
     * gets messages plain, as RFC 7692 lets us. */
    bool reads_ours = h.is_deflated && h.send_window_bits >= DEFLATE_WINDOW_DEFAULT;
    t->format = is_protobuf ? (reads_ours ? WIRE_PROTOBUF_DEFLATED : WIRE_PROTOBUF)
                            : (reads_ours ? WIRE_JSON_DEFLATED : WIRE_JSON);
    t->is_deflated = h.is_deflated;
    if (query_says(x->request, STR("cf_ws_frame_ping_pong"), STR("true")))
        t->pings = PINGS_FRAME;
    r = handshake_write_answer(&h, NULL, 0, &t->head);
    return r < 0 ? r : HTTP_EXCHANGE_TAKEN;
}
