#include <errno.h>

#include "protocol/http_impl.h"

void http_request_init(struct http_request *r) {
    /* The table of fields is not read before it is written: no need to clear a kilobyte. */
    memset(r, 0, offsetof(struct http_request, head.fields));
    memset((char *) r + sizeof r->head, 0, sizeof *r - sizeof r->head);
}

/* A scheme that may stand before a target meant for a proxy, or for us (RFC 9112 section 3.2.2). */
static size_t scheme_len(struct str target) {
    static const struct str schemes[] = { STR("http://"), STR("https://"), STR("ws://"),
                                          STR("wss://") };

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (target.len > schemes[i].len &&
            http_equal_nocase((struct str){ target.data, schemes[i].len }, schemes[i]))
            return schemes[i].len;
    }
    return 0;
}

/* A host, and perhaps a port; no user names. */
static bool is_authority(struct str s) {
    return s.len > 0 && s.data[0] != ':' && http_all_in(s, HTTP_IS_HOST);
}

static int split_target(struct http_request *r) {
    struct str rest = r->target;

    if (str_equal(r->method, STR("CONNECT")))
        return -ENOSYS; /* no proxy */
    if (str_equal(rest, STR("*"))) {
        r->path = rest;
        return str_equal(r->method, STR("OPTIONS")) ? 0 : -EBADMSG;
    }
    size_t scheme = scheme_len(rest);
    if (scheme) {
        rest.data += scheme;
        rest.len -= scheme;
        size_t n = 0;
        while (n < rest.len && rest.data[n] != '/' && rest.data[n] != '?')
            n++;
        r->host = (struct str){ rest.data, n };
        if (!is_authority(r->host))
            return -EBADMSG;
        rest.data += n;
        rest.len -= n;
    } else if (rest.data[0] != '/') {
        return -EBADMSG;
    }

    const char *mark = rest.len ? memchr(rest.data, '?', rest.len) : NULL;
    size_t path_len = mark ? (size_t) (mark - rest.data) : rest.len;
    r->path = path_len ? (struct str){ rest.data, path_len } : STR("/");
    r->query = mark ? (struct str){ mark + 1, rest.len - path_len - 1 } : (struct str){ 0 };
    return 0;
}

static int read_request_line(struct http_request *r, struct str line) {
    const char *first = memchr(line.data, ' ', line.len);
    if (!first)
        return -EBADMSG;
    r->method = (struct str){ line.data, (size_t) (first - line.data) };
    if (!http_is_token(r->method))
        return -EBADMSG;

    size_t left = line.len - r->method.len - 1;
    const char *second = memchr(first + 1, ' ', left);
    if (!second)
        return -EBADMSG; /* HTTP/0.9 among others */
    r->target = (struct str){ first + 1, (size_t) (second - first) - 1 };
    if (r->target.len == 0 || !http_all_in(r->target, HTTP_IS_TARGET))
        return -EBADMSG;
    return http_version((struct str){ second + 1, left - r->target.len - 1 }, &r->version_minor);
}

static int judge_host(struct http_request *r) {
    struct str host;
    size_t n = http_head_count(&r->head, STR("host"));

    if (n > 1)
        return -EBADMSG;
    if (n == 0)
        return r->version_minor >= 1 ? -EBADMSG : 0;
    (void) http_head_find(&r->head, STR("host"), &host);
    if (!is_authority(host))
        return -EBADMSG;
    if (r->host.len == 0)
        r->host = host; /* else the target's counts (RFC 9112 section 3.2.2) */
    return 0;
}

/* The request line is read twice: when it arrives, so that nonsense is refused at once, and with
 * the whole head, since the bytes may have moved. */
static int parse(struct http_request *r, const struct http_limits *limits, struct bytes in) {
    struct http_head *h = &r->head;
    struct str line;
    int n;

    if (!h->has_line) {
        /* One empty line before a request is forgiven (section 2.2). */
        if (h->line_at == 0 && in.len >= 1 && in.data[0] == '\r') {
            if (in.len < 2)
                return 0;
            if (in.data[1] != '\n')
                return -EBADMSG;
            h->line_at = h->scanned = 2;
        }
        /* Another protocol, TLS say, sends no line to wait for. */
        if (in.len > h->line_at && !(http_classes[in.data[h->line_at]] & HTTP_IS_TOKEN))
            return -EBADMSG;
        r->line_at = h->line_at;
        n = http_head_line(h, limits, in, &line);
        if (n <= 0)
            return n;
        n = read_request_line(r, line);
        if (n < 0)
            return n;
        r->line_len = (uint32_t) line.len;
        h->has_line = true;
    }

    n = http_head_fields(h, limits, in);
    if (n <= 0)
        return n;
    line = (struct str){ (const char *) in.data + r->line_at, r->line_len };
    n = read_request_line(r, line);
    if (n < 0)
        return n;
    n = split_target(r);
    if (n < 0)
        return n;
    n = judge_host(r);
    if (n < 0)
        return n;

    struct http_framing f;
    n = http_head_framing(h, r->version_minor, &f);
    if (n < 0)
        return n;
    r->content_length = f.content_length;
    r->has_length = f.has_length;
    r->is_chunked = f.is_chunked;
    r->keeps_alive = f.keeps_alive;
    r->expects_continue = r->version_minor >= 1 && (f.is_chunked || f.content_length > 0) &&
                          http_head_has_token(h, STR("expect"), STR("100-continue"));
    r->size = h->line_at;
    return 1;
}

int http_request_parse(struct http_request *r, const struct http_limits *limits, struct bytes in) {
    if (r->head.error)
        return r->head.error;
    if (in.len == 0)
        return 0;

    int n = parse(r, limits, in);
    if (n < 0)
        r->head.error = (int16_t) n;
    return n;
}
