#include "daemon/session/recovery.h"

#include <errno.h>
#include <string.h>

#include "daemon/wire_page.h"
#include "protocol/tags_filter.h"

struct history_query recovery_query(const struct recovery_request *r, struct str channel,
                                    struct keep keep) {
    struct history_query q = { .channel = channel, .keep = keep };

    if (r->is_asked && r->mode == RECOVERY_STREAM) {
        q.has_since = true;
        q.since_offset = r->offset;
        q.limit = r->limit + 1;
    } else if (r->is_asked) {
        q.reverse = true;
        q.limit = r->filter ? r->limit : 1;
    }
    return q;
}

/* Live publications above the page's top must continue it without a hole. */
static int merge(const struct page *page, struct publication *const *live, size_t n_live,
                 struct recovery *r) {
    uint64_t top = page->top.offset;
    r->first_live = n_live;

    for (size_t i = 0; i < n_live; i++) {
        const struct position *at = &live[i]->position;
        if (at->offset == 0)
            continue;
        if (strcmp(at->epoch, page->top.epoch) != 0)
            return -ESTALE;
        if (at->offset <= top) /* the history has it, too */
            continue;
        if (at->offset != top + 1)
            return -ESTALE;
        if (r->first_live == n_live)
            r->first_live = i;
        top++;
    }
    r->n_live = (size_t) (top - page->top.offset);
    r->next = top + 1;
    r->offset = top;
    return 0;
}

static bool epoch_matches(const struct recovery_request *r, const struct page *page) {
    return r->epoch.len == 0 || str_equal(r->epoch, str_of(page->top.epoch));
}

/* Protocol reference §5.3: everything newer than the client's position, up to the top, and not too
 * much. */
static bool is_all_there(const struct recovery_request *r, const struct page *page) {
    if (!epoch_matches(r, page))
        return false;
    if (page->n == 0)
        return page->top.offset == r->offset;
    if (page->n > r->limit || page->items[0]->position.offset != r->offset + 1)
        return false;
    return page->items[page->n - 1]->position.offset == page->top.offset &&
           page->top.offset - r->offset == page->n;
}

/* What fits no queue would cut the client off, each time it comes back. */
static bool fits(const struct recovery_request *r, const struct page *page,
                 struct publication *const *live, const struct recovery *chosen) {
    struct wire_page all = {
        .page = page->items ? page->items + chosen->first_page : NULL,
        .n_page = chosen->n_page,
        .live = live ? live + chosen->first_live : NULL,
        .n_live = chosen->n_live,
        .is_string = r->as_strings,
    };
    return r->max_bytes == 0 || wire_page_bytes(&all) <= r->max_bytes;
}

static void decide_stream(const struct recovery_request *r, const struct page *page,
                          struct recovery *ret) {
    ret->recovered = is_all_there(r, page) && page->n + ret->n_live <= r->limit;
    if (ret->recovered) {
        ret->n_page = page->n;
        ret->offset = r->offset; /* the client advances by the publications' own offsets */
    } else {
        ret->n_live = 0;
    }
}

static bool passes(const struct recovery_request *r, const struct publication *p) {
    return tags_filter_match(r->filter, p->tags, p->n_tags);
}

/* The newest publication that passes the filter; its position, 0: none is known of. */
static uint64_t choose_newest(const struct recovery_request *r, const struct page *page,
                              struct publication *const *live, struct recovery *ret) {
    for (size_t i = ret->n_live; i-- > 0;) { /* came while the history was read */
        size_t at = ret->first_live + i;
        if (passes(r, live[at])) {
            ret->first_live = at;
            ret->n_live = 1;
            return live[at]->position.offset;
        }
    }
    ret->n_live = 0;
    for (size_t i = 0; i < page->n; i++) { /* newest first */
        if (passes(r, page->items[i])) {
            ret->first_page = i;
            ret->n_page = 1;
            return page->items[i]->position.offset;
        }
    }
    return 0;
}

static void decide_cache(const struct recovery_request *r, const struct page *page,
                         struct publication *const *live, struct recovery *ret) {
    uint64_t top = ret->next - 1;
    bool has_live = ret->n_live > 0;
    bool same = r->epoch.len > 0 && str_equal(r->epoch, str_of(page->top.epoch));
    bool is_there = same && r->offset == top;

    /* What is known ends at the top, unless the newest is gone from the history. */
    bool is_current = has_live || (page->n > 0 && page->items[0]->position.offset == top);
    uint64_t newest = choose_newest(r, page, live, ret);
    /* None that passes is newer than what the client has. */
    bool missed_none = same && r->filter && page->n > 0 &&
                       page->items[page->n - 1]->position.offset <= r->offset + 1;
    ret->recovered = is_there || (is_current && (newest > 0 || missed_none));
    if (!ret->recovered || (same && r->offset >= newest))
        ret->n_live = ret->n_page = 0; /* it has that one */
    ret->offset = top;
}

int recovery_decide(const struct recovery_request *r, const struct page *page,
                    struct publication *const *live, size_t n_live, struct recovery *ret) {
    struct recovery decision = { 0 };

    int e = merge(page, live, n_live, &decision);
    if (e < 0)
        return e;
    if (!r->is_asked)
        decision.n_live = 0;
    else if (r->mode == RECOVERY_CACHE)
        decide_cache(r, page, live, &decision);
    else
        decide_stream(r, page, &decision);
    if (decision.recovered && !fits(r, page, live, &decision)) {
        decision.recovered = false;
        decision.n_page = decision.n_live = 0;
        decision.offset = decision.next - 1;
    }
    *ret = decision;
    return 0;
}
