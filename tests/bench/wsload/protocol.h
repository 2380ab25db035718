/* What wsload speaks: how a connection comes to be ready, what a publish and a delivery look like.
 */
#ifndef WSLOAD_PROTOCOL_H
#define WSLOAD_PROTOCOL_H

#include "connection.h"
#include "wsload.h"

enum { PUBLISH_HEAD_MAX = 600 };

struct protocol {
    const char *name, *path, *pub_path, *subprotocol;
    bool is_plain;    /* over TCP, without WebSocket */
    bool is_one_way;  /* a publisher's connection is bound to one channel */
    bool is_quoted;   /* the payload is a JSON string, its quotes part of its size */
    unsigned opcode;  /* of what is published */
    const char *tail; /* what follows a payload */

    /* The handshake is done; NULL: the server speaks first. */
    void (*opened)(struct worker *w, struct connection *c, uint64_t now);
    /* Writes what stands before a payload of so many bytes, at most PUBLISH_HEAD_MAX. */
    size_t (*head)(uint8_t *p, const struct connection *c, uint32_t channel, size_t size);
    /* A message has come. */
    void (*message)(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                    uint64_t now);
    /* In its place, for protocols whose messages are not frames: returns the bytes it took. */
    size_t (*stream)(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                     uint64_t now);
};

extern const struct protocol protocol_raw, protocol_centrifuge, protocol_nats, protocol_nchan,
        protocol_mqtt, protocol_socketio, protocol_redis;

/* NULL: no such protocol. */
const struct protocol *protocol_find(const char *name);

#endif
