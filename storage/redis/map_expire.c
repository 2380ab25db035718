/* Keys of maps whose time is over: whichever node finds them takes them out, if nobody was faster,
 * and all subscribers hear of it. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "storage/clock.h"
#include "storage/redis/message.h"
#include "storage/redis/redis_impl.h"

enum { KEYS_AT_ONCE = 256 };

/* The question which they are. */
struct due_op {
    struct op op;
    bool has_more;
};

static struct due_op *due_of(struct op *op) {
    return CONTAINER_OF(op, struct due_op, op);
}

static int due_send(struct op *op) {
    struct redis_engine *re = op->shard->engine;
    struct args a;
    int r = args_begin(&a, re, args_size(re, 3, 0));
    if (r < 0)
        return r;
    args_script(&a, op->shard, SCRIPT_MAP_DUE, 2);
    args_name(&a, re->prefix, "maps_due", (struct str){ 0 });
    args_name(&a, re->prefix, "generation", (struct str){ 0 });
    args_name(&a, re->prefix, "", (struct str){ 0 });
    args_number(&a, KEYS_AT_ONCE);
    args_str(&a, str_of(op->shard->generation));
    args_send(&a, op);
    return 0;
}

/* SIZE:TTL:TTL-OF-META, or nothing. */
static int take_keep(struct bytes b, struct keep *ret) {
    uint64_t numbers[3] = { 0 };
    *ret = (struct keep){ 0 };
    if (b.len == 0)
        return 0;
    for (size_t i = 0; i < ELEMENTS_OF(numbers); i++) {
        if (message_take_number(&b, &numbers[i]) < 0 || numbers[i] > INT64_MAX)
            return -EBADMSG;
        if (b.len > 0)
            b = bytes_of(b.data + 1, b.len - 1);
    }
    *ret = (struct keep){ .history_size = (uint32_t) numbers[0],
                          .history_ttl_ms = (int64_t) numbers[1],
                          .meta_ttl_ms = (int64_t) numbers[2] };
    return 0;
}

static int end_key(struct redis_engine *re, struct str channel, struct bytes kept,
                   struct bytes value) {
    struct keep keep;
    struct publication *p;
    int r = take_keep(kept, &keep);
    if (r == 0)
        r = message_decode_publication(channel, value, &p);
    if (r < 0)
        return r;
    struct publish_request *request = calloc(1, sizeof *request);
    struct publication *removal = request ? map_removal_of(p) : NULL;
    publication_unref(p);
    if (!removal) {
        free(request);
        return -ENOMEM;
    }
    removal->time_ms = clock_wall_ms();
    *request = (struct publish_request){ .publication = removal, .keep = keep, .map.is_map = true };
    map_change(re, request, true);
    return 0;
}

/* What cannot be made now is found again. */
static int due_replied(struct op *op, const struct redisReply *reply) {
    struct redis_engine *re = op->shard->engine;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 3 != 1)
        return -EPROTO;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return -EPROTO;
    due_of(op)->has_more = reply->element[0]->str[0] == '1';
    for (size_t i = 1; i < reply->elements; i += 3) {
        const struct redisReply *const *e = (const struct redisReply *const *) &reply->element[i];
        struct str channel = { .data = e[0]->str, .len = e[0]->len };
        int r = end_key(re, channel, bytes_of(e[1]->str, e[1]->len),
                        bytes_of(e[2]->str, e[2]->len));
        if (r == -EBADMSG)
            re->counts.messages_refused++;
        if (r < 0)
            due_of(op)->has_more = false;
    }
    return 0;
}

static void ask(struct shard *s);

/* What was found goes before what is asked for next. */
static void due_finish(struct op *op, int error) {
    struct shard *s = op->shard;
    bool goes_on = error == 0 && due_of(op)->has_more && !s->engine->is_closing;
    s->engine->is_expiring[s->index] = false;
    free(due_of(op));
    if (goes_on)
        ask(s);
}

static const struct op_class due_class = {
    .send = due_send,
    .replied = due_replied,
    .finish = due_finish,
};

static void ask(struct shard *s) {
    struct due_op *due = calloc(1, sizeof *due);
    if (!due)
        return; /* the next tick asks again */
    due->op.class = &due_class;
    s->engine->is_expiring[s->index] = true;
    op_start(&due->op, s, false);
}

void map_expire(struct redis_engine *re) {
    for (unsigned i = 0; re->has_maps && i < re->n_shards; i++)
        if (re->shards[i].is_up && !re->is_expiring[i])
            ask(&re->shards[i]);
}
