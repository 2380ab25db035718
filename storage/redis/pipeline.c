#include "storage/redis/pipeline.h"

#include <assert.h>
#include <errno.h>

#include "storage/redis/reply.h"

/* A list of commands taken out. */
static void tell_all(struct redis_command *c, int error) {
    while (c) {
        struct redis_command *next = c->next;
        c->done(c, error ? error : c->error, NULL);
        c = next;
    }
}

/* ---- refusing ---- */

static void tell_refused(struct turn_hook *hook) {
    struct redis_pipeline *p = CONTAINER_OF(hook, struct redis_pipeline, refusing);
    struct redis_command *c = p->refused;
    p->refused = NULL;
    p->refused_last = &p->refused;
    tell_all(c, 0);
}

static void refuse(struct redis_pipeline *p, struct redis_command *c, int error) {
    c->error = error;
    c->next = NULL;
    *p->refused_last = c;
    p->refused_last = &c->next;
    p->refusals++;
    loop_at_turn_end(&p->refusing);
}

/* ---- waiting for a line ---- */

static struct redis_command *pop(struct redis_pipeline *p) {
    struct redis_command *c = p->first;
    p->first = c->next;
    if (!p->first)
        p->last = &p->first;
    p->n--;
    p->bytes -= c->bytes;
    if (p->probe == c)
        p->probe = NULL;
    return c;
}

static void fail_waiting(struct redis_pipeline *p, int error) {
    while (p->first)
        refuse(p, pop(p), error);
    buffer_finish(&p->waiting);
    timer_clear(&p->expiry);
}

static void watch_waiting(struct redis_pipeline *p) {
    if (!p->first)
        timer_clear(&p->expiry);
    else if (timer_set(&p->expiry, p->first->at_ms + p->wait_ms - loop_now()) < 0)
        fail_waiting(p, -ENOMEM);
}

static void expire(struct timer *t) {
    struct redis_pipeline *p = CONTAINER_OF(t, struct redis_pipeline, expiry);
    int64_t now_ms = loop_now();
    size_t bytes = 0;
    while (p->first && p->first->at_ms + p->wait_ms <= now_ms) {
        bytes += p->first->bytes;
        refuse(p, pop(p), -ENOTCONN);
    }
    buffer_consume(&p->waiting, bytes);
    watch_waiting(p);
}

/* ---- sending ---- */

void redis_pipeline_init(struct redis_pipeline *p) {
    p->last = &p->first;
    p->refused_last = &p->refused;
    p->refusing.run = tell_refused;
    p->expiry.run = expire;
}

static int try_send(struct redis_pipeline *p, struct redis_command *c,
                    const struct bytes *arguments, size_t n) {
    if (p->is_closed)
        return -ECANCELED;
    if (!p->line && p->wait_ms <= 0)
        return -ENOTCONN;
    if (p->n >= p->max || p->bytes > p->max_bytes || c->bytes > p->max_bytes - p->bytes)
        return -ENOBUFS;
    struct buffer *out = p->line ? &p->line->out : &p->waiting;
    /* Half a command would be worse than none: the room is made before. */
    if (buffer_error(out) < 0 || !buffer_reserve(out, c->bytes)) {
        out->error = 0;
        return -ENOMEM;
    }
    redis_command_append(out, arguments, n);
    return 0;
}

void redis_pipeline_send(struct redis_pipeline *p, struct redis_command *c,
                         const struct bytes *arguments, size_t n) {
    c->next = NULL;
    c->bytes = redis_command_size(arguments, n);
    c->at_ms = loop_now();
    int r = try_send(p, c, arguments, n);
    if (r < 0) {
        refuse(p, c, r);
        return;
    }
    *p->last = c;
    p->last = &c->next;
    p->n++;
    p->bytes += c->bytes;
    if (!p->line) {
        if (p->first == c)
            watch_waiting(p);
        return;
    }
    p->sent++;
    if (!p->probe) {
        p->probe = c;
        p->probe_us = loop_now_us();
    }
    redis_line_flush(p->line);
}

void redis_pipeline_up(struct redis_pipeline *p, struct redis_line *line) {
    assert(!p->line && !p->is_closed);
    p->line = line;
    p->base = line->written;
    timer_clear(&p->expiry);
    if (p->waiting.len > 0) {
        assert(line->out.len == 0);
        struct buffer empty = line->out;
        line->out = p->waiting;
        p->waiting = empty;
        redis_line_flush(line);
    }
    buffer_finish(&p->waiting);
    for (struct redis_command *c = p->first; c; c = c->next)
        c->at_ms = loop_now();
    p->sent += p->n;
}

int redis_pipeline_answer(struct redis_pipeline *p, struct redisReply *reply) {
    struct redis_command *c = p->first;
    if (!c || p->base + c->bytes > p->line->written) {
        redis_reply_free(reply);
        return redis_why(p->line->why, -EPROTO, "it sent a reply to nothing");
    }
    if (p->probe == c)
        p->reply_us = loop_now_us() - p->probe_us;
    (void) pop(p);
    p->base += c->bytes;
    p->reply = reply;
    c->done(c, 0, reply);
    redis_reply_free(TAKE(p->reply));
    return 0;
}

int64_t redis_pipeline_age_ms(const struct redis_pipeline *p) {
    return p->line && p->first ? loop_now() - p->first->at_ms : 0;
}

/* ---- losing the line ---- */

/* Those of which the line took the first byte. */
static struct redis_command *take_sent(struct redis_pipeline *p) {
    struct redis_command *taken = NULL, **last = &taken;
    while (p->first && p->base < p->line->written) {
        struct redis_command *c = pop(p);
        p->base += c->bytes;
        p->errors++;
        c->next = NULL;
        *last = c;
        last = &c->next;
    }
    return taken;
}

/* The rest of them, with their bytes, waits for the next line. */
static void keep_unsent(struct redis_pipeline *p, const struct redis_line *line) {
    p->sent -= p->n;
    if (p->wait_ms <= 0 || p->is_closed) {
        fail_waiting(p, p->is_closed ? -ECANCELED : -ENOTCONN);
        return;
    }
    assert(p->bytes <= line->out.len);
    buffer_append(&p->waiting, line->out.data + (line->out.len - p->bytes), p->bytes);
    if (buffer_error(&p->waiting) < 0)
        fail_waiting(p, -ENOTCONN);
    else
        watch_waiting(p);
}

void redis_pipeline_down(struct redis_pipeline *p, int error) {
    struct redis_line *line = p->line;
    if (!line)
        return;
    struct redis_command *sent = take_sent(p);
    p->line = NULL;
    keep_unsent(p, line);
    tell_all(sent, error);
}

void redis_pipeline_close(struct redis_pipeline *p) {
    assert(!p->line);
    p->is_closed = true;
    fail_waiting(p, -ECANCELED);
}

void redis_pipeline_finish(struct redis_pipeline *p) {
    /* done() may refuse more. */
    while (p->refused)
        tell_refused(&p->refusing);
    loop_forget_hook(&p->refusing);
    timer_clear(&p->expiry);
    buffer_finish(&p->waiting);
}
