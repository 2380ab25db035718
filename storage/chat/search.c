#include "storage/chat/search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "storage/chat/query.h"
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

/* ---- the expression ---- */

static void append_rooms_begin(struct buffer *out) {
    buffer_append_str(out, out->len > 0 ? STR(" AND tag : (") : STR("tag : ("));
}

/* ret_n: how many rooms. The tag of one is a word like any: r42. */
static int append_rooms(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                        struct buffer *out, size_t *ret_n) {
    *ret_n = 0;
    if (room.len > 0) {
        struct chat_room found;
        int r = chat_room_check(tx, by, room, CHAT_ACT_READ, &found);
        if (r != 0)
            return r;
        append_rooms_begin(out);
        buffer_printf(out, "\"r%" PRId64 "\")", found.key);
        *ret_n = 1;
        return 0;
    }
    struct rows rows;
    int r = QUERY(tx, &rows, "SELECT room FROM member WHERE user = ?1 AND role > 0 ORDER BY room",
                  NUMBER(by->key));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        if (*ret_n == 0)
            append_rooms_begin(out);
        buffer_printf(out, "%s\"r%" PRId64 "\"", *ret_n > 0 ? " OR " : "", row_number(&rows, 0));
        ++*ret_n;
        r = 0;
    }
    rows_end(&rows);
    if (r == 0 && *ret_n > 0)
        buffer_append_byte(out, ')');
    return r;
}

static void append_tag(struct buffer *out, const char *tag) {
    buffer_printf(out, "%stag : \"%s\"", out->len > 0 ? " AND " : "", tag);
}

/* 1; 0: nothing can be found. */
static int append_from(struct chat_tx *tx, struct str from, struct buffer *out) {
    int64_t key;
    if (from.len == 0)
        return 1;
    int r = FETCH(tx, &key, "SELECT key FROM user WHERE id = ?1", TEXT(from));
    if (r > 0) {
        char tag[32];
        (void) snprintf(tag, sizeof tag, "u%" PRId64, key);
        append_tag(out, tag);
    }
    return r;
}

/* 0, a refusal or an error; *ret_is_any: false: nothing can be found. */
static int make_expression(struct chat_tx *tx, const struct chat_actor *by,
                           const struct chat_search *s, const struct chat_search_words *words,
                           struct buffer *out, bool *ret_is_any) {
    size_t rooms_n = 0;
    *ret_is_any = words->n > 0 || !words->has_any;
    if (!words->has_any && s->room.len == 0 && s->from.len == 0 && s->has == CHAT_HAS_ANY)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "q", 0);
    if (words->n > 0) {
        buffer_append_str(out, STR("body : ("));
        chat_search_words_expression(words, out);
        buffer_append_byte(out, ')');
    }
    if (s->has != CHAT_HAS_ANY)
        append_tag(out, s->has == CHAT_HAS_FILE ? "hasfile" : "haslink");
    int r = append_from(tx, s->from, out);
    if (r < 0)
        return r;
    *ret_is_any = *ret_is_any && r > 0;
    r = append_rooms(tx, by, s->room, out, &rooms_n);
    *ret_is_any = *ret_is_any && rooms_n > 0;
    return r != 0 ? r : buffer_error(out);
}

/* ---- the hits ---- */

static int find_keys(struct chat_tx *tx, struct str expression, struct range range, size_t limit,
                     int64_t *ret, size_t *ret_n) {
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT rowid FROM message_fts WHERE message_fts MATCH ?1"
                  " AND rowid >= ?2 AND rowid < ?3 ORDER BY rowid DESC LIMIT ?4",
                  TEXT(expression), NUMBER(range.from), NUMBER(range.below),
                  NUMBER((int64_t) limit));
    *ret_n = 0;
    while (r == 0 && *ret_n < limit && (r = rows_next(&rows)) > 0) {
        ret[(*ret_n)++] = row_number(&rows, 0);
        r = 0;
    }
    rows_end(&rows);
    return r;
}

static int show_hits(struct chat_tx *tx, const struct chat_cutter *cutter,
                     const struct chat_search_words *words, const int64_t *keys, size_t n,
                     struct chat_search_result *ret) {
    struct chat_messages messages;
    int r = chat_messages_by_key(tx, keys, n, &messages);
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
    return r;
}

static int search(struct chat_tx *tx, const struct chat_actor *by, const struct chat_search *s,
                  const struct chat_cutter *cutter, struct buffer *expression,
                  struct chat_search_result *ret) {
    struct chat_search_words words;
    struct range range;
    int64_t keys[CHAT_SEARCH_LIMIT_MAX + 1];
    bool is_any = false;
    size_t n = 0, limit = s->limit == 0                      ? CHAT_SEARCH_LIMIT
                          : s->limit < CHAT_SEARCH_LIMIT_MAX ? s->limit
                                                             : CHAT_SEARCH_LIMIT_MAX;

    int r = chat_search_words_parse(cutter, s->q, chat_tx_arena(tx), &words);
    if (r == -EMSGSIZE)
        return chat_refuse(tx, CHAT_TOO_LONG, "q", CHAT_SEARCH_BYTES_MAX);
    if (r == 0)
        r = make_expression(tx, by, s, &words, expression, &is_any);
    if (r == 0)
        r = find_range(tx, s, &range);
    if (r != 0 || !is_any)
        return r;
    r = find_keys(tx, (struct str){ (const char *) expression->data, expression->len }, range,
                  limit + 1, keys, &n);
    ret->has_more = n > limit;
    return r == 0 ? show_hits(tx, cutter, &words, keys, n < limit ? n : limit, ret) : r;
}

int chat_search(struct chat_tx *tx, const struct chat_actor *by, const struct chat_search *s,
                struct chat_search_result *ret) {
    struct chat_search_result result = { 0 };
    struct chat_cutter cutter;
    struct buffer expression = BUFFER_INIT;

    int r = chat_cutter_open(tx->connection->db, &cutter);
    if (r < 0)
        return r;
    r = search(tx, by, s, &cutter, &expression, &result);
    buffer_finish(&expression);
    chat_cutter_close(&cutter);
    if (r == 0)
        *ret = result;
    return r;
}

struct str chat_search_cursor(const struct chat_search_hit *hit, char buf[CHAT_SEARCH_CURSOR_MAX]) {
    int n = snprintf(buf, CHAT_SEARCH_CURSOR_MAX, "%" PRId64, hit->message.key);
    return (struct str){ buf, (size_t) n };
}
