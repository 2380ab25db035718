#include "storage/chat/word_index.h"

#include "storage/chat/tx_impl.h"

int word_index_add(struct chat_tx *tx, int64_t key) {
    return RUN(tx,
               "INSERT INTO message_fts(rowid, body, tag)"
               " SELECT key, body, tag FROM message_words WHERE key = ?1",
               NUMBER(key));
}

/* How often something was taken out since the last purge. */
#define CROSSED_OUT "word_index.crossed_out"

int word_index_remove(struct chat_tx *tx, int64_t key) {
    int r = RUN(tx,
                "INSERT INTO message_fts(message_fts, rowid, body, tag)"
                " SELECT 'delete', key, body, tag FROM message_words WHERE key = ?1",
                NUMBER(key));
    return r < 0 ? r
                 : RUN(tx,
                       "INSERT INTO setting(name, value) VALUES (?1, 1)"
                       " ON CONFLICT (name) DO UPDATE SET value = value + 1",
                       TEXT(STR(CROSSED_OUT)));
}

/* A negative number has FTS5 merge all there is into one, a positive one goes on with that. It has
 * come to its end when it changes next to nothing. */
static int merge(struct chat_tx *tx, int pages, bool *ret_is_done) {
    int64_t before = sqlite3_total_changes64(tx->connection->db);
    int r = RUN(tx, "INSERT INTO message_fts(message_fts, rank) VALUES ('merge', ?1)",
                NUMBER(pages));
    *ret_is_done = sqlite3_total_changes64(tx->connection->db) - before < 2;
    return r;
}

int word_index_purge(struct chat_tx *tx, int pages, int64_t *mark) {
    bool begins = *mark == 0, is_done = false;
    int r = begins ? FETCH(tx, mark, "SELECT value FROM setting WHERE name = ?1",
                           TEXT(STR(CROSSED_OUT)))
                   : 1;
    if (r <= 0)
        return r;
    r = merge(tx, begins ? -pages : pages, &is_done);
    if (r < 0 || !is_done)
        return r;
    /* What was taken out meanwhile is the next one's. */
    r = RUN(tx, "DELETE FROM setting WHERE name = ?1 AND value = ?2", TEXT(STR(CROSSED_OUT)),
            NUMBER(*mark));
    *mark = 0;
    return r;
}
