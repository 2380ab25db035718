/*
 * What follows from a change, as the events of docs/chat-protocol.md: written in the transaction
 * that makes the change, published by the pump when it is committed. Inside a work's run() only.
 *
 *     struct buffer e = BUFFER_INIT;
 *     event_begin(&e, "pin.added", ver);
 *     out_uint(&e, "seq", seq);
 *     return event_to_room(tx, room, &e, ver);
 */
#pragma once

#include "protocol/buffer.h"
#include "storage/chat/store.h"

/* Begins the object; ver 0: has none. */
void event_begin(struct buffer *e, const char *type, uint64_t ver);

/* Ends it, has it published to the room and frees it. 0, -ENOMEM, what chat_tx_emit() says. */
MUST_CHECK int event_to_room(struct chat_tx *tx, struct str room, struct buffer *e, uint64_t ver);
/* Live: to those who have it open, lost if the process dies first. */
MUST_CHECK int event_to_room_live(struct chat_tx *tx, struct str room, struct buffer *e);
/* To one user's own channel: live, lost if the process dies first. */
MUST_CHECK int event_to_user(struct chat_tx *tx, struct str user, struct buffer *e);

/*
 * What the pump does instead of publishing, in its place among the events (pump.c): it concerns
 * those who are connected now, and nothing of it is kept.
 */
enum chat_order_kind {
    ORDER_PART = 1, /* the user's sessions leave the room's channel */
    ORDER_UNREAD,   /* unread.changed: to all members, or one */
    ORDER_ROOM,     /* room.updated, likewise */
    ORDER_USER,     /* user.updated: to all who may know the user */
    ORDER_END,      /* the user's sessions end: they are deactivated */
    ORDER_SIGN_OUT, /* those by a login of the user end: all were revoked */
};

struct chat_order {
    enum chat_order_kind kind;
    int64_t room_key;
    struct str room, user; /* ids; what is not needed is empty */
};

MUST_CHECK int event_order(struct chat_tx *tx, const struct chat_order *o);

/* false: the channel is no order's, the event is to be published. Spans are of data. */
MUST_CHECK bool event_read_order(const struct chat_event *e, struct chat_order *ret);

/* The channel of a room, or of a user; buf: this long. Longer ids there are none. */
enum { CHAT_CHANNEL_MAX = 8 + 64 };
struct str chat_room_channel(struct str room, char buf[static CHAT_CHANNEL_MAX]);
struct str chat_user_channel(struct str user, char buf[static CHAT_CHANNEL_MAX]);
