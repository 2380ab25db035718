#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/redis_model/command.h"

static const char bad_id[] = "ERR Invalid stream ID specified as stream command argument";

static bool read_number(const uint8_t *data, size_t len, uint64_t *ret) {
    *ret = 0;
    for (size_t i = 0; i < len; i++)
        if (data[i] < '0' || data[i] > '9' || __builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, (uint64_t) (data[i] - '0'), ret))
            return false;
    return len > 0;
}

/* "5-1", or "5", whose second part is missing_seq. */
static bool read_id(struct bytes b, uint64_t missing_seq, struct stream_id *ret) {
    const uint8_t *dash = b.len ? memchr(b.data, '-', b.len) : NULL;
    size_t first = dash ? (size_t) (dash - b.data) : b.len;

    ret->seq = missing_seq;
    return read_number(b.data, first, &ret->ms) &&
           (!dash || read_number(dash + 1, b.len - first - 1, &ret->seq));
}

static void answer_id(struct call *c, struct stream_id id) {
    char text[48];
    int len = snprintf(text, sizeof text, "%llu-%llu", (unsigned long long) id.ms,
                       (unsigned long long) id.seq);
    answer_bulk(c, bytes_of(text, (size_t) len));
}

/* ---- trimming ---- */

struct trim {
    bool has_max_len, has_min_id, is_roughly;
    int64_t max_len;
    struct stream_id min_id;
};

/* MAXLEN or MINID at argument i: how many arguments it has; 0: an error, answered. Of "~" Redis is
 * free to trim nothing, and does so for less than a node of 100: so does this. */
static size_t read_trim(struct call *c, size_t i, struct trim *t) {
    size_t at = i + 1;
    t->has_max_len = bytes_are(c->argv[i], "maxlen");
    t->has_min_id = !t->has_max_len;
    if (at < c->n && (bytes_are(c->argv[at], "~") || bytes_are(c->argv[at], "=")))
        t->is_roughly = c->argv[at++].data[0] == '~';
    if (at == c->n) {
        answer_error(c, "ERR syntax error");
        return 0;
    }
    if (t->has_max_len) {
        if (!argument_int(c, at, &t->max_len))
            return 0;
        if (t->max_len < 0) {
            answer_error(c, "ERR The MAXLEN argument must be >= 0.");
            return 0;
        }
    } else if (!read_id(c->argv[at], 0, &t->min_id)) {
        answer_error(c, bad_id);
        return 0;
    }
    return at + 1 - i;
}

static size_t trim(struct value *v, const struct trim *t) {
    size_t n = 0;
    if (t->has_max_len && v->n > (size_t) t->max_len)
        n = v->n - (size_t) t->max_len;
    if (t->has_min_id)
        n = stream_lower_bound(v, t->min_id);
    if (t->is_roughly)
        n -= n % 100;
    stream_drop_first(v, n);
    return n;
}

static void run_xtrim(struct call *c) {
    struct value *v;
    struct trim t = { 0 };
    if (!bytes_are(c->argv[2], "maxlen") && !bytes_are(c->argv[2], "minid")) {
        answer_error(c, "ERR syntax error");
        return;
    }
    size_t used = read_trim(c, 2, &t);
    if (used == 0 || !find_typed(c, 1, VALUE_STREAM, &v))
        return;
    size_t n = v ? trim(v, &t) : 0;
    c->has_written = n > 0;
    answer_int(c, (int64_t) n);
}

/* ---- adding ---- */

/* "*", "5-*", "5-1", "5". */
struct wanted_id {
    struct stream_id id;
    bool is_any, is_any_seq;
};

/* False: an error, answered. */
static bool read_wanted(struct call *c, struct bytes text, struct wanted_id *ret) {
    struct bytes ms = bytes_of(text.data, text.len > 2 ? text.len - 2 : 0);

    *ret = (struct wanted_id){ .is_any = bytes_are(text, "*") };
    if (ret->is_any)
        return true;
    ret->is_any_seq = ms.len && memcmp(text.data + ms.len, "-*", 2) == 0;
    if (!read_id(ret->is_any_seq ? ms : text, 0, &ret->id)) {
        answer_error(c, bad_id);
        return false;
    }
    if (!ret->is_any_seq && ret->id.ms == 0 && ret->id.seq == 0) {
        answer_error(c, "ERR The ID specified in XADD must be greater than 0-0");
        return false;
    }
    return true;
}

/* What it stands for in a stream that ends there. False: an error, answered. */
static bool choose_id(struct call *c, const struct wanted_id *wanted, struct stream_id last,
                      struct stream_id *ret) {
    *ret = wanted->id;
    if (wanted->is_any)
        *ret = (uint64_t) c->now_ms > last.ms ? (struct stream_id){ (uint64_t) c->now_ms, 0 }
                                              : (struct stream_id){ last.ms, last.seq + 1 };
    else if (wanted->is_any_seq)
        ret->seq = ret->ms == last.ms ? last.seq + 1 : 0;
    if (stream_id_compare(*ret, last) > 0)
        return true;
    answer_error(c, "ERR The ID specified in XADD is equal or smaller than the target stream top "
                    "item");
    return false;
}

static void run_xadd(struct call *c) {
    struct value *v;
    struct trim t = { 0 };
    struct wanted_id wanted;
    struct stream_id id;
    bool makes = true;
    size_t i = 2;

    for (; i < c->n; i++) {
        if (bytes_are(c->argv[i], "nomkstream")) {
            makes = false;
        } else if (bytes_are(c->argv[i], "maxlen") || bytes_are(c->argv[i], "minid")) {
            size_t used = read_trim(c, i, &t);
            if (used == 0)
                return;
            i += used - 1;
        } else {
            break;
        }
    }
    if (i + 2 >= c->n || (c->n - i - 1) % 2) {
        answer_error(c, "ERR wrong number of arguments for 'xadd' command");
        return;
    }
    if (!read_wanted(c, c->argv[i], &wanted) || !find_typed(c, 1, VALUE_STREAM, &v))
        return;
    if (!v && !makes) {
        answer_nil(c);
        return;
    }
    if (!choose_id(c, &wanted, v ? v->last : (struct stream_id){ 0 }, &id))
        return;
    if (!v)
        v = keyspace_add(c->keys, c->argv[1], VALUE_STREAM);
    stream_append(v, id, &c->argv[i + 1], c->n - i - 1);
    (void) trim(v, &t);
    c->has_written = true;
    answer_id(c, id);
}

static void run_xdel(struct call *c) {
    struct value *v;
    int64_t n = 0;
    if (!find_typed(c, 1, VALUE_STREAM, &v))
        return;
    struct stream_id id;
    for (size_t i = 2; v && i < c->n; i++)
        if (!read_id(c->argv[i], 0, &id)) {
            answer_error(c, bad_id);
            return;
        }
    for (size_t i = 2; v && i < c->n; i++) {
        (void) read_id(c->argv[i], 0, &id);
        size_t at = stream_lower_bound(v, id);
        if (at == v->n || stream_id_compare(v->entries[at].id, id) != 0)
            continue;
        stream_delete_at(v, at);
        n++;
    }
    c->has_written = n > 0;
    answer_int(c, n);
}

/* ---- reading ---- */

static void run_xlen(struct call *c) {
    struct value *v;
    if (find_typed(c, 1, VALUE_STREAM, &v))
        answer_int(c, v ? (int64_t) v->n : 0);
}

/* The first index at a bound and after it; is_end: the first index past it. */
static bool read_edge(struct call *c, size_t i, const struct value *v, bool is_end, size_t *ret) {
    struct bytes text = c->argv[i];
    struct stream_id id;
    bool is_open = text.len > 1 && text.data[0] == '(';

    if (text.len == 1 && (text.data[0] == '-' || text.data[0] == '+')) {
        *ret = text.data[0] == '-' || !v ? 0 : v->n;
        return true;
    }
    if (is_open)
        text = bytes_of(text.data + 1, text.len - 1);
    if (!read_id(text, is_end ? UINT64_MAX : 0, &id)) {
        answer_error(c, bad_id);
        return false;
    }
    uint64_t last = is_end ? 0 : UINT64_MAX; /* beyond which there is nothing */
    if (is_open && id.ms == last && id.seq == last) {
        answer_error(c, is_end ? "ERR invalid end ID for the interval"
                               : "ERR invalid start ID for the interval");
        return false;
    }
    *ret = v ? stream_lower_bound(v, id) : 0;
    if (is_end != is_open && v && *ret < v->n && stream_id_compare(v->entries[*ret].id, id) == 0)
        ++*ret;
    return true;
}

static void answer_entry(struct call *c, const struct stream_entry *e) {
    answer_array(c, 2);
    answer_id(c, e->id);
    answer_array(c, e->n);
    for (size_t i = 0; i < e->n; i++)
        answer_bulk(c, blob_bytes(&e->fields[i]));
}

static void answer_entries(struct call *c, bool is_reverse) {
    struct value *v;
    int64_t count = -1;
    size_t from, to;

    if (c->n > 4) {
        if (c->n != 6 || !bytes_are(c->argv[4], "count")) {
            answer_error(c, "ERR syntax error");
            return;
        }
        if (!argument_int(c, 5, &count))
            return;
        count = count < 0 ? 0 : count;
    }
    /* The bounds are looked at before the key: with none, then with its own. */
    if (!read_edge(c, is_reverse ? 3 : 2, NULL, false, &from) ||
        !read_edge(c, is_reverse ? 2 : 3, NULL, true, &to) || !find_typed(c, 1, VALUE_STREAM, &v))
        return;
    if (!v || count == 0) {
        if (v && count == 0)
            answer_nil_array(c);
        else
            answer_array(c, 0);
        return;
    }
    (void) read_edge(c, is_reverse ? 3 : 2, v, false, &from);
    (void) read_edge(c, is_reverse ? 2 : 3, v, true, &to);
    size_t n = to > from ? to - from : 0;
    if (count >= 0 && (size_t) count < n)
        n = (size_t) count;
    answer_array(c, n);
    for (size_t i = 0; i < n; i++)
        answer_entry(c, &v->entries[is_reverse ? to - 1 - i : from + i]);
}

static void run_xrange(struct call *c) {
    answer_entries(c, false);
}

static void run_xrevrange(struct call *c) {
    answer_entries(c, true);
}

const struct redis_command_entry stream_commands[] = {
    { "xadd", -5, COMMAND_WRITES | COMMAND_GROWS, run_xadd },
    { "xtrim", -4, COMMAND_WRITES, run_xtrim },
    { "xdel", -3, COMMAND_WRITES, run_xdel },
    { "xlen", 2, 0, run_xlen },
    { "xrange", -4, 0, run_xrange },
    { "xrevrange", -4, 0, run_xrevrange },
    { 0 },
};
