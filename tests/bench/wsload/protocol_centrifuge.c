/* Our own: JSON, one or more documents in a message, each on a line. */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "protocol.h"

enum { CONNECT_ID = 1, SUBSCRIBE_ID = 2, PUBLISH_ID = 1000, LOOK_INTO = 300 };

static bool holds(const uint8_t *p, size_t n, const char *what) {
    return memmem(p, n > LOOK_INTO ? LOOK_INTO : n, what, strlen(what)) != NULL;
}

static void opened(struct worker *w, struct connection *c, uint64_t now) {
    char b[1024];
    (void) now;
    int n = snprintf(b, sizeof b, "{\"id\":%d,\"connect\":%s}", CONNECT_ID, options.connect_json);
    send_frame(w, c, OPCODE_TEXT, b, (size_t) n);
}

static void subscribe(struct connection *c) {
    char b[1024], channel[256];
    channel[put_channel((uint8_t *) channel, c->channel)] = 0;
    int n = snprintf(b, sizeof b, "{\"id\":%d,\"subscribe\":{\"channel\":\"%s\"%s}}", SUBSCRIBE_ID,
                     channel, options.sub_json);
    tx_frame(c, OPCODE_TEXT, b, (size_t) n);
}

static uint64_t id_of(const uint8_t *p, size_t n) {
    uint64_t id = 0;
    const uint8_t *q = memmem(p, n, "\"id\":", 5);
    for (q = q ? q + 5 : p + n; q < p + n && *q >= '0' && *q <= '9'; q++)
        id = id * 10 + (uint64_t) (*q - '0');
    return id;
}

static void document(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                     uint64_t now) {
    if (n >= 8 && !memcmp(p, "{\"push\":", 8)) {
        if (c->role == SUBSCRIBER && holds(p, n, "\"pub\":"))
            deliver(w, c, p, n, now);
        return;
    }
    if (n == 2) { /* a ping, {}, whose answer is the same */
        w->pings++;
        tx_frame(c, OPCODE_TEXT, "{}", 2);
        return;
    }
    uint64_t id = id_of(p, n);
    bool is_error = holds(p, n, "\"error\":{");
    if (is_error && !w->reason[0])
        (void) snprintf(w->reason, sizeof w->reason, "%.*s", (int) (n > 200 ? 200 : n),
                        (const char *) p);
    if (c->state == SETTING_UP) {
        if (is_error)
            connection_close(w, c, "error reply during connect or subscribe");
        else if (id == CONNECT_ID && c->role == SUBSCRIBER)
            subscribe(c);
        else if (id == CONNECT_ID || id == SUBSCRIBE_ID)
            connection_ready(w, c, now);
    } else if (c->role == PUBLISHER && id >= PUBLISH_ID) {
        acknowledged(w, c, id - PUBLISH_ID, now, is_error);
    }
}

static void message(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                    uint64_t now) {
    const uint8_t *end = p + n;
    while (p < end && c->fd >= 0) {
        const uint8_t *line = memchr(p, '\n', (size_t) (end - p));
        if (!line)
            line = end;
        if (line > p)
            document(w, c, p, (size_t) (line - p), now);
        p = line + 1;
    }
    if (c->fd >= 0 && c->tx_off < c->tx_len)
        tx_flush(w, c);
}

static size_t head(uint8_t *p, const struct connection *c, uint32_t channel, size_t size) {
    (void) size;
    memcpy(p, "{\"id\":", 6);
    size_t n = 6;
    n += (size_t) put_decimal(p + n, PUBLISH_ID + c->sent);
    memcpy(p + n, ",\"publish\":{\"channel\":\"", 23);
    n += 23;
    n += (size_t) put_channel(p + n, channel);
    memcpy(p + n, "\",\"data\":\"", 10);
    return n + 10;
}

const struct protocol protocol_centrifuge = {
    .name = "centrifuge",
    .path = "/connection/websocket",
    .pub_path = "/connection/websocket",
    .subprotocol = "",
    .is_quoted = true,
    .opcode = OPCODE_TEXT,
    .tail = "\"}}",
    .opened = opened,
    .head = head,
    .message = message,
};
