/*
 * Who is not let in: blocked users, revoked tokens. A short list, as durable as the engine is, kept
 * for those who decide; they hold it in memory.
 */
#pragma once

#include "storage/engine.h"

enum { DENIALS_MAX = 100000 };

enum denial_kind {
    DENIAL_USER,          /* key: user id: not let in at all */
    DENIAL_TOKEN,         /* key: jti */
    DENIAL_USER_TOKENS,   /* key: user id: tokens issued before before_ms */
    DENIAL_CHANNEL_TOKEN, /* key: jti of a subscription token */
};

struct denial {
    enum denial_kind kind;
    struct str key;
    int64_t before_ms;    /* for whoever wants it: stored as it is */
    int64_t expire_at_ms; /* wall clock; 0: never */
};

/* Adds, or replaces the one of this kind and key. Durable on return. -ENOSPC: the limit, or the
 * disk; -EIO, -ENOMEM, -ENOBUFS. */
SUSPENDS MUST_CHECK int engine_denial_put(struct engine *e, const struct denial *d);
SUSPENDS MUST_CHECK int engine_denial_remove(struct engine *e, enum denial_kind kind,
                                             struct str key); /* 0 also if it was not there */

struct denials {
    struct denial *items;
    size_t n;
    void *memory; /* private */
};

void denials_finish(struct denials *d);

/* All that have not expired. -EIO, -ENOMEM, -ENOBUFS. */
SUSPENDS MUST_CHECK int engine_denials(struct engine *e, struct denials *ret);

/* ---- for implementations: filling a struct denials ---- */

struct buffer;

/* Copies into text; denials_settle() makes it their memory. -ENOMEM. */
MUST_CHECK int denials_add(struct denials *d, struct buffer *text, const struct denial *one);
void denials_settle(struct denials *d, struct buffer *text);
