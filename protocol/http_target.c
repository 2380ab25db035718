#include <errno.h>

#include "protocol/http_impl.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int http_percent_decode(struct str in, bool is_query, char *to, size_t cap, size_t *ret_len) {
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.data[i];
        if (c == '%') {
            if (in.len - i < 3)
                return -EINVAL;
            int high = hex_digit(in.data[i + 1]);
            int low = hex_digit(in.data[i + 2]);
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return -EINVAL;
            c = (char) (high << 4 | low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (n == cap)
            return -ENOBUFS;
        to[n++] = c;
    }
    *ret_len = n;
    return 0;
}

int http_query_find(struct str query, struct str name, struct str *ret_value) {
    while (query.len) {
        const char *amp = memchr(query.data, '&', query.len);
        size_t len = amp ? (size_t) (amp - query.data) : query.len;
        const char *eq = memchr(query.data, '=', len);
        size_t name_len = eq ? (size_t) (eq - query.data) : len;

        if (str_equal((struct str){ query.data, name_len }, name)) {
            size_t at = eq ? name_len + 1 : len;
            *ret_value = (struct str){ query.data + at, len - at };
            return 1;
        }
        size_t used = amp ? len + 1 : len;
        query.data += used;
        query.len -= used;
    }
    return 0;
}
