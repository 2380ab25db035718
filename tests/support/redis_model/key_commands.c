/* What is done to keys, whatever they hold. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/redis_model/command.h"

static void run_del(struct call *c) {
    int64_t n = 0;
    for (size_t i = 1; i < c->n; i++) {
        struct value *v = keyspace_find(c->keys, c->argv[i], c->now_ms);
        if (!v)
            continue;
        keyspace_remove(c->keys, v);
        n++;
    }
    c->has_written = n > 0;
    answer_int(c, n);
}

static void run_exists(struct call *c) {
    int64_t n = 0;
    for (size_t i = 1; i < c->n; i++)
        n += keyspace_find(c->keys, c->argv[i], c->now_ms) != NULL;
    answer_int(c, n);
}

static void run_type(struct call *c) {
    static const char *const names[] = { "string", "hash", "zset", "stream" };
    const struct value *v = keyspace_find(c->keys, c->argv[1], c->now_ms);
    answer_status(c, v ? names[v->type] : "none");
}

/* ---- expiry ---- */

enum expiry_condition { EXPIRY_NX = 1, EXPIRY_XX = 2, EXPIRY_GT = 4, EXPIRY_LT = 8 };

static bool read_conditions(struct call *c, unsigned *ret) {
    static const char *const words[] = { "nx", "xx", "gt", "lt" };

    *ret = 0;
    for (size_t i = 3; i < c->n; i++) {
        size_t k = 0;
        while (k < ELEMENTS_OF(words) && !bytes_are(c->argv[i], words[k]))
            k++;
        if (k == ELEMENTS_OF(words)) {
            char text[160];
            (void) snprintf(text, sizeof text, "ERR Unsupported option %.*s",
                            (int) (c->argv[i].len < 100 ? c->argv[i].len : 100),
                            (const char *) c->argv[i].data);
            answer_error(c, text);
            return false;
        }
        *ret |= 1U << k;
    }
    if ((*ret & EXPIRY_NX && *ret & ~(unsigned) EXPIRY_NX)) {
        answer_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (*ret & EXPIRY_GT && *ret & EXPIRY_LT) {
        answer_error(c, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

static bool is_met(const struct value *v, int64_t at_ms, unsigned conditions) {
    int64_t old = v->expires_ms;
    return !(conditions & EXPIRY_NX && old) && !(conditions & EXPIRY_XX && !old) &&
           !(conditions & EXPIRY_GT && (!old || at_ms <= old)) &&
           !(conditions & EXPIRY_LT && old && at_ms >= old);
}

static void expire(struct call *c, int64_t unit_ms, bool is_absolute) {
    int64_t value;
    unsigned conditions;
    if (!read_conditions(c, &conditions) || !argument_int(c, 2, &value))
        return;
    struct value *v = keyspace_find(c->keys, c->argv[1], c->now_ms);
    int64_t at_ms = value * unit_ms + (is_absolute ? 0 : c->now_ms);
    if (!v || !is_met(v, at_ms, conditions)) {
        answer_int(c, 0);
        return;
    }
    c->has_written = true;
    if (at_ms <= c->now_ms)
        keyspace_remove(c->keys, v);
    else
        v->expires_ms = at_ms;
    answer_int(c, 1);
}

static void run_expire(struct call *c) {
    expire(c, 1000, false);
}

static void run_pexpire(struct call *c) {
    expire(c, 1, false);
}

static void run_expireat(struct call *c) {
    expire(c, 1000, true);
}

static void run_pexpireat(struct call *c) {
    expire(c, 1, true);
}

static void run_ttl(struct call *c) {
    const struct value *v = keyspace_find(c->keys, c->argv[1], c->now_ms);
    answer_int(c, !v ? -2 : !v->expires_ms ? -1 : (v->expires_ms - c->now_ms + 500) / 1000);
}

static void run_pttl(struct call *c) {
    const struct value *v = keyspace_find(c->keys, c->argv[1], c->now_ms);
    answer_int(c, !v ? -2 : !v->expires_ms ? -1 : v->expires_ms - c->now_ms);
}

static void run_persist(struct call *c) {
    struct value *v = keyspace_find(c->keys, c->argv[1], c->now_ms);
    bool has_expiry = v && v->expires_ms;
    if (has_expiry)
        v->expires_ms = 0;
    c->has_written = has_expiry;
    answer_int(c, has_expiry);
}

/* ---- all of them ---- */

/* Everything in one go: a cursor of 0 comes back. Redis may take several, in any order. */
static void run_scan(struct call *c) {
    const char *pattern = NULL;
    struct bytes cursor = c->argv[1];

    if (cursor.len != 1 || cursor.data[0] != '0') {
        answer_error(c, "ERR invalid cursor");
        return;
    }
    for (size_t i = 2; i < c->n; i += 2) {
        if (i + 1 == c->n || (!bytes_are(c->argv[i], "match") && !bytes_are(c->argv[i], "count"))) {
            answer_error(c, "ERR syntax error");
            return;
        }
        if (bytes_are(c->argv[i], "match"))
            pattern = (const char *) c->argv[i + 1].data; /* arguments end with a 0 */
    }
    struct buffer names = BUFFER_INIT;
    struct call inner = *c;
    size_t n = 0;
    inner.out = &names;
    for (size_t i = 0; i < KEYSPACE_SLOTS; i++)
        for (struct value *v = c->keys->slots[i], *next; v; v = next) {
            next = v->next;
            if (v->expires_ms && v->expires_ms <= c->now_ms)
                continue;
            if (pattern && fnmatch(pattern, (const char *) v->key.data, 0) != 0)
                continue;
            answer_bulk(&inner, blob_bytes(&v->key));
            n++;
        }
    answer_array(c, 2);
    answer_bulk(c, bytes_of("0", 1));
    answer_array(c, n);
    buffer_append_bytes(c->out, buffer_bytes(&names));
    buffer_finish(&names);
}

static void run_dbsize(struct call *c) {
    answer_int(c, (int64_t) c->keys->n);
}

static void run_flushall(struct call *c) {
    keyspace_clear(c->keys);
    c->has_written = true;
    answer_status(c, "OK");
}

const struct redis_command_entry key_commands[] = {
    { "del", -2, COMMAND_WRITES, run_del },
    { "unlink", -2, COMMAND_WRITES, run_del },
    { "exists", -2, 0, run_exists },
    { "type", 2, 0, run_type },
    { "expire", -3, COMMAND_WRITES, run_expire },
    { "pexpire", -3, COMMAND_WRITES, run_pexpire },
    { "expireat", -3, COMMAND_WRITES, run_expireat },
    { "pexpireat", -3, COMMAND_WRITES, run_pexpireat },
    { "ttl", 2, 0, run_ttl },
    { "pttl", 2, 0, run_pttl },
    { "persist", 2, COMMAND_WRITES, run_persist },
    { "scan", -2, 0, run_scan },
    { "dbsize", 1, 0, run_dbsize },
    { "flushall", -1, COMMAND_WRITES, run_flushall },
    { "flushdb", -1, COMMAND_WRITES, run_flushall },
    { 0 },
};
