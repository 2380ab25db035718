#include "storage/chat/audit.h"

#include <errno.h>

#include "storage/chat/check.h"
#include "storage/chat/permission.h"
#include "storage/chat/query.h"

int chat_audit_add(struct chat_tx *tx, int64_t user_key, const char *action, int64_t room_key,
                   int64_t target_key, struct str detail) {
    return RUN(tx,
               "INSERT INTO audit(at, user, action, room, target, detail)"
               " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
               NUMBER(chat_tx_now_ms(tx)), NUMBER(user_key), TEXT(str_of(action)), NUMBER(room_key),
               NUMBER(target_key), TEXT(detail));
}

static int read_entry(const struct rows *rows, struct chat_audit_entry *ret) {
    *ret = (struct chat_audit_entry){ .id = row_number(rows, 0), .at = row_number(rows, 1) };
    int r = row_keep_text(rows, 2, &ret->user);
    if (r == 0)
        r = row_keep_text(rows, 3, &ret->action);
    if (r == 0)
        r = row_keep_text(rows, 4, &ret->room);
    if (r == 0)
        r = row_keep_text(rows, 5, &ret->target);
    return r < 0 ? r : row_keep_text(rows, 6, &ret->detail);
}

int chat_audit_list(struct chat_tx *tx, const struct chat_actor *by, int64_t before, size_t limit,
                    struct chat_audit *ret) {
    if (!chat_team_permission(CHAT_TEAM_ADMIN, by->role))
        return CHAT_DENIED;
    struct arena_list list = { 0 };
    struct rows rows;
    *ret = (struct chat_audit){ 0 };
    limit = chat_page_limit(tx, limit);
    int r = QUERY(tx, &rows,
                  "SELECT a.id, a.at, u.id, a.action, r.id, t.id, a.detail FROM audit a"
                  " LEFT JOIN user u ON u.key = a.user LEFT JOIN room r ON r.key = a.room"
                  " LEFT JOIN user t ON t.key = a.target"
                  " WHERE a.id < ?1 ORDER BY a.id DESC LIMIT ?2",
                  NUMBER(before > 0 ? before : INT64_MAX), NUMBER((int64_t) limit + 1));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        if (list.n == limit) {
            ret->has_more = true;
            r = 0;
            break;
        }
        struct chat_audit_entry *entry = arena_list_add(chat_tx_arena(tx), &list, sizeof *entry);
        r = entry ? read_entry(&rows, entry) : -ENOMEM;
    }
    rows_end(&rows);
    ret->items = list.items;
    ret->n = list.n;
    return r;
}
