#include "protocol/cookie.h"

#include <errno.h>

static struct str trimmed(struct str s) {
    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* What comes before the separator; *rest begins behind it. */
static struct str take_until(struct str *rest, char separator) {
    const char *end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    size_t len = end ? (size_t) (end - rest->data) : rest->len;
    struct str taken = { rest->data, len };
    *rest = end ? (struct str){ end + 1, rest->len - len - 1 } : (struct str){ 0 };
    return taken;
}

static int find_in(struct str header, struct str name, struct str *ret_value) {
    while (header.len) {
        struct str value = take_until(&header, ';'), own;
        if (!memchr(value.data, '=', value.len)) /* one without a name */
            continue;
        own = trimmed(take_until(&value, '='));
        if (!str_equal(own, name))
            continue;
        value = trimmed(value);
        if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
            value = (struct str){ value.data + 1, value.len - 2 };
        *ret_value = value;
        return 1;
    }
    return 0;
}

int cookie_find(const struct http_head *head, struct str name, struct str *ret_value) {
    for (size_t i = 0; i < http_head_size(head); i++) {
        struct http_header h = http_head_at(head, i);
        if (http_equal_nocase(h.name, STR("Cookie")) && h.value.len &&
            find_in(h.value, name, ret_value))
            return 1;
    }
    return 0;
}

/* RFC 6265 section 4.1.1: cookie-octet. */
static bool is_value(struct str s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char) s.data[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

int cookie_write(const struct cookie *c, struct buffer *out) {
    if (!http_is_token(c->name) || !is_value(c->value))
        return -EINVAL;
    buffer_append_str(out, c->name);
    buffer_append_byte(out, '=');
    buffer_append_str(out, c->value);
    buffer_append_str(out, STR("; Path=/; HttpOnly; SameSite=Strict"));
    if (c->max_age_s >= 0) {
        buffer_append_str(out, STR("; Max-Age="));
        buffer_append_int(out, c->max_age_s);
    }
    if (c->is_secure)
        buffer_append_str(out, STR("; Secure"));
    return 0;
}
