#include "tests/support/redis_model/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- answers ---- */

void answer_status(struct call *c, const char *text) {
    buffer_printf(c->out, "+%s\r\n", text);
}

void answer_error(struct call *c, const char *text) {
    buffer_printf(c->out, "-%s\r\n", text);
}

void answer_int(struct call *c, int64_t value) {
    buffer_printf(c->out, ":%lld\r\n", (long long) value);
}

void answer_bulk(struct call *c, struct bytes b) {
    buffer_printf(c->out, "$%zu\r\n", b.len);
    buffer_append_bytes(c->out, b);
    buffer_append_str(c->out, STR("\r\n"));
}

void answer_nil(struct call *c) {
    buffer_append_str(c->out, STR("$-1\r\n"));
}

void answer_nil_array(struct call *c) {
    buffer_append_str(c->out, STR("*-1\r\n"));
}

void answer_array(struct call *c, size_t n) {
    buffer_printf(c->out, "*%zu\r\n", n);
}

void answer_double(struct call *c, double value) {
    char text[64];
    int len = isinf(value) ? snprintf(text, sizeof text, value > 0 ? "inf" : "-inf")
                           : snprintf(text, sizeof text, "%.17g", value);
    answer_bulk(c, bytes_of(text, (size_t) len));
}

/* ---- arguments ---- */

bool bytes_are(struct bytes b, const char *word) {
    return b.len == strlen(word) && strncasecmp((const char *) b.data, word, b.len) == 0;
}

bool bytes_to_int(struct bytes b, int64_t *ret) {
    char text[24], again[24];

    if (b.len == 0 || b.len >= sizeof text)
        return false;
    memcpy(text, b.data, b.len);
    text[b.len] = 0;
    long long value = strtoll(text, NULL, 10);
    int len = snprintf(again, sizeof again, "%lld", value);
    if ((size_t) len != b.len || memcmp(text, again, b.len) != 0)
        return false;
    *ret = value;
    return true;
}

bool bytes_to_double(struct bytes b, double *ret) {
    char text[128], *end;

    if (b.len == 0 || b.len >= sizeof text || b.data[0] == ' ')
        return false;
    memcpy(text, b.data, b.len);
    text[b.len] = 0;
    double value = strtod(text, &end);
    if (*end || end != text + b.len || isnan(value))
        return false;
    *ret = value;
    return true;
}

bool argument_int(struct call *c, size_t i, int64_t *ret) {
    if (bytes_to_int(c->argv[i], ret))
        return true;
    answer_error(c, "ERR value is not an integer or out of range");
    return false;
}

bool find_typed(struct call *c, size_t i, enum value_type type, struct value **ret) {
    *ret = keyspace_find(c->keys, c->argv[i], c->now_ms);
    if (!*ret || (*ret)->type == type)
        return true;
    answer_error(c, "WRONGTYPE Operation against a key holding the wrong kind of value");
    return false;
}

bool want_typed(struct call *c, size_t i, enum value_type type, struct value **ret) {
    if (!find_typed(c, i, type, ret))
        return false;
    if (!*ret)
        *ret = keyspace_add(c->keys, c->argv[i], type);
    return true;
}

void drop_if_empty(struct call *c, struct value *v) {
    if (v->n == 0)
        keyspace_remove(c->keys, v);
}
