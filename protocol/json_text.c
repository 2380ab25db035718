/* What the strings of a validated text mean, text as strings, and white space taken out. */
#include <errno.h>

#include "protocol/json_impl.h"

size_t json_compact_to(struct bytes text, char *out) {
    const char *p = (const char *) text.data, *end = p + text.len;
    char *to = out;

    while (p < end) {
        if (*p == '"') {
            const char *q = p + 1;
            while (*q != '"')
                q += *q == '\\' ? 2 : 1;
            memcpy(to, p, (size_t) (q + 1 - p));
            to += q + 1 - p;
            p = q + 1;
        } else {
            if (*p != ' ' && *p != '\t' && *p != '\n' && *p != '\r')
                *to++ = *p;
            p++;
        }
    }
    return (size_t) (to - out);
}

bool json_has_newline(struct bytes text) {
    return text.len && (memchr(text.data, '\n', text.len) || memchr(text.data, '\r', text.len));
}

void json_compact(struct bytes valid, struct buffer *out) {
    uint8_t *at = buffer_reserve(out, valid.len);

    if (at)
        buffer_added(out, json_compact_to(valid, (char *) at));
}

int json_string_text(struct json_string s, struct arena *a, struct str *ret) {
    if (likely(!s.is_escaped)) {
        *ret = s.raw;
        return 0;
    }

    char *text = arena_alloc(a, s.raw.len);
    if (!text)
        return -ENOMEM;
    *ret = (struct str){ .data = text, .len = json_unescape(s.raw, text) };
    return 0;
}

static unsigned hex4(const char *p) {
    return (unsigned) (json_hex_digit(p[0]) << 12 | json_hex_digit(p[1]) << 8 |
                       json_hex_digit(p[2]) << 4 | json_hex_digit(p[3]));
}

/* What the valid escape at *p means, in UTF-8: at most 4 bytes and never more than it took. Moves
 * on. */
static size_t unescape_one(const char **p, const char *end, char out[static 4]) {
    const char *at = *p;

    *p += 2;
    switch (at[1]) {
    case 'b':
        out[0] = '\b';
        return 1;
    case 'f':
        out[0] = '\f';
        return 1;
    case 'n':
        out[0] = '\n';
        return 1;
    case 'r':
        out[0] = '\r';
        return 1;
    case 't':
        out[0] = '\t';
        return 1;
    case 'u':
        break;
    default:
        out[0] = at[1];
        return 1;
    }

    *p = at + 6;
    unsigned c = hex4(at + 2);
    if (c >= 0xd800 && c <= 0xdfff) {
        unsigned low = 0;
        if (c <= 0xdbff && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u')
            low = hex4(*p + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *p += 6;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        } else {
            c = 0xfffd;
        }
    }

    if (c < 0x80) {
        out[0] = (char) c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char) (0xc0 | c >> 6);
        out[1] = (char) (0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char) (0xe0 | c >> 12);
        out[1] = (char) (0x80 | (c >> 6 & 0x3f));
        out[2] = (char) (0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char) (0xf0 | c >> 18);
    out[1] = (char) (0x80 | (c >> 12 & 0x3f));
    out[2] = (char) (0x80 | (c >> 6 & 0x3f));
    out[3] = (char) (0x80 | (c & 0x3f));
    return 4;
}

size_t json_unescape(struct str raw, char *out) {
    const char *p = raw.data, *end = p + raw.len;
    char *to = out;

    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t) (end - p));
        size_t plain = (size_t) ((escape ? escape : end) - p);
        memcpy(to, p, plain);
        to += plain;
        p += plain;

        if (escape) {
            char bytes[4];
            size_t n = unescape_one(&p, end, bytes);
            memcpy(to, bytes, n);
            to += n;
        }
    }
    return (size_t) (to - out);
}

bool json_string_equal(struct json_string s, struct str text) {
    if (!s.is_escaped)
        return str_equal(s.raw, text);

    const char *p = s.raw.data, *end = p + s.raw.len;
    const char *t = text.data, *t_end = t + text.len;
    while (p < end) {
        char bytes[4] = { *p };
        size_t n = 1;
        if (*p == '\\')
            n = unescape_one(&p, end, bytes);
        else
            p++;
        if ((size_t) (t_end - t) < n || memcmp(t, bytes, n) != 0)
            return false;
        t += n;
    }
    return t == t_end;
}

static void append_escape(struct buffer *out, char c) {
    static const char digits[] = "0123456789abcdef";
    char escape[6] = { '\\', 'u', '0', '0', digits[c >> 4 & 15], digits[c & 15] };

    switch (c) {
    case '"':
    case '\\':
        escape[1] = c;
        break;
    case '\b':
        escape[1] = 'b';
        break;
    case '\f':
        escape[1] = 'f';
        break;
    case '\n':
        escape[1] = 'n';
        break;
    case '\r':
        escape[1] = 'r';
        break;
    case '\t':
        escape[1] = 't';
        break;
    default:
        buffer_append(out, escape, 6);
        return;
    }
    buffer_append(out, escape, 2);
}

void json_append_string(struct buffer *out, struct str text) {
    if (!text.len) {
        buffer_append_str(out, STR("\"\""));
        return;
    }

    const char *p = text.data, *end = p + text.len, *run = p;
    if (likely(json_plain_end(p, end) == end)) { /* nearly always: at once */
        uint8_t *at = buffer_reserve(out, text.len + 2);
        if (!at)
            return;
        at[0] = '"';
        memcpy(at + 1, text.data, text.len);
        at[text.len + 1] = '"';
        buffer_added(out, text.len + 2);
        return;
    }
    buffer_append_byte(out, '"');
    while (p < end) {
        p = json_plain_end(p, end);
        if (p == end)
            break;

        if ((unsigned char) *p >= 0x80) {
            size_t len = json_utf8_sequence((const unsigned char *) p, (const unsigned char *) end);
            if (len) {
                p += len;
                continue;
            }
        }
        buffer_append(out, run, (size_t) (p - run));
        if ((unsigned char) *p >= 0x80)
            buffer_append_str(out, STR("\xef\xbf\xbd"));
        else
            append_escape(out, *p);
        run = ++p;
    }
    buffer_append(out, run, (size_t) (p - run));
    buffer_append_byte(out, '"');
}
