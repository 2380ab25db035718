#include "daemon/chat/page.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/chat/encode.h"
#include "daemon/chat/json_out.h"

size_t chat_limit_of(const struct chat_call *c, const struct chat_tx *tx) {
    uint32_t max = chat_tx_limits(tx)->page_max;
    if (!chat_has(c, FIELD_LIMIT) || c->in.limit > max)
        return max;
    return c->in.limit ? c->in.limit : 1;
}

int chat_span_of(struct chat_call *c, struct chat_tx *tx, struct chat_span *ret) {
    const struct chat_request *in = &c->in;
    enum chat_field which = FIELD_LIMIT;
    unsigned n = 0;

    *ret = (struct chat_span){ .before = in->before,
                               .after = in->after,
                               .is_after = chat_has(c, FIELD_AFTER),
                               .around = in->around,
                               .around_unread = in->around_unread,
                               .limit = chat_limit_of(c, tx) };
    for (unsigned f = 0; f < CHAT_FIELDS; f++) {
        if ((f == FIELD_BEFORE || f == FIELD_AFTER || f == FIELD_AROUND) && (in->has & HAS(f))) {
            which = (enum chat_field) f;
            n++;
        }
    }
    if (n > 1 || (chat_has(c, FIELD_AFTER) && in->after_text.len > 0))
        return chat_refuse(tx, CHAT_BAD_REQUEST, chat_field_name(which), 0);
    return 0;
}

/* The message that must be in the page, whatever else has to go. */
static size_t anchor_of(const struct chat_messages *all, const struct chat_span *span,
                        uint64_t unread_after) {
    uint64_t around = span->around_unread ? unread_after + 1 : span->around;

    if (span->is_after)
        return 0;
    if (around == 0)
        return all->n - 1;
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].seq >= around)
            return i;
    return all->n - 1;
}

/* From the anchor outwards, to both sides in turn. ends: where each message's JSON ends. */
static void choose(const size_t *ends, size_t n, size_t anchor, size_t *ret_from, size_t *ret_to) {
    size_t from = anchor, to = anchor + 1;
    size_t bytes = ends[anchor] - (anchor ? ends[anchor - 1] : 0);
    bool grows = true;

    while (grows) {
        grows = false;
        size_t more = to < n ? ends[to] - ends[to - 1] : 0;
        if (to < n && bytes + more <= CHAT_PAGE_BYTES) {
            bytes += more;
            to++;
            grows = true;
        }
        more = from > 0 ? ends[from - 1] - (from > 1 ? ends[from - 2] : 0) : 0;
        if (from > 0 && bytes + more <= CHAT_PAGE_BYTES) {
            bytes += more;
            from--;
            grows = true;
        }
    }
    *ret_from = from;
    *ret_to = to;
}

static int put_fitting(struct buffer *out, const struct chat_messages *all,
                       const struct chat_span *span, uint64_t unread_after, bool *has_before,
                       bool *has_after) {
    struct buffer text = BUFFER_INIT;
    size_t *ends = calloc(all->n, sizeof *ends), from, to;

    if (!ends)
        return -ENOMEM;
    for (size_t i = 0; i < all->n; i++) {
        chat_put_message(&text, &all->items[i]);
        ends[i] = text.len;
    }
    int r = buffer_error(&text);
    if (r == 0) {
        choose(ends, all->n, anchor_of(all, span, unread_after), &from, &to);
        *has_before |= from > 0;
        *has_after |= to < all->n;
        for (size_t i = from; i < to; i++) {
            size_t begin = i ? ends[i - 1] : 0;
            out_next(out);
            buffer_append(out, text.data + begin, ends[i] - begin);
        }
    }
    buffer_finish(&text);
    free(ends);
    return r;
}

int chat_put_page(struct buffer *out, const struct chat_messages *all, const struct chat_span *span,
                  uint64_t unread_after) {
    bool has_before = all->has_before, has_after = all->has_after;
    int r = 0;

    out_key(out, "messages");
    out_open(out, '[');
    if (all->n > 0)
        r = put_fitting(out, all, span, unread_after, &has_before, &has_after);
    out_close(out, ']');
    out_bool(out, "has_before", has_before);
    out_bool(out, "has_after", has_after);
    return r;
}
