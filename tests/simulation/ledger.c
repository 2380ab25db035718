#include "tests/simulation/ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ledger_finish(struct ledger *l) {
    free(l->messages);
    free(l->skips);
    for (size_t i = 0; i < LEDGER_CHANNELS_MAX; i++)
        for (uint32_t k = 0; k < l->streams[i].n; k++) {
            free(l->streams[i].epochs[k].ids);
            free(l->streams[i].epochs[k].times_ms);
        }
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

uint32_t ledger_send(struct ledger *l, const struct message *m) {
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
    l->messages[l->n_messages] = *m;
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

/* ---- streams ---- */

/* The channel's stream of that epoch; NULL: not known so far. */
static struct ledger_epoch *find_epoch(struct ledger *l, uint32_t channel, const char *epoch,
                                       uint32_t *ret_index) {
    struct ledger_stream *s = &l->streams[channel];

    for (uint32_t i = s->n; i-- > 0;)
        if (strcmp(s->epochs[i].name, epoch) == 0) {
            *ret_index = i;
            return &s->epochs[i];
        }
    return NULL;
}

static struct ledger_epoch *make_epoch(struct ledger *l, uint32_t channel, const char *epoch,
                                       uint32_t *ret_index) {
    struct ledger_stream *s = &l->streams[channel];
    struct ledger_epoch *e = find_epoch(l, channel, epoch, ret_index);

    if (e)
        return e;
    if (s->n > 0 && !l->epochs_may_change)
        ledger_fault(l, "channel %u has another epoch, %s, for no reason", channel, epoch);
    if (s->n == LEDGER_EPOCHS_MAX) {
        ledger_fault(l, "channel %u has too many epochs", channel);
        return NULL;
    }
    *ret_index = s->newest = s->n;
    e = &s->epochs[s->n++];
    (void) snprintf(e->name, sizeof e->name, "%s", epoch);
    return e;
}

static int make_place(struct ledger_epoch *e, uint64_t offset) {
    while (e->capacity < offset) {
        uint64_t capacity = e->capacity ? 2 * e->capacity : 256;
        uint32_t *ids = realloc(e->ids, capacity * sizeof *ids);
        if (ids)
            e->ids = ids;
        int64_t *times = ids ? realloc(e->times_ms, capacity * sizeof *times) : NULL;
        if (!times)
            return -1;
        e->times_ms = times;
        memset(ids + e->capacity, 0, (capacity - e->capacity) * sizeof *ids);
        memset(times + e->capacity, 0, (capacity - e->capacity) * sizeof *times);
        e->capacity = capacity;
    }
    if (offset > e->top)
        e->top = offset;
    return 0;
}

/* Whoever learns what stands at an offset: all must learn the same, and each message has one place.
 */
static struct ledger_epoch *learn(struct ledger *l, uint32_t channel, const char *epoch,
                                  uint64_t offset, uint32_t id, const char *who) {
    uint32_t index = 0;

    if (id >= l->n_messages || l->messages[id].channel != channel) {
        ledger_fault(l, "channel %u: %s has message %u at %" PRIu64 ", which was never sent there",
                     channel, who, id, offset);
        return NULL;
    }
    struct message *m = &l->messages[id];
    struct ledger_epoch *e = offset ? make_epoch(l, channel, epoch, &index) : NULL;
    if (!e || m->is_live || make_place(e, offset) < 0) {
        ledger_fault(l, "channel %u: %s has message %u at offset %" PRIu64, channel, who, id,
                     offset);
        return NULL;
    }
    uint32_t *at = &e->ids[offset - 1];
    if (*at && *at != id + 1)
        ledger_fault(l, "channel %u: %s has message %u at %" PRIu64 ", where others have %u",
                     channel, who, id, offset, *at - 1);
    if (m->offset && !m->is_lost &&
        (m->offset != offset || (m->epoch != index && !l->epochs_continue)))
        ledger_fault(l, "channel %u: %s has message %u at %" PRIu64 ", others at %" PRIu64, channel,
                     who, id, offset, m->offset);
    *at = id + 1;
    m->offset = offset;
    m->epoch = index;
    return e;
}

void ledger_distributed(struct ledger *l, uint32_t channel, const char *epoch, uint64_t offset,
                        uint32_t id, int64_t now_ms) {
    if (offset == 0) {
        if (id >= l->n_messages || !l->messages[id].is_live)
            ledger_fault(l, "channel %u: message %u was distributed without an offset", channel,
                         id);
        return;
    }
    struct ledger_epoch *e = learn(l, channel, epoch, offset, id, "the engine");
    if (e && e->times_ms[offset - 1] == 0)
        e->times_ms[offset - 1] = now_ms;
}

uint64_t ledger_top(const struct ledger *l, uint32_t channel) {
    const struct ledger_stream *s = &l->streams[channel];
    return s->n ? s->epochs[s->newest].top : 0;
}

void ledger_lost(struct ledger *l, uint32_t id) {
    if (id < l->n_messages)
        l->messages[id].is_lost = true;
}

void ledger_acked_at(struct ledger *l, uint32_t id, const char *epoch, uint64_t offset) {
    (void) learn(l, l->messages[id].channel, epoch, offset, id, "its publisher");
}

void ledger_current(struct ledger *l, uint32_t channel, const char *epoch) {
    uint32_t index;
    if (make_epoch(l, channel, epoch, &index))
        l->streams[channel].newest = index;
}

/* ---- subscribers ---- */

static bool passes(const struct ledger *l, uint32_t id, uint32_t filter) {
    return filter == 0 || (filter & 1U << l->messages[id].tag);
}

static void skipped(struct ledger *l, const struct ledger_view *v, uint32_t epoch, uint64_t to) {
    if (l->n_skips == l->skips_capacity) {
        size_t capacity = l->skips_capacity ? 2 * l->skips_capacity : 64;
        struct ledger_skip *grown = realloc(l->skips, capacity * sizeof *grown);
        if (!grown) {
            ledger_fault(l, "the ledger is out of memory");
            return;
        }
        l->skips = grown;
        l->skips_capacity = capacity;
    }
    l->skips[l->n_skips++] = (struct ledger_skip){
        .channel = v->channel, .epoch = epoch, .filter = v->filter, .from = v->at, .to = to
    };
}

void ledger_saw(struct ledger *l, const struct ledger_view *v, uint64_t offset, uint32_t id) {
    if (offset <= v->at || (v->filter == 0 && offset != v->at + 1))
        ledger_fault(l, "channel %u: a subscriber at %" PRIu64 " was given %" PRIu64, v->channel,
                     v->at, offset);
    if (!learn(l, v->channel, v->epoch, offset, id, "a subscriber"))
        return;
    if (!passes(l, id, v->filter))
        ledger_fault(l, "channel %u: a subscriber was given message %u, which its filter refuses",
                     v->channel, id);
    if (offset > v->at + 1)
        skipped(l, v, l->messages[id].epoch, offset - 1);
    l->seen++;
}

void ledger_saw_live(struct ledger *l, const struct ledger_view *v, uint32_t id) {
    if (id >= l->n_messages || l->messages[id].channel != v->channel || !l->messages[id].is_live)
        ledger_fault(l, "channel %u: a subscriber was given message %u without an offset",
                     v->channel, id);
    else if (!passes(l, id, v->filter))
        ledger_fault(l, "channel %u: a subscriber was given message %u, which its filter refuses",
                     v->channel, id);
    l->seen++;
}

static bool is_lost(const struct ledger *l, const struct ledger_epoch *e, uint64_t offset) {
    uint32_t id = e->ids[offset - 1];
    return id && l->messages[id - 1].is_lost;
}

void ledger_told(struct ledger *l, const struct ledger_view *v, const char *epoch, uint64_t top,
                 uint64_t kept, uint64_t limit, int64_t kept_since_ms) {
    uint64_t missed = top - v->at;
    uint32_t index;
    const struct ledger_epoch *e = find_epoch(l, v->channel, epoch, &index);

    l->told++;
    if (strcmp(epoch, v->epoch) != 0 || v->at > top || missed > kept || missed > limit)
        return;
    for (uint64_t offset = v->at + 1; offset <= top; offset++)
        if (!e || offset > e->top || e->times_ms[offset - 1] < kept_since_ms ||
            is_lost(l, e, offset))
            return; /* it may be too old, or from before anybody watched */
    ledger_fault(l,
                 "channel %u: a subscriber at %" PRIu64 " of %" PRIu64
                 " was not recovered, though %" PRIu64 " are kept",
                 v->channel, v->at, top, kept);
}

void ledger_cached(struct ledger *l, const struct ledger_view *v, bool is_known, bool is_recovered,
                   uint64_t offset, uint32_t id, uint64_t top, int64_t kept_since_ms) {
    struct ledger_view from = *v;
    uint32_t index;
    const struct ledger_epoch *e = find_epoch(l, v->channel, v->epoch, &index);

    if (offset) {
        if (!is_recovered || offset > top || (is_known && offset <= v->at))
            ledger_fault(l, "channel %u: a cache gave what stands at %" PRIu64 " of %" PRIu64,
                         v->channel, offset, top);
        from.at = offset - 1;
        ledger_saw(l, &from, offset, id);
        from.at = offset;
        if (top > offset)
            skipped(l, &from, l->messages[id].epoch, top);
    } else if (is_recovered) { /* it has the newest already */
        if (!is_known)
            ledger_fault(l, "channel %u: a cache gave nothing to one who has nothing", v->channel);
        if (e && top > v->at)
            skipped(l, v, index, top);
    } else {
        l->told++;
        if (v->filter == 0 && e && top > 0 && top <= e->top &&
            e->times_ms[top - 1] >= kept_since_ms && !is_lost(l, e, top))
            ledger_fault(l, "channel %u: a cache did not give the newest, at %" PRIu64, v->channel,
                         top);
    }
}

bool ledger_is_there(const struct ledger *l, const struct ledger_view *v) {
    const struct ledger_stream *s = &l->streams[v->channel];
    const struct ledger_epoch *e = s->n ? &s->epochs[s->newest] : NULL;

    if (!e || (l->epochs_may_change && strcmp(e->name, v->epoch) != 0))
        return v->at == 0; /* nothing is known of the stream it is in */
    for (uint64_t offset = v->at + 1; offset <= e->top; offset++)
        if (e->ids[offset - 1] == 0 || passes(l, e->ids[offset - 1] - 1, v->filter))
            return false;
    return true;
}

/* ---- the end ---- */

static void judge_skips(struct ledger *l) {
    for (size_t i = 0; i < l->n_skips; i++) {
        const struct ledger_skip *s = &l->skips[i];
        const struct ledger_epoch *e = &l->streams[s->channel].epochs[s->epoch];
        for (uint64_t offset = s->from + 1; offset <= s->to && offset <= e->top; offset++) {
            uint32_t id = e->ids[offset - 1];
            if (id && passes(l, id - 1, s->filter))
                ledger_fault(l,
                             "channel %u: message %u at %" PRIu64
                             " passes a filter, and was not given",
                             s->channel, id - 1, offset);
        }
    }
}

static void close_stream(struct ledger *l, uint32_t channel, uint64_t *ret_unknown) {
    const struct ledger_stream *s = &l->streams[channel];

    for (uint32_t i = 0; i < s->n; i++)
        for (uint64_t offset = 1; offset <= s->epochs[i].top; offset++)
            if (s->epochs[i].ids[offset - 1] == 0)
                ++*ret_unknown;
}

/* Among a publisher's messages of one channel and epoch. */
static void judge_order(struct ledger *l, uint32_t id, struct message *last) {
    const struct message *m = &l->messages[id];

    if (m->epoch == last->epoch && m->offset < last->offset)
        ledger_fault(l, "channel %u: message %u of publisher %u stands before an earlier one",
                     m->channel, id, m->publisher);
    if (m->state == MESSAGE_ACKED) /* what was not answered may have come late */
        *last = *m;
}

void ledger_close(struct ledger *l) {
    uint64_t unknown[LEDGER_CHANNELS_MAX] = { 0 };
    struct message last[16][LEDGER_CHANNELS_MAX] = { 0 };

    for (uint32_t i = 0; i < LEDGER_CHANNELS_MAX; i++)
        close_stream(l, i, &unknown[i]);
    for (uint32_t id = 0; id < l->n_messages; id++) {
        const struct message *m = &l->messages[id];
        if (m->is_live)
            continue;
        if (m->state == MESSAGE_ACKED && m->offset == 0 && !m->is_lost && !l->forgets_unseen &&
            unknown[m->channel]-- == 0)
            ledger_fault(l, "channel %u: message %u was acknowledged and is gone", m->channel, id);
        if (m->state == MESSAGE_REFUSED && m->offset != 0 && !l->refused_may_return)
            ledger_fault(l, "channel %u: message %u was refused and is there, at %" PRIu64,
                         m->channel, id, m->offset);
        if (m->offset && !m->is_lost)
            judge_order(l, id, &last[m->publisher % 16][m->channel]);
    }
    judge_skips(l);
}
