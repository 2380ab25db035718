/*
 * People (and bots) as everybody sees them. How they sign in is account.h's.
 */
#pragma once

#include "storage/chat/store.h"

/* Who asks. CHAT_NOT_FOUND: nobody of that id; CHAT_DENIED: deactivated. */
MUST_CHECK int chat_actor_load(struct chat_tx *tx, struct str id, struct chat_actor *ret);

struct chat_user_new {
    struct str id;    /* empty: one is made */
    struct str login; /* empty: none, of an embedding application, a guest or a bot */
    struct str name;
    enum chat_role role; /* 0: member */
    bool is_bot;
};

/* CHAT_BAD_REQUEST (id, login, name); CHAT_CONFLICT (id, login): taken. */
MUST_CHECK int chat_user_add(struct chat_tx *tx, const struct chat_user_new *new,
                             struct chat_user *ret);

/* Of an embedding application, on connect: added if it is not known; the name is brought up to date
 * if it has no login here. ret_is_changed may be NULL. */
MUST_CHECK int chat_user_provision(struct chat_tx *tx, struct str id, struct str name,
                                   struct chat_user *ret, bool *ret_is_changed);

MUST_CHECK int chat_user_get(struct chat_tx *tx, struct str id,
                             struct chat_user *ret); /* CHAT_NOT_FOUND; whoever asks */
MUST_CHECK int chat_user_by_key(struct chat_tx *tx, int64_t key, struct chat_user *ret);
MUST_CHECK int chat_user_by_login(struct chat_tx *tx, struct str login, struct chat_user *ret);

/* Those of the ids that the asker may know, in any order. */
MUST_CHECK int chat_users_get(struct chat_tx *tx, const struct chat_actor *by,
                              const struct str *ids, size_t n, struct chat_users *ret);
/* By the beginning of a word of the name, or of the login; empty: all. after: the last id of the
 * page before. Guests: those who share a room with them. */
MUST_CHECK int chat_users_find(struct chat_tx *tx, const struct chat_actor *by, struct str q,
                               struct str after, size_t limit, struct chat_users *ret);

struct chat_user_change {
    const struct str *name, *avatar; /* NULL: stays. An avatar: the id of an attachment, or empty */
};
/* An avatar has to be a picture that they uploaded themselves and that no message has
 * (CHAT_BAD_REQUEST), of so many bytes (CHAT_TOO_LONG). */
enum { CHAT_AVATAR_MAX_BYTES = 1024 * 1024 };
MUST_CHECK int chat_user_update(struct chat_tx *tx, const struct chat_actor *by,
                                const struct chat_user_change *change, struct chat_user *ret);
/* emoji and text empty: none. until_ms: 0: until it is changed. */
MUST_CHECK int chat_user_set_status(struct chat_tx *tx, const struct chat_actor *by,
                                    struct str emoji, struct str text, int64_t until_ms,
                                    struct chat_user *ret);
MUST_CHECK int chat_user_seen(struct chat_tx *tx, struct str id, int64_t at_ms); /* grows only */

/* By admins; who is no owner changes no owner, and the last owner stays one (CHAT_CONFLICT, role).
 * role 0, deactivated < 0: stays. Audited. */
MUST_CHECK int chat_user_administer(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                                    enum chat_role role, int deactivated, struct chat_user *ret);
