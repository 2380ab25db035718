#include "storage/chat/message_row.h"

#include <errno.h>

#include "protocol/utf8.h"

/* ---- the row ---- */

static int read_texts(const struct rows *rows, struct chat_message *m) {
    int r = row_keep_text(rows, 2, &m->room);
    if (r == 0)
        r = row_keep_text(rows, 6, &m->user);
    if (r == 0)
        r = row_keep_text(rows, 8, &m->client_id);
    if (r == 0)
        r = row_keep_text(rows, 9, &m->text);
    if (r == 0)
        r = row_keep_bytes(rows, 12, &m->meta);
    if (r == 0)
        r = row_keep_text(rows, 15, &m->deleted_by);
    return r < 0 ? r : row_keep_text(rows, 16, &m->reason);
}

static int read_row(const struct rows *rows, struct chat_message *ret) {
    *ret = (struct chat_message){
        .key = row_number(rows, 0),
        .room_key = row_number(rows, 1),
        .seq = (uint64_t) row_number(rows, 3),
        .ver = (uint64_t) row_number(rows, 4),
        .user_key = row_number(rows, 5),
        .at = row_number(rows, 7),
        .reply_to.seq = (uint64_t) row_number(rows, 10),
        .flags = (unsigned) row_number(rows, 11),
        .edited_at = row_number(rows, 13),
        .deleted_at = row_number(rows, 14),
        .pinned_at = row_number(rows, 17),
    };
    ret->mentions_all = ret->flags & MESSAGE_MENTIONS_ALL;
    return read_texts(rows, ret);
}

/* ---- what else there is of it ---- */

static int read_quote(struct chat_tx *tx, const struct chat_message *m, struct chat_quote *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows,
                      "SELECT u.id, m.body FROM message m JOIN user u ON u.key = m.author"
                      " WHERE m.room = ?1 AND m.seq = ?2",
                      NUMBER(m->room_key), NUMBER((int64_t) ret->seq));
    if (r > 0) {
        struct str text = utf8_truncate(row_text(&rows, 1), CHAT_QUOTE_BYTES);
        r = row_keep_text(&rows, 0, &ret->user);
        if (r == 0)
            r = chat_keep_text(tx, text, &ret->text);
    }
    rows_end(&rows);
    return r;
}

static int read_attachment(const struct rows *rows, struct chat_attachment *ret) {
    *ret = (struct chat_attachment){ .size = (uint64_t) row_number(rows, 3),
                                     .width = (unsigned) row_number(rows, 4),
                                     .height = (unsigned) row_number(rows, 5) };
    int r = row_keep_text(rows, 0, &ret->id);
    if (r == 0)
        r = row_keep_text(rows, 1, &ret->name);
    return r < 0 ? r : row_keep_text(rows, 2, &ret->type);
}

static int read_attachments(struct chat_tx *tx, struct chat_message *m) {
    struct arena_list list = { 0 };
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT id, name, type, size, width, height FROM attachment WHERE message = ?1"
                  " ORDER BY place",
                  NUMBER(m->key));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_attachment *a = arena_list_add(chat_tx_arena(tx), &list, sizeof *a);
        r = a ? read_attachment(&rows, a) : -ENOMEM;
    }
    rows_end(&rows);
    m->attachments = list.items;
    m->attachments_n = list.n;
    return r;
}

static int read_mentions(struct chat_tx *tx, struct chat_message *m) {
    struct arena_list list = { 0 };
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT u.id FROM mention n JOIN user u ON u.key = n.user"
                  " WHERE n.room = ?1 AND n.seq = ?2 ORDER BY n.user",
                  NUMBER(m->room_key), NUMBER((int64_t) m->seq));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct str *id = arena_list_add(chat_tx_arena(tx), &list, sizeof *id);
        r = id ? row_keep_text(&rows, 0, id) : -ENOMEM;
    }
    rows_end(&rows);
    m->mentions = list.items;
    m->mentions_n = list.n;
    return r;
}

/* The reaction of this emoji, of rows that come in the order of reacting. */
static struct chat_reaction *reaction_of(struct chat_tx *tx, struct arena_list *list,
                                         const struct rows *rows) {
    struct str emoji = row_text(rows, 0);
    struct chat_reaction *items = list->items;
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(items[i].emoji, emoji))
            return &items[i];
    struct chat_reaction *new = arena_list_add(chat_tx_arena(tx), list, sizeof *new);
    if (!new || row_keep_text(rows, 0, &new->emoji) < 0)
        return NULL;
    new->users = arena_alloc(chat_tx_arena(tx), CHAT_REACTION_USERS * sizeof *new->users);
    return new->users ? new : NULL;
}

int message_reactions(struct chat_tx *tx, int64_t key, struct chat_reactions *ret) {
    struct arena_list list = { 0 };
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT x.emoji, u.id FROM reaction x JOIN user u ON u.key = x.user"
                  " WHERE x.message = ?1 ORDER BY x.place",
                  NUMBER(key));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_reaction *reaction = reaction_of(tx, &list, &rows);
        r = reaction ? 0 : -ENOMEM;
        if (r == 0 && reaction->n++ < CHAT_REACTION_USERS)
            r = row_keep_text(&rows, 1, &reaction->users[reaction->users_n++]);
    }
    rows_end(&rows);
    *ret = (struct chat_reactions){ .items = list.items, .n = list.n };
    return r;
}

static int fill(struct chat_tx *tx, struct chat_message *m) {
    int r = 0;
    if (m->reply_to.seq > 0)
        r = read_quote(tx, m, &m->reply_to);
    if (r == 0 && m->flags & MESSAGE_FILE)
        r = read_attachments(tx, m);
    if (r == 0 && m->flags & MESSAGE_MENTIONS)
        r = read_mentions(tx, m);
    if (r == 0 && m->flags & MESSAGE_REACTIONS)
        r = message_reactions(tx, m->key, &m->reactions);
    return r;
}

/* ---- reading ---- */

static int read_item(const struct rows *rows, void *item) {
    return read_row(rows, item);
}

int message_rows_read(struct chat_tx *tx, struct rows *rows, int r, size_t limit,
                      struct chat_messages *ret) {
    struct arena_list list;
    *ret = (struct chat_messages){ 0 };
    r = rows_collect(rows, r, limit, read_item, sizeof *ret->items, &list, &ret->has_after);
    ret->items = list.items;
    ret->n = list.n;
    for (size_t i = 0; r == 0 && i < ret->n; i++)
        r = fill(tx, &ret->items[i]);
    return r;
}

static int read_one(struct chat_tx *tx, struct rows *rows, int r, struct chat_message *ret) {
    if (r > 0)
        r = read_row(rows, ret);
    else if (r == 0)
        r = CHAT_NOT_FOUND;
    rows_end(rows);
    return r != 0 ? r : fill(tx, ret);
}

int message_load(struct chat_tx *tx, int64_t key, struct chat_message *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, MESSAGE_SELECT "WHERE m.key = ?1", NUMBER(key));
    return read_one(tx, &rows, r, ret);
}

int message_load_seq(struct chat_tx *tx, int64_t room_key, uint64_t seq, struct chat_message *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, MESSAGE_SELECT "WHERE m.room = ?1 AND m.seq = ?2",
                      NUMBER(room_key), NUMBER((int64_t) seq));
    return read_one(tx, &rows, r, ret);
}

int chat_messages_by_key(struct chat_tx *tx, const int64_t *keys, size_t n,
                         struct chat_messages *ret) {
    struct arena_list list = { 0 };
    for (size_t i = 0; i < n; i++) {
        struct chat_message m, *place;
        int r = message_load(tx, keys[i], &m);
        if (r == CHAT_NOT_FOUND)
            continue;
        if (r != 0)
            return r;
        place = arena_list_add(chat_tx_arena(tx), &list, sizeof *place);
        if (!place)
            return -ENOMEM;
        *place = m;
    }
    *ret = (struct chat_messages){ .items = list.items, .n = list.n };
    return 0;
}

/* ---- changing ---- */

int message_bump(struct chat_tx *tx, struct chat_room *room, struct chat_message *m) {
    int r = room_bump(tx, room);
    if (r < 0)
        return r;
    m->ver = room->ver;
    return RUN(tx, "UPDATE message SET ver = ?2, flags = ?3 WHERE key = ?1", NUMBER(m->key),
               NUMBER((int64_t) m->ver), NUMBER(m->flags));
}

int message_check_mute(struct chat_tx *tx, const struct chat_room *room) {
    return room->mine.muted_until > chat_tx_now_ms(tx)
                   ? chat_refuse_until(tx, CHAT_MUTED, room->mine.muted_until)
                   : 0;
}
