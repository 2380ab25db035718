#include "storage/redis/message.h"

#include <errno.h>

#include "storage/row.h"

enum { FORMAT = 1, KIND_MASK = 3, FLAG_JSON_LINE = 4, TIME_SIZE = 8 };

/* ---- spans ---- */

void message_put_span(struct buffer *out, struct bytes b) {
    size_t len = b.len;
    for (; len >= 0x80; len >>= 7)
        buffer_append_byte(out, (uint8_t) (len | 0x80));
    buffer_append_byte(out, (uint8_t) len);
    buffer_append_bytes(out, b);
}

static void drop(struct bytes *b, size_t n) {
    b->data += n;
    b->len -= n;
}

int message_take_span(struct bytes *b, struct bytes *ret) {
    uint64_t len = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (b->len == 0 || shift > 56)
            return -EBADMSG;
        uint8_t byte = b->data[0];
        drop(b, 1);
        len |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    if (len > b->len)
        return -EBADMSG;
    *ret = bytes_of(b->data, (size_t) len);
    drop(b, (size_t) len);
    return 0;
}

/* ---- publications ---- */

void message_encode_publication(const struct publication *p, struct buffer *out) {
    buffer_append_byte(out, FORMAT);
    buffer_append_byte(out, (uint8_t) (p->kind | (p->is_json_line ? FLAG_JSON_LINE : 0)));
    for (int i = 0; i < TIME_SIZE; i++)
        buffer_append_byte(out, (uint8_t) ((uint64_t) p->time_ms >> 8 * i));
    message_put_span(out, p->data);
    row_encode_extra(p, false, out);
}

void message_encode_unkept(const struct publication *p, struct buffer *out) {
    buffer_append_str(out, STR("0::"));
    message_encode_publication(p, out);
}

int message_decode_publication(struct str channel, struct bytes b, struct publication **ret) {
    if (b.len < 2 + TIME_SIZE || b.data[0] != FORMAT || b.data[1] & ~(KIND_MASK | FLAG_JSON_LINE))
        return -EBADMSG;
    unsigned kind = b.data[1] & KIND_MASK;
    bool is_json_line = b.data[1] & FLAG_JSON_LINE;
    uint64_t time_ms = 0;
    for (int i = 0; i < TIME_SIZE; i++)
        time_ms |= (uint64_t) b.data[2 + i] << 8 * i;
    drop(&b, 2 + TIME_SIZE);
    struct row row = { .channel = channel };
    int r = kind > PUBLICATION_LEAVE || time_ms > INT64_MAX ? -EBADMSG
                                                            : message_take_span(&b, &row.data);
    if (r < 0)
        return r;
    row.extra = b;
    struct publication *p;
    r = row_decode(&row, &p);
    if (r < 0)
        return r;
    p->kind = kind;
    p->is_json_line = is_json_line;
    p->time_ms = (int64_t) time_ms;
    if (kind != PUBLICATION_DATA && !p->has_info) {
        publication_unref(p);
        return -EBADMSG;
    }
    *ret = p;
    return 0;
}

/* ---- places ---- */

int message_take_number(struct bytes *b, uint64_t *ret) {
    uint64_t value = 0;
    size_t n = 0;
    for (; n < b->len && b->data[n] >= '0' && b->data[n] <= '9'; n++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t) (b->data[n] - '0'), &value))
            return -EBADMSG;
    }
    if (n == 0)
        return -EBADMSG;
    drop(b, n);
    *ret = value;
    return 0;
}

static bool is_of_epoch(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

int message_take_place(struct bytes *b, struct position *ret) {
    struct position at = { 0 };
    int r = message_take_number(b, &at.offset);
    if (r < 0)
        return r;
    if (b->len == 0 || b->data[0] != ':')
        return -EBADMSG;
    drop(b, 1);
    size_t n = 0;
    while (n < b->len && n < EPOCH_SIZE - 1 && is_of_epoch(b->data[n]))
        n++;
    if (at.offset > 0 && n == 0)
        return -EBADMSG;
    memcpy(at.epoch, b->data, n);
    drop(b, n);
    *ret = at;
    return 0;
}

int message_decode(struct str channel, struct bytes b, struct publication **ret) {
    struct position at;
    struct publication *p;
    int r = message_take_place(&b, &at);
    if (r < 0)
        return r;
    if (b.len == 0 || b.data[0] != ':' || (at.offset == 0 && at.epoch[0]))
        return -EBADMSG;
    drop(&b, 1);
    r = message_decode_publication(channel, b, &p);
    if (r < 0)
        return r;
    if (at.offset > 0 && p->kind != PUBLICATION_DATA) {
        publication_unref(p);
        return -EBADMSG;
    }
    p->position = at;
    *ret = p;
    return 0;
}

/* ---- presence ---- */

void message_encode_info(const struct client_info *info, struct buffer *out) {
    buffer_append_uint(out, info->user.len);
    buffer_append_byte(out, ':');
    buffer_append_str(out, info->user);
    message_put_span(out, info->conn_info);
    buffer_append_bytes(out, info->chan_info);
}

int message_decode_info(struct bytes client, struct bytes b, struct client_info *ret) {
    uint64_t len;
    int r = message_take_number(&b, &len);
    if (r < 0)
        return r;
    if (b.len == 0 || b.data[0] != ':' || len > b.len - 1)
        return -EBADMSG;
    drop(&b, 1);
    struct client_info info = {
        .client = { .data = (const char *) client.data, .len = client.len },
        .user = { .data = (const char *) b.data, .len = (size_t) len },
    };
    drop(&b, (size_t) len);
    r = message_take_span(&b, &info.conn_info);
    if (r < 0)
        return r;
    info.chan_info = b;
    *ret = info;
    return 0;
}
