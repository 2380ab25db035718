#include "protocol/protobuf_message.h"

#include <errno.h>

#include "protocol/utf8.h"

enum { VARINT_MAX = 10 }; /* bytes of one of 64 bits */

size_t protobuf_varint(struct bytes in, uint64_t *ret) {
    uint64_t value = 0;

    for (size_t i = 0; i < in.len && i < VARINT_MAX; i++) {
        value |= (uint64_t) (in.data[i] & 0x7f) << (7 * i);
        if (!(in.data[i] & 0x80)) {
            *ret = value;
            return i + 1;
        }
    }
    return 0;
}

void protobuf_append_varint(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_MAX];
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t) (value | 0x80);
    bytes[n++] = (uint8_t) value;
    buffer_append(out, bytes, n);
}

int protobuf_take(struct bytes *frame, struct bytes *ret_message, const char **ret_why) {
    uint64_t len;

    if (!frame->len)
        return 0;

    size_t head = protobuf_varint(*frame, &len);
    if (!head || len > frame->len - head) {
        *ret_why = "a message is shorter than its length says";
        return -EBADMSG;
    }
    *ret_message = bytes_of(frame->data + head, (size_t) len);
    *frame = bytes_of(frame->data + head + len, frame->len - head - (size_t) len);
    return 1;
}

/* protobuf-c's allocator: an arena that refuses what is out of all proportion. */
struct budget {
    struct arena *arena;
    size_t left;
    bool is_spent;
    bool is_out_of_memory;
};

static void *budget_alloc(void *data, size_t size) {
    struct budget *b = data;

    if (size > b->left) {
        b->is_spent = true;
        return NULL;
    }
    b->left -= size;

    void *p = arena_alloc(b->arena, size);
    if (!p)
        b->is_out_of_memory = true;
    return p;
}

static void budget_free(void *data, void *p) {
}

void protobuf_fail(struct protobuf_job *job, const char *why) {
    if (!job->error) {
        job->error = -EBADMSG;
        job->why = why;
    }
}

static void no_memory(struct protobuf_job *job) {
    if (!job->error) {
        job->error = -ENOMEM;
        job->why = "no memory";
    }
}

void *protobuf_unpack(struct protobuf_job *job, const struct ProtobufCMessageDescriptor *type,
                      struct bytes message) {
    struct budget budget = { .arena = job->arena };
    ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };

    if (job->error)
        return NULL;
    budget.left = PROTOBUF_MEMORY_MIN + PROTOBUF_MEMORY_FACTOR * message.len;

    void *unpacked = protobuf_c_message_unpack(type, &allocator, message.len, message.data);
    if (budget.is_out_of_memory)
        no_memory(job);
    else if (budget.is_spent)
        protobuf_fail(job, "a message asks for too much memory");
    else if (!unpacked)
        protobuf_fail(job, "a message is no valid Protobuf");
    return unpacked;
}

void *protobuf_array(struct protobuf_job *job, size_t n, size_t size) {
    if (job->error || !n)
        return NULL;

    void *items = arena_alloc(job->arena, n * size);
    if (items)
        memset(items, 0, n * size);
    else
        no_memory(job);
    return items;
}

void protobuf_text(struct protobuf_job *job, struct ProtobufCBinaryData from, struct str *ret) {
    if (!utf8_is_valid(bytes_of(from.data, from.len)))
        protobuf_fail(job, "text is not UTF-8");
    *ret = (struct str){ (const char *) from.data, from.len };
}

void protobuf_append(struct buffer *out, const struct ProtobufCMessage *message) {
    size_t len = protobuf_c_message_get_packed_size(message);

    protobuf_append_varint(out, len);
    uint8_t *at = buffer_reserve(out, len);
    if (at)
        buffer_added(out, protobuf_c_message_pack(message, at));
}
