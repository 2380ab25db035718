/*
 * The nodes that share the servers: on the first one each says from time to time that it is there,
 * and hears of the others; what they say to each other is published.
 *
 * info   = span(name) span(version) started_ms (eight bytes, the least first); more is skipped
 * signal = span(from) message; as of message.h
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "storage/clock.h"
#include "storage/redis/message.h"
#include "storage/redis/remote.h"

enum { TIME_SIZE = 8, LEAVE_MS = 1000 };

/* ---- heartbeats ---- */

struct beat {
    struct op op;
};

static void encode_self(struct redis_engine *re, struct buffer *out) {
    message_put_span(out, str_bytes(str_of(re->node_name)));
    message_put_span(out, str_bytes(STR(PARLEY_VERSION)));
    for (int i = 0; i < TIME_SIZE; i++)
        buffer_append_byte(out, (uint8_t) ((uint64_t) re->started_ms >> 8 * i));
}

static int beat_args(struct args *a, struct shard *s, struct bytes self) {
    struct redis_engine *re = s->engine;
    int r = args_begin(a, re, args_size(re, 2, 0));
    if (r < 0)
        return r;
    args_script(a, s, SCRIPT_BEAT, 2);
    args_name(a, re->prefix, "nodes", (struct str){ 0 });
    args_name(a, re->prefix, "node_infos", (struct str){ 0 });
    args_str(a, str_of(re->node_id));
    args_add(a, self);
    args_number(a, (uint64_t) re->node_ttl_ms);
    return 0;
}

static int beat_send(struct op *op) {
    struct redis_engine *re = op->shard->engine;
    struct args a;
    buffer_reset(&re->text);
    encode_self(re, &re->text);
    int r = buffer_error(&re->text);
    if (r == 0)
        r = beat_args(&a, op->shard, buffer_bytes(&re->text));
    if (r == 0)
        args_send(&a, op);
    return r;
}

/* Kept as it came, one span after the other. */
static int beat_replied(struct op *op, const struct redisReply *reply) {
    struct redis_engine *re = op->shard->engine;
    struct buffer all = BUFFER_INIT;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
        return -EPROTO;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type == REDIS_REPLY_STRING)
            message_put_span(&all, bytes_of(reply->element[i]->str, reply->element[i]->len));
    int r = buffer_error(&all);
    if (r < 0) {
        buffer_finish(&all);
        return r;
    }
    pthread_mutex_lock(&re->nodes_mutex);
    struct buffer old = re->nodes;
    re->nodes = all;
    re->nodes_at_ms = loop_now();
    pthread_mutex_unlock(&re->nodes_mutex);
    buffer_finish(&old);
    return 0;
}

static void beat_finish(struct op *op, int error) {
    (void) error; /* the next one will do */
    op->shard->engine->is_beating = false;
    free(CONTAINER_OF(op, struct beat, op));
}

static const struct op_class beat_class = {
    .send = beat_send,
    .replied = beat_replied,
    .finish = beat_finish,
};

void node_beat(struct redis_engine *re) {
    if (re->is_beating)
        return;
    struct beat *b = malloc(sizeof *b);
    if (!b)
        return;
    *b = (struct beat){ .op.class = &beat_class };
    re->is_beating = true;
    re->beat_at_ms = loop_now();
    op_start(&b->op, &re->shards[0], false);
}

/* Others need not wait for the time to pass. */
void node_leave(struct redis_engine *re) {
    struct args a;
    struct redisReply *reply;
    DEADLINE(d, LEAVE_MS);
    if (re->shards[0].is_up && beat_args(&a, &re->shards[0], (struct bytes){ 0 }) == 0 &&
        redis_server_ask(re->shards[0].server, a.v, a.n, &reply) == 0)
        redis_reply_free(reply);
}

/* ---- who is there ---- */

static int take_node(struct bytes id, struct bytes info, struct node *ret) {
    struct bytes name, version;
    int r = message_take_span(&info, &name);
    if (r == 0)
        r = message_take_span(&info, &version);
    if (r < 0 || info.len < TIME_SIZE)
        return -EBADMSG;
    uint64_t started_ms = 0;
    for (int i = 0; i < TIME_SIZE; i++)
        started_ms |= (uint64_t) info.data[i] << 8 * i;
    *ret = (struct node){
        .id = { .data = (const char *) id.data, .len = id.len },
        .name = { .data = (const char *) name.data, .len = name.len },
        .version = { .data = (const char *) version.data, .len = version.len },
        .started_ms = (int64_t) started_ms,
    };
    return 0;
}

static int by_id(const void *a, const void *b) {
    const struct node *x = a, *y = b;
    size_t n = x->id.len < y->id.len ? x->id.len : y->id.len;
    int d = memcmp(x->id.data, y->id.data, n);
    return d ? d : (x->id.len > y->id.len) - (x->id.len < y->id.len);
}

static int nodes_parse(struct redis_engine *re, struct bytes all, struct nodes *ret) {
    size_t cap = 0;
    struct bytes id, info;
    while (all.len > 0 && message_take_span(&all, &id) == 0 &&
           message_take_span(&all, &info) == 0) {
        struct node node;
        if (id.len == 0 ||
            str_equal(str_of(re->node_id), (struct str){ (const char *) id.data, id.len }) ||
            take_node(id, info, &node) < 0)
            continue;
        if (ret->n == cap) {
            cap = cap ? cap * 2 : 8;
            struct node *items = reallocarray(ret->items, cap, sizeof *items);
            if (!items)
                return -ENOMEM;
            ret->items = items;
        }
        ret->items[ret->n++] = node;
    }
    if (ret->n > 1)
        qsort(ret->items, ret->n, sizeof *ret->items, by_id);
    return 0;
}

int redis_nodes(struct engine *e, struct nodes *ret) {
    struct redis_engine *re = redis_of(e);
    struct nodes nodes = { 0 };
    int64_t now = loop_now();
    int r = 0;
    pthread_mutex_lock(&re->nodes_mutex);
    bool is_known = re->nodes_at_ms > 0 && now - re->nodes_at_ms <= re->node_ttl_ms;
    size_t len = re->nodes.len;
    if (!is_known) {
        r = -ENOTCONN;
    } else if (len > 0) {
        nodes.memory = malloc(len);
        if (nodes.memory)
            memcpy(nodes.memory, re->nodes.data, len);
        else
            r = -ENOMEM;
    }
    pthread_mutex_unlock(&re->nodes_mutex);
    if (r == 0 && len > 0)
        r = nodes_parse(re, bytes_of(nodes.memory, len), &nodes);
    if (r < 0)
        nodes_finish(&nodes);
    else
        *ret = nodes;
    return r;
}

/* ---- signals ---- */

struct signal_call {
    struct simple_call simple;
    struct str to;
    struct bytes message;
};

static int signal_send(struct op *op, struct simple_call *call) {
    struct redis_engine *re = op->shard->engine;
    struct signal_call *c = CONTAINER_OF(call, struct signal_call, simple);
    struct args a;
    buffer_reset(&re->text);
    message_put_span(&re->text, str_bytes(str_of(re->node_id)));
    buffer_append_bytes(&re->text, c->message);
    int r = buffer_error(&re->text);
    if (r == 0)
        r = args_begin(&a, re, args_size(re, 1, c->to.len));
    if (r < 0)
        return r;
    args_str(&a, STR("PUBLISH"));
    args_name(&a, re->pubsub_prefix, c->to.len ? "signal." : "signal", c->to);
    args_add(&a, buffer_bytes(&re->text));
    args_send(&a, op);
    return 0;
}

static int signal_replied(struct simple_call *call, const struct redisReply *reply) {
    (void) call;
    return reply->type == REDIS_REPLY_INTEGER ? 0 : -EPROTO;
}

static const struct simple_class signal_class = { .send = signal_send, .replied = signal_replied };

int redis_signal(struct engine *e, struct str to, struct bytes message) {
    struct redis_engine *re = redis_of(e);
    struct signal_call c = { .simple = { .class = &signal_class, .shard = &re->shards[0] },
                             .to = to,
                             .message = message };
    return simple_call_make(re, &c.simple);
}

/* ---- ears ---- */

/* An ear's place, which outlives it for as long as something is on its way. */
struct ear_slot {
    _Atomic size_t refs;
    _Atomic bool is_removed;
    struct engine_ear *ear;
};

struct heard {
    struct post post;
    struct ear_slot *slot;
    bool is_missed;
    size_t from_len, len;
    char text[];
};

static void slot_unref(struct ear_slot *slot) {
    if (atomic_fetch_sub_explicit(&slot->refs, 1, memory_order_acq_rel) == 1)
        free(slot);
}

int redis_listen(struct engine *e, struct engine_ear *ear) {
    struct redis_engine *re = redis_of(e);
    struct ear_slot *slot = malloc(sizeof *slot);
    if (!slot)
        return -ENOMEM;
    atomic_init(&slot->refs, 1);
    atomic_init(&slot->is_removed, false);
    slot->ear = ear;
    size_t place = ELEMENTS_OF(re->ears);
    pthread_mutex_lock(&re->nodes_mutex);
    for (size_t i = ELEMENTS_OF(re->ears); i-- > 0;)
        if (!re->ears[i])
            place = i;
    if (place < ELEMENTS_OF(re->ears))
        re->ears[place] = slot;
    pthread_mutex_unlock(&re->nodes_mutex);
    if (place == ELEMENTS_OF(re->ears)) {
        free(slot);
        return -EBUSY;
    }
    return 0;
}

void redis_unlisten(struct engine *e, struct engine_ear *ear) {
    struct redis_engine *re = redis_of(e);
    struct ear_slot *slot = NULL;
    pthread_mutex_lock(&re->nodes_mutex);
    for (size_t i = 0; !slot && i < ELEMENTS_OF(re->ears); i++)
        if (re->ears[i] && re->ears[i]->ear == ear)
            slot = TAKE(re->ears[i]);
    pthread_mutex_unlock(&re->nodes_mutex);
    if (!slot)
        return;
    atomic_store_explicit(&slot->is_removed, true, memory_order_relaxed);
    slot_unref(slot);
}

static void heard_run(struct post *post) {
    struct heard *h = CONTAINER_OF(post, struct heard, post);
    struct engine_ear *ear = h->slot->ear;
    if (!atomic_load_explicit(&h->slot->is_removed, memory_order_relaxed)) {
        if (!h->is_missed)
            ear->hear(ear, (struct str){ .data = h->text, .len = h->from_len },
                      bytes_of(h->text + h->from_len, h->len));
        else if (ear->missed)
            ear->missed(ear);
    }
    slot_unref(h->slot);
    free(h);
}

static void tell(struct redis_engine *re, bool is_missed, struct bytes from, struct bytes message) {
    pthread_mutex_lock(&re->nodes_mutex);
    for (size_t i = 0; i < ELEMENTS_OF(re->ears); i++) {
        struct ear_slot *slot = re->ears[i];
        struct heard *h = slot ? malloc(sizeof *h + from.len + message.len) : NULL;
        if (!h)
            continue;
        *h = (struct heard){ .post.run = heard_run,
                             .slot = slot,
                             .is_missed = is_missed,
                             .from_len = from.len,
                             .len = message.len };
        if (from.len > 0)
            memcpy(h->text, from.data, from.len);
        if (message.len > 0)
            memcpy(h->text + from.len, message.data, message.len);
        atomic_fetch_add_explicit(&slot->refs, 1, memory_order_relaxed);
        inbox_post_quietly(slot->ear->inbox, &h->post, NULL);
    }
    pthread_mutex_unlock(&re->nodes_mutex);
}

void node_hear(struct redis_engine *re, struct bytes payload) {
    struct bytes from;
    if (message_take_span(&payload, &from) < 0 || from.len == 0) {
        re->counts.messages_refused++;
        return;
    }
    if (!bytes_equal(from, str_bytes(str_of(re->node_id))))
        tell(re, false, from, payload);
}

void node_missed(struct redis_engine *re) {
    tell(re, true, (struct bytes){ 0 }, (struct bytes){ 0 });
}
