#include <stdio.h>
#include <string.h>

#include "tests/support/redis_model/command.h"

static void put(struct call *c, struct bytes key, struct bytes value, int64_t expires_ms) {
    struct value *v = keyspace_find(c->keys, key, c->now_ms);
    if (v && v->type != VALUE_STRING) {
        keyspace_remove(c->keys, v);
        v = NULL;
    }
    if (!v)
        v = keyspace_add(c->keys, key, VALUE_STRING);
    blob_set(&v->string, value);
    v->expires_ms = expires_ms;
    c->has_written = true;
}

static void run_get(struct call *c) {
    struct value *v;
    if (!find_typed(c, 1, VALUE_STRING, &v))
        return;
    if (v)
        answer_bulk(c, blob_bytes(&v->string));
    else
        answer_nil(c);
}

struct set_options {
    bool is_new, is_old, keeps_ttl, gets;
    int64_t expires_ms;
};

static bool has_expiry_word(struct bytes b, int64_t *ret_unit, bool *ret_absolute) {
    *ret_unit = bytes_are(b, "ex") || bytes_are(b, "exat") ? 1000 : 1;
    *ret_absolute = bytes_are(b, "exat") || bytes_are(b, "pxat");
    return *ret_absolute || bytes_are(b, "ex") || bytes_are(b, "px");
}

/* value: of a number of seconds or ms. 0 is no time. */
static bool read_expiry(struct call *c, size_t i, int64_t unit, bool is_absolute,
                        const char *command, int64_t *ret) {
    int64_t value;
    if (!argument_int(c, i, &value))
        return false;
    if (value <= 0) {
        char text[80];
        (void) snprintf(text, sizeof text, "ERR invalid expire time in '%s' command", command);
        answer_error(c, text);
        return false;
    }
    *ret = value * unit + (is_absolute ? 0 : c->now_ms);
    return true;
}

static bool read_set_options(struct call *c, struct set_options *ret) {
    size_t expiry_at = 0;
    int64_t unit = 1;
    bool is_absolute = false, is_right = true;

    *ret = (struct set_options){ 0 };
    for (size_t i = 3; i < c->n && is_right; i++) {
        int64_t this_unit;
        bool this_absolute;
        if (bytes_are(c->argv[i], "nx") && !ret->is_old) {
            ret->is_new = true;
        } else if (bytes_are(c->argv[i], "xx") && !ret->is_new) {
            ret->is_old = true;
        } else if (bytes_are(c->argv[i], "get")) {
            ret->gets = true;
        } else if (bytes_are(c->argv[i], "keepttl") && !expiry_at) {
            ret->keeps_ttl = true;
        } else if (has_expiry_word(c->argv[i], &this_unit, &this_absolute) && !expiry_at &&
                   !ret->keeps_ttl && i + 1 < c->n) {
            expiry_at = ++i;
            unit = this_unit;
            is_absolute = this_absolute;
        } else {
            is_right = false;
        }
    }
    if (!is_right) {
        answer_error(c, "ERR syntax error");
        return false;
    }
    return !expiry_at || read_expiry(c, expiry_at, unit, is_absolute, "set", &ret->expires_ms);
}

static void run_set(struct call *c) {
    struct set_options o;
    struct value *v;

    if (!read_set_options(c, &o))
        return;
    if (o.gets) {
        if (!find_typed(c, 1, VALUE_STRING, &v))
            return;
        if (v)
            answer_bulk(c, blob_bytes(&v->string));
        else
            answer_nil(c);
    }
    v = keyspace_find(c->keys, c->argv[1], c->now_ms);
    if ((o.is_new && v) || (o.is_old && !v)) {
        if (!o.gets)
            answer_nil(c);
        return;
    }
    if (o.keeps_ttl && v)
        o.expires_ms = v->expires_ms;
    put(c, c->argv[1], c->argv[2], o.expires_ms);
    if (!o.gets)
        answer_status(c, "OK");
}

static void run_setnx(struct call *c) {
    bool is_new = !keyspace_find(c->keys, c->argv[1], c->now_ms);
    if (is_new)
        put(c, c->argv[1], c->argv[2], 0);
    answer_int(c, is_new);
}

static void run_setex(struct call *c) {
    int64_t expires_ms;
    if (!read_expiry(c, 2, 1000, false, "setex", &expires_ms))
        return;
    put(c, c->argv[1], c->argv[3], expires_ms);
    answer_status(c, "OK");
}

static void run_psetex(struct call *c) {
    int64_t expires_ms;
    if (!read_expiry(c, 2, 1, false, "psetex", &expires_ms))
        return;
    put(c, c->argv[1], c->argv[3], expires_ms);
    answer_status(c, "OK");
}

static void run_mget(struct call *c) {
    answer_array(c, c->n - 1);
    for (size_t i = 1; i < c->n; i++) {
        const struct value *v = keyspace_find(c->keys, c->argv[i], c->now_ms);
        if (v && v->type == VALUE_STRING)
            answer_bulk(c, blob_bytes(&v->string));
        else
            answer_nil(c);
    }
}

static void run_strlen(struct call *c) {
    struct value *v;
    if (find_typed(c, 1, VALUE_STRING, &v))
        answer_int(c, v ? (int64_t) v->string.len : 0);
}

static void add(struct call *c, int64_t by) {
    struct value *v;
    int64_t value = 0;
    char text[24];

    if (!find_typed(c, 1, VALUE_STRING, &v))
        return;
    if (v && !bytes_to_int(blob_bytes(&v->string), &value)) {
        answer_error(c, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        answer_error(c, "ERR increment or decrement would overflow");
        return;
    }
    int len = snprintf(text, sizeof text, "%lld", (long long) value);
    put(c, c->argv[1], bytes_of(text, (size_t) len), v ? v->expires_ms : 0);
    answer_int(c, value);
}

static void run_incr(struct call *c) {
    add(c, 1);
}

static void run_decr(struct call *c) {
    add(c, -1);
}

static void run_incrby(struct call *c) {
    int64_t by;
    if (argument_int(c, 2, &by))
        add(c, by);
}

const struct redis_command_entry string_commands[] = {
    { "get", 2, 0, run_get },
    { "set", -3, COMMAND_WRITES | COMMAND_GROWS, run_set },
    { "setnx", 3, COMMAND_WRITES | COMMAND_GROWS, run_setnx },
    { "setex", 4, COMMAND_WRITES | COMMAND_GROWS, run_setex },
    { "psetex", 4, COMMAND_WRITES | COMMAND_GROWS, run_psetex },
    { "mget", -2, 0, run_mget },
    { "strlen", 2, 0, run_strlen },
    { "incr", 2, COMMAND_WRITES | COMMAND_GROWS, run_incr },
    { "decr", 2, COMMAND_WRITES | COMMAND_GROWS, run_decr },
    { "incrby", 3, COMMAND_WRITES | COMMAND_GROWS, run_incrby },
    { 0 },
};
