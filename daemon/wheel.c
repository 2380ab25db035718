#include "daemon/wheel.h"

#include <string.h>

static void wheel_turn(struct timer *t);

void wheel_init(struct wheel *w, struct wheel_entry *(*entry)(struct wheel *w, uint32_t number),
                void (*expired)(struct wheel *w, uint32_t number)) {
    memset(w, 0, sizeof *w);
    w->timer.run = wheel_turn;
    w->entry = entry;
    w->expired = expired;
    w->start_ms = loop_now() - WHEEL_TICK_MS; /* so that tick 0 is in the past */
    w->done = wheel_now(w);
}

void wheel_finish(struct wheel *w) {
    timer_clear(&w->timer);
}

uint32_t wheel_now(const struct wheel *w) {
    return (uint32_t) ((loop_now() - w->start_ms) / WHEEL_TICK_MS);
}

uint32_t wheel_tick_in(const struct wheel *w, int64_t in_ms) {
    if (in_ms < 0)
        in_ms = 0;
    int64_t tick = (loop_now() - w->start_ms + in_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    return tick > UINT32_MAX ? UINT32_MAX : (uint32_t) tick;
}

/* ---- slots ---- */

static struct wheel_slot *slot_of(struct wheel *w, uint32_t due) {
    return &w->slots[due % WHEEL_SLOTS];
}

static void append(struct wheel *w, struct wheel_slot *slot, uint32_t number) {
    struct wheel_entry *e = w->entry(w, number);
    e->next = 0;
    e->prev = slot->last;
    if (slot->last)
        w->entry(w, slot->last)->next = number;
    else
        slot->first = number;
    slot->last = number;
}

/* In the slot of its tick, or on its way out of it. */
static void take_out(struct wheel *w, uint32_t number) {
    struct wheel_entry *e = w->entry(w, number);
    struct wheel_slot *slot = slot_of(w, e->due);

    if (e->prev)
        w->entry(w, e->prev)->next = e->next;
    else if (w->turning.first == number)
        w->turning.first = e->next;
    else
        slot->first = e->next;
    if (e->next)
        w->entry(w, e->next)->prev = e->prev;
    else if (w->turning.last == number)
        w->turning.last = e->prev;
    else
        slot->last = e->prev;
}

/* ---- turning ---- */

/* Sets the timer for the next slot that holds anything; a slot may hold only entries of later
 * rounds, then the turn is for nothing, once in WHEEL_SLOTS ticks. */
static void wheel_arm(struct wheel *w) {
    if (w->entries == 0) {
        timer_clear(&w->timer);
        return;
    }

    uint32_t tick = w->done + 1;
    while (slot_of(w, tick)->first == 0 && tick - w->done < WHEEL_SLOTS)
        tick++;

    int64_t in_ms = w->start_ms + (int64_t) tick * WHEEL_TICK_MS - loop_now();
    /* Without memory for the timer the next wheel_set() tries again; until then entries are late.
     */
    if (timer_set(&w->timer, in_ms > 0 ? in_ms : 0) < 0)
        w->timer.at_ms = INT64_MAX;
}

/* What expires may set and clear others of the slot. */
static void turn_slot(struct wheel *w, struct wheel_slot *slot, uint32_t now) {
    w->turning = *slot;
    *slot = (struct wheel_slot){ 0 };

    uint32_t number;
    while ((number = w->turning.first)) {
        struct wheel_entry *e = w->entry(w, number);
        take_out(w, number);
        if (e->due > now) { /* of a later round */
            append(w, slot, number);
            continue;
        }
        e->due = 0;
        w->entries--;
        w->expired(w, number);
    }
}

static void wheel_turn(struct timer *t) {
    struct wheel *w = CONTAINER_OF(t, struct wheel, timer);
    uint32_t now = wheel_now(w);

    w->is_running = true;
    uint32_t passed = now - w->done < WHEEL_SLOTS ? now - w->done : WHEEL_SLOTS;
    for (uint32_t i = 0; i < passed; i++)
        turn_slot(w, slot_of(w, now - passed + 1 + i), now);
    w->done = now;
    w->is_running = false;
    wheel_arm(w);
}

void wheel_set(struct wheel *w, uint32_t number, uint32_t due) {
    struct wheel_entry *e = w->entry(w, number);
    if (e->due)
        take_out(w, number);
    else
        w->entries++;

    uint32_t now = wheel_now(w);
    if (due <= now)
        due = now + 1;
    e->due = due;
    append(w, slot_of(w, due), number);

    if (w->is_running)
        return;
    if (w->entries == 1) { /* nothing was due while it was empty */
        w->done = now;
        wheel_arm(w);
        return;
    }
    int64_t at_ms = w->start_ms + (int64_t) due * WHEEL_TICK_MS;
    if (w->timer.at_ms > at_ms || w->timer.index == 0)
        wheel_arm(w);
}

void wheel_clear(struct wheel *w, uint32_t number) {
    struct wheel_entry *e = w->entry(w, number);
    if (!e->due)
        return;
    take_out(w, number);
    e->due = 0;
    if (--w->entries == 0 && !w->is_running)
        timer_clear(&w->timer);
}
