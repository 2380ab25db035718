/*
 * A publication's push, packed by hand: what a server says most of all. protobuf-c walks its
 * description of each message twice for it, which takes more than ten times as long; that this
 * writes the same bytes is tested.
 */
#include "protocol/protobuf_message.h"

/* A field's tag, by wire type: its number is below 16, or takes a byte more. */
enum { VARINT = 0, LENGTH = 2 };

static size_t varint_size(uint64_t value) {
    size_t bits = 64 - (size_t) __builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

static uint8_t *put_varint(uint8_t *at, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t) (value | 0x80);
    *at++ = (uint8_t) value;
    return at;
}

static size_t tag_size(unsigned field) {
    return field < 16 ? 1 : 2;
}

/* What is zero or empty is left out. */
static size_t number_size(unsigned field, uint64_t value) {
    return value ? tag_size(field) + varint_size(value) : 0;
}

static uint8_t *put_number(uint8_t *at, unsigned field, uint64_t value) {
    return value ? put_varint(put_varint(at, field << 3 | VARINT), value) : at;
}

static size_t span_size(unsigned field, size_t len) {
    return len ? tag_size(field) + varint_size(len) + len : 0;
}

static uint8_t *put_head(uint8_t *at, unsigned field, size_t len) {
    return put_varint(put_varint(at, field << 3 | LENGTH), len);
}

static uint8_t *put_span(uint8_t *at, unsigned field, const void *data, size_t len) {
    if (!len)
        return at;
    at = put_head(at, field, len);
    memcpy(at, data, len);
    return at + len;
}

/* A message that is there though it may be empty. */
static size_t message_size(unsigned field, size_t len) {
    return tag_size(field) + varint_size(len) + len;
}

static uint64_t zigzag(int64_t value) {
    return (uint64_t) value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static size_t info_size(const struct client_info *i) {
    return span_size(1, i->user.len) + span_size(2, i->client.len) +
           span_size(3, i->conn_info.len) + span_size(4, i->chan_info.len);
}

static uint8_t *put_info(uint8_t *at, const struct client_info *i) {
    at = put_span(at, 1, i->user.data, i->user.len);
    at = put_span(at, 2, i->client.data, i->client.len);
    at = put_span(at, 3, i->conn_info.data, i->conn_info.len);
    return put_span(at, 4, i->chan_info.data, i->chan_info.len);
}

static size_t tag_entry_size(const struct tag *t) {
    return span_size(1, t->key.len) + span_size(2, t->value.len);
}

static size_t publication_size(const struct wire_publication *p) {
    size_t size = span_size(4, p->data.len) + number_size(6, p->offset) +
                  number_size(8, p->is_delta) + number_size(9, (uint64_t) p->time_ms) +
                  span_size(11, p->key.len) + number_size(12, p->is_removed) +
                  number_size(13, zigzag(p->score)) + span_size(14, p->epoch.len) +
                  number_size(16, p->version);

    if (p->info)
        size += message_size(5, info_size(p->info));
    for (size_t i = 0; i < p->n_tags; i++)
        size += message_size(7, tag_entry_size(&p->tags[i]));
    return size;
}

static uint8_t *put_publication(uint8_t *at, const struct wire_publication *p) {
    at = put_span(at, 4, p->data.data, p->data.len);
    if (p->info)
        at = put_info(put_head(at, 5, info_size(p->info)), p->info);
    at = put_number(at, 6, p->offset);
    for (size_t i = 0; i < p->n_tags; i++) {
        at = put_head(at, 7, tag_entry_size(&p->tags[i]));
        at = put_span(at, 1, p->tags[i].key.data, p->tags[i].key.len);
        at = put_span(at, 2, p->tags[i].value.data, p->tags[i].value.len);
    }
    at = put_number(at, 8, p->is_delta);
    at = put_number(at, 9, (uint64_t) p->time_ms);
    at = put_span(at, 11, p->key.data, p->key.len);
    at = put_number(at, 12, p->is_removed);
    at = put_number(at, 13, zigzag(p->score));
    at = put_span(at, 14, p->epoch.data, p->epoch.len);
    return put_number(at, 16, p->version);
}

/* Reply.push, Push.channel, Push.pub */
enum { REPLY_PUSH_FIELD = 4, PUSH_CHANNEL_FIELD = 2, PUSH_PUB_FIELD = 4 };

void protobuf_encode_publication_push(const struct push *from, bool is_bare, struct buffer *out) {
    size_t pub = publication_size(&from->publication);
    size_t push =
            span_size(PUSH_CHANNEL_FIELD, from->channel.len) + message_size(PUSH_PUB_FIELD, pub);
    size_t whole = is_bare ? push : message_size(REPLY_PUSH_FIELD, push);

    uint8_t *begin = buffer_reserve(out, varint_size(whole) + whole);
    if (!begin)
        return;
    uint8_t *at = put_varint(begin, whole);
    if (!is_bare)
        at = put_head(at, REPLY_PUSH_FIELD, push);
    at = put_span(at, PUSH_CHANNEL_FIELD, from->channel.data, from->channel.len);
    at = put_head(at, PUSH_PUB_FIELD, pub);
    at = put_publication(at, &from->publication);
    buffer_added(out, (size_t) (at - begin));
}
