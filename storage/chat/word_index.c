#include "storage/chat/word_index.h"

int word_index_add(struct chat_tx *tx, int64_t key) {
    return RUN(tx,
               "INSERT INTO message_fts(rowid, body, tag)"
               " SELECT key, body, tag FROM message_words WHERE key = ?1",
               NUMBER(key));
}

int word_index_remove(struct chat_tx *tx, int64_t key) {
    return RUN(tx,
               "INSERT INTO message_fts(message_fts, rowid, body, tag)"
               " SELECT 'delete', key, body, tag FROM message_words WHERE key = ?1",
               NUMBER(key));
}
