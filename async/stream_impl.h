/*
 * The inside of streams: what a kind of stream implements, and what the loop's dormant tasks and
 * the TLS layer need of any of them. Private to async/.
 *
 * A kind never suspends and knows no tasks: it moves bytes, says -EAGAIN, and after arm() reports
 * once with stream_ready(). Parking, waking and closing under a waiter are here, once for all
 * kinds.
 */
#pragma once

#include <sys/types.h>

#include "async/stream.h"
#include "async/task.h"

enum stream_event { STREAM_READ = 1, STREAM_WRITE = 2 };

struct stream_ops {
    ssize_t (*read)(struct stream *s, void *buf, size_t cap); /* > 0; 0: end; -EAGAIN, -errno */
    ssize_t (*send)(struct stream *s, const void *buf, size_t len);    /* > 0; -EAGAIN, -errno */
    ssize_t (*writev)(struct stream *s, const struct iovec *v, int n); /* the same */
    /* Report this event. 1: it is the case already (nothing will be reported); 0; -errno. May
     * report more than once, or when there turns out to be nothing (half a TLS record). */
    int (*arm)(struct stream *s, enum stream_event event);
    /* A layer over another stream: that one's report. Returns the events somebody waits for. */
    unsigned (*on_below)(struct stream *s, unsigned events);
    int (*shutdown)(struct stream *s);
    void (*close)(struct stream *s); /* frees; nobody waits any more */
    size_t (*unsent)(const struct stream *s);
    const char *(*peer)(const struct stream *s, char *buf, size_t cap);
    int (*fd)(const struct stream *s);
};

struct stream_waiter; /* a parked task's record, in its frame */

/* Who reads. */
union stream_reader {
    struct stream_waiter *parked;
    struct task *dormant; /* reader_is_dormant: see stream_arm() in task_impl.h */
    struct stream *upper; /* is_wrapped: the layer that is told instead of tasks */
};

/* The head of every kind's struct. Kept small: an idle daemon consists of these. Few streams have a
 * writer that waits, and those keep the reader in its record. */
struct stream {
    const struct stream_ops *ops;
    union {
        union stream_reader reader;
        struct stream_waiter *writer; /* has_writer */
    } waits;
    bool has_writer : 1;
    bool is_wrapped : 1;
    bool reader_is_dormant : 1;
    uint8_t streak;    /* reads and writes since a task last waited: see stream_begin() */
    uint8_t kind_bits; /* the kind's own */
    int fd;            /* the same; here so that a send touches no more of the stream than this */
};

/* A parked task's record. */
struct stream_waiter {
    struct task *task;
    struct stream *stream;      /* NULL: closed meanwhile */
    union stream_reader reader; /* of a writer's: the stream's */
};

static inline union stream_reader *stream_reader(struct stream *s) {
    return s->has_writer ? &s->waits.writer->reader : &s->waits.reader;
}

/* The kind's report; events may be several, or-ed. Wakes, never runs anything. Returns those of
 * them that somebody waits for. */
unsigned stream_ready(struct stream *s, unsigned events);

static inline bool stream_has_reader(struct stream *s) {
    return stream_reader(s)->parked != NULL;
}

static inline bool stream_is_awaited(struct stream *s, enum stream_event event) {
    return event == STREAM_READ ? stream_has_reader(s) : s->has_writer;
}

/* A socket from accept4() with SOCK_NONBLOCK, of a listener that has TCP_NODELAY, which is
 * inherited: a stream without a system call. Owns fd on success. */
MUST_CHECK int stream_from_accepted(int fd, struct stream **ret);
