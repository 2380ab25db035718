#include <errno.h>

#include "protocol/http_impl.h"

void http_response_init(struct http_response *r) {
    memset(r, 0, offsetof(struct http_response, head.fields));
    memset((char *) r + sizeof r->head, 0, sizeof *r - sizeof r->head);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 101 Switching Protocols"; the space before an empty reason may be missing, as many
 * servers do. */
static int read_status_line(struct http_response *r, struct str line) {
    const char *s = line.data;

    if (line.len < 12 || s[8] != ' ' || s[9] < '1' || !is_digit(s[9]) || !is_digit(s[10]) ||
        !is_digit(s[11]) || (line.len > 12 && s[12] != ' '))
        return -EBADMSG;
    r->status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
    r->reason = line.len > 13 ? (struct str){ s + 13, line.len - 13 } : (struct str){ 0 };
    if (!http_is_value(r->reason))
        return -EBADMSG;
    return http_version((struct str){ s, 8 }, &r->version_minor);
}

static int parse(struct http_response *r, const struct http_limits *limits, struct bytes in) {
    struct http_head *h = &r->head;
    struct str line;
    int n;

    if (!h->has_line) {
        if (in.data[0] != 'H')
            return -EBADMSG;
        n = http_head_line(h, limits, in, &line);
        if (n <= 0)
            return n;
        n = read_status_line(r, line);
        if (n < 0)
            return n;
        r->line_len = (uint32_t) line.len;
        h->has_line = true;
    }

    n = http_head_fields(h, limits, in);
    if (n <= 0)
        return n;
    n = read_status_line(r, (struct str){ (const char *) in.data, r->line_len });
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
    r->size = h->line_at;
    return 1;
}

int http_response_parse(struct http_response *r, const struct http_limits *limits,
                        struct bytes in) {
    if (r->head.error)
        return r->head.error;
    if (in.len == 0)
        return 0;

    int n = parse(r, limits, in);
    if (n < 0)
        r->head.error = (int16_t) n;
    return n;
}
