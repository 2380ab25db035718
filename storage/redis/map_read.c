/* Reading maps, and forgetting them. */
#include <errno.h>
#include <hiredis/hiredis.h>

#include "storage/redis/map_order.h"
#include "storage/redis/message.h"
#include "storage/redis/remote.h"

enum { PROMISE_MS = 10 * 60 * 1000 }; /* of an epoch, as of streams that are read */

struct map_call {
    struct simple_call simple;
    struct str channel;
    const struct map_query *query;
    const struct keep *keep;
    struct map_cursor from;
    struct map_page page;
    uint64_t keys;
};

static struct map_call *map_of(struct simple_call *call) {
    return CONTAINER_OF(call, struct map_call, simple);
}

static struct map_call map_call_of(struct redis_engine *re, struct str channel,
                                   const struct simple_class *class) {
    return (struct map_call){ .simple = { .class = class, .shard = shard_for(re, channel) },
                              .channel = channel };
}

/* ---- pages ---- */

static struct str order_of(const struct map_query *q) {
    if (q->key.len > 0)
        return STR("o");
    if (!q->is_ordered)
        return STR("k");
    return q->asc ? STR("u") : STR("d");
}

/* Behind what the page begins; of the ordered it is put together. */
static void add_beginning(struct args *a, const struct map_call *c) {
    const struct map_query *q = c->query;
    struct buffer *b = &a->engine->scratch;
    if (q->key.len > 0) {
        args_str(a, q->key);
    } else if (!q->is_ordered || c->from.key.len == 0) {
        args_str(a, c->from.key);
    } else {
        uint8_t order[MAP_ORDER_SIZE];
        size_t from = b->len;
        map_order_put(c->from.score, order);
        buffer_append_bytes(b, bytes_of(order, sizeof order));
        buffer_append_str(b, c->from.key);
        args_add(a, bytes_of(b->data + from, b->len - from));
    }
}

static int read_send(struct op *op, struct simple_call *call) {
    struct map_call *c = map_of(call);
    struct redis_engine *re = op->shard->engine;
    char epoch[EPOCH_SIZE];
    struct args a;
    int r = args_begin(&a, re, args_size(re, 7, c->channel.len) + MAP_ORDER_SIZE + c->from.key.len);
    if (r < 0)
        return r;
    re->has_maps = true;
    epoch_make(re, epoch);
    args_script(&a, op->shard, SCRIPT_MAP_READ, 7);
    args_name(&a, re->prefix, "generation", (struct str){ 0 });
    args_name(&a, re->prefix, "meta.", c->channel);
    args_name(&a, re->prefix, "stream.", c->channel);
    args_name(&a, re->prefix, "map.", c->channel);
    args_name(&a, re->prefix, "map_order.", c->channel);
    args_name(&a, re->prefix, "map_times.", c->channel);
    args_name(&a, re->prefix, "map_keys.", c->channel);
    args_str(&a, str_of(op->shard->generation));
    args_str(&a, str_of(epoch));
    args_number(&a, PROMISE_MS);
    args_number(&a, !keep_is_nothing(&c->query->keep));
    args_number(&a, c->query->limit);
    args_str(&a, order_of(c->query));
    add_beginning(&a, c);
    args_number(&a, re->reply_max_bytes);
    args_send(&a, op);
    return 0;
}

static int take_entry(const struct map_call *c, const struct redisReply *at,
                      const struct redisReply *value, struct publication **ret) {
    if (at->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
        return -EPROTO;
    struct bytes b = bytes_of(at->str, at->len);
    uint64_t offset;
    struct publication *p;
    int r = message_take_number(&b, &offset);
    if (r == 0)
        r = message_decode_publication(c->channel, bytes_of(value->str, value->len), &p);
    if (r < 0)
        return r;
    p->position = c->page.top;
    p->position.offset = keep_is_nothing(&c->query->keep) ? 0 : offset;
    *ret = p;
    return 0;
}

static int read_replied(struct simple_call *call, const struct redisReply *reply) {
    struct map_call *c = map_of(call);
    size_t cap = 0;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || reply->elements % 2 != 0 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING)
        return -EPROTO;
    struct bytes place = bytes_of(reply->element[0]->str, reply->element[0]->len);
    int r = message_take_place(&place, &c->page.top);
    for (size_t i = 2; r == 0 && i < reply->elements; i += 2) {
        struct publication *p;
        r = take_entry(c, reply->element[i], reply->element[i + 1], &p);
        if (r == 0)
            r = map_page_add(&c->page, &cap, p);
    }
    if (r == -EBADMSG)
        call->shard->engine->counts.messages_refused++;
    bool has_more = reply->element[1]->str[0] == '1' && c->page.n > 0;
    return r == 0 && has_more ? map_page_end(&c->page, c->query, c->page.items[c->page.n - 1]) : r;
}

static const struct simple_class read_class = { .send = read_send, .replied = read_replied };

int redis_map_read(struct engine *e, const struct map_query *q, struct map_page *ret) {
    struct redis_engine *re = redis_of(e);
    struct map_call c = map_call_of(re, q->channel, &read_class);
    c.query = q;
    int r = map_cursor_read(q, &c.from);
    if (r < 0)
        return r;
    atomic_fetch_add_explicit(&re->counts.reads, 1, memory_order_relaxed);
    r = simple_call_make(re, &c.simple);
    if (r < 0) {
        map_page_finish(&c.page);
        return r;
    }
    *ret = c.page;
    return 0;
}

/* ---- how many ---- */

static int count_send(struct op *op, struct simple_call *call) {
    struct redis_engine *re = op->shard->engine;
    struct str channel = map_of(call)->channel;
    struct args a;
    int r = args_begin(&a, re, args_size(re, 1, channel.len));
    if (r < 0)
        return r;
    args_str(&a, STR("HLEN"));
    args_name(&a, re->prefix, "map.", channel);
    args_send(&a, op);
    return 0;
}

static int count_replied(struct simple_call *call, const struct redisReply *reply) {
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0)
        return -EPROTO;
    map_of(call)->keys = (uint64_t) reply->integer;
    return 0;
}

static const struct simple_class count_class = { .send = count_send, .replied = count_replied };

int redis_map_count(struct engine *e, struct str channel, uint64_t *ret) {
    struct map_call c = map_call_of(redis_of(e), channel, &count_class);
    int r = simple_call_make(redis_of(e), &c.simple);
    if (r == 0)
        *ret = c.keys;
    return r;
}

/* ---- clearing ---- */

/* In one step; in maps_due it is missed when its turn comes. */
static int clear_send(struct op *op, struct simple_call *call) {
    static const char *const kinds[] = { "map.", "map_order.", "map_times.", "meta.", "stream." };
    struct redis_engine *re = op->shard->engine;
    const struct map_call *c = map_of(call);
    struct args a;
    int r = args_begin(&a, re, args_size(re, ELEMENTS_OF(kinds), c->channel.len));
    if (r < 0)
        return r;
    args_str(&a, STR("DEL"));
    for (size_t i = 0; i < (keep_is_nothing(c->keep) ? 3 : ELEMENTS_OF(kinds)); i++)
        args_name(&a, re->prefix, kinds[i], c->channel);
    args_send(&a, op);
    return 0;
}

static const struct simple_class clear_class = { .send = clear_send, .replied = count_replied };

int redis_map_clear(struct engine *e, struct str channel, const struct keep *keep) {
    struct map_call c = map_call_of(redis_of(e), channel, &clear_class);
    c.keep = keep;
    return simple_call_make(redis_of(e), &c.simple);
}
