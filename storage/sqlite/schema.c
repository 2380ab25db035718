#include <errno.h>

#include "storage/sqlite/database.h"

/*
 * Each brings a database from the version of its index to the next one. Never change one that was
 * released; append.
 *
 * channel.top is right whenever the channel has no publications; otherwise the newest of them may
 * be further. So the row is not written on every publish. due_ms: when to look whether something
 * expired.
 */
static const char *const migrations[] = {
    "CREATE TABLE store("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  epoch TEXT NOT NULL,"         /* every channel's epoch begins with it */
    "  generation INTEGER NOT NULL," /* of channels to come: greater than any that expired */
    "  last_id INTEGER NOT NULL,"    /* no publication.id up to here is ever used again */
    "  probe INTEGER NOT NULL"       /* written to find out whether writing works */
    ") STRICT;"
    "CREATE TABLE channel("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  generation INTEGER NOT NULL,"
    "  top INTEGER NOT NULL,"
    "  last_ms INTEGER NOT NULL," /* as top */
    "  size INTEGER NOT NULL,"
    "  ttl_ms INTEGER NOT NULL,"
    "  meta_ttl_ms INTEGER NOT NULL,"
    "  due_ms INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX channel_due ON channel(due_ms);"
    "CREATE TABLE publication("
    "  id INTEGER PRIMARY KEY," /* ascending: inserts stay at the table's end */
    "  channel INTEGER NOT NULL,"
    "  offset INTEGER NOT NULL,"
    "  time_ms INTEGER NOT NULL," /* never falls within a channel */
    "  data BLOB NOT NULL,"
    "  extra BLOB" /* who published, and tags: row.h */
    ") STRICT;"
    "CREATE UNIQUE INDEX publication_place ON publication(channel, offset);",

    "CREATE TABLE once(" /* publishes that are not to be made again */
    "  id INTEGER PRIMARY KEY,"
    "  channel TEXT NOT NULL," /* the name: it may outlive the channel's row */
    "  key BLOB NOT NULL,"
    "  generation INTEGER NOT NULL,"
    "  offset INTEGER NOT NULL,"
    "  expires_ms INTEGER NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX once_name ON once(channel, key);"
    "CREATE INDEX once_expiry ON once(expires_ms);"
    "CREATE TABLE channel_version(" /* of channels that ever had one */
    "  channel INTEGER PRIMARY KEY,"
    "  version INTEGER NOT NULL," /* the bits of an unsigned one */
    "  epoch BLOB NOT NULL"
    ") STRICT;"
    "CREATE TABLE map_entry("
    "  id INTEGER PRIMARY KEY,"
    "  channel INTEGER NOT NULL," /* whose row stays as long as there is one of these */
    "  key BLOB NOT NULL,"
    "  score INTEGER NOT NULL,"
    "  offset INTEGER NOT NULL," /* in the channel's stream, where it was put */
    "  time_ms INTEGER NOT NULL,"
    "  expires_ms INTEGER," /* NULL: never */
    "  version INTEGER NOT NULL,"
    "  version_epoch BLOB NOT NULL,"
    "  data BLOB NOT NULL,"
    "  extra BLOB" /* row.h, without the key */
    ") STRICT;"
    "CREATE UNIQUE INDEX map_entry_key ON map_entry(channel, key);"
    "CREATE INDEX map_entry_score ON map_entry(channel, score, key);"
    "CREATE INDEX map_entry_expiry ON map_entry(expires_ms) WHERE expires_ms IS NOT NULL;"
    "CREATE TABLE event("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT," /* readers go by it: none comes twice */
    "  queue TEXT NOT NULL,"
    "  time_ms INTEGER NOT NULL,"
    "  subject BLOB NOT NULL,"
    "  payload BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX event_queue ON event(queue, id);"
    "CREATE TABLE standing(" /* what an event began, and none has ended */
    "  queue TEXT NOT NULL,"
    "  subject BLOB NOT NULL,"
    "  payload BLOB NOT NULL," /* of the event that will end it if nothing else does */
    "  PRIMARY KEY (queue, subject)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE denial("
    "  kind INTEGER NOT NULL,"
    "  key BLOB NOT NULL,"
    "  before_ms INTEGER NOT NULL,"
    "  expires_ms INTEGER," /* NULL: never */
    "  PRIMARY KEY (kind, key)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX denial_expiry ON denial(expires_ms) WHERE expires_ms IS NOT NULL;",
};

int schema_version(void) {
    return (int) ELEMENTS_OF(migrations);
}

static int make_store(sqlite3 *db, const char *epoch_base) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO store VALUES (1, ?1, 1, 0, 0)", -1, &s, NULL);
    int r = rc == SQLITE_OK ? 0 : database_error(db, rc);
    if (r == 0) {
        sqlite3_bind_text(s, 1, epoch_base, -1, SQLITE_STATIC);
        r = statement_run(s);
    }
    sqlite3_finalize(s);
    return r;
}

static int migrate_from(sqlite3 *db, int64_t version, void *epoch_base) {
    int r = 0;
    for (size_t i = (size_t) version; r == 0 && i < ELEMENTS_OF(migrations); i++)
        r = database_run(db, migrations[i]);
    return r == 0 && version == 0 ? make_store(db, epoch_base) : r;
}

int schema_migrate(sqlite3 *db, const char *epoch_base) {
    return database_migrate(db, DATABASE_APPLICATION_ID, schema_version(), migrate_from,
                            (void *) (uintptr_t) epoch_base);
}
