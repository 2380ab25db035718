/* What the parts of the program chat_store share. */
#pragma once

#include "storage/chat/store.h"
#include "storage/chat/types.h"
#include "tests/bench/chat_text.h"

enum {
    USERS = 1000,
    ROOMS = 200,
    ROOMS_OF_USER = 100,
    QUIET_ROOMS = 10, /* the last ones, which one more user is in, and in no others: "newcomer" */
    MESSAGES = 1000000,
    FILLERS = 256,
    SENDERS = 64,
    SAMPLES_MAX = 200000,
    USER_ID_MAX = 32,
};

struct bench {
    const char *directory;
    uint64_t messages; /* to send */
    struct chat_store *store;
    char rooms[ROOMS][CHAT_ID_MAX + 1];
    struct chat_text text;
    uint64_t sent, until_ns;
    uint64_t samples[SAMPLES_MAX]; /* ns */
    size_t samples_n;
    uint64_t times; /* with those that there was no room for */
};

static inline void bench_note(struct bench *b, uint64_t ns) {
    if (b->samples_n < SAMPLES_MAX)
        b->samples[b->samples_n++] = ns;
    b->times++;
}

/* Tables of Markdown, a row each. per_s: 0: is not said. Takes the samples away. */
void bench_table(const char *title);
void bench_report(struct bench *b, const char *what, double per_s);
void bench_clock(void); /* the processors' time is counted from here */

/* A team of USERS in ROOMS. */
MUST_CHECK int bench_furnish(struct bench *b);
/* The rooms there are; ret_n: messages in them. CHAT_NOT_FOUND: there is no team yet. */
MUST_CHECK int bench_find_team(struct bench *b, uint64_t *ret_n);
/* Everybody is in a hundred rooms next to each other; user is in the room of this place among
 * them. */
const char *bench_room_of(const struct bench *b, unsigned user, unsigned place);

MUST_CHECK int bench_reads(struct bench *b);
MUST_CHECK int bench_searches(struct bench *b);
