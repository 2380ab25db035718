#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/session/recovery.h"

/* A stream of epoch "now" in which the offsets history_from..top are kept, live_from..live_to came
 * while it was read, and what the client gets. */
struct sample {
    const char *what;
    bool asks, cache;
    uint64_t since;
    const char *epoch;
    uint64_t history_from, top, live_from, live_to;
    const char *live_epoch; /* NULL: the same */
    /* expected */
    int result;
    bool recovered;
    uint64_t first, last; /* of the publications it gets; 0: none */
    uint64_t offset, next;
};

static const struct sample samples[] = {
    /* not asked for */
    { "a first subscription starts at the top", .history_from = 1, .top = 7, .offset = 7,
      .next = 8 },
    { "in an empty stream, too", .offset = 0, .next = 1 },
    { "what came meanwhile is behind it", .history_from = 1, .top = 7, .live_from = 8, .live_to = 9,
      .offset = 9, .next = 10 },
    { "and may be in the history already", .history_from = 1, .top = 7, .live_from = 6,
      .live_to = 8, .offset = 8, .next = 9 },
    { "a hole between history and live is none of ours", .history_from = 1, .top = 7,
      .live_from = 9, .live_to = 9, .result = -ESTALE },
    { "nor is a stream that began anew meanwhile", .history_from = 1, .top = 7, .live_from = 1,
      .live_to = 1, .live_epoch = "new", .result = -ESTALE },

    /* stream recovery, reference 5.3 */
    { "nothing was missed", .asks = true, .since = 7, .epoch = "now", .history_from = 1, .top = 7,
      .recovered = true, .offset = 7, .next = 8 },
    { "nothing was missed and nothing is kept", .asks = true, .since = 7, .epoch = "now", .top = 7,
      .recovered = true, .offset = 7, .next = 8 },
    { "all that was missed is there", .asks = true, .since = 4, .epoch = "now", .history_from = 1,
      .top = 7, .recovered = true, .first = 5, .last = 7, .offset = 4, .next = 8 },
    { "the oldest kept is just the next one", .asks = true, .since = 4, .epoch = "now",
      .history_from = 5, .top = 7, .recovered = true, .first = 5, .last = 7, .offset = 4,
      .next = 8 },
    { "an unknown epoch is taken for ours", .asks = true, .since = 4, .epoch = "",
      .history_from = 1, .top = 7, .recovered = true, .first = 5, .last = 7, .offset = 4,
      .next = 8 },
    { "from the beginning", .asks = true, .since = 0, .epoch = "now", .history_from = 1, .top = 3,
      .recovered = true, .first = 1, .last = 3, .offset = 0, .next = 4 },
    { "one is trimmed", .asks = true, .since = 4, .epoch = "now", .history_from = 6, .top = 7,
      .offset = 7, .next = 8 },
    { "all are trimmed", .asks = true, .since = 4, .epoch = "now", .top = 7, .offset = 7,
      .next = 8 },
    { "another epoch", .asks = true, .since = 7, .epoch = "old", .history_from = 1, .top = 7,
      .offset = 7, .next = 8 },
    { "the epoch that means none", .asks = true, .since = 0, .epoch = "_", .offset = 0, .next = 1 },
    { "the client is ahead of us", .asks = true, .since = 9, .epoch = "now", .history_from = 1,
      .top = 7, .offset = 7, .next = 8 },
    { "as many as the limit", .asks = true, .since = 10, .epoch = "now", .history_from = 1,
      .top = 20, .recovered = true, .first = 11, .last = 20, .offset = 10, .next = 21 },
    { "one more than the limit", .asks = true, .since = 9, .epoch = "now", .history_from = 1,
      .top = 20, .offset = 20, .next = 21 },
    { "live ones are merged", .asks = true, .since = 4, .epoch = "now", .history_from = 1, .top = 7,
      .live_from = 6, .live_to = 9, .recovered = true, .first = 5, .last = 9, .offset = 4,
      .next = 10 },
    { "only live ones were missed", .asks = true, .since = 7, .epoch = "now", .history_from = 1,
      .top = 7, .live_from = 8, .live_to = 9, .recovered = true, .first = 8, .last = 9, .offset = 7,
      .next = 10 },
    { "live ones count for the limit", .asks = true, .since = 10, .epoch = "now", .history_from = 1,
      .top = 20, .live_from = 21, .live_to = 21, .offset = 21, .next = 22 },
    { "a gap is not mended by live ones", .asks = true, .since = 4, .epoch = "now",
      .history_from = 6, .top = 7, .live_from = 8, .live_to = 8, .offset = 8, .next = 9 },

    /* the newest only */
    { "cache: the newest is given", .asks = true, .cache = true, .since = 2, .epoch = "now",
      .history_from = 1, .top = 7, .recovered = true, .first = 7, .last = 7, .offset = 7,
      .next = 8 },
    { "cache: to a client of another epoch, too", .asks = true, .cache = true, .since = 9,
      .epoch = "old", .history_from = 1, .top = 7, .recovered = true, .first = 7, .last = 7,
      .offset = 7, .next = 8 },
    { "cache: the client has it", .asks = true, .cache = true, .since = 7, .epoch = "now",
      .history_from = 1, .top = 7, .recovered = true, .offset = 7, .next = 8 },
    { "cache: the newest is gone", .asks = true, .cache = true, .since = 2, .epoch = "now",
      .top = 7, .offset = 7, .next = 8 },
    { "cache: gone, but the client had it", .asks = true, .cache = true, .since = 7, .epoch = "now",
      .top = 7, .recovered = true, .offset = 7, .next = 8 },
    { "cache: the newest is a live one", .asks = true, .cache = true, .since = 2, .epoch = "now",
      .history_from = 1, .top = 7, .live_from = 7, .live_to = 9, .recovered = true, .first = 9,
      .last = 9, .offset = 9, .next = 10 },
};

enum { LIMIT = 10, STREAM_MAX = 64 };

/* Every publication there can be; offset is index + 1. */
static struct publication all[STREAM_MAX], live_all[STREAM_MAX];

static struct page page_for(const struct sample *s, const struct history_query *q,
                            struct publication **items) {
    struct page page = { .top.offset = s->top, .items = items };
    strcpy(page.top.epoch, "now");
    if (s->history_from == 0)
        return page;
    if (q->reverse) {
        for (uint64_t i = s->top; i >= s->history_from && page.n < q->limit; i--)
            items[page.n++] = &all[i - 1];
        return page;
    }
    for (uint64_t i = s->history_from; i <= s->top && page.n < q->limit; i++)
        if (!q->has_since || i > q->since_offset)
            items[page.n++] = &all[i - 1];
    return page;
}

static uint64_t got(const struct recovery *r, const struct page *page,
                    struct publication *const *live, size_t i) {
    return i < r->n_page ? page->items[r->first_page + i]->position.offset
                         : live[r->first_live + i - r->n_page]->position.offset;
}

static void each_case_gets_what_the_protocol_says(void **state) {
    for (size_t i = 0; i < STREAM_MAX; i++) {
        all[i].position.offset = live_all[i].position.offset = i + 1;
        strcpy(all[i].position.epoch, "now");
    }

    for (size_t i = 0; i < ELEMENTS_OF(samples); i++) {
        const struct sample *s = &samples[i];
        struct publication *items[STREAM_MAX], *live[STREAM_MAX];
        struct recovery_request request = { .is_asked = s->asks,
                                            .mode = s->cache ? RECOVERY_CACHE : RECOVERY_STREAM,
                                            .limit = LIMIT,
                                            .offset = s->since,
                                            .epoch = str_of(s->epoch) };
        struct history_query q = recovery_query(&request, STR("c"), (struct keep){ 0 });
        struct page page = page_for(s, &q, items);
        size_t n_live = 0;
        for (uint64_t o = s->live_from; o && o <= s->live_to; o++) {
            strcpy(live_all[o - 1].position.epoch, s->live_epoch ? s->live_epoch : "now");
            live[n_live++] = &live_all[o - 1];
        }

        struct recovery r = { 0 };
        print_message("%s\n", s->what);
        assert_int_equal(recovery_decide(&request, &page, live, n_live, &r), s->result);
        if (s->result < 0)
            continue;
        assert_int_equal(r.recovered, s->recovered);
        assert_int_equal(r.n_page + r.n_live, s->first ? s->last - s->first + 1 : 0);
        for (size_t j = 0; j < r.n_page + r.n_live; j++)
            assert_int_equal(got(&r, &page, live, j), s->first + j);
        assert_int_equal(r.offset, s->offset);
        assert_int_equal(r.next, s->next);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_gets_what_the_protocol_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
