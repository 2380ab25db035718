/*
 * Objects of the chat as the JSON of docs/chat-protocol.md. Pure; what goes wrong is remembered by
 * the buffer. Each appends one value.
 */
#pragma once

#include "protocol/buffer.h"
#include "storage/chat/read.h"
#include "storage/chat/types.h"

void chat_put_user(struct buffer *out, const struct chat_user *u);

/* has_mine: with what it is to the asker, who is in it. Events of a room are everybody's. */
void chat_put_room(struct buffer *out, const struct chat_room *r, bool has_mine);

void chat_put_message(struct buffer *out, const struct chat_message *m);
void chat_put_attachment(struct buffer *out, const struct chat_attachment *a);
void chat_put_reactions(struct buffer *out, const struct chat_reactions *r);

/* Lists, as values. */
void chat_put_users(struct buffer *out, const struct chat_users *all);
void chat_put_rooms(struct buffer *out, const struct chat_rooms *all);
void chat_put_messages(struct buffer *out, const struct chat_messages *all);

/* Whom a room's members are: with the users as objects. */
void chat_put_members(struct buffer *out, const struct chat_members *all);

/* Its members, into an object that is open: all of unread.changed but the room. */
void chat_put_unread(struct buffer *out, const struct chat_unread *u);

/* Words for numbers; NULL where there is none. */
const char *chat_role_word(enum chat_role role);
const char *chat_room_kind_word(enum chat_room_kind kind);
const char *chat_member_role_word(enum chat_member_role role);
const char *chat_notify_word(enum chat_notify level);

/* And back. False: there is no such word. */
MUST_CHECK bool chat_role_of(struct str word, enum chat_role *ret);
MUST_CHECK bool chat_room_kind_of(struct str word, enum chat_room_kind *ret);
MUST_CHECK bool chat_member_role_of(struct str word, enum chat_member_role *ret);
MUST_CHECK bool chat_notify_of(struct str word, enum chat_notify *ret);
