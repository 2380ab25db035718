#include "daemon/transport/http_exchange.h"

#include <assert.h>

void http_exchange_header(struct http_exchange *x, struct str name, struct str value) {
    assert(x->n_headers < HTTP_EXCHANGE_HEADERS_MAX);
    x->headers[x->n_headers++] = (struct http_header){ name, value };
}

int http_exchange_status(struct http_exchange *x, int status) {
    x->status = status;
    x->content_type = STR("text/plain; charset=utf-8");
    buffer_reset(&x->out);
    buffer_append_uint(&x->out, (uint64_t) status);
    buffer_append_byte(&x->out, ' ');
    buffer_append_str(&x->out, http_reason_of(status));
    buffer_append_byte(&x->out, '\n');
    return 0;
}

struct str http_exchange_rest(const struct http_exchange *x) {
    struct str own = x->endpoint->path_of ? x->endpoint->path_of(x->config) : x->endpoint->path;
    struct str path = x->request->path;

    if (path.len <= own.len + 1)
        return (struct str){ 0 };
    return (struct str){ path.data + own.len + 1, path.len - own.len - 1 };
}

struct str http_exchange_label(const struct http_exchange *x) {
    struct str path = x->request->path;
    if (x->endpoint && x->endpoint->flags & HTTP_SECRET)
        path.len -= http_exchange_rest(x).len;
    return path;
}
