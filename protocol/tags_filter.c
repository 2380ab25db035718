#include "protocol/tags_filter.h"

#include <errno.h>
#include <stdlib.h>

enum op { OP_LEAF, OP_AND, OP_OR, OP_NOT };

enum cmp {
    CMP_EQ,
    CMP_NEQ,
    CMP_IN,
    CMP_NIN,
    CMP_EX,
    CMP_NEX,
    CMP_SW,
    CMP_EW,
    CMP_CT,
    CMP_LT,
    CMP_LTE,
    CMP_GT,
    CMP_GTE,
};

/* A node in the order of the text: parents before children, each subtree in one piece. */
struct node {
    uint8_t op;   /* enum op */
    uint8_t cmp;  /* enum cmp, of a leaf */
    uint16_t end; /* index behind its subtree */
    uint32_t n_vals;
    struct str key, val;
    const struct str *vals;
};

struct tags_filter {
    struct size { /* of what follows */
        size_t nodes, values, text;
    } size;
    struct node nodes[]; /* then the lists of values, then the text */
};

static const struct {
    struct str name;
    enum cmp cmp;
} cmps[] = {
    { { "eq", 2 }, CMP_EQ },   { { "neq", 3 }, CMP_NEQ }, { { "in", 2 }, CMP_IN },
    { { "nin", 3 }, CMP_NIN }, { { "ex", 2 }, CMP_EX },   { { "nex", 3 }, CMP_NEX },
    { { "sw", 2 }, CMP_SW },   { { "ew", 2 }, CMP_EW },   { { "ct", 2 }, CMP_CT },
    { { "lt", 2 }, CMP_LT },   { { "lte", 3 }, CMP_LTE }, { { "gt", 2 }, CMP_GT },
    { { "gte", 3 }, CMP_GTE },
};

/* ---- checking ---- */

static const char *judge_leaf(const struct filter_node *from, enum cmp *ret) {
    size_t i = 0;
    while (i < sizeof cmps / sizeof *cmps && !str_equal(cmps[i].name, from->cmp))
        i++;
    if (i == sizeof cmps / sizeof *cmps)
        return "an unknown comparison";
    *ret = cmps[i].cmp;

    if (*ret == CMP_EX || *ret == CMP_NEX)
        return from->val.len || from->n_vals ? "a value where none is compared" : NULL;
    if (from->key.len == 0)
        return "a comparison without a key";
    if (*ret == CMP_IN || *ret == CMP_NIN)
        return from->n_vals == 0 ? "a list without values" : NULL;
    return from->val.len == 0 ? "a comparison without a value" : NULL;
}

static const char *judge(const struct filter_node *from, enum op *ret_op, enum cmp *ret_cmp) {
    if (from->op.len == 0) {
        *ret_op = OP_LEAF;
        return judge_leaf(from, ret_cmp);
    }
    if (str_equal(from->op, STR("not"))) {
        *ret_op = OP_NOT;
        return from->n_nodes != 1 ? "not takes one node" : NULL;
    }
    if (str_equal(from->op, STR("and")))
        *ret_op = OP_AND;
    else if (str_equal(from->op, STR("or")))
        *ret_op = OP_OR;
    else
        return "an unknown operation";
    return from->n_nodes == 0 ? "an operation without nodes" : NULL;
}

/* ---- walking a tree, parents first ---- */

struct walk {
    struct {
        const struct filter_node *parent;
        size_t next; /* of its children */
        uint16_t index;
    } path[FILTER_DEPTH_MAX];
    unsigned depth;
    uint16_t n; /* nodes seen */
};

static void measure(const struct filter_node *from, struct size *size) {
    size->values += from->n_vals;
    size->text += from->key.len + from->val.len;
    for (size_t i = 0; i < from->n_vals; i++)
        size->text += from->vals[i].len;
}

/* What is filled while the tree is walked: nothing the first time, when only sizes are wanted. */
struct filling {
    struct tags_filter *filter;
    struct str *values;
    char *text;
};

static struct str put(struct filling *f, struct str s) {
    if (s.len)
        memcpy(f->text, s.data, s.len);
    struct str copy = { f->text, s.len };
    f->text += s.len;
    return copy;
}

static void fill(struct filling *f, uint16_t index, const struct filter_node *from, enum op op,
                 enum cmp cmp) {
    struct node *n = &f->filter->nodes[index];

    *n = (struct node){ .op = (uint8_t) op, .cmp = (uint8_t) cmp, .end = (uint16_t) (index + 1) };
    n->key = put(f, from->key);
    n->val = put(f, from->val);
    n->vals = f->values;
    n->n_vals = (uint32_t) from->n_vals;
    for (size_t i = 0; i < from->n_vals; i++)
        *f->values++ = put(f, from->vals[i]);
}

/* The next node below or beside the one just visited; NULL: that was the last. */
static const struct filter_node *advance(struct walk *w, struct filling *f) {
    while (w->depth > 0) {
        unsigned top = w->depth - 1;
        if (w->path[top].next < w->path[top].parent->n_nodes)
            return &w->path[top].parent->nodes[w->path[top].next++];
        if (f->filter)
            f->filter->nodes[w->path[top].index].end = w->n;
        w->depth--;
    }
    return NULL;
}

static const char *walk_tree(const struct filter_node *root, struct filling *f, struct size *size) {
    struct walk w = { 0 };

    for (const struct filter_node *at = root; at; at = advance(&w, f)) {
        enum op op = OP_LEAF;
        enum cmp cmp = CMP_EQ;
        const char *why = judge(at, &op, &cmp);
        if (why)
            return why;
        if (w.n == FILTER_NODES_MAX)
            return "too many nodes";
        measure(at, size);
        if (size->values > FILTER_VALUES_MAX)
            return "too many values";
        if (f->filter)
            fill(f, w.n, at, op, cmp);
        if (op != OP_LEAF) {
            if (w.depth == FILTER_DEPTH_MAX)
                return "too deep";
            w.path[w.depth].parent = at;
            w.path[w.depth].next = 0;
            w.path[w.depth++].index = w.n;
        }
        w.n++;
    }
    size->nodes = w.n;
    return NULL;
}

int tags_filter_new(const struct filter_node *root, struct tags_filter **ret,
                    const char **ret_why) {
    struct filling f = { 0 };
    struct size size = { 0 };

    const char *why = walk_tree(root, &f, &size);
    if (why) {
        *ret_why = why;
        return -EINVAL;
    }
    f.filter = malloc(sizeof *f.filter + size.nodes * sizeof(struct node) +
                      size.values * sizeof(struct str) + size.text);
    if (!f.filter) {
        *ret_why = "no memory";
        return -ENOMEM;
    }
    f.values = (struct str *) (void *) &f.filter->nodes[size.nodes];
    f.text = (char *) (f.values + size.values);
    f.filter->size = (struct size){ 0 };
    (void) walk_tree(root, &f, &f.filter->size);
    *ret = f.filter;
    return 0;
}

struct tags_filter *tags_filter_free(struct tags_filter *f) {
    free(f);
    return NULL;
}

/* ---- numbers ---- */

struct decimal {
    bool is_negative;
    struct str whole;    /* without leading zeros */
    struct str fraction; /* without trailing ones */
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static struct str take_digits(struct str *s) {
    struct str digits = { s->data, 0 };
    while (s->len && is_digit(*s->data)) {
        s->data++;
        s->len--;
        digits.len++;
    }
    return digits;
}

static bool decimal_parse(struct str s, struct decimal *ret) {
    *ret = (struct decimal){ 0 };
    if (s.len && (*s.data == '-' || *s.data == '+')) {
        ret->is_negative = *s.data == '-';
        s.data++;
        s.len--;
    }
    ret->whole = take_digits(&s);
    bool has_digits = ret->whole.len > 0;
    if (s.len && *s.data == '.') {
        s.data++;
        s.len--;
        ret->fraction = take_digits(&s);
        has_digits |= ret->fraction.len > 0;
    }
    if (!has_digits || s.len)
        return false;

    while (ret->whole.len && *ret->whole.data == '0') {
        ret->whole.data++;
        ret->whole.len--;
    }
    while (ret->fraction.len && ret->fraction.data[ret->fraction.len - 1] == '0')
        ret->fraction.len--;
    if (ret->whole.len == 0 && ret->fraction.len == 0)
        ret->is_negative = false;
    return true;
}

static int sign(int n) {
    return n < 0 ? -1 : n > 0;
}

static int compare_text(struct str a, struct str b) {
    size_t shared = a.len < b.len ? a.len : b.len;
    int r = shared ? sign(memcmp(a.data, b.data, shared)) : 0;
    return r ? r : (a.len > b.len) - (a.len < b.len);
}

int decimal_compare(struct str a, struct str b) {
    struct decimal x, y;

    if (!decimal_parse(a, &x) || !decimal_parse(b, &y))
        return -2;
    if (x.is_negative != y.is_negative)
        return x.is_negative ? -1 : 1;
    int r = (x.whole.len > y.whole.len) - (x.whole.len < y.whole.len);
    if (r == 0)
        r = compare_text(x.whole, y.whole);
    if (r == 0)
        r = compare_text(x.fraction, y.fraction);
    return x.is_negative ? -r : r;
}

/* ---- matching ---- */

static bool contains(struct str s, struct str part) {
    return part.len == 0 || (s.len >= part.len && memmem(s.data, s.len, part.data, part.len));
}

static bool ends_with(struct str s, struct str part) {
    return s.len >= part.len &&
           (part.len == 0 || memcmp(s.data + s.len - part.len, part.data, part.len) == 0);
}

static bool is_listed(const struct node *n, struct str value) {
    for (uint32_t i = 0; i < n->n_vals; i++)
        if (str_equal(n->vals[i], value))
            return true;
    return false;
}

static bool match_number(const struct node *n, struct str value) {
    int order = decimal_compare(value, n->val);

    if (order == -2)
        return false;
    switch (n->cmp) {
    case CMP_LT:
        return order < 0;
    case CMP_LTE:
        return order <= 0;
    case CMP_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

/* tag: NULL if the publication has none of that key. */
static bool match_leaf(const struct node *n, const struct tag *tag) {
    struct str value = tag ? tag->value : (struct str){ 0 };

    switch (n->cmp) {
    case CMP_EX:
        return tag;
    case CMP_NEX:
        return !tag;
    case CMP_IN: /* a missing tag counts as an empty one in lists */
        return is_listed(n, value);
    case CMP_NIN:
        return !is_listed(n, value);
    case CMP_NEQ:
        return !tag || !str_equal(value, n->val);
    default:
        break;
    }
    if (!tag)
        return false;
    switch (n->cmp) {
    case CMP_EQ:
        return str_equal(value, n->val);
    case CMP_SW:
        return str_starts_with(value, n->val);
    case CMP_EW:
        return ends_with(value, n->val);
    case CMP_CT:
        return contains(value, n->val);
    default:
        return match_number(n, value);
    }
}

static const struct tag *find_tag(const struct tag *tags, size_t n_tags, struct str key) {
    for (size_t i = 0; i < n_tags; i++)
        if (str_equal(tags[i].key, key))
            return &tags[i];
    return NULL;
}

/* Parents wait on a stack while their children are asked; a child that decides skips the rest of
 * its siblings. */
bool tags_filter_match(const struct tags_filter *f, const struct tag *tags, size_t n_tags) {
    uint16_t waiting[FILTER_DEPTH_MAX];
    unsigned depth = 0;
    uint32_t at = 0;

    if (!f)
        return true;
    for (;;) {
        const struct node *n = &f->nodes[at];
        if (n->op != OP_LEAF) {
            waiting[depth++] = (uint16_t) at++;
            continue;
        }
        bool result = match_leaf(n, find_tag(tags, n_tags, n->key));
        at = n->end;
        while (depth > 0) {
            const struct node *parent = &f->nodes[waiting[depth - 1]];
            bool is_decided = parent->op == OP_NOT || (parent->op == OP_OR) == result;
            if (!is_decided && at < parent->end)
                break; /* the next sibling */
            if (parent->op == OP_NOT)
                result = !result;
            at = parent->end;
            depth--;
        }
        if (depth == 0)
            return result;
    }
}
