/* One server of those that share the channels: commands whose answers keep their order. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <xxhash.h>

#include "storage/redis/redis_impl.h"

enum { TRIES_MAX = 3 };

/* ---- which server ---- */

/* Jump consistent hash (Lamping, Veach 2014): of n servers a new one takes 1/n of the channels,
 * from all of them. */
unsigned shard_of_channel(struct str channel, unsigned n_shards) {
    uint64_t key = XXH3_64bits(channel.data ? channel.data : "", channel.len);
    int64_t at = -1, next = 0;
    while (next < (int64_t) n_shards) {
        at = next;
        key = key * UINT64_C(2862933555777941757) + 1;
        next = (int64_t) ((double) (at + 1) *
                          ((double) (UINT64_C(1) << 31) / (double) ((key >> 33) + 1)));
    }
    return at > 0 ? (unsigned) at : 0;
}

struct shard *shard_for(struct redis_engine *re, struct str channel) {
    return &re->shards[re->n_shards > 1 ? shard_of_channel(channel, re->n_shards) : 0];
}

/* ---- what is under way ---- */

static bool may_finish(const struct shard *s, const struct op *op) {
    return op->is_replied && op->fence <= s->fence_seen;
}

static void advance(struct shard *s) {
    while (s->first && may_finish(s, s->first)) {
        struct op *op = s->first;
        s->first = op->next;
        if (!s->first)
            s->end = &s->first;
        s->n_ops--;
        op->class->finish(op, op->error);
    }
}

static void fail(struct op *op, int error) {
    op->is_replied = true;
    op->is_refused = false;
    op->error = error;
    op->fence = 0;
    shard_post(op->shard);
}

static void want_fence(struct op *op) {
    op->fence = op->shard->fence + 1;
    op->shard->is_fence_wanted = true;
    shard_post(op->shard);
}

static void send_op(struct op *op) {
    if (op->is_refused && op->fence > 0)
        want_fence(op); /* the first one went by before it was done */
    op->is_sent = true;
    op->is_refused = false;
    op->tries++;
    op->command = (struct redis_command){ .done = op_done };
    int r = op->shard->engine->is_closing ? -ECANCELED : op->class->send(op);
    if (r < 0)
        fail(op, r);
}

void op_start(struct op *op, struct shard *s, bool wants_fence) {
    op->shard = s;
    op->next = NULL;
    *s->end = op;
    s->end = &op->next;
    s->n_ops++;
    atomic_store_explicit(&s->engine->counts.queued, s->n_ops, memory_order_relaxed);
    if (wants_fence)
        want_fence(op);
    if (s->n_ops > s->engine->queue_max)
        fail(op, -ENOBUFS);
    else if (!s->is_renewing)
        send_op(op);
}

/* What Redis says instead of doing it. */
int redis_reply_error(const struct redisReply *reply) {
    static const struct {
        const char *begins;
        int error;
    } known[] = {
        { "OOM", -ENOSPC },        { "MISCONF", -ENOSPC },  { "READONLY", -EROFS },
        { "LOADING", -EAGAIN },    { "BUSY", -EAGAIN },     { "MASTERDOWN", -EAGAIN },
        { "NOREPLICAS", -EAGAIN }, { "NOPERM", -EACCES },   { "NOAUTH", -EACCES },
        { "STALE", -ESTALE },      { "NOSCRIPT", -ESTALE }, { "TOOLARGE", -EMSGSIZE },
    };
    /* Before Redis 7 what stopped a script stands inside the sentence. */
    const char *inside = strncmp(reply->str, "ERR Error running script", 24) == 0
                                 ? strstr(reply->str, ": -")
                                 : NULL;
    const char *text = inside ? inside + 3 : reply->str;
    for (size_t i = 0; i < ELEMENTS_OF(known); i++)
        if (strncmp(text, known[i].begins, strlen(known[i].begins)) == 0)
            return known[i].error;
    return -EIO;
}

void op_done(struct redis_command *c, int error, const struct redisReply *reply) {
    struct op *op = CONTAINER_OF(c, struct op, command);
    struct shard *s = op->shard;
    if (error == 0 && reply->type == REDIS_REPLY_ERROR)
        error = redis_reply_error(reply);
    if (error == -ESTALE && op->tries < TRIES_MAX && !s->engine->is_closing) {
        op->is_refused = true;
        script_renew(s);
        return;
    }
    if (error == 0)
        error = op->class->replied(op, reply);
    if (error == -ESTALE)
        error = -EIO;
    op->is_replied = true;
    op->error = error;
    if (error < 0)
        op->fence = 0;
    shard_post(s);
}

/* The last that has an order with others and was done. NULL: none. */
static const struct op *last_done(const struct shard *s) {
    const struct op *last = NULL;
    for (const struct op *op = s->first; op; op = op->next)
        if (op->is_ordered && op->is_replied && op->error == 0)
            last = op;
    return last;
}

/* In the order in which they were asked for: by now all that was sent before has its reply. What
 * was refused and has been overtaken (another node loaded the scripts in between) is not tried
 * again: it would come after what was asked for later. */
void shard_resume(struct shard *s) {
    const struct op *last = last_done(s);
    for (struct op *op = s->first; op && !s->is_renewing; op = op->next) {
        if (op == last)
            last = NULL;
        if (last && op->is_ordered && op->is_refused)
            fail(op, -EAGAIN);
        else if (!op->is_replied && (op->is_refused || !op->is_sent))
            send_op(op);
    }
    shard_post(s);
}

/* What waits for a line was put together before it, perhaps for another generation, and may be
 * refused: what is asked for from now on stays behind it. */
void shard_came_up(struct shard *s) {
    for (const struct op *op = s->first; op; op = op->next)
        if (op->is_sent && !op->is_replied) {
            script_renew(s);
            return;
        }
}

/* ---- fences ---- */

/* A message to ourselves: when it is here, so is what was distributed before. */
struct fence {
    struct redis_command command;
    struct shard *shard;
};

static void fence_done(struct redis_command *c, int error, const struct redisReply *reply) {
    struct fence *f = CONTAINER_OF(c, struct fence, command);
    struct shard *s = f->shard;
    /* Nobody hears it: the line for subscriptions is not there. */
    if (error < 0 || reply->type != REDIS_REPLY_INTEGER || reply->integer == 0)
        shard_release_fences(s);
    free(f);
}

static void send_fence(struct shard *s) {
    struct redis_engine *re = s->engine;
    struct fence *f = malloc(sizeof *f);
    struct args a;
    s->is_fence_wanted = false;
    s->fence++;
    if (!f || args_begin(&a, re, args_size(re, 1, strlen(re->node_id))) < 0) {
        free(f);
        shard_release_fences(s);
        return;
    }
    *f = (struct fence){ .command.done = fence_done, .shard = s };
    if (s->fence_seen + 1 == s->fence) /* else one before it is waited for */
        s->fence_at_ms = loop_now();
    args_str(&a, STR("PUBLISH"));
    args_name(&a, re->pubsub_prefix, "fence.", str_of(re->node_id));
    args_number(&a, s->fence);
    redis_server_send(s->server, &f->command, a.v, a.n);
}

void shard_fence_seen(struct shard *s, uint64_t fence) {
    if (fence > s->fence_seen && fence <= s->fence) {
        s->fence_seen = fence;
        s->fence_at_ms = loop_now();
    }
    advance(s);
}

void shard_release_fences(struct shard *s) {
    s->fence_seen = s->fence;
    shard_post(s);
}

/* ---- at the end of the posts ---- */

static void run_post(struct post *post) {
    struct shard *s = CONTAINER_OF(post, struct shard, post);
    s->is_posted = false;
    if (s->is_fence_wanted && !s->is_renewing && !s->engine->is_closing)
        send_fence(s);
    advance(s);
}

void shard_post(struct shard *s) {
    if (s->is_posted)
        return;
    s->is_posted = true;
    s->post = (struct post){ .run = run_post };
    inbox_post(s->engine->inbox, &s->post);
}

/* ---- putting commands together ---- */

int args_begin(struct args *a, struct redis_engine *re, size_t size) {
    a->engine = re;
    a->n = 0;
    buffer_reset(&re->scratch);
    return buffer_reserve(&re->scratch, size) ? 0 : -ENOMEM;
}

void args_add(struct args *a, struct bytes b) {
    a->v[a->n++] = b;
}

void args_str(struct args *a, struct str s) {
    args_add(a, str_bytes(s));
}

static void add_made(struct args *a, size_t from) {
    struct buffer *b = &a->engine->scratch;
    args_add(a, bytes_of(b->data + from, b->len - from));
}

void args_number(struct args *a, uint64_t n) {
    size_t from = a->engine->scratch.len;
    buffer_append_uint(&a->engine->scratch, n);
    add_made(a, from);
}

void args_name(struct args *a, const char *prefix, const char *kind, struct str name) {
    struct buffer *b = &a->engine->scratch;
    size_t from = b->len;
    buffer_append_str(b, str_of(prefix));
    buffer_append_byte(b, '.');
    buffer_append_str(b, str_of(kind));
    buffer_append_str(b, name);
    add_made(a, from);
}

void args_script(struct args *a, struct shard *s, enum script script, uint64_t n_keys) {
    args_str(a, STR("EVALSHA"));
    args_add(a, bytes_of(s->shas[script], SHA_SIZE - 1));
    args_number(a, n_keys);
}

void args_send(struct args *a, struct op *op) {
    redis_server_send(op->shard->server, &op->command, a->v, a->n);
}
