#include "storage/chat/count.h"

#include "storage/chat/query.h"

static int fetch(struct chat_tx *tx, int r, const char *sql, uint64_t *ret) {
    int64_t n = 0;

    if (r < 0)
        return r;
    r = FETCH(tx, &n, sql, NUMBER(0));
    *ret = (uint64_t) n;
    return r < 0 ? r : 0;
}

int chat_counts_get(struct chat_tx *tx, struct chat_counts *ret) {
    uint64_t pages = 0, page_size = 0;

    *ret = (struct chat_counts){ 0 };
    int r = fetch(tx, 0, "SELECT count(*) FROM user WHERE deactivated_at = ?1", &ret->users);
    r = fetch(tx, r, "SELECT count(*) FROM room WHERE key > ?1", &ret->rooms);
    r = fetch(tx, r, "SELECT coalesce(sum(last_seq - floor_seq), 0) FROM room WHERE key > ?1",
              &ret->messages);
    r = fetch(tx, r, "SELECT coalesce(sum(size), 0) FROM attachment WHERE key > ?1",
              &ret->files_bytes);
    r = fetch(tx, r, "SELECT page_count FROM pragma_page_count() WHERE page_count > ?1", &pages);
    r = fetch(tx, r, "SELECT page_size FROM pragma_page_size() WHERE page_size > ?1", &page_size);
    ret->bytes = pages * page_size;
    return r;
}
