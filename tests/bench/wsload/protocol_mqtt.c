/* MQTT 3.1.1 in binary frames. */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "protocol.h"

enum { CONNECT = 0x10, CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBSCRIBE = 0x82, SUBACK = 9 };

static void opened(struct worker *w, struct connection *c, uint64_t now) {
    uint8_t b[64];
    (void) now;
    int n = snprintf((char *) b + 14, 40, "w%04x%c%x", load.run_id,
                     c->role == PUBLISHER ? 'p' : 's', c->index);
    b[0] = CONNECT;
    b[1] = (uint8_t) (12 + n);
    memcpy(b + 2, "\0\4MQTT\4\2\0\0", 10); /* a clean session, no keep-alive */
    b[12] = 0;
    b[13] = (uint8_t) n;
    send_frame(w, c, OPCODE_BINARY, b, (size_t) n + 14);
}

static void subscribe(struct worker *w, struct connection *c) {
    uint8_t b[300];
    int n = put_channel(b + 6, c->channel);
    b[0] = SUBSCRIBE;
    b[1] = (uint8_t) (5 + n);
    b[2] = 0;
    b[3] = 1;
    b[4] = 0;
    b[5] = (uint8_t) n;
    b[6 + n] = 0;
    send_frame(w, c, OPCODE_BINARY, b, (size_t) n + 7);
}

/* p: what follows the fixed header, whose first byte is given. */
static void packet(struct worker *w, struct connection *c, uint8_t first, const uint8_t *p,
                   size_t n, uint64_t now) {
    size_t skip;
    switch (first >> 4) {
    case PUBLISH:
        skip = n >= 2 ? 2 + ((size_t) p[0] << 8 | p[1]) + (first & 6 ? 2 : 0) : n + 1;
        if (c->role == SUBSCRIBER && skip <= n)
            deliver(w, c, p + skip, n - skip, now);
        break;
    case CONNACK:
        if (n < 2 || p[1])
            connection_close(w, c, "CONNACK refused");
        else if (c->role == SUBSCRIBER)
            subscribe(w, c);
        else
            connection_ready(w, c, now);
        break;
    case SUBACK:
        if (c->state == SETTING_UP)
            connection_ready(w, c, now);
        break;
    case PUBACK:
        acknowledged(w, c, c->acked, now, false);
        break;
    default:
        break;
    }
}

static size_t stream(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                     uint64_t now) {
    size_t off = 0;
    while (n - off >= 2 && c->fd >= 0) {
        const uint8_t *q = p + off;
        size_t len = 0, head = 1;
        bool is_whole = false;
        for (int shift = 0; !is_whole && head < n - off && head < 5; shift += 7) {
            len |= (size_t) (q[head] & 127) << shift;
            is_whole = !(q[head++] & 128);
        }
        if (!is_whole || n - off < head + len)
            break;
        packet(w, c, q[0], q + head, len, now);
        off += head + len;
    }
    return off;
}

static size_t head(uint8_t *p, const struct connection *c, uint32_t channel, size_t size) {
    uint8_t topic[256];
    size_t len = (size_t) put_channel(topic, channel), n = 0;
    size_t rest = 2 + len + size + (options.qos ? 2 : 0);
    p[n++] = (uint8_t) (PUBLISH << 4 | options.qos << 1);
    do {
        p[n++] = (uint8_t) ((rest & 127) | (rest > 127 ? 128 : 0));
        rest >>= 7;
    } while (rest);
    p[n++] = (uint8_t) (len >> 8);
    p[n++] = (uint8_t) len;
    memcpy(p + n, topic, len);
    n += len;
    if (options.qos) {
        uint16_t id = (uint16_t) (c->sent % 65535 + 1);
        p[n++] = (uint8_t) (id >> 8);
        p[n++] = (uint8_t) id;
    }
    return n;
}

const struct protocol protocol_mqtt = {
    .name = "mqtt",
    .path = "/mqtt",
    .pub_path = "/mqtt",
    .subprotocol = "mqtt",
    .opcode = OPCODE_BINARY,
    .tail = "",
    .opened = opened,
    .head = head,
    .stream = stream,
};
