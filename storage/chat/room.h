/*
 * Rooms. `by` is who asks: what they may not know of is CHAT_NOT_FOUND, what they may not do
 * CHAT_DENIED.
 */
#pragma once

#include "storage/chat/permission.h"
#include "storage/chat/store.h"

struct chat_room_new {
    enum chat_room_kind kind;
    struct str name, slug, topic; /* a slug: [a-z0-9-], at most 64; public and private ones */
    const struct str *users; /* ids, besides the maker; direct: exactly one, who may be the maker */
    size_t users_n;
};

/* ret_is_new: false: the direct room of these two was there. CHAT_CONFLICT (slug): taken. */
MUST_CHECK int chat_room_create(struct chat_tx *tx, const struct chat_actor *by,
                                const struct chat_room_new *new, struct chat_room *ret,
                                bool *ret_is_new);

/* The room as `by` sees it, if they may do that there. */
MUST_CHECK int chat_room_get(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                             enum chat_action action, struct chat_room *ret);
/* May they? Nothing but the room's own row, without counts: cheap. ret may be NULL. */
MUST_CHECK int chat_room_check(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                               enum chat_action action, struct chat_room *ret);

struct chat_room_change {
    const struct str *name, *slug, *topic; /* NULL: stays */
    const unsigned *slow_s, *retain_d;
    const bool *receipts;
};
MUST_CHECK int chat_room_update(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                                const struct chat_room_change *change, struct chat_room *ret,
                                struct chat_change *ret_change);
MUST_CHECK int chat_room_archive(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                                 bool is_archived, struct chat_room *ret,
                                 struct chat_change *ret_change);

/* Public ones, by name. q: beginning of a word of the name, or part of the slug; after: the id of
 * the last one of the page before. */
MUST_CHECK int chat_room_list(struct chat_tx *tx, const struct chat_actor *by, struct str q,
                              struct str after, size_t limit, struct chat_rooms *ret);
