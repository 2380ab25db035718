#include "protocol.h"

#include <string.h>

#include "options.h"

const struct protocol *protocol_find(const char *name) {
    static const struct protocol *const all[] = { &protocol_raw,  &protocol_centrifuge,
                                                  &protocol_nats, &protocol_nchan,
                                                  &protocol_mqtt, &protocol_socketio,
                                                  &protocol_redis };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(name, all[i]->name))
            return all[i];
    return NULL;
}

/* ---- raw: a frame in, the same frame out; nchan: one channel per connection ---- */

static void is_all(struct worker *w, struct connection *c, uint64_t now) {
    connection_ready(w, c, now);
}

static void raw_message(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                        uint64_t now) {
    if (c->role == SUBSCRIBER)
        deliver(w, c, p, n, now);
    else
        acknowledged(w, c, c->acked, now, false);
}

static size_t raw_head(uint8_t *p, const struct connection *c, uint32_t channel, size_t size) {
    (void) c;
    (void) size;
    if (options.mode != MODE_CHANNELS)
        return 0;
    size_t n = (size_t) put_channel(p, channel);
    p[n++] = ' ';
    return n;
}

static size_t nothing(uint8_t *p, const struct connection *c, uint32_t channel, size_t size) {
    (void) p;
    (void) c;
    (void) channel;
    (void) size;
    return 0;
}

const struct protocol protocol_raw = {
    .name = "raw",
    .path = "/sub?id=%c",
    .pub_path = "/pub",
    .subprotocol = "",
    .opcode = OPCODE_TEXT,
    .tail = "",
    .opened = is_all,
    .head = raw_head,
    .message = raw_message,
};

const struct protocol protocol_nchan = {
    .name = "nchan",
    .path = "/sub?id=%c",
    .pub_path = "/pub?id=%c",
    .subprotocol = "",
    .is_one_way = true,
    .opcode = OPCODE_TEXT,
    .tail = "",
    .opened = is_all,
    .head = nothing,
    .message = raw_message,
};

/* ---- Socket.IO: an event "p" with channel and payload; the server passes the payload on ---- */

static void socketio_message(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                             uint64_t now) {
    if (n >= 2 && p[0] == '4' && p[1] == '2') {
        raw_message(w, c, p, n, now);
    } else if (n && p[0] == '0') {
        send_frame(w, c, OPCODE_TEXT, "40", 2);
    } else if (n >= 2 && p[0] == '4' && p[1] == '0') {
        if (c->state == SETTING_UP)
            connection_ready(w, c, now);
    } else if (n == 1 && p[0] == '2') {
        w->pings++;
        send_frame(w, c, OPCODE_TEXT, "3", 1);
    }
}

static size_t socketio_head(uint8_t *p, const struct connection *c, uint32_t channel, size_t size) {
    (void) c;
    (void) size;
    memcpy(p, "42[\"p\",\"", 8);
    size_t n = 8;
    n += (size_t) put_channel(p + n, channel);
    memcpy(p + n, "\",\"", 3);
    return n + 3;
}

const struct protocol protocol_socketio = {
    .name = "socketio",
    .path = "/socket.io/?EIO=4&transport=websocket&id=%c",
    .pub_path = "/socket.io/?EIO=4&transport=websocket",
    .subprotocol = "",
    .is_quoted = true,
    .opcode = OPCODE_TEXT,
    .tail = "\"]",
    .head = socketio_head,
    .message = socketio_message,
};
