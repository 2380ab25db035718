/* Who is in a channel, of all nodes: by the clock of Redis. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "storage/redis/message.h"
#include "storage/redis/remote.h"

struct presence_call {
    struct simple_call simple;
    struct str channel, client;
    const struct client_info *info;
    int64_t ttl_ms;
    size_t clients, users;
    struct presence all;
};

static struct presence_call *presence_of(struct simple_call *call) {
    return CONTAINER_OF(call, struct presence_call, simple);
}

static struct presence_call presence_call_of(struct redis_engine *re, struct str channel,
                                             const struct simple_class *class) {
    return (struct presence_call){ .simple = { .class = class, .shard = shard_for(re, channel) },
                                   .channel = channel };
}

static int begin(struct args *a, struct op *op, enum script script, struct str channel) {
    struct redis_engine *re = op->shard->engine;
    int r = args_begin(a, re, args_size(re, 3, channel.len));
    if (r < 0)
        return r;
    args_script(a, op->shard, script, 3);
    args_name(a, re->prefix, "presence.", channel);
    args_name(a, re->prefix, "presence_until.", channel);
    args_name(a, re->prefix, "presence_users.", channel);
    return 0;
}

static int number_replied(struct simple_call *call, const struct redisReply *reply) {
    (void) call;
    return reply->type == REDIS_REPLY_INTEGER ? 0 : -EPROTO;
}

/* ---- changing ---- */

static int set_send(struct op *op, struct simple_call *call) {
    struct presence_call *c = presence_of(call);
    struct buffer *text = &op->shard->engine->text;
    struct args a;
    buffer_reset(text);
    message_encode_info(c->info, text);
    int r = buffer_error(text);
    if (r == 0)
        r = begin(&a, op, SCRIPT_PRESENCE_SET, c->channel);
    if (r < 0)
        return r;
    args_str(&a, c->info->client);
    args_number(&a, c->ttl_ms > 0 ? (uint64_t) c->ttl_ms : 1);
    args_add(&a, buffer_bytes(text));
    args_send(&a, op);
    return 0;
}

static const struct simple_class set_class = { .send = set_send, .replied = number_replied };

int redis_presence_set(struct engine *e, struct str channel, const struct client_info *info,
                       int64_t ttl_ms) {
    struct presence_call c = presence_call_of(redis_of(e), channel, &set_class);
    c.info = info;
    c.ttl_ms = ttl_ms;
    return simple_call_make(redis_of(e), &c.simple);
}

static int remove_send(struct op *op, struct simple_call *call) {
    struct presence_call *c = presence_of(call);
    struct args a;
    int r = begin(&a, op, SCRIPT_PRESENCE_REMOVE, c->channel);
    if (r < 0)
        return r;
    args_str(&a, c->client);
    args_send(&a, op);
    return 0;
}

static const struct simple_class remove_class = { .send = remove_send, .replied = number_replied };

int redis_presence_remove(struct engine *e, struct str channel, struct str client) {
    struct presence_call c = presence_call_of(redis_of(e), channel, &remove_class);
    c.client = client;
    return simple_call_make(redis_of(e), &c.simple);
}

/* ---- reading ---- */

static int read_send(struct op *op, struct simple_call *call) {
    struct args a;
    int r = begin(&a, op, SCRIPT_PRESENCE_READ, presence_of(call)->channel);
    if (r < 0)
        return r;
    args_str(&a, STR("1"));
    args_number(&a, op->shard->engine->reply_max_bytes);
    args_send(&a, op);
    return 0;
}

static size_t copied_size(const struct redisReply *reply) {
    size_t size = reply->elements / 2 * sizeof(struct client_info);
    for (size_t i = 0; i < reply->elements; i++)
        size += reply->element[i]->len;
    return size;
}

static struct bytes copy(char **at, const struct redisReply *reply) {
    struct bytes b = bytes_of(*at, reply->len);
    memcpy(*at, reply->str, reply->len);
    *at += reply->len;
    return b;
}

static int read_replied(struct simple_call *call, const struct redisReply *reply) {
    struct presence_call *c = presence_of(call);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
        return -EPROTO;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return -EPROTO;
    if (reply->elements == 0)
        return 0;
    struct client_info *items = malloc(copied_size(reply));
    if (!items)
        return -ENOMEM;
    char *at = (char *) (items + reply->elements / 2);
    size_t n = 0;
    for (size_t i = 0; i < reply->elements; i += 2) {
        struct bytes client = copy(&at, reply->element[i]);
        struct bytes info = copy(&at, reply->element[i + 1]);
        if (message_decode_info(client, info, &items[n]) == 0)
            n++;
    }
    c->all = (struct presence){ .items = items, .n = n, .memory = items };
    return 0;
}

static const struct simple_class read_class = { .send = read_send, .replied = read_replied };

int redis_presence(struct engine *e, struct str channel, struct presence *ret) {
    struct presence_call c = presence_call_of(redis_of(e), channel, &read_class);
    int r = simple_call_make(redis_of(e), &c.simple);
    if (r < 0)
        presence_finish(&c.all);
    else
        *ret = c.all;
    return r;
}

static int count_send(struct op *op, struct simple_call *call) {
    struct args a;
    int r = begin(&a, op, SCRIPT_PRESENCE_READ, presence_of(call)->channel);
    if (r < 0)
        return r;
    args_str(&a, STR("0"));
    args_send(&a, op);
    return 0;
}

static int count_replied(struct simple_call *call, const struct redisReply *reply) {
    struct presence_call *c = presence_of(call);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_INTEGER ||
        reply->element[1]->type != REDIS_REPLY_INTEGER)
        return -EPROTO;
    c->clients = (size_t) reply->element[0]->integer;
    c->users = (size_t) reply->element[1]->integer;
    return 0;
}

static const struct simple_class count_class = { .send = count_send, .replied = count_replied };

int redis_presence_stats(struct engine *e, struct str channel, size_t *ret_clients,
                         size_t *ret_users) {
    struct presence_call c = presence_call_of(redis_of(e), channel, &count_class);
    int r = simple_call_make(redis_of(e), &c.simple);
    if (r < 0)
        return r;
    *ret_clients = c.clients;
    *ret_users = c.users;
    return 0;
}
