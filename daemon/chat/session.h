/*
 * What a session has to do with the chat: its user is one of it, its channels `room:ID` are its
 * members', and what it publishes there is a message. For daemon/session/.
 */
#pragma once

#include "async/base.h"
#include "daemon/session/refusal.h"
#include "protocol/bytes.h"
#include "storage/chat/types.h"

struct chat;
struct credentials;
struct session;
struct worker;

/*
 * Before a client is let in whose credentials are good: its user is made one of the chat if the
 * chat does not know them, and brought up to date. 0; or why not: DISCONNECT_PERMISSION_DENIED:
 * deactivated; ERROR_INTERNAL; < 0: the wait was cut short. Where the chat is off, and of users who
 * cannot be of it, 0.
 */
SUSPENDS MUST_CHECK int chat_admit(struct session *s, const struct credentials *who,
                                   enum chat_role *ret_role); /* 0: not of the chat */

/* The same and chat_may_follow() of anybody, on the node that keeps the chat. */
SUSPENDS MUST_CHECK int chat_admit_user(struct chat *c, struct str user, struct bytes info,
                                        enum chat_role *ret_role);
SUSPENDS MUST_CHECK int chat_check_follows(struct chat *c, struct str user, struct str room);

/* From the moment it is connected, until it goes: s->is_in_chat. */
void chat_session_entered(struct session *s, enum chat_role role);
void chat_session_left(struct session *s);

/* Is the channel one of the chat's rooms? */
bool chat_is_room(const struct worker *w, struct str channel);

/*
 * May the session's user subscribe to the room's channel? 0; an error code; < 0: the wait was cut
 * short. ret_parted: to be handed to chat_followed() when it is subscribed: who was taken out of a
 * room meanwhile may have been missed, and then is looked for again.
 */
SUSPENDS MUST_CHECK int chat_may_follow(struct session *s, struct str channel,
                                        uint64_t *ret_parted);
void chat_followed(struct session *s, struct str channel, uint64_t parted);

/* An rpc command, or a publish into a room: a call, and its reply. As the handlers of
 * session/impl.h.
 */
SUSPENDS MUST_CHECK int chat_session_call(struct session *s, uint32_t id, struct str method,
                                          struct bytes data);
SUSPENDS MUST_CHECK int chat_session_publish(struct session *s, uint32_t id, struct str channel,
                                             struct bytes data);
