/* Connections: opening, what is sent on them, and their end. */
#ifndef WSLOAD_CONNECTION_H
#define WSLOAD_CONNECTION_H

#include "wsload.h"

#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { OPCODE_TEXT = 1, OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };
enum { FRAME_HEAD_MAX = 14 };

void connection_open(struct connection *c);
/* Is connected: sends the upgrade, or, where the protocol has none, has shaken hands. */
void connection_connected(struct worker *w, struct connection *c);
void connection_upgraded(struct worker *w, struct connection *c, uint64_t now);
/* Its protocol has accepted it, and its subscription. */
void connection_ready(struct worker *w, struct connection *c, uint64_t now);
void connection_close(struct worker *w, struct connection *c, const char *why);

void tx_reserve(struct connection *c, size_t n);
void tx_flush(struct worker *w, struct connection *c);
/* Queues a frame, masked; over plain TCP its content alone. */
void tx_frame(struct connection *c, unsigned opcode, const void *data, size_t n);
void send_frame(struct worker *w, struct connection *c, unsigned opcode, const void *data,
                size_t n);
size_t put_frame_head(uint8_t *p, unsigned opcode, size_t len); /* returns its length */
void mask_bytes(uint8_t *p, size_t n);

#endif
