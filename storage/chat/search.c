#include "storage/chat/search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "storage/chat/message_row.h"
#include "storage/chat/query.h"
#include "storage/chat/search_walk.h"
#include "storage/chat/tx_impl.h"

/* ---- which part of time ---- */

/* Keys grow with time: the first key whose message is of `at` or later; above all if there is none.
 */
static int first_key_at(struct chat_tx *tx, int64_t at, int64_t *ret) {
    int64_t low = 0, high = 0; /* the key is in (low, high] */
    int r = FETCH(tx, &high, "SELECT max(key) FROM message WHERE ?1 IS NOT NULL", NUMBER(1));
    if (r < 0)
        return r;
    high++;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2, key = 0, found_at = 0;
        struct rows rows;
        r = QUERY_ONE(tx, &rows, "SELECT key, at FROM message WHERE key >= ?1 ORDER BY key LIMIT 1",
                      NUMBER(middle));
        if (r > 0) {
            key = row_number(&rows, 0);
            found_at = row_number(&rows, 1);
        }
        rows_end(&rows);
        if (r < 0)
            return r;
        /* Between middle and key there is nothing. */
        if (r == 0 || found_at >= at)
            high = middle;
        else
            low = key;
    }
    *ret = high;
    return 0;
}

struct range {
    int64_t from, below; /* keys */
};

static int read_cursor(struct str cursor, int64_t *ret) {
    int64_t key = 0;
    if (cursor.len > 18)
        return -EINVAL;
    for (size_t i = 0; i < cursor.len; i++) {
        if (cursor.data[i] < '0' || cursor.data[i] > '9')
            return -EINVAL;
        key = key * 10 + (cursor.data[i] - '0');
    }
    *ret = key;
    return 0;
}

static int find_range(struct chat_tx *tx, const struct chat_search *s, struct range *ret) {
    *ret = (struct range){ 0, INT64_MAX };
    if (s->cursor.len > 0 && read_cursor(s->cursor, &ret->below) < 0)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "cursor", 0);
    int64_t key;
    int r = 0;
    if (s->before_ms > 0) {
        r = first_key_at(tx, s->before_ms, &key);
        if (r == 0 && key < ret->below)
            ret->below = key;
    }
    if (r == 0 && s->after_ms > 0 && s->after_ms < INT64_MAX)
        r = first_key_at(tx, s->after_ms + 1, &ret->from);
    return r;
}

/* ---- the rooms ---- */

/*
 * Who is in much of all that is said finds enough of it on the way, so that what others said is
 * passed over: walking is cheaper than having FTS5 put together a hundred rooms. Who is in little
 * of it has it looked for by the tags of the rooms, unless there are too many.
 */
enum { PART_OF_ALL = 16, ROOMS_BY_TAG = 32 };

/* To find one more that may be wrong is dearer where it has to be in a room of few. */
enum { WRONG_MAX = 256, WRONG_MAX_BY_TAG = 32 };

struct where {
    int64_t *rooms; /* sorted */
    size_t n;
    bool is_by_tag;
    uint64_t messages; /* in them, about */
};

static int find_named(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                      struct where *ret) {
    struct chat_room found;
    int r = chat_room_check(tx, by, room, CHAT_ACT_READ, &found);
    if (r != 0)
        return r;
    ret->rooms = arena_alloc(chat_tx_arena(tx), sizeof *ret->rooms);
    if (!ret->rooms)
        return -ENOMEM;
    ret->rooms[0] = found.key;
    ret->n = 1;
    ret->is_by_tag = true;
    ret->messages = found.last_seq - found.floor_seq;
    return 0;
}

static int find_mine(struct chat_tx *tx, const struct chat_actor *by, uint64_t all,
                     struct where *ret) {
    struct arena_list list = { 0 };
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT m.room, r.last_seq - r.floor_seq FROM member m"
                  " CROSS JOIN room r ON r.key = m.room"
                  " WHERE m.user = ?1 AND m.role > 0 ORDER BY m.room",
                  NUMBER(by->key));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        int64_t *room = arena_list_add(chat_tx_arena(tx), &list, sizeof *room);
        if (!room) {
            r = -ENOMEM;
            break;
        }
        *room = row_number(&rows, 0);
        ret->messages += (uint64_t) row_number(&rows, 1);
        r = 0;
    }
    rows_end(&rows);
    ret->rooms = list.items;
    ret->n = list.n;
    ret->is_by_tag = list.n <= ROOMS_BY_TAG && ret->messages < all / PART_OF_ALL;
    return r;
}

/* ---- the expression ---- */

static void append_and(struct buffer *out) {
    if (out->len > 0)
        buffer_append_str(out, STR(" AND "));
}

static void append_tag(struct buffer *out, const char *tag) {
    append_and(out);
    buffer_printf(out, "tag : \"%s\"", tag);
}

/* The tag of a room is a word like any: r42. */
static void append_rooms(const struct where *where, struct buffer *out) {
    append_and(out);
    buffer_append_str(out, STR("tag : ("));
    for (size_t i = 0; i < where->n; i++)
        buffer_printf(out, "%s\"r%" PRId64 "\"", i > 0 ? " OR " : "", where->rooms[i]);
    buffer_append_byte(out, ')');
}

static int make_expression(const struct chat_search *s, const struct chat_search_words *words,
                           const struct where *where, int64_t author, bool is_cut,
                           struct buffer *out) {
    if (words->n > 0) {
        buffer_append_str(out, STR("body : ("));
        chat_search_words_expression(words, is_cut, out);
        buffer_append_byte(out, ')');
    }
    if (s->has != CHAT_HAS_ANY)
        append_tag(out, s->has == CHAT_HAS_FILE ? "hasfile" : "haslink");
    if (author > 0) {
        char tag[32];
        (void) snprintf(tag, sizeof tag, "u%" PRId64, author);
        append_tag(out, tag);
    }
    if (where->is_by_tag)
        append_rooms(where, out);
    return buffer_error(out);
}

/* ---- the hits ---- */

static int show_hits(struct chat_tx *tx, const struct chat_cutter *cutter,
                     const struct chat_search_words *words, const struct search_found *found,
                     struct chat_search_result *ret) {
    struct chat_messages messages;
    int r = chat_messages_by_key(tx, found->keys, found->n, &messages);
    if (r != 0)
        return r;
    struct arena *arena = chat_tx_arena(tx);
    ret->hits = arena_alloc(arena, messages.n * sizeof *ret->hits);
    if (!ret->hits)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < messages.n; i++) {
        struct chat_search_hit *hit = &ret->hits[i];
        *hit = (struct chat_search_hit){ .message = messages.items[i] };
        r = chat_search_snippet(cutter, words, hit->message.text, arena, &hit->parts, &hit->parts_n,
                                NULL);
    }
    ret->n = messages.n;
    ret->has_more = found->has_more;
    ret->is_partial = found->is_partial;
    ret->below = found->below;
    return r;
}

static int check_query(struct chat_tx *tx, const struct chat_search *s,
                       const struct chat_search_words *words) {
    bool is_any = words->has_any || s->room.len > 0 || s->from.len > 0 || s->has != CHAT_HAS_ANY;
    return is_any ? 0 : chat_refuse(tx, CHAT_BAD_REQUEST, "q", 0);
}

static struct str text_of(const struct buffer *b) {
    return (struct str){ (const char *) b->data, b->len };
}

struct searching {
    struct chat_cutter cutter;
    struct chat_search_words words;
    struct buffer exact, cut;
};

/* 1; 0: nobody. */
static int find_author(struct chat_tx *tx, struct str id, int64_t *ret) {
    *ret = 0;
    return id.len == 0 ? 1 : FETCH(tx, ret, "SELECT key FROM user WHERE id = ?1", TEXT(id));
}

/* 1; 0: nothing can be found. */
static int find_where(struct chat_tx *tx, const struct chat_actor *by, const struct chat_search *s,
                      int64_t last, struct where *ret) {
    int r = s->room.len > 0 ? find_named(tx, by, s->room, ret)
                            : find_mine(tx, by, (uint64_t) last, ret);
    return r != 0 ? r : ret->n > 0;
}

static int walk(struct chat_tx *tx, const struct chat_search *s, struct searching *g,
                const struct where *where, struct search_walk *w, struct chat_search_result *ret) {
    int64_t keys[CHAT_SEARCH_LIMIT_MAX];
    struct search_found found = { .keys = keys };
    int r = make_expression(s, &g->words, where, w->author, false, &g->exact);
    if (r == 0 && g->words.has_long)
        r = make_expression(s, &g->words, where, w->author, true, &g->cut);
    if (r < 0)
        return r;
    w->exact = text_of(&g->exact);
    w->cut = text_of(&g->cut);
    r = search_walk(tx, w, &found);
    return r == 0 ? show_hits(tx, &g->cutter, &g->words, &found, ret) : r;
}

static int find(struct chat_tx *tx, const struct chat_actor *by, const struct chat_search *s,
                struct searching *g, struct chat_search_result *ret) {
    struct range range;
    struct where where = { 0 };
    int64_t last = 0, author = 0;
    int r = find_range(tx, s, &range);
    if (r != 0)
        return r;
    r = FETCH(tx, &last, "SELECT max(key) FROM message WHERE ?1 IS NOT NULL", NUMBER(1));
    if (r < 0)
        return r;
    r = find_where(tx, by, s, last, &where);
    if (r == 1)
        r = find_author(tx, s->from, &author);
    if (r != 1 || (g->words.has_any && g->words.n == 0))
        return r == 1 ? 0 : r;

    struct search_walk w = {
        .cutter = &g->cutter,
        .words = &g->words,
        .rooms = where.rooms,
        .rooms_n = where.n,
        .wrong_max = where.is_by_tag ? WRONG_MAX_BY_TAG : WRONG_MAX,
        .author = author,
        .flags = s->has == CHAT_HAS_FILE   ? MESSAGE_FILE
                 : s->has == CHAT_HAS_LINK ? MESSAGE_LINK
                                           : 0,
        .from = range.from,
        .below = range.below <= last ? range.below : last + 1,
        .limit = s->limit == 0                      ? CHAT_SEARCH_LIMIT
                 : s->limit < CHAT_SEARCH_LIMIT_MAX ? s->limit
                                                    : CHAT_SEARCH_LIMIT_MAX,
    };
    return walk(tx, s, g, &where, &w, ret);
}

static int search(struct chat_tx *tx, const struct chat_actor *by, const struct chat_search *s,
                  struct searching *g, struct chat_search_result *ret) {
    int r = chat_search_words_parse(&g->cutter, s->q, chat_tx_arena(tx), &g->words);
    if (r == -EMSGSIZE)
        return chat_refuse(tx, CHAT_TOO_LONG, "q", CHAT_SEARCH_BYTES_MAX);
    if (r == 0)
        r = check_query(tx, s, &g->words);
    return r != 0 ? r : find(tx, by, s, g, ret);
}

int chat_search(struct chat_tx *tx, const struct chat_actor *by, const struct chat_search *s,
                struct chat_search_result *ret) {
    struct chat_search_result result = { 0 };
    struct searching g = { .exact = BUFFER_INIT, .cut = BUFFER_INIT };

    int r = chat_cutter_open(tx->connection->db, &g.cutter);
    if (r < 0)
        return r;
    r = search(tx, by, s, &g, &result);
    buffer_finish(&g.exact);
    buffer_finish(&g.cut);
    chat_cutter_close(&g.cutter);
    if (r == 0)
        *ret = result;
    return r;
}

struct str chat_search_cursor(int64_t below, char buf[CHAT_SEARCH_CURSOR_MAX]) {
    int n = snprintf(buf, CHAT_SEARCH_CURSOR_MAX, "%" PRId64, below);
    return (struct str){ buf, (size_t) n };
}
