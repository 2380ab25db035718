/* The NATS protocol in binary frames; frames and messages have nothing to do with each other. */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "protocol.h"

/* The server has said INFO. */
static void introduce(struct connection *c) {
    char b[512], channel[256];
    channel[put_channel((uint8_t *) channel, c->channel)] = 0;
    int n = snprintf(b, sizeof b,
                     "CONNECT {\"verbose\":%s,\"pedantic\":false,\"lang\":\"wsload\","
                     "\"version\":\"1\",\"protocol\":1,\"no_responders\":false,"
                     "\"headers\":false}\r\n",
                     options.nats_verbose && c->role == PUBLISHER ? "true" : "false");
    if (c->role == SUBSCRIBER)
        n += snprintf(b + n, sizeof b - (size_t) n, "SUB %s 1\r\n", channel);
    n += snprintf(b + n, sizeof b - (size_t) n, "PING\r\n");
    tx_frame(c, OPCODE_BINARY, b, (size_t) n);
}

/* The last number of MSG's line is the payload's length. */
static size_t payload_len(const uint8_t *line, const uint8_t *end) {
    size_t len = 0, unit = 1;
    const uint8_t *q = end - 1;
    while (q > line && (*q == '\r' || *q == ' '))
        q--;
    for (; q > line && *q >= '0' && *q <= '9'; q--, unit *= 10)
        len += (size_t) (*q - '0') * unit;
    return len;
}

static void on_line(struct worker *w, struct connection *c, const uint8_t *line, size_t len,
                    uint64_t now) {
    if (len >= 4 && !memcmp(line, "PING", 4)) {
        w->pings++;
        tx_frame(c, OPCODE_BINARY, "PONG\r\n", 6);
    } else if (len >= 4 && !memcmp(line, "PONG", 4)) {
        if (c->state == SETTING_UP)
            connection_ready(w, c, now);
    } else if (line[0] == '+') {
        if (c->role == PUBLISHER && c->state == READY)
            acknowledged(w, c, c->acked, now, false);
    } else if (line[0] == '-') {
        w->ack_errors++;
        if (!w->reason[0])
            (void) snprintf(w->reason, sizeof w->reason, "%.*s", (int) (len > 200 ? 200 : len - 1),
                            (const char *) line);
    } else if (line[0] == 'I' && c->state == SETTING_UP) {
        introduce(c);
    }
}

static size_t stream(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                     uint64_t now) {
    size_t off = 0;
    while (off < n && c->fd >= 0) {
        const uint8_t *line = p + off, *end = memchr(line, '\n', n - off);
        if (!end)
            break;
        size_t len = (size_t) (end - line) + 1;
        if (line[0] == 'M') {
            size_t payload = payload_len(line, end);
            if (n - off < len + payload + 2)
                break;
            if (c->role == SUBSCRIBER)
                deliver(w, c, end + 1, payload, now);
            len += payload + 2;
        } else {
            on_line(w, c, line, len, now);
        }
        off += len;
    }
    if (c->fd >= 0 && c->tx_off < c->tx_len)
        tx_flush(w, c);
    return off;
}

static size_t head(uint8_t *p, const struct connection *c, uint32_t channel, size_t size) {
    (void) c;
    memcpy(p, "PUB ", 4);
    size_t n = 4;
    n += (size_t) put_channel(p + n, channel);
    p[n++] = ' ';
    n += (size_t) put_decimal(p + n, size);
    p[n++] = '\r';
    p[n++] = '\n';
    return n;
}

const struct protocol protocol_nats = {
    .name = "nats",
    .path = "/",
    .pub_path = "/",
    .subprotocol = "",
    .opcode = OPCODE_BINARY,
    .tail = "\r\n",
    .head = head,
    .stream = stream,
};
