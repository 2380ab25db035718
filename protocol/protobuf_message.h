/*
 * What the files of the Protobuf codec share, and daemon/node/message.c, whose messages are of a
 * schema of its own; for nobody else. Users take codec_protobuf of codec.h.
 *
 * On the wire each message follows its length, a varint.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "protocol/codec.h"

/* Unpacking may take this many times what is unpacked, and a little: a short message can ask for
 * much (messages merged again and again, lists of empty ones). */
enum { PROTOBUF_MEMORY_FACTOR = 64, PROTOBUF_MEMORY_MIN = 4096 };

/* Decoding or encoding under way. The first error stays: later steps do nothing. */
struct protobuf_job {
    struct arena *arena;
    int error;       /* 0, -EBADMSG, -ENOMEM */
    const char *why; /* static text */
};

/* Takes the first message off *frame. 1, or 0: it is empty; -EBADMSG. */
MUST_CHECK int protobuf_take(struct bytes *frame, struct bytes *ret_message, const char **ret_why);

/* How many bytes of a varint, which says *ret; 0: none stands there. */
size_t protobuf_varint(struct bytes in, uint64_t *ret);
void protobuf_append_varint(struct buffer *out, uint64_t value);

/* Unpacks one message into the arena; NULL and the error. */
void *protobuf_unpack(struct protobuf_job *job, const struct ProtobufCMessageDescriptor *type,
                      struct bytes message);

/* Lists and other parts of what is decoded or encoded, zeroed. */
void *protobuf_array(struct protobuf_job *job, size_t n, size_t size);
void protobuf_fail(struct protobuf_job *job, const char *why);

/* Text, which must be UTF-8. */
void protobuf_text(struct protobuf_job *job, struct ProtobufCBinaryData from, struct str *ret);

static inline struct bytes protobuf_bytes(struct ProtobufCBinaryData from) {
    return bytes_of(from.data, from.len);
}

/* Spans to be packed: protobuf-c only reads them. */
static inline struct ProtobufCBinaryData protobuf_from_bytes(struct bytes from) {
    return (struct ProtobufCBinaryData){ .len = from.len,
                                         .data = (uint8_t *) (uintptr_t) from.data };
}

static inline struct ProtobufCBinaryData protobuf_from_text(struct str from) {
    return protobuf_from_bytes(str_bytes(from));
}

/* Appends the message behind its length. */
void protobuf_append(struct buffer *out, const struct ProtobufCMessage *message);

void protobuf_encode_reply(const struct reply *reply, struct buffer *out);
void protobuf_encode_push(const struct push *push, struct buffer *out);
/* The same as the two, of a publication. */
void protobuf_encode_publication_push(const struct push *push, bool is_bare, struct buffer *out);
void protobuf_encode_bare_push(const struct push *push, struct buffer *out);
MUST_CHECK int protobuf_next_reply(struct bytes *frame, struct arena *a, struct reply *ret,
                                   const char **ret_why);
MUST_CHECK int protobuf_decode_filter(struct bytes encoded, struct arena *a,
                                      const struct filter_node **ret, const char **ret_why);
