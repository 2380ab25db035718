#include "storage/redis/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/future.h"
#include "async/task.h"
#include "storage/redis/reply.h"
#include "storage/redis/server_impl.h"

enum {
    CONNECT_TIMEOUT_MS = 2000,
    IO_TIMEOUT_MS = 4000,
    KEEPALIVE_MS = 10000,
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 5000,
    QUEUE_MAX = 65536,
    QUEUE_MAX_BYTES = 64 * 1024 * 1024,
    REPLY_MAX_BYTES = 64 * 1024 * 1024,
    WARNING_MAX = 480,
};

void redis_server_warn(struct redis_server *s, const char *format, ...) {
    if (!s->options.warn)
        return;
    char text[WARNING_MAX];
    int n = snprintf(text, sizeof text, "%s: ", s->options.name);
    va_list args;
    va_start(args, format);
    (void) vsnprintf(text + n, sizeof text - (size_t) n, format, args);
    va_end(args);
    s->options.warn(s->options.arg, text);
}

/* ---- finding the server ---- */

SUSPENDS int redis_server_find(struct redis_server *s, struct redis_why *why, struct address *ret) {
    if (s->sentinels.master_name.len > 0)
        return redis_sentinels_master(&s->sentinels, why, ret);
    *ret = s->addresses[0];
    return 0;
}

static void on_switch(void *server) {
    struct redis_server *s = server;
    event_set(&s->commands.hurry);
    event_set(&s->subscribing.hurry);
    redis_keeper_end(&s->commands, -ESTALE, "Sentinel has made another server the master");
    redis_keeper_end(&s->subscribing, -ESTALE, "Sentinel has made another server the master");
}

/* ---- opening ---- */

static struct str copy_text(char **at, struct str s) {
    char *copy = *at;
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    *at += s.len + 1;
    return (struct str){ .data = copy, .len = s.len };
}

static int copy_options(struct redis_server *s, const struct redis_server_options *o) {
    struct redis_server_options *c = &s->options;
    *c = *o;
    struct str *texts[] = { &c->master_name, &c->username, &c->password, &c->sentinel_username,
                            &c->sentinel_password };
    struct str name = str_of(o->name ? o->name : "redis");
    size_t size = name.len + 1;
    for (size_t i = 0; i < ELEMENTS_OF(texts); i++)
        size += texts[i]->len + 1;
    char *at = s->texts = malloc(size);
    s->addresses = calloc(o->n_addresses, sizeof *s->addresses);
    if (!at || !s->addresses)
        return -ENOMEM;
    c->name = copy_text(&at, name).data;
    for (size_t i = 0; i < ELEMENTS_OF(texts); i++)
        *texts[i] = copy_text(&at, *texts[i]);
    memcpy(s->addresses, o->addresses, o->n_addresses * sizeof *s->addresses);
    c->addresses = s->addresses;
    return 0;
}

static void set_if_0(int64_t *value, int64_t standard) {
    if (*value <= 0)
        *value = standard;
}

static void fill_in(struct redis_server_options *o) {
    set_if_0(&o->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    set_if_0(&o->io_timeout_ms, IO_TIMEOUT_MS);
    set_if_0(&o->keepalive_ms, KEEPALIVE_MS);
    set_if_0(&o->backoff_min_ms, BACKOFF_MIN_MS);
    set_if_0(&o->backoff_max_ms, BACKOFF_MAX_MS);
    if (o->queue_max == 0)
        o->queue_max = QUEUE_MAX;
    if (o->queue_max_bytes == 0)
        o->queue_max_bytes = QUEUE_MAX_BYTES;
    if (o->reply_max_bytes == 0)
        o->reply_max_bytes = REPLY_MAX_BYTES;
}

static void set_up_sentinels(struct redis_server *s) {
    const struct redis_server_options *o = &s->options;
    s->sentinels.master_name = o->master_name;
    s->sentinels.connect_timeout_ms = o->connect_timeout_ms;
    s->sentinels.io_timeout_ms = o->io_timeout_ms;
    s->sentinels.keepalive_ms = o->keepalive_ms;
    s->sentinels.switched = on_switch;
    s->sentinels.arg = s;
    s->sentinels.options = (struct redis_line_options){
        .connect = o->connect,
        .connect_arg = o->connect_arg,
        .tls = o->sentinel_tls,
        .username = o->sentinel_username,
        .password = o->sentinel_password,
        .reply_max_bytes = o->reply_max_bytes,
    };
    for (size_t i = 0; i < o->n_addresses && i < REDIS_SENTINELS_MAX; i++)
        s->sentinels.addresses[s->sentinels.n++] = o->addresses[i];
}

static void set_up(struct redis_server *s) {
    const struct redis_server_options *o = &s->options;
    s->line_options = (struct redis_line_options){
        .connect = o->connect,
        .connect_arg = o->connect_arg,
        .tls = o->tls,
        .username = o->username,
        .password = o->password,
        .name = STR("parley"),
        .database = o->database,
        .reply_max_bytes = o->reply_max_bytes,
    };
    redis_pipeline_init(&s->pipeline);
    s->pipeline.max = o->queue_max;
    s->pipeline.max_bytes = o->queue_max_bytes;
    s->pipeline.wait_ms = o->wait_ms;
    redis_subscriptions_init(&s->subscriptions);
    s->subscriptions.message = o->message;
    s->subscriptions.resubscribed = o->resubscribed;
    s->subscriptions.arg = o->arg;
    s->commands.kind = &redis_commands_kind;
    s->commands.server = s;
    s->subscribing.kind = &redis_subscribing_kind;
    s->subscribing.server = s;
    if (o->master_name.len > 0)
        set_up_sentinels(s);
}

static int spawn(struct redis_server *s) {
    int r = group_spawn(&s->tasks, "redis-commands", redis_keeper_run, &s->commands);
    if (r == 0)
        r = group_spawn(&s->tasks, "redis-channels", redis_keeper_run, &s->subscribing);
    if (r == 0 && s->sentinels.master_name.len > 0)
        r = group_spawn(&s->tasks, "redis-sentinel", redis_sentinels_watch, &s->sentinels);
    return r;
}

static void free_server(struct redis_server *s) {
    free(s->texts);
    free(s->addresses);
    free(s);
}

int redis_server_open(const struct redis_server_options *o, struct redis_server **ret) {
    if (o->n_addresses == 0)
        return -EINVAL;
    struct redis_server *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int r = copy_options(s, o);
    if (r < 0) {
        free_server(s);
        return r;
    }
    fill_in(&s->options);
    set_up(s);
    group_init(&s->tasks);
    r = spawn(s);
    if (r < 0) {
        (void) redis_server_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

SUSPENDS struct redis_server *redis_server_close(struct redis_server *s) {
    if (!s)
        return NULL;
    s->is_closing = true;
    group_finish(&s->tasks);
    redis_pipeline_close(&s->pipeline);
    redis_subscriptions_close(&s->subscriptions);
    event_set(&s->up);
    redis_pipeline_finish(&s->pipeline);
    {
        SHIELD(INT64_MAX);
        while (s->callers > 0)
            (void) task_yield();
    }
    redis_subscriptions_finish(&s->subscriptions);
    free_server(s);
    return NULL;
}

SUSPENDS int redis_server_wait_up(struct redis_server *s) {
    s->callers++;
    int r = s->is_closing ? -ECANCELED : event_wait(&s->up);
    s->callers--;
    return r == 0 && s->is_closing ? -ECANCELED : r;
}

/* ---- commands ---- */

void redis_server_send(struct redis_server *s, struct redis_command *c,
                       const struct bytes *arguments, size_t n) {
    redis_pipeline_send(&s->pipeline, c, arguments, n);
}

/* Whoever asked may have gone. */
struct question {
    struct redis_command command;
    struct redis_server *server;
    struct future answered;
    struct redisReply *reply;
    bool is_forsaken;
};

static void answer(struct redis_command *self, int error, const struct redisReply *reply) {
    struct question *q = CONTAINER_OF(self, struct question, command);
    if (q->is_forsaken) {
        free(q);
        return;
    }
    if (reply)
        q->reply = TAKE(q->server->pipeline.reply);
    (void) future_resolve(&q->answered, error);
}

SUSPENDS int redis_server_ask(struct redis_server *s, const struct bytes *arguments, size_t n,
                              struct redisReply **ret) {
    if (s->greeter && s->greeter == task_current())
        return redis_line_ask(s->greeting, arguments, n, ret);
    struct question *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->command.done = answer;
    q->server = s;
    redis_pipeline_send(&s->pipeline, &q->command, arguments, n);
    int r = future_wait(&q->answered);
    if (!q->answered.is_resolved) {
        q->is_forsaken = true;
        return r;
    }
    r = r < 0 ? r : q->answered.result;
    if (r == 0)
        *ret = TAKE(q->reply);
    redis_reply_free(q->reply);
    free(q);
    return r;
}

/* ---- subscriptions ---- */

SUSPENDS int redis_server_subscribe(struct redis_server *s, struct str channel) {
    s->callers++;
    int r = s->is_closing ? -ECANCELED : redis_subscriptions_join(&s->subscriptions, channel);
    s->callers--;
    return r;
}

void redis_server_unsubscribe(struct redis_server *s, struct str channel) {
    redis_subscriptions_leave(&s->subscriptions, channel);
}

/* ---- about ---- */

void redis_server_stats(const struct redis_server *s, struct redis_server_stats *ret) {
    *ret = (struct redis_server_stats){
        .is_up = s->commands.line != NULL,
        .is_subscribed = s->subscribing.line != NULL,
        .commands = s->pipeline.sent,
        .errors = s->pipeline.errors,
        .refused = s->pipeline.refusals,
        .waiting = s->pipeline.n,
        .waiting_bytes = s->pipeline.bytes,
        .connects = s->commands.connects + s->subscribing.connects,
        .connect_errors = s->commands.errors + s->subscribing.errors,
        .breaks = s->commands.breaks + s->subscribing.breaks,
        .messages = s->subscriptions.messages,
        .channels = s->subscriptions.subscribed,
        .reply_us = s->pipeline.reply_us,
    };
}

int redis_server_error(const struct redis_server *s) {
    return s->commands.line ? 0 : s->commands.error;
}

static const struct redis_keeper *one_without_line(const struct redis_server *s) {
    return !s->commands.line ? &s->commands : !s->subscribing.line ? &s->subscribing : NULL;
}

const char *redis_server_problem(const struct redis_server *s) {
    const struct redis_keeper *k = one_without_line(s);
    return !k ? "" : k->why.text[0] ? k->why.text : k->told.text;
}

const char *redis_server_problem_at(const struct redis_server *s) {
    const struct redis_keeper *k = one_without_line(s);
    return k ? k->address.text : "";
}
