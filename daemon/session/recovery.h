/*
 * What a client that comes back is owed: a decision over the position it names and what the history
 * says. Pure: no waiting, nothing shared.
 */
#pragma once

#include "daemon/config/config.h"
#include "storage/engine.h"

struct tags_filter;

struct recovery_request {
    bool is_asked;           /* the client wants to go on from its position */
    enum recovery_mode mode; /* everything since then or nothing; or just the newest publication */
    uint32_t limit;          /* publications given back at most; who missed more starts anew */
    size_t max_bytes;        /* of them, on the wire; 0: no limit */
    uint64_t offset;
    struct str epoch;                 /* empty: the client knows none */
    bool as_strings;                  /* max_bytes is of payloads as strings in JSON */
    const struct tags_filter *filter; /* mode cache: the newest that passes; NULL: everything */
};

/* What to read: as many as tell "all" from "too many". */
struct history_query recovery_query(const struct recovery_request *r, struct str channel,
                                    struct keep keep);

/* The first n_page of the page's publications and then those of the joiner from first_live on: what
 * the client gets. */
struct recovery {
    bool recovered;
    size_t first_page, n_page;
    size_t first_live, n_live;
    uint64_t offset; /* for the reply */
    uint64_t next;   /* what the subscription expects from then on */
};

/*
 * page: of recovery_query(), top included. live: what was distributed since before it was read, in
 * order. 0, or -ESTALE: live does not continue the page; the client must come again
 * (DISCONNECT_INSUFFICIENT_STATE).
 */
MUST_CHECK int recovery_decide(const struct recovery_request *r, const struct page *page,
                               struct publication *const *live, size_t n_live,
                               struct recovery *ret);
