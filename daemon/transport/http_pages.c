#include "daemon/transport/http_pages.h"

#include "async/stream.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/transport/asset_answer.h"
#include "daemon/transport/connection.h"
#include "daemon/worker.h"

/* /health and /metrics are for operators: on internal listeners for anyone, elsewhere where
 * configured and, unless told otherwise, only from this machine. */
static bool may_look(const struct connection *conn, const struct config *c, bool is_enabled) {
    char peer[ADDRESS_TEXT_MAX];

    if (conn->session.is_internal || (is_enabled && c->endpoints_external))
        return true;
    if (!is_enabled)
        return false;
    struct str from = str_of(stream_peer(conn->session.outbox.stream, peer, sizeof peer));
    return !str_starts_with(from, STR("["))
                   ? str_starts_with(from, STR("127.")) || str_starts_with(from, STR("unix")) ||
                             str_starts_with(from, STR("memory"))
                   : str_starts_with(from, STR("[::1]")) ||
                             str_starts_with(from, STR("[::ffff:127."));
}

bool health_is_served(const struct connection *conn, const struct config *c) {
    return may_look(conn, c, c->health_enabled);
}

bool metrics_is_served(const struct connection *conn, const struct config *c) {
    return may_look(conn, c, c->metrics_enabled);
}

static void never_kept(struct http_exchange *x) {
    http_exchange_header(x, STR("Cache-Control"), STR("no-store"));
    http_exchange_header(x, STR("X-Content-Type-Options"), STR("nosniff"));
}

int health_serve(struct http_exchange *x) {
    never_kept(x);
    int status = daemon_write_health(x->worker, &x->out);
    if (status < 0)
        return status;
    x->status = status;
    x->content_type = STR("application/json");
    return 0;
}

int metrics_serve(struct http_exchange *x) {
    never_kept(x);
    worker_collect(x->worker); /* others do it every second */
    daemon_write_metrics(x->worker->daemon, &x->out);
    x->content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    return 0;
}

int http_pages_serve(struct http_exchange *x) {
    struct str method = x->request->method;
    bool is_read = str_equal(method, STR("GET")) || str_equal(method, STR("HEAD"));

    if (is_read && !x->conn->session.is_internal) {
        int r = assets_answer(&x->worker->daemon->assets, x->request, x->closes, &x->out);
        if (r != 0) {
            x->is_raw = r > 0;
            return r < 0 ? r : 0;
        }
    }
    never_kept(x);
    if (!is_read)
        http_exchange_header(x, STR("Allow"), STR("GET, HEAD"));
    return http_exchange_status(x, is_read ? 404 : 405);
}
