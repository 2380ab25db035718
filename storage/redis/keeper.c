#include "storage/redis/keeper.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/task.h"
#include "storage/redis/server_impl.h"

/* ---- one line ---- */

/* Found, connected and greeted, in bounded time. */
static SUSPENDS int make_line(struct redis_keeper *k, struct redis_line **ret) {
    struct redis_server *s = k->server;
    DEADLINE(connecting, s->options.connect_timeout_ms);
    k->address = (struct address){ 0 };
    int r = redis_server_find(s, &k->why, &k->address);
    if (r == 0)
        r = redis_line_open(&s->line_options, &k->address, &k->why, ret);
    if (r == 0) {
        r = redis_line_check_master(*ret);
        if (r == 0)
            r = redis_line_identify(*ret, k->identity);
        if (r == 0)
            r = k->kind->greet(k, *ret);
        if (r < 0)
            *ret = redis_line_close(*ret);
    }
    if (r == -ETIMEDOUT && deadline_passed(&connecting))
        return redis_why(&k->why, r, "it does not answer");
    return r;
}

static SUSPENDS int serve(struct redis_keeper *k, struct redis_line *l) {
    struct group serving;
    group_init(&serving);
    int r = group_spawn(&serving, "redis-listen", k->kind->listen, k);
    if (r == 0)
        r = group_spawn(&serving, "redis-write", redis_line_write, l);
    if (r == 0)
        r = group_spawn(&serving, "redis-watch", k->kind->watch, k);
    if (r == 0) {
        k->serving = &serving;
        k->line = l;
        k->kind->up(k, l);
        r = group_wait(&serving);
    }
    k->serving = NULL;
    group_finish(&serving);
    if (k->end_error < 0)
        r = k->end_error;
    if (!k->line)
        return r;
    k->kind->down(k, r);
    k->line = NULL;
    k->breaks++;
    return r;
}

void redis_keeper_end(struct redis_keeper *k, int error, const char *format, ...) {
    if (!k->serving || k->end_error < 0)
        return;
    char text[REDIS_WHY_MAX];
    va_list args;
    va_start(args, format);
    (void) vsnprintf(text, sizeof text, format, args);
    va_end(args);
    k->end_error = redis_why(&k->why, error, "%s", text);
    group_cancel(k->serving);
}

/* ---- one after the other ---- */

static void tell_down(struct redis_keeper *k, int error) {
    k->error = error;
    (void) redis_why(&k->why, error, "%s", strerror(-error));
    if (strcmp(k->why.text, k->told.text) == 0)
        return;
    k->told = k->why;
    redis_server_warn(k->server, "%s%sno line for %s: %s", k->address.text,
                      k->address.text[0] ? ": " : "", k->kind->name, k->why.text);
}

static void tell_up(struct redis_keeper *k) {
    if (k->told.text[0] == '\0')
        return;
    k->told.text[0] = '\0';
    redis_server_warn(k->server, "%s: there is a line for %s again", k->address.text,
                      k->kind->name);
}

/* A line that broke at once is no reason to begin with short pauses again. */
static SUSPENDS int pause_between(struct redis_keeper *k, int64_t lived_ms) {
    const struct redis_server_options *o = &k->server->options;
    if (k->pause_ms == 0 || lived_ms > k->pause_ms)
        k->pause_ms = o->backoff_min_ms;
    else
        k->pause_ms = k->pause_ms < o->backoff_max_ms / 2 ? k->pause_ms * 2 : o->backoff_max_ms;
    int64_t half_ms = k->pause_ms / 2;
    DEADLINE(pausing, half_ms + (int64_t) loop_random_below((uint64_t) half_ms + 1));
    int r = event_wait(&k->hurry);
    return r == -ETIMEDOUT && deadline_passed(&pausing) ? 0 : r;
}

SUSPENDS int redis_keeper_run(void *keeper) {
    struct redis_keeper *k = keeper;
    for (;;) {
        struct redis_line *l = NULL;
        int64_t lived_ms = -1;
        k->why.text[0] = '\0';
        k->end_error = 0;
        event_clear(&k->hurry);
        int r = make_line(k, &l);
        if (r == 0) {
            int64_t began_ms = loop_now();
            k->connects++;
            k->why.text[0] = '\0';
            tell_up(k);
            r = serve(k, l);
            l = redis_line_close(l);
            lived_ms = loop_now() - began_ms;
        } else if (r != -ECANCELED) {
            k->errors++;
        }
        if (task_cancelled())
            return -ECANCELED;
        tell_down(k, r);
        r = pause_between(k, lived_ms);
        if (r < 0)
            return r;
    }
}
