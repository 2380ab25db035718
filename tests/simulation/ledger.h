/*
 * What must be true of every execution: a plain model of channels, and everything that was sent,
 * answered and seen, held against it. Knows nothing of how the daemon works.
 */
#pragma once

#include "async/base.h"

enum {
    LEDGER_CHANNELS_MAX = 4,
    LEDGER_EPOCHS_MAX = 64,
    LEDGER_EPOCH_SIZE = 24,
    LEDGER_FAULT_MAX = 512,
    LEDGER_TAGS = 4, /* a message's tag is one of these; the last: it has none */
};

enum message_state {
    MESSAGE_UNKNOWN, /* sent; no answer came: it may be there, once */
    MESSAGE_ACKED,   /* must be there, once */
    MESSAGE_REFUSED, /* must not be there, unless a disk that failed lost its power later */
};

struct message {
    uint32_t publisher;
    uint32_t channel;
    enum message_state state;
    uint32_t tag;
    uint32_t key;    /* of a map */
    bool is_live;    /* past the history: it has no place in the stream */
    bool is_lost;    /* by what the engine keeps it in: it may be gone, and come again */
    uint32_t epoch;  /* index of the channel's */
    uint64_t offset; /* where the stream has it; 0: nowhere so far */
};

/* A channel's true stream, as it was distributed, for as long as it had this epoch: the message at
 * each offset, 0 for one not known (distributed while nobody could watch). */
struct ledger_epoch {
    char name[LEDGER_EPOCH_SIZE];
    uint32_t *ids; /* of message + 1, by offset - 1 */
    int64_t *times_ms;
    uint64_t top;
    uint64_t capacity;
};

struct ledger_stream {
    struct ledger_epoch epochs[LEDGER_EPOCHS_MAX];
    uint32_t n;
    uint32_t newest; /* index */
};

/* What a subscriber with a filter was not given: to be judged when everything is known. */
struct ledger_skip {
    uint32_t channel, epoch;
    uint32_t filter;   /* of tags: bits */
    uint64_t from, to; /* exclusive, inclusive */
};

struct ledger {
    struct message *messages;
    uint32_t n_messages, capacity;
    struct ledger_stream streams[LEDGER_CHANNELS_MAX];
    struct ledger_skip *skips;
    size_t n_skips, skips_capacity;
    uint64_t seen, recovered, told; /* by subscribers */
    uint64_t acked, refused, patches;
    bool refused_may_return; /* commits failed, and the machine crashed */
    bool forgets_unseen;     /* what nobody watched may be over before anybody looks */
    bool epochs_continue; /* a new epoch may begin with what the one before it holds, in its places
                           */
    bool epochs_may_change;       /* a channel's memory is given up, or was never on a disk */
    char fault[LEDGER_FAULT_MAX]; /* the first contradiction; empty: none */
};

void ledger_finish(struct ledger *l);

__attribute__((format(printf, 2, 3))) void ledger_fault(struct ledger *l, const char *format, ...);

/* A message is about to be sent: its id, which its payload carries. UINT32_MAX: no memory (a
 * fault). */
uint32_t ledger_send(struct ledger *l, const struct message *m);
void ledger_answered(struct ledger *l, uint32_t id, enum message_state state);

/* What the engine keeps things in has lost it, if it had it. */
void ledger_lost(struct ledger *l, uint32_t id);

/* It was acknowledged to be there. */
void ledger_acked_at(struct ledger *l, uint32_t id, const char *epoch, uint64_t offset);

/* That is its stream now. */
void ledger_current(struct ledger *l, uint32_t channel, const char *epoch);

/* The stream has the message at this offset. */
void ledger_distributed(struct ledger *l, uint32_t channel, const char *epoch, uint64_t offset,
                        uint32_t id, int64_t now_ms);

/* Where a subscriber is, and what it wants. */
struct ledger_view {
    uint32_t channel;
    const char *epoch;
    uint64_t at;
    uint32_t filter; /* tags: bits; 0: everything */
};

/*
 * A subscriber is given the message at the next offset. Offsets must follow each other, unless a
 * filter holds back what is between them, and everybody must be given the same.
 */
void ledger_saw(struct ledger *l, const struct ledger_view *v, uint64_t offset, uint32_t id);

/* A subscriber is given a message without an offset. */
void ledger_saw_live(struct ledger *l, const struct ledger_view *v, uint32_t id);

/* A subscriber, which was at v, was told that it cannot recover, while `kept` publications at least
 * are kept for ttl_ms and at most `limit` are given back: was that so? */
void ledger_told(struct ledger *l, const struct ledger_view *v, const char *epoch, uint64_t top,
                 uint64_t kept, uint64_t limit, int64_t kept_since_ms);

/*
 * A subscriber of a cache came (back), to a stream whose top is this: its position, if is_known, is
 * v's. It was given the message at the offset, or (0) nothing. Is that the newest it wants?
 */
void ledger_cached(struct ledger *l, const struct ledger_view *v, bool is_known, bool is_recovered,
                   uint64_t offset, uint32_t id, uint64_t top, int64_t kept_since_ms);

/* Has a subscriber seen everything it wants of the newest stream? */
bool ledger_is_there(const struct ledger *l, const struct ledger_view *v);

uint64_t ledger_top(const struct ledger *l, uint32_t channel); /* of the newest stream */

/* At the end, when everything distributed is known: is what was acknowledged there, what was
 * refused not, each publisher's messages in order, and was nobody denied what it wants? */
void ledger_close(struct ledger *l);
