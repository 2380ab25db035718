/*
 * What is published, and its marks: "~W", run and publisher (4 hexadecimal digits each), sequence
 * (8), nanoseconds (16). Payloads too small for that have "~w", the sequence (6) and microseconds
 * (6), and one publisher.
 */
#include <string.h>

#include "connection.h"
#include "options.h"
#include "protocol.h"
#include "wsload.h"

enum { LONG_MARK = 34, SHORT_MARK = 14, QUOTES = 2 };

bool has_short_marks(void) {
    return options.size < LONG_MARK + QUOTES;
}

int mark_len(void) {
    return has_short_marks() ? SHORT_MARK : LONG_MARK;
}

static uint64_t get_hex(const uint8_t *p, int digits) {
    uint64_t v = 0;
    for (int i = 0; i < digits; i++) /* the letters' low four bits are 1 to 6 */
        v = v << 4 | (uint64_t) ((p[i] & 15) + (p[i] > '9' ? 9 : 0));
    return v;
}

long mark_find(const uint8_t *p, size_t n, size_t guess) {
    uint8_t kind = has_short_marks() ? 'w' : 'W';
    size_t len = (size_t) mark_len();
    if (guess + len <= n && p[guess] == '~' && p[guess + 1] == kind)
        return (long) guess;
    const uint8_t *found = memmem(p, n, (uint8_t[]){ '~', kind }, 2);
    return found && (size_t) (found - p) + len <= n ? found - p : -1;
}

void mark_read(const uint8_t *p, uint64_t now, struct mark *ret) {
    if (has_short_marks()) {
        ret->run = load.run_id;
        ret->publisher = 0;
        ret->sequence = (uint32_t) get_hex(p + 2, 6);
        ret->age_ns = ((now / 1000 - get_hex(p + 8, 6)) & 0xffffff) * 1000;
        return;
    }
    uint64_t sent = get_hex(p + 18, 16);
    ret->run = (uint32_t) get_hex(p + 2, 4);
    ret->publisher = (uint32_t) get_hex(p + 6, 4);
    ret->sequence = (uint32_t) get_hex(p + 10, 8);
    ret->age_ns = now > sent ? now - sent : 0;
}

static void put_mark(uint8_t *p, uint32_t publisher, uint32_t sequence, uint64_t now) {
    p[0] = '~';
    if (has_short_marks()) {
        p[1] = 'w';
        put_hex(p + 2, sequence, 6);
        put_hex(p + 8, now / 1000, 6);
        return;
    }
    p[1] = 'W';
    put_hex(p + 2, load.run_id, 4);
    put_hex(p + 6, publisher, 4);
    put_hex(p + 10, sequence, 8);
    put_hex(p + 18, now, 16);
}

void publish_one(struct connection *c, uint32_t channel, uint64_t now) {
    const struct protocol *protocol = options.protocol;
    size_t mark = (size_t) mark_len(), tail = strlen(protocol->tail);
    tx_reserve(c, (size_t) options.size + PUBLISH_HEAD_MAX + 200);
    uint8_t *frame = c->tx + c->tx_len, *p = frame + FRAME_HEAD_MAX;
    uint32_t *next = &load.pub_next[(size_t) c->index * (size_t) options.channels + channel];

    size_t size = (size_t) options.size - (protocol->is_quoted ? QUOTES : 0);
    if (size < mark)
        size = mark;
    size_t n = protocol->head(p, c, channel, size);
    if (protocol == &protocol_raw) /* the channel is part of the payload */
        size = size > n + mark ? size - n : mark;
    put_mark(p + n, c->index, *next, now);
    memcpy(p + n + mark, load.padding, size - mark);
    n += size;
    memcpy(p + n, protocol->tail, tail);
    n += tail;

    if (protocol->is_plain) {
        memmove(frame, p, n);
        c->tx_len += n;
    } else {
        uint8_t head[FRAME_HEAD_MAX];
        size_t len = put_frame_head(head, protocol->opcode, n);
        mask_bytes(p, n);
        memcpy(frame, head, len);
        memmove(frame + len, p, n);
        c->tx_len += len + n;
    }
    if (c->ring)
        c->ring[c->sent % RING] = now;
    (*next)++;
    c->sent++;
}
