/*
 * The walk through what was said, newest first, for search.c.
 *
 * By the index of words, until a page is full, nothing is left, or the search has had its share of
 * the processor. What FTS5 looks at between two messages that it finds has no bound, so it is
 * interrupted; and if it had found nothing by then, the newest messages themselves are looked at
 * for a while, so that every answer comes further.
 */
#pragma once

#include "storage/chat/query.h"
#include "storage/chat/search_words.h"

/* CROSS: the index first, whatever SQLite thinks of it; it comes in the order of keys. */
#define SEARCH_WALK_SQL                                                                            \
    "SELECT f.rowid, m.room, m.body, m.author, m.flags FROM message_fts f"                         \
    " CROSS JOIN message m ON m.key = f.rowid WHERE message_fts MATCH ?1"                          \
    " AND f.rowid >= ?2 AND f.rowid < ?3 ORDER BY f.rowid DESC"

struct search_walk {
    const struct chat_cutter *cutter;
    const struct chat_search_words *words;
    struct str exact,
            cut;          /* expressions; cut: with beginnings cut; empty: there are no long ones */
    const int64_t *rooms; /* sorted */
    size_t rooms_n;
    unsigned wrong_max;  /* messages without what a cut beginning stands for: then it is rare */
    int64_t author;      /* 0: anybody */
    unsigned flags;      /* of the message, message_row.h; 0: any */
    int64_t from, below; /* keys */
    size_t limit;
};

struct search_found {
    int64_t *keys; /* the caller's, room for limit; newest first */
    size_t n;
    bool has_more, is_partial;
    int64_t below; /* where to go on */
};

MUST_CHECK int search_walk(struct chat_tx *tx, const struct search_walk *w,
                           struct search_found *ret);
