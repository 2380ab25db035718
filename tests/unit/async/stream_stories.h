/* Stories that hold of any two connected streams, whatever they are made of. */
#pragma once

#include "async/debug.h"
#include "async/stream.h"
#include "expect.h"

static inline void stream_closep(struct stream **s) {
    *s = stream_close(*s);
}
#define STREAM CLEANUP(stream_closep) = NULL

static inline struct iovec span(const char *text) {
    return (struct iovec){ .iov_base = (void *) (uintptr_t) text, .iov_len = strlen(text) };
}

static inline SUSPENDS int read_exactly(struct stream *s, char *to, size_t len) {
    while (len > 0) {
        ssize_t n = stream_read(s, to, len);
        if (n <= 0)
            return n < 0 ? (int) n : -EPIPE;
        to += n;
        len -= (size_t) n;
    }
    return 0;
}

/* Two ends of some kind, a and b; the same stories are told of each. */
typedef int make_ends(struct stream **a, struct stream **b);

/* ---- stories of any two ends ---- */

static int say_and_hear(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    EXPECT_EQUAL(make(&a, &b), 0);
    struct iovec v[] = { span("one "), span(""), span("two") };
    char heard[8];
    EXPECT_EQUAL(stream_try_read(b, heard, sizeof heard), -EAGAIN);
    EXPECT_EQUAL(stream_write_all(a, v, 3), 0);
    EXPECT_EQUAL(read_exactly(b, heard, 7), 0);
    EXPECT(memcmp(heard, "one two", 7) == 0);
    EXPECT_EQUAL(stream_write_all(b, v, 1), 0);
    EXPECT_EQUAL(read_exactly(a, heard, 4), 0);
    return 0;
}

static int end_is_read_after_the_bytes(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    char heard[8];
    EXPECT_EQUAL(make(&a, &b), 0);
    EXPECT_EQUAL(stream_write_all(a, (struct iovec[]){ span("bye") }, 1), 0);
    EXPECT_EQUAL(stream_shutdown(a), 0);
    EXPECT_EQUAL(stream_try_send(a, "x", 1), -EPIPE);
    EXPECT_EQUAL(read_exactly(b, heard, 3), 0);
    EXPECT_EQUAL(stream_read(b, heard, sizeof heard), 0);
    EXPECT_EQUAL(stream_read(b, heard, sizeof heard), 0);
    /* half closed: the other way still works */
    EXPECT_EQUAL(stream_write_all(b, (struct iovec[]){ span("ok") }, 1), 0);
    EXPECT_EQUAL(read_exactly(a, heard, 2), 0);
    return 0;
}

static int writing_to_one_who_left(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    EXPECT_EQUAL(make(&a, &b), 0);
    b = stream_close(b);
    int r = 0;
    for (int i = 0; i < 100 && r == 0; i++) { /* over TCP the first ones still go out */
        r = stream_write_all(a, (struct iovec[]){ span("hello?") }, 1);
        (void) task_sleep(1);
    }
    EXPECT(r == -EPIPE || r == -ECONNRESET);
    return 0;
}

enum { BULK = 1 << 20 };

static int write_bulk(void *arg) {
    char *bulk = malloc(BULK);
    for (size_t i = 0; i < BULK; i++)
        bulk[i] = (char) (i * 7 + i / 251);
    struct iovec v[] = { { bulk, 1 }, { bulk + 1, 4999 }, { bulk + 5000, BULK - 5000 } };
    int r = stream_write_all(arg, v, 3);
    free(bulk);
    return r;
}

static int much_goes_through_little_room(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    EXPECT_EQUAL(make(&a, &b), 0);
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "writer", write_bulk, a), 0);
    char heard[3000];
    size_t i = 0;
    while (i < BULK) {
        ssize_t n = stream_read(b, heard, sizeof heard);
        EXPECT(n > 0);
        for (ssize_t k = 0; k < n; k++, i++)
            if (heard[k] != (char) (i * 7 + i / 251))
                return -EIO;
    }
    EXPECT_EQUAL(group_wait(&g), 0);
    return 0;
}

static ssize_t fill(struct stream *s) {
    static const char junk[1024];
    ssize_t n, sum = 0;
    while ((n = stream_try_send(s, junk, sizeof junk)) > 0)
        sum += n;
    return n == -EAGAIN ? sum : n;
}

static int wait_readable(void *arg) {
    return stream_wait_readable(arg);
}

static int wait_writable(void *arg) {
    return stream_wait_writable(arg);
}

static int closing_wakes_both_waiters(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    struct task *reader, *writer;
    int read_result, write_result;
    EXPECT_EQUAL(make(&a, &b), 0);
    EXPECT(fill(a) > 0);
    EXPECT(stream_unsent(a) > 0);
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "reader", wait_readable, a, &reader), 0);
    EXPECT_EQUAL(task_spawn(&g, "writer", wait_writable, a, &writer), 0);
    EXPECT_EQUAL(task_sleep(2), 0);
    a = stream_close(a);
    EXPECT_EQUAL(task_join(reader, &read_result), 0);
    EXPECT_EQUAL(task_join(writer, &write_result), 0);
    EXPECT_EQUAL(read_result, -EBADF);
    EXPECT_EQUAL(write_result, -EBADF);
    b = stream_close(b);
    struct async_stats stats;
    async_stats(&stats);
    EXPECT_EQUAL(stats.watches, 0); /* the poll knows neither any more */
    return 0;
}

/* Cancelled and closed in one turn: whoever wakes first, nobody looks at freed memory. */
static int closing_under_one_who_is_already_awake(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    struct task *reader, *writer;
    int result;
    EXPECT_EQUAL(make(&a, &b), 0);
    EXPECT(fill(a) > 0);
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "reader", wait_readable, a, &reader), 0);
    EXPECT_EQUAL(task_spawn(&g, "writer", wait_writable, a, &writer), 0);
    EXPECT_EQUAL(task_sleep(2), 0);
    task_cancel(reader);
    a = stream_close(a);
    task_cancel(writer);
    EXPECT_EQUAL(task_join(reader, &result), 0);
    EXPECT_EQUAL(result, -ECANCELED);
    EXPECT_EQUAL(task_join(writer, &result), 0);
    EXPECT_EQUAL(result, -EBADF);
    return 0;
}

static int waiting_ends_by_deadline_and_goes_on_later(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    char heard[4];
    EXPECT_EQUAL(make(&a, &b), 0);
    {
        DEADLINE(d, 5);
        EXPECT_EQUAL(stream_read(b, heard, sizeof heard), -ETIMEDOUT);
        EXPECT_EQUAL(stream_wait_readable(b), -ETIMEDOUT);
        EXPECT(deadline_passed(&d));
    }
    EXPECT(fill(a) > 0);
    {
        DEADLINE(d, 5);
        EXPECT_EQUAL(stream_wait_writable(a), -ETIMEDOUT);
        EXPECT_EQUAL(stream_write_all(a, (struct iovec[]){ span("x") }, 1), -ETIMEDOUT);
    }
    EXPECT_EQUAL(stream_wait_readable(b), 0);
    char *sink = malloc(BULK);
    EXPECT(stream_read(b, sink, BULK) > 0);
    while (stream_try_read(b, sink, BULK) > 0)
        ;
    free(sink);
    EXPECT_EQUAL(stream_wait_writable(a), 0);
    return 0;
}

/* ---- dormancy ---- */

struct sleeper {
    struct stream *stream;
    struct task *task;
    int entered, ended;
    size_t bytes;
    char last;
};

static int sleeper_resume(void *arg) {
    struct sleeper *s = arg;
    char buf[64];
    s->entered++;
    if (task_cancelled())
        return -ECANCELED;
    for (;;) {
        ssize_t n = stream_try_read(s->stream, buf, sizeof buf);
        if (n == -EAGAIN)
            return task_dormant(s->stream, INT64_MAX, sleeper_resume, s);
        if (n <= 0) {
            s->ended++;
            return (int) n;
        }
        s->bytes += (size_t) n;
        s->last = buf[n - 1];
        /* answers while asleep for reading belong to the same stream */
        if (stream_try_send(s->stream, "!", 1) < 0)
            return -EIO;
    }
}

static int a_sleeper_wakes_by_bytes_and_by_the_end(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    char heard[2];
    EXPECT_EQUAL(make(&a, &b), 0);
    struct sleeper s = { .stream = b };
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "sleeper", sleeper_resume, &s), 0);
    EXPECT_EQUAL(task_sleep(1), 0);
    for (int i = 0; i < 3; i++) {
        struct async_stats stats;
        async_stats(&stats);
        EXPECT_EQUAL(stats.dormant, 1);
        EXPECT_EQUAL(stream_write_all(a,
                                      &(struct iovec){ .iov_base = &(char){ (char) ('0' + i) },
                                                       .iov_len = 1 },
                                      1),
                     0);
        EXPECT_EQUAL(read_exactly(a, heard, 1), 0);
        EXPECT_EQUAL(task_yield(), 0);
        EXPECT_EQUAL(s.last, '0' + i);
    }
    EXPECT_EQUAL(s.bytes, 3);
    a = stream_close(a);
    EXPECT_EQUAL(group_wait(&g), 0);
    EXPECT_EQUAL(s.ended, 1);
    return 0;
}

/* What the daemon does to a slow client: a writer task waits on the stream that a dormant one
 * reads. */
static int a_writer_works_while_the_reader_sleeps(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    EXPECT_EQUAL(make(&a, &b), 0);
    struct sleeper s = { .stream = b };
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "sleeper", sleeper_resume, &s), 0);
    EXPECT_EQUAL(group_spawn(&g, "writer", write_bulk, b), 0);
    char heard[3000];
    size_t got = 0;
    while (got < BULK) {
        ssize_t n = stream_read(a, heard, sizeof heard);
        EXPECT(n > 0);
        got += (size_t) n;
    }
    EXPECT_EQUAL(s.bytes, 0);
    a = stream_close(a);
    EXPECT_EQUAL(group_wait(&g), 0);
    return 0;
}

static int a_sleeper_is_woken_by_hand(make_ends *make) {
    struct stream *a STREAM, *b STREAM;
    struct task *t;
    int result;
    EXPECT_EQUAL(make(&a, &b), 0);
    struct sleeper s = { .stream = b };
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "sleeper", sleeper_resume, &s, &t), 0);
    EXPECT_EQUAL(task_sleep(1), 0);
    EXPECT_EQUAL(s.entered, 1);
    EXPECT_EQUAL(stream_try_send(a, "x", 1), 1);
    task_wake(t); /* by hand and by bytes: once */
    EXPECT_EQUAL(task_sleep(1), 0);
    EXPECT_EQUAL(s.entered, 2);
    EXPECT_EQUAL(s.bytes, 1);
    char heard;
    EXPECT_EQUAL(stream_read(a, &heard, 1), 1); /* left unread it would make the end a reset */
    a = stream_close(a);
    EXPECT_EQUAL(task_join(t, &result), 0);
    EXPECT_EQUAL(result, 0);
    return 0;
}

/* ---- a reader and a writer at once ---- */

enum { PENDING = 1 };

struct both {
    struct stream *stream; /* NULL: closed */
    bool reader_dozes;
    bool writer_has_no_time;
    int read, written; /* what came of it; PENDING: nothing yet */
    char heard;
};

static int reads_one(void *arg) {
    struct both *b = arg;
    b->read = b->stream ? read_exactly(b->stream, &b->heard, 1) : -EBADF;
    return 0;
}

static int comes_to_read(void *arg) {
    struct both *b = arg;
    return b->reader_dozes ? task_dormant(b->stream, INT64_MAX, reads_one, b) : reads_one(b);
}

static int writes_one(void *arg) {
    struct both *b = arg;
    DEADLINE(d, b->writer_has_no_time ? 5 : 10000);
    b->written = stream_write_all(b->stream, (struct iovec[]){ span("w") }, 1);
    return 0;
}

/* Both wait. */
static SUSPENDS int both_wait(struct group *g, struct both *b, bool writer_first) {
    EXPECT(fill(b->stream) > 0);
    b->read = b->written = PENDING;
    for (int i = 0; i < 2; i++) {
        bool is_writer = writer_first == (i == 0);
        EXPECT_EQUAL(group_spawn(g, is_writer ? "writer" : "reader",
                                 is_writer ? writes_one : comes_to_read, b),
                     0);
        EXPECT_EQUAL(task_sleep(2), 0);
    }
    EXPECT_EQUAL(b->read, PENDING);
    EXPECT(b->written == PENDING || b->writer_has_no_time);
    return 0;
}

/* The writer leaves first, for there is room or its time is over; the reader stays and reads. */
static int writer_leaves_first(make_ends *make, struct both b, bool writer_first) {
    struct stream *near STREAM, *far STREAM;
    char *sink = malloc(BULK);
    EXPECT_EQUAL(make(&near, &far), 0);
    b.stream = near;
    GROUP(g);
    int r = both_wait(&g, &b, writer_first);
    for (int i = 0; i < 1000 && r == 0 && b.written == PENDING; i++) {
        while (!b.writer_has_no_time && stream_try_read(far, sink, BULK) > 0)
            ;
        r = task_sleep(1);
    }
    free(sink);
    EXPECT_EQUAL(r, 0);
    EXPECT_EQUAL(b.written, b.writer_has_no_time ? -ETIMEDOUT : 0);
    EXPECT_EQUAL(b.read, PENDING);
    EXPECT_EQUAL(group_size(&g), 1);
    EXPECT_EQUAL(stream_write_all(far, (struct iovec[]){ span("r") }, 1), 0);
    EXPECT_EQUAL(group_wait(&g), 0);
    EXPECT_EQUAL(b.read, 0);
    EXPECT_EQUAL(b.heard, 'r');
    return 0;
}

/* The reader leaves first; the writer stays. */
static int reader_leaves_first(make_ends *make, struct both b, bool writer_first) {
    struct stream *near STREAM, *far STREAM;
    EXPECT_EQUAL(make(&near, &far), 0);
    b.stream = near;
    GROUP(g);
    int r = both_wait(&g, &b, writer_first);
    EXPECT_EQUAL(r, 0);
    EXPECT_EQUAL(stream_write_all(far, (struct iovec[]){ span("r") }, 1), 0);
    for (int i = 0; i < 1000 && b.read == PENDING; i++)
        EXPECT_EQUAL(task_sleep(1), 0);
    EXPECT_EQUAL(b.read, 0);
    EXPECT_EQUAL(b.heard, 'r');
    EXPECT_EQUAL(b.written, PENDING);
    char *sink = malloc(BULK);
    for (int i = 0; i < 1000 && b.written == PENDING; i++) {
        while (stream_try_read(far, sink, BULK) > 0)
            ;
        (void) task_sleep(1);
    }
    free(sink);
    EXPECT_EQUAL(group_wait(&g), 0);
    EXPECT_EQUAL(b.written, 0);
    return 0;
}

static int closed_under_both(make_ends *make, struct both b, bool writer_first) {
    struct stream *near STREAM, *far STREAM;
    EXPECT_EQUAL(make(&near, &far), 0);
    b.stream = near;
    GROUP(g);
    int r = both_wait(&g, &b, writer_first);
    EXPECT_EQUAL(r, 0);
    b.stream = NULL;
    near = stream_close(near);
    EXPECT_EQUAL(group_wait(&g), 0);
    EXPECT_EQUAL(b.read, -EBADF);
    EXPECT_EQUAL(b.written, -EBADF);
    return 0;
}

static int a_reader_and_a_writer_leave_in_any_order(make_ends *make) {
    for (unsigned i = 0; i < 4; i++) {
        bool writer_first = i & 1;
        struct both b = { .reader_dozes = i & 2 };
        EXPECT_EQUAL(writer_leaves_first(make, b, writer_first), 0);
        EXPECT_EQUAL(reader_leaves_first(make, b, writer_first), 0);
        EXPECT_EQUAL(closed_under_both(make, b, writer_first), 0);
        b.writer_has_no_time = true;
        EXPECT_EQUAL(writer_leaves_first(make, b, writer_first), 0);
    }
    return 0;
}

/* ---- each of them over each kind ---- */

typedef int story(make_ends *make);

static const struct {
    const char *name;
    story *tell;
} stories[] = {
    { "say and hear", say_and_hear },
    { "the end comes after the bytes", end_is_read_after_the_bytes },
    { "writing to one who left", writing_to_one_who_left },
    { "much through little room", much_goes_through_little_room },
    { "closing wakes both waiters", closing_wakes_both_waiters },
    { "closing under one who is awake", closing_under_one_who_is_already_awake },
    { "deadlines", waiting_ends_by_deadline_and_goes_on_later },
    { "a sleeper wakes", a_sleeper_wakes_by_bytes_and_by_the_end },
    { "a writer beside a sleeper", a_writer_works_while_the_reader_sleeps },
    { "a sleeper is woken by hand", a_sleeper_is_woken_by_hand },
    { "a reader and a writer at once", a_reader_and_a_writer_leave_in_any_order },
};

struct telling {
    story *tell;
    make_ends *make;
};

static int tell(void *arg) {
    struct telling *t = arg;
    return t->tell(t->make);
}

/* Tells all of them; the name of the first that does not hold, or NULL. */
static inline const char *tell_all(int (*run)(task_fn *fn, void *arg), make_ends *make) {
    for (size_t i = 0; i < ELEMENTS_OF(stories); i++)
        if (run(tell, &(struct telling){ stories[i].tell, make }))
            return stories[i].name;
    return NULL;
}
