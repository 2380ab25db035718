/* Redis's pub/sub: RESP over TCP, without WebSocket. */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "protocol.h"

enum { ELEMENTS_MAX = 3 };

struct element {
    const uint8_t *p;
    size_t len;
};

static void opened(struct worker *w, struct connection *c, uint64_t now) {
    char b[512], channel[256];
    if (c->role == PUBLISHER) {
        connection_ready(w, c, now);
        return;
    }
    int len = put_channel((uint8_t *) channel, c->channel);
    int n = snprintf(b, sizeof b, "*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%.*s\r\n", len, len, channel);
    send_frame(w, c, 0, b, (size_t) n);
}

/* The number behind a type's letter, and its line's end in *ret_used; false: not whole. */
static bool number(const uint8_t *p, size_t n, size_t *ret_value, size_t *ret_used) {
    const uint8_t *end = memchr(p, '\n', n);
    if (!end)
        return false;
    size_t v = 0;
    for (const uint8_t *q = p + 1; q < end && *q >= '0' && *q <= '9'; q++)
        v = v * 10 + (size_t) (*q - '0');
    *ret_value = v;
    *ret_used = (size_t) (end - p) + 1;
    return true;
}

/* An array of strings and numbers: its length in bytes, or 0: not whole. */
static size_t array(const uint8_t *p, size_t n, struct element *ret, size_t *ret_n) {
    size_t count, off, v, used;
    if (!number(p, n, &count, &off))
        return 0;
    *ret_n = count;
    for (size_t i = 0; i < count; i++) {
        if (off >= n || !number(p + off, n - off, &v, &used))
            return 0;
        off += used;
        bool is_string = p[off - used] == '$';
        if (i < ELEMENTS_MAX)
            ret[i] = (struct element){ p + off, is_string ? v : 0 };
        off += is_string ? v + 2 : 0;
        if (off > n)
            return 0;
    }
    return off;
}

static size_t on_array(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                       uint64_t now) {
    struct element e[ELEMENTS_MAX] = { { NULL, 0 } };
    size_t count, used = array(p, n, e, &count);
    if (!used)
        return 0;
    if (count == 3 && e[0].len == 7 && !memcmp(e[0].p, "message", 7))
        deliver(w, c, e[2].p, e[2].len, now);
    else if (c->state == SETTING_UP)
        connection_ready(w, c, now);
    return used;
}

static size_t stream(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                     uint64_t now) {
    size_t off = 0;
    while (off < n && c->fd >= 0) {
        const uint8_t *q = p + off, *end;
        if (*q == '*') {
            size_t used = on_array(w, c, q, n - off, now);
            if (!used)
                break;
            off += used;
            continue;
        }
        end = memchr(q, '\n', n - off);
        if (!end)
            break;
        if (*q == '-' && !w->reason[0])
            (void) snprintf(w->reason, sizeof w->reason, "%.*s",
                            (int) (end - q > 200 ? 200 : end - q), (const char *) q);
        if (c->role == PUBLISHER)
            acknowledged(w, c, c->acked, now, *q == '-');
        off += (size_t) (end - q) + 1;
    }
    return off;
}

static size_t head(uint8_t *p, const struct connection *c, uint32_t channel, size_t size) {
    uint8_t name[256];
    (void) c;
    int len = put_channel(name, channel);
    return (size_t) sprintf((char *) p, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%.*s\r\n$%zu\r\n", len, len,
                            (const char *) name, size);
}

const struct protocol protocol_redis = {
    .name = "redis",
    .path = "",
    .pub_path = "",
    .subprotocol = "",
    .is_plain = true,
    .tail = "\r\n",
    .opened = opened,
    .head = head,
    .stream = stream,
};
