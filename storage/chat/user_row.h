/* Rows of users, as they are read. For storage/chat/ only. */
#pragma once

#include "storage/chat/query.h"

/* What a statement selects for user_row_read(), of a table or alias u; so many columns. */
#define USER_COLUMNS                                                                               \
    "u.key, u.id, u.login, u.name, u.avatar, u.role, u.status_emoji, u.status_text,"               \
    " u.status_until, u.last_seen_at, u.created_at, u.deactivated_at, u.is_bot"
enum { USER_COLUMNS_N = 13 };

/* Of the row, from its first column on. */
MUST_CHECK int user_row_read(const struct rows *rows, struct chat_user *ret);

/* The rest of the rows, which have these columns; at most limit, then has_more is set. Ends them.
 */
MUST_CHECK int user_rows_read(struct rows *rows, int r, size_t limit, struct chat_users *ret);

/* Their key, or CHAT_NOT_FOUND. Deactivated ones, too. */
MUST_CHECK int chat_user_key(struct chat_tx *tx, struct str id, int64_t *ret);
/* The key and the role in the team; CHAT_NOT_FOUND. Deactivated: CHAT_NOT_FOUND as well. */
MUST_CHECK int chat_user_active(struct chat_tx *tx, struct str id, int64_t *ret_key,
                                enum chat_role *ret_role);
/* The id, in the arena. Of a key that is unknown: empty. */
MUST_CHECK int chat_user_id(struct chat_tx *tx, int64_t key, struct str *ret);

/* May the asker know them? Guests write only to people they know already. CHAT_NOT_FOUND. */
MUST_CHECK int chat_user_check_known(struct chat_tx *tx, const struct chat_actor *by,
                                     int64_t user_key);
