/* What the line for commands does, and what the line for subscriptions does. */
#include <errno.h>
#include <stdio.h>

#include "async/task.h"
#include "storage/redis/reply.h"
#include "storage/redis/server_impl.h"

enum { LOOKS_PER_TIMEOUT = 4 };

static struct redis_server *server_of(void *keeper) {
    return ((struct redis_keeper *) keeper)->server;
}

/* So long, at most, until somebody looks at the time again. */
static SUSPENDS int watch_pause(const struct redis_server *s) {
    int64_t ms = s->options.io_timeout_ms / LOOKS_PER_TIMEOUT;
    if (ms > s->options.keepalive_ms)
        ms = s->options.keepalive_ms;
    return task_sleep(ms > 0 ? ms : 1);
}

static int no_reply(struct redis_line *l, const struct redis_server *s) {
    return redis_why(l->why, -ETIMEDOUT, "no reply for %lld ms",
                     (long long) s->options.io_timeout_ms);
}

/* Both lines are to the same process, or publications go where nobody hears them. */
static int check_same(struct redis_keeper *k, struct redis_keeper *other) {
    if (!other->line || strcmp(k->identity, other->identity) == 0)
        return 0;
    /* Either may be the one that is out of date. */
    redis_keeper_end(other, -ESTALE, "the server is not what it was when it was greeted");
    return redis_why(&k->why, -ESTALE, "it is another process than the other line's");
}

/* ---- commands ---- */

static SUSPENDS int commands_greet(struct redis_keeper *k, struct redis_line *l) {
    struct redis_server *s = k->server;
    if (!s->options.greet)
        return 0;
    s->greeter = task_current();
    s->greeting = l;
    int r = s->options.greet(s->options.arg, s, str_of(k->identity));
    s->greeter = NULL;
    s->greeting = NULL;
    return r;
}

static void commands_up(struct redis_keeper *k, struct redis_line *l) {
    struct redis_server *s = k->server;
    /* The newer knows better. */
    if (s->subscribing.line && strcmp(k->identity, s->subscribing.identity) != 0)
        redis_keeper_end(&s->subscribing, -ESTALE,
                         "the server was restarted, or another took over");
    event_set(&s->subscribing.hurry);
    redis_pipeline_up(&s->pipeline, l);
    event_set(&s->up);
    if (s->options.came_up)
        s->options.came_up(s->options.arg);
}

static SUSPENDS int commands_listen(void *keeper) {
    struct redis_keeper *k = keeper;
    struct redis_server *s = k->server;
    if (!k->line) /* the tasks beside this one could not be started */
        return -ECANCELED;
    for (;;) {
        struct redisReply *reply;
        int r = redis_line_read(k->line, &reply);
        if (r < 0)
            return r;
        int verdict = redis_reply_judge(reply);
        if (verdict < 0) {
            struct str text = redis_reply_text(reply);
            (void) redis_why(&k->why, verdict, "%.*s",
                             text.len < REDIS_WHY_MAX ? (int) text.len : REDIS_WHY_MAX, text.data);
        }
        r = redis_pipeline_answer(&s->pipeline, reply);
        if (r == 0)
            r = verdict;
        if (r < 0)
            return r;
    }
}

static void pong(struct redis_command *self, int error, const struct redisReply *reply) {
    (void) error;
    (void) reply;
    CONTAINER_OF(self, struct redis_server, ping)->is_pinged = false;
}

static SUSPENDS int commands_watch(void *keeper) {
    struct redis_keeper *k = keeper;
    struct redis_server *s = k->server;
    struct bytes ping = str_bytes(STR("PING"));
    for (;;) {
        int r = watch_pause(s);
        /* A loop that stood still hears first what came meanwhile. */
        if (r == 0 && redis_pipeline_age_ms(&s->pipeline) >= s->options.io_timeout_ms)
            r = task_sleep(1);
        if (r < 0)
            return r;
        if (redis_pipeline_age_ms(&s->pipeline) >= s->options.io_timeout_ms)
            return no_reply(k->line, s);
        if (s->pipeline.first || s->is_pinged ||
            loop_now() - k->line->heard_ms < s->options.keepalive_ms)
            continue;
        s->is_pinged = true;
        s->ping = (struct redis_command){ .done = pong };
        redis_pipeline_send(&s->pipeline, &s->ping, &ping, 1);
    }
}

static void commands_down(struct redis_keeper *k, int error) {
    struct redis_server *s = k->server;
    int said = s->is_closing ? -ECANCELED : error == -ETIMEDOUT ? -ETIMEDOUT : -ECONNRESET;
    event_clear(&s->up);
    redis_pipeline_down(&s->pipeline, said);
    if (s->options.went_down)
        s->options.went_down(s->options.arg, s->is_closing ? -ECANCELED : error);
}

const struct redis_keeper_kind redis_commands_kind = {
    .name = "commands",
    .greet = commands_greet,
    .up = commands_up,
    .listen = commands_listen,
    .watch = commands_watch,
    .down = commands_down,
};

/* ---- subscriptions ---- */

static SUSPENDS int subscribing_greet(struct redis_keeper *k, struct redis_line *l) {
    (void) l;
    return check_same(k, &k->server->commands);
}

static void subscribing_up(struct redis_keeper *k, struct redis_line *l) {
    redis_subscriptions_up(&k->server->subscriptions, l);
}

static SUSPENDS int subscribing_listen(void *keeper) {
    struct redis_keeper *k = keeper;
    if (!k->line)
        return -ECANCELED;
    for (;;) {
        struct redisReply *reply;
        int r = redis_line_read(k->line, &reply);
        if (r == 0)
            r = redis_subscriptions_hear(&k->server->subscriptions, reply);
        if (r < 0)
            return r;
    }
}

static SUSPENDS int subscribing_watch(void *keeper) {
    struct redis_keeper *k = keeper;
    struct redis_server *s = server_of(k);
    for (;;) {
        int r = watch_pause(s);
        if (r == 0 && redis_subscriptions_age_ms(&s->subscriptions) >= s->options.io_timeout_ms)
            r = task_sleep(1);
        if (r < 0)
            return r;
        if (redis_subscriptions_age_ms(&s->subscriptions) >= s->options.io_timeout_ms)
            return no_reply(k->line, s);
        redis_subscriptions_tick(&s->subscriptions, s->options.keepalive_ms);
    }
}

static void subscribing_down(struct redis_keeper *k, int error) {
    (void) error;
    redis_subscriptions_down(&k->server->subscriptions);
}

const struct redis_keeper_kind redis_subscribing_kind = {
    .name = "subscriptions",
    .greet = subscribing_greet,
    .up = subscribing_up,
    .listen = subscribing_listen,
    .watch = subscribing_watch,
    .down = subscribing_down,
};
