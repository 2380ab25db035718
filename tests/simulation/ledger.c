#include "tests/simulation/ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ledger_finish(struct ledger *l) {
    free(l->messages);
    for (size_t i = 0; i < LEDGER_CHANNELS_MAX; i++)
        free(l->streams[i].ids);
    *l = (struct ledger){ 0 };
}

void ledger_fault(struct ledger *l, const char *format, ...) {
    va_list args;

    if (l->fault[0])
        return;
    va_start(args, format);
    (void) vsnprintf(l->fault, sizeof l->fault, format, args);
    va_end(args);
}

uint32_t ledger_send(struct ledger *l, uint32_t publisher, uint32_t channel) {
    if (l->n_messages == l->capacity) {
        uint32_t capacity = l->capacity ? 2 * l->capacity : 256;
        struct message *grown = realloc(l->messages, capacity * sizeof *grown);
        if (!grown) {
            ledger_fault(l, "the ledger is out of memory");
            return UINT32_MAX;
        }
        l->messages = grown;
        l->capacity = capacity;
    }
    l->messages[l->n_messages] = (struct message){ .publisher = publisher, .channel = channel };
    return l->n_messages++;
}

void ledger_answered(struct ledger *l, uint32_t id, enum message_state state) {
    struct message *m = &l->messages[id];

    if (m->state != MESSAGE_UNKNOWN)
        ledger_fault(l, "message %u was answered twice", id);
    m->state = state;
    if (state == MESSAGE_ACKED)
        l->acked++;
    else
        l->refused++;
}

static uint32_t *place(struct ledger *l, uint32_t channel, uint64_t offset) {
    struct ledger_stream *s = &l->streams[channel];

    while (s->capacity < offset) {
        uint64_t capacity = s->capacity ? 2 * s->capacity : 256;
        uint32_t *grown = realloc(s->ids, capacity * sizeof *grown);
        if (!grown) {
            ledger_fault(l, "the ledger is out of memory");
            return NULL;
        }
        memset(grown + s->capacity, 0, (capacity - s->capacity) * sizeof *grown);
        s->ids = grown;
        s->capacity = capacity;
    }
    if (offset > s->top)
        s->top = offset;
    return &s->ids[offset - 1];
}

/* Whoever learns what stands at an offset: all must learn the same, and each message has one place.
 */
static void learn(struct ledger *l, uint32_t channel, uint64_t offset, uint32_t id,
                  const char *who) {
    if (id >= l->n_messages || l->messages[id].channel != channel) {
        ledger_fault(l, "channel %u: %s has message %u at %" PRIu64 ", which was never sent there",
                     channel, who, id, offset);
        return;
    }
    uint32_t *at = offset ? place(l, channel, offset) : NULL;
    if (!at) {
        ledger_fault(l, "channel %u: %s has message %u without an offset", channel, who, id);
        return;
    }
    if (*at && *at != id + 1)
        ledger_fault(l, "channel %u: %s has message %u at %" PRIu64 ", where others have %u",
                     channel, who, id, offset, *at - 1);
    if (l->messages[id].offset && l->messages[id].offset != offset)
        ledger_fault(l, "channel %u: %s has message %u at %" PRIu64 ", others at %" PRIu64, channel,
                     who, id, offset, l->messages[id].offset);
    *at = id + 1;
    l->messages[id].offset = offset;
}

void ledger_distributed(struct ledger *l, uint32_t channel, uint64_t offset, uint32_t id) {
    learn(l, channel, offset, id, "the engine");
}

void ledger_saw(struct ledger *l, uint32_t channel, uint64_t at, uint64_t offset, uint32_t id) {
    if (offset != at + 1)
        ledger_fault(l, "channel %u: a subscriber at %" PRIu64 " was given %" PRIu64, channel, at,
                     offset);
    learn(l, channel, offset, id, "a subscriber");
    l->seen++;
}

void ledger_told(struct ledger *l, uint32_t channel, uint64_t at, uint64_t top, uint64_t kept,
                 uint64_t limit) {
    uint64_t missed = top - at;

    l->told++;
    if (at <= top && missed <= kept && missed <= limit)
        ledger_fault(l,
                     "channel %u: a subscriber at %" PRIu64 " of %" PRIu64
                     " was not recovered, though %" PRIu64 " are kept",
                     channel, at, top, kept);
}

static void close_stream(struct ledger *l, uint32_t channel, uint64_t *ret_unknown) {
    const struct ledger_stream *s = &l->streams[channel];

    for (uint64_t offset = 1; offset <= s->top; offset++)
        if (s->ids[offset - 1] == 0)
            ++*ret_unknown;
}

void ledger_close(struct ledger *l) {
    uint64_t unknown[LEDGER_CHANNELS_MAX] = { 0 };
    uint64_t last[64][LEDGER_CHANNELS_MAX] = { 0 };

    for (uint32_t i = 0; i < LEDGER_CHANNELS_MAX; i++)
        close_stream(l, i, &unknown[i]);
    for (uint32_t id = 0; id < l->n_messages; id++) {
        const struct message *m = &l->messages[id];
        if (m->state == MESSAGE_ACKED && m->offset == 0 && unknown[m->channel]-- == 0)
            ledger_fault(l, "channel %u: message %u was acknowledged and is gone", m->channel, id);
        if (m->state == MESSAGE_REFUSED && m->offset != 0 && !l->refused_may_return)
            ledger_fault(l, "channel %u: message %u was refused and is there, at %" PRIu64,
                         m->channel, id, m->offset);
        if (m->offset) {
            uint64_t *before = &last[m->publisher % 64][m->channel];
            if (m->offset < *before)
                ledger_fault(l,
                             "channel %u: message %u of publisher %u stands before an earlier one",
                             m->channel, id, m->publisher);
            *before = m->offset;
        }
    }
}
