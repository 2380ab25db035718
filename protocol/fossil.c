#include "protocol/fossil.h"

#include <errno.h>
#include <stdlib.h>

enum {
    WINDOW = 16,          /* bytes that must agree before a match is looked at */
    CHAIN_STEPS = 32,     /* blocks of one hash that are tried at one place */
    MATCH_LONG = 2048,    /* nobody looks for a longer one */
    EFFORT_PER_BYTE = 16, /* comparisons of words, per byte of the target, all in all */
    DIGITS_MAX = 6,       /* of a number below 2^32 */
};

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
_Static_assert(sizeof digits == 65, "64 digits");

/* ---- numbers and the checksum ---- */

static void append_number(struct buffer *out, uint32_t n) {
    char text[DIGITS_MAX];
    unsigned at = DIGITS_MAX;

    do {
        text[--at] = digits[n & 63];
        n >>= 6;
    } while (n);
    buffer_append(out, text + at, DIGITS_MAX - at);
}

static unsigned number_len(uint32_t n) {
    unsigned len = 1;
    while (n >>= 6)
        len++;
    return len;
}

static int digit_value(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 10;
    if (c == '_')
        return 36;
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 37;
    return c == '~' ? 63 : -1;
}

static uint32_t checksum(struct bytes b) {
    uint32_t sum = 0;
    size_t i = 0;

    for (; i + 4 <= b.len; i += 4)
        sum += (uint32_t) b.data[i] << 24 | (uint32_t) b.data[i + 1] << 16 |
               (uint32_t) b.data[i + 2] << 8 | b.data[i + 3];
    for (unsigned shift = 24; i < b.len; i++, shift -= 8)
        sum += (uint32_t) b.data[i] << shift;
    return sum;
}

/* ---- the index ---- */

/* A polynomial over the bytes of a window; arithmetic modulo 2^32. */
enum { FACTOR = 0x01000193 };

static uint32_t hash_window(const uint8_t *at) {
    uint32_t h = 0;
    for (unsigned i = 0; i < WINDOW; i++)
        h = h * FACTOR + at[i];
    return h;
}

/* FACTOR to the power WINDOW - 1: the weight of a window's first byte. */
static uint32_t first_weight(void) {
    uint32_t w = 1;
    for (unsigned i = 1; i < WINDOW; i++)
        w *= FACTOR;
    return w;
}

struct block {
    uint32_t hash;
    uint32_t next; /* number of the next block of this slot, + 1; 0: none */
};

struct fossil_index {
    struct bytes source;
    uint32_t n_blocks;
    unsigned shift;        /* of a mixed hash, to a slot */
    uint32_t *slots;       /* number of the first block, + 1 */
    struct block blocks[]; /* aligned windows of the source, then the slots */
};

static uint32_t slot_of(const struct fossil_index *index, uint32_t hash) {
    return (uint32_t) (hash * UINT32_C(2654435769)) >> index->shift;
}

struct fossil_index *fossil_index_new(struct bytes source) {
    if (source.len > UINT32_MAX)
        return NULL;
    uint32_t n = (uint32_t) (source.len / WINDOW);
    unsigned bits = 1;
    while (bits < 28 && (UINT32_C(1) << bits) < n)
        bits++;

    size_t slots = (size_t) 1 << bits;
    struct fossil_index *index =
            malloc(sizeof *index + n * sizeof(struct block) + slots * sizeof(uint32_t));
    if (!index)
        return NULL;
    *index = (struct fossil_index){ .source = source, .n_blocks = n, .shift = 32 - bits };
    index->slots = (uint32_t *) (void *) &index->blocks[n];
    memset(index->slots, 0, slots * sizeof(uint32_t));

    for (uint32_t i = n; i-- > 0;) { /* backwards, so that chains run forwards */
        uint32_t h = hash_window(source.data + (size_t) i * WINDOW);
        uint32_t *slot = &index->slots[slot_of(index, h)];
        index->blocks[i] = (struct block){ .hash = h, .next = *slot };
        *slot = i + 1;
    }
    return index;
}

struct fossil_index *fossil_index_free(struct fossil_index *index) {
    free(index);
    return NULL;
}

/* ---- encoding ---- */

struct match {
    size_t source, target, len;
};

struct encoder {
    const struct fossil_index *index;
    struct bytes target;
    struct buffer *out;
    size_t from;   /* the target is written up to here */
    size_t effort; /* left */
    bool is_text;
};

static uint64_t word_at(const uint8_t *at) {
    uint64_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

static size_t common_ahead(const uint8_t *a, const uint8_t *b, size_t max) {
    size_t n = 0;
    while (n + 8 <= max && word_at(a + n) == word_at(b + n))
        n += 8;
    while (n < max && a[n] == b[n])
        n++;
    return n;
}

static size_t common_behind(const uint8_t *a, const uint8_t *b, size_t max) {
    size_t n = 0;
    while (n < max && a[-1 - (ptrdiff_t) n] == b[-1 - (ptrdiff_t) n])
        n++;
    return n;
}

static void spend(struct encoder *e, size_t words) {
    e->effort -= words < e->effort ? words : e->effort;
}

/* The whole stretch around a block that is the same in both, back to what is written already. */
static struct match extend(struct encoder *e, size_t source, size_t target) {
    const uint8_t *s = e->index->source.data + source, *t = e->target.data + target;
    size_t left_s = e->index->source.len - source, left_t = e->target.len - target;
    size_t pending = target - e->from;

    size_t ahead = common_ahead(s, t, left_s < left_t ? left_s : left_t);
    spend(e, 1 + ahead / 8);
    if (ahead < WINDOW) /* another window of the same hash */
        return (struct match){ 0 };
    size_t behind = common_behind(s, t, source < pending ? source : pending);
    spend(e, behind);
    return (struct match){ source - behind, target - behind, ahead + behind };
}

static struct match longest_at(struct encoder *e, size_t at, uint32_t hash) {
    const struct fossil_index *index = e->index;
    struct match best = { 0 };
    uint32_t next = index->slots[slot_of(index, hash)];

    for (unsigned steps = 0; next && steps < CHAIN_STEPS && e->effort && best.len < MATCH_LONG;
         steps++) {
        const struct block *b = &index->blocks[next - 1];
        if (b->hash == hash) {
            struct match m = extend(e, (size_t) (next - 1) * WINDOW, at);
            if (m.len > best.len)
                best = m;
        }
        next = b->next;
    }
    return best;
}

/* Moves both ends to borders of characters, inwards. */
static void align(const struct encoder *e, struct match *m) {
    const uint8_t *text = e->target.data;

    while (m->len && utf8_is_continuation(text[m->target])) {
        m->source++;
        m->target++;
        m->len--;
    }
    while (m->len && m->target + m->len < e->target.len &&
           utf8_is_continuation(text[m->target + m->len]))
        m->len--;
}

static bool is_worth_it(const struct encoder *e, const struct match *m) {
    size_t cost = number_len((uint32_t) m->len) + number_len((uint32_t) m->source) + 2;
    if (m->target > e->from && m->target + m->len < e->target.len)
        cost += 3; /* the literal it cuts in two needs another head */
    return m->len > cost;
}

static void put_literal(struct encoder *e, size_t to) {
    if (to == e->from)
        return;
    append_number(e->out, (uint32_t) (to - e->from));
    buffer_append_byte(e->out, ':');
    buffer_append(e->out, e->target.data + e->from, to - e->from);
    e->from = to;
}

static void put_copy(struct encoder *e, const struct match *m) {
    put_literal(e, m->target);
    append_number(e->out, (uint32_t) m->len);
    buffer_append_byte(e->out, '@');
    append_number(e->out, (uint32_t) m->source);
    buffer_append_byte(e->out, ',');
    e->from = m->target + m->len;
}

/* Rolls a window over the target; what begins with a block of the source is copied from there. */
static void put_segments(struct encoder *e, size_t max) {
    const uint8_t *t = e->target.data;
    uint32_t weight = first_weight(), hash = 0;
    bool is_known = false; /* hash is of the window at `at` */

    for (size_t at = 0; at + WINDOW <= e->target.len && e->effort && e->out->len < max;) {
        if (!is_known)
            hash = hash_window(t + at);
        struct match m = longest_at(e, at, hash);
        if (m.len && e->is_text)
            align(e, &m);
        if (m.len && is_worth_it(e, &m)) {
            put_copy(e, &m);
            at = e->from;
            is_known = false;
            continue;
        }
        is_known = at + WINDOW < e->target.len;
        if (is_known)
            hash = (hash - t[at] * weight) * FACTOR + t[at + WINDOW];
        at++;
    }
}

int fossil_encode(const struct fossil_index *index, struct bytes target, bool is_text,
                  struct buffer *out) {
    size_t begin = out->len, max = begin + target.len;
    if (target.len > UINT32_MAX)
        return -EMSGSIZE;
    struct encoder e = {
        .index = index,
        .target = target,
        .out = out,
        .effort = target.len * EFFORT_PER_BYTE,
        .is_text = is_text,
    };

    append_number(out, (uint32_t) target.len);
    buffer_append_byte(out, '\n');
    if (index->n_blocks)
        put_segments(&e, max);
    /* No need to copy what would make it too long. */
    if (out->len + (target.len - e.from) < max) {
        put_literal(&e, target.len);
        append_number(out, checksum(target));
        buffer_append_byte(out, ';');
    }
    int r = buffer_error(out);
    if (r == 0 && (e.from < target.len || out->len >= max))
        r = -EMSGSIZE;
    if (r < 0)
        out->len = begin;
    return r;
}

/* ---- decoding ---- */

struct decoder {
    const uint8_t *at, *end;
};

static int take_number(struct decoder *d, uint32_t *ret) {
    uint64_t n = 0;
    const uint8_t *begin = d->at;

    for (int digit; d->at < d->end && (digit = digit_value(*d->at)) >= 0; d->at++) {
        n = n << 6 | (unsigned) digit;
        if (n > UINT32_MAX)
            return -EBADMSG;
    }
    if (d->at == begin)
        return -EBADMSG;
    *ret = (uint32_t) n;
    return 0;
}

static int take_sign(struct decoder *d, uint8_t *ret) {
    if (d->at == d->end)
        return -EBADMSG;
    *ret = *d->at++;
    return 0;
}

static int take_copy(struct decoder *d, struct bytes source, uint32_t count, struct buffer *out) {
    uint32_t offset;
    uint8_t comma;

    if (take_number(d, &offset) < 0 || take_sign(d, &comma) < 0 || comma != ',')
        return -EBADMSG;
    if (offset > source.len || count > source.len - offset)
        return -EBADMSG;
    if (count)
        buffer_append(out, source.data + offset, count);
    return 0;
}

static int take_literal(struct decoder *d, uint32_t count, struct buffer *out) {
    if (count > (size_t) (d->end - d->at))
        return -EBADMSG;
    buffer_append(out, d->at, count);
    d->at += count;
    return 0;
}

/* The segments and the checksum behind them. */
static int take_body(struct decoder *d, struct bytes source, uint32_t len, struct buffer *out) {
    size_t begin = out->len;

    for (;;) {
        uint32_t n;
        uint8_t sign;
        if (take_number(d, &n) < 0 || take_sign(d, &sign) < 0)
            return -EBADMSG;
        if (sign == ';') {
            struct bytes made = buffer_bytes(out);
            if (begin < out->len)
                made = bytes_of(out->data + begin, out->len - begin);
            else
                made.len = 0;
            return d->at == d->end && made.len == len && checksum(made) == n ? 0 : -EBADMSG;
        }
        if (n > len - (out->len - begin))
            return -EBADMSG;
        int r = sign == '@'   ? take_copy(d, source, n, out)
                : sign == ':' ? take_literal(d, n, out)
                              : -EBADMSG;
        if (r == 0)
            r = buffer_error(out);
        if (r < 0)
            return r;
    }
}

int fossil_decode(struct bytes source, struct bytes patch, size_t max_bytes, struct buffer *out) {
    struct decoder d = { patch.data, patch.data ? patch.data + patch.len : NULL };
    uint32_t len;
    uint8_t newline;

    if (take_number(&d, &len) < 0 || take_sign(&d, &newline) < 0 || newline != '\n')
        return -EBADMSG;
    if (len > max_bytes)
        return -EMSGSIZE;
    return take_body(&d, source, len, out);
}
