#include <errno.h>

#include "protocol/http_impl.h"

#define T HTTP_IS_TOKEN
#define V HTTP_IS_VALUE
#define G HTTP_IS_TARGET
#define H HTTP_IS_HOST
#define A (T | V | G | H)
const uint8_t http_classes[256] = {
    ['\t'] = V,        [' '] = V,         ['!'] = A,           ['"'] = V,         ['#'] = T | V,
    ['$'] = A,         ['%'] = A,         ['&'] = A,           ['\''] = A,        ['('] = V | G | H,
    [')'] = V | G | H, ['*'] = A,         ['+'] = A,           [','] = V | G | H, ['-'] = A,
    ['.'] = A,         ['/'] = V | G,     ['0' ... '9'] = A,   [':'] = V | G | H, [';'] = V | G | H,
    ['<'] = V,         ['='] = V | G | H, ['>'] = V,           ['?'] = V | G,     ['@'] = V | G,
    ['A' ... 'Z'] = A, ['['] = V | G | H, ['\\'] = V | G,      [']'] = V | G | H, ['^'] = T | V | G,
    ['_'] = A,         ['`'] = T | V | G, ['a' ... 'z'] = A,   ['{'] = V | G,     ['|'] = T | V | G,
    ['}'] = V | G,     ['~'] = A,         [0x80 ... 0xff] = V,
};
#undef T
#undef V
#undef G
#undef H
#undef A

bool http_is_token(struct str s) {
    return s.len > 0 && http_all_in(s, HTTP_IS_TOKEN);
}

size_t http_token_length(struct str s) {
    size_t n = 0;
    while (n < s.len && (http_classes[(uint8_t) s.data[n]] & HTTP_IS_TOKEN))
        n++;
    return n;
}

static const uint64_t each = UINT64_C(0x0101010101010101);

static inline uint64_t load_word(const char *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint8_t lower(char c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : (uint8_t) c;
}

/* Of eight characters: without their top bits, what is added makes one of those that reach 'A', and
 * of those past 'Z'. */
static inline uint64_t lower_word(uint64_t w) {
    uint64_t low = w & each * 0x7f;
    uint64_t is_upper = ((low + each * (0x80 - 'A')) ^ (low + each * (0x7f - 'Z'))) & ~w;
    return w | (is_upper & each * 0x80) >> 2;
}

bool http_equal_nocase(struct str a, struct str b) {
    if (a.len != b.len)
        return false;
    size_t i = 0;
    for (; a.len - i >= 8; i += 8) {
        if (lower_word(load_word(a.data + i)) != lower_word(load_word(b.data + i)))
            return false;
    }
    for (; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    }
    return true;
}

int http_status_of(int error) {
    switch (error) {
    case -EBADMSG:
        return 400;
    case -EMSGSIZE:
        return 413;
    case -ENAMETOOLONG:
        return 414;
    case -E2BIG:
        return 431;
    case -ENOSYS:
        return 501;
    case -EPROTONOSUPPORT:
        return 505;
    default:
        return 500;
    }
}

/* ---- reading lines ---- */

int http_head_line(struct http_head *h, const struct http_limits *limits, struct bytes in,
                   struct str *ret) {
    const char *base = (const char *) in.data;
    const char *lf =
            in.len > h->scanned ? memchr(base + h->scanned, '\n', in.len - h->scanned) : NULL;
    size_t end = lf ? (size_t) (lf - base) + 1 : in.len;

    /* Limits first, whether the line is complete or not: so that no split changes the answer. */
    if (!h->has_line && end - h->line_at > limits->max_line)
        return -ENAMETOOLONG;
    if (end > limits->max_head)
        return -E2BIG;
    if (!lf) {
        h->scanned = (uint32_t) in.len;
        return 0;
    }
    if (end - h->line_at < 2 || lf[-1] != '\r')
        return -EBADMSG; /* a bare LF: others may not see a line's end in it */

    *ret = (struct str){ .data = base + h->line_at, .len = end - h->line_at - 2 };
    h->line_at = h->scanned = (uint32_t) end;
    return 1;
}

/* Values are nearly all printable ASCII: eight at a time. From a space to '~' neither subtraction
 * nor addition reaches a top bit; what does is looked up. */
bool http_is_value(struct str s) {
    while (s.len >= 8) {
        uint64_t w = load_word(s.data);
        if ((((w - each * ' ') | (w + each * (0x7f - '~'))) & each * 0x80) &&
            !http_all_in((struct str){ s.data, 8 }, HTTP_IS_VALUE))
            return false;
        s.data += 8;
        s.len -= 8;
    }
    return http_all_in(s, HTTP_IS_VALUE);
}

static int read_field(struct http_head *h, const struct http_limits *limits, const char *base,
                      struct str line) {
    const char *colon = memchr(line.data, ':', line.len);
    struct str name = { line.data, colon ? (size_t) (colon - line.data) : 0 };
    /* No name, a space before the colon, a folded line (RFC 9112 section 5.1, 5.2), or no colon. */
    if (!http_is_token(name))
        return -EBADMSG;

    struct str value = { colon + 1, line.len - name.len - 1 };
    if (!http_is_value(value))
        return -EBADMSG;
    while (value.len && (value.data[0] == ' ' || value.data[0] == '\t'))
        value.data++, value.len--;
    while (value.len && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t'))
        value.len--;

    if (h->count >= limits->max_headers || h->count >= HTTP_HEADERS_MAX)
        return -E2BIG;
    h->fields[h->count].name_at = (uint32_t) (line.data - base);
    h->fields[h->count].name_len = (uint32_t) name.len;
    h->fields[h->count].value_at = (uint32_t) (value.data - base);
    h->fields[h->count].value_len = (uint32_t) value.len;
    h->count++;
    return 0;
}

int http_head_fields(struct http_head *h, const struct http_limits *limits, struct bytes in) {
    struct str line;
    int r;

    while ((r = http_head_line(h, limits, in, &line)) > 0) {
        if (line.len == 0) {
            h->base = (const char *) in.data;
            return 1;
        }
        r = read_field(h, limits, (const char *) in.data, line);
        if (r < 0)
            return r;
    }
    return r;
}

int http_version(struct str s, uint8_t *ret_minor) {
    if (s.len != 8 || memcmp(s.data, "HTTP/", 5) != 0 || s.data[5] < '0' || s.data[5] > '9' ||
        s.data[6] != '.' || s.data[7] < '0' || s.data[7] > '9')
        return -EBADMSG;
    if (s.data[5] != '1' || s.data[7] > '1')
        return -EPROTONOSUPPORT;
    *ret_minor = (uint8_t) (s.data[7] - '0');
    return 0;
}

/* ---- looking up ---- */

static struct str name_at(const struct http_head *h, size_t i) {
    return (struct str){ h->base + h->fields[i].name_at, h->fields[i].name_len };
}

static struct str value_at(const struct http_head *h, size_t i) {
    return (struct str){ h->base + h->fields[i].value_at, h->fields[i].value_len };
}

/* Nearly all names differ in length or in their first letter. */
static inline bool is_named(const struct http_head *h, size_t i, struct str name) {
    return h->fields[i].name_len == name.len &&
           ((h->base[h->fields[i].name_at] ^ name.data[0]) & ~0x20) == 0 &&
           http_equal_nocase(name_at(h, i), name);
}

int http_head_find(const struct http_head *h, struct str name, struct str *ret_value) {
    for (size_t i = 0; i < h->count; i++) {
        if (is_named(h, i, name)) {
            *ret_value = value_at(h, i);
            return 1;
        }
    }
    return 0;
}

size_t http_head_count(const struct http_head *h, struct str name) {
    size_t n = 0;
    for (size_t i = 0; i < h->count; i++)
        n += is_named(h, i, name);
    return n;
}

size_t http_head_size(const struct http_head *h) {
    return h->count;
}

struct http_header http_head_at(const struct http_head *h, size_t index) {
    return (struct http_header){ .name = name_at(h, index), .value = value_at(h, index) };
}

struct http_list http_list_of(const struct http_head *h, struct str name) {
    return (struct http_list){ .head = h, .name = name };
}

/* Cuts the next element off the front of a list. */
static struct str list_cut(struct str *rest) {
    size_t i = 0;
    bool is_quoted = false;

    for (; i < rest->len && (is_quoted || rest->data[i] != ','); i++) {
        if (rest->data[i] == '"')
            is_quoted = !is_quoted;
        else if (is_quoted && rest->data[i] == '\\' && i + 1 < rest->len)
            i++;
    }
    struct str element = { rest->data, i };
    size_t used = i < rest->len ? i + 1 : i;
    rest->data += used;
    rest->len -= used;

    while (element.len && (element.data[0] == ' ' || element.data[0] == '\t'))
        element.data++, element.len--;
    while (element.len &&
           (element.data[element.len - 1] == ' ' || element.data[element.len - 1] == '\t'))
        element.len--;
    return element;
}

int http_list_next(struct http_list *l, struct str *ret) {
    for (;;) {
        while (l->rest.len) {
            struct str element = list_cut(&l->rest);
            if (element.len) {
                *ret = element;
                return 1;
            }
        }
        while (l->index < l->head->count && !is_named(l->head, l->index, l->name))
            l->index++;
        if (l->index == l->head->count)
            return 0;
        l->rest = value_at(l->head, l->index++);
    }
}

bool http_head_has_token(const struct http_head *h, struct str name, struct str token) {
    struct http_list l = http_list_of(h, name);
    struct str element;

    while (http_list_next(&l, &element)) {
        if (http_equal_nocase(element, token))
            return true;
    }
    return false;
}

/* ---- framing ---- */

static int read_length(struct str s, uint64_t *ret) {
    uint64_t n = 0;
    if (s.len == 0 || s.len > 18)
        return -EBADMSG;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return -EBADMSG; /* a sign, or a list of lengths: RFC 9112 section 6.3 lets us refuse */
        n = n * 10 + (uint64_t) (s.data[i] - '0');
    }
    *ret = n;
    return 0;
}

int http_head_framing(const struct http_head *h, unsigned version_minor, struct http_framing *ret) {
    struct http_framing f = { 0 };
    bool says_close = false, says_keep = false;

    for (size_t i = 0; i < h->count; i++) {
        if (is_named(h, i, STR("connection"))) {
            struct str rest = value_at(h, i);
            while (rest.len) {
                struct str token = list_cut(&rest);
                says_close |= http_equal_nocase(token, STR("close"));
                says_keep |= http_equal_nocase(token, STR("keep-alive"));
            }
        } else if (is_named(h, i, STR("content-length"))) {
            if (f.has_length || read_length(value_at(h, i), &f.content_length) < 0)
                return -EBADMSG;
            f.has_length = true;
        } else if (is_named(h, i, STR("transfer-encoding"))) {
            if (f.is_chunked || version_minor == 0)
                return -EBADMSG;
            if (!http_equal_nocase(value_at(h, i), STR("chunked")))
                return -ENOSYS;
            f.is_chunked = true;
        }
    }
    if (f.has_length && f.is_chunked)
        return -EBADMSG; /* section 6.1: request smuggling */
    f.keeps_alive = !says_close && (version_minor >= 1 || says_keep);
    *ret = f;
    return 0;
}
