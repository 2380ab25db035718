#include "daemon/http_pages.h"

#include <errno.h>

#include "async/stream.h"
#include "daemon/asset_answer.h"
#include "daemon/config.h"
#include "daemon/connection.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"

/* /health and /metrics are for operators: on internal listeners for anyone, elsewhere where
 * configured and, unless told otherwise, only from this machine. */
static bool may_look(const struct connection *conn, bool is_enabled) {
    const struct config *c = conn->session.worker->config;
    char peer[ADDRESS_TEXT_MAX];

    if (conn->is_internal || (is_enabled && c->endpoints_external))
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

struct web_page {
    int status;
    struct str content_type;
    struct buffer body;
};

static void find_page(const struct connection *conn, const struct http_request *r,
                      struct web_page *ret) {
    struct daemon *d = conn->session.worker->daemon;
    const struct config *c = conn->session.worker->config;

    if (str_equal(r->path, STR("/health")) && may_look(conn, c->health_enabled)) {
        ret->status = daemon_write_health(d, &ret->body);
        ret->content_type = STR("application/json");
    } else if (str_equal(r->path, STR("/metrics")) && may_look(conn, c->metrics_enabled)) {
        worker_collect(conn->session.worker); /* others do it every second */
        daemon_write_metrics(d, &ret->body);
        ret->status = 200;
        ret->content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    } else {
        buffer_append_str(&ret->body, STR("404 Not Found\n"));
        ret->status = 404;
    }
}

static int answer_page(const struct http_request *r, const struct web_page *p, bool closes,
                       struct buffer *out) {
    struct http_header headers[] = {
        { STR("Content-Type"), p->content_type },
        { STR("Cache-Control"), STR("no-store") },
        { STR("X-Content-Type-Options"), STR("nosniff") },
        { STR("Allow"), STR("GET, HEAD") },
    };
    int e = buffer_error(&p->body);
    return e < 0 ? e
                 : http_write_answer(out, &(struct http_answer){
                                                  .status = p->status,
                                                  .headers = headers,
                                                  .header_count = p->status == 405 ? 4 : 3,
                                                  .body = buffer_bytes(&p->body),
                                                  .closes = closes,
                                                  .is_head = str_equal(r->method, STR("HEAD")),
                                          });
}

int http_pages_answer(const struct connection *conn, const struct http_request *r, bool closes,
                      struct buffer *out) {
    struct web_page page = { .content_type = STR("text/plain; charset=utf-8") };
    bool is_read = str_equal(r->method, STR("GET")) || str_equal(r->method, STR("HEAD"));

    if (is_read && !conn->is_internal) {
        int e = assets_answer(&conn->session.worker->daemon->assets, r, closes, out);
        if (e != 0)
            return e < 0 ? e : 0;
    }
    if (is_read) {
        find_page(conn, r, &page);
    } else {
        page.status = 405;
        buffer_append_str(&page.body, STR("405 Method Not Allowed\n"));
    }
    int e = answer_page(r, &page, closes, out);
    buffer_finish(&page.body);
    return e;
}
