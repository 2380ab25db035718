/* Denials: one hash, on the first server, which all nodes share. Field: kind, as a letter, and
 * key. Value: BEFORE:EXPIRY. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>

#include "storage/clock.h"
#include "storage/redis/remote.h"

struct denial_call {
    struct simple_call simple;
    const struct denial *denial;
    struct denials all;
};

static struct denial_call *denial_of(struct simple_call *call) {
    return CONTAINER_OF(call, struct denial_call, simple);
}

static struct denial_call denial_call_of(struct redis_engine *re,
                                         const struct simple_class *class) {
    return (struct denial_call){ .simple = { .class = class, .shard = &re->shards[0] } };
}

static void add_field(struct args *a, const struct denial *d) {
    struct buffer *b = &a->engine->scratch;
    size_t from = b->len;
    buffer_append_byte(b, (uint8_t) ('a' + d->kind));
    buffer_append_str(b, d->key);
    args_add(a, bytes_of(b->data + from, b->len - from));
}

static int put_send(struct op *op, struct simple_call *call) {
    struct redis_engine *re = op->shard->engine;
    const struct denial *d = denial_of(call)->denial;
    struct args a;
    int r = args_begin(&a, re, args_size(re, 1, 0) + 1 + d->key.len);
    if (r < 0)
        return r;
    char value[64];
    int n = snprintf(value, sizeof value, "%" PRId64 ":%" PRId64, d->before_ms, d->expire_at_ms);
    args_script(&a, op->shard, SCRIPT_DENIAL_PUT, 1);
    args_name(&a, re->prefix, "denials", (struct str){ 0 });
    add_field(&a, d);
    args_add(&a, bytes_of(value, (size_t) n));
    args_number(&a, re->denials_max);
    args_number(&a, (uint64_t) clock_wall_ms());
    args_send(&a, op);
    return 0;
}

static int put_replied(struct simple_call *call, const struct redisReply *reply) {
    if (reply->type != REDIS_REPLY_INTEGER)
        return -EPROTO;
    return reply->integer ? 0 : -ENOSPC;
}

static const struct simple_class put_class = { .send = put_send, .replied = put_replied };

int redis_denial_put(struct engine *e, const struct denial *d) {
    struct denial_call c = denial_call_of(redis_of(e), &put_class);
    c.denial = d;
    int r = simple_call_make(redis_of(e), &c.simple);
    if (r == -ENOSPC)
        atomic_fetch_add(&e->ephemera.denials_refused, 1);
    return r;
}

static int remove_send(struct op *op, struct simple_call *call) {
    struct redis_engine *re = op->shard->engine;
    const struct denial *d = denial_of(call)->denial;
    struct args a;
    int r = args_begin(&a, re, args_size(re, 1, 0) + 1 + d->key.len);
    if (r < 0)
        return r;
    args_str(&a, STR("HDEL"));
    args_name(&a, re->prefix, "denials", (struct str){ 0 });
    add_field(&a, d);
    args_send(&a, op);
    return 0;
}

static int remove_replied(struct simple_call *call, const struct redisReply *reply) {
    (void) call;
    return reply->type == REDIS_REPLY_INTEGER ? 0 : -EPROTO;
}

static const struct simple_class remove_class = { .send = remove_send, .replied = remove_replied };

int redis_denial_remove(struct engine *e, enum denial_kind kind, struct str key) {
    struct denial d = { .kind = kind, .key = key };
    struct denial_call c = denial_call_of(redis_of(e), &remove_class);
    c.denial = &d;
    return simple_call_make(redis_of(e), &c.simple);
}

/* ---- reading ---- */

static int read_send(struct op *op, struct simple_call *call) {
    struct redis_engine *re = op->shard->engine;
    struct args a;
    (void) call;
    int r = args_begin(&a, re, args_size(re, 1, 0));
    if (r < 0)
        return r;
    args_str(&a, STR("HGETALL"));
    args_name(&a, re->prefix, "denials", (struct str){ 0 });
    args_send(&a, op);
    return 0;
}

static bool take_denial(const struct redisReply *field, const struct redisReply *value,
                        struct denial *ret) {
    if (field->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING || field->len == 0)
        return false;
    unsigned kind = (unsigned char) field->str[0] - (unsigned) 'a';
    struct denial d = { .kind = kind, .key = { .data = field->str + 1, .len = field->len - 1 } };
    if (kind > DENIAL_CHANNEL_TOKEN ||
        sscanf(value->str, "%" SCNd64 ":%" SCNd64, &d.before_ms, &d.expire_at_ms) != 2)
        return false;
    *ret = d;
    return true;
}

static int read_replied(struct simple_call *call, const struct redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
        return -EPROTO;
    struct denials all = { 0 };
    struct buffer text = BUFFER_INIT;
    int64_t now_ms = clock_wall_ms();
    int r = 0;
    for (size_t i = 0; r == 0 && i < reply->elements; i += 2) {
        struct denial d;
        if (take_denial(reply->element[i], reply->element[i + 1], &d) &&
            (d.expire_at_ms == 0 || d.expire_at_ms > now_ms))
            r = denials_add(&all, &text, &d);
    }
    denials_settle(&all, &text);
    if (r < 0)
        denials_finish(&all);
    else
        denial_of(call)->all = all;
    return r;
}

static const struct simple_class read_class = { .send = read_send, .replied = read_replied };

int redis_denials(struct engine *e, struct denials *ret) {
    struct denial_call c = denial_call_of(redis_of(e), &read_class);
    int r = simple_call_make(redis_of(e), &c.simple);
    if (r < 0)
        denials_finish(&c.all);
    else
        *ret = c.all;
    return r;
}
