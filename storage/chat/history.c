/* Reading what was said. */
#include <errno.h>

#include "storage/chat/check.h"
#include "storage/chat/message.h"
#include "storage/chat/message_row.h"

int chat_message_get(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                     uint64_t seq, struct chat_message *ret) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_READ, &room);
    return r != 0 ? r : message_load_seq(tx, room.key, seq, ret);
}

/* ---- revisions ---- */

static int read_revisions(struct chat_tx *tx, const struct chat_message *m,
                          struct arena_list *list) {
    struct rows rows;
    int r = QUERY(tx, &rows, "SELECT at, body FROM revision WHERE message = ?1 ORDER BY n",
                  NUMBER(m->key));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_revision *revision = arena_list_add(chat_tx_arena(tx), list, sizeof *revision);
        if (!revision) {
            r = -ENOMEM;
            break;
        }
        revision->at = row_number(&rows, 0);
        revision->user = m->user;
        r = row_keep_text(&rows, 1, &revision->text);
    }
    rows_end(&rows);
    return r;
}

int chat_message_revisions(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                           uint64_t seq, struct chat_revisions *ret) {
    struct chat_message m;
    struct arena_list list = { 0 };
    int r = chat_message_get(tx, by, room, seq, &m);
    if (r == 0 && message_is_deleted(&m))
        r = CHAT_GONE;
    if (r == 0)
        r = read_revisions(tx, &m, &list);
    if (r != 0)
        return r;
    struct chat_revision *present = arena_list_add(chat_tx_arena(tx), &list, sizeof *present);
    if (!present)
        return -ENOMEM;
    *present = (struct chat_revision){ .at = m.edited_at ? m.edited_at : m.at,
                                       .user = m.user,
                                       .text = m.text };
    *ret = (struct chat_revisions){ .items = list.items, .n = list.n };
    return 0;
}

/* ---- pages ---- */

static void reverse(struct chat_messages *page) {
    for (size_t i = 0, k = page->n; k-- > i; i++) {
        struct chat_message m = page->items[i];
        page->items[i] = page->items[k];
        page->items[k] = m;
    }
}

/* Below seq, the newest of them. */
static int read_below(struct chat_tx *tx, const struct chat_room *room, uint64_t seq, size_t limit,
                      struct chat_messages *ret) {
    struct rows rows;
    int r = QUERY(tx, &rows,
                  MESSAGE_SELECT "WHERE m.room = ?1 AND m.seq < ?2 ORDER BY m.seq DESC LIMIT ?3",
                  NUMBER(room->key), NUMBER((int64_t) seq), NUMBER((int64_t) limit));
    r = message_rows_read(tx, &rows, r, limit, ret);
    if (r == 0)
        reverse(ret);
    return r;
}

static int read_from(struct chat_tx *tx, const struct chat_room *room, uint64_t seq, size_t limit,
                     struct chat_messages *ret) {
    struct rows rows;
    int r = QUERY(tx, &rows,
                  MESSAGE_SELECT "WHERE m.room = ?1 AND m.seq >= ?2 ORDER BY m.seq LIMIT ?3",
                  NUMBER(room->key), NUMBER((int64_t) seq), NUMBER((int64_t) limit));
    return message_rows_read(tx, &rows, r, limit, ret);
}

static int join(struct chat_tx *tx, const struct chat_messages *a, const struct chat_messages *b,
                struct chat_messages *ret) {
    size_t n = a->n + b->n;
    *ret = (struct chat_messages){ .n = n };
    if (n == 0)
        return 0;
    ret->items = arena_alloc(chat_tx_arena(tx), n * sizeof *ret->items);
    if (!ret->items)
        return -ENOMEM;
    if (a->n > 0)
        memcpy(ret->items, a->items, a->n * sizeof *a->items);
    if (b->n > 0)
        memcpy(ret->items + a->n, b->items, b->n * sizeof *b->items);
    return 0;
}

/* Half of them before it; where there are not that many, more after it, and the other way round. */
static int read_around(struct chat_tx *tx, const struct chat_room *room, uint64_t seq, size_t limit,
                       struct chat_messages *ret) {
    struct chat_messages before, after;
    uint64_t left = seq <= room->last_seq ? room->last_seq - seq + 1 : 0;
    size_t n_before = limit / 2;
    if (left < limit - n_before)
        n_before = limit - (size_t) left;
    int r = read_below(tx, room, seq, n_before, &before);
    if (r == 0)
        r = read_from(tx, room, seq, limit - before.n, &after);
    return r != 0 ? r : join(tx, &before, &after, ret);
}

static int first_unread(struct chat_tx *tx, const struct chat_actor *by,
                        const struct chat_room *room, uint64_t *ret) {
    int64_t seq = 0;
    *ret = 0;
    if (room->mine.role == CHAT_NO_MEMBER)
        return 0;
    int r = FETCH(tx, &seq,
                  "SELECT seq FROM message INDEXED BY message_unread WHERE room = ?1 AND seq > ?2"
                  " AND author <> ?3 AND deleted_at = 0 ORDER BY seq LIMIT 1",
                  NUMBER(room->key), NUMBER((int64_t) room->mine.read_seq), NUMBER(by->key));
    *ret = (uint64_t) seq;
    return r < 0 ? r : 0;
}

/* What is left of a room is dense: so the ends tell whether there is more. */
static void note_ends(const struct chat_room *room, const struct chat_span *span,
                      struct chat_messages *page) {
    uint64_t first = page->n > 0        ? page->items[0].seq
                     : span->before > 0 ? span->before
                                        : span->after + 1;
    uint64_t last = page->n > 0 ? page->items[page->n - 1].seq : first - 1;
    page->has_before = first > room->floor_seq + 1 && room->last_seq > room->floor_seq;
    page->has_after = last < room->last_seq && room->last_seq > room->floor_seq;
}

static int read_span(struct chat_tx *tx, const struct chat_actor *by, const struct chat_room *room,
                     const struct chat_span *asked, struct chat_messages *ret) {
    struct chat_span span = *asked;
    size_t limit = chat_page_limit(tx, span.limit);
    int r = 0;
    if (span.before > INT64_MAX || span.after > INT64_MAX - 1 || span.around > INT64_MAX)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "before", 0);
    if (span.around_unread)
        r = first_unread(tx, by, room, &span.around);
    if (r < 0)
        return r;
    if (span.before > 0)
        r = read_below(tx, room, span.before, limit, ret);
    else if (span.is_after)
        r = read_from(tx, room, span.after + 1, limit, ret);
    else if (span.around > 0)
        r = read_around(tx, room, span.around, limit, ret);
    else
        r = read_below(tx, room, room->last_seq + 1, limit, ret);
    if (r == 0)
        note_ends(room, &span, ret);
    return r;
}

int chat_message_history(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                         const struct chat_span *span, struct chat_messages *ret) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_READ, &room);
    return r != 0 ? r : read_span(tx, by, &room, span, ret);
}

int chat_room_open(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                   const struct chat_span *span, struct chat_room *ret_room,
                   struct chat_messages *ret) {
    int r = chat_room_get(tx, by, room_id, CHAT_ACT_READ, ret_room);
    return r != 0 ? r : read_span(tx, by, ret_room, span, ret);
}
