#include "tests/bench/storm/ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/storm/figures.h"

enum { FAULTS_TOLD = 20 };

void ledger_init(struct ledger *l, size_t channels) {
    *l = (struct ledger){ .n = channels };
    l->accounts = calloc(channels ? channels : 1, sizeof *l->accounts);
    if (!l->accounts)
        give_up("the ledger", 0);
}

void ledger_finish(struct ledger *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->accounts[i].seen);
        free(l->accounts[i].fates);
    }
    free(l->accounts);
    *l = (struct ledger){ 0 };
}

void ledger_fault(struct ledger *l, const char *format, ...) {
    char text[160];
    va_list args;
    if (l->n_faults++ >= FAULTS_TOLD)
        return;
    va_start(args, format);
    (void) vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void) printf("{\"event\":\"fault\",\"text\":\"%s\"}\n", text);
}

/* Room for index, zeroed. */
static void *room_for(void *items, size_t *cap, size_t index, size_t item_bytes) {
    if (index < *cap)
        return items;
    size_t bigger = *cap ? *cap : 64;
    while (bigger <= index)
        bigger *= 2;
    items = reallocarray(items, bigger, item_bytes);
    if (!items)
        give_up("the ledger", 0);
    memset((char *) items + *cap * item_bytes, 0, (bigger - *cap) * item_bytes);
    *cap = bigger;
    return items;
}

uint32_t ledger_next(struct ledger *l, uint32_t channel) {
    struct account *a = &l->accounts[channel];
    a->fates = room_for(a->fates, &a->fates_cap, a->n_sent, sizeof *a->fates);
    a->fates[a->n_sent] = FATE_UNKNOWN;
    return ++a->n_sent;
}

void ledger_settle(struct ledger *l, uint32_t channel, uint32_t number, enum fate fate) {
    struct account *a = &l->accounts[channel];
    a->fates[number - 1] = (uint8_t) fate;
    if (fate == FATE_ACKNOWLEDGED)
        a->last_acknowledged = number; /* answers come in order */
}

bool ledger_is_seen(const struct ledger *l, uint32_t channel) {
    const struct account *a = &l->accounts[channel];
    return a->last_acknowledged == 0 || (a->top > 0 && a->seen[a->top - 1] >= a->last_acknowledged);
}

void ledger_see(struct ledger *l, uint32_t channel, uint64_t offset, uint32_t number) {
    struct account *a = &l->accounts[channel];
    if (offset == 0 || number == 0 || number > a->n_sent) {
        ledger_fault(l,
                     "channel %" PRIu32 ": message %" PRIu32 " at %" PRIu64 ", which nobody sent",
                     channel, number, offset);
        return;
    }
    a->seen = room_for(a->seen, &a->seen_cap, (size_t) offset - 1, sizeof *a->seen);
    uint32_t *at = &a->seen[offset - 1];
    if (*at && *at != number)
        ledger_fault(l,
                     "channel %" PRIu32 ": message %" PRIu32 " at %" PRIu64
                     ", where others saw %" PRIu32,
                     channel, number, offset, *at);
    *at = number;
    if (offset > a->top)
        a->top = offset;
}

void ledger_see_epoch(struct ledger *l, uint32_t channel, struct str epoch) {
    struct account *a = &l->accounts[channel];
    if (!a->epoch[0])
        (void) snprintf(a->epoch, sizeof a->epoch, "%.*s", (int) epoch.len, epoch.data);
    else if (!str_equal(str_of(a->epoch), epoch))
        ledger_fault(l, "channel %" PRIu32 ": epoch %.*s where it was %s", channel, (int) epoch.len,
                     epoch.data, a->epoch);
}

/* Along the offsets the numbers grow, and what is passed over was not acknowledged. */
static void audit_account(struct ledger *l, uint32_t channel) {
    const struct account *a = &l->accounts[channel];
    uint32_t last = 0;
    for (uint64_t offset = 1; offset <= a->top + 1; offset++) {
        uint32_t number = offset <= a->top ? a->seen[offset - 1] : a->n_sent + 1;
        if (number == 0)
            ledger_fault(l, "channel %" PRIu32 ": nobody saw what is at %" PRIu64, channel, offset);
        else if (number <= last)
            ledger_fault(l,
                         "channel %" PRIu32 ": message %" PRIu32 " at %" PRIu64 ", after %" PRIu32,
                         channel, number, offset, last);
        for (uint32_t i = last + 1; number && i < number; i++)
            if (a->fates[i - 1] == FATE_ACKNOWLEDGED)
                ledger_fault(
                        l, "channel %" PRIu32 ": message %" PRIu32 " was acknowledged and is gone",
                        channel, i);
        if (number > 0 && number <= a->n_sent && a->fates[number - 1] == FATE_REFUSED)
            ledger_fault(l, "channel %" PRIu32 ": message %" PRIu32 " was refused and is there",
                         channel, number);
        last = number ? number : last;
    }
}

void ledger_audit(struct ledger *l) {
    for (size_t i = 0; i < l->n; i++)
        audit_account(l, (uint32_t) i);
}
