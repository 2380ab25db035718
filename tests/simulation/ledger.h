/*
 * What must be true of every execution: a plain model of channels, and everything that was sent,
 * answered and seen, held against it. Knows nothing of how the daemon works.
 */
#pragma once

#include "async/base.h"

enum { LEDGER_CHANNELS_MAX = 4, LEDGER_FAULT_MAX = 512 };

enum message_state {
    MESSAGE_UNKNOWN, /* sent; no answer came: it may be there, once */
    MESSAGE_ACKED,   /* must be there, once */
    MESSAGE_REFUSED, /* must not be there, unless a disk that failed lost its power later */
};

struct message {
    uint32_t publisher;
    uint32_t channel;
    enum message_state state;
    uint64_t offset; /* where the stream has it; 0: nowhere so far */
};

/* A channel's true stream, as it was distributed: the message at each offset, 0 for one not known
 * (distributed while nobody could watch). */
struct ledger_stream {
    uint32_t *ids; /* of message + 1, by offset - 1 */
    uint64_t top;
    uint64_t capacity;
};

struct ledger {
    struct message *messages;
    uint32_t n_messages, capacity;
    struct ledger_stream streams[LEDGER_CHANNELS_MAX];
    uint64_t seen, recovered, told; /* by subscribers */
    uint64_t acked, refused;
    bool refused_may_return;      /* commits failed, and the machine crashed */
    char fault[LEDGER_FAULT_MAX]; /* the first contradiction; empty: none */
};

void ledger_finish(struct ledger *l);

__attribute__((format(printf, 2, 3))) void ledger_fault(struct ledger *l, const char *format, ...);

/* A message is about to be sent: its id, which its payload carries. UINT32_MAX: no memory (a
 * fault). */
uint32_t ledger_send(struct ledger *l, uint32_t publisher, uint32_t channel);
void ledger_answered(struct ledger *l, uint32_t id, enum message_state state);

/* The stream has the message at this offset. */
void ledger_distributed(struct ledger *l, uint32_t channel, uint64_t offset, uint32_t id);

/*
 * A subscriber, which was at offset `at` of the channel, is given the message at the next one.
 * Offsets must follow each other, and everybody must be given the same.
 */
void ledger_saw(struct ledger *l, uint32_t channel, uint64_t at, uint64_t offset, uint32_t id);

/* A subscriber at this offset was told that it cannot recover, while `kept` publications at least
 * are kept and at most `limit` are given back: was that so? */
void ledger_told(struct ledger *l, uint32_t channel, uint64_t at, uint64_t top, uint64_t kept,
                 uint64_t limit);

/* At the end, when everything distributed is known: is what was acknowledged there, what was
 * refused not, and each publisher's messages in order? */
void ledger_close(struct ledger *l);
