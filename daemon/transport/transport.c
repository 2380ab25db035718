#include "daemon/transport/transport.h"

#include <errno.h>

#include <string.h>

#include "async/loop.h"
#include "daemon/chat/auth.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/transport/connection.h"
#include "daemon/transport/forwarded.h"
#include "daemon/transport/visitor.h"
#include "daemon/worker.h"
#include "protocol/codec.h"
#include "protocol/cookie.h"
#include "protocol/utf8.h"

/* Generic cell rate, all workers together: opening_us is when the bucket is full again. A second's
 * worth may come at once. */
static bool is_within_rate(struct daemon *d, uint32_t rate) {
    if (rate == 0)
        return true;
    int64_t each_us = 1000000 / rate, now_us = loop_now() * 1000;
    int64_t seen = atomic_load_explicit(&d->opening_us, memory_order_relaxed), full_us;
    do {
        full_us = (seen > now_us ? seen : now_us) + each_us;
        if (full_us > now_us + each_us * rate)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&d->opening_us, &seen, full_us,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool transport_has_login(const struct http_exchange *x, struct str *ret) {
    return x->worker->daemon->chat && visitor_is_own_page(x) &&
           cookie_find(&x->request->head, AUTH_COOKIE, ret) == 1 && ret->len > 0;
}

static int keep_login(struct http_exchange *x) {
    struct str cookie;
    if (!transport_has_login(x, &cookie))
        return 0;
    x->terms->login_cookie = strndup(cookie.data, cookie.len);
    return x->terms->login_cookie ? 0 : -ENOMEM;
}

int transport_admit(struct http_exchange *x) {
    if (!is_within_rate(x->worker->daemon, x->config->client.connection_rate_limit)) {
        metrics_count(&x->worker->metrics, COUNT_CONNECTION_RATE);
        x->closes = true;
        return http_exchange_status(x, 503);
    }
    int r = x->config->forwards_headers
                    ? forwarded_keep_request(&x->terms->headers, x->config, &x->request->head)
                    : 0;
    if (r == 0)
        r = keep_login(x);
    return r < 0 ? r : 1;
}

int transport_refuse_origin(struct http_exchange *x, struct str origin) {
    metrics_count(&x->worker->metrics, COUNT_REFUSED_ORIGIN);
    LOG_INFO(x->worker->daemon->log, "origin refused", LOG_STR("origin", origin));
    x->closes = true;
    return http_exchange_status(x, 403);
}

/* The page came from where it asks now. */
static bool is_own_origin(const struct http_head *head, struct str origin) {
    struct str host;
    const char *slashes = origin.len ? memmem(origin.data, origin.len, "://", 3) : NULL;
    if (!slashes || http_head_find(head, STR("Host"), &host) != 1)
        return false;
    slashes += 3;
    return http_equal_nocase((struct str){ slashes, origin.len - (size_t) (slashes - origin.data) },
                             host);
}

int transport_check_origin(struct http_exchange *x) {
    const struct http_head *head = &x->request->head;
    struct str origin = { 0 };

    int n = http_head_find(head, STR("Origin"), &origin);
    if (n == 0 ||
        (n == 1 && (config_allows_origin(x->config, true, origin) || is_own_origin(head, origin))))
        return 1;
    return transport_refuse_origin(x, origin);
}

int transport_query(struct str query, struct str name, struct buffer *out) {
    struct str encoded;
    size_t len;

    if (http_query_find(query, name, &encoded) != 1)
        return 0;
    if (encoded.len == 0)
        return 1;
    uint8_t *to = buffer_reserve(out, encoded.len);
    if (!to)
        return -ENOMEM;
    if (http_percent_decode(encoded, true, (char *) to, encoded.len, &len) < 0 ||
        !utf8_is_valid(bytes_of(to, len)))
        return -EINVAL;
    buffer_added(out, len);
    return 1;
}

bool transport_query_is(struct str query, struct str name, struct str value) {
    struct str found;
    return http_query_find(query, name, &found) == 1 && str_equal(found, value);
}

/* Parameters behind a ';' say nothing about it. */
bool transport_has_binary_body(const struct http_request *r) {
    struct str type;
    if (http_head_find(&r->head, STR("Content-Type"), &type) != 1)
        return false;
    const char *semicolon = memchr(type.data, ';', type.len);
    if (semicolon)
        type.len = (size_t) (semicolon - type.data);
    while (type.len > 0 && (type.data[type.len - 1] == ' ' || type.data[type.len - 1] == '\t'))
        type.len--;
    return http_equal_nocase(type, STR("application/octet-stream"));
}

int transport_check_connect(struct bytes request) {
    CLEANUP(command_reader_finish) struct command_reader reader;
    struct command_connect c;
    command_reader_init(&reader, &codec_json, request);
    return command_decode_connect(&reader, &c);
}
