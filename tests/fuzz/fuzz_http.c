/*
 * Requests, responses and bodies cut anywhere are read as in one piece, and what was read could be
 * written again and would be read the same.
 * Input: a byte of flags, a byte that seeds the cuts, then what a peer sends.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/http.h"
#include "tests/fuzz/fuzz.h"

static const struct http_limits limits = { .max_line = 200, .max_head = 1000, .max_headers = 10 };
enum { BODY_MAX = 500 };

struct cutter {
    uint32_t seed; /* 0: never cuts */
};

static size_t cut(struct cutter *c, size_t left) {
    if (!c->seed)
        return left;
    c->seed = c->seed * 1664525 + 1013904223;
    size_t step = (c->seed >> 24) % ((c->seed >> 16) % 4 == 0 ? 60 : 5) + 1;
    return left < step ? left : step;
}

static void put(struct buffer *out, struct str s) {
    buffer_printf(out, "%zu:", s.len);
    buffer_append_str(out, s);
}

static void tell_head(struct buffer *out, const struct http_head *h) {
    struct str value;

    for (size_t i = 0; i < http_head_size(h); i++) {
        struct http_header header = http_head_at(h, i);
        assert(http_is_token(header.name));
        assert(http_head_find(h, header.name, &value) == 1);
        assert(http_head_count(h, header.name) >= 1);
        struct http_list list = http_list_of(h, header.name);
        while (http_list_next(&list, &value))
            assert(value.len > 0);
        put(out, header.name);
        put(out, header.value);
    }
}

static int read_body(struct http_body *body, struct bytes in, struct cutter *c,
                     struct buffer *out) {
    size_t at = 0;
    int r = 0;

    buffer_append_byte(out, '\n');
    while (at < in.len && r == 0 && !body->is_done) {
        size_t n = cut(c, in.len - at);
        struct bytes piece, rest = bytes_of(in.data + at, n);
        while ((r = http_body_next(body, &rest, &piece)) > 0)
            buffer_append_bytes(out, piece);
        at += n - rest.len;
        assert(r < 0 || rest.len == 0 || body->is_done);
    }
    assert(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
    assert(body->total <= BODY_MAX);
    buffer_printf(out, "\n%d %d %zu", r, body->is_done, r < 0 ? 0 : at);
    return r;
}

/* What was read, written by ourselves: it must be read the same. */
static void write_again(const struct http_request *r) {
    struct http_request *again = malloc(sizeof *again);
    struct http_header headers[10];
    struct buffer out = BUFFER_INIT;
    size_t n = 0;
    struct str host = r->host;

    assert(again);
    for (size_t i = 0; i < http_head_size(&r->head); i++) {
        struct http_header h = http_head_at(&r->head, i);
        if (!http_equal_nocase(h.name, STR("host")))
            headers[n++] = h;
        else
            host = h.value;
    }
    const struct http_limits wide = { .max_line = 1000, .max_head = 5000, .max_headers = 12 };
    if (host.len && http_write_request(&out, r->method, r->target, host, headers, n) == 0) {
        http_request_init(again);
        int k = http_request_parse(again, &wide, buffer_bytes(&out));
        /* As HTTP/1.1 it may be judged more strictly than it was as 1.0. */
        assert(k == 1 || r->version_minor == 0);
        if (k == 1) {
            assert(str_equal(again->path, r->path) && str_equal(again->query, r->query));
            assert(again->size == out.len);
        }
    } else {
        assert(host.len == 0);
    }
    buffer_finish(&out);
    free(again);
}

static struct buffer read_request(struct bytes in, uint32_t seed) {
    struct cutter c = { seed };
    struct http_request *r = malloc(sizeof *r);
    struct buffer out = BUFFER_INIT;
    uint8_t *copy = NULL;
    int n = 0;

    assert(r);
    http_request_init(r);
    for (size_t at = 0; at < in.len && n == 0;) {
        at += cut(&c, in.len - at);
        uint8_t *moved = malloc(at);
        assert(moved);
        memcpy(moved, in.data, at);
        free(copy);
        copy = moved;
        n = http_request_parse(r, &limits, bytes_of(copy, at));
    }
    if (n == 1) {
        put(&out, r->method);
        put(&out, r->path);
        put(&out, r->query);
        put(&out, r->host);
        tell_head(&out, &r->head);
        buffer_printf(&out, "%d%d%d%d %zu", r->version_minor, r->is_chunked, r->keeps_alive,
                      r->expects_continue, r->size);
        if (!seed)
            write_again(r);
        char *decoded = malloc(r->path.len + 1);
        size_t len;
        assert(decoded);
        if (http_percent_decode(r->path, false, decoded, r->path.len, &len) == 0)
            assert(len <= r->path.len);
        free(decoded);
        struct http_body body;
        int k = http_request_body(r, BODY_MAX, &body);
        if (k == 0)
            (void) read_body(&body, bytes_of(in.data + r->size, in.len - r->size), &c, &out);
    }
    assert(n >= 0 || http_status_of(n) != 500);
    buffer_printf(&out, " %d", n);
    free(copy);
    free(r);
    return out;
}

static struct buffer read_response(struct bytes in, uint32_t seed) {
    struct cutter c = { seed };
    struct http_response *r = malloc(sizeof *r);
    struct buffer out = BUFFER_INIT;
    int n = 0;

    assert(r);
    http_response_init(r);
    for (size_t at = 0; at < in.len && n == 0;) {
        at += cut(&c, in.len - at);
        n = http_response_parse(r, &limits, bytes_of(in.data, at));
    }
    if (n == 1) {
        put(&out, r->reason);
        tell_head(&out, &r->head);
        buffer_printf(&out, "%d %d%d%d %zu", r->status, r->version_minor, r->is_chunked,
                      r->keeps_alive, r->size);
        struct http_body body;
        int k = http_response_body(r, false, BODY_MAX, &body);
        if (k == 0)
            (void) read_body(&body, bytes_of(in.data + r->size, in.len - r->size), &c, &out);
    }
    buffer_printf(&out, " %d", n);
    free(r);
    return out;
}

int fuzz_one(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;

    struct buffer (*reader)(struct bytes, uint32_t) = data[0] & 1 ? read_response : read_request;
    struct bytes in = bytes_of(data + 2, size - 2);
    struct buffer whole = reader(in, 0);
    struct buffer parts = reader(in, data[1] + 1U);
    assert(bytes_equal(buffer_bytes(&whole), buffer_bytes(&parts)));
    buffer_finish(&whole);
    buffer_finish(&parts);
    return 0;
}
