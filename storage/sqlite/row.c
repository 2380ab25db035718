#include "storage/sqlite/row.h"

#include <errno.h>
#include <stdlib.h>

enum { FORMAT = 1, TAGS_MAX = 4096 };

/* ---- encoding ---- */

static void put_span(struct buffer *out, struct bytes b) {
    size_t len = b.len;
    for (; len >= 0x80; len >>= 7)
        buffer_append_byte(out, (uint8_t) (len | 0x80));
    buffer_append_byte(out, (uint8_t) len);
    buffer_append_bytes(out, b);
}

void row_encode_extra(const struct publication *p, struct buffer *out) {
    if (!p->has_info && p->n_tags == 0)
        return;
    buffer_append_byte(out, FORMAT);
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

static size_t count_tags(struct reading in) {
    size_t spans = 0;
    while (!in.is_bad && in.at < in.end) {
        (void) take_span(&in);
        spans++;
    }
    return spans / 2;
}

int row_decode(struct str channel, struct bytes data, struct bytes extra,
               struct publication **ret) {
    struct reading in = { .at = extra.data, .end = extra.data + extra.len };
    struct publication_parts parts = { .channel = channel, .data = data };
    struct client_info info = { 0 };
    struct tag *tags = NULL;

    if (extra.len > 0) {
        in.is_bad = take_byte(&in) != FORMAT;
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
