#include "storage/chat/webhook.h"

#include <errno.h>

#include "storage/chat/audit.h"
#include "storage/chat/check.h"
#include "storage/chat/query.h"
#include "storage/chat/room.h"
#include "storage/chat/user.h"

#define COLUMNS                                                                                    \
    "w.key, w.room, w.kind, w.id, r.id, w.name, w.url, w.secret, coalesce(u.id, ''), w.created_at"
#define TABLES " FROM webhook w JOIN room r ON r.key = w.room LEFT JOIN user u ON u.key = w.bot"

static int read_row(const struct rows *rows, struct chat_webhook *ret) {
    *ret = (struct chat_webhook){ .key = row_number(rows, 0),
                                  .room_key = row_number(rows, 1),
                                  .kind = (enum chat_webhook_kind) row_number(rows, 2),
                                  .created_at = row_number(rows, 9) };
    struct str *const texts[] = { &ret->id,  &ret->room,   &ret->name,
                                  &ret->url, &ret->secret, &ret->bot };
    int r = 0;
    for (size_t i = 0; r == 0 && i < ELEMENTS_OF(texts); i++)
        r = row_keep_text(rows, 3 + (int) i, texts[i]);
    return r;
}

/* CHAT_NOT_FOUND. Ends the rows. */
static int read_only_row(struct rows *rows, int r, struct chat_webhook *ret) {
    r = r > 0 ? read_row(rows, ret) : r == 0 ? CHAT_NOT_FOUND : r;
    rows_end(rows);
    return r;
}

/* ---- making ---- */

static bool is_url(struct str url) {
    size_t begin = str_starts_with(url, STR("https://"))  ? 8
                   : str_starts_with(url, STR("http://")) ? 7
                                                          : 0;
    if (begin == 0 || url.len == begin || url.len > CHAT_WEBHOOK_URL_MAX)
        return false;
    for (size_t i = 0; i < url.len; i++)
        if (url.data[i] <= ' ' || url.data[i] >= 0x7f)
            return false;
    return true;
}

static int check_new(struct chat_tx *tx, const struct chat_webhook_new *new,
                     const struct chat_room *room) {
    int64_t n = 0;
    int r = chat_check_line(tx, "name", new->name, 1, CHAT_NAME_MAX);
    if (r == 0 && new->kind == CHAT_WEBHOOK_OUT && !is_url(new->url))
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "url", 0);
    if (r == 0)
        r = FETCH(tx, &n, "SELECT count(*) FROM webhook WHERE room = ?1", NUMBER(room->key));
    if (r < 0 || r > 1)
        return r;
    return n >= CHAT_WEBHOOKS_MAX ? chat_refuse(tx, CHAT_CONFLICT, "webhooks", CHAT_WEBHOOKS_MAX)
                                  : 0;
}

static int make_bot(struct chat_tx *tx, const struct chat_room *room, struct str name,
                    struct chat_user *ret, struct chat_member *ret_member,
                    struct chat_change *ret_change) {
    struct chat_user_new new = { .name = name, .role = CHAT_MEMBER, .is_bot = true };
    int r = chat_user_add(tx, &new, ret);
    return r != 0 ? r
                  : chat_member_put(tx, room->key, ret->key, CHAT_ROOM_MEMBER, ret_member,
                                    ret_change);
}

int chat_webhook_create(struct chat_tx *tx, const struct chat_actor *by,
                        const struct chat_webhook_new *new, struct str secret,
                        struct chat_webhook *ret, struct chat_member *ret_member,
                        struct chat_change *ret_change) {
    struct chat_user bot = { 0 };
    struct chat_room room;
    struct rows rows;
    char id[CHAT_NEW_ID];
    *ret_change = (struct chat_change){ 0 };
    int r = chat_room_check(tx, by, new->room, CHAT_ACT_HOOK, &room);
    if (r == 0)
        r = check_new(tx, new, &room);
    if (r == 0 && new->kind == CHAT_WEBHOOK_IN)
        r = make_bot(tx, &room, new->name, &bot, ret_member, ret_change);
    if (r != 0)
        return r;
    chat_make_id(id, sizeof id);
    r = RUN(tx,
            "INSERT INTO webhook(id, kind, room, bot, name, url, secret, created_by, created_at)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            TEXT(((struct str){ id, sizeof id })), NUMBER(new->kind), NUMBER(room.key),
            NUMBER(bot.key), TEXT(new->name),
            TEXT(new->kind == CHAT_WEBHOOK_OUT ? new->url : (struct str){ 0 }), TEXT(secret),
            NUMBER(by->key), NUMBER(chat_tx_now_ms(tx)));
    if (r == 0)
        r = chat_audit_add(tx, by->key, "webhook.create", room.key, bot.key, new->name);
    if (r != 0)
        return r;
    r = QUERY_ONE(tx, &rows, "SELECT " COLUMNS TABLES " WHERE w.secret = ?1", TEXT(secret));
    return read_only_row(&rows, r, ret);
}

/* ---- those there are ---- */

int chat_webhook_list(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                      struct chat_webhooks *ret) {
    struct arena_list all = { 0 };
    struct rows rows;
    size_t n = 0;
    int r = room.len > 0 ? chat_room_check(tx, by, room, CHAT_ACT_HOOK, NULL) : 0;
    if (r != 0)
        return r;
    r = QUERY(tx, &rows, "SELECT " COLUMNS TABLES " WHERE ?1 = '' OR r.id = ?1 ORDER BY w.key",
              TEXT(room));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_webhook *hook = arena_list_add(chat_tx_arena(tx), &all, sizeof *hook);
        r = hook ? read_row(&rows, hook) : -ENOMEM;
        if (r == 0)
            hook->secret = (struct str){ 0 };
    }
    rows_end(&rows);
    struct chat_webhook *items = all.items;
    for (size_t i = 0; r == 0 && i < all.n; i++) {
        r = chat_room_check(tx, by, items[i].room, CHAT_ACT_HOOK, NULL);
        if (r == 0)
            items[n++] = items[i];
        r = r < 0 ? r : 0;
    }
    *ret = (struct chat_webhooks){ items, n };
    return r;
}

int chat_webhook_remove(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                        struct chat_webhook *ret, struct chat_change *ret_change) {
    struct rows rows;
    *ret_change = (struct chat_change){ 0 };
    int r = QUERY_ONE(tx, &rows, "SELECT " COLUMNS TABLES " WHERE w.id = ?1", TEXT(id));
    r = read_only_row(&rows, r, ret);
    if (r == 0)
        r = chat_room_check(tx, by, ret->room, CHAT_ACT_HOOK, NULL);
    if (r == 0)
        r = RUN(tx, "DELETE FROM webhook_event WHERE webhook = ?1", NUMBER(ret->key));
    if (r == 0)
        r = RUN(tx, "DELETE FROM webhook WHERE key = ?1", NUMBER(ret->key));
    if (r == 0)
        r = chat_audit_add(tx, by->key, "webhook.remove", ret->room_key, 0, ret->name);
    if (r != 0 || ret->bot.len == 0)
        return r;
    r = chat_member_remove(tx, by, ret->room, ret->bot, ret_change);
    if (r != CHAT_NOT_FOUND && r != CHAT_DENIED && r != CHAT_ARCHIVED)
        return r;
    /* Removed before, or the room is not to be changed: it cannot send anyway. */
    *ret_change = (struct chat_change){ 0 };
    return 0;
}

int chat_webhook_by_secret(struct chat_tx *tx, struct str secret, struct chat_webhook *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT " COLUMNS TABLES " WHERE w.secret = ?1 AND w.kind = 1",
                      TEXT(secret));
    return read_only_row(&rows, r, ret);
}

/* ---- out ---- */

int chat_webhook_has(struct chat_tx *tx, int64_t room_key, bool *ret) {
    int64_t n;
    int r = FETCH(tx, &n, "SELECT 1 FROM webhook WHERE room = ?1 AND kind = 2", NUMBER(room_key));
    if (r < 0)
        return r;
    *ret = r > 0;
    return 0;
}

int chat_webhook_note(struct chat_tx *tx, int64_t room_key, struct bytes data,
                      unsigned *ret_dropped) {
    int r = RUN(tx,
                "INSERT INTO webhook_event(webhook, at, data) SELECT key, ?2, ?3 FROM webhook"
                " WHERE room = ?1 AND kind = 2 ORDER BY key",
                NUMBER(room_key), NUMBER(chat_tx_now_ms(tx)), BLOB(data));
    if (r < 0)
        return r;
    r = RUN(tx,
            "DELETE FROM webhook_event WHERE id IN (SELECT (SELECT e.id FROM webhook_event e"
            "  WHERE e.webhook = w.key ORDER BY e.id DESC LIMIT 1 OFFSET ?2)"
            " FROM webhook w WHERE w.room = ?1 AND w.kind = 2)",
            NUMBER(room_key), NUMBER(CHAT_WEBHOOK_QUEUE_MAX));
    if (r == 0)
        *ret_dropped = (unsigned) chat_changes(tx);
    return r;
}

int chat_webhook_due(struct chat_tx *tx, int64_t key, struct chat_webhook_dues *ret) {
    struct arena_list all = { 0 };
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT " COLUMNS ", e.id, e.at, e.data" TABLES " JOIN webhook_event e ON e.id ="
                  "  (SELECT min(id) FROM webhook_event WHERE webhook = w.key)"
                  " WHERE w.kind = 2 AND (?1 = 0 OR w.key = ?1) ORDER BY w.key",
                  NUMBER(key));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_webhook_due *due = arena_list_add(chat_tx_arena(tx), &all, sizeof *due);
        r = due ? read_row(&rows, &due->hook) : -ENOMEM;
        if (r < 0)
            break;
        due->event = row_number(&rows, 10);
        due->at = row_number(&rows, 11);
        r = row_keep_bytes(&rows, 12, &due->data);
    }
    rows_end(&rows);
    *ret = (struct chat_webhook_dues){ all.items, all.n };
    return r;
}

int chat_webhook_done(struct chat_tx *tx, int64_t event) {
    return RUN(tx, "DELETE FROM webhook_event WHERE id = ?1", NUMBER(event));
}

int chat_webhook_waiting(struct chat_tx *tx, uint64_t *ret) {
    int64_t n = 0;
    int r = FETCH(tx, &n, "SELECT count(*) FROM webhook_event WHERE ?1", NUMBER(1));
    if (r > 0)
        *ret = (uint64_t) n;
    return r < 0 ? r : 0;
}
