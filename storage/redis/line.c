#include "storage/redis/line.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "async/task.h"
#include "storage/redis/reply.h"
#include "storage/redis/server.h"

enum {
    IN_BYTES = 64 * 1024,
    OUT_KEPT_BYTES = 1024 * 1024, /* more than that is freed when it has been written */
};

int redis_why(struct redis_why *w, int error, const char *format, ...) {
    if (w->text[0] != '\0')
        return error;
    va_list args;
    va_start(args, format);
    (void) vsnprintf(w->text, sizeof w->text, format, args);
    va_end(args);
    return error;
}

/* ---- writing ---- */

static void drop_written(struct redis_line *l) {
    if (l->out_at == l->out.len) {
        if (l->out.cap > OUT_KEPT_BYTES)
            buffer_finish(&l->out);
        l->out.len = 0;
        l->out_at = 0;
    } else if (l->out_at > OUT_KEPT_BYTES && l->out_at > l->out.len / 2) {
        buffer_consume(&l->out, l->out_at);
        l->out_at = 0;
    }
}

/* What the socket takes now. 0: all; -EAGAIN; -errno. */
static int write_some(struct redis_line *l) {
    if (buffer_error(&l->out) < 0)
        return buffer_error(&l->out);
    while (l->out_at < l->out.len) {
        ssize_t n = stream_try_send(l->stream, l->out.data + l->out_at, l->out.len - l->out_at);
        if (n < 0)
            return (int) n;
        l->out_at += (size_t) n;
        l->written += (uint64_t) n;
    }
    drop_written(l);
    return 0;
}

static void flush_now(struct turn_hook *hook) {
    struct redis_line *l = CONTAINER_OF(hook, struct redis_line, flushing);
    if (!l->is_full.is_set && write_some(l) < 0)
        event_set(&l->is_full); /* errors, too, are the writing task's to meet */
}

void redis_line_flush(struct redis_line *l) {
    if (!l->is_full.is_set)
        loop_at_turn_end(&l->flushing);
}

static SUSPENDS int write_all(struct redis_line *l) {
    for (;;) {
        int r = write_some(l);
        if (r == -EAGAIN)
            r = stream_wait_writable(l->stream);
        else if (r == 0)
            return 0;
        if (r == -ECANCELED || r == -ETIMEDOUT)
            return r;
        if (r < 0)
            return redis_why(l->why, r, "writing: %s", strerror(-r));
    }
}

SUSPENDS int redis_line_write(void *line) {
    struct redis_line *l = line;
    for (;;) {
        int r = event_wait(&l->is_full);
        if (r == 0)
            r = write_all(l);
        if (r < 0)
            return r;
        event_clear(&l->is_full);
    }
}

/* ---- reading ---- */

/* What has piled up is taken bit by bit: others of the loop are not kept waiting for it. */
static SUSPENDS int read_some(struct redis_line *l) {
    int r = l->has_more ? task_yield() : 0;
    if (r < 0)
        return r;
    ssize_t n = stream_read(l->stream, l->in, IN_BYTES);
    if (n == 0)
        return redis_why(l->why, -ECONNRESET, "it closed the connection");
    if (n == -ECANCELED || n == -ETIMEDOUT)
        return (int) n;
    if (n < 0)
        return redis_why(l->why, (int) n, "reading: %s", strerror((int) -n));
    l->has_more = n == IN_BYTES;
    l->heard_ms = loop_now();
    return redis_replies_feed(l->replies, bytes_of(l->in, (size_t) n));
}

SUSPENDS int redis_line_read(struct redis_line *l, struct redisReply **ret) {
    for (;;) {
        int r = redis_replies_next(l->replies, ret);
        if (r > 0)
            return 0;
        if (r == 0)
            r = read_some(l);
        if (r < 0 && redis_replies_why(l->replies)[0] != '\0')
            return redis_why(l->why, r, "it sent what is no reply: %s",
                             redis_replies_why(l->replies));
        if (r < 0)
            return r;
    }
}

SUSPENDS int redis_line_ask(struct redis_line *l, const struct bytes *arguments, size_t n,
                            struct redisReply **ret) {
    /* What it says unasked would be taken for the answer. */
    if (!redis_replies_are_empty(l->replies))
        return redis_why(l->why, -EPROTO, "it sent a reply to nothing");
    redis_command_append(&l->out, arguments, n);
    int r = write_all(l);
    return r < 0 ? r : redis_line_read(l, ret);
}

/* ---- making one ---- */

static void line_closep(struct redis_line **l) {
    *l = redis_line_close(*l);
}

static void reply_freep(struct redisReply **r) {
    redis_reply_free(*r);
}

/* An answer that is no error. */
static SUSPENDS int demand(struct redis_line *l, const char *what, const struct bytes *arguments,
                           size_t n) {
    struct redisReply *reply CLEANUP(reply_freep) = NULL;
    int r = redis_line_ask(l, arguments, n, &reply);
    if (r < 0 || reply->type != REDIS_REPLY_ERROR)
        return r;
    r = redis_reply_judge(reply);
    /* One that does not know AUTH would have us repeat what it was sent: the password. */
    if (strcmp(what, "AUTH") == 0)
        return redis_why(l->why, r < 0 ? r : -EACCES, "AUTH: refused (%.*s)",
                         (int) strcspn(reply->str, " \r\n"), reply->str);
    return redis_why(l->why, r < 0 ? r : -EACCES, "%s: %.*s", what,
                     reply->len < REDIS_WHY_MAX ? (int) reply->len : REDIS_WHY_MAX, reply->str);
}

static SUSPENDS int authenticate(struct redis_line *l, const struct redis_line_options *o) {
    struct bytes words[3] = { str_bytes(STR("AUTH")) };
    size_t n = 1;
    if (o->username.len > 0)
        words[n++] = str_bytes(o->username);
    words[n++] = str_bytes(o->password);
    return demand(l, "AUTH", words, n);
}

static SUSPENDS int tell_name(struct redis_line *l, struct str name) {
    struct bytes words[] = { str_bytes(STR("CLIENT")), str_bytes(STR("SETNAME")), str_bytes(name) };
    struct redisReply *reply CLEANUP(reply_freep) = NULL;
    return redis_line_ask(l, words, ELEMENTS_OF(words), &reply); /* may be forbidden: no matter */
}

static SUSPENDS int select_database(struct redis_line *l, unsigned database) {
    char number[12];
    struct bytes words[] = { str_bytes(STR("SELECT")), { 0 } };
    words[1] = bytes_of(number, (size_t) snprintf(number, sizeof number, "%u", database));
    return demand(l, "SELECT", words, ELEMENTS_OF(words));
}

static SUSPENDS int introduce(struct redis_line *l, const struct redis_line_options *o) {
    int r = 0;
    if (o->username.len > 0 || o->password.len > 0)
        r = authenticate(l, o);
    if (r == 0 && o->name.len > 0)
        r = tell_name(l, o->name);
    if (r == 0 && o->database > 0)
        r = select_database(l, o->database);
    if (r < 0)
        return r;
    struct bytes ping = str_bytes(STR("PING")); /* refused while it loads, or without a password */
    return demand(l, "PING", &ping, 1);
}

static const char *connecting_failed(int r) {
    switch (r) {
    case -ENOENT:
        return "no such name";
    case -EKEYREJECTED:
        return "its certificate is not believed";
    default:
        return strerror(-r);
    }
}

static SUSPENDS int open_stream(const struct redis_line_options *o, const struct address *a,
                                struct redis_why *why, struct stream **ret) {
    int r = o->connect ? o->connect(o->connect_arg, a, o->tls, ret)
                       : stream_connect(a, o->tls, ret);
    if (r < 0 && r != -ECANCELED && r != -ETIMEDOUT)
        return redis_why(why, r, "connecting: %s", connecting_failed(r));
    return r;
}

SUSPENDS int redis_line_open(const struct redis_line_options *o, const struct address *a,
                             struct redis_why *why, struct redis_line **ret) {
    struct redis_line *l CLEANUP(line_closep) = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->why = why;
    l->flushing.run = flush_now;
    l->in = malloc(IN_BYTES);
    if (!l->in)
        return -ENOMEM;
    int r = redis_replies_new(o->reply_max_bytes, &l->replies);
    if (r == 0)
        r = open_stream(o, a, why, &l->stream);
    if (r == 0)
        r = introduce(l, o);
    if (r < 0)
        return r;
    *ret = TAKE(l);
    return 0;
}

/* What the kernel still has to send it would go on sending after the close, for as long as a
 * network is cut: carried out then, a publish that was given up would come after those made since.
 */
static void forget_unsent(const struct stream *s) {
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    int fd = s ? stream_fd(s) : -1;
    if (fd >= 0)
        (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

struct redis_line *redis_line_close(struct redis_line *l) {
    if (!l)
        return NULL;
    loop_forget_hook(&l->flushing);
    forget_unsent(l->stream);
    l->stream = stream_close(l->stream);
    l->replies = redis_replies_free(l->replies);
    buffer_finish(&l->out);
    free(l->in);
    free(l);
    return NULL;
}
