/* Tags filters, in both forms: whatever is decoded is a tree within its bounds; what is accepted of
 * that matches as a plain walk of the tree does. */
#include <assert.h>
#include <errno.h>

#include "protocol/codec.h"
#include "protocol/tags_filter.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_text(struct str s) {
    assert(utf8_is_valid(str_bytes(s)));
}

static size_t count(const struct filter_node *f, unsigned depth) {
    size_t n = 1;

    assert(depth <= FILTER_DEPTH_MAX);
    check_text(f->op);
    check_text(f->key);
    check_text(f->cmp);
    check_text(f->val);
    for (size_t i = 0; i < f->n_vals; i++)
        check_text(f->vals[i]);
    for (size_t i = 0; i < f->n_nodes; i++)
        n += count(&f->nodes[i], depth + 1);
    return n;
}

/* ---- what a filter means, said plainly ---- */

static const struct tag tags[] = {
    { { "a", 1 }, { "b", 1 } },
    { { "city", 4 }, { "Berlin", 6 } },
    { { "price", 5 }, { "10.50", 5 } },
    { { "", 0 }, { "", 0 } },
};

static const struct str *find(size_t n_tags, struct str key) {
    for (size_t i = 0; i < n_tags; i++)
        if (str_equal(tags[i].key, key))
            return &tags[i].value;
    return NULL;
}

static bool is_listed(const struct filter_node *f, struct str value) {
    for (size_t i = 0; i < f->n_vals; i++)
        if (str_equal(f->vals[i], value))
            return true;
    return false;
}

static bool contains(struct str s, struct str part) {
    for (size_t i = 0; i + part.len <= s.len; i++)
        if (str_equal((struct str){ s.data + i, part.len }, part))
            return true;
    return false;
}

static bool leaf_means(const struct filter_node *f, const struct str *tag) {
    struct str value = tag ? *tag : (struct str){ 0 };
    bool is_cut = value.len < f->val.len;

    if (str_equal(f->cmp, STR("ex")))
        return tag;
    if (str_equal(f->cmp, STR("nex")))
        return !tag;
    if (str_equal(f->cmp, STR("in")))
        return is_listed(f, value);
    if (str_equal(f->cmp, STR("nin")))
        return !is_listed(f, value);
    if (str_equal(f->cmp, STR("neq")))
        return !(tag && str_equal(value, f->val));
    if (!tag)
        return false;
    if (str_equal(f->cmp, STR("eq")))
        return str_equal(value, f->val);
    if (str_equal(f->cmp, STR("sw")))
        return !is_cut && str_equal((struct str){ value.data, f->val.len }, f->val);
    if (str_equal(f->cmp, STR("ew")))
        return !is_cut &&
               str_equal((struct str){ value.data + value.len - f->val.len, f->val.len }, f->val);
    if (str_equal(f->cmp, STR("ct")))
        return contains(value, f->val);
    int order = decimal_compare(value, f->val);
    if (order == -2)
        return false;
    if (f->cmp.data[0] == 'l')
        return order < 0 || (order == 0 && f->cmp.len == 3);
    return order > 0 || (order == 0 && f->cmp.len == 3);
}

static bool means(const struct filter_node *f, size_t n_tags) {
    if (f->op.len == 0)
        return leaf_means(f, find(n_tags, f->key));
    if (str_equal(f->op, STR("not")))
        return !means(&f->nodes[0], n_tags);
    bool is_or = str_equal(f->op, STR("or"));
    for (size_t i = 0; i < f->n_nodes; i++)
        if (means(&f->nodes[i], n_tags) == is_or)
            return is_or;
    return !is_or;
}

static void match(const struct filter_node *f) {
    struct tags_filter *checked = NULL;
    const char *why = NULL;

    int r = tags_filter_new(f, &checked, &why);
    assert(r == 0 || (r == -EINVAL && why));
    for (size_t n = 0; r == 0 && n <= sizeof tags / sizeof *tags; n++)
        assert(tags_filter_match(checked, tags, n) == means(f, n));
    tags_filter_free(checked);
}

static void decode(const struct codec *codec, struct bytes encoded) {
    struct arena arena = ARENA_INIT;
    const struct filter_node *f;
    const char *why = NULL;

    int result = codec->decode_filter(encoded, &arena, &f, &why);
    assert(result == 0 || (result == -EBADMSG && why));
    if (result == 0) {
        assert(count(f, 1) <= FILTER_NODES_MAX);
        match(f);
    }
    arena_finish(&arena);
}

int fuzz_one(const uint8_t *data, size_t size) {
    decode(&codec_json, bytes_of(data, size));
    decode(&codec_protobuf, bytes_of(data, size));
    return 0;
}
