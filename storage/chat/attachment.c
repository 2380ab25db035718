#include "storage/chat/attachment.h"

#include <errno.h>

#include "protocol/http.h"
#include "protocol/plain.h"
#include "storage/chat/check.h"
#include "storage/chat/query.h"
#include "storage/chat/room.h"

/* ---- what comes ---- */

/* Nobody may take it for a path, or for another kind of file because it turns around in the middle.
 */
static bool is_name(struct str name) {
    if (name.len == 0 || name.len > CHAT_FILE_NAME_MAX || !plain_is_line(name))
        return false;
    if (str_equal(name, STR(".")) || str_equal(name, STR("..")))
        return false;
    return !memchr(name.data, '/', name.len) && !memchr(name.data, '\\', name.len);
}

/* "text/plain", without parameters. */
static bool is_type(struct str type) {
    const char *slash = type.len > 0 ? memchr(type.data, '/', type.len) : NULL;
    if (!slash || type.len > CHAT_FILE_TYPE_MAX)
        return false;
    size_t at = (size_t) (slash - type.data);
    return http_is_token((struct str){ type.data, at }) &&
           http_is_token((struct str){ slash + 1, type.len - at - 1 });
}

int chat_attachment_allow(struct chat_tx *tx, const struct chat_actor *by,
                          const struct chat_upload *u, uint64_t files_max_bytes) {
    struct chat_files_total total;
    int64_t n = 0;
    if (!is_name(u->name))
        return chat_refuse(tx, CHAT_BAD_REQUEST, "name", 0);
    if (!is_type(u->type))
        return chat_refuse(tx, CHAT_BAD_REQUEST, "type", 0);
    int r = FETCH(tx, &n, "SELECT count(*) FROM attachment WHERE message IS NULL AND user = ?1",
                  NUMBER(by->key));
    if (r < 0)
        return r;
    if (n >= CHAT_UNSENT_MAX)
        return chat_refuse(tx, CHAT_CONFLICT, "unsent", CHAT_UNSENT_MAX);
    if (files_max_bytes == 0)
        return 0;
    r = chat_attachment_total(tx, &total);
    if (r == 0 && (total.bytes > files_max_bytes || u->size > files_max_bytes - total.bytes))
        r = chat_refuse(tx, CHAT_TOO_LONG, "files", (int64_t) files_max_bytes);
    return r;
}

int chat_attachment_add(struct chat_tx *tx, const struct chat_actor *by,
                        const struct chat_upload *u, const char *dir, struct chat_attachment *ret) {
    char id[CHAT_NEW_ID];
    if (!chat_blob_exists(dir, &u->file))
        return -ESTALE;
    chat_make_id(id, sizeof id);
    struct chat_attachment made = { .size = u->size, .width = u->width, .height = u->height };
    int r = chat_keep_text(tx, (struct str){ id, sizeof id }, &made.id);
    if (r == 0)
        r = chat_keep_text(tx, u->name, &made.name);
    if (r == 0)
        r = chat_keep_text(tx, u->type, &made.type);
    if (r == 0)
        r = RUN(tx,
                "INSERT INTO attachment(id, user, name, type, size, width, height, sha256,"
                " created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                TEXT(made.id), NUMBER(by->key), TEXT(made.name), TEXT(made.type),
                NUMBER((int64_t) made.size), NUMBER(made.width), NUMBER(made.height),
                BLOB(bytes_of(u->file.sha256, CHAT_BLOB_ID_SIZE)), NUMBER(chat_tx_now_ms(tx)));
    if (r == 0)
        *ret = made;
    return r;
}

/* ---- who may have it ---- */

static int read_row(const struct rows *rows, struct chat_attachment *ret,
                    struct chat_blob_id *ret_file) {
    int r = row_keep_text(rows, 0, &ret->id);
    if (r == 0)
        r = row_keep_text(rows, 1, &ret->name);
    if (r == 0)
        r = row_keep_text(rows, 2, &ret->type);
    ret->size = (uint64_t) row_number(rows, 3);
    ret->width = (unsigned) row_number(rows, 4);
    ret->height = (unsigned) row_number(rows, 5);
    if (r == 0 && !chat_blob_id_of(row_bytes(rows, 6), ret_file))
        r = CHAT_NOT_FOUND;
    return r;
}

/* 0, or CHAT_NOT_FOUND. */
static int check_access(struct chat_tx *tx, const struct chat_actor *by, int64_t user,
                        int64_t message, struct str id) {
    struct str room = { 0 };
    struct rows rows;
    int64_t n;
    if (user == by->key)
        return 0;
    int r = message == 0 ? 0
                         : QUERY_ONE(tx, &rows,
                                     "SELECT r.id FROM message m JOIN room r ON r.key = m.room"
                                     " WHERE m.key = ?1",
                                     NUMBER(message));
    if (r > 0)
        r = row_keep_text(&rows, 0, &room);
    if (message != 0)
        rows_end(&rows);
    if (r < 0)
        return r;
    if (room.len > 0 && (r = chat_room_check(tx, by, room, CHAT_ACT_READ, NULL)) <= 0)
        return r;
    /* Their own picture: what somebody else calls theirs opens nobody's file. */
    r = FETCH(tx, &n, "SELECT 1 FROM user WHERE key = ?1 AND avatar = ?2", NUMBER(user), TEXT(id));
    return r < 0 ? r : r > 0 ? 0 : CHAT_NOT_FOUND;
}

int chat_attachment_get(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                        struct chat_attachment *ret, struct chat_blob_id *ret_file) {
    struct chat_attachment found = { 0 };
    struct chat_blob_id file;
    int64_t user = 0, message = 0;
    struct rows rows;
    int r = QUERY_ONE(tx, &rows,
                      "SELECT id, name, type, size, width, height, sha256, user, message"
                      " FROM attachment WHERE id = ?1",
                      TEXT(id));
    if (r == 0)
        r = CHAT_NOT_FOUND;
    else if (r > 0) {
        user = row_number(&rows, 7);
        message = row_number(&rows, 8);
        r = read_row(&rows, &found, &file);
    }
    rows_end(&rows);
    if (r == 0)
        r = check_access(tx, by, user, message, id);
    if (r != 0)
        return r;
    *ret = found;
    *ret_file = file;
    return 0;
}

/* ---- what goes ---- */

#define UNSENT                                                                                     \
    " FROM attachment WHERE message IS NULL AND created_at < ?1"                                   \
    " AND NOT EXISTS (SELECT 1 FROM user WHERE key = attachment.user AND avatar = attachment.id)"

int chat_attachment_is_due(struct chat_tx *tx, bool *ret) {
    int64_t n;
    int r = FETCH(tx, &n, "SELECT 1 FROM attachment_gone WHERE ?1 LIMIT 1", NUMBER(1));
    if (r == 0)
        r = FETCH(tx, &n, "SELECT 1" UNSENT " LIMIT 1",
                  NUMBER(chat_tx_now_ms(tx) - CHAT_UNSENT_MS));
    if (r < 0)
        return r;
    *ret = r > 0;
    return 0;
}

static int drop_unsent(struct chat_tx *tx, unsigned max, unsigned *ret_n) {
    int64_t before = chat_tx_now_ms(tx) - CHAT_UNSENT_MS;
    int r = RUN(tx,
                "INSERT OR IGNORE INTO attachment_gone SELECT id, sha256" UNSENT
                " ORDER BY created_at, key LIMIT ?2",
                NUMBER(before), NUMBER(max));
    if (r == 0)
        r = RUN(tx,
                "DELETE FROM attachment WHERE key IN (SELECT key" UNSENT
                " ORDER BY created_at, key LIMIT ?2)",
                NUMBER(before), NUMBER(max));
    if (r == 0)
        *ret_n = (unsigned) chat_changes(tx);
    return r;
}

/* One of those that are gone; 1, or 0: no more. */
static int drop_file(struct chat_tx *tx, const char *dir, unsigned *files) {
    struct chat_blob_id file;
    struct str id;
    struct rows rows;
    int64_t n;
    bool has_file = false;
    int r = QUERY_ONE(tx, &rows, "SELECT id, sha256 FROM attachment_gone WHERE ?1 LIMIT 1",
                      NUMBER(1));
    bool is_any = r > 0;
    if (r > 0) {
        has_file = chat_blob_id_of(row_bytes(&rows, 1), &file);
        r = row_keep_text(&rows, 0, &id);
    }
    rows_end(&rows);
    if (r < 0 || !is_any)
        return r;
    if (has_file) {
        r = FETCH(tx, &n, "SELECT 1 FROM attachment WHERE sha256 = ?1",
                  BLOB(bytes_of(file.sha256, CHAT_BLOB_ID_SIZE)));
        if (r == 0) {
            r = chat_blob_remove(dir, &file);
            ++*files;
        }
    }
    if (r >= 0)
        r = RUN(tx, "DELETE FROM attachment_gone WHERE id = ?1", TEXT(id));
    return r < 0 ? r : 1;
}

int chat_attachment_purge(struct chat_tx *tx, const char *dir, unsigned max,
                          struct chat_purged *ret) {
    struct chat_purged purged = { 0 };
    int r = drop_unsent(tx, max, &purged.unsent);
    unsigned n = 0;
    while (r == 0 && n < max && (r = drop_file(tx, dir, &purged.files)) > 0) {
        n++;
        r = 0;
    }
    if (r < 0)
        return r;
    purged.has_more = purged.unsent == max || n == max;
    *ret = purged;
    return 0;
}

int chat_attachment_found(struct chat_tx *tx, const struct chat_blob_id *file) {
    char id[CHAT_BLOB_TEXT_SIZE];
    chat_blob_id_text(file, id);
    return RUN(tx,
               "INSERT OR IGNORE INTO attachment_gone SELECT ?1, ?2"
               " WHERE NOT EXISTS (SELECT 1 FROM attachment WHERE sha256 = ?2)",
               TEXT(str_of(id)), BLOB(bytes_of(file->sha256, CHAT_BLOB_ID_SIZE)));
}

int chat_attachment_total(struct chat_tx *tx, struct chat_files_total *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT count(*), coalesce(sum(size), 0) FROM attachment WHERE ?1",
                      NUMBER(1));
    if (r > 0)
        *ret = (struct chat_files_total){ (uint64_t) row_number(&rows, 0),
                                          (uint64_t) row_number(&rows, 1) };
    rows_end(&rows);
    return r < 0 ? r : 0;
}
