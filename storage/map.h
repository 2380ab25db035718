/*
 * Reading maps: keys with a value each, changed by publishing (engine.h, map_change).
 *
 * What is attached before the first page is read misses nothing: each change is in a page read
 * later, or delivered, or both. With a stream, page.top of the first page is the position from
 * which the stream holds all that the pages may not show.
 */
#pragma once

#include "storage/engine.h"

struct map_query {
    struct str channel; /* all borrowed for the call */
    struct keep keep;   /* as for publishing: says where the map is */
    struct str key;     /* this one alone; empty: all */
    struct str cursor;  /* of the page before; empty: from the beginning */
    uint32_t limit;     /* 0: position only */
    bool is_ordered;    /* by score, the greatest first, and equal ones by key, the last first; else
                           by key, the first first */
    bool asc;           /* ordered: the other way round. A cursor is only good for one order */
};

struct map_page {
    struct position top;        /* of the stream; an ephemeral map: offset 0, and an epoch */
    struct publication **items; /* one reference each; with the offset where it was put, and time */
    size_t n;
    struct str cursor; /* for the next page; empty: there is no more */
    void *memory;      /* private */
};

void map_page_finish(struct map_page *p);

/* -EIO, -ENOMEM, -ENOBUFS: too many reads are waiting. -EINVAL: not a cursor of ours. A map that
 * nobody has put a key into is empty. */
SUSPENDS MUST_CHECK int engine_map_read(struct engine *e, const struct map_query *q,
                                        struct map_page *ret);

SUSPENDS MUST_CHECK int engine_map_stats(struct engine *e, struct str channel, struct keep keep,
                                         uint64_t *ret_keys);

/* Forgets keys and stream: the next stream has another epoch. Subscribers are the caller's to tell:
 * for the stream's it is as if their position was lost. Durable on return. -EIO, -ENOSPC. */
SUSPENDS MUST_CHECK int engine_map_clear(struct engine *e, struct str channel, struct keep keep);

/* ---- for implementations: cursors, which are a key, or a score and a key ---- */

struct map_cursor {
    int64_t score;
    struct str key; /* empty: from the beginning. Borrows the query's */
};

MUST_CHECK int map_cursor_read(const struct map_query *q, struct map_cursor *ret); /* -EINVAL */
MUST_CHECK int map_page_end(struct map_page *p, const struct map_query *q,
                            const struct publication *last); /* there is more. -ENOMEM */
MUST_CHECK int map_page_add(struct map_page *p, size_t *cap,
                            struct publication *item); /* takes it. -ENOMEM */
