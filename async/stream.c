/* What all kinds of streams have in common: waiting, whole writes, closing under a waiter. */
#include "async/stream.h"

#include <assert.h>
#include <errno.h>

#include "async/loop_impl.h"
#include "async/stream_impl.h"
#include "async/task_impl.h"

enum { STREAK_MAX = 64 };

/* ---- who waits ---- */

/* A parked task stays registered until it runs: one that is ready but has not run yet still learns
 * that the stream was closed. A dormant one is forgotten as it is woken. */
static void reader_ready(struct stream *s, int result) {
    if (!stream_has_reader(s))
        return;
    union stream_reader *reader = stream_reader(s);
    if (s->reader_is_dormant) {
        struct task *t = reader->dormant;
        reader->dormant = NULL;
        s->reader_is_dormant = false;
        (void) task_ready(t, result);
    } else {
        (void) task_ready(reader->parked->task, result);
    }
}

static void writer_ready(struct stream *s, int result) {
    if (s->has_writer)
        (void) task_ready(s->waits.writer->task, result);
}

unsigned stream_ready(struct stream *s, unsigned events) {
    if (s->is_wrapped)
        return s->waits.reader.upper->ops->on_below(s->waits.reader.upper, events);
    unsigned taken = 0;
    if ((events & STREAM_READ) && stream_has_reader(s)) {
        taken |= STREAM_READ;
        reader_ready(s, 0);
    }
    if ((events & STREAM_WRITE) && s->has_writer) {
        taken |= STREAM_WRITE;
        writer_ready(s, 0);
    }
    return taken;
}

bool stream_arm(struct stream *s, struct task *t) {
    assert(!s->is_wrapped && !stream_has_reader(s));
    if (s->ops->arm(s, STREAM_READ) != 0)
        return true; /* readable; or broken, which reading will say */
    stream_reader(s)->dormant = t;
    s->reader_is_dormant = true;
    return false;
}

void stream_disarm(struct stream *s, struct task *t) {
    if (!s->reader_is_dormant || stream_reader(s)->dormant != t)
        return;
    stream_reader(s)->dormant = NULL;
    s->reader_is_dormant = false;
}

static void enter(struct stream *s, enum stream_event event, struct stream_waiter *w) {
    if (event == STREAM_READ) {
        stream_reader(s)->parked = w;
        return;
    }
    w->reader = s->waits.reader;
    s->waits.writer = w;
    s->has_writer = true;
}

static void leave(struct stream *s, enum stream_event event) {
    if (event == STREAM_READ) {
        stream_reader(s)->parked = NULL;
        return;
    }
    s->waits.reader = s->waits.writer->reader;
    s->has_writer = false;
}

/* Parks until the event, which is armed, or until a moment. */
static SUSPENDS int stream_park(struct stream *s, enum stream_event event, int64_t at_ms) {
    struct stream_waiter w = { .task = task_self(), .stream = s };
    enter(s, event, &w);
    s->streak = 0;
    int r = task_suspend_until(event == STREAM_READ ? WAIT_READABLE : WAIT_WRITABLE, s, at_ms);
    if (!w.stream)
        return r < 0 ? r : -EBADF;
    leave(s, event);
    return r;
}

static SUSPENDS int stream_wait(struct stream *s, enum stream_event event) {
    int r = task_check();
    if (r < 0)
        return r;
    assert(!s->is_wrapped && !stream_is_awaited(s, event));
    r = s->ops->arm(s, event);
    if (r != 0)
        return r < 0 ? r : 0;
    return stream_park(s, event, INT64_MAX);
}

/* Before a call that moves bytes. A peer that is always faster than its task must not keep the
 * others from running: now and then the task gives way. */
static SUSPENDS int stream_begin(struct stream *s, enum stream_event event) {
    int r = task_check();
    if (r < 0 || s->streak < STREAK_MAX)
        return r;
    assert(!s->is_wrapped && !stream_is_awaited(s, event));
    return stream_park(s, event, loop_now());
}

SUSPENDS int stream_wait_readable(struct stream *s) {
    return stream_wait(s, STREAM_READ);
}

SUSPENDS int stream_wait_writable(struct stream *s) {
    return stream_wait(s, STREAM_WRITE);
}

/* ---- bytes ---- */

ssize_t stream_try_read(struct stream *s, void *buf, size_t cap) {
    return s->ops->read(s, buf, cap);
}

SUSPENDS ssize_t stream_read(struct stream *s, void *buf, size_t cap) {
    int r = stream_begin(s, STREAM_READ);
    if (r < 0)
        return r;
    for (;;) {
        ssize_t n = s->ops->read(s, buf, cap);
        if (n != -EAGAIN) {
            s->streak++;
            return n;
        }
        r = stream_wait_readable(s);
        if (r < 0)
            return r;
    }
}

ssize_t stream_try_send(struct stream *s, const void *buf, size_t len) {
    return s->ops->send(s, buf, len);
}

ssize_t stream_try_write(struct stream *s, const struct iovec *v, int n) {
    return n == 1 ? s->ops->send(s, v->iov_base, v->iov_len) : s->ops->writev(s, v, n);
}

/* The caller's array is const: a piece that was cut is finished by itself, the rest goes on as it
 * is. */
SUSPENDS int stream_write_all(struct stream *s, const struct iovec *v, int n) {
    int r = stream_begin(s, STREAM_WRITE);
    if (r < 0)
        return r;
    size_t cut = 0; /* bytes of v[0] already taken */
    while (n > 0) {
        if (cut == v->iov_len) {
            v++, n--;
            cut = 0;
            continue;
        }
        ssize_t taken =
                cut > 0 ? s->ops->send(s, (const char *) v->iov_base + cut, v->iov_len - cut)
                        : stream_try_write(s, v, n);
        if (taken == -EAGAIN) {
            r = stream_wait_writable(s);
            if (r < 0)
                return r;
            continue;
        }
        if (taken < 0)
            return (int) taken;
        s->streak++;
        cut += (size_t) taken;
        while (n > 0 && cut >= v->iov_len) {
            cut -= v->iov_len;
            v++, n--;
        }
    }
    return 0;
}

/* ---- ending ---- */

int stream_shutdown(struct stream *s) {
    return s->ops->shutdown(s);
}

struct stream *stream_close(struct stream *s) {
    if (!s)
        return NULL;
    assert(!s->is_wrapped);
    if (stream_has_reader(s) && !s->reader_is_dormant)
        stream_reader(s)->parked->stream = NULL;
    if (s->has_writer)
        s->waits.writer->stream = NULL;
    reader_ready(s, -EBADF);
    writer_ready(s, -EBADF);
    s->ops->close(s);
    return NULL;
}

/* ---- about ---- */

size_t stream_unsent(const struct stream *s) {
    return s->ops->unsent(s);
}

const char *stream_peer(const struct stream *s, char *buf, size_t cap) {
    return s->ops->peer(s, buf, cap);
}

int stream_fd(const struct stream *s) {
    return s->ops->fd(s);
}
