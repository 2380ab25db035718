/* The chat as lines of JSON, which SQLite makes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/chat/backup_impl.h"
#include "storage/chat/connection.h"
#include "storage/chat/transfer.h"
#include "storage/chat/transfer_sql.h"
#include "storage/sqlite/database.h"

/* ?1: are secrets wanted? Members that are NULL are left out by json_patch(). In the order in which
 * they can be imported. */
#define WITHOUT_NULLS(object) "json_patch('{}', " object ")"

static const char *const QUERIES[] = {
    "SELECT json_object('type', 'setting', 'name', name, 'value', value) FROM setting"
    " WHERE ?1 IS NOT NULL AND name <> 'generation' ORDER BY name",

    "SELECT " WITHOUT_NULLS(
            "json_object('type', 'user', 'id', id, 'login', login, 'name', name,"
            " 'role', " WORD_OF_ROLE(
                    "role") ", 'bot', nullif(is_bot, 0),"
                            " 'avatar', nullif(avatar, ''), 'status_emoji', nullif(status_emoji, "
                            "''),"
                            " 'status_text', nullif(status_text, ''), 'status_until', "
                            "nullif(status_until, 0),"
                            " 'password', CASE WHEN ?1 THEN password END, 'created_at', created_at,"
                            " 'last_seen_at', nullif(last_seen_at, 0), 'deactivated_at', "
                            "nullif(deactivated_at, 0))") " FROM user ORDER BY key",

    "SELECT " WITHOUT_NULLS("json_object('type', 'room', 'id', id, 'kind', " WORD_OF_KIND(
            "kind") ", 'name', name,"
                    " 'slug', slug, 'topic', nullif(topic, ''), 'direct', CASE WHEN dm_key IS NOT "
                    "NULL THEN"
                    " (SELECT json_group_array(id) FROM (SELECT id FROM user WHERE key IN"
                    "  (CAST(substr(dm_key, 1, instr(dm_key, ':') - 1) AS INTEGER),"
                    "   CAST(substr(dm_key, instr(dm_key, ':') + 1) AS INTEGER)) ORDER BY id)) END,"
                    " 'last_seq', last_seq, 'ver', ver, 'set_ver', set_ver, 'floor_seq', "
                    "nullif(floor_seq, 0),"
                    " 'floor_ver', nullif(floor_ver, 0), 'last_at', nullif(last_at, 0), 'slow_s', "
                    "nullif(slow_s, 0),"
                    " 'retain_d', nullif(retain_d, 0), 'receipts', nullif(receipts, 0),"
                    " 'created_by', " USER_ID("created_by") ", 'created_at', created_at,"
                                                            " 'archived_at', nullif(archived_at, "
                                                            "0))") " FROM room WHERE ?1 IS NOT "
                                                                   "NULL ORDER BY key",

    "SELECT " WITHOUT_NULLS(
            "json_object('type', 'member', 'room', " ROOM_ID("room") ", 'user', " USER_ID(
                    "user") ","
                            " 'role', " WORD_OF_MEMBER("role") ", 'ver', ver, 'read_seq', read_seq,"
                                                               " 'unread_mark', "
                                                               "nullif(unread_mark, 0), 'notify', "
                                                               "nullif(notify, 0),"
                                                               " 'muted_until', "
                                                               "nullif(muted_until, 0), 'sent_at', "
                                                               "nullif(sent_at, 0), 'joined_at', "
                                                               "joined_at)") " FROM member WHERE "
                                                                             "?1 IS NOT NULL ORDER "
                                                                             "BY room, ver",

    "SELECT " WITHOUT_NULLS(
            "json_object('type', 'ban', 'room', " ROOM_ID("room") ", 'user', " USER_ID(
                    "user") ","
                            " 'by', " USER_ID(
                                    "by") ", 'at', at, 'until', nullif(until, 0), 'reason', "
                                          "nullif(reason, ''))") " FROM ban WHERE ?1 IS NOT NULL "
                                                                 "ORDER BY room, at, " USER_ID("use"
                                                                                               "r"),

    /* What a message means to programs is handed on as it is, its nulls as well. */
    "SELECT substr(line, 1, length(line) - 1)"
    " || coalesce(',\"meta\":' || json(CAST(meta AS TEXT)), '') || '}'"
    " FROM (SELECT m.key AS key, meta, " WITHOUT_NULLS(
            "json_object('type', 'message', 'room', " ROOM_ID(
                    "m.room") ", 'seq', seq, 'ver', ver,"
                              " 'user', " USER_ID(
                                      "author") ", 'at', at, 'client_id', client_id, 'text', body,"
                                                " 'reply_to', nullif(reply_to, 0),"
                                                " 'edited_at', nullif(edited_at, 0), 'deleted_at', "
                                                "nullif(deleted_at, 0),"
                                                " 'deleted_by', " USER_ID(
                                                        "deleted_by") ", 'reason', reason, "
                                                                      "'pinned_at', "
                                                                      "nullif(pinned_at, 0),"
                                                                      " 'revisions', (SELECT "
                                                                      "nullif(json_group_array("
                                                                      "json(j)), "
                                                                      "'[]') FROM (SELECT "
                                                                      "json_object("
                                                                      "   'n', n, 'at', at, "
                                                                      "'text', body) "
                                                                      "AS j FROM revision WHERE "
                                                                      "message = "
                                                                      "m.key ORDER BY n)),"
                                                                      " 'reactions', (SELECT "
                                                                      "nullif(json_group_array("
                                                                      "json(j)), "
                                                                      "'[]') FROM (SELECT "
                                                                      "json_object("
                                                                      "   'emoji', emoji, "
                                                                      "'user', " USER_ID(
                                                                              "r.user") ", "
                                                                                        "'place', "
                                                                                        "place) "
                                                                                        "AS j FROM "
                                                                                        "reaction r"
                                                                                        "   WHERE "
                                                                                        "message "
                                                                                        "= m.key "
                                                                                        "ORDER BY "
                                                                                        "place)),"
                                                                                        " '"
                                                                                        "mentions',"
                                                                                        " "
                                                                                        "(SELECT "
                                                                                        "nullif("
                                                                                        "json_"
                                                                                        "group_"
                                                                                        "array(id),"
                                                                                        " '[]') "
                                                                                        "FROM "
                                                                                        "(SELECT "
                                                                                        "u.id "
                                                                                        "FROM "
                                                                                        "mention n"
                                                                                        "   JOIN "
                                                                                        "user u ON "
                                                                                        "u.key = "
                                                                                        "n.user "
                                                                                        "WHERE "
                                                                                        "n.room = "
                                                                                        "m.room "
                                                                                        "AND n.seq "
                                                                                        "= m.seq "
                                                                                        "ORDER BY "
                                                                                        "u.id)),"
                                                                                        " '"
                                                                                        "mentions_"
                                                                                        "all', "
                                                                                        "(SELECT 1 "
                                                                                        "FROM "
                                                                                        "mention "
                                                                                        "WHERE "
                                                                                        "user = 0 "
                                                                                        "AND room "
                                                                                        "= m.room "
                                                                                        "AND seq "
                                                                                        "= m.seq),"
                                                                                        " '"
                                                                                        "attachment"
                                                                                        "s', "
                                                                                        "(SELECT "
                                                                                        "nullif("
                                                                                        "json_"
                                                                                        "group_"
                                                                                        "array("
                                                                                        "json(j)), "
                                                                                        "'[]') "
                                                                                        "FROM "
                                                                                        "(SELECT "
                                                                                        "json_"
                                                                                        "object("
                                                                                        "   'id', "
                                                                                        "id, "
                                                                                        "'user',"
                                                                                        " " USER_ID(
                                                                                                "a."
                                                                                                "us"
                                                                                                "e"
                                                                                                "r") ", 'name', name, 'type', type, 'size', size,"
                                                                                                     "   'width', width, 'height', height, 'sha256', lower(hex(sha256)), 'created_at', created_at)"
                                                                                                     "   AS j FROM attachment a WHERE message = m.key ORDER BY place)))") " AS line FROM message m WHERE ?1 IS NOT NULL) ORDER BY key",

    "SELECT json_object('type', 'attachment', 'id', id, 'user', " USER_ID(
            "user") ", 'name', name,"
                    " 'media_type', type, 'size', size, 'width', width, 'height', height, "
                    "'sha256', lower(hex(sha256)),"
                    " 'created_at', created_at) FROM attachment WHERE message IS NULL AND ?1 IS "
                    "NOT NULL ORDER BY key",

    "SELECT json_object('type', 'webhook', 'id', id, 'kind', kind, 'room', " ROOM_ID(
            "room") ","
                    " 'bot', " USER_ID("bot") ", 'name', name, 'url', url, 'secret', secret,"
                                              " 'created_by', " USER_ID(
                                                      "created_by") ", 'created_at', created_at) "
                                                                    "FROM webhook WHERE ?1"
                                                                    " ORDER BY key",

    "SELECT " WITHOUT_NULLS("json_object('type', 'audit', 'at', at, 'user', " USER_ID(
            "user") ", 'action', action,"
                    " 'room', " ROOM_ID("room") ", 'target', " USER_ID(
                            "target") ", 'detail', nullif(detail, ''))") " FROM audit WHERE ?1 IS "
                                                                         "NOT NULL ORDER BY id",
};

static int export_rows(sqlite3 *db, const char *sql, bool has_secrets, transfer_put_fn *put,
                       void *arg) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL), r = 0;
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int(s, 1, has_secrets);
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        r = put(arg, statement_str(s, 0));
        rc = SQLITE_OK;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = database_error(db, rc);
    sqlite3_finalize(s);
    return r;
}

static int export_all(sqlite3 *db, bool has_secrets, transfer_put_fn *put, void *arg) {
    int r = database_run(db, "BEGIN");
    if (r == 0)
        r = put(arg, STR("{\"type\":\"chat\",\"format\":1}"));
    for (size_t i = 0; r == 0 && i < ELEMENTS_OF(QUERIES); i++)
        r = export_rows(db, QUERIES[i], has_secrets, put, arg);
    return r;
}

int transfer_export(const char *data_dir, bool has_secrets, transfer_put_fn *put, void *arg,
                    char *ret_why) {
    struct backup_path path;
    struct connection *c = calloc(1, sizeof *c);
    int r = c ? backup_join(data_dir, "chat.db", &path) : -ENOMEM;
    if (r == 0 && !backup_has(data_dir, "chat.db"))
        r = -ENOENT;
    if (r == 0)
        r = connection_open(c, path.text, NULL, false);
    if (r == 0)
        r = export_all(c->db, has_secrets, put, arg);
    if (r < 0)
        (void) snprintf(ret_why, TRANSFER_WHY_MAX, "%s/chat.db: %s", data_dir,
                        r == -EIO && c && c->db ? sqlite3_errmsg(c->db) : strerror(-r));
    if (c)
        connection_close(c);
    free(c);
    return r;
}
