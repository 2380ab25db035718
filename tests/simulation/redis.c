/* The Redis that the nodes share, and what goes wrong with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "async/stream.h"
#include "protocol/bytes.h"
#include "storage/redis/options.h"
#include "tests/simulation/scene.h"
#include "tests/support/redis_model/redis_model.h"

enum { LOST_MAX = 6, BROKEN_PER_10000 = 30 };

/* What nobody may be held to: the messages that a lost command carried. */
static void hear_lost(void *arg, const struct bytes *argv, size_t n) {
    static const char mark[] = "{\"m\":";
    struct scene *s = arg;

    for (size_t i = 0; i < n; i++) {
        struct bytes rest = argv[i];
        const uint8_t *at;
        while ((at = rest.len ? memmem(rest.data, rest.len, mark, sizeof mark - 1) : NULL)) {
            rest = bytes_of(at, rest.len - (size_t) (at - rest.data));
            unsigned id;
            if (sscanf((const char *) at + sizeof mark - 1, "%u", &id) == 1)
                ledger_lost(&s->ledger, id);
            rest = bytes_of(at + 1, rest.len - 1);
        }
    }
}

int redis_begin(struct scene *s) {
    int r = redis_model_open(&(struct redis_model_options){ .arg = s, .lost = hear_lost },
                             &s->redis);
    if (r == 0 && s->script.has_bad_lines)
        redis_model_break_lines(s->redis, BROKEN_PER_10000, BROKEN_PER_10000);
    return r;
}

void redis_end(struct scene *s) {
    struct redis_model_stats stats;

    if (!s->redis)
        return;
    redis_model_stats(s->redis, &stats);
    if (stats.unknown)
        ledger_fault(&s->ledger, "Redis is asked for %s, which is not modelled", stats.unknown);
    scene_say(s, "Redis: %llu commands, %llu writes, %llu lost, %llu lines",
              (unsigned long long) stats.commands, (unsigned long long) stats.writes,
              (unsigned long long) stats.lost, (unsigned long long) stats.lines);
    s->redis = redis_model_close(s->redis);
}

/* ---- nodes ---- */

static int reach(void *arg, const struct address *a, const struct tls *tls, struct stream **ret) {
    struct scene_node *n = arg;

    (void) a;
    (void) tls;
    return n->is_cut_off ? -ECONNREFUSED : redis_model_connect(n->scene->redis, n, ret);
}

int redis_open_engine(void *arg, struct daemon *d, const struct engine_options *o,
                      struct engine **ret) {
    struct scene_node *n = arg;
    const struct redis_shard_options shard = { .addresses = { { "redis:6379" } },
                                               .n_addresses = 1 };
    const struct redis_options redis = { .shards = &shard,
                                         .n_shards = 1,
                                         .node_id = str_of(d->node_id),
                                         .node_name = str_of(d->node_name),
                                         .wait_ms = n->scene->script.wait_ms,
                                         .keeps_epochs = n->scene->script.keeps_epochs,
                                         .connect = reach,
                                         .connect_arg = n };
    struct engine_options options = *o;
    char *why = NULL;

    options.redis = &redis;
    options.data_dir = NULL; /* what is each node's own is in memory */
    int r = engine_open(&options, ret, &why);
    if (r < 0)
        scene_say(n->scene, "node %u: %s", n->index, why ? why : strerror(-r));
    free(why);
    return r;
}

void redis_cut_off(struct scene_node *n, bool is_cut_off) {
    n->is_cut_off = is_cut_off;
    if (is_cut_off)
        redis_model_cut(n->scene->redis, n);
}

/* ---- what goes wrong ---- */

static void lose_something(struct scene *s) {
    size_t writes = (size_t) loop_random_below(LOST_MAX);

    switch (loop_random_below(6)) {
    case 0:
        redis_model_crash(s->redis, writes, (int64_t) loop_random_below(3000));
        scene_say(s, "Redis crashes, and loses %zu", writes);
        break;
    case 1:
        redis_model_fail_over(s->redis, writes, 0);
        scene_say(s, "Redis fails over to a replica %zu behind", writes);
        break;
    case 2:
        redis_model_fail_over(s->redis, writes, 1 + (int64_t) loop_random_below(5000));
        scene_say(s, "Redis fails over to a replica %zu behind, and goes on", writes);
        break;
    case 3:
        redis_model_fail_over_and_back(s->redis, writes, (int64_t) loop_random_below(3000));
        scene_say(s, "Redis fails over to a replica %zu behind, and back", writes);
        break;
    case 4:
        if (loop_random_below(3) == 0) {
            redis_model_flush(s->redis);
            scene_say(s, "Redis is emptied");
        }
        break;
    default:
        if (loop_random_below(3) == 0) {
            redis_model_evict(s->redis);
            scene_say(s, "Redis lets a key go");
        }
        break;
    }
}

static void restart(struct scene *s) {
    if (loop_random_below(2))
        redis_model_crash(s->redis, 0, (int64_t) loop_random_below(3000));
    else
        redis_model_fail_over(s->redis, 0, 0);
    scene_say(s, "Redis restarts with all it had");
}

static void break_lines(struct scene *s) {
    static const char *const what[] = { "the lines of subscriptions break", "all lines break",
                                        "Redis forgets the scripts" };
    uint64_t kind = loop_random_below(3);

    if (kind == 0)
        redis_model_cut_subscribers(s->redis);
    else if (kind == 1)
        redis_model_cut(s->redis, NULL);
    else
        redis_model_forget_scripts(s->redis);
    scene_say(s, "%s", what[kind]);
}

/* A node loses Redis, or has it again. */
static void split(struct scene *s) {
    struct scene_node *n = &s->nodes[loop_random_below(s->script.nodes)];

    if (!n->is_up)
        return;
    scene_say(s, "node %u %s", n->index, n->is_cut_off ? "has Redis again" : "is cut off");
    redis_cut_off(n, !n->is_cut_off);
}

void redis_disturb(struct scene *s) {
    const struct script *c = &s->script;

    s->redis_faults++;
    if (c->has_losses && loop_random_below(4) == 0) {
        lose_something(s);
    } else if (c->has_restarts && loop_random_below(4) == 0) {
        restart(s);
    } else if (c->has_bad_lines && loop_random_below(3) == 0) {
        break_lines(s);
    } else if (c->has_pauses && loop_random_below(3) == 0) {
        int64_t ms = 50 + (int64_t) loop_random_below(6000);
        redis_model_pause(s->redis, ms);
        scene_say(s, "Redis pauses for %lld ms", (long long) ms);
    } else if (c->has_refusals && loop_random_below(3) == 0) {
        redis_model_load_slowly(s->redis, (int64_t) loop_random_below(2000));
        redis_model_fill(s->redis, (int64_t) loop_random_below(3000));
        scene_say(s, "Redis is full for a while");
    } else if (c->has_splits && loop_random_below(3) == 0) {
        split(s);
    } else {
        s->redis_faults--;
    }
}

/* Publications are missed that nothing follows. */
bool redis_disturb_last(struct scene *s) {
    const struct script *c = &s->script;

    if (!c->has_bad_lines && !c->has_losses)
        return false;
    if (c->has_losses && loop_random_below(2))
        lose_something(s);
    else
        redis_model_cut_subscribers(s->redis);
    return true;
}

void redis_heal(struct scene *s) {
    if (!s->redis)
        return;
    redis_model_heal(s->redis);
    for (unsigned i = 0; i < s->script.nodes; i++)
        s->nodes[i].is_cut_off = false;
}
