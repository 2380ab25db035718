/* Publishing: what is handed over by any loop goes out in its order, kept or not, and so do the
 * answers. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "storage/redis/message.h"
#include "storage/redis/redis_impl.h"

/* Redis refuses times that overflow; nobody will see the end of this one. */
static const int64_t TTL_MAX_MS = INT64_C(100) * 365 * 24 * 3600 * 1000;

enum { SPARE_OPS_MAX = 1024 };

struct publish_op {
    struct op op;
    struct publish_request *request;
};

/* ---- answers ---- */

static void answers_flush(struct post *post) {
    struct redis_engine *re = CONTAINER_OF(post, struct redis_engine, answers_post);
    re->is_answers_posted = false;
    publish_flush(re);
}

void publish_flush(struct redis_engine *re) {
    for (size_t i = 0; i < re->n_answers; i++)
        engine_answer_all(re->answers[i].first, NULL);
    re->n_answers = 0;
}

void publish_answer(struct redis_engine *re, struct publish_request *request) {
    if (!request->inbox) { /* a broadcast, which nobody waits for */
        publication_unref(request->publication);
        free(request);
        return;
    }
    request->next = NULL;
    for (size_t i = 0; i < re->n_answers; i++) {
        if (re->answers[i].inbox == request->inbox) {
            re->answers[i].last = re->answers[i].last->next = request;
            return;
        }
    }
    if (re->n_answers == ANSWERS_MAX)
        publish_flush(re);
    re->answers[re->n_answers++] =
            (struct answers){ .inbox = request->inbox, .first = request, .last = request };
    if (!re->is_answers_posted) {
        re->is_answers_posted = true;
        re->answers_post = (struct post){ .run = answers_flush };
        inbox_post(re->inbox, &re->answers_post);
    }
}

/* ---- the command ---- */

static struct publish_op *publish_of(struct op *op) {
    return CONTAINER_OF(op, struct publish_op, op);
}

uint64_t redis_ttl(int64_t ms) {
    return ms < 1 ? 1 : (uint64_t) (ms < TTL_MAX_MS ? ms : TTL_MAX_MS);
}

static bool is_kept(const struct publish_request *request) {
    return !keep_is_nothing(&request->keep);
}

void args_once(struct args *a, const struct publish_request *request) {
    struct buffer *b = &a->engine->scratch;
    size_t from = b->len;
    buffer_append_str(b, str_of(a->engine->prefix));
    buffer_append_str(b, STR(".once."));
    buffer_append_uint(b, request->idempotency_key.len);
    buffer_append_byte(b, '.');
    buffer_append_str(b, request->idempotency_key);
    buffer_append_byte(b, '.');
    buffer_append_str(b, request->publication->channel);
    args_add(a, bytes_of(b->data + from, b->len - from));
}

static void kept_args(struct args *a, struct shard *s, struct publish_request *request) {
    struct redis_engine *re = s->engine;
    struct str channel = request->publication->channel;
    bool is_once = request->idempotency_key.len > 0;
    char epoch[EPOCH_SIZE];
    epoch_make(re, epoch);

    args_script(a, s, SCRIPT_PUBLISH, is_once ? 4 : 3);
    args_name(a, re->prefix, "meta.", channel);
    args_name(a, re->prefix, "stream.", channel);
    args_name(a, re->prefix, "generation", (struct str){ 0 });
    if (is_once)
        args_once(a, request);
    args_str(a, str_of(s->generation));
    args_name(a, epoch, "", (struct str){ 0 });
    a->v[a->n - 1].len--; /* the dot */
    args_name(a, re->pubsub_prefix, "c.", channel);
    args_number(a, request->keep.history_size);
    args_number(a, redis_ttl(request->keep.history_ttl_ms));
    args_number(a, redis_ttl(keep_meta_ttl_ms(&request->keep)));
    args_number(a, (uint64_t) request->publication->time_ms);
    args_add(a, buffer_bytes(&re->text));
    args_number(a, request->version);
    args_str(a, request->version_epoch);
    if (is_once)
        args_number(a, redis_ttl(publish_idempotency_ttl_ms(request)));
}

static void unkept_args(struct args *a, struct shard *s, struct publish_request *request) {
    struct redis_engine *re = s->engine;
    bool is_once = request->idempotency_key.len > 0;
    if (is_once) {
        args_script(a, s, SCRIPT_ONCE, 1);
        args_once(a, request);
    } else {
        args_str(a, STR("PUBLISH"));
    }
    args_name(a, re->pubsub_prefix, "c.", request->publication->channel);
    args_add(a, buffer_bytes(&re->text));
    if (is_once)
        args_number(a, redis_ttl(publish_idempotency_ttl_ms(request)));
}

static int publish_send(struct op *op) {
    struct publish_request *request = publish_of(op)->request;
    struct redis_engine *re = op->shard->engine;
    struct args a;
    buffer_reset(&re->text);
    if (is_kept(request))
        message_encode_publication(request->publication, &re->text);
    else
        message_encode_unkept(request->publication, &re->text);
    int r = buffer_error(&re->text);
    if (r == 0)
        r = args_begin(&a, re,
                       args_size(re, 6, request->publication->channel.len) +
                               request->idempotency_key.len);
    if (r < 0)
        return r;
    if (is_kept(request))
        kept_args(&a, op->shard, request);
    else
        unkept_args(&a, op->shard, request);
    args_send(&a, op);
    return 0;
}

/* ---- the reply ---- */

static int take_result(struct op *op, const struct redisReply *reply) {
    struct publish_request *request = publish_of(op)->request;
    if (reply->type != REDIS_REPLY_STRING || reply->len == 0)
        return -EPROTO;
    struct bytes b = bytes_of(reply->str + 1, reply->len - 1);
    int r = message_take_place(&b, &request->position);
    if (r < 0)
        return -EPROTO;
    request->is_duplicate = reply->str[0] == 'd';
    request->is_stale = reply->str[0] == 's';
    if (request->is_duplicate || request->is_stale)
        op->fence = 0; /* nothing was distributed */
    return 0;
}

static int publish_replied(struct op *op, const struct redisReply *reply) {
    if (reply->type == REDIS_REPLY_INTEGER)
        return 0;
    return take_result(op, reply);
}

void publish_count(struct redis_engine *re, const struct publish_request *request) {
    struct redis_counts *c = &re->counts;
    if (request->result == -ENOBUFS)
        c->rejected++;
    else if (request->is_duplicate)
        c->duplicates++;
    else if (request->is_stale)
        c->stale++;
    else if (request->result == 0 && is_kept(request))
        c->publishes++;
    if (request->result < 0 && request->result != -ENOBUFS) {
        atomic_store(&c->last_error, request->result);
        atomic_store(&c->failed_ms, loop_now());
    } else if (request->result == 0 && is_kept(request) && c->last_error) {
        atomic_store(&c->last_error, 0);
    }
}

/* So many come and go together that the allocator's own spares do not suffice. */
static struct publish_op *take_spare(struct redis_engine *re) {
    struct op *op = re->spare_ops;
    if (!op)
        return malloc(sizeof(struct publish_op));
    re->spare_ops = op->next;
    re->n_spare_ops--;
    return publish_of(op);
}

static void keep_spare(struct redis_engine *re, struct publish_op *po) {
    if (re->n_spare_ops == SPARE_OPS_MAX) {
        free(po);
        return;
    }
    po->op.next = re->spare_ops;
    re->spare_ops = &po->op;
    re->n_spare_ops++;
}

void publish_end(struct redis_engine *re) {
    while (re->spare_ops)
        free(take_spare(re));
}

static void publish_finish(struct op *op, int error) {
    struct publish_op *po = publish_of(op);
    struct redis_engine *re = op->shard->engine;
    po->request->result = error;
    publish_count(re, po->request);
    archive_add(re, po->request);
    publish_answer(re, po->request);
    keep_spare(re, po);
}

static const struct op_class publish_class = {
    .send = publish_send,
    .replied = publish_replied,
    .finish = publish_finish,
};

/* ---- handing over ---- */

/* Who publishes what is heard here, too, is answered after it is. */
bool request_wants_fence(struct redis_engine *re, const struct publish_request *request) {
    return request->inbox &&
           distribution_has(&re->engine.distribution, request->hash, request->publication->channel);
}

static void start(struct redis_engine *re, struct publish_request *request) {
    if (request->map.is_map) {
        map_change(re, request, false);
        return;
    }
    struct publish_op *po = take_spare(re);
    if (!po) {
        request->result = -ENOMEM;
        publish_answer(re, request);
        return;
    }
    *po = (struct publish_op){ .op.class = &publish_class,
                               .op.is_ordered = true,
                               .request = request };
    op_start(&po->op, shard_for(re, request->publication->channel),
             request_wants_fence(re, request));
}

void publish_drain(struct redis_engine *re) {
    pthread_mutex_lock(&re->queue_mutex);
    struct publish_request *request = TAKE(re->queue_first);
    re->queue_end = &re->queue_first;
    re->is_queue_posted = false;
    pthread_mutex_unlock(&re->queue_mutex);
    while (request) {
        struct publish_request *next = request->next;
        start(re, request);
        request = next;
    }
}

static void drain_posted(struct post *post) {
    publish_drain(CONTAINER_OF(post, struct redis_engine, queue_post));
}

void publish_init(struct redis_engine *re) {
    pthread_mutex_init(&re->queue_mutex, NULL);
    re->queue_end = &re->queue_first;
}

static void hand_over(struct redis_engine *re, struct publish_request *request) {
    request->next = NULL;
    pthread_mutex_lock(&re->queue_mutex);
    *re->queue_end = request;
    re->queue_end = &request->next;
    bool is_first = !re->is_queue_posted;
    if (is_first) {
        re->is_queue_posted = true;
        re->queue_post = (struct post){ .run = drain_posted };
        inbox_post_quietly(re->inbox, &re->queue_post, NULL);
    }
    pthread_mutex_unlock(&re->queue_mutex);
}

void redis_publish(struct engine *e, struct publish_request *request, uint64_t hash) {
    request->hash = hash;
    hand_over(redis_of(e), request);
}

/* What is not kept goes through Redis as well. */
bool redis_is_behind(struct engine *e, uint64_t hash) {
    (void) e;
    (void) hash;
    return true;
}

int redis_broadcast(struct engine *e, uint64_t hash, struct publication *p) {
    struct publish_request *request = calloc(1, sizeof *request);
    if (!request)
        return -ENOMEM;
    request->publication = publication_ref(p);
    request->hash = hash;
    hand_over(redis_of(e), request);
    return 0;
}
