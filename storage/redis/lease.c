/* Leases: on the first server, which all nodes share. lease.lua has the rules. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "storage/redis/remote.h"

struct lease_call_state {
    struct simple_call simple;
    const struct lease_claim *claim;
    struct lease *lease;
};

static struct lease_call_state *state_of(struct simple_call *call) {
    return CONTAINER_OF(call, struct lease_call_state, simple);
}

static struct str word_of(enum lease_call call) {
    return call == LEASE_TAKE ? STR("take") : call == LEASE_GIVE ? STR("give") : STR("look");
}

static int lease_send(struct op *op, struct simple_call *call) {
    struct redis_engine *re = op->shard->engine;
    const struct lease_claim *c = state_of(call)->claim;
    struct args a;
    int r = args_begin(&a, re, args_size(re, 2, c->name.len));
    if (r < 0)
        return r;
    args_script(&a, op->shard, SCRIPT_LEASE, 2);
    args_name(&a, re->prefix, "lease.", c->name);
    args_name(&a, re->prefix, "owned.", c->name);
    args_str(&a, word_of(c->call));
    args_str(&a, c->holder);
    args_str(&a, c->told);
    args_number(&a, (uint64_t) c->ttl_ms);
    args_str(&a, c->id);
    args_number(&a, c->generation);
    args_number(&a, c->changes);
    args_number(&a, c->accepts);
    args_str(&a, c->lock);
    args_send(&a, op);
    return 0;
}

static bool take_result(const char *word, enum lease_result *ret) {
    static const char *const words[] = { [LEASE_FREE] = "free",
                                         [LEASE_OURS] = "ours",
                                         [LEASE_OTHERS] = "others",
                                         [LEASE_OTHER_THING] = "other",
                                         [LEASE_STALE] = "stale" };
    for (size_t i = 0; i < ELEMENTS_OF(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret = (enum lease_result) i;
            return true;
        }
    }
    return false;
}

static bool take_text(const struct redisReply *r, size_t max, char *to) {
    if (r->len > max)
        return false;
    memcpy(to, r->str, r->len);
    to[r->len] = '\0';
    return true;
}

static int lease_replied(struct simple_call *call, const struct redisReply *reply) {
    enum { RESULT, HOLDER, TOLD, LEFT, ID, GENERATION, CHANGES, LOCK, PARTS };
    struct lease *l = state_of(call)->lease;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != PARTS)
        return -EPROTO;
    for (size_t i = 0; i < PARTS; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return -EPROTO;
    if (!take_result(reply->element[RESULT]->str, &l->result) ||
        !take_text(reply->element[HOLDER], LEASE_ID_MAX, l->holder) ||
        !take_text(reply->element[TOLD], LEASE_TOLD_MAX, l->told) ||
        !take_text(reply->element[ID], LEASE_ID_MAX, l->id) ||
        !take_text(reply->element[LOCK], LEASE_LOCK_MAX, l->lock))
        return -EPROTO;
    l->left_ms = strtoll(reply->element[LEFT]->str, NULL, 10);
    l->generation = strtoull(reply->element[GENERATION]->str, NULL, 10);
    l->changes = strtoull(reply->element[CHANGES]->str, NULL, 10);
    return 0;
}

static const struct simple_class lease_class = { .send = lease_send, .replied = lease_replied };

int redis_lease(struct engine *e, const struct lease_claim *c, struct lease *ret) {
    struct redis_engine *re = redis_of(e);
    struct lease_call_state state = { .simple = { .class = &lease_class, .shard = &re->shards[0] },
                                      .claim = c,
                                      .lease = ret };
    *ret = (struct lease){ 0 };
    return simple_call_make(re, &state.simple);
}
