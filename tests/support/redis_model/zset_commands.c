#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/redis_model/command.h"

/* ---- changing ---- */

struct zadd_options {
    bool is_new, is_old, greater, less, counts_changes, increments;
};

static size_t read_zadd_options(struct call *c, struct zadd_options *o) {
    size_t i = 2;
    *o = (struct zadd_options){ 0 };
    for (; i < c->n; i++) {
        if (bytes_are(c->argv[i], "nx"))
            o->is_new = true;
        else if (bytes_are(c->argv[i], "xx"))
            o->is_old = true;
        else if (bytes_are(c->argv[i], "gt"))
            o->greater = true;
        else if (bytes_are(c->argv[i], "lt"))
            o->less = true;
        else if (bytes_are(c->argv[i], "ch"))
            o->counts_changes = true;
        else
            break;
    }
    return i;
}

static void run_zadd(struct call *c) {
    struct zadd_options o;
    size_t first = read_zadd_options(c, &o);
    struct value *v;
    int64_t n_new = 0, n_changed = 0;
    double score;

    if (first == c->n || (c->n - first) % 2) {
        answer_error(c, "ERR syntax error");
        return;
    }
    if (o.is_new && o.is_old) {
        answer_error(c, "ERR XX and NX options at the same time are not compatible");
        return;
    }
    if ((o.greater && o.less) || (o.is_new && (o.greater || o.less))) {
        answer_error(c, "ERR GT, LT, and/or NX options at the same time are not compatible");
        return;
    }
    for (size_t i = first; i < c->n; i += 2)
        if (!bytes_to_double(c->argv[i], &score)) {
            answer_error(c, "ERR value is not a valid float");
            return;
        }
    if (!want_typed(c, 1, VALUE_ZSET, &v))
        return;
    for (size_t i = first; i < c->n; i += 2) {
        const struct zset_member *m = zset_find(v, c->argv[i + 1]);
        (void) bytes_to_double(c->argv[i], &score);
        if (m ? o.is_new || (o.greater && score <= m->score) || (o.less && score >= m->score)
              : o.is_old)
            continue;
        n_new += !m;
        n_changed += !m || m->score < score || m->score > score;
        zset_put(v, c->argv[i + 1], score);
    }
    c->has_written = n_changed > 0;
    drop_if_empty(c, v);
    answer_int(c, o.counts_changes ? n_changed : n_new);
}

static void run_zrem(struct call *c) {
    struct value *v;
    int64_t n = 0;
    if (!find_typed(c, 1, VALUE_ZSET, &v))
        return;
    for (size_t i = 2; v && i < c->n; i++) {
        const struct zset_member *m = zset_find(v, c->argv[i]);
        if (!m)
            continue;
        zset_delete_at(v, (size_t) (m - v->members));
        n++;
    }
    c->has_written = n > 0;
    if (v)
        drop_if_empty(c, v);
    answer_int(c, n);
}

static void run_zincrby(struct call *c) {
    struct value *v;
    double by;
    if (!bytes_to_double(c->argv[2], &by)) {
        answer_error(c, "ERR value is not a valid float");
        return;
    }
    if (!want_typed(c, 1, VALUE_ZSET, &v))
        return;
    const struct zset_member *m = zset_find(v, c->argv[3]);
    double score = m ? m->score + by : by;
    if (isnan(score)) {
        answer_error(c, "ERR resulting score is not a number (NaN)");
        return;
    }
    zset_put(v, c->argv[3], score);
    c->has_written = true;
    answer_double(c, score);
}

/* ---- one ---- */

static void run_zscore(struct call *c) {
    struct value *v;
    if (!find_typed(c, 1, VALUE_ZSET, &v))
        return;
    const struct zset_member *m = v ? zset_find(v, c->argv[2]) : NULL;
    if (m)
        answer_double(c, m->score);
    else
        answer_nil(c);
}

static void run_zcard(struct call *c) {
    struct value *v;
    if (find_typed(c, 1, VALUE_ZSET, &v))
        answer_int(c, v ? (int64_t) v->n : 0);
}

/* ---- ranges ---- */

struct range {
    double min, max;
    bool min_open, max_open;
};

static bool read_bound(struct bytes b, double *ret, bool *ret_open) {
    *ret_open = b.len > 0 && b.data[0] == '(';
    return bytes_to_double(*ret_open ? bytes_of(b.data + 1, b.len - 1) : b, ret);
}

static bool read_range(struct call *c, size_t min_at, size_t max_at, struct range *ret) {
    if (read_bound(c->argv[min_at], &ret->min, &ret->min_open) &&
        read_bound(c->argv[max_at], &ret->max, &ret->max_open))
        return true;
    answer_error(c, "ERR min or max is not a float");
    return false;
}

static bool is_within(const struct range *r, double score) {
    return (r->min_open ? score > r->min : score >= r->min) &&
           (r->max_open ? score < r->max : score <= r->max);
}

/* What is within is in a row: from *ret_first on, so many. */
static size_t find_within(const struct value *v, const struct range *r, size_t *ret_first) {
    size_t n = 0;
    *ret_first = 0;
    for (size_t i = 0; v && i < v->n; i++)
        if (is_within(r, v->members[i].score)) {
            if (n++ == 0)
                *ret_first = i;
        }
    return n;
}

/* Indexes from and to, of n, which may count from the end: the first, and how many. */
static size_t clip(int64_t from, int64_t to, size_t n, size_t *ret_first) {
    int64_t size = (int64_t) n;
    from = from < 0 ? from + size : from;
    to = to < 0 ? to + size : to;
    from = from < 0 ? 0 : from;
    to = to >= size ? size - 1 : to;
    *ret_first = (size_t) from;
    return from > to || from >= size ? 0 : (size_t) (to - from + 1);
}

/* n members from first on; backwards: down from the last of them. */
static void answer_members(struct call *c, const struct value *v, size_t first, size_t n,
                           bool backwards, bool has_scores) {
    answer_array(c, has_scores ? 2 * n : n);
    for (size_t i = 0; i < n; i++) {
        const struct zset_member *m = &v->members[backwards ? first + n - 1 - i : first + i];
        answer_bulk(c, blob_bytes(&m->name));
        if (has_scores)
            answer_double(c, m->score);
    }
}

struct range_options {
    bool by_score, is_reverse, has_scores, has_limit;
    int64_t skip, limit;
};

static bool read_range_options(struct call *c, size_t from, struct range_options *o) {
    bool is_right = true;
    o->limit = -1;
    for (size_t i = from; i < c->n && is_right; i++) {
        if (bytes_are(c->argv[i], "withscores")) {
            o->has_scores = true;
        } else if (bytes_are(c->argv[i], "limit") && i + 2 < c->n) {
            if (!argument_int(c, i + 1, &o->skip) || !argument_int(c, i + 2, &o->limit))
                return false;
            o->has_limit = true;
            i += 2;
        } else if (from == 4 && bytes_are(c->argv[0], "zrange") &&
                   bytes_are(c->argv[i], "byscore")) {
            o->by_score = true;
        } else if (from == 4 && bytes_are(c->argv[0], "zrange") && bytes_are(c->argv[i], "rev")) {
            o->is_reverse = true;
        } else {
            is_right = false;
        }
    }
    if (!is_right)
        answer_error(c, "ERR syntax error");
    else if (o->has_limit && !o->by_score)
        answer_error(c, "ERR syntax error, LIMIT is only supported in combination with either "
                        "BYSCORE or BYLEX");
    return is_right && !(o->has_limit && !o->by_score);
}

static void answer_range(struct call *c, struct range_options *o) {
    struct value *v;
    struct range r;
    int64_t from, to;
    size_t first, n, skip = 0;

    if (!read_range_options(c, 4, o))
        return;
    if (o->by_score) {
        if (!read_range(c, o->is_reverse ? 3 : 2, o->is_reverse ? 2 : 3, &r))
            return;
        if (!find_typed(c, 1, VALUE_ZSET, &v))
            return;
        n = find_within(v, &r, &first);
    } else {
        if (!argument_int(c, 2, &from) || !argument_int(c, 3, &to) ||
            !find_typed(c, 1, VALUE_ZSET, &v))
            return;
        n = clip(from, to, v ? v->n : 0, &first);
        if (o->is_reverse && v)
            first = v->n - first - n;
    }
    if (o->has_limit) {
        if (o->skip < 0 || (size_t) o->skip > n)
            skip = n;
        else
            skip = (size_t) o->skip;
        n -= skip;
        size_t cut = o->limit >= 0 && (size_t) o->limit < n ? n - (size_t) o->limit : 0;
        n -= cut;
        first += o->is_reverse ? cut : skip;
    }
    answer_members(c, v, n ? first : 0, n, o->is_reverse, o->has_scores);
}

static void run_zrange(struct call *c) {
    answer_range(c, &(struct range_options){ 0 });
}

static void run_zrevrange(struct call *c) {
    answer_range(c, &(struct range_options){ .is_reverse = true });
}

static void run_zrangebyscore(struct call *c) {
    answer_range(c, &(struct range_options){ .by_score = true });
}

static void run_zrevrangebyscore(struct call *c) {
    answer_range(c, &(struct range_options){ .by_score = true, .is_reverse = true });
}

static void run_zcount(struct call *c) {
    struct value *v;
    struct range r;
    size_t first;
    if (read_range(c, 2, 3, &r) && find_typed(c, 1, VALUE_ZSET, &v))
        answer_int(c, (int64_t) find_within(v, &r, &first));
}

/* ---- by name, where all have the same score ---- */

/* "-", "+", "[NAME", "(NAME". */
static bool read_name_bound(struct call *c, size_t i) {
    struct bytes b = c->argv[i];
    if (b.len > 0 && (b.data[0] == '[' || b.data[0] == '('))
        return true;
    if (bytes_are(b, "-") || bytes_are(b, "+"))
        return true;
    answer_error(c, "ERR min or max not valid string range item");
    return false;
}

/* Is the name above (1), at (0) or below (-1) the bound? */
static int name_to_bound(struct bytes name, struct bytes bound) {
    if (bound.data[0] == '-')
        return 1;
    if (bound.data[0] == '+')
        return -1;
    size_t len = bound.len - 1, least = name.len < len ? name.len : len;
    int order = least > 0 ? memcmp(name.data, bound.data + 1, least) : 0;
    if (order == 0)
        order = (name.len > len) - (name.len < len);
    return (order > 0) - (order < 0);
}

static bool is_named_within(struct bytes name, struct bytes min, struct bytes max) {
    int above = name_to_bound(name, min), below = name_to_bound(name, max);
    return (min.data[0] == '(' ? above > 0 : above >= 0) &&
           (max.data[0] == '(' ? below < 0 : below <= 0);
}

static void answer_named(struct call *c, size_t min_at, size_t max_at) {
    struct range_options o = { .by_score = true };
    struct value *v;
    size_t first = 0, n = 0;

    if (!read_range_options(c, 4, &o))
        return;
    if (o.has_scores) {
        answer_error(c, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return;
    }
    if (!read_name_bound(c, min_at) || !read_name_bound(c, max_at) ||
        !find_typed(c, 1, VALUE_ZSET, &v))
        return;
    for (size_t i = 0; v && i < v->n; i++)
        if (is_named_within(blob_bytes(&v->members[i].name), c->argv[min_at], c->argv[max_at])) {
            if (n++ == 0)
                first = i;
        }
    bool backwards = min_at > max_at;
    size_t skip = !o.has_limit ? 0 : o.skip < 0 || (size_t) o.skip > n ? n : (size_t) o.skip;
    n -= skip;
    size_t cut = o.has_limit && o.limit >= 0 && (size_t) o.limit < n ? n - (size_t) o.limit : 0;
    answer_members(c, v, first + (backwards ? cut : skip), n - cut, backwards, false);
}

static void run_zrangebylex(struct call *c) {
    answer_named(c, 2, 3);
}

static void run_zrevrangebylex(struct call *c) {
    answer_named(c, 3, 2);
}

static void remove_members(struct call *c, struct value *v, size_t first, size_t n) {
    for (size_t i = 0; i < n; i++)
        zset_delete_at(v, first);
    c->has_written = n > 0;
    if (v)
        drop_if_empty(c, v);
    answer_int(c, (int64_t) n);
}

static void run_zremrangebyscore(struct call *c) {
    struct value *v;
    struct range r;
    size_t first;
    if (!read_range(c, 2, 3, &r) || !find_typed(c, 1, VALUE_ZSET, &v))
        return;
    size_t n = find_within(v, &r, &first);
    remove_members(c, v, first, n);
}

static void run_zremrangebyrank(struct call *c) {
    struct value *v;
    int64_t from, to;
    size_t first;
    if (!argument_int(c, 2, &from) || !argument_int(c, 3, &to) || !find_typed(c, 1, VALUE_ZSET, &v))
        return;
    size_t n = clip(from, to, v ? v->n : 0, &first);
    remove_members(c, v, first, n);
}

const struct redis_command_entry zset_commands[] = {
    { "zadd", -4, COMMAND_WRITES | COMMAND_GROWS, run_zadd },
    { "zrem", -3, COMMAND_WRITES, run_zrem },
    { "zincrby", 4, COMMAND_WRITES | COMMAND_GROWS, run_zincrby },
    { "zscore", 3, 0, run_zscore },
    { "zcard", 2, 0, run_zcard },
    { "zcount", 4, 0, run_zcount },
    { "zrange", -4, 0, run_zrange },
    { "zrevrange", -4, 0, run_zrevrange },
    { "zrangebyscore", -4, 0, run_zrangebyscore },
    { "zrevrangebyscore", -4, 0, run_zrevrangebyscore },
    { "zrangebylex", -4, 0, run_zrangebylex },
    { "zrevrangebylex", -4, 0, run_zrevrangebylex },
    { "zremrangebyscore", 4, COMMAND_WRITES, run_zremrangebyscore },
    { "zremrangebyrank", 4, COMMAND_WRITES, run_zremrangebyrank },
    { 0 },
};
