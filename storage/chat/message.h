/*
 * Messages. What is given is always the message as it is now.
 */
#pragma once

#include "storage/chat/room.h"

struct chat_send {
    struct str room, client_id, text;
    uint64_t reply_to;             /* seq; 0: to none */
    const struct str *attachments; /* ids: of `by`, in no message yet */
    size_t attachments_n;
    struct bytes meta;
};

/*
 * ret_is_duplicate: `by` has sent with this client_id before: nothing is changed, and ret is what
 * was made of it then. In another room: CHAT_CONFLICT (client_id).
 *
 * Also: CHAT_TOO_LONG (text, meta), CHAT_BAD_REQUEST (text: empty and no attachments, or no UTF-8;
 * client_id; attachments; reply_to), CHAT_MUTED, CHAT_BANNED, CHAT_SLOW_MODE, CHAT_ARCHIVED.
 */
MUST_CHECK int chat_message_send(struct chat_tx *tx, const struct chat_actor *by,
                                 const struct chat_send *send, struct chat_message *ret,
                                 bool *ret_is_duplicate);

/* Own ones. if_ver: 0, or the ver the message must have (CHAT_CONFLICT, if_ver). CHAT_GONE,
 * CHAT_EDIT_WINDOW. */
MUST_CHECK int chat_message_edit(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                 uint64_t seq, struct str text, uint64_t if_ver,
                                 struct chat_message *ret, struct chat_change *ret_change);

/* To a stub: text, earlier texts, meta, reactions, mentions, pin, its place in the index, and its
 * files go. Deleting a deleted one changes nothing. */
MUST_CHECK int chat_message_delete(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                   uint64_t seq, struct str reason, struct chat_message *ret,
                                   struct chat_change *ret_change);

MUST_CHECK int chat_message_get(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                uint64_t seq, struct chat_message *ret);

struct chat_revision {
    int64_t at;
    struct str user, text;
};
struct chat_revisions {
    struct chat_revision *items;
    size_t n;
};
/* All texts it has had, oldest first; the last one is the present one. CHAT_GONE. */
MUST_CHECK int chat_message_revisions(struct chat_tx *tx, const struct chat_actor *by,
                                      struct str room, uint64_t seq, struct chat_revisions *ret);

/* One of before, after (exclusive) and around; none: the newest. limit 0: page_max. */
struct chat_span {
    uint64_t before, after, around;
    bool is_after;      /* after is asked for: so 0 is the first message */
    bool around_unread; /* around the first unread one; the newest if there is none */
    size_t limit;
};
MUST_CHECK int chat_message_history(struct chat_tx *tx, const struct chat_actor *by,
                                    struct str room, const struct chat_span *span,
                                    struct chat_messages *ret);

/* Together, in one snapshot: ret_room->ver is what ret is of. */
MUST_CHECK int chat_room_open(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                              const struct chat_span *span, struct chat_room *ret_room,
                              struct chat_messages *ret);

/* For others of storage/chat (search): by keys, in this order; nobody is asked. Those that are gone
 * are left out. */
MUST_CHECK int chat_messages_by_key(struct chat_tx *tx, const int64_t *keys, size_t n,
                                    struct chat_messages *ret);
