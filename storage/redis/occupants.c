/*
 * Which channels have subscribers on any node: each node's share is kept in Redis under a name that
 * it has for one line only. On a new line it says all of its own under a new name, then gives up
 * the old one: what was lost in between, on either side, makes no difference, and what went on
 * counts throughout.
 *
 * One command is under way at a time: it says that the node is there (and takes events), or what
 * has changed in many channels.
 */
#include "storage/occupants.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/task.h"
#include "storage/redis/occupied.h"
#include "storage/redis/redis_impl.h"

enum {
    CHANGES_MAX = 128, /* in one command, which holds up Redis for as long */
    EVENTS_MAX_EACH = 256,
    TENDS_PER_TTL = 3,
    LEASE_MIN_MS = 3 * ENGINE_TICK_MS,
    LEAVE_MS = 1000,
    NAME_MAX_LEN = 96,
    HEAD_MAX = 24,
};

struct occupants {
    struct shard *shard;
    struct engine_teller *teller;

    struct occupied channels;
    _Atomic bool is_posted;
    struct post post;

    /* the engine's loop */
    char name[NAME_MAX_LEN], before[NAME_MAX_LEN]; /* before: to be given up. Empty: none */
    uint64_t names;                                /* so far */
    char mark[EPOCH_SIZE];                         /* of the data that it was said to */
    bool is_named, is_saying_all, is_lost;         /* lost: Redis has other data than before */
    bool is_flying, is_leaving, is_closing;
    bool is_outdated; /* what is under way was sent before the line was lost */
    bool wants_tending, is_teller, has_more;
    bool is_telling;                /* events are being stored */
    bool is_behind;                 /* more of them may wait for room */
    uint64_t told, stored, storing; /* the last event given; stored; said to be */
    size_t asked;                   /* for how many */
    int64_t tended_ms;
    size_t n_flying;
    struct op op;
    struct bytes v[HEAD_MAX + CHANGES_MAX];
    struct occupants_event events[EVENTS_MAX_EACH];
};

static int64_t lease_ms(const struct occupants *o) {
    int64_t ttl_ms = o->shard->engine->node_ttl_ms;
    int64_t delay_ms = atomic_load(&o->teller->vacated_delay_ms);
    int64_t ms = ttl_ms > delay_ms ? ttl_ms : delay_ms;
    return ms > LEASE_MIN_MS ? ms : LEASE_MIN_MS;
}

static bool is_up(const struct occupants *o) {
    return o->shard->is_up && !o->shard->engine->is_closing;
}

/* ---- commands ---- */

static void go_on(struct occupants *o);

static struct occupants *occupants_of(struct op *op) {
    return CONTAINER_OF(op, struct occupants, op);
}

/* What was said last is not known to have been heard, or under no valid name. */
static void lose_name(struct occupants *o) {
    if (o->is_named && !o->is_saying_all)
        memcpy(o->before, o->name, sizeof o->before);
    o->is_named = false;
    o->is_saying_all = false;
    o->stored = 0; /* what was given is given again */
}

/* After an error the next tick tries again. */
static void finish(struct occupants *o, int error) {
    o->is_flying = false;
    if (error < 0 || o->is_outdated)
        lose_name(o);
    o->is_outdated = false;
    if (error == 0 || error == -ENOENT)
        go_on(o);
}

static void key(struct args *a, const char *kind) {
    args_name(a, a->engine->prefix, kind, (struct str){ 0 });
}

static int changes_send(struct op *op) {
    struct occupants *o = occupants_of(op);
    struct args a;
    int r = args_begin(&a, op->shard->engine, args_size(op->shard->engine, 6, NAME_MAX_LEN));
    if (r < 0)
        return r;
    args_script(&a, op->shard, SCRIPT_OCCUPY, 5);
    key(&a, "occupied_nodes");
    args_name(&a, a.engine->prefix, "occupied_by.", str_of(o->name));
    key(&a, "occupied");
    key(&a, "occupied_events");
    key(&a, "occupied_number");
    args_str(&a, str_of(o->name));
    args_number(&a, o->teller->events_max);
    args_name(&a, a.engine->pubsub_prefix, "occupied", (struct str){ 0 });
    memmove(o->v + a.n, o->v + HEAD_MAX, o->n_flying * sizeof *o->v);
    memcpy(o->v, a.v, a.n * sizeof *o->v);
    redis_server_send(op->shard->server, &op->command, o->v, a.n + o->n_flying);
    memmove(o->v + HEAD_MAX, o->v + a.n, o->n_flying * sizeof *o->v); /* it may be sent again */
    return 0;
}

static int changes_replied(struct op *op, const struct redisReply *reply) {
    struct occupants *o = occupants_of(op);
    if (reply->type != REDIS_REPLY_INTEGER)
        return -EPROTO;
    if (reply->integer < 0)
        return -ENOENT;
    atomic_fetch_add(&o->teller->dropped, (uint64_t) reply->integer);
    return 0;
}

static void changes_finish(struct op *op, int error) {
    struct occupants *o = occupants_of(op);
    occupied_land(&o->channels, error < 0);
    finish(o, error);
}

static const struct op_class changes_class = {
    .send = changes_send,
    .replied = changes_replied,
    .finish = changes_finish,
};

/* In one argument, since there are so many. */
static void add_numbers(struct occupants *o, struct args *a) {
    struct buffer *b = &a->engine->scratch;
    size_t from = b->len;
    size_t room = o->is_telling || o->is_leaving ? 0 : o->teller->room(o->teller);
    uint64_t ttl_ms = (uint64_t) a->engine->node_ttl_ms;
    o->asked = room < EVENTS_MAX_EACH ? room : EVENTS_MAX_EACH;
    o->storing = o->stored;
    const uint64_t numbers[] = {
        (uint64_t) lease_ms(o),
        (uint64_t) atomic_load(&o->teller->vacated_delay_ms),
        ttl_ms,
        ttl_ms / TENDS_PER_TTL + ENGINE_TICK_MS * 3 / 2, /* it is looked at with each tick */
        o->storing,
        o->asked,
        CHANGES_MAX,
    };
    for (size_t i = 0; i < ELEMENTS_OF(numbers); i++) {
        buffer_append_uint(b, numbers[i]);
        buffer_append_byte(b, ' ');
    }
    args_add(a, bytes_of(b->data + from, b->len - from));
}

/* mode, as of occupants.lua: 'n', 'k', 'x'. */
static int tend_args(struct occupants *o, struct args *a, const char *mode) {
    struct redis_engine *re = o->shard->engine;
    bool ends_before = mode[0] == 'x' || (o->is_named && !o->is_saying_all);
    char mark[EPOCH_SIZE];
    int r = args_begin(a, re, args_size(re, 11, NAME_MAX_LEN));
    if (r < 0)
        return r;
    epoch_make(re, mark);
    args_script(a, o->shard, SCRIPT_OCCUPANTS, 8);
    key(a, "occupied_nodes");
    key(a, "occupied_gone");
    key(a, "occupied");
    key(a, "occupied_events");
    key(a, "occupied_number");
    key(a, "occupied_heard");
    key(a, "occupied_mark");
    key(a, "occupied_teller");
    args_str(a, str_of(o->name));
    args_str(a, str_of(mode));
    args_str(a, ends_before ? str_of(o->before) : (struct str){ 0 });
    args_str(a, str_of(re->node_id));
    args_name(a, mark, "", (struct str){ 0 });
    a->v[a->n - 1].len--; /* the dot */
    args_name(a, re->prefix, "occupied_by.", (struct str){ 0 });
    args_name(a, re->pubsub_prefix, "occupied", (struct str){ 0 });
    add_numbers(o, a);
    return 0;
}

static int tend_send(struct op *op) {
    struct occupants *o = occupants_of(op);
    struct args a;
    int r = tend_args(o, &a, o->is_named ? "k" : "n");
    if (r == 0)
        args_send(&a, op);
    return r;
}

static int take_event(const struct redisReply *reply, struct occupants_event *ret) {
    struct bytes b = bytes_of(reply->str, reply->len);
    uint64_t number = 0;
    if (reply->type != REDIS_REPLY_STRING)
        return -EPROTO;
    while (b.len > 0 && *b.data >= '0' && *b.data <= '9') {
        number = number * 10 + (uint64_t) (*b.data - '0');
        b = bytes_of(b.data + 1, b.len - 1);
    }
    if (b.len < 2 || b.data[0] != ':' || (b.data[1] != 'o' && b.data[1] != 'v'))
        return -EPROTO;
    *ret = (struct occupants_event){
        .number = number,
        .time_ms = (int64_t) (number / 1000),
        .channel = { .data = (const char *) b.data + 2, .len = b.len - 2 },
        .is_occupied = b.data[1] == 'o',
    };
    return 0;
}

static int tell(struct occupants *o, const struct redisReply *reply) {
    size_t n = 0;
    for (size_t i = 3; i < reply->elements && n < EVENTS_MAX_EACH; i++) {
        int r = take_event(reply->element[i], &o->events[n++]);
        if (r < 0)
            return r;
    }
    if (n == 0 || o->is_telling)
        return 0;
    o->is_telling = true;
    o->told = o->events[n - 1].number;
    o->teller->tell(o->teller, o->shard->index, o->events, n);
    return 0;
}

static bool is_yes(const struct redisReply *r) {
    return r->type == REDIS_REPLY_STRING && r->len == 1 && r->str[0] == '1';
}

static int tend_replied(struct op *op, const struct redisReply *reply) {
    struct occupants *o = occupants_of(op);
    if (reply->type != REDIS_REPLY_ARRAY)
        return -EPROTO;
    if (reply->elements == 0)
        return -ENOENT;
    const struct redisReply *mark = reply->element[0];
    if (reply->elements < 3 || mark->type != REDIS_REPLY_STRING || mark->len >= EPOCH_SIZE)
        return -EPROTO;
    if (!o->is_named) {
        o->is_lost = o->is_lost || (o->mark[0] && strcmp(o->mark, mark->str) != 0);
        o->is_saying_all = true;
        o->is_named = true;
        memcpy(o->mark, mark->str, mark->len + 1);
    } else if (!o->is_saying_all) {
        o->before[0] = '\0';
    }
    o->has_more = is_yes(reply->element[1]);
    o->is_teller = is_yes(reply->element[2]);
    if (o->stored == o->storing)
        o->stored = 0;
    o->is_behind = o->is_teller && reply->elements - 3 >= o->asked;
    return tell(o, reply);
}

static void tend_finish(struct op *op, int error) {
    struct occupants *o = occupants_of(op);
    finish(o, error);
}

static const struct op_class tend_class = {
    .send = tend_send,
    .replied = tend_replied,
    .finish = tend_finish,
};

/* ---- one after the other ---- */

static void start(struct occupants *o, const struct op_class *class) {
    o->is_flying = true;
    o->op = (struct op){ .class = class };
    op_start(&o->op, o->shard, false);
}

static void start_tending(struct occupants *o) {
    o->wants_tending = false;
    o->has_more = false;
    o->tended_ms = loop_now();
    start(o, &tend_class);
}

static void begin_name(struct occupants *o) {
    (void) snprintf(o->name, sizeof o->name, "%s.%llu", o->shard->engine->node_id,
                    (unsigned long long) ++o->names);
    occupied_say_again(&o->channels);
    start_tending(o);
}

static bool is_due(const struct occupants *o) {
    int64_t pause_ms = o->shard->engine->node_ttl_ms / TENDS_PER_TTL;
    return o->wants_tending || loop_now() - o->tended_ms >= pause_ms;
}

static void go_on(struct occupants *o) {
    if (o->is_flying || o->is_closing || !is_up(o))
        return;
    if (!o->is_named) {
        begin_name(o);
        return;
    }
    if (!is_due(o) &&
        (o->n_flying = occupied_take(&o->channels, o->is_lost, o->v + HEAD_MAX, CHANGES_MAX)) > 0) {
        start(o, &changes_class);
        return;
    }
    if (o->is_saying_all && !occupied_has_changes(&o->channels)) {
        o->is_saying_all = false;
        o->is_lost = false;
        o->wants_tending = o->wants_tending || o->before[0] != '\0';
    }
    if (is_due(o) || o->has_more)
        start_tending(o);
}

static void run_post(struct post *post) {
    struct occupants *o = CONTAINER_OF(post, struct occupants, post);
    atomic_store(&o->is_posted, false);
    go_on(o);
}

/* ---- from outside ---- */

int redis_occupants_change(struct engine *e, struct str channel, bool is_occupied) {
    struct redis_engine *re = redis_of(e);
    struct occupants *o = shard_for(re, channel)->occupants;
    int r = occupied_set(&o->channels, channel, is_occupied);
    if (r > 0 && !atomic_exchange(&o->is_posted, true)) {
        o->post = (struct post){ .run = run_post };
        inbox_post(re->inbox, &o->post);
    }
    return r < 0 ? r : 0;
}

void redis_occupants_told(struct engine *e, unsigned place) {
    struct occupants *o = redis_of(e)->shards[place].occupants;
    o->is_telling = false;
    o->stored = o->told;
    o->wants_tending = true;
    go_on(o);
}

void occupants_tend(struct shard *s) {
    struct occupants *o = s->occupants;
    if (!o)
        return;
    o->wants_tending = o->wants_tending || (o->is_behind && !o->is_telling);
    go_on(o);
}

void occupants_came_up(struct shard *s) {
    struct occupants *o = s->occupants;
    if (!o)
        return;
    if (o->is_flying)
        o->is_outdated = true;
    else
        lose_name(o);
    go_on(o);
}

void occupants_hear(struct shard *s, struct bytes payload) {
    struct occupants *o = s->occupants;
    if (!o || (!o->is_teller && payload.len == 0))
        return;
    o->wants_tending = true;
    go_on(o);
}

/* ---- life ---- */

static int listen_task(void *arg) {
    struct shard *s = arg;
    char *name;
    if (asprintf(&name, "%s.occupied", s->engine->pubsub_prefix) < 0)
        return -ENOMEM;
    int r = redis_server_subscribe(s->server, str_of(name));
    free(name);
    return r;
}

static int open_one(struct shard *s, struct engine_teller *t) {
    struct occupants *o = calloc(1, sizeof *o);
    if (!o)
        return -ENOMEM;
    o->shard = s;
    o->teller = t;
    occupied_init(&o->channels, &s->engine->engine.seed);
    s->occupants = o;
    return group_spawn(&s->engine->tasks, "redis-occupants", listen_task, s);
}

int redis_occupants_open(struct engine *e, struct engine_teller *t) {
    struct redis_engine *re = redis_of(e);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < re->n_shards; i++)
        r = open_one(&re->shards[i], t);
    for (unsigned i = 0; r < 0 && i < re->n_shards; i++)
        occupants_free(&re->shards[i]);
    for (unsigned i = 0; r == 0 && i < re->n_shards; i++)
        go_on(re->shards[i].occupants);
    return r;
}

/* The others need not wait for the lease to end. */
static void leave(struct occupants *o) {
    struct args a;
    struct redisReply *reply;
    DEADLINE(d, LEAVE_MS);
    if (o->name[0] && o->shard->is_up && tend_args(o, &a, "x") == 0 &&
        redis_server_ask(o->shard->server, a.v, a.n, &reply) == 0)
        redis_reply_free(reply);
}

void redis_occupants_close(struct engine *e) {
    struct redis_engine *re = redis_of(e);
    SHIELD(INT64_MAX / 2);
    for (unsigned i = 0; i < re->n_shards; i++) {
        struct occupants *o = re->shards[i].occupants;
        if (!o)
            continue;
        o->is_leaving = true;
        /* What was given would be given again. */
        for (int64_t until_ms = loop_now() + LEAVE_MS;
             (o->is_flying || o->is_telling || o->stored) && loop_now() < until_ms;)
            if (task_sleep(1) < 0)
                break;
        o->is_closing = true;
        leave(o);
    }
}

void occupants_free(struct shard *s) {
    struct occupants *o = s->occupants;
    if (!o)
        return;
    occupied_finish(&o->channels);
    free(o);
    s->occupants = NULL;
}
