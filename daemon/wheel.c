#include "daemon/wheel.h"

#include <string.h>

static void wheel_turn(struct timer *t);

void wheel_init(struct wheel *w, void (*expired)(struct wheel *w, struct wheel_entry *e)) {
    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        list_init(&w->slots[i]);
    w->timer.run = wheel_turn;
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

/* Sets the timer for the next slot that holds anything; a slot may hold only entries of later
 * rounds, then the turn is for nothing, once in WHEEL_SLOTS ticks. */
static void wheel_arm(struct wheel *w) {
    if (w->entries == 0) {
        timer_clear(&w->timer);
        return;
    }

    uint32_t tick = w->done + 1;
    while (list_is_empty(&w->slots[tick % WHEEL_SLOTS]) && tick - w->done < WHEEL_SLOTS)
        tick++;

    int64_t in_ms = w->start_ms + (int64_t) tick * WHEEL_TICK_MS - loop_now();
    /* Without memory for the timer the next wheel_set() tries again; until then entries are late.
     */
    if (timer_set(&w->timer, in_ms > 0 ? in_ms : 0) < 0)
        w->timer.at_ms = INT64_MAX;
}

static void wheel_turn(struct timer *t) {
    struct wheel *w = CONTAINER_OF(t, struct wheel, timer);
    uint32_t now = wheel_now(w);

    w->is_running = true;
    uint32_t passed = now - w->done < WHEEL_SLOTS ? now - w->done : WHEEL_SLOTS;
    for (uint32_t i = 0; i < passed; i++) {
        uint32_t tick = now - passed + 1 + i;
        struct list *slot = &w->slots[tick % WHEEL_SLOTS];
        struct list due = { 0 };

        LIST_FOREACH_SAFE (slot, k, after) {
            struct wheel_entry *e = CONTAINER_OF(k, struct wheel_entry, link);
            if (e->due > now)
                continue;
            list_remove(k);
            list_append(&due, k);
        }

        struct link *k;
        while ((k = list_pop(&due))) { /* what expires may clear others of this list */
            w->entries--;
            w->expired(w, CONTAINER_OF(k, struct wheel_entry, link));
        }
    }
    w->done = now;
    w->is_running = false;
    wheel_arm(w);
}

void wheel_set(struct wheel *w, struct wheel_entry *e, uint32_t due) {
    if (link_is_linked(&e->link))
        list_remove(&e->link);
    else
        w->entries++;

    uint32_t now = wheel_now(w);
    if (due <= now)
        due = now + 1;
    e->due = due;
    list_append(&w->slots[due % WHEEL_SLOTS], &e->link);

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

void wheel_clear(struct wheel *w, struct wheel_entry *e) {
    if (!link_is_linked(&e->link))
        return;
    list_remove(&e->link);
    if (--w->entries == 0 && !w->is_running)
        timer_clear(&w->timer);
}
