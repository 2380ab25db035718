/* Changes of maps: among the other publishes of a node, in their order. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "storage/redis/map_order.h"
#include "storage/redis/message.h"
#include "storage/redis/redis_impl.h"

struct map_op {
    struct op op;
    struct publish_request *request;
    bool is_expiry; /* a key's time is over, if it still is: nobody waits for the answer */
};

static struct map_op *map_of(struct op *op) {
    return CONTAINER_OF(op, struct map_op, op);
}

/* ---- the command ---- */

/* What goes out, and behind it what is kept by key. */
static int encode(struct redis_engine *re, struct publish_request *request, size_t *ret_out_len) {
    struct publication *p = request->publication, *out = publish_out(request);
    struct buffer *b = &re->text;
    buffer_reset(b);
    out->time_ms = p->time_ms;
    message_encode_publication(out, b);
    *ret_out_len = b->len;
    if (!p->is_removed) {
        uint8_t *order = buffer_reserve(b, MAP_ORDER_SIZE);
        if (order) {
            map_order_put(p->score, order);
            b->len += MAP_ORDER_SIZE;
        }
        message_encode_publication(p, b);
    }
    return buffer_error(b);
}

static struct str condition_of(const struct map_op *mo) {
    if (mo->is_expiry)
        return STR("d");
    switch (mo->request->map.key_mode) {
    case MAP_KEY_IF_NEW:
        return STR("n");
    case MAP_KEY_IF_EXISTS:
        return STR("e");
    case MAP_KEY_ANY:
    default:
        return (struct str){ 0 };
    }
}

static void add_names(struct args *a, struct shard *s, const struct publish_request *request) {
    struct redis_engine *re = s->engine;
    struct str channel = request->publication->channel;
    bool is_once = request->idempotency_key.len > 0;
    args_script(a, s, SCRIPT_MAP, is_once ? 8 : 7);
    args_name(a, re->prefix, "generation", (struct str){ 0 });
    args_name(a, re->prefix, "meta.", channel);
    args_name(a, re->prefix, "stream.", channel);
    args_name(a, re->prefix, "map.", channel);
    args_name(a, re->prefix, "map_order.", channel);
    args_name(a, re->prefix, "map_times.", channel);
    args_name(a, re->prefix, "maps_due", (struct str){ 0 });
    if (is_once)
        args_once(a, request);
}

static void add_keep(struct args *a, const struct keep *keep) {
    bool is_kept = !keep_is_nothing(keep);
    args_number(a, is_kept ? keep->history_size : 0);
    args_number(a, redis_ttl(is_kept ? keep->history_ttl_ms : 0));
    args_number(a, redis_ttl(keep_meta_ttl_ms(keep)));
}

static void add_expected(struct args *a, const struct map_change *c) {
    if (c->has_expected)
        args_number(a, c->expected.offset);
    else
        args_str(a, (struct str){ 0 });
    args_str(a, str_of(c->has_expected ? c->expected.epoch : ""));
}

static int map_send(struct op *op) {
    struct map_op *mo = map_of(op);
    struct publish_request *request = mo->request;
    const struct publication *p = request->publication;
    struct redis_engine *re = op->shard->engine;
    size_t out_len, keys_max = request->map.keys_max;
    char epoch[EPOCH_SIZE];
    struct args a;
    int r = encode(re, request, &out_len);
    if (r == 0)
        r = args_begin(&a, re, args_size(re, 9, p->channel.len) + request->idempotency_key.len);
    if (r < 0)
        return r;
    epoch_make(re, epoch);
    add_names(&a, op->shard, request);
    args_str(&a, str_of(op->shard->generation));
    args_str(&a, str_of(epoch));
    args_name(&a, re->pubsub_prefix, "c.", p->channel);
    args_str(&a, p->channel);
    add_keep(&a, &request->keep);
    args_number(&a, (uint64_t) p->time_ms);
    args_add(&a, bytes_of(re->text.data, out_len));
    args_str(&a, p->key);
    args_add(&a, bytes_of(re->text.data + out_len, re->text.len - out_len));
    args_str(&a, condition_of(mo));
    args_number(&a, request->map.key_ttl_ms > 0 ? redis_ttl(request->map.key_ttl_ms) : 0);
    args_number(&a, request->map.refreshes_ttl);
    add_expected(&a, &request->map);
    args_number(&a, request->version);
    args_str(&a, request->version_epoch);
    args_number(&a, keys_max ? keys_max : re->engine.ephemera.map_keys_max);
    if (request->idempotency_key.len > 0)
        args_number(&a, redis_ttl(publish_idempotency_ttl_ms(request)));
    args_send(&a, op);
    return 0;
}

/* ---- the reply ---- */

static int take_outcome(struct publish_request *request, char outcome) {
    switch (outcome) {
    case 'k':
        return 0;
    case 'd':
        request->is_duplicate = true;
        request->suppression = MAP_SUPPRESSED_IDEMPOTENCY;
        return 0;
    case 'x':
        request->suppression = MAP_SUPPRESSED_KEY_EXISTS;
        return 0;
    case 'n':
        request->suppression = MAP_SUPPRESSED_KEY_NOT_FOUND;
        return 0;
    case 'p':
        request->suppression = MAP_SUPPRESSED_POSITION;
        return 0;
    case 's':
        request->suppression = MAP_SUPPRESSED_VERSION;
        return 0;
    case 'q':
        return -EDQUOT;
    default:
        return -EPROTO;
    }
}

static int map_replied(struct op *op, const struct redisReply *reply) {
    struct publish_request *request = map_of(op)->request;
    if (reply->type != REDIS_REPLY_STRING || reply->len == 0)
        return -EPROTO;
    struct bytes b = bytes_of(reply->str + 1, reply->len - 1);
    if (message_take_place(&b, &request->position) < 0)
        return -EPROTO;
    int r = take_outcome(request, reply->str[0]);
    if (keep_is_nothing(&request->keep))
        request->position = (struct position){ 0 };
    if (request->suppression != MAP_NOT_SUPPRESSED)
        op->fence = 0; /* nothing was distributed */
    return r;
}

static void count_change(struct redis_engine *re, const struct map_op *mo) {
    const struct publish_request *request = mo->request;
    struct ephemera *x = &re->engine.ephemera;
    if (request->result == -EDQUOT)
        atomic_fetch_add(&x->keys_refused, 1);
    else if (mo->is_expiry && request->result == 0)
        atomic_fetch_add(&x->keys_expired, request->suppression == MAP_NOT_SUPPRESSED);
    else if (request->suppression != MAP_NOT_SUPPRESSED && !request->is_duplicate)
        atomic_fetch_add(&x->suppressed, 1);
    else
        publish_count(re, request);
}

static void map_finish(struct op *op, int error) {
    struct map_op *mo = map_of(op);
    struct redis_engine *re = op->shard->engine;
    mo->request->result = error;
    count_change(re, mo);
    publish_answer(re, mo->request);
    free(mo);
}

static const struct op_class map_class = {
    .send = map_send,
    .replied = map_replied,
    .finish = map_finish,
};

void map_change(struct redis_engine *re, struct publish_request *request, bool is_expiry) {
    struct map_op *mo = malloc(sizeof *mo);
    re->has_maps = true;
    if (!mo) {
        request->result = -ENOMEM;
        publish_answer(re, request);
        return;
    }
    *mo = (struct map_op){
        .op.class = &map_class, .op.is_ordered = true, .request = request, .is_expiry = is_expiry
    };
    op_start(&mo->op, shard_for(re, request->publication->channel),
             request_wants_fence(re, request));
}
