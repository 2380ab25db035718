/*
 * Invites: links by which others come into the team, and into a room.
 *
 * Who comes by one makes an account, and is a member. By one that lets in guests they may do with a
 * name alone, and see nothing but its room. Who is known already is just put into the room.
 */
#pragma once

#include "storage/chat/account.h"

enum { CHAT_INVITES_MAX = 200 /* good ones of one maker */ };

struct chat_invite {
    int64_t key, room_key; /* 0: into the team alone */
    struct str code;
    struct str by, by_name;     /* who made it: a user's id */
    struct str room, room_name; /* an id */
    bool guests;
    unsigned uses_left, uses_max; /* max 0: any number */
    int64_t created_at, expires_at;
};

struct chat_invites {
    struct chat_invite *items; /* newest first */
    size_t n;
};

struct chat_invite_new {
    struct str code; /* the maker's, random */
    struct str room; /* empty: into the team */
    bool guests;     /* then there is a room */
    unsigned uses;   /* 0: any number */
    int64_t expires_at;
};

/*
 * CHAT_BAD_REQUEST (room: guests without one; expires_at: past). CHAT_DENIED: not theirs to give,
 * or guests are not let in. CHAT_CONFLICT (invites): there are CHAT_INVITES_MAX. Audited.
 */
MUST_CHECK int chat_invite_create(struct chat_tx *tx, const struct chat_actor *by,
                                  const struct chat_invite_new *new, struct chat_invite *ret);

/* Whoever has the code. CHAT_NOT_FOUND; CHAT_GONE: used up, over, revoked, or its maker or its room
 * is no longer there to let anybody in. */
MUST_CHECK int chat_invite_get(struct chat_tx *tx, struct str code, struct chat_invite *ret);

/* Takes one use of it. new without login: a guest. As above, and: CHAT_DENIED: it does not let in
 * guests, or they are no longer let in at all; and as chat_account_add(). */
MUST_CHECK int chat_invite_accept(struct chat_tx *tx, struct str code,
                                  const struct chat_account_new *new, struct chat_arrival *ret);
/* By somebody who is known; takes none if they are in already. CHAT_BANNED from the room. */
MUST_CHECK int chat_invite_accept_by(struct chat_tx *tx, struct str code,
                                     const struct chat_actor *user, struct chat_arrival *ret);

/* Good ones. room empty: one's own, admins: all; else those of a room that they may invite to. */
MUST_CHECK int chat_invite_list(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                struct chat_invites *ret);
/* Its maker's, and whose it would be to make. CHAT_NOT_FOUND. Audited. */
MUST_CHECK int chat_invite_revoke(struct chat_tx *tx, const struct chat_actor *by, struct str code);
