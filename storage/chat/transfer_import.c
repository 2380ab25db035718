/* Lines of an export, as rows. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/loop.h"
#include "storage/chat/backup_impl.h"
#include "storage/chat/connection.h"
#include "storage/chat/schema.h"
#include "storage/chat/transfer.h"
#include "storage/chat/transfer_sql.h"
#include "storage/engine_impl.h"
#include "storage/sqlite/database.h"

enum { STEPS_MAX = 6, HEX_BYTES = 64 };

/* What a line of a type does, one statement after another, each of which has it as ?1. */
struct kind {
    const char *type;
    const char *sql[STEPS_MAX];
};

/* Of an attachment, by the JSON value x. SQLite 3.40 has no unhex(): ours is below. */
#define ATTACHMENT(x, message, place, type)                                                        \
    " INSERT INTO attachment(id, user, message, place, name, type, size, width, height, sha256,"   \
    " created_at) SELECT json_extract(" x ", '$.id'),"                                             \
    " (SELECT key FROM user WHERE id = json_extract(" x ", '$.user')), " message ", " place ","    \
    " json_extract(" x ", '$.name'), json_extract(" x ", '$." type "'),"                           \
    " json_extract(" x ", '$.size'), coalesce(json_extract(" x ", '$.width'), 0),"                 \
    " coalesce(json_extract(" x ", '$.height'), 0), from_hex(json_extract(" x ", '$.sha256')),"    \
    " json_extract(" x ", '$.created_at')"

#define THIS_MESSAGE                                                                               \
    "(SELECT key FROM message WHERE room = " IN_ROOM("room") " AND seq = " IN("seq") ")"

static const struct
        kind
                KINDS
                        [] = {
                            { "setting",
                              { "INSERT INTO setting(name, value) VALUES (" IN("name") ", " IN(
                                      "value") ")" } },

                            { "user",
                              { "INSERT INTO user(id, login, name, role, is_bot, avatar, "
                                "status_emoji, "
                                "status_text,"
                                " status_until, password, created_at, last_seen_at, "
                                "deactivated_at) VALUES "
                                "(" IN("id") ","
                                             " " IN("login") ", " IN("name") ", " ROLE_OF_WORD(IN("role")) ", " IN_OR("bot", "0") ", " IN_OR("avatar", "''") ", " IN_OR(
                                                     "status_emoji",
                                                     "''") ", " IN_OR("status_text",
                                                                      "''") ", " IN_OR("status_"
                                                                                       "until",
                                                                                       "0") ", " IN("passwo"
                                                                                                    "rd") ", " IN("c"
                                                                                                                  "r"
                                                                                                                  "e"
                                                                                                                  "a"
                                                                                                                  "t"
                                                                                                                  "e"
                                                                                                                  "d"
                                                                                                                  "_"
                                                                                                                  "a"
                                                                                                                  "t") ", " IN_OR("last_seen_at",
                                                                                                                                  "0") ", " IN_OR("deactivated_at",
                                                                                                                                                  "0") ")" } },

                            { "room",
                              { "INSERT INTO room(id, kind, name, slug, topic, dm_key, last_seq, "
                                "ver, "
                                "set_ver, floor_seq,"
                                " floor_ver, last_at, slow_s, retain_d, receipts, created_by, "
                                "created_at, "
                                "archived_at)"
                                " VALUES (" IN(
                                        "id") ", " KIND_OF_WORD(IN("kind")) ", " IN("name") ", " IN("slug") ","
                                                                                                            " " IN_OR("topic", "''") ", (SELECT min(u.key) || ':' || max(u.key) FROM json_each(?1,"
                                                                                                                                     " '$.direct') d JOIN user u ON u.id = d.value HAVING count(*) > 0), " IN_OR("last_seq",
                                                                                                                                                                                                                 "0") ", " IN_OR("ver", "0") ", " IN_OR("set_ver", "0") ", " IN_OR("floor_seq",
                                                                                                                                                                                                                                                                                   "0") ", " IN_OR("floor_ver",
                                                                                                                                                                                                                                                                                                   "0") ", " IN_OR("last_at", "0") ", " IN_OR("slow_s", "0") ", " IN_OR("retain_d",
                                                                                                                                                                                                                                                                                                                                                                        "0") ", " IN_OR("receipts", "0") ", "
                                                                                                                                                                                                                                                                                                                                                                                                         "coalesce(" IN_USER(
                                                                                                                                                                                                                                                                                                                                                                                                                 "created_by") ", 0), " IN("created_at") ", " IN_OR("archived_at", "0") ")" } },

                            { "member",
                              { "INSERT INTO member(room, user, role, ver, read_seq, unread_mark, "
                                "notify, "
                                "muted_until,"
                                " sent_at, joined_at) VALUES (" IN_ROOM("room") ", " IN_USER("user") ", " MEMBER_OF_WORD(IN("role")) ", " IN("ver") ", " IN_OR("read_seq", "0") ", " IN_OR(
                                        "unread_mark",
                                        "0") ", " IN_OR("notify",
                                                        "0") ", " IN_OR("muted_until",
                                                                        "0") ", " IN_OR("sent_at",
                                                                                        "0") ","
                                                                                             " " IN("joined_at") ")" } },

                            { "ban",
                              { "INSERT INTO ban(room, user, by, at, until, reason) VALUES "
                                "(" IN_ROOM(
                                        "roo"
                                        "m") ", " IN_USER("user") ", coalesce(" IN_USER("by") ", "
                                                                                              "0),"
                                                                                              " " IN("at") ", " IN_OR(
                                                                                                      "until",
                                                                                                      "0") ", " IN_OR("rea"
                                                                                                                      "so"
                                                                                                                      "n",
                                                                                                                      "''") ")" } },

                            { "message",
                              { "INSERT INTO message(room, seq, ver, author, at, client_id, body, "
                                "reply_to, meta,"
                                " edited_at, deleted_at, deleted_by, reason, pinned_at, flags) "
                                "VALUES "
                                "(" IN_ROOM("room") ","
                                                    " " IN("seq") ", " IN(
                                                            "ver") ", " IN_USER("use"
                                                                                "r") ", " IN("at") ", " IN("client_id") ", " IN("text") ", " IN_OR("reply_to", "0") ", CAST(" IN("meta") " AS BLOB), " IN_OR("edited_at", "0") ", " IN_OR("deleted_at",
                                                                                                                                                                                                                                          "0") ", coalesce(" IN_USER("deleted_by") ", 0), " IN("reason") ", " IN_OR("pinned_at",
                                                                                                                                                                                                                                                                                                                    "0") ","
                                                                                                                                                                                                                                                                                                                         " (" IN("reactions") " IS NOT NULL) + 2 * (" IN(
                                                                                                                                                                                                                                                                                                                                 "mentions") " IS NOT NULL)"
                                                                                                                                                                                                                                                                                                                                             " + 4 * (" IN(
                                                                                                                                                                                                                                                                                                                                                     "mentions_all") " IS NOT NULL) + 8 * (" IN("attachments") " IS NOT NULL)"
                                                                                                                                                                                                                                                                                                                                                                                                               " + 16 * coalesce(instr(" IN("text") ", 'http://') > 0 OR instr(" IN(
                                                                                                                                                                                                                                                                                                                                                                                                                       "text") ", 'https://') > 0, 0) + 32 * (" IN("revisions") " IS NOT NULL))",
                                "INSERT INTO revision(message, n, at, body) SELECT " THIS_MESSAGE
                                ", json_extract(value, '$.n'), json_extract(value, '$.at'), "
                                "json_extract(value, '$.text')"
                                " FROM json_each(?1, '$.revisions')",
                                "INSERT INTO reaction(message, emoji, user, place) "
                                "SELECT " THIS_MESSAGE ", json_extract(value, '$.emoji'),"
                                " (SELECT key FROM user WHERE id = json_extract(value, '$.user')),"
                                " json_extract(value, '$.place') FROM json_each(?1, '$.reactions')",
                                "INSERT INTO mention(user, room, seq, author) SELECT (SELECT key "
                                "FROM user "
                                "WHERE id = "
                                "value),"
                                " " IN_ROOM("room") ", " IN("seq") ", " IN_USER(
                                        "user") " FROM json_each(?1, '$.mentions')",
                                "INSERT INTO mention(user, room, seq, author) SELECT 0, " IN_ROOM("room") ", " IN(
                                        "seq") ", " IN_USER("user") " WHERE " IN("mentions_"
                                                                                 "all") " I"
                                                                                        "S "
                                                                                        "NO"
                                                                                        "T "
                                                                                        "NU"
                                                                                        "L"
                                                                                        "L",
                                ATTACHMENT("value", THIS_MESSAGE, "key",
                                           "type") " FROM json_each(?1, '$.attachments')" } },

                            { "attachment", { ATTACHMENT("?1", "NULL", "0", "media_type") } },

                            { "webhook",
                              { "INSERT INTO webhook(id, kind, room, bot, name, url, secret, "
                                "created_by, "
                                "created_at) "
                                "VALUES (" IN("id") ", " IN("kind") ", " IN_ROOM(
                                        "room") ", "
                                                "coalesce"
                                                "(" IN_USER("bot") ", 0), " IN("name") ", " IN_OR(
                                                        "url",
                                                        "''") ", " IN("secret") ", "
                                                                                "coalesce"
                                                                                "(" IN_USER(
                                                                                        "c"
                                                                                        "r"
                                                                                        "e"
                                                                                        "a"
                                                                                        "t"
                                                                                        "e"
                                                                                        "d"
                                                                                        "_"
                                                                                        "b"
                                                                                        "y") ", "
                                                                                             "0),"
                                                                                             " " IN("created"
                                                                                                    "_at") ")" } },

                            { "audit",
                              { "INSERT INTO audit(at, user, action, room, target, detail) VALUES "
                                "(" IN("a"
                                       "t") ", coalesce(" IN_USER("user") ", 0), " IN("action") ", "
                                                                                                "co"
                                                                                                "al"
                                                                                                "es"
                                                                                                "ce"
                                                                                                "(" IN_ROOM(
                                                                                                        "roo"
                                                                                                        "m") ", 0), "
                                                                                                             "coalesce"
                                                                                                             "(" IN_USER("target") ", 0), " IN_OR(
                                                                                                                     "detail",
                                                                                                                     "''") ")" } },
                        };

/* What follows from the rest. */
static const char FINISH[] =
        "UPDATE room SET"
        " members_n = (SELECT count(*) FROM member WHERE room = room.key AND role > 0),"
        " pins_n = (SELECT count(*) FROM message WHERE room = room.key AND pinned_at > 0);"
        "INSERT INTO message_fts(message_fts) VALUES ('rebuild')";

/* ---- functions that SQLite does not have ---- */

static int digit_of(unsigned char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void from_hex(sqlite3_context *context, int n, sqlite3_value **values) {
    const unsigned char *text = sqlite3_value_text(values[0]);
    uint8_t bytes[HEX_BYTES / 2];
    int len = sqlite3_value_bytes(values[0]);
    if (!text || len == 0)
        return; /* NULL */
    if (len > HEX_BYTES || len % 2) {
        sqlite3_result_error(context, "sha256: no hash", -1);
        return;
    }
    for (int i = 0; i < len / 2; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            sqlite3_result_error(context, "sha256: no hash", -1);
            return;
        }
        bytes[i] = (uint8_t) (high << 4 | low);
    }
    sqlite3_result_blob(context, bytes, len / 2, SQLITE_TRANSIENT);
}

/* ---- a line ---- */

struct import {
    struct connection connection;
    sqlite3_stmt *statements[ELEMENTS_OF(KINDS)][STEPS_MAX];
    sqlite3_stmt *type_of;
    size_t line;
    char *why;
};

static int explain(struct import *im, int code, const char *why) {
    (void) snprintf(im->why, TRANSFER_WHY_MAX, "line %zu: %s", im->line, why);
    return code;
}

static int fail(struct import *im, int rc) {
    sqlite3 *db = im->connection.db;
    int r = rc == SQLITE_NOMEM            ? -ENOMEM
            : rc == SQLITE_FULL           ? -ENOSPC
            : (rc & 0xff) == SQLITE_IOERR ? -EIO
                                          : -EBADMSG;
    return explain(im, r, sqlite3_errmsg(db));
}

static int run_step(struct import *im, sqlite3_stmt *s, struct str line) {
    statement_bind_text(s, 1, line);
    int rc = sqlite3_step(s);
    int r = rc == SQLITE_DONE ? 0 : fail(im, rc);
    sqlite3_reset(s);
    return r;
}

static int find_kind(struct import *im, struct str line, size_t *ret) {
    statement_bind_text(im->type_of, 1, line);
    int rc = sqlite3_step(im->type_of), r = -EBADMSG;
    struct str type = { 0 };
    if (rc != SQLITE_ROW)
        r = fail(im, rc);
    else
        type = statement_str(im->type_of, 0);
    for (size_t i = 0; rc == SQLITE_ROW && r < 0 && i < ELEMENTS_OF(KINDS); i++)
        if (str_equal(type, str_of(KINDS[i].type))) {
            *ret = i;
            r = 0;
        }
    if (rc == SQLITE_ROW && r < 0)
        r = explain(im, -EBADMSG, "it has no type that is known");
    sqlite3_reset(im->type_of);
    return r;
}

static int import_line(struct import *im, struct str line) {
    size_t kind;
    int r = find_kind(im, line, &kind);
    for (size_t i = 0; r == 0 && i < STEPS_MAX && im->statements[kind][i]; i++)
        r = run_step(im, im->statements[kind][i], line);
    return r;
}

static int import_lines(struct import *im, transfer_take_fn *take, void *arg) {
    struct str line;
    int r = take(arg, &line);
    im->line = 1;
    if (r == 0 || (r > 0 && !str_starts_with(line, STR("{\"type\":\"chat\",\"format\":1"))))
        return explain(im, -EBADMSG, "this is no export of a chat, or of a newer version");
    while (r > 0 && (r = take(arg, &line)) > 0) {
        im->line++;
        r = line.len == 0 ? 1 : import_line(im, line);
        r = r == 0 ? 1 : r;
    }
    if (r < 0 && im->why[0] == 0)
        (void) explain(im, r, strerror(-r));
    return r;
}

static int prepare(struct import *im) {
    sqlite3 *db = im->connection.db;
    int rc = sqlite3_create_function_v2(db, "from_hex", 1,
                                        SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                        NULL, from_hex, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "SELECT json_extract(?1, '$.type')", -1, &im->type_of, NULL);
    for (size_t i = 0; i < ELEMENTS_OF(KINDS); i++)
        for (size_t j = 0; rc == SQLITE_OK && j < STEPS_MAX && KINDS[i].sql[j]; j++)
            rc = sqlite3_prepare_v2(db, KINDS[i].sql[j], -1, &im->statements[i][j], NULL);
    return rc == SQLITE_OK ? 0 : fail(im, rc);
}

static void finish(struct import *im) {
    sqlite3_finalize(im->type_of);
    for (size_t i = 0; i < ELEMENTS_OF(KINDS); i++)
        for (size_t j = 0; j < STEPS_MAX; j++)
            sqlite3_finalize(im->statements[i][j]);
    if (im->connection.db && !sqlite3_get_autocommit(im->connection.db))
        (void) sqlite3_exec(im->connection.db, "ROLLBACK", NULL, NULL, NULL);
    connection_close(&im->connection);
}

/* ---- all of them ---- */

/* The daemon that opens it gives it another one; it has to have some. */
static void make_epoch(char epoch[static EPOCH_BASE_SIZE]) {
    for (size_t i = 0; i < EPOCH_BASE_SIZE - 1; i++)
        epoch[i] = (char) ('a' + loop_random_below(26));
    epoch[EPOCH_BASE_SIZE - 1] = 0;
}

static int import_into(struct import *im, const char *path, transfer_take_fn *take, void *arg) {
    char epoch[EPOCH_BASE_SIZE];
    int64_t users = 0;
    make_epoch(epoch);
    int r = connection_open(&im->connection, path, NULL, true);
    if (r == 0)
        r = chat_schema_migrate(im->connection.db, epoch);
    if (r == 0)
        r = database_number(im->connection.db, "SELECT count(*) FROM user", &users);
    if (r < 0)
        return explain(im, r, strerror(-r));
    if (users > 0)
        return explain(im, -EEXIST, "there is a chat already");
    r = prepare(im);
    if (r == 0)
        r = database_run(im->connection.db, "BEGIN IMMEDIATE");
    if (r == 0)
        r = import_lines(im, take, arg);
    if (r < 0)
        return r;
    r = database_run(im->connection.db, FINISH);
    if (r == 0)
        r = database_run(im->connection.db, "COMMIT");
    return r < 0 ? explain(im, r, sqlite3_errmsg(im->connection.db)) : 0;
}

int transfer_import(const char *data_dir, transfer_take_fn *take, void *arg, size_t *ret_lines,
                    char *ret_why) {
    struct backup_path path, lock;
    struct import *im = calloc(1, sizeof *im);
    int fd = -1;
    ret_why[0] = 0;
    int r = im ? backup_join(data_dir, "chat.db", &path) : -ENOMEM;
    if (r == 0)
        r = backup_join(data_dir, "chat.lock", &lock);
    if (r == 0 && mkdir(data_dir, 0700) < 0 && errno != EEXIST)
        r = -errno;
    if (r == 0) {
        fd = open(lock.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        r = fd < 0 ? -errno : flock(fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : 0;
    }
    if (r < 0)
        (void) snprintf(ret_why, TRANSFER_WHY_MAX, "%s: %s", data_dir,
                        r == -EBUSY ? "is in use: stop the daemon first" : strerror(-r));
    else {
        im->why = ret_why;
        r = import_into(im, path.text, take, arg);
        *ret_lines = im->line;
        finish(im);
    }
    if (fd >= 0)
        (void) close(fd);
    free(im);
    return r;
}
