/* search: messages by their words. */
#include "daemon/chat/encode.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/method.h"
#include "daemon/chat/page.h"
#include "storage/chat/search.h"

/* The words for what a message may have. */
static int take_has(struct chat_call *c, struct chat_tx *tx, enum chat_search_has *ret) {
    *ret = CHAT_HAS_ANY;
    if (!chat_has(c, FIELD_HAS))
        return 0;
    if (str_equal(c->in.has_what, STR("file")))
        *ret = CHAT_HAS_FILE;
    else if (str_equal(c->in.has_what, STR("link")))
        *ret = CHAT_HAS_LINK;
    else
        return chat_refuse(tx, CHAT_BAD_REQUEST, "has", 0);
    return 0;
}

static void put_hit(struct buffer *out, const struct chat_search_hit *hit) {
    out_next(out);
    out_open(out, '{');
    out_key(out, "message");
    chat_put_message(out, &hit->message);
    out_key(out, "snippet");
    out_open(out, '[');
    for (size_t i = 0; i < hit->parts_n; i++) {
        out_next(out);
        out_open(out, '[');
        json_append_string(out, hit->parts[i].text);
        buffer_append_str(out, hit->parts[i].is_hit ? STR(",true]") : STR(",false]"));
    }
    out_close(out, ']');
    out_close(out, '}');
}

int chat_run_search(struct chat_call *c, struct chat_tx *tx) {
    struct chat_search_result found;
    struct chat_search s = { .q = c->in.q,
                             .room = c->in.room,
                             .from = c->in.from,
                             .before_ms = c->in.before < INT64_MAX ? (int64_t) c->in.before : 0,
                             .after_ms = c->in.after < INT64_MAX ? (int64_t) c->in.after : 0,
                             .limit = c->in.limit,
                             .cursor = c->in.cursor };
    int r = take_has(c, tx, &s.has);
    if (r == 0)
        r = chat_search(tx, &c->by, &s, &found);
    if (r != 0)
        return r;

    size_t n = 0;
    out_key(&c->out, "hits");
    out_open(&c->out, '[');
    while (n < found.n && c->out.len < CHAT_PAGE_BYTES)
        put_hit(&c->out, &found.hits[n++]);
    out_close(&c->out, ']');
    if (found.has_more || n < found.n) {
        char cursor[CHAT_SEARCH_CURSOR_MAX];
        int64_t below = n < found.n ? found.hits[n - 1].message.key : found.below;
        out_text(&c->out, "cursor", chat_search_cursor(below, cursor));
    }
    c->is_partial = found.is_partial && n == found.n;
    out_flag_if(&c->out, "partial", c->is_partial);
    return 0;
}
