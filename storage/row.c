#include "storage/row.h"

#include <errno.h>
#include <stdlib.h>

enum { FORMAT_PLAIN = 1, FORMAT_FLAGS = 2, TAGS_MAX = 4096 };

enum { FLAG_DELTA = 1, FLAG_REMOVED = 2, FLAG_KEY = 4, FLAG_VERSION = 8 };

/* ---- encoding ---- */

static void put_span(struct buffer *out, struct bytes b) {
    size_t len = b.len;
    for (; len >= 0x80; len >>= 7)
        buffer_append_byte(out, (uint8_t) (len | 0x80));
    buffer_append_byte(out, (uint8_t) len);
    buffer_append_bytes(out, b);
}

static void put_number(struct buffer *out, uint64_t value) {
    for (int i = 0; i < 8; i++)
        buffer_append_byte(out, (uint8_t) (value >> 8 * i));
}

static uint8_t flags_of(const struct publication *p, bool has_key_columns) {
    bool has_key = !has_key_columns && p->key.len > 0;
    bool has_version = !has_key_columns && p->version > 0;
    return (uint8_t) ((p->wants_delta ? FLAG_DELTA : 0) | (p->is_removed ? FLAG_REMOVED : 0) |
                      (has_key ? FLAG_KEY : 0) | (has_version ? FLAG_VERSION : 0));
}

void row_encode_extra(const struct publication *p, bool has_key_columns, struct buffer *out) {
    uint8_t flags = flags_of(p, has_key_columns);
    if (!p->has_info && p->n_tags == 0 && flags == 0)
        return;
    buffer_append_byte(out, flags ? FORMAT_FLAGS : FORMAT_PLAIN);
    if (flags)
        buffer_append_byte(out, flags);
    if (flags & FLAG_KEY) {
        put_span(out, str_bytes(p->key));
        put_number(out, (uint64_t) p->score);
    }
    if (flags & FLAG_VERSION)
        put_number(out, p->version);
    buffer_append_byte(out, p->has_info);
    if (p->has_info) {
        put_span(out, str_bytes(p->info.user));
        put_span(out, str_bytes(p->info.client));
        put_span(out, p->info.conn_info);
        put_span(out, p->info.chan_info);
    }
    for (size_t i = 0; i < p->n_tags; i++) {
        put_span(out, str_bytes(p->tags[i].key));
        put_span(out, str_bytes(p->tags[i].value));
    }
}

/* ---- decoding ---- */

struct reading {
    const uint8_t *at, *end;
    bool is_bad;
};

static uint8_t take_byte(struct reading *in) {
    if (in->at == in->end) {
        in->is_bad = true;
        return 0;
    }
    return *in->at++;
}

static struct bytes take_span(struct reading *in) {
    uint64_t len = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = take_byte(in);
        len |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
        if (shift >= 56)
            in->is_bad = true;
        if (in->is_bad)
            break;
    }
    if (in->is_bad || len > (size_t) (in->end - in->at)) {
        in->is_bad = true;
        return (struct bytes){ 0 };
    }
    struct bytes span = bytes_of(in->at, (size_t) len);
    in->at += len;
    return span;
}

static struct str take_str(struct reading *in) {
    struct bytes b = take_span(in);
    return (struct str){ .data = (const char *) b.data, .len = b.len };
}

static uint64_t take_number(struct reading *in) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t) take_byte(in) << 8 * i;
    return value;
}

static void take_flags(struct reading *in, struct publication_parts *parts) {
    uint8_t format = take_byte(in);
    uint8_t flags = format == FORMAT_FLAGS ? take_byte(in) : 0;
    if ((format != FORMAT_PLAIN && format != FORMAT_FLAGS) || flags & ~UINT8_C(15)) {
        in->is_bad = true;
        return;
    }
    parts->wants_delta = flags & FLAG_DELTA;
    parts->is_removed = flags & FLAG_REMOVED;
    if (flags & FLAG_KEY) {
        parts->key = take_str(in);
        parts->score = (int64_t) take_number(in);
    }
    if (flags & FLAG_VERSION)
        parts->version = take_number(in);
}

static size_t count_tags(struct reading in) {
    size_t spans = 0;
    while (!in.is_bad && in.at < in.end) {
        (void) take_span(&in);
        spans++;
    }
    return spans / 2;
}

int row_decode(const struct row *row, struct publication **ret) {
    struct reading in = { .at = row->extra.data, .end = row->extra.data };
    struct publication_parts parts = { .channel = row->channel,
                                       .data = row->data,
                                       .key = row->key,
                                       .score = row->score,
                                       .version = row->version };
    struct client_info info = { 0 };
    struct tag *tags = NULL;

    if (row->extra.len > 0) {
        in.end += row->extra.len;
        take_flags(&in, &parts);
        if (take_byte(&in)) {
            info.user = take_str(&in);
            info.client = take_str(&in);
            info.conn_info = take_span(&in);
            info.chan_info = take_span(&in);
            parts.info = &info;
        }
        parts.n_tags = count_tags(in);
        if (parts.n_tags > TAGS_MAX)
            in.is_bad = true;
    }
    if (!in.is_bad && parts.n_tags > 0) {
        tags = reallocarray(NULL, parts.n_tags, sizeof *tags);
        if (!tags)
            return -ENOMEM;
        for (size_t i = 0; i < parts.n_tags; i++) {
            tags[i].key = take_str(&in);
            tags[i].value = take_str(&in);
        }
        parts.tags = tags;
    }
    if (in.is_bad || in.at != in.end) {
        free(tags);
        return -EBADMSG;
    }

    struct publication *p = publication_new(&parts);
    free(tags);
    if (!p)
        return -ENOMEM;
    *ret = p;
    return 0;
}
