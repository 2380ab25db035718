#include "storage/event.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/buffer.h"

void events_finish(struct events *e) {
    free(e->items);
    free(e->memory);
    *e = (struct events){ 0 };
}

static bool is_power_of_two_or_zero(size_t n) {
    return (n & (n - 1)) == 0;
}

/* The text moves as it grows: the spans are found when it is whole. */
int events_add(struct events *e, struct buffer *text, uint64_t id, int64_t time_ms,
               struct str subject, struct bytes payload) {
    if (is_power_of_two_or_zero(e->n)) {
        struct queued_event *items = reallocarray(e->items, e->n ? e->n * 2 : 1, sizeof *items);
        if (!items)
            return -ENOMEM;
        e->items = items;
    }
    buffer_append_str(text, subject);
    buffer_append_bytes(text, payload);
    int r = buffer_error(text);
    if (r < 0)
        return r;
    e->items[e->n++] = (struct queued_event){
        .id = id, .time_ms = time_ms, .subject.len = subject.len, .payload.len = payload.len
    };
    return 0;
}

void events_settle(struct events *e, struct buffer *text) {
    const uint8_t *at = text->data;
    for (size_t i = 0; i < e->n; i++) {
        struct queued_event *event = &e->items[i];
        event->subject.data = (const char *) at;
        if (at)
            at += event->subject.len;
        event->payload = bytes_of(at, event->payload.len);
        if (at)
            at += event->payload.len;
    }
    e->memory = text->data;
    *text = BUFFER_INIT;
}
