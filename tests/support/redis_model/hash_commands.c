#include <stdio.h>

#include "tests/support/redis_model/command.h"

static void set_fields(struct call *c, bool counts) {
    struct value *v;
    int64_t n = 0;

    if (c->n % 2) {
        answer_error(c, counts ? "ERR wrong number of arguments for 'hset' command"
                               : "ERR wrong number of arguments for 'hmset' command");
        return;
    }
    if (!want_typed(c, 1, VALUE_HASH, &v))
        return;
    for (size_t i = 2; i < c->n; i += 2)
        n += hash_put(v, c->argv[i], c->argv[i + 1]);
    c->has_written = true;
    if (counts)
        answer_int(c, n);
    else
        answer_status(c, "OK");
}

static void run_hset(struct call *c) {
    set_fields(c, true);
}

static void run_hmset(struct call *c) {
    set_fields(c, false);
}

static void run_hsetnx(struct call *c) {
    struct value *v;
    if (!want_typed(c, 1, VALUE_HASH, &v))
        return;
    bool is_new = !hash_find(v, c->argv[2]);
    if (is_new)
        (void) hash_put(v, c->argv[2], c->argv[3]);
    c->has_written = is_new;
    answer_int(c, is_new);
}

static void answer_field(struct call *c, struct value *v, struct bytes name) {
    const struct hash_pair *pair = v ? hash_find(v, name) : NULL;
    if (pair)
        answer_bulk(c, blob_bytes(&pair->value));
    else
        answer_nil(c);
}

static void run_hget(struct call *c) {
    struct value *v;
    if (find_typed(c, 1, VALUE_HASH, &v))
        answer_field(c, v, c->argv[2]);
}

static void run_hmget(struct call *c) {
    struct value *v;
    if (!find_typed(c, 1, VALUE_HASH, &v))
        return;
    answer_array(c, c->n - 2);
    for (size_t i = 2; i < c->n; i++)
        answer_field(c, v, c->argv[i]);
}

static void list(struct call *c, bool has_names, bool has_values) {
    struct value *v;
    if (!find_typed(c, 1, VALUE_HASH, &v))
        return;
    answer_array(c, v ? v->n * (size_t) (has_names + has_values) : 0);
    for (size_t i = 0; v && i < v->n; i++) {
        if (has_names)
            answer_bulk(c, blob_bytes(&v->pairs[i].name));
        if (has_values)
            answer_bulk(c, blob_bytes(&v->pairs[i].value));
    }
}

static void run_hgetall(struct call *c) {
    list(c, true, true);
}

static void run_hkeys(struct call *c) {
    list(c, true, false);
}

static void run_hvals(struct call *c) {
    list(c, false, true);
}

static void run_hdel(struct call *c) {
    struct value *v;
    int64_t n = 0;
    if (!find_typed(c, 1, VALUE_HASH, &v))
        return;
    for (size_t i = 2; v && i < c->n; i++)
        n += hash_delete(v, c->argv[i]);
    c->has_written = n > 0;
    if (v)
        drop_if_empty(c, v);
    answer_int(c, n);
}

static void run_hexists(struct call *c) {
    struct value *v;
    if (find_typed(c, 1, VALUE_HASH, &v))
        answer_int(c, v && hash_find(v, c->argv[2]));
}

static void run_hlen(struct call *c) {
    struct value *v;
    if (find_typed(c, 1, VALUE_HASH, &v))
        answer_int(c, v ? (int64_t) v->n : 0);
}

static void run_hincrby(struct call *c) {
    struct value *v;
    int64_t by, value = 0;
    char text[24];

    if (!argument_int(c, 3, &by) || !want_typed(c, 1, VALUE_HASH, &v))
        return;
    const struct hash_pair *pair = hash_find(v, c->argv[2]);
    if (pair && !bytes_to_int(blob_bytes(&pair->value), &value)) {
        answer_error(c, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        answer_error(c, "ERR increment or decrement would overflow");
        return;
    }
    int len = snprintf(text, sizeof text, "%lld", (long long) value);
    (void) hash_put(v, c->argv[2], bytes_of(text, (size_t) len));
    c->has_written = true;
    answer_int(c, value);
}

const struct redis_command_entry hash_commands[] = {
    { "hset", -4, COMMAND_WRITES | COMMAND_GROWS, run_hset },
    { "hmset", -4, COMMAND_WRITES | COMMAND_GROWS, run_hmset },
    { "hsetnx", 4, COMMAND_WRITES | COMMAND_GROWS, run_hsetnx },
    { "hget", 3, 0, run_hget },
    { "hmget", -3, 0, run_hmget },
    { "hgetall", 2, 0, run_hgetall },
    { "hkeys", 2, 0, run_hkeys },
    { "hvals", 2, 0, run_hvals },
    { "hdel", -3, COMMAND_WRITES, run_hdel },
    { "hexists", 3, 0, run_hexists },
    { "hlen", 2, 0, run_hlen },
    { "hincrby", 4, COMMAND_WRITES | COMMAND_GROWS, run_hincrby },
    { 0 },
};
