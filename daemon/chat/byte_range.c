#include "daemon/chat/byte_range.h"

/* Digits, at least one; false: other, or more than fit. */
static bool read_number(struct str s, uint64_t *ret) {
    uint64_t n = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned) (s.data[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
            return false;
    }
    *ret = n;
    return true;
}

static struct str trim(struct str s) {
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = (struct str){ s.data + 1, s.len - 1 };
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static enum byte_range_kind read_range(struct str set, uint64_t size, struct byte_range *ret) {
    const char *dash = set.len > 0 ? memchr(set.data, '-', set.len) : NULL;
    if (!dash || memchr(set.data, ',', set.len)) /* several: they are not worth it */
        return BYTE_RANGE_ALL;
    size_t at = (size_t) (dash - set.data);
    struct str first = trim((struct str){ set.data, at });
    struct str last = trim((struct str){ dash + 1, set.len - at - 1 });
    uint64_t from = 0, to = 0;

    if (first.len == 0) { /* so many at the end */
        if (!read_number(last, &to))
            return BYTE_RANGE_ALL;
        if (to == 0 || size == 0)
            return BYTE_RANGE_NONE;
        to = to < size ? to : size;
        *ret = (struct byte_range){ size - to, to };
        return BYTE_RANGE_PART;
    }
    if (!read_number(first, &from) || (last.len > 0 && !read_number(last, &to)) ||
        (last.len > 0 && to < from))
        return BYTE_RANGE_ALL;
    if (from >= size)
        return BYTE_RANGE_NONE;
    if (last.len == 0 || to >= size)
        to = size - 1;
    *ret = (struct byte_range){ from, to - from + 1 };
    return BYTE_RANGE_PART;
}

enum byte_range_kind byte_range_of(const struct http_head *head, struct str etag, uint64_t size,
                                   struct byte_range *ret) {
    struct str value, condition;
    if (http_head_count(head, STR("Range")) != 1 ||
        http_head_find(head, STR("Range"), &value) != 1 || value.len < 6 ||
        !http_equal_nocase((struct str){ value.data, 6 }, STR("bytes=")))
        return BYTE_RANGE_ALL;
    if (http_head_find(head, STR("If-Range"), &condition) == 1 && !str_equal(condition, etag))
        return BYTE_RANGE_ALL;
    return read_range((struct str){ value.data + 6, value.len - 6 }, size, ret);
}

bool byte_range_is_known(const struct http_head *head, struct str etag) {
    struct http_list list = http_list_of(head, STR("If-None-Match"));
    struct str one;
    while (http_list_next(&list, &one)) {
        if (str_starts_with(one, STR("W/")))
            one = (struct str){ one.data + 2, one.len - 2 };
        if (str_equal(one, STR("*")) || str_equal(one, etag))
            return true;
    }
    return false;
}
