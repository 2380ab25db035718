/* Reading: where a channel stands, and its publications. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "storage/clock.h"
#include "storage/redis/message.h"
#include "storage/redis/remote.h"

enum { PROMISE_MS = 10 * 60 * 1000 }; /* of an epoch, from the last reading on */

/* One that asks, in its frame. */
struct asker {
    struct call call;
    const struct history_query *query;
    struct page page;
    struct link link; /* in a reading's list; unlinked: answered */
};

/* What many may ask at once, after a restart for instance: of all that ask the same, one question
 * is under way, and the next one is for all who came since: the answer under way may be older than
 * they are. */
struct reading {
    struct table_entry entry;
    struct op op;
    struct list askers, later;
    struct history_query query; /* channel: in name */
    struct page page;
    size_t name_len;
    char name[]; /* query_name() */
};

/* ---- what is the same ---- */

struct query_head {
    uint64_t since;
    int64_t ttl_ms;
    uint32_t limit, size;
    uint32_t flags;
    uint32_t padding;
};

static size_t query_name(const struct history_query *q, char *to) {
    struct query_head head = {
        .since = q->has_since ? q->since_offset : 0,
        .ttl_ms = q->keep.history_ttl_ms,
        .limit = q->limit,
        .size = q->keep.history_size,
        .flags = (q->has_since ? 1u : 0) | (q->reverse ? 2u : 0),
    };
    memcpy(to, &head, sizeof head);
    if (q->channel.len > 0)
        memcpy(to + sizeof head, q->channel.data, q->channel.len);
    return sizeof head + q->channel.len;
}

static struct bytes reading_name(const struct table_entry *e) {
    const struct reading *rd = (const struct reading *) e;
    return bytes_of(rd->name, rd->name_len);
}

void read_init(struct redis_engine *re) {
    table_init(&re->readings, &re->engine.seed, reading_name);
}

/* ---- the command ---- */

static struct reading *reading_of(struct op *op) {
    return CONTAINER_OF(op, struct reading, op);
}

static uint64_t expired_before(const struct keep *keep) {
    int64_t now_ms = clock_wall_ms();
    return keep->history_ttl_ms >= now_ms ? 0 : (uint64_t) (now_ms - keep->history_ttl_ms);
}

static int read_send(struct op *op) {
    struct redis_engine *re = op->shard->engine;
    const struct history_query *q = &reading_of(op)->query;
    struct args a;
    int r = args_begin(&a, re, args_size(re, 4, q->channel.len));
    if (r < 0)
        return r;
    char epoch[EPOCH_SIZE];
    epoch_make(re, epoch);
    args_script(&a, op->shard, SCRIPT_READ, 3);
    args_name(&a, re->prefix, "meta.", q->channel);
    args_name(&a, re->prefix, "stream.", q->channel);
    args_name(&a, re->prefix, "generation", (struct str){ 0 });
    args_str(&a, str_of(op->shard->generation));
    args_str(&a, str_of(epoch));
    args_number(&a, PROMISE_MS);
    args_number(&a, keep_is_nothing(&q->keep) ? 0 : q->limit);
    args_number(&a, q->keep.history_size);
    args_str(&a, q->reverse ? STR("r") : STR("f"));
    if (q->has_since)
        args_number(&a, q->since_offset);
    else
        args_str(&a, (struct str){ 0 });
    args_number(&a, expired_before(&q->keep));
    args_number(&a, re->reply_max_bytes);
    args_send(&a, op);
    return 0;
}

/* ---- the reply ---- */

static int take_item(const struct reading *rd, const struct redisReply *id,
                     const struct redisReply *value, struct publication **ret) {
    if (id->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
        return -EPROTO;
    struct bytes at = bytes_of(id->str, id->len);
    uint64_t offset;
    struct publication *p;
    int r = message_take_number(&at, &offset);
    if (r == 0)
        r = message_decode_publication(rd->query.channel, bytes_of(value->str, value->len), &p);
    if (r < 0)
        return r;
    p->position = rd->page.top;
    p->position.offset = offset;
    *ret = p;
    return 0;
}

static int read_replied(struct op *op, const struct redisReply *reply) {
    struct reading *rd = reading_of(op);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 1 ||
        reply->element[0]->type != REDIS_REPLY_STRING)
        return -EPROTO;
    struct bytes place = bytes_of(reply->element[0]->str, reply->element[0]->len);
    int r = message_take_place(&place, &rd->page.top);
    if (r < 0)
        return r;
    size_t n = reply->elements / 2;
    if (n == 0)
        return 0;
    rd->page.items = reallocarray(NULL, n, sizeof(struct publication *));
    if (!rd->page.items)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = take_item(rd, reply->element[2 * i + 1], reply->element[2 * i + 2],
                      &rd->page.items[rd->page.n]);
        if (r == 0)
            rd->page.n++;
        if (r == -EBADMSG) { /* somebody else's: a hole, which whoever reads on will notice */
            op->shard->engine->counts.messages_refused++;
            r = 0;
        }
    }
    return r;
}

/* ---- those who asked ---- */

static int page_copy(const struct page *from, struct page *ret) {
    struct page copy = { .top = from->top };
    if (from->n > 0) {
        copy.items = reallocarray(NULL, from->n, sizeof(struct publication *));
        if (!copy.items)
            return -ENOMEM;
        for (; copy.n < from->n; copy.n++)
            copy.items[copy.n] = publication_ref(from->items[copy.n]);
    }
    *ret = copy;
    return 0;
}

static void begin(struct redis_engine *re, struct reading *rd) {
    struct str channel = rd->query.channel;
    rd->op = (struct op){ .class = rd->op.class };
    rd->page = (struct page){ 0 };
    /* What is called distributed is here, where somebody hears it. */
    bool wants_fence =
            distribution_has(&re->engine.distribution, engine_hash(&re->engine, channel), channel);
    atomic_fetch_add_explicit(&re->counts.reads, 1, memory_order_relaxed);
    op_start(&rd->op, shard_for(re, channel), wants_fence);
}

static void read_finish(struct op *op, int error) {
    struct reading *rd = reading_of(op);
    struct redis_engine *re = op->shard->engine;
    struct link *k;
    while ((k = list_pop(&rd->askers)) != NULL) {
        struct asker *asker = CONTAINER_OF(k, struct asker, link);
        call_answer(&asker->call, error < 0 ? error : page_copy(&rd->page, &asker->page));
    }
    page_finish(&rd->page);
    while ((k = list_pop(&rd->later)) != NULL)
        list_append(&rd->askers, k);
    if (!list_is_empty(&rd->askers)) {
        begin(re, rd);
        return;
    }
    table_remove(&re->readings, &rd->entry);
    free(rd);
}

static const struct op_class read_class = {
    .send = read_send,
    .replied = read_replied,
    .finish = read_finish,
};

static struct reading *reading_new(struct redis_engine *re, const struct history_query *q) {
    struct reading *rd = calloc(1, sizeof *rd + sizeof(struct query_head) + q->channel.len);
    if (!rd)
        return NULL;
    rd->name_len = query_name(q, rd->name);
    rd->query = *q;
    rd->query.channel.data = rd->name + sizeof(struct query_head);
    rd->op.class = &read_class;
    list_init(&rd->askers);
    list_init(&rd->later);
    if (table_add(&re->readings, &rd->entry) < 0) {
        free(rd);
        return NULL;
    }
    return rd;
}

static struct reading *reading_find(struct redis_engine *re, const struct history_query *q) {
    buffer_reset(&re->text);
    uint8_t *name = buffer_reserve(&re->text, sizeof(struct query_head) + q->channel.len);
    if (!name)
        return NULL;
    size_t len = query_name(q, (char *) name);
    struct table_entry *e = table_find(&re->readings, bytes_of(name, len));
    return e ? CONTAINER_OF(e, struct reading, entry) : NULL;
}

static void ask(struct call *call) {
    struct asker *asker = CONTAINER_OF(call, struct asker, call);
    struct redis_engine *re = call->engine;
    struct reading *rd = reading_find(re, asker->query);
    if (rd) {
        list_append(&rd->later, &asker->link);
        return;
    }
    rd = reading_new(re, asker->query);
    if (!rd) {
        call_answer(call, -ENOMEM);
        return;
    }
    list_append(&rd->askers, &asker->link);
    begin(re, rd);
}

static void give_up(struct call *call) {
    list_remove(&CONTAINER_OF(call, struct asker, call)->link);
}

int redis_history(struct engine *e, const struct history_query *q, struct page *ret) {
    struct asker asker = { .call = { .run = ask, .give_up = give_up }, .query = q };
    int r = call_make(redis_of(e), &asker.call);
    if (r < 0) {
        page_finish(&asker.page);
        return r;
    }
    *ret = asker.page;
    return 0;
}

int redis_position(struct engine *e, struct str channel, struct keep keep, struct position *ret) {
    struct history_query q = { .channel = channel, .keep = keep };
    struct page page;
    int r = redis_history(e, &q, &page);
    if (r < 0)
        return r;
    *ret = page.top;
    page_finish(&page);
    return 0;
}

/* ---- removing ---- */

struct removal {
    struct simple_call simple;
    struct str channel;
};

static int removal_send(struct op *op, struct simple_call *call) {
    struct redis_engine *re = op->shard->engine;
    struct str channel = CONTAINER_OF(call, struct removal, simple)->channel;
    struct args a;
    int r = args_begin(&a, re, args_size(re, 1, channel.len));
    if (r < 0)
        return r;
    args_str(&a, STR("DEL"));
    args_name(&a, re->prefix, "stream.", channel);
    args_send(&a, op);
    return 0;
}

static int removal_replied(struct simple_call *call, const struct redisReply *reply) {
    (void) call;
    return reply->type == REDIS_REPLY_INTEGER ? 0 : -EPROTO;
}

static const struct simple_class removal_class = {
    .send = removal_send,
    .replied = removal_replied,
};

int redis_history_remove(struct engine *e, struct str channel) {
    struct redis_engine *re = redis_of(e);
    struct removal x = { .simple = { .class = &removal_class, .shard = shard_for(re, channel) },
                         .channel = channel };
    return simple_call_make(re, &x.simple);
}
