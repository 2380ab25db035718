#include "storage/chat/mention.h"

enum {
    LOGIN_MAX = 64,          /* an application's users are mentioned by their ids */
    LOOKUPS_PER_MENTION = 4, /* a text of nothing but "@" does not hold up the writer */
};

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || ((uint8_t) c & 0x80) != 0;
}

/* The next "@word" from *at on, without the "@"; *at moves behind it. false: none is left. */
static bool next_name(struct str text, size_t *at, struct str *ret) {
    for (size_t i = *at; i < text.len; i++) {
        if (text.data[i] != '@' ||
            (i > 0 && (is_word(text.data[i - 1]) || text.data[i - 1] == '@')))
            continue;
        size_t end = i + 1;
        while (end < text.len && is_word(text.data[end]))
            end++;
        *at = end;
        if (end == i + 1 || end - i - 1 > LOGIN_MAX) {
            i = end - 1;
            continue;
        }
        *ret = (struct str){ .data = text.data + i + 1, .len = end - i - 1 };
        return true;
    }
    return false;
}

static int find_member(struct chat_tx *tx, int64_t room_key, struct str name, int64_t *ret) {
    return FETCH(tx, ret,
                 "SELECT u.key FROM user u JOIN member m ON m.user = u.key AND m.room = ?1"
                 " WHERE u.login = ?2 AND m.role > 0 UNION ALL"
                 " SELECT u.key FROM user u JOIN member m ON m.user = u.key AND m.room = ?1"
                 " WHERE u.id = ?2 AND u.login IS NULL AND m.role > 0 LIMIT 1",
                 NUMBER(room_key), TEXT(name));
}

static bool is_all(struct str name) {
    return str_equal(name, STR("all"));
}

static bool is_stop(char c) {
    return c == '.' || c == '-' || c == '_';
}

/* "@ann." is ann's at the end of a sentence, unless somebody is called "ann.". 1, 0: nobody. */
static int find_named(struct chat_tx *tx, int64_t room_key, struct str name, unsigned *lookups,
                      int64_t *ret) {
    while (*lookups > 0) {
        (*lookups)--;
        *ret = 0;
        int r = is_all(name) ? 1 : find_member(tx, room_key, name, ret);
        if (r != 0 || name.len == 0 || !is_stop(name.data[name.len - 1]))
            return r;
        name.len--;
    }
    return 0;
}

int mention_note(struct chat_tx *tx, int64_t room_key, uint64_t seq, int64_t author,
                 struct str text, bool may_all, unsigned *ret_flags) {
    unsigned max = chat_tx_limits(tx)->mentions_max, n = 0, lookups = max * LOOKUPS_PER_MENTION;
    size_t at = 0;
    struct str name;
    *ret_flags = 0;
    while (n < max && lookups > 0 && next_name(text, &at, &name)) {
        int64_t user;
        int r = find_named(tx, room_key, name, &lookups, &user);
        if (r < 0)
            return r;
        if (r == 0 || user == author || (user == 0 && !may_all))
            continue;
        r = RUN(tx,
                "INSERT OR IGNORE INTO mention(user, room, seq, author) VALUES (?1, ?2, ?3, ?4)",
                NUMBER(user), NUMBER(room_key), NUMBER((int64_t) seq), NUMBER(author));
        if (r < 0)
            return r;
        *ret_flags |= user == 0 ? MESSAGE_MENTIONS_ALL : MESSAGE_MENTIONS;
        n++;
    }
    return 0;
}

int mention_forget(struct chat_tx *tx, int64_t room_key, uint64_t seq) {
    return RUN(tx, "DELETE FROM mention WHERE room = ?1 AND seq = ?2", NUMBER(room_key),
               NUMBER((int64_t) seq));
}
