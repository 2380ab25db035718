/* Sending, editing, deleting. */
#include "storage/chat/message.h"

#include <errno.h>

#include "protocol/utf8.h"
#include "storage/chat/audit.h"
#include "storage/chat/check.h"
#include "storage/chat/mention.h"
#include "storage/chat/message_row.h"
#include "storage/chat/word_index.h"

/* ---- sending ---- */

/* 1: it was sent before. */
static int find_duplicate(struct chat_tx *tx, const struct chat_actor *by,
                          const struct chat_send *send, struct chat_message *ret) {
    int64_t key;
    if (send->client_id.len == 0)
        return 0;
    int r = FETCH(tx, &key, "SELECT key FROM message WHERE author = ?1 AND client_id = ?2",
                  NUMBER(by->key), TEXT(send->client_id));
    if (r <= 0)
        return r;
    r = message_load(tx, key, ret);
    if (r != 0)
        return r;
    return str_equal(ret->room, send->room) ? 1 : chat_refuse(tx, CHAT_CONFLICT, "client_id", 0);
}

static int check_reply(struct chat_tx *tx, const struct chat_room *room, uint64_t seq) {
    int64_t key;
    if (seq == 0)
        return 0;
    int r = seq > room->last_seq
                    ? 0
                    : FETCH(tx, &key, "SELECT key FROM message WHERE room = ?1 AND seq = ?2",
                            NUMBER(room->key), NUMBER((int64_t) seq));
    return r > 0 ? 0 : r == 0 ? chat_refuse(tx, CHAT_BAD_REQUEST, "reply_to", 0) : r;
}

static int check_send(struct chat_tx *tx, const struct chat_room *room,
                      const struct chat_send *send) {
    const struct chat_limits *limits = chat_tx_limits(tx);
    int r = chat_check_text(tx, "text", send->text, limits->text_max_bytes);
    if (r == 0 && send->text.len == 0 && send->attachments_n == 0)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "text", 0);
    if (r == 0 && (send->client_id.len > CHAT_ID_MAX || !utf8_is_valid(str_bytes(send->client_id))))
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "client_id", CHAT_ID_MAX);
    if (r == 0 && send->meta.len > limits->meta_max_bytes)
        r = chat_refuse(tx, CHAT_TOO_LONG, "meta", limits->meta_max_bytes);
    if (r == 0 && send->attachments_n > limits->attachments_max)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "attachments", limits->attachments_max);
    return r != 0 ? r : check_reply(tx, room, send->reply_to);
}

/* Whose time it is not yet. */
static int check_pace(struct chat_tx *tx, const struct chat_actor *by,
                      const struct chat_room *room) {
    if (room->slow_s == 0 || room_may(room, by, CHAT_ACT_FREELY) == 0)
        return 0;
    int64_t sent_at = 0, now_ms = chat_tx_now_ms(tx);
    int r = FETCH(tx, &sent_at, "SELECT sent_at FROM member WHERE room = ?1 AND user = ?2",
                  NUMBER(room->key), NUMBER(by->key));
    if (r < 0)
        return r;
    int64_t until = sent_at + (int64_t) room->slow_s * 1000;
    if (until > now_ms)
        return chat_refuse_for(tx, CHAT_SLOW_MODE, until - now_ms);
    return RUN(tx, "UPDATE member SET sent_at = ?3 WHERE room = ?1 AND user = ?2",
               NUMBER(room->key), NUMBER(by->key), NUMBER(now_ms));
}

static bool has_link(struct str text) {
    static const struct str beginnings[] = { STR("http://"), STR("https://") };
    for (size_t i = 0; i < text.len; i++) {
        struct str rest = { .data = text.data + i, .len = text.len - i };
        if (text.data[i] == 'h' &&
            (str_starts_with(rest, beginnings[0]) || str_starts_with(rest, beginnings[1])))
            return true;
    }
    return false;
}

static int attach(struct chat_tx *tx, const struct chat_actor *by, const struct chat_send *send,
                  int64_t key) {
    for (size_t i = 0; i < send->attachments_n; i++) {
        int r = RUN(tx,
                    "UPDATE attachment SET message = ?3, place = ?4"
                    " WHERE id = ?1 AND user = ?2 AND message IS NULL",
                    TEXT(send->attachments[i]), NUMBER(by->key), NUMBER(key), NUMBER((int64_t) i));
        if (r < 0)
            return r;
        if (chat_changes(tx) != 1)
            return chat_refuse(tx, CHAT_BAD_REQUEST, "attachments", 0);
    }
    return 0;
}

static int advance(struct chat_tx *tx, struct chat_room *room) {
    int64_t now_ms = chat_tx_now_ms(tx);
    room->last_seq++;
    room->ver++;
    room->last_at = now_ms > room->last_at ? now_ms : room->last_at;
    return RUN(tx, "UPDATE room SET last_seq = ?2, ver = ?3, last_at = ?4 WHERE key = ?1",
               NUMBER(room->key), NUMBER((int64_t) room->last_seq), NUMBER((int64_t) room->ver),
               NUMBER(room->last_at));
}

static int insert(struct chat_tx *tx, const struct chat_actor *by, struct chat_room *room,
                  const struct chat_send *send, int64_t *ret_key) {
    unsigned flags;
    bool may_all = room_may(room, by, CHAT_ACT_MENTION_ALL) == 0;
    int r = advance(tx, room);
    if (r == 0)
        r = mention_note(tx, room->key, room->last_seq, by->key, send->text, may_all, &flags);
    if (r != 0)
        return r;
    flags |= (send->attachments_n > 0 ? MESSAGE_FILE : 0) |
             (has_link(send->text) ? MESSAGE_LINK : 0);
    r = RUN(tx,
            "INSERT INTO message(room, seq, ver, author, at, client_id, body, reply_to, flags,"
            " meta) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            NUMBER(room->key), NUMBER((int64_t) room->last_seq), NUMBER((int64_t) room->ver),
            NUMBER(by->key), NUMBER(room->last_at), TEXT_OR_NULL(send->client_id), TEXT(send->text),
            NUMBER((int64_t) send->reply_to), NUMBER(flags), BLOB_OR_NULL(send->meta));
    if (r < 0)
        return r;
    *ret_key = chat_inserted(tx);
    r = attach(tx, by, send, *ret_key);
    return r != 0 ? r : word_index_add(tx, *ret_key);
}

int chat_message_send(struct chat_tx *tx, const struct chat_actor *by, const struct chat_send *send,
                      struct chat_message *ret, bool *ret_is_duplicate) {
    /* What was accepted once is answered as it was then, whatever has been forbidden since. */
    int r = find_duplicate(tx, by, send, ret);
    *ret_is_duplicate = r == 1;
    if (r != 0)
        return r == 1 ? 0 : r;

    struct chat_room room;
    int64_t key = 0;
    r = room_load(tx, by, send->room, CHAT_ACT_SEND, &room);
    if (r == 0)
        r = message_check_mute(tx, &room);
    if (r == 0)
        r = check_send(tx, &room, send);
    if (r == 0)
        r = check_pace(tx, by, &room);
    if (r == 0)
        r = insert(tx, by, &room, send, &key);
    return r != 0 ? r : message_load(tx, key, ret);
}

/* ---- editing ---- */

static int keep_revision(struct chat_tx *tx, const struct chat_message *m) {
    int64_t n = 0;
    int r = FETCH(tx, &n, "SELECT coalesce(max(n), 0) FROM revision WHERE message = ?1",
                  NUMBER(m->key));
    if (r > 0)
        r = RUN(tx, "INSERT INTO revision(message, n, at, body) VALUES (?1, ?2, ?3, ?4)",
                NUMBER(m->key), NUMBER(n + 1), NUMBER(m->edited_at ? m->edited_at : m->at),
                TEXT(m->text));
    if (r == 0)
        r = RUN(tx, "DELETE FROM revision WHERE message = ?1 AND n <= ?2", NUMBER(m->key),
                NUMBER(n + 1 - chat_tx_limits(tx)->revisions_max));
    return r;
}

static int rewrite(struct chat_tx *tx, const struct chat_actor *by, struct chat_room *room,
                   struct chat_message *m, struct str text) {
    unsigned mentions = 0;
    bool may_all = room_may(room, by, CHAT_ACT_MENTION_ALL) == 0;
    int r = keep_revision(tx, m);
    if (r == 0)
        r = word_index_remove(tx, m->key);
    if (r == 0)
        r = mention_forget(tx, room->key, m->seq);
    if (r == 0)
        r = mention_note(tx, room->key, m->seq, m->user_key, text, may_all, &mentions);
    if (r != 0)
        return r;
    m->flags &= ~(unsigned) (MESSAGE_MENTIONS | MESSAGE_MENTIONS_ALL | MESSAGE_LINK);
    m->flags |= mentions | MESSAGE_REVISIONS | (has_link(text) ? MESSAGE_LINK : 0);
    r = message_bump(tx, room, m);
    if (r == 0)
        r = RUN(tx, "UPDATE message SET body = ?2, edited_at = ?3 WHERE key = ?1", NUMBER(m->key),
                TEXT(text), NUMBER(chat_tx_now_ms(tx)));
    return r != 0 ? r : word_index_add(tx, m->key);
}

static int check_edit(struct chat_tx *tx, const struct chat_actor *by, const struct chat_room *room,
                      const struct chat_message *m, struct str text, uint64_t if_ver) {
    const struct chat_limits *limits = chat_tx_limits(tx);
    if (m->user_key != by->key)
        return CHAT_DENIED;
    if (message_is_deleted(m))
        return CHAT_GONE;
    int r = message_check_mute(tx, room);
    if (r == 0 && if_ver != 0 && if_ver != m->ver)
        r = chat_refuse(tx, CHAT_CONFLICT, "if_ver", (int64_t) m->ver);
    if (r == 0 && limits->edit_window_ms > 0 && chat_tx_now_ms(tx) - m->at > limits->edit_window_ms)
        r = CHAT_EDIT_WINDOW;
    if (r == 0)
        r = chat_check_text(tx, "text", text, limits->text_max_bytes);
    if (r == 0 && text.len == 0 && m->attachments_n == 0)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "text", 0);
    return r;
}

int chat_message_edit(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                      uint64_t seq, struct str text, uint64_t if_ver, struct chat_message *ret,
                      struct chat_change *ret_change) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_EDIT_OWN, &room);
    if (r == 0)
        r = message_load_seq(tx, room.key, seq, ret);
    if (r == 0)
        r = check_edit(tx, by, &room, ret, text, if_ver);
    if (r != 0)
        return r;
    bool is_changed = !str_equal(text, ret->text);
    if (is_changed)
        r = rewrite(tx, by, &room, ret, text);
    if (r == 0)
        r = message_load(tx, ret->key, ret);
    *ret_change = (struct chat_change){ .ver = ret->ver, .is_changed = is_changed };
    return r;
}

/* ---- deleting ---- */

int chat_message_delete(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                        uint64_t seq, struct str reason, struct chat_message *ret,
                        struct chat_change *ret_change) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_READ, &room);
    if (r == 0)
        r = message_load_seq(tx, room.key, seq, ret);
    if (r != 0)
        return r;
    bool is_own = ret->user_key == by->key;
    r = room_may(&room, by, is_own ? CHAT_ACT_DELETE_OWN : CHAT_ACT_DELETE_ANY);
    if (r == 0 && room.archived_at > 0)
        r = CHAT_ARCHIVED;
    if (r == 0)
        r = chat_check_line(tx, "reason", reason, 0, CHAT_REASON_MAX);
    bool is_changed = r == 0 && !message_is_deleted(ret);
    if (is_changed)
        r = message_bury(tx, &room, ret, by->key, reason);
    if (r == 0 && is_changed && !is_own)
        r = chat_audit_add(tx, by->key, "message.delete", room.key, ret->user_key, reason);
    if (r == 0)
        r = message_load(tx, ret->key, ret);
    *ret_change = (struct chat_change){ .ver = ret->ver, .is_changed = is_changed };
    return r;
}
