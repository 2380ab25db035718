#include "daemon/chat/pass.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "async/tls.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/files.h"
#include "daemon/chat/lease.h"
#include "daemon/chat/own.h"
#include "daemon/chat/remote.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/transport/visitor.h"
#include "daemon/worker.h"

#define PASSED STR("Parley-Passed") /* TOKEN ADDRESS http|https */

enum { HEAD_BYTES = 16384 };

static const struct http_limits limits = { .max_line = 4096,
                                           .max_head = HEAD_BYTES,
                                           .max_headers = HTTP_HEADERS_MAX };

struct pass {
    struct http_exchange *x;
    struct chat_remote_owner owner;
    struct stream *stream;
    struct tls *tls;
    struct buffer head; /* of the request */
    uint8_t *piece;
    size_t n; /* bytes in it */
    struct http_response response;
    struct http_body body;
    char address[VISITOR_ADDRESS_MAX];
};

static void pass_freep(struct pass **lent) {
    struct pass *p = *lent;
    if (!p)
        return;
    p->x->worker->passes--;
    stream_close(p->stream);
    tls_free(p->tls);
    buffer_finish(&p->head);
    free(p->piece);
    free(p);
}

/* ---- what came by it ---- */

static struct str word_of(struct str *text) {
    const char *end = text->len ? memchr(text->data, ' ', text->len) : NULL;
    struct str word = { text->data, end ? (size_t) (end - text->data) : text->len };
    text->data += end ? word.len + 1 : word.len;
    text->len -= end ? word.len + 1 : word.len;
    return word;
}

bool chat_was_passed(const struct http_exchange *x, struct passed *ret) {
    const struct chat *c = x->worker->daemon->chat;
    struct str text;

    if (!c || !c->lease || http_head_count(&x->request->head, PASSED) != 1 ||
        http_head_find(&x->request->head, PASSED, &text) != 1)
        return false;
    struct str token = word_of(&text), own = str_of(chat_lease_token(c->lease));
    if (token.len != own.len || CRYPTO_memcmp(token.data, own.data, own.len) != 0)
        return false;
    ret->address = word_of(&text);
    ret->is_secure = str_equal(word_of(&text), STR("https"));
    return ret->address.len > 0;
}

/* ---- the request ---- */

static bool is_one_of(struct str name, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (http_equal_nocase(name, str_of(names[i])))
            return true;
    return false;
}

/* Of one connection only, or what we say ourselves. */
static bool stays_here(struct str name) {
    static const char *const all[] = { "Host",
                                       "Connection",
                                       "Keep-Alive",
                                       "Proxy-Connection",
                                       "Proxy-Authorization",
                                       "TE",
                                       "Trailer",
                                       "Transfer-Encoding",
                                       "Upgrade",
                                       "Expect",
                                       "Content-Length",
                                       "Parley-Passed",
                                       "Forwarded",
                                       "X-Forwarded-For",
                                       "X-Forwarded-Proto",
                                       "X-Forwarded-Host" };
    return is_one_of(name, all, ELEMENTS_OF(all));
}

/* Else its body is there as a whole. */
static bool is_streamed(const struct http_exchange *x) {
    return x->endpoint->flags & HTTP_STREAMED;
}

static int write_request(struct pass *p) {
    const struct http_exchange *x = p->x;
    const struct http_request *r = x->request;
    struct http_header headers[4];
    size_t n = 0;

    struct str address = visitor_address(x, p->address);
    char *passed = arena_alloc(&p->x->arena, sizeof p->owner.token + address.len + 16);
    char *length = arena_alloc(&p->x->arena, 24);
    if (!passed || !length)
        return -ENOMEM;
    int len = sprintf(passed, "%s %.*s %s", p->owner.token, (int) address.len, address.data,
                      visitor_is_secure(x) ? "https" : "http");
    headers[n++] = (struct http_header){ PASSED, { passed, (size_t) len } };
    headers[n++] = (struct http_header){ STR("Connection"), STR("close") };
    if (r->is_chunked && is_streamed(x)) {
        headers[n++] = (struct http_header){ STR("Transfer-Encoding"), STR("chunked") };
    } else if (r->has_length || x->body.len > 0) {
        uint64_t size = is_streamed(x) ? r->content_length : x->body.len;
        len = sprintf(length, "%llu", (unsigned long long) size);
        headers[n++] = (struct http_header){ STR("Content-Length"), { length, (size_t) len } };
    }
    int e = http_write_request(&p->head, r->method, r->target, r->host, headers, n);
    if (e < 0)
        return e;
    p->head.len -= 2; /* the empty line: more follows */
    for (size_t i = 0; i < http_head_size(&r->head); i++) {
        struct http_header h = http_head_at(&r->head, i);
        if (stays_here(h.name))
            continue;
        buffer_append_str(&p->head, h.name);
        buffer_append_str(&p->head, STR(": "));
        buffer_append_str(&p->head, h.value);
        buffer_append_str(&p->head, STR("\r\n"));
    }
    buffer_append_str(&p->head, STR("\r\n"));
    return buffer_error(&p->head);
}

static int send_bytes(struct pass *p, struct bytes b) {
    struct iovec v = { (void *) (uintptr_t) b.data, b.len };
    DEADLINE(time, PASS_PIECE_MS);
    return b.len ? stream_write_all(p->stream, &v, 1) : 0;
}

/* With room before it for a chunk's length, and behind it for its end. ret_is_ours: it is the
 * connection to who asks that failed. */
static int send_body(struct pass *p, bool *ret_is_ours) {
    enum { BEFORE = 16, BEHIND = 2 };
    bool is_chunked = p->x->request->is_chunked;
    uint8_t *at = p->piece + BEFORE;
    ssize_t n = 0;
    int r = 0;

    if (!is_streamed(p->x))
        return send_bytes(p, p->x->body);
    do {
        n = http_exchange_read(p->x, at, PASS_PIECE_BYTES - BEFORE - BEHIND);
        *ret_is_ours = n < 0;
        if (n < 0)
            return (int) n;
        char line[BEFORE];
        int len = is_chunked ? snprintf(line, sizeof line, "%zx\r\n", (size_t) n) : 0;
        memcpy(at - len, line, (size_t) len);
        if (is_chunked)
            memcpy(at + n, "\r\n", BEHIND);
        r = send_bytes(p, bytes_of(at - len, (size_t) (len + n) + (is_chunked ? BEHIND : 0)));
    } while (r == 0 && n > 0);
    return r;
}

/* ---- the answer ---- */

static bool comes_back(struct str name) {
    static const char *const all[] = {
        "Cache-Control", "X-Content-Type-Options",  "ETag",
        "Accept-Ranges", "Content-Security-Policy", "Content-Disposition",
        "Set-Cookie",    "Content-Range",           "Retry-After",
        "Allow",
    };
    return is_one_of(name, all, ELEMENTS_OF(all));
}

static int copied(struct arena *a, struct str *text) {
    char *copy = arena_alloc(a, text->len + 1);
    if (!copy)
        return -ENOMEM;
    if (text->len)
        memcpy(copy, text->data, text->len);
    text->data = copy;
    return 0;
}

static int take_headers(struct pass *p) {
    enum { HEADERS_MAX = 8 }; /* the rest of those there may be are the connection's own */
    struct http_exchange *x = p->x;
    size_t from = x->n_headers;
    int r = 0;

    x->status = p->response.status;
    for (size_t i = 0; r == 0 && i < http_head_size(&p->response.head); i++) {
        struct http_header h = http_head_at(&p->response.head, i);
        if (http_equal_nocase(h.name, STR("Content-Type"))) {
            x->content_type = h.value;
            r = copied(&x->arena, &x->content_type);
        } else if (comes_back(h.name) && x->n_headers - from < HEADERS_MAX) {
            r = copied(&x->arena, &h.name);
            if (r == 0)
                r = copied(&x->arena, &h.value);
            http_exchange_header(x, h.name, h.value);
        }
    }
    return r;
}

/* More of the answer, behind what is there. -ECONNRESET: that was all. */
static int receive(struct pass *p, int64_t within_ms) {
    DEADLINE(time, within_ms);
    ssize_t n = stream_read(p->stream, p->piece + p->n, PASS_PIECE_BYTES - p->n);
    if (n <= 0)
        return n < 0 ? (int) n : -ECONNRESET;
    p->n += (size_t) n;
    return 0;
}

static int read_head(struct pass *p) {
    int r = 0;
    p->n = 0;
    do {
        http_response_init(&p->response);
        while ((r = http_response_parse(&p->response, &limits, bytes_of(p->piece, p->n))) == 0) {
            r = receive(p, PASS_WAIT_MS);
            if (r < 0)
                return r;
        }
        if (r > 0 && p->response.status < 200) { /* 100 Continue, which nobody asked for */
            p->n -= p->response.size;
            memmove(p->piece, p->piece + p->response.size, p->n);
        }
    } while (r > 0 && p->response.status < 200);
    if (r < 0)
        return r;
    bool is_head = str_equal(p->x->request->method, STR("HEAD"));
    r = http_response_body(&p->response, is_head, SIZE_MAX, &p->body);
    bool is_known = p->body.kind == HTTP_BODY_NONE || p->body.kind == HTTP_BODY_LENGTH;
    return r < 0 ? r : is_known ? 0 : -EPROTO;
}

static int send_answer(struct pass *p) {
    struct http_exchange *x = p->x;
    uint64_t len = p->response.has_length ? p->response.content_length : 0;
    struct bytes in = bytes_of(p->piece + p->response.size, p->n - p->response.size), piece;

    int r = take_headers(p);
    if (r == 0)
        r = http_exchange_begin(x, len);
    while (r == 0 && x->unsent > 0) {
        int has = http_body_next(&p->body, &in, &piece);
        if (has < 0 || (has == 0 && p->body.is_done))
            return has < 0 ? has : -ECONNRESET;
        if (has > 0) {
            r = http_exchange_send(x, piece);
            continue;
        }
        p->n = 0;
        r = receive(p, PASS_PIECE_MS);
        in = bytes_of(p->piece, p->n);
    }
    return r;
}

/* ---- in between ---- */

static bool take_prefix(struct str *s, struct str prefix) {
    if (!str_starts_with(*s, prefix))
        return false;
    s->data += prefix.len;
    s->len -= prefix.len;
    return true;
}

static int connect_owner(struct pass *p) {
    struct chat *c = p->x->worker->daemon->chat;
    struct str at = str_of(p->owner.address);
    struct address address;
    char text[ADDRESS_TEXT_MAX];

    bool is_tls = take_prefix(&at, STR("https://"));
    if (!is_tls && !take_prefix(&at, STR("http://")))
        return -EDESTADDRREQ;
    while (at.len > 0 && at.data[at.len - 1] == '/')
        at.len--;
    bool has_port = at.len && memchr(at.data, ':', at.len) && at.data[at.len - 1] != ']';
    (void) snprintf(text, sizeof text, "%.*s%s", (int) at.len, at.data,
                    has_port ? ""
                    : is_tls ? ":443"
                             : ":80");
    int r = address_parse(text, &address);
    if (r == 0 && is_tls)
        r = c->pass_tls ? tls_share(c->pass_tls, &p->tls) : -EKEYREJECTED;
    if (r < 0)
        return r;
    DEADLINE(time, PASS_CONNECT_MS);
    return stream_connect(&address, p->tls, &p->stream);
}

static int refuse(struct http_exchange *x, int status, const char *why) {
    metrics_count(&x->worker->metrics, COUNT_CHAT_PASS_FAILED);
    http_exchange_header(x, STR("Retry-After"), STR("1"));
    return chat_files_refuse(x, status, why, NULL);
}

/* It may have begun: who asked is told that nobody knows. */
static int settle(struct pass *p, int r, bool was_sent) {
    struct http_exchange *x = p->x;
    if (r == 0 || r == -ECANCELED || r == -ENOMEM || x->is_begun)
        return r;
    LOG_WARNING(x->worker->daemon->log, "a request for the node that keeps the chat failed",
                LOG_TEXT("node", p->owner.name), LOG_TEXT("address", p->owner.address),
                LOG_RESULT(r));
    return was_sent ? refuse(x, 502, "the node that keeps the chat did not answer")
                    : refuse(x, 503, "the node that keeps the chat cannot be reached");
}

static int pass_on(struct pass *p) {
    bool is_ours = false;
    int r = write_request(p);
    if (r == 0)
        r = connect_owner(p);
    if (r == 0)
        r = send_bytes(p, buffer_bytes(&p->head));
    if (r < 0)
        return settle(p, r, false);
    r = send_body(p, &is_ours);
    if (is_ours || r == -ECANCELED)
        return r;
    int answer = read_head(p); /* it may have answered before it had read all */
    return settle(p, answer == 0 ? send_answer(p) : r < 0 ? r : answer, true);
}

int chat_pass(struct http_exchange *x) {
    struct chat *c = x->worker->daemon->chat;

    if (http_head_count(&x->request->head, PASSED) > 0)
        return refuse(x, 503, "the node that keeps the chat is away");
    if (x->worker->passes >= worker_share(x->worker, x->config->chat.pass_max)) {
        metrics_count(&x->worker->metrics, COUNT_CHAT_PASS_LIMIT);
        return refuse(x, 503, "too many requests for the node that keeps the chat");
    }
    CLEANUP(pass_freep) struct pass *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->x = x;
    x->worker->passes++;
    if (!c->lease || !c->remote || !chat_remote_hinted(c->remote, &p->owner))
        return refuse(x, 503, "the node that keeps the chat is away");
    p->piece = malloc(PASS_PIECE_BYTES);
    if (!p->piece)
        return -ENOMEM;
    metrics_count(&x->worker->metrics, COUNT_CHAT_PASSED);
    return pass_on(p);
}
