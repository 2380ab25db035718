#include "storage/chat/retention.h"

#include <errno.h>

#include "storage/chat/message_row.h"
#include "storage/chat/setting.h"

static const int64_t DAY_MS = 86400000;

/* A room that has messages whose time is over. */
struct due {
    int64_t room_key, before_ms;
};

/* The times of a room's messages never fall: its first one tells. */
static int find_due(struct chat_tx *tx, struct due *ret) {
    struct chat_settings settings;
    int r = chat_settings_get(tx, &settings);
    if (r != 0)
        return r;
    struct rows rows;
    r = QUERY_ONE(
            tx, &rows,
            "SELECT r.key, ?2 - ?3 * CASE WHEN r.retain_d > 0 THEN r.retain_d ELSE ?1 END AS t"
            " FROM room r WHERE (r.retain_d > 0 OR ?1 > 0) AND r.last_seq > r.floor_seq"
            " AND (SELECT m.at FROM message m WHERE m.room = r.key AND m.seq > r.floor_seq"
            "   ORDER BY m.seq LIMIT 1) <= t LIMIT 1",
            NUMBER(settings.retain_d), NUMBER(chat_tx_now_ms(tx)), NUMBER(DAY_MS));
    if (r > 0)
        *ret = (struct due){ .room_key = row_number(&rows, 0), .before_ms = row_number(&rows, 1) };
    rows_end(&rows);
    return r;
}

struct old {
    int64_t key;
    uint64_t seq, ver;
    unsigned flags;
    bool is_pinned;
};

static int find_old(struct chat_tx *tx, const struct due *due, size_t max,
                    struct arena_list *list) {
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT m.key, m.seq, m.ver, m.flags, m.pinned_at, m.at FROM message m"
                  " JOIN room r ON r.key = m.room WHERE m.room = ?1 AND m.seq > r.floor_seq"
                  " ORDER BY m.seq LIMIT ?2",
                  NUMBER(due->room_key), NUMBER((int64_t) max));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        if (row_number(&rows, 5) > due->before_ms) {
            r = 0;
            break;
        }
        struct old *old = arena_list_add(chat_tx_arena(tx), list, sizeof *old);
        if (!old) {
            r = -ENOMEM;
            break;
        }
        *old = (struct old){ .key = row_number(&rows, 0),
                             .seq = (uint64_t) row_number(&rows, 1),
                             .ver = (uint64_t) row_number(&rows, 2),
                             .flags = (unsigned) row_number(&rows, 3),
                             .is_pinned = row_number(&rows, 4) > 0 };
        r = 0;
    }
    rows_end(&rows);
    return r;
}

static int drop(struct chat_tx *tx, int64_t room_key, const struct old *all, size_t n) {
    uint64_t floor_seq = 0, floor_ver = 0;
    int64_t pins = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = message_strip(tx, all[i].key, room_key, all[i].seq, all[i].flags);
        if (r == 0)
            r = RUN(tx, "DELETE FROM message WHERE key = ?1", NUMBER(all[i].key));
        pins += all[i].is_pinned;
        floor_seq = all[i].seq;
        floor_ver = all[i].ver > floor_ver ? all[i].ver : floor_ver;
    }
    return r != 0 ? r
                  : RUN(tx,
                        "UPDATE room SET floor_seq = ?2, floor_ver = max(floor_ver, ?3),"
                        " pins_n = pins_n - ?4 WHERE key = ?1",
                        NUMBER(room_key), NUMBER((int64_t) floor_seq), NUMBER((int64_t) floor_ver),
                        NUMBER(pins));
}

int chat_retention_run(struct chat_tx *tx, size_t max, size_t *ret_n, bool *ret_has_more) {
    size_t n = 0;
    struct due due = { 0 };
    int r = 0;
    while (n < max && (r = find_due(tx, &due)) > 0) {
        struct arena_list list = { 0 };
        r = find_old(tx, &due, max - n, &list);
        if (r == 0)
            r = drop(tx, due.room_key, list.items, list.n);
        if (r < 0)
            return r;
        n += list.n;
    }
    if (r < 0)
        return r;
    *ret_n = n;
    *ret_has_more = n >= max;
    return 0;
}
