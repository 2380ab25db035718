/* Whom somebody may know, and finding them. */
#include <errno.h>

#include "storage/chat/check.h"
#include "storage/chat/permission.h"
#include "storage/chat/user.h"
#include "storage/chat/user_row.h"

/* Oneself, and those who share a room. ?1: the guest. */
#define KNOWN_TO_GUEST                                                                             \
    " (u.key = ?1 OR EXISTS (SELECT 1 FROM member mine JOIN member theirs"                         \
    " ON theirs.room = mine.room AND theirs.user = u.key AND theirs.role > 0"                      \
    " WHERE mine.user = ?1 AND mine.role > 0))"

int chat_user_check_known(struct chat_tx *tx, const struct chat_actor *by, int64_t user_key) {
    int64_t found;
    if (chat_team_permission(CHAT_TEAM_SEE_ALL_USERS, by->role))
        return 0;
    int r = FETCH(tx, &found, "SELECT 1 FROM user u WHERE u.key = ?2 AND" KNOWN_TO_GUEST,
                  NUMBER(by->key), NUMBER(user_key));
    return r > 0 ? 0 : r == 0 ? CHAT_NOT_FOUND : r;
}

int chat_users_get(struct chat_tx *tx, const struct chat_actor *by, const struct str *ids, size_t n,
                   struct chat_users *ret) {
    struct arena_list list = { 0 };
    bool sees_all = chat_team_permission(CHAT_TEAM_SEE_ALL_USERS, by->role);
    for (size_t i = 0; i < n; i++) {
        struct rows rows;
        int r = sees_all ? QUERY_ONE(tx, &rows,
                                     "SELECT " USER_COLUMNS " FROM user u WHERE u.id = ?2",
                                     NUMBER(by->key), TEXT(ids[i]))
                         : QUERY_ONE(tx, &rows,
                                     "SELECT " USER_COLUMNS
                                     " FROM user u WHERE u.id = ?2 AND" KNOWN_TO_GUEST,
                                     NUMBER(by->key), TEXT(ids[i]));
        if (r > 0) {
            struct chat_user *user = arena_list_add(chat_tx_arena(tx), &list, sizeof *user);
            r = user ? user_row_read(&rows, user) : -ENOMEM;
        }
        rows_end(&rows);
        if (r < 0)
            return r;
    }
    *ret = (struct chat_users){ .items = list.items, .n = list.n };
    return 0;
}

/* By name, and after the user ?2 (0: from the first one). ?3: LIKE pattern; ?4: limit. */
#define FIND                                                                                       \
    "SELECT " USER_COLUMNS " FROM user u WHERE (?2 = 0 OR (u.name COLLATE NOCASE, u.key) >"        \
    " (SELECT name COLLATE NOCASE, key FROM user WHERE key = ?2))"                                 \
    " AND (u.name LIKE ?3 ESCAPE '\\' OR u.name LIKE '% ' || ?3 ESCAPE '\\'"                       \
    " OR u.login LIKE ?3 ESCAPE '\\')"
#define IN_ORDER " ORDER BY u.name COLLATE NOCASE, u.key LIMIT ?4"

int chat_users_find(struct chat_tx *tx, const struct chat_actor *by, struct str q, struct str after,
                    size_t limit, struct chat_users *ret) {
    int64_t after_key = 0;
    struct str pattern;
    int r = after.len > 0 ? chat_user_key(tx, after, &after_key) : 0;
    if (r == 0 && after.len > 0)
        r = chat_user_check_known(tx, by, after_key);
    if (r != 0)
        return r;
    r = chat_like_beginning(tx, q, &pattern);
    if (r < 0)
        return r;
    size_t max = chat_tx_limits(tx)->users_max;
    limit = limit == 0 || limit > max ? max : limit;
    struct rows rows;
    if (chat_team_permission(CHAT_TEAM_SEE_ALL_USERS, by->role))
        r = QUERY(tx, &rows, FIND IN_ORDER, NUMBER(by->key), NUMBER(after_key), TEXT(pattern),
                  NUMBER((int64_t) limit + 1));
    else
        r = QUERY(tx, &rows, FIND " AND" KNOWN_TO_GUEST IN_ORDER, NUMBER(by->key),
                  NUMBER(after_key), TEXT(pattern), NUMBER((int64_t) limit + 1));
    return user_rows_read(&rows, r, limit, ret);
}
