/* The endpoints there are. */
#include "daemon/config.h"
#include "daemon/connection.h"
#include "daemon/http_exchange.h"
#include "daemon/http_pages.h"
#include "daemon/transport_websocket.h"

bool http_on_every_listener(const struct connection *conn, const struct config *c) {
    return true;
}

bool http_on_internal_listeners(const struct connection *conn, const struct config *c) {
    return conn->is_internal;
}

static bool on_client_listeners(const struct connection *conn) {
    return !conn->is_internal;
}

static bool websocket_is_served(const struct connection *conn, const struct config *c) {
    return on_client_listeners(conn) && !c->websocket.is_disabled;
}

static const struct http_endpoint endpoints[] = {
    {
            .path = { "/connection/websocket", 21 },
            .is_served = websocket_is_served,
            .flags = HTTP_ANY_METHOD,
            .serve = websocket_serve,
    },
    {
            .path = { "/health", 7 },
            .is_served = health_is_served,
            .flags = HTTP_GET,
            .serve = health_serve,
    },
    {
            .path = { "/metrics", 8 },
            .is_served = metrics_is_served,
            .flags = HTTP_GET,
            .serve = metrics_serve,
    },
};

static bool is_at(const struct http_endpoint *e, struct str own, struct str path) {
    if (own.len == 0)
        return false;
    if (str_equal(own, path))
        return true;
    return (e->flags & HTTP_PREFIX) && str_starts_with(path, own) && path.data[own.len] == '/';
}

const struct http_endpoint *http_route(const struct connection *conn, const struct config *c,
                                       struct str path) {
    for (size_t i = 0; i < ELEMENTS_OF(endpoints); i++) {
        const struct http_endpoint *e = &endpoints[i];
        struct str own = e->path_of ? e->path_of(c) : e->path;
        if (is_at(e, own, path) &&
            (e->is_served ? e->is_served(conn, c) : on_client_listeners(conn)))
            return e;
    }
    return NULL;
}
