/* What the writer says to the database. The schema is in schema.c. */
#include "storage/sqlite/writer.h"

const char *const writer_sql[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_FIND_CHANNEL] =
            "SELECT id, generation, top, last_ms, size, ttl_ms, meta_ttl_ms, due_ms"
            " FROM channel WHERE name = ?1",
    [STATEMENT_FIND_ENDS] = "SELECT offset, time_ms,"
                            " (SELECT min(offset) FROM publication WHERE channel = ?1)"
                            " FROM publication WHERE channel = ?1 ORDER BY offset DESC LIMIT 1",
    [STATEMENT_ADD_CHANNEL] = "INSERT INTO channel(name, generation, top, last_ms, size, ttl_ms,"
                              " meta_ttl_ms, due_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STATEMENT_SET_CHANNEL] =
            "UPDATE channel SET generation = ?2, top = ?3, last_ms = ?4, size = ?5,"
            " ttl_ms = ?6, meta_ttl_ms = ?7, due_ms = ?8 WHERE id = ?1",
    [STATEMENT_DROP_CHANNEL] = "DELETE FROM channel WHERE id = ?1",
    [STATEMENT_ADD_PUBLICATION] = "INSERT INTO publication VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_DROP_BELOW] = "DELETE FROM publication WHERE channel = ?1 AND offset < ?2",
    [STATEMENT_FIND_LIVING] = "SELECT offset, time_ms FROM publication"
                              " WHERE channel = ?1 AND offset < ?2 AND time_ms > ?3"
                              " ORDER BY offset LIMIT 1",
    [STATEMENT_FIND_DUE] = "SELECT name FROM channel WHERE due_ms <= ?1 ORDER BY due_ms LIMIT ?2",
    /* Nobody waits for the end of what is only looked up: it is done in larger portions. */
    [STATEMENT_NEXT_DUE] = "SELECT min(due) FROM (SELECT min(due_ms) AS due FROM channel"
                           " UNION ALL SELECT min(expires_ms) FROM map_entry"
                           "   WHERE expires_ms IS NOT NULL"
                           " UNION ALL SELECT min(expires_ms) + 10000 FROM once"
                           " UNION ALL SELECT min(expires_ms) + 60000 FROM denial"
                           "   WHERE expires_ms IS NOT NULL)",
    [STATEMENT_SET_STORE] = "UPDATE store SET generation = ?1, last_id = ?2",
    [STATEMENT_PROBE] = "UPDATE store SET probe = probe + 1",
    [STATEMENT_FIND_ONCE] = "SELECT generation, offset FROM once"
                            " WHERE channel = ?1 AND key = ?2 AND expires_ms > ?3",
    [STATEMENT_ADD_ONCE] = "INSERT INTO once(channel, key, generation, offset, expires_ms)"
                           " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(channel, key) DO UPDATE"
                           " SET generation = ?3, offset = ?4, expires_ms = ?5",
    [STATEMENT_SWEEP_ONCE] = "DELETE FROM once WHERE id IN (SELECT id FROM once"
                             " WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)",
    [STATEMENT_FIND_VERSION] = "SELECT version, epoch FROM channel_version WHERE channel = ?1",
    [STATEMENT_SET_VERSION] = "INSERT INTO channel_version VALUES (?1, ?2, ?3)"
                              " ON CONFLICT(channel) DO UPDATE SET version = ?2, epoch = ?3",
    [STATEMENT_DROP_VERSION] = "DELETE FROM channel_version WHERE channel = ?1",
    [STATEMENT_FIND_KEY] = "SELECT id, offset, expires_ms, version, version_epoch FROM map_entry"
                           " WHERE channel = ?1 AND key = ?2",
    [STATEMENT_PUT_KEY] =
            "INSERT INTO map_entry(channel, key, score, offset, time_ms, expires_ms, version,"
            " version_epoch, data, extra) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            " ON CONFLICT(channel, key) DO UPDATE SET score = ?3, offset = ?4, time_ms = ?5,"
            " expires_ms = ?6, version = ?7, version_epoch = ?8, data = ?9, extra = ?10",
    [STATEMENT_RENEW_KEY] = "UPDATE map_entry SET expires_ms = ?2 WHERE id = ?1",
    [STATEMENT_DROP_KEY] = "DELETE FROM map_entry WHERE channel = ?1 AND key = ?2",
    [STATEMENT_COUNT_KEYS] = "SELECT count(*) FROM map_entry WHERE channel = ?1",
    [STATEMENT_HAS_KEYS] = "SELECT 1 FROM map_entry WHERE channel = ?1 LIMIT 1",
    [STATEMENT_DROP_KEYS] = "DELETE FROM map_entry WHERE channel = ?1",
    [STATEMENT_FIND_DUE_KEYS] = "SELECT c.name, m.key, m.extra FROM map_entry m"
                                " JOIN channel c ON c.id = m.channel"
                                " WHERE m.expires_ms <= ?1 ORDER BY m.expires_ms LIMIT ?2",
    [STATEMENT_ADD_EVENT] = "INSERT INTO event(queue, time_ms, subject, payload)"
                            " VALUES (?1, ?2, ?3, ?4)",
    [STATEMENT_DROP_EVENT] = "DELETE FROM event WHERE id = ?1",
    [STATEMENT_FIND_EVENTS] = "SELECT id, time_ms, subject, payload FROM event"
                              " WHERE queue = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    [STATEMENT_STAND] = "INSERT INTO standing VALUES (?1, ?2, ?3)"
                        " ON CONFLICT(queue, subject) DO UPDATE SET payload = ?3",
    [STATEMENT_FALL] = "DELETE FROM standing WHERE queue = ?1 AND subject = ?2",
    [STATEMENT_END_STANDING] = "INSERT INTO event(queue, time_ms, subject, payload)"
                               " SELECT queue, ?1, subject, payload FROM standing",
    [STATEMENT_DROP_STANDING] = "DELETE FROM standing",
    [STATEMENT_PUT_DENIAL] =
            "INSERT INTO denial VALUES (?1, ?2, ?3, ?4) ON CONFLICT(kind, key) DO UPDATE"
            " SET before_ms = ?3, expires_ms = ?4",
    [STATEMENT_DROP_DENIAL] = "DELETE FROM denial WHERE kind = ?1 AND key = ?2",
    [STATEMENT_FIND_DENIALS] = "SELECT kind, key, before_ms, expires_ms FROM denial"
                               " WHERE expires_ms IS NULL OR expires_ms > ?1",
    [STATEMENT_COUNT_DENIALS] = "SELECT count(*) FROM denial",
    [STATEMENT_SWEEP_DENIALS] = "DELETE FROM denial WHERE expires_ms <= ?1",
};
