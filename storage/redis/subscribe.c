/* Attaching: the server is subscribed to for each worker that wants a channel, which it counts. */
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "storage/redis/remote.h"

enum { ATTACHING_MAX = 256 }; /* tasks, each with a stack; the others wait for their turn */

struct attach_call {
    struct call call;
    struct attaching *attaching; /* NULL: none, or ended */
    struct str channel;
};

/* Outlives a call that is given up. */
struct attaching {
    struct link link; /* waiting for its turn */
    struct redis_engine *engine;
    struct attach_call *call; /* NULL: given up */
    struct shard *shard;
    int64_t until_ms;
    size_t len;
    char name[];
};

static int pubsub_name(const struct redis_engine *re, struct str channel, char *to) {
    char *at = stpcpy(to, re->pubsub_prefix);
    at = stpcpy(at, ".c.");
    memcpy(at, channel.data ? channel.data : "", channel.len);
    return (int) (at - to) + (int) channel.len;
}

static size_t pubsub_name_max(const struct redis_engine *re, struct str channel) {
    return strlen(re->pubsub_prefix) + 4 + channel.len;
}

static struct str name_of(const struct attaching *x) {
    return (struct str){ .data = x->name, .len = x->len };
}

static void end(struct attaching *x, int result) {
    if (x->call) {
        x->call->attaching = NULL;
        call_answer(&x->call->call, result);
    } else if (result == 0) {
        redis_server_unsubscribe(x->shard->server, name_of(x));
    }
    free(x);
}

static int subscribe(struct attaching *x) {
    if (!x->call)
        return -ECANCELED;
    int64_t left_ms = x->until_ms - loop_now();
    if (left_ms <= 0)
        return -ETIMEDOUT;
    DEADLINE(d, left_ms);
    return redis_server_subscribe(x->shard->server, name_of(x));
}

/* Goes on with those that wait for their turn. */
static int attach_task(void *arg) {
    struct attaching *x = arg;
    struct redis_engine *re = x->engine;
    while (x) {
        end(x, subscribe(x));
        struct link *k = list_pop(&re->attachings);
        x = k ? CONTAINER_OF(k, struct attaching, link) : NULL;
    }
    re->n_attaching--;
    return 0;
}

static void attach_run(struct call *call) {
    struct attach_call *c = CONTAINER_OF(call, struct attach_call, call);
    struct redis_engine *re = call->engine;
    struct attaching *x = calloc(1, sizeof *x + pubsub_name_max(re, c->channel));
    if (!x) {
        call_answer(call, -ENOMEM);
        return;
    }
    x->engine = re;
    x->call = c;
    x->shard = shard_for(re, c->channel);
    x->until_ms = loop_now() + re->patience_ms;
    x->len = (size_t) pubsub_name(re, c->channel, x->name);
    c->attaching = x;
    if (re->n_attaching >= ATTACHING_MAX) {
        list_append(&re->attachings, &x->link);
        return;
    }
    int r = group_spawn(&re->tasks, "redis-attach", attach_task, x);
    if (r < 0)
        end(x, r);
    else
        re->n_attaching++;
}

static void attach_give_up(struct call *call) {
    struct attach_call *c = CONTAINER_OF(call, struct attach_call, call);
    if (c->attaching)
        c->attaching->call = NULL;
}

int redis_attach(struct engine *e, uint64_t hash, struct str channel) {
    struct attach_call c = { .call = { .run = attach_run, .give_up = attach_give_up },
                             .channel = channel };
    int r = call_make(redis_of(e), &c.call);
    if (r < 0 && c.call.result == 0)
        redis_detach(e, hash, channel);
    return r;
}

/* ---- detaching ---- */

struct detaching {
    struct post post;
    struct redis_engine *engine;
    struct shard *shard;
    size_t len;
    char name[];
};

static void detach_run(struct post *post) {
    struct detaching *x = CONTAINER_OF(post, struct detaching, post);
    if (x->shard->server) /* else the engine is closing, and its line is gone */
        redis_server_unsubscribe(x->shard->server, (struct str){ .data = x->name, .len = x->len });
    free(x);
}

/* Without memory for it Redis is not told, and what comes all the same goes to nobody. */
void redis_detach(struct engine *e, uint64_t hash, struct str channel) {
    struct redis_engine *re = redis_of(e);
    struct detaching *x = malloc(sizeof *x + pubsub_name_max(re, channel));
    (void) hash;
    if (!x)
        return;
    *x = (struct detaching){ .post.run = detach_run,
                             .engine = re,
                             .shard = shard_for(re, channel) };
    x->len = (size_t) pubsub_name(re, channel, x->name);
    inbox_post_quietly(re->inbox, &x->post, NULL);
}
