#include <errno.h>

#include "protocol/http_impl.h"

enum {
    LINE_MAX_BYTES = 256,     /* of a chunk's size and extensions */
    TRAILERS_MAX_BYTES = 4096 /* of all trailer lines */
};

/* Where a chunked body stands (RFC 9112 section 7.1). */
enum {
    SIZE_FIRST, /* a hex digit must come */
    SIZE,
    EXTENSION, /* dropped; nobody uses them */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST, /* at the beginning of a trailer line, or of the empty line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
};

static int body_init(bool is_chunked, bool has_length, uint64_t length, size_t max_bytes,
                     struct http_body *ret) {
    struct http_body b = { .max_bytes = max_bytes };

    if (is_chunked) {
        b.kind = HTTP_BODY_CHUNKED;
    } else if (has_length && length > 0) {
        if (length > max_bytes)
            return -EMSGSIZE;
        b.kind = HTTP_BODY_LENGTH;
        b.left = length;
    } else {
        b.kind = HTTP_BODY_NONE;
        b.is_done = true;
    }
    *ret = b;
    return 0;
}

int http_request_body(const struct http_request *r, size_t max_bytes, struct http_body *ret) {
    return body_init(r->is_chunked, r->has_length, r->content_length, max_bytes, ret);
}

int http_response_body(const struct http_response *r, bool request_was_head, size_t max_bytes,
                       struct http_body *ret) {
    if (request_was_head || r->status < 200 || r->status == 204 || r->status == 304) {
        *ret = (struct http_body){ .is_done = true };
        return 0;
    }
    if (!r->is_chunked && !r->has_length) {
        *ret = (struct http_body){ .kind = HTTP_BODY_UNTIL_END, .max_bytes = max_bytes };
        return 0;
    }
    return body_init(r->is_chunked, r->has_length, r->content_length, max_bytes, ret);
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* One byte between the chunks' data. 0, or an error. */
static int chunk_byte(struct http_body *b, uint8_t c) {
    int digit;

    switch (b->state) {
    case SIZE_FIRST:
        b->left = 0;
        b->line_len = 0;
        b->state = SIZE;
        if (hex_digit(c) < 0)
            return -EBADMSG;
        __attribute__((fallthrough));
    case SIZE:
        digit = hex_digit(c);
        if (digit >= 0) {
            if (b->left >> 58)
                return -EMSGSIZE;
            b->left = b->left << 4 | (unsigned) digit;
            if (b->left > b->max_bytes - b->total)
                return -EMSGSIZE;
        } else if (c == '\r') {
            b->state = SIZE_LF;
        } else if (c == ';' || c == ' ' || c == '\t') {
            b->state = EXTENSION;
        } else {
            return -EBADMSG;
        }
        return ++b->line_len > LINE_MAX_BYTES ? -EBADMSG : 0;
    case EXTENSION:
        if (c == '\r')
            b->state = SIZE_LF;
        else if (!(http_classes[c] & HTTP_IS_VALUE) || ++b->line_len > LINE_MAX_BYTES)
            return -EBADMSG;
        return 0;
    case SIZE_LF:
        b->state = b->left ? DATA : TRAILER_FIRST;
        b->line_len = 0;
        return c == '\n' ? 0 : -EBADMSG;
    case DATA_CR:
        b->state = DATA_LF;
        return c == '\r' ? 0 : -EBADMSG;
    case DATA_LF:
        b->state = SIZE_FIRST;
        return c == '\n' ? 0 : -EBADMSG;
    case TRAILER_FIRST:
        if (c == '\r') {
            b->state = END_LF;
            return 0;
        }
        b->state = TRAILER_NAME;
        if (!(http_classes[c] & HTTP_IS_TOKEN))
            return -EBADMSG;
        __attribute__((fallthrough));
    case TRAILER_NAME:
        if (c == ':')
            b->state = TRAILER_VALUE;
        else if (!(http_classes[c] & HTTP_IS_TOKEN))
            return -EBADMSG;
        return ++b->line_len > TRAILERS_MAX_BYTES ? -EBADMSG : 0;
    case TRAILER_VALUE:
        if (c == '\r')
            b->state = TRAILER_LF;
        else if (!(http_classes[c] & HTTP_IS_VALUE))
            return -EBADMSG;
        return ++b->line_len > TRAILERS_MAX_BYTES ? -EBADMSG : 0;
    case TRAILER_LF:
        b->state = TRAILER_FIRST;
        return c == '\n' ? 0 : -EBADMSG;
    case END_LF:
        b->is_done = true;
        return c == '\n' ? 0 : -EBADMSG;
    default:
        return -EBADMSG;
    }
}

static struct bytes cut(struct http_body *b, struct bytes *in, uint64_t at_most) {
    size_t n = in->len < at_most ? in->len : (size_t) at_most;
    struct bytes piece = bytes_of(in->data, n);

    in->data += n;
    in->len -= n;
    b->total += n;
    return piece;
}

static int body_next(struct http_body *b, struct bytes *in, struct bytes *ret_piece) {
    while (in->len && !b->is_done) {
        if (b->kind == HTTP_BODY_UNTIL_END) {
            /* What fits is handed out first, so that no split of the input makes a difference. */
            if (b->total == b->max_bytes)
                return -EMSGSIZE;
            *ret_piece = cut(b, in, b->max_bytes - b->total);
            return 1;
        }
        if (b->kind == HTTP_BODY_LENGTH || b->state == DATA) {
            *ret_piece = cut(b, in, b->left);
            b->left -= ret_piece->len;
            if (b->left == 0) {
                b->is_done = b->kind == HTTP_BODY_LENGTH;
                b->state = DATA_CR;
            }
            return 1;
        }
        int r = chunk_byte(b, in->data[0]);
        if (r < 0)
            return r;
        in->data++;
        in->len--;
    }
    return 0;
}

int http_body_next(struct http_body *b, struct bytes *in, struct bytes *ret_piece) {
    if (b->error)
        return b->error;
    int r = body_next(b, in, ret_piece);
    if (r < 0)
        b->error = (int16_t) r;
    return r;
}
