#include "storage/chat/login.h"

#include <errno.h>

#include "async/loop.h"
#include "protocol/secret.h"
#include "storage/chat/query.h"
#include "storage/chat/user.h"

enum { ID_BYTES = 9, TEXT_MAX = 200 };

#define LOGIN_COLUMNS "key, id, created_at, last_seen_at, expires_at, agent, address"

static int take_row(struct rows *rows, struct chat_login *ret) {
    *ret = (struct chat_login){ .key = row_number(rows, 0),
                                .created_at = row_number(rows, 2),
                                .last_seen_at = row_number(rows, 3),
                                .expires_at = row_number(rows, 4) };
    int r = row_keep_text(rows, 1, &ret->id);
    if (r == 0)
        r = row_keep_text(rows, 5, &ret->agent);
    return r == 0 ? row_keep_text(rows, 6, &ret->address) : r;
}

/* It is for people to look at. */
static struct str cut(struct str s) {
    return (struct str){ s.data, s.len < TEXT_MAX ? s.len : TEXT_MAX };
}

static int find_unseen_longest(struct chat_tx *tx, int64_t user_key, struct str *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows,
                      "SELECT id FROM login WHERE user = ?1"
                      "  ORDER BY last_seen_at DESC, key DESC LIMIT 1 OFFSET ?2",
                      NUMBER(user_key), NUMBER(CHAT_LOGINS_MAX - 1));
    if (r > 0)
        r = row_keep_text(&rows, 0, ret);
    rows_end(&rows);
    return r;
}

/* Those whose time is over go, and of too many the one not seen for longest. */
static int make_room(struct chat_tx *tx, int64_t user_key, struct str *ret_pushed_out) {
    int r = RUN(tx, "DELETE FROM login WHERE user = ?1 AND expires_at > 0 AND expires_at <= ?2",
                NUMBER(user_key), NUMBER(chat_tx_now_ms(tx)));
    if (r == 0)
        r = find_unseen_longest(tx, user_key, ret_pushed_out);
    if (r < 0)
        return r;
    return RUN(tx,
               "DELETE FROM login WHERE key IN (SELECT key FROM login WHERE user = ?1"
               "  ORDER BY last_seen_at DESC, key DESC LIMIT -1 OFFSET ?2)",
               NUMBER(user_key), NUMBER(CHAT_LOGINS_MAX - 1));
}

int chat_login_add(struct chat_tx *tx, int64_t user_key, const struct chat_login_new *new,
                   struct chat_login *ret) {
    char id[SECRET_TEXT_MAX];
    uint8_t random[ID_BYTES];
    int64_t now = chat_tx_now_ms(tx);

    loop_random(random, sizeof random);
    secret_write(STR(""), bytes_of(random, sizeof random), id);
    struct chat_login login = { .created_at = now,
                                .last_seen_at = now,
                                .expires_at = new->expires_at,
                                .agent = cut(new->agent),
                                .address = cut(new->address) };
    int r = chat_keep_text(tx, str_of(id), &login.id);
    if (r == 0)
        r = make_room(tx, user_key, &login.pushed_out);
    if (r == 0)
        r = RUN(tx,
                "INSERT INTO login(id, hash, user, created_at, last_seen_at, expires_at, agent,"
                "  address) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
                TEXT(login.id), BLOB(bytes_of(new->hash, CHAT_LOGIN_HASH_SIZE)), NUMBER(user_key),
                NUMBER(now), NUMBER(login.expires_at), TEXT(login.agent), TEXT(login.address));
    if (r < 0)
        return r;
    login.key = chat_inserted(tx);
    *ret = login;
    return 0;
}

int chat_login_find(struct chat_tx *tx, const uint8_t hash[static CHAT_LOGIN_HASH_SIZE],
                    struct chat_login *ret, struct chat_user *ret_user) {
    struct chat_login login;
    struct chat_user user;
    struct rows rows;
    int64_t user_key = 0;

    int r = QUERY_ONE(tx, &rows, "SELECT " LOGIN_COLUMNS ", user FROM login WHERE hash = ?1",
                      BLOB(bytes_of(hash, CHAT_LOGIN_HASH_SIZE)));
    if (r == 1) {
        user_key = row_number(&rows, 7);
        r = take_row(&rows, &login) < 0 ? -ENOMEM : 1;
    }
    rows_end(&rows);
    if (r <= 0)
        return r < 0 ? r : CHAT_NOT_FOUND;
    if (login.expires_at && login.expires_at <= chat_tx_now_ms(tx))
        return CHAT_NOT_FOUND;
    r = chat_user_by_key(tx, user_key, &user);
    if (r == 0 && user.deactivated_at)
        return CHAT_NOT_FOUND;
    if (r == 0) {
        *ret = login;
        *ret_user = user;
    }
    return r;
}

int chat_login_seen(struct chat_tx *tx, int64_t key, int64_t at_ms, int64_t expires_at) {
    return RUN(tx,
               "UPDATE login SET last_seen_at = max(last_seen_at, ?2),"
               "  expires_at = CASE WHEN ?3 = 0 THEN 0 ELSE max(expires_at, ?3) END"
               " WHERE key = ?1",
               NUMBER(key), NUMBER(at_ms), NUMBER(expires_at));
}

int chat_login_used(struct chat_tx *tx, struct str user, struct str id, int64_t at_ms,
                    int64_t expires_at) {
    int64_t key = 0;
    int r = FETCH(tx, &key,
                  "SELECT l.key FROM user u JOIN login l ON l.user = u.key"
                  " WHERE u.id = ?1 AND l.id = ?2 AND (l.expires_at = 0 OR l.expires_at > ?3)",
                  TEXT(user), TEXT(id), NUMBER(at_ms));
    return r > 0 ? chat_login_seen(tx, key, at_ms, expires_at) : r;
}

int chat_login_list(struct chat_tx *tx, int64_t user_key, struct chat_logins *ret) {
    struct arena_list list = { 0 };
    struct rows rows;

    int r = QUERY(tx, &rows,
                  "SELECT " LOGIN_COLUMNS " FROM login WHERE user = ?1"
                  "  AND (expires_at = 0 OR expires_at > ?2) ORDER BY key DESC",
                  NUMBER(user_key), NUMBER(chat_tx_now_ms(tx)));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_login *one =
                arena_list_add(chat_tx_arena(tx), &list, sizeof(struct chat_login));
        r = one ? take_row(&rows, one) : -ENOMEM;
    }
    rows_end(&rows);
    if (r == 0)
        *ret = (struct chat_logins){ list.items, list.n };
    return r;
}

int chat_login_count(struct chat_tx *tx, int64_t user_key, unsigned *ret) {
    int64_t n = 0;
    int r = FETCH(tx, &n,
                  "SELECT count(*) FROM login WHERE user = ?1"
                  "  AND (expires_at = 0 OR expires_at > ?2)",
                  NUMBER(user_key), NUMBER(chat_tx_now_ms(tx)));
    if (r >= 0)
        *ret = (unsigned) n;
    return r < 0 ? r : 0;
}

int chat_login_remove(struct chat_tx *tx, int64_t user_key, struct str id) {
    int r = RUN(tx, "DELETE FROM login WHERE user = ?1 AND id = ?2", NUMBER(user_key), TEXT(id));
    return r < 0 ? r : chat_changes(tx) ? 0 : CHAT_NOT_FOUND;
}

int chat_login_remove_others(struct chat_tx *tx, int64_t user_key, int64_t keep_key) {
    return RUN(tx, "DELETE FROM login WHERE user = ?1 AND key <> ?2", NUMBER(user_key),
               NUMBER(keep_key));
}
