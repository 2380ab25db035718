/*
 * The engine on SQLite with a long history: whether publishing slows down while it grows and when
 * it is full and trimmed, what pages cost, and what publishers and readers do to each other, to the
 * log and to its checkpoints.
 *
 *   history_bench [DIRECTORY [PUBLICATIONS [CHANNELS [PUBLISHERS [WAL_PAGES]]]]]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "async/future.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"
#include "storage/clock.h"
#include "storage/engine.h"
#include "tests/bench/database_files.h"

enum { PAYLOAD = 128, STEPS = 10, PAGE = 100, LONG_PAGE = 1000, PAGES = 1000, READERS = 4 };
enum { SIDE_BY_SIDE_MS = 3000, LATENCIES_MAX = 1 << 20 };

struct bench {
    const char *directory;
    size_t publications, channels, publishers;
    unsigned wal_pages;
    struct keep keep;
    struct engine *engine;
    struct inbox *inbox;
    char (*names)[24];
    char payload[PAYLOAD];

    /* of the phase under way */
    struct future over;
    size_t running;
    uint64_t started, wanted; /* publishes */
    uint64_t ends_ns;         /* instead of wanted, if not 0 */
    uint32_t *latencies_us;
    size_t n_latencies;
    bool readers_may_end;
    size_t pages, page_items;
};

struct publisher {
    struct publish_request request;
    struct bench *bench;
    uint64_t began_ns;
};

static void die(const char *what, int r) {
    (void) fprintf(stderr, "history_bench: %s: %s\n", what, strerror(-r));
    exit(1);
}

/* ---- publishing ---- */

static bool is_enough(const struct bench *b) {
    return b->ends_ns ? clock_ticks_ns() >= b->ends_ns : b->started >= b->wanted;
}

static void publish(struct publisher *p) {
    struct bench *b = p->bench;
    p->request.publication = publication_new(
            &(struct publication_parts){ .channel = str_of(b->names[b->started++ % b->channels]),
                                         .data = bytes_of(b->payload, PAYLOAD) });
    p->request.keep = b->keep;
    p->began_ns = clock_ticks_ns();
    engine_publish(b->engine, &p->request);
}

static void published(struct publish_request *request) {
    struct publisher *p = CONTAINER_OF(request, struct publisher, request);
    struct bench *b = p->bench;
    if (request->result < 0)
        die("publish", request->result);
    if (b->n_latencies < LATENCIES_MAX)
        b->latencies_us[b->n_latencies++] = (uint32_t) ((clock_ticks_ns() - p->began_ns) / 1000);
    if (!is_enough(b))
        publish(p);
    else if (--b->running == 0)
        (void) future_resolve(&b->over, 0);
}

/* Publishes a second. */
static double publish_all(struct bench *b) {
    struct publisher *all = calloc(b->publishers, sizeof *all);
    uint64_t began_ns = clock_ticks_ns(), before = b->started;
    future_init(&b->over);
    b->n_latencies = 0;
    b->running = b->publishers;
    for (size_t i = 0; i < b->publishers; i++) {
        all[i] = (struct publisher){ .bench = b };
        all[i].request.inbox = b->inbox;
        all[i].request.done = published;
        publish(&all[i]);
    }
    int r = future_wait(&b->over);
    if (r < 0)
        die("waiting", r);
    free(all);
    return (double) (b->started - before) * 1e9 / (double) (clock_ticks_ns() - began_ns);
}

static double publish_more(struct bench *b, uint64_t n) {
    b->ends_ns = 0;
    b->wanted = b->started + n;
    return publish_all(b);
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
    return (x > y) - (x < y);
}

static double latency_ms(const struct bench *b, double part) {
    size_t i = (size_t) ((double) (b->n_latencies - 1) * part);
    return b->latencies_us[i] / 1e3;
}

static void print_publishing(struct bench *b, const char *what, double rate) {
    qsort(b->latencies_us, b->n_latencies, sizeof *b->latencies_us, ascending);
    (void) printf("%-34s %10.0f %8.2f %8.2f %8.2f %8.2f", what, rate, latency_ms(b, 0.5),
                  latency_ms(b, 0.99), latency_ms(b, 0.999), latency_ms(b, 1));
}

static void print_head(const char *what) {
    (void) printf("%-34s %10s %8s %8s %8s %8s", what, "publish/s", "p50 ms", "p99", "p99.9", "max");
}

/* ---- while it grows ---- */

static void grow(struct bench *b) {
    print_head("publications kept");
    (void) printf("\n");
    for (int i = 1; i <= STEPS + 2; i++) {
        char what[64];
        double rate = publish_more(b, b->publications / STEPS);
        (void) snprintf(what, sizeof what, "%zu%s", b->publications / STEPS * (size_t) i,
                        i > STEPS ? " (trimmed)" : "");
        print_publishing(b, what, rate);
        (void) printf("\n");
    }
}

/* ---- pages ---- */

static size_t read_page(struct bench *b, uint32_t limit, bool is_reverse) {
    uint64_t top = b->started / b->channels, oldest = top - b->keep.history_size;
    struct history_query q = {
        .channel = str_of(b->names[loop_random_below(b->channels)]),
        .keep = b->keep,
        .has_since = true,
        .since_offset = oldest + loop_random_below(b->keep.history_size),
        .limit = limit,
        .reverse = is_reverse,
    };
    struct page page;
    int r = engine_history(b->engine, &q, &page);
    if (r < 0)
        die("history", r);
    size_t n = page.n;
    page_finish(&page);
    return n;
}

static void read_pages(struct bench *b, uint32_t limit, bool is_reverse) {
    uint64_t began_ns = clock_ticks_ns();
    size_t n = 0;
    for (int i = 0; i < PAGES; i++)
        n += read_page(b, limit, is_reverse);
    (void) printf("%6u %-10s %10.0f us a page %8.2f us a publication\n", limit,
                  is_reverse ? "backwards" : "forwards",
                  (double) (clock_ticks_ns() - began_ns) / 1e3 / PAGES,
                  (double) (clock_ticks_ns() - began_ns) / 1e3 / (double) (n ? n : 1));
}

/* ---- side by side ---- */

struct reader {
    struct bench *bench;
    uint32_t limit;
};

static int read_on(void *arg) {
    struct reader *r = arg;
    while (!r->bench->readers_may_end) {
        r->bench->page_items += read_page(r->bench, r->limit, false);
        r->bench->pages++;
    }
    return 0;
}

static int side_by_side(struct bench *b, const char *what, uint32_t limit) {
    struct reader reader = { .bench = b, .limit = limit };
    struct engine_stats before, after;
    engine_stats(b->engine, &before);
    b->readers_may_end = false;
    b->pages = b->page_items = 0;
    GROUP(g);
    int r = 0;
    for (int i = 0; r == 0 && limit > 0 && i < READERS; i++)
        r = group_spawn(&g, "reader", read_on, &reader);
    b->ends_ns = clock_ticks_ns() + (uint64_t) SIDE_BY_SIDE_MS * 1000000;
    double rate = publish_all(b);
    b->readers_may_end = true;
    int joined = group_wait(&g);
    engine_stats(b->engine, &after);

    print_publishing(b, what, rate);
    (void) printf(" %9.0f %7.1f %6llu %5llu %10.1f\n", (double) b->pages * 1e3 / SIDE_BY_SIDE_MS,
                  (double) after.wal_bytes_largest / 1e6,
                  (unsigned long long) (after.checkpoints - before.checkpoints),
                  (unsigned long long) (after.checkpoints_kept - before.checkpoints_kept),
                  (double) after.checkpoint_longest_ns / 1e6);
    return r < 0 ? r : joined;
}

static int compare(struct bench *b) {
    char what[64];
    (void) printf("\n");
    print_head("publishers and readers");
    (void) printf(" %9s %7s %6s %5s %10s\n", "pages/s", "log MB", "checkp", "kept", "longest ms");
    int r = side_by_side(b, "publishers alone", 0);
    for (uint32_t limit = PAGE; r == 0 && limit <= LONG_PAGE; limit *= LONG_PAGE / PAGE) {
        (void) snprintf(what, sizeof what, "%d readers of pages of %u", READERS, limit);
        r = side_by_side(b, what, limit);
    }
    return r;
}

static int run(void *arg) {
    struct bench *b = arg;
    struct engine_options o = { .kind = ENGINE_SQLITE,
                                .data_dir = b->directory,
                                .wal_pages = b->wal_pages };
    char *why = NULL;
    b->inbox = inbox_open(loop_current());
    int r = engine_open(&o, &b->engine, &why);
    if (r < 0)
        die(why ? why : "engine_open", r);
    grow(b);
    (void) printf("\npages at any place, by themselves\n");
    for (int i = 0; i < 4; i++)
        read_pages(b, i < 2 ? PAGE : LONG_PAGE, i % 2);
    r = compare(b);
    engine_close(b->engine);
    inbox_close(b->inbox);
    return r;
}

static size_t count_of(int argc, char **argv, int i, size_t otherwise) {
    size_t n = argc > i ? strtoul(argv[i], NULL, 10) : otherwise;
    if (n == 0)
        die("usage: history_bench [DIRECTORY [PUBLICATIONS [CHANNELS [PUBLISHERS [WAL_PAGES]]]]]",
            -EINVAL);
    return n;
}

int main(int argc, char **argv) {
    char template[] = "/tmp/history-bench-XXXXXX";
    struct bench *b = calloc(1, sizeof *b);
    b->directory = argc > 1 ? argv[1] : mkdtemp(template);
    b->publications = count_of(argc, argv, 2, 1000000);
    b->channels = count_of(argc, argv, 3, 1000);
    b->publishers = count_of(argc, argv, 4, 100);
    b->wal_pages = argc > 5 ? (unsigned) count_of(argc, argv, 5, 0) : 0;
    if (!b->directory || b->publications < b->channels * STEPS)
        die("at least ten publications for each channel", -EINVAL);
    b->keep = (struct keep){ .history_size = (uint32_t) (b->publications / b->channels),
                             .history_ttl_ms = 86400000 };
    b->names = calloc(b->channels, sizeof *b->names);
    b->latencies_us = calloc(LATENCIES_MAX, sizeof *b->latencies_us);
    memset(b->payload, 'x', sizeof b->payload);
    for (size_t i = 0; i < b->channels; i++)
        (void) snprintf(b->names[i], sizeof b->names[i], "channel-%zu", i);
    database_files_clear(b->directory);
    int r = loop_run(NULL, run, b);
    if (r < 0)
        die("the loop", r);
    database_files_clear(b->directory);
    if (argc <= 1)
        (void) rmdir(b->directory);
    free(b->names);
    free(b->latencies_us);
    free(b);
    return 0;
}
