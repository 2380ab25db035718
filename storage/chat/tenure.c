#include "storage/chat/tenure.h"

#include "storage/chat/query.h"

int chat_tenure_get(struct chat_tx *tx, uint64_t *ret_generation) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT value FROM setting WHERE name = ?1",
                      TEXT(STR("generation")));
    *ret_generation = r > 0 ? (uint64_t) row_number(&rows, 0) : 0;
    rows_end(&rows);
    return r < 0 ? r : 0;
}

int chat_tenure_put(struct chat_tx *tx, uint64_t generation) {
    return RUN(tx, "INSERT OR REPLACE INTO setting(name, value) VALUES (?1, ?2)",
               TEXT(STR("generation")), NUMBER((int64_t) generation));
}
