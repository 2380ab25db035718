#include "storage/chat/schema.h"

#include <errno.h>

#include "storage/sqlite/database.h"

/*
 * Each brings a database from the version of its index to the next one. Never change one that was
 * released; append.
 *
 * `key` is a row's number, `id` what the outside knows. Times are ms, 0 or NULL is never. Numbers
 * of kinds and roles: types.h.
 */
static const char *const migrations[] = {
    "CREATE TABLE store("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  epoch TEXT NOT NULL,"
    "  commits INTEGER NOT NULL" /* grows with each: how a database put back from a copy is told */
    ") STRICT;"
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"

    /* ---- people ---- */
    "CREATE TABLE user("
    "  key INTEGER PRIMARY KEY,"
    "  id TEXT NOT NULL UNIQUE,"
    "  login TEXT UNIQUE COLLATE NOCASE," /* NULL: does not sign in by a password */
    "  name TEXT NOT NULL,"
    "  role INTEGER NOT NULL,"
    "  is_bot INTEGER NOT NULL DEFAULT 0,"
    "  avatar TEXT NOT NULL DEFAULT '',"
    "  status_emoji TEXT NOT NULL DEFAULT '',"
    "  status_text TEXT NOT NULL DEFAULT '',"
    "  status_until INTEGER NOT NULL DEFAULT 0,"
    "  password TEXT," /* as argon2id encodes it */
    "  created_at INTEGER NOT NULL,"
    "  last_seen_at INTEGER NOT NULL DEFAULT 0,"
    "  deactivated_at INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX user_name ON user(name COLLATE NOCASE, key);"
    "CREATE TABLE login("
    "  key INTEGER PRIMARY KEY,"
    "  id TEXT NOT NULL UNIQUE,"   /* what it is revoked by */
    "  hash BLOB NOT NULL UNIQUE," /* SHA-256 of the token */
    "  user INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  last_seen_at INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL DEFAULT 0,"
    "  agent TEXT NOT NULL DEFAULT '',"
    "  address TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE INDEX login_user ON login(user);"
    "CREATE TABLE invite("
    "  key INTEGER PRIMARY KEY,"
    "  code TEXT NOT NULL UNIQUE,"
    "  by INTEGER NOT NULL,"
    "  room INTEGER," /* NULL: into the team only */
    "  guests INTEGER NOT NULL,"
    "  uses INTEGER NOT NULL,"     /* that are left */
    "  uses_max INTEGER NOT NULL," /* 0: any number */
    "  created_at INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL DEFAULT 0,"
    "  revoked_at INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX invite_room ON invite(room);"
    "CREATE INDEX invite_maker ON invite(by);"

    /* ---- rooms ---- */
    "CREATE TABLE room("
    "  key INTEGER PRIMARY KEY,"
    "  id TEXT NOT NULL UNIQUE,"
    "  kind INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  slug TEXT UNIQUE,"
    "  topic TEXT NOT NULL DEFAULT '',"
    "  dm_key TEXT UNIQUE," /* of a direct one: its two users' keys, sorted */
    "  last_seq INTEGER NOT NULL DEFAULT 0,"
    "  ver INTEGER NOT NULL DEFAULT 0,"
    "  set_ver INTEGER NOT NULL DEFAULT 0,"   /* of the last change of its settings */
    "  floor_seq INTEGER NOT NULL DEFAULT 0," /* messages up to here are gone */
    "  floor_ver INTEGER NOT NULL DEFAULT 0," /* who knows less opens it anew */
    "  last_at INTEGER NOT NULL DEFAULT 0,"
    "  members_n INTEGER NOT NULL DEFAULT 0,"
    "  pins_n INTEGER NOT NULL DEFAULT 0,"
    "  slow_s INTEGER NOT NULL DEFAULT 0,"
    "  retain_d INTEGER NOT NULL DEFAULT 0,"
    "  receipts INTEGER NOT NULL DEFAULT 0,"
    "  created_by INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  archived_at INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX room_public ON room(name COLLATE NOCASE, key) WHERE kind = 1;"
    /* Who left stays, with role 0, so that a sync can say so. */
    "CREATE TABLE member("
    "  room INTEGER NOT NULL,"
    "  user INTEGER NOT NULL,"
    "  role INTEGER NOT NULL,"
    "  ver INTEGER NOT NULL,"
    "  read_seq INTEGER NOT NULL,"
    "  unread_mark INTEGER NOT NULL DEFAULT 0,"
    "  notify INTEGER NOT NULL DEFAULT 0,"
    "  muted_until INTEGER NOT NULL DEFAULT 0,"
    "  sent_at INTEGER NOT NULL DEFAULT 0," /* in slow mode */
    "  joined_at INTEGER NOT NULL,"
    "  PRIMARY KEY (room, user)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX member_user ON member(user, room) WHERE role > 0;"
    "CREATE UNIQUE INDEX member_ver ON member(room, ver);"
    "CREATE TABLE ban("
    "  room INTEGER NOT NULL,"
    "  user INTEGER NOT NULL,"
    "  by INTEGER NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  until INTEGER NOT NULL," /* 0: for ever */
    "  reason TEXT NOT NULL,"
    "  PRIMARY KEY (room, user)"
    ") STRICT, WITHOUT ROWID;"

    /* ---- messages ---- */
    "CREATE TABLE message("
    "  key INTEGER PRIMARY KEY,"
    "  room INTEGER NOT NULL,"
    "  seq INTEGER NOT NULL," /* dense in its room */
    "  ver INTEGER NOT NULL," /* of its last change */
    "  author INTEGER NOT NULL,"
    "  at INTEGER NOT NULL," /* never falls within a room */
    "  client_id TEXT,"
    "  body TEXT," /* NULL: deleted */
    "  reply_to INTEGER NOT NULL DEFAULT 0,"
    "  flags INTEGER NOT NULL DEFAULT 0," /* message_row.h: what other tables have of it */
    "  meta BLOB,"
    "  edited_at INTEGER NOT NULL DEFAULT 0,"
    "  deleted_at INTEGER NOT NULL DEFAULT 0,"
    "  deleted_by INTEGER NOT NULL DEFAULT 0,"
    "  reason TEXT,"
    "  pinned_at INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE UNIQUE INDEX message_ver ON message(room, ver);"
    "CREATE UNIQUE INDEX message_seq ON message(room, seq);"
    "CREATE UNIQUE INDEX message_client_id ON message(author, client_id)"
    "  WHERE client_id IS NOT NULL;"
    "CREATE INDEX message_unread ON message(room, seq, author) WHERE deleted_at = 0;"
    "CREATE INDEX message_pinned ON message(room, pinned_at) WHERE pinned_at > 0;"
    "CREATE TABLE revision(" /* texts it had before */
    "  message INTEGER NOT NULL,"
    "  n INTEGER NOT NULL,"
    "  at INTEGER NOT NULL," /* since when */
    "  body TEXT NOT NULL,"
    "  PRIMARY KEY (message, n)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE reaction("
    "  message INTEGER NOT NULL,"
    "  emoji TEXT NOT NULL,"
    "  user INTEGER NOT NULL,"
    "  place INTEGER NOT NULL," /* the room's ver then: the order */
    "  PRIMARY KEY (message, emoji, user)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE mention("
    "  user INTEGER NOT NULL," /* 0: everybody in the room */
    "  room INTEGER NOT NULL,"
    "  seq INTEGER NOT NULL,"
    "  author INTEGER NOT NULL,"
    "  PRIMARY KEY (user, room, seq)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX mention_message ON mention(room, seq);"
    "CREATE TABLE attachment("
    "  key INTEGER PRIMARY KEY,"
    "  id TEXT NOT NULL UNIQUE,"
    "  user INTEGER NOT NULL,"            /* who uploaded it */
    "  message INTEGER,"                  /* NULL: not sent yet */
    "  place INTEGER NOT NULL DEFAULT 0," /* in the message */
    "  name TEXT NOT NULL,"
    "  type TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  width INTEGER NOT NULL DEFAULT 0,"
    "  height INTEGER NOT NULL DEFAULT 0,"
    "  sha256 BLOB,"
    "  created_at INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX attachment_message ON attachment(message, place) WHERE message IS NOT NULL;"
    "CREATE INDEX attachment_unsent ON attachment(created_at) WHERE message IS NULL;"
    "CREATE INDEX attachment_file ON attachment(sha256);"
    /* Files whose attachment is gone, until they are removed from the disk. */
    "CREATE TABLE attachment_gone(id TEXT PRIMARY KEY, sha256 BLOB) STRICT, WITHOUT ROWID;"

    /* The index of words. What it says of a message is taken out again with the same words, which
     * are read by way of the view: change message and index in one go (word_index.h). tag: the
     * room, the author and what it has, so that a search is narrowed inside the index. */
    "CREATE VIEW message_words(key, body, tag) AS"
    "  SELECT key, body, 'r' || room || ' u' || author"
    "    || CASE WHEN flags & 8 THEN ' hasfile' ELSE '' END"
    "    || CASE WHEN flags & 16 THEN ' haslink' ELSE '' END"
    "  FROM message WHERE body IS NOT NULL;"
    "CREATE VIRTUAL TABLE message_fts USING fts5(body, tag, content = 'message_words',"
    "  content_rowid = 'key', tokenize = 'parley');"

    /* ---- the rest ---- */
    "CREATE TABLE outbox("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT," /* none comes twice */
    "  channel TEXT NOT NULL,"
    "  ver INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL,"
    "  data BLOB NOT NULL"
    ") STRICT;"
    "CREATE TABLE audit("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at INTEGER NOT NULL,"
    "  user INTEGER NOT NULL," /* 0: the server */
    "  action TEXT NOT NULL,"
    "  room INTEGER NOT NULL,"
    "  target INTEGER NOT NULL,"
    "  detail TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE webhook("
    "  key INTEGER PRIMARY KEY,"
    "  id TEXT NOT NULL UNIQUE,"
    "  kind INTEGER NOT NULL," /* 1: in, 2: out */
    "  room INTEGER NOT NULL,"
    "  bot INTEGER NOT NULL DEFAULT 0," /* the user it speaks as */
    "  name TEXT NOT NULL,"
    "  url TEXT NOT NULL DEFAULT '',"
    "  secret TEXT NOT NULL UNIQUE,"
    "  created_by INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX webhook_room ON webhook(room, kind);"
    "CREATE TABLE webhook_event(" /* to be delivered, in this order */
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  webhook INTEGER NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  data BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX webhook_event_order ON webhook_event(webhook, id);",

    /* 2: the index has beginnings of two characters, and Chinese characters by themselves
     * (tokenizer.h): so all of it is made anew. Those of three would take as much once more. */
    "DROP TABLE message_fts;"
    "CREATE VIRTUAL TABLE message_fts USING fts5(body, tag, content = 'message_words',"
    "  content_rowid = 'key', tokenize = 'parley', prefix = '2');"
    "INSERT INTO message_fts(message_fts) VALUES ('rebuild');"
    "DELETE FROM setting WHERE name = 'word_index.crossed_out';"
    "CREATE INDEX user_avatar ON user(avatar) WHERE avatar <> '';",
};

int chat_schema_version(void) {
    return (int) ELEMENTS_OF(migrations);
}

static int make_store(sqlite3 *db, const char *epoch) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO store VALUES (1, ?1, 0)", -1, &s, NULL);
    int r = rc == SQLITE_OK ? 0 : database_error(db, rc);
    if (r == 0) {
        sqlite3_bind_text(s, 1, epoch, -1, SQLITE_STATIC);
        r = statement_run(s);
    }
    sqlite3_finalize(s);
    return r;
}

static int migrate_from(sqlite3 *db, int64_t version, const char *epoch) {
    int r = 0;
    for (size_t i = (size_t) version; r == 0 && i < ELEMENTS_OF(migrations); i++)
        r = database_run(db, migrations[i]);
    if (r == 0 && version == 0)
        r = make_store(db, epoch);
    if (r < 0)
        return r;

    char sql[96];
    (void) sqlite3_snprintf(sizeof sql, sql, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                            CHAT_APPLICATION_ID, chat_schema_version());
    return database_run(db, sql);
}

static int check_and_migrate(sqlite3 *db, const char *epoch) {
    int64_t id = 0, version = 0, tables = 0;
    int r = database_number(db, "PRAGMA application_id", &id);
    if (r == 0)
        r = database_number(db, "PRAGMA user_version", &version);
    if (r == 0)
        r = database_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (r < 0)
        return r;

    bool is_new = tables == 0 && version == 0 && id == 0;
    if (!is_new && id != CHAT_APPLICATION_ID)
        return -EBADMSG;
    if (version > chat_schema_version())
        return -EPROTONOSUPPORT;
    if (!is_new && version < 1)
        return -EBADMSG;
    return version == chat_schema_version() ? 0 : migrate_from(db, version, epoch);
}

int chat_schema_migrate(sqlite3 *db, const char *epoch) {
    int r = database_run(db, "BEGIN IMMEDIATE");
    if (r < 0)
        return r;
    r = check_and_migrate(db, epoch);
    if (r == 0)
        r = database_run(db, "COMMIT");
    if (!sqlite3_get_autocommit(db))
        (void) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}
