/*
 * Webhooks of rooms. *In*: whoever has the secret sends messages as the hook's bot. *Out*: what
 * becomes of messages is posted to a URL; it waits in a queue of the hook's own, written in the
 * transaction that made the change, until somebody has answered with 2xx.
 */
#pragma once

#include "storage/chat/member.h"

enum chat_webhook_kind { CHAT_WEBHOOK_IN = 1, CHAT_WEBHOOK_OUT = 2 };

enum {
    CHAT_WEBHOOKS_MAX = 50, /* of one room */
    CHAT_WEBHOOK_SECRET_SIZE = 43,
    CHAT_WEBHOOK_URL_MAX = 2048,
    CHAT_WEBHOOK_QUEUE_MAX = 10000, /* of one hook; then the oldest go */
};

struct chat_webhook {
    int64_t key, room_key;
    enum chat_webhook_kind kind;
    struct str id, room, name, url, secret;
    struct str bot; /* id of a user; in */
    int64_t created_at;
};

struct chat_webhooks {
    struct chat_webhook *items;
    size_t n;
};

struct chat_webhook_new {
    enum chat_webhook_kind kind;
    struct str room, name, url; /* url: out only, http:// or https:// */
};

/* Makes the bot of one that is in, and a member of the room: *ret_member, *ret_change. secret: of
 * CHAT_WEBHOOK_SECRET_SIZE letters that nobody can guess. CHAT_BAD_REQUEST (name, url),
 * CHAT_CONFLICT (webhooks). Audited. */
MUST_CHECK int chat_webhook_create(struct chat_tx *tx, const struct chat_actor *by,
                                   const struct chat_webhook_new *new, struct str secret,
                                   struct chat_webhook *ret, struct chat_member *ret_member,
                                   struct chat_change *ret_change);

/* Of the rooms where they may have some; without secrets. room: an id, or empty. */
MUST_CHECK int chat_webhook_list(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                 struct chat_webhooks *ret);

/* ret: as it was. Its bot leaves the room: *ret_change. CHAT_NOT_FOUND. Audited. */
MUST_CHECK int chat_webhook_remove(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                                   struct chat_webhook *ret, struct chat_change *ret_change);

/* One that is in. CHAT_NOT_FOUND. */
MUST_CHECK int chat_webhook_by_secret(struct chat_tx *tx, struct str secret,
                                      struct chat_webhook *ret);

/* ---- out ---- */

/* data: JSON, an object on one line. To the queue of each of the room's. *ret_dropped: how many
 * went since there were too many. */
MUST_CHECK int chat_webhook_note(struct chat_tx *tx, int64_t room_key, struct bytes data,
                                 unsigned *ret_dropped);

/* Has the room any? */
MUST_CHECK int chat_webhook_has(struct chat_tx *tx, int64_t room_key, bool *ret);

struct chat_webhook_due {
    struct chat_webhook hook;
    int64_t event, at; /* its number: ascending in the order of what happened */
    struct bytes data;
};
struct chat_webhook_dues {
    struct chat_webhook_due *items;
    size_t n;
};
/* The first event of each hook that has one; only of that hook unless key is 0. */
MUST_CHECK int chat_webhook_due(struct chat_tx *tx, int64_t key, struct chat_webhook_dues *ret);
MUST_CHECK int chat_webhook_done(struct chat_tx *tx, int64_t event);
MUST_CHECK int chat_webhook_waiting(struct chat_tx *tx, uint64_t *ret); /* of all */
