/* The endpoints there are. */
#include "daemon/api/api.h"
#include "daemon/chat/auth_http.h"
#include "daemon/chat/files.h"
#include "daemon/chat/hooks.h"
#include "daemon/config/config.h"
#include "daemon/transport/connection.h"
#include "daemon/transport/emulation.h"
#include "daemon/transport/http_exchange.h"
#include "daemon/transport/http_pages.h"
#include "daemon/transport/stream.h"
#include "daemon/transport/websocket.h"

bool http_on_every_listener(const struct connection *conn, const struct config *c) {
    return true;
}

bool http_on_internal_listeners(const struct connection *conn, const struct config *c) {
    return conn->session.is_internal;
}

static bool on_client_listeners(const struct connection *conn) {
    return !conn->session.is_internal;
}

/* Where the configuration has them, and how much they read. */
#define PATH(name, member)                                                                         \
    static struct str name##_path(const struct config *c) {                                        \
        return c->member;                                                                          \
    }
#define BODY(name, member)                                                                         \
    static size_t name##_body(const struct config *c) {                                            \
        return c->member;                                                                          \
    }

PATH(websocket, websocket.path)
PATH(uni_websocket, uni_websocket.path)
PATH(http_stream, http_stream.path)
BODY(http_stream, http_stream.max_body_bytes)
PATH(sse, sse.path)
BODY(sse, sse.max_body_bytes)
PATH(uni_http_stream, uni_http_stream.path)
BODY(uni_http_stream, uni_http_stream.max_body_bytes)
PATH(uni_sse, uni_sse.path)
BODY(uni_sse, uni_sse.max_body_bytes)
PATH(emulation, emulation_path)
BODY(emulation, emulation_max_body_bytes)
PATH(init, init.path)
PATH(api, api.path)
BODY(api, api.max_body_bytes)
PATH(health, health_path)
PATH(metrics, metrics_path)

/* name, flags, further members */
#define ENDPOINT(name, how, ...)                                                                   \
    {                                                                                              \
        .path_of = name##_path, .is_served = name##_is_served, .flags = (how),                     \
        .serve = name##_serve, __VA_ARGS__                                                         \
    }

static const struct http_endpoint endpoints[] = {
    ENDPOINT(websocket, HTTP_ANY_METHOD),
    ENDPOINT(http_stream, HTTP_POST | HTTP_CORS, .max_body = http_stream_body),
    ENDPOINT(sse, HTTP_GET | HTTP_POST | HTTP_CORS, .max_body = sse_body),
    ENDPOINT(emulation, HTTP_POST | HTTP_CORS, .max_body = emulation_body),
    ENDPOINT(uni_websocket, HTTP_ANY_METHOD),
    ENDPOINT(uni_http_stream, HTTP_POST | HTTP_CORS, .max_body = uni_http_stream_body),
    ENDPOINT(uni_sse, HTTP_GET | HTTP_POST | HTTP_CORS, .max_body = uni_sse_body),
    ENDPOINT(init, HTTP_GET | HTTP_CORS),
    ENDPOINT(health, HTTP_GET),
    ENDPOINT(metrics, HTTP_GET),
    { .path = { "/auth", 5 },
      .is_served = auth_is_served,
      .max_body = auth_body_max,
      .flags = HTTP_ANY_METHOD | HTTP_PREFIX,
      .serve = auth_serve },
    { .path = { "/files", 6 },
      .is_served = chat_files_is_served,
      .max_body = chat_files_body_max,
      .flags = HTTP_GET | HTTP_POST | HTTP_PREFIX | HTTP_CORS | HTTP_STREAMED,
      .serve = chat_files_serve },
    { .path = { "/hooks", 6 },
      .is_served = chat_hooks_is_served,
      .max_body = chat_hooks_body_max,
      .flags = HTTP_POST | HTTP_PREFIX | HTTP_SECRET,
      .serve = chat_hooks_serve },
    ENDPOINT(api, HTTP_ANY_METHOD | HTTP_PREFIX, .max_body = api_body, .admit = api_admit),
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
