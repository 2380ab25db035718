#include "protocol/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#include "protocol/deflate.h"
#include "protocol/frame_impl.h"
#include "protocol/utf8.h"

enum {
    MESSAGE_KEPT_MAX = 65536, /* bytes a context's buffer may keep while nobody borrows it */
};

/* What a decoder needs while something is half read. Lent by a pool; one borrower at a time. */
struct frame_context {
    wslay_frame_context_ptr wslay;
    struct frame_context *next;        /* in the pool */
    struct frame_pool *pool;           /* while it is lent */
    const struct frame_limits *limits; /* during frame_next() only */

    /* Where bytes stand: each frame's are counted when wslay hands them out, so that the context
     * can go back as soon as wslay holds nothing of ours. */
    struct bytes *input; /* during frame_next() only */
    uint64_t fed;
    uint64_t handed_out;

    /* The last bytes that were fed: between frames the header under way is among them. wslay says
     * nothing of a frame before its first payload byte, and a limit must not wait for that. */
    uint8_t tail[FRAME_HEADER_MAX];
    bool header_is_judged;

    /* The frame under way. */
    bool in_frame;
    bool is_final;
    uint8_t opcode;
    uint64_t left;

    /* The message under way, over its frames. */
    struct frame_state state;
    bool message_is_deflated;
    uint8_t message_opcode;
    struct utf8 utf8;
    struct buffer message;
    struct buffer inflated;

    uint8_t control_len;
    uint8_t control[FRAME_CONTROL_MAX];
    bool must_empty; /* message lies in what the last event showed */
};

struct frame_pool {
    struct frame_context *spare;
    size_t spare_count;
    size_t keep;
    size_t lent;
    struct inflater *inflater; /* made with the first compressed message */
};

/* ---- the pool ---- */

static void context_remember(struct frame_context *c, const uint8_t *fed, size_t n) {
    if (n < sizeof c->tail) {
        memmove(c->tail, c->tail + n, sizeof c->tail - n);
        memcpy(c->tail + sizeof c->tail - n, fed, n);
    } else {
        memcpy(c->tail, fed + n - sizeof c->tail, sizeof c->tail);
    }
}

/* What the frame under way still lacks, or its header; at least a byte. With more, wslay would hold
 * what follows, and that may well lie in the input whole: see take_whole(). */
static uint64_t context_lacks(const struct frame_context *c) {
    uint64_t pending = c->fed - c->handed_out, whole = c->left;
    struct frame_head h;

    if (!c->in_frame) {
        assert(pending <= sizeof c->tail); /* with more a payload byte would have been handed out */
        if (!frame_head_read(bytes_of(c->tail + sizeof c->tail - pending, (size_t) pending), &h))
            return pending < 2 ? 2 - pending : 1;
        whole = h.len + frame_head_size(&h);
    }
    return whole > pending ? whole - pending : 1;
}

/* wslay wants bytes. 0 or less means "none now" to it. */
static ssize_t context_feed(uint8_t *to, size_t cap, int flags, void *arg) {
    struct frame_context *c = arg;
    uint64_t lacks = context_lacks(c);
    size_t n = c->input->len < cap ? c->input->len : cap;

    if (n == 0)
        return -1;
    if (n > lacks)
        n = (size_t) lacks;
    memcpy(to, c->input->data, n);
    context_remember(c, c->input->data, n);
    c->input->data += n;
    c->input->len -= n;
    c->fed += n;
    return (ssize_t) n;
}

static struct frame_context *context_free(struct frame_context *c) {
    if (!c)
        return NULL;
    wslay_frame_context_free(c->wslay);
    buffer_finish(&c->message);
    buffer_finish(&c->inflated);
    free(c);
    return NULL;
}

static struct frame_context *context_new(void) {
    static const struct wslay_frame_callbacks callbacks = { .recv_callback = context_feed };
    struct frame_context *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    if (wslay_frame_context_init(&c->wslay, &callbacks, c) != 0) {
        free(c);
        return NULL;
    }
    return c;
}

struct frame_pool *frame_pool_new(size_t keep) {
    struct frame_pool *p = calloc(1, sizeof *p);

    if (p)
        p->keep = keep;
    return p;
}

struct frame_pool *frame_pool_free(struct frame_pool *p) {
    if (!p)
        return NULL;
    assert(p->lent == 0);
    while (p->spare) {
        struct frame_context *c = p->spare;
        p->spare = c->next;
        context_free(c);
    }
    inflater_free(p->inflater);
    free(p);
    return NULL;
}

size_t frame_pool_lent(const struct frame_pool *p) {
    return p->lent;
}

static struct frame_context *pool_borrow(struct frame_pool *p) {
    struct frame_context *c = p->spare;

    if (c) {
        p->spare = c->next;
        p->spare_count--;
    } else {
        c = context_new();
        if (!c)
            return NULL;
    }
    p->lent++;
    c->pool = p;
    return c;
}

/* Has wslay said all that it was fed? Then it stands between two frames, so another connection may
 * go on with it. */
static bool context_is_between_frames(const struct frame_context *c) {
    return !c->in_frame && c->fed == c->handed_out;
}

static void pool_return(struct frame_context *c) {
    struct frame_pool *p = c->pool;
    p->lent--;
    if (!context_is_between_frames(c) || p->spare_count >= p->keep) {
        context_free(c);
        return;
    }
    if (c->message.cap > MESSAGE_KEPT_MAX)
        buffer_finish(&c->message);
    if (c->inflated.cap > MESSAGE_KEPT_MAX)
        buffer_finish(&c->inflated);
    buffer_reset(&c->message);
    buffer_reset(&c->inflated);
    c->state = (struct frame_state){ 0 };
    c->fed = c->handed_out = 0;
    c->header_is_judged = false;
    c->must_empty = false;
    c->next = p->spare;
    p->spare = c;
    p->spare_count++;
}

/* ---- decoding ---- */

void frame_decoder_init(struct frame_decoder *d, enum frame_role role, bool is_deflated) {
    *d = (struct frame_decoder){ .role = (uint8_t) role, .is_deflated = is_deflated };
}

void frame_decoder_finish(struct frame_decoder *d) {
    if (d->context)
        pool_return(d->context);
    d->context = NULL;
}

bool frame_decoder_is_idle(const struct frame_decoder *d) {
    const struct frame_context *c = d->context;
    return !c || (context_is_between_frames(c) && !c->state.in_message);
}

/* wslay has used up the input without saying anything of the frame: if its header is there, judge
 * it now. */
static int judge_early(const struct frame_decoder *d, struct frame_context *c) {
    uint64_t pending = c->fed - c->handed_out;

    if (c->in_frame || c->header_is_judged || pending < 2)
        return 0;
    assert(pending <= sizeof c->tail); /* with more a payload byte would have been handed out */
    struct frame_head h;
    if (!frame_head_read(bytes_of(c->tail + sizeof c->tail - pending, (size_t) pending), &h))
        return 0;
    c->header_is_judged = true;
    return frame_judge(d, c->limits, &c->state, &h);
}

/* A frame begins: it was judged, or is now. */
static int begin_frame(const struct frame_decoder *d, struct frame_context *c,
                       const struct wslay_frame_iocb *io) {
    struct frame_head h = { .is_final = io->fin != 0,
                            .rsv = io->rsv,
                            .opcode = io->opcode,
                            .is_masked = io->mask != 0,
                            .len = io->payload_length };
    int r = frame_judge(d, c->limits, &c->state, &h);
    if (r < 0)
        return r;

    c->handed_out += frame_head_size(&h);
    c->header_is_judged = false;
    c->in_frame = true;
    c->is_final = h.is_final;
    c->opcode = h.opcode;
    c->left = h.len;

    if (frame_is_control(h.opcode)) {
        c->control_len = 0;
    } else if (h.opcode != FRAME_CONTINUATION) {
        c->state.in_message = true;
        c->message_opcode = h.opcode;
        c->message_is_deflated = h.rsv == FRAME_RSV1;
        c->state.message_size = h.len;
        c->utf8 = (struct utf8){ 0 };
    } else {
        c->state.message_size += h.len;
    }
    return 0;
}

/* What a whole control frame says. 1: *ev is filled. */
static int say_control(struct frame_decoder *d, uint8_t opcode, struct bytes payload,
                       struct frame_event *ev) {
    *ev = (struct frame_event){ .opcode = opcode, .payload = payload };
    if (opcode != FRAME_CLOSE)
        return 1;
    d->is_closed = true;
    int r = frame_read_close(payload, ev);
    return r < 0 ? r : 1;
}

/* 1: the control frame is whole and *ev filled. */
static int take_control(struct frame_decoder *d, struct frame_context *c, struct bytes piece,
                        struct frame_event *ev) {
    struct bytes payload = piece;

    if (c->left > 0 || c->control_len > 0) {
        if (piece.len)
            memcpy(c->control + c->control_len, piece.data, piece.len);
        c->control_len = (uint8_t) (c->control_len + piece.len);
        if (c->left > 0)
            return 0;
        payload = bytes_of(c->control, c->control_len);
    }
    return say_control(d, c->opcode, payload, ev);
}

static int inflate_message(struct frame_context *c, struct bytes payload, struct frame_event *ev) {
    struct frame_pool *p = c->pool;
    size_t max = c->limits->max_inflated;

    if (!p->inflater)
        p->inflater = inflater_new();
    if (!p->inflater)
        return -ENOMEM;
    if (max == 0)
        max = c->limits->max_message > SIZE_MAX / 10 ? SIZE_MAX : c->limits->max_message * 10;
    buffer_reset(&c->inflated);
    int r = inflater_message(p->inflater, payload, max, &c->inflated);
    if (r < 0)
        return r;
    ev->payload = buffer_bytes(&c->inflated);
    ev->was_deflated = true;
    if (c->message_opcode == FRAME_TEXT && !utf8_is_valid(ev->payload))
        return -EILSEQ;
    return 1;
}

/* 1: the message is whole and *ev filled. */
static int take_data(struct frame_context *c, struct bytes piece, struct frame_event *ev) {
    bool checks_utf8 = c->message_opcode == FRAME_TEXT && !c->message_is_deflated;
    bool is_end = c->left == 0 && c->is_final;
    struct bytes payload = piece;

    if (checks_utf8 && !utf8_feed(&c->utf8, piece))
        return -EILSEQ;

    /* A message that came in one piece is shown where it lies. */
    if (!is_end || c->message.len > 0) {
        buffer_append_bytes(&c->message, piece);
        int r = buffer_error(&c->message);
        if (r < 0)
            return r;
        payload = buffer_bytes(&c->message);
    }
    if (!is_end)
        return 0;

    c->state.in_message = false;
    c->must_empty = true;
    *ev = (struct frame_event){ .opcode = c->message_opcode, .payload = payload };
    if (c->message_is_deflated)
        return inflate_message(c, payload, ev);
    return !checks_utf8 || utf8_is_complete(&c->utf8) ? 1 : -EILSEQ;
}

/* Is the length said in the bytes that it should be, and are those not eight? */
static bool is_short_header(const uint8_t *header, uint64_t len) {
    unsigned said = header[1] & 0x7fU;
    return said <= 125 || (said == 126 && len > 125);
}

/*
 * Most frames lie in one read, whole: those need neither wslay, which unmasks byte by byte, nor its
 * copy of the input. 1: *ev is filled. 0: this is another kind of frame, nothing is taken.
 */
static int take_whole(struct frame_decoder *d, struct frame_context *c, struct bytes *in,
                      struct frame_event *ev) {
    struct frame_head h;

    if (!context_is_between_frames(c) || !frame_head_read(*in, &h) ||
        !is_short_header(in->data, h.len) || !h.is_final || h.rsv || h.opcode == FRAME_CONTINUATION)
        return 0;
    size_t head = frame_head_size(&h), len = (size_t) h.len;
    if (in->len < head + len)
        return 0;
    int r = frame_judge(d, c->limits, &c->state, &h);
    if (r < 0)
        return r;

    bool is_control = frame_is_control(h.opcode);
    uint8_t *to = is_control ? c->control : buffer_reserve(&c->message, len);
    if (!to)
        return -ENOMEM;
    struct bytes masked = bytes_of(in->data + head, len), payload = bytes_of(to, len);
    if (h.is_masked)
        frame_mask(to, masked, masked.data - FRAME_MASK_BYTES);
    else
        memcpy(to, masked.data, len);
    in->data += head + len;
    in->len -= head + len;

    if (is_control)
        return say_control(d, h.opcode, payload, ev);
    if (h.opcode == FRAME_TEXT && !utf8_is_valid(payload))
        return -EILSEQ;
    *ev = (struct frame_event){ .opcode = h.opcode, .payload = payload };
    return 1;
}

static int decode(struct frame_decoder *d, struct frame_context *c, struct bytes *in,
                  struct frame_event *ret) {
    struct frame_event ev;

    if (c->must_empty) {
        buffer_reset(&c->message);
        c->must_empty = false;
    }
    if (in->len == 0 && context_is_between_frames(c))
        return 0;
    int whole = take_whole(d, c, in, &ev);
    if (whole != 0) {
        if (whole > 0)
            *ret = ev;
        return whole;
    }

    c->input = in;
    for (;;) {
        struct wslay_frame_iocb io;
        ssize_t n = wslay_frame_recv(c->wslay, &io);

        if (n == WSLAY_ERR_WANT_READ) {
            if (in->len > 0)
                continue; /* its buffer was full of what it has now taken */
            return judge_early(d, c);
        }
        if (n < 0)
            return n == WSLAY_ERR_PROTO ? -EPROTO : -ENOMEM;

        if (!c->in_frame) {
            int r = begin_frame(d, c, &io);
            if (r < 0)
                return r;
        }
        c->handed_out += (uint64_t) n;
        c->left -= (uint64_t) n;
        c->in_frame = c->left > 0;

        struct bytes piece = bytes_of(io.data, (size_t) n);
        int r = frame_is_control(c->opcode) ? take_control(d, c, piece, &ev)
                                            : take_data(c, piece, &ev);
        if (r < 0)
            return r;
        if (r > 0) {
            *ret = ev;
            return 1;
        }
    }
}

int frame_next(struct frame_decoder *d, struct frame_pool *pool, const struct frame_limits *limits,
               struct bytes *in, struct frame_event *ret) {
    if (d->error)
        return d->error;
    if (d->is_closed) {
        frame_decoder_finish(d);
        *in = (struct bytes){ 0 };
        return 0;
    }
    if (!d->context) {
        if (in->len == 0)
            return 0;
        d->context = pool_borrow(pool);
        if (!d->context)
            return d->error = -ENOMEM;
    }
    d->context->limits = limits;

    int r = decode(d, d->context, in, ret);
    if (r < 0) {
        d->error = (int16_t) r;
        frame_decoder_finish(d);
    } else if (r == 0 && frame_decoder_is_idle(d)) {
        pool_return(d->context);
        d->context = NULL;
    }
    return r;
}

/* ---- encoding ---- */

size_t frame_header(const struct frame *f, uint64_t payload_len,
                    uint8_t ret[static FRAME_HEADER_MAX]) {
    assert(!frame_is_control(f->opcode) ||
           (payload_len <= FRAME_CONTROL_MAX && !f->has_more && !f->is_deflated));
    struct frame_head h = { .is_final = !f->has_more,
                            .is_masked = f->mask != NULL,
                            .rsv = f->is_deflated ? FRAME_RSV1 : 0,
                            .opcode = (uint8_t) f->opcode,
                            .len = payload_len };
    size_t len = frame_head_write(&h, ret);
    if (f->mask) {
        memcpy(ret + len, f->mask, FRAME_MASK_BYTES);
        len += FRAME_MASK_BYTES;
    }
    return len;
}

void frame_encode(const struct frame *f, struct bytes payload, struct buffer *out) {
    /* One growth for header and payload, and with it the only place where memory can fail. */
    uint8_t *at = buffer_reserve(out, FRAME_HEADER_MAX + payload.len);
    if (!at)
        return;
    size_t head = frame_header(f, payload.len, at);
    if (f->mask)
        frame_mask(at + head, payload, f->mask);
    else if (payload.len)
        memcpy(at + head, payload.data, payload.len);
    buffer_added(out, head + payload.len);
}

enum { FRAME_ROOM = 4 }; /* what most have: from 126 bytes to 64 KiB, unmasked */

size_t frame_open(struct buffer *out) {
    size_t opened = out->len;
    if (buffer_reserve(out, FRAME_ROOM))
        buffer_added(out, FRAME_ROOM);
    return opened;
}

void frame_shut(const struct frame *f, struct buffer *out, size_t opened) {
    if (buffer_error(out) < 0)
        return;

    uint8_t header[FRAME_HEADER_MAX];
    size_t payload_len = out->len - opened - FRAME_ROOM;
    size_t len = frame_header(f, payload_len, header);
    if (len > FRAME_ROOM && !buffer_reserve(out, len - FRAME_ROOM))
        return;

    uint8_t *at = out->data + opened;
    if (len != FRAME_ROOM)
        memmove(at + len, at + FRAME_ROOM, payload_len);
    memcpy(at, header, len);
    out->len = opened + len + payload_len;
}

void frame_encode_close(uint16_t code, struct str reason, const uint8_t *mask, struct buffer *out) {
    struct frame f = { .opcode = FRAME_CLOSE, .mask = mask };
    uint8_t payload[FRAME_CONTROL_MAX];
    size_t len = 0;

    if (code != FRAME_CLOSE_NONE) {
        struct str cut = utf8_truncate(reason, FRAME_REASON_MAX);
        payload[0] = (uint8_t) (code >> 8);
        payload[1] = (uint8_t) code;
        if (cut.len)
            memcpy(payload + 2, cut.data, cut.len);
        len = 2 + cut.len;
    }
    frame_encode(&f, bytes_of(payload, len), out);
}
