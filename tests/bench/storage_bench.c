/*
 * Durable publishes a second: the engine on SQLite with so many publishers, each waiting for its
 * answer before it publishes again, beside a bare loop of the same statements on the same schema
 * that commits as many at once. Interleaved; the medians' ratio is what counts, since disks and
 * machines change by the minute.
 *
 * Then what publishes cost that are more than appending: each with an idempotency key of its own,
 * or putting one of a thousand keys of a map.
 *
 *   storage_bench [DIRECTORY [ROUNDS [MILLISECONDS]]]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "async/future.h"
#include "async/loop.h"
#include "async/task.h"
#include "storage/clock.h"
#include "storage/engine.h"
#include "storage/sqlite/database.h"
#include "tests/bench/database_files.h"

enum { CHANNELS = 100, HISTORY_SIZE = 100, SLACK = 20, PAYLOAD = 128, ROUNDS_MAX = 50 };

static const int crowds[] = { 1, 10, 100, 1000 };

static const struct keep keep = { .history_size = HISTORY_SIZE, .history_ttl_ms = 86400000 };

static void die(const char *what, int r) {
    (void) fprintf(stderr, "storage_bench: %s: %s\n", what, strerror(-r));
    exit(1);
}

static int64_t now_us(void) {
    return (int64_t) (clock_ticks_ns() / 1000);
}

/* ---- bare ---- */

enum { BEGIN, ADD_CHANNEL, ADD, TRIM, COMMIT, N };

static const char *const sql[N] = {
    "BEGIN IMMEDIATE",
    "INSERT INTO channel VALUES (?1, ?2, 1, 0, 0, 100, 86400000, 86400000, ?3)",
    "INSERT INTO publication VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
    "DELETE FROM publication WHERE channel = ?1 AND offset < ?2",
    "COMMIT",
};

static void run(sqlite3_stmt *s) {
    int r = statement_run(s);
    if (r < 0)
        die("a statement", r);
}

static void insert(sqlite3_stmt **s, int64_t id, int64_t channel, int64_t offset,
                   const char *payload) {
    sqlite3_bind_int64(s[ADD], 1, id);
    sqlite3_bind_int64(s[ADD], 2, channel + 1);
    sqlite3_bind_int64(s[ADD], 3, offset);
    sqlite3_bind_int64(s[ADD], 4, 1700000000000 + id);
    sqlite3_bind_blob(s[ADD], 5, payload, PAYLOAD, SQLITE_STATIC);
    run(s[ADD]);
}

static void trim(sqlite3_stmt **s, int64_t channel, int64_t offset) {
    sqlite3_bind_int64(s[TRIM], 1, channel + 1);
    sqlite3_bind_int64(s[TRIM], 2, offset);
    run(s[TRIM]);
}

static double bare(const char *directory, int batch, int ms) {
    char path[256], payload[PAYLOAD];
    sqlite3 *db;
    sqlite3_stmt *s[N] = { NULL };
    int64_t top[CHANNELS] = { 0 }, first[CHANNELS] = { 0 }, id = 0;
    memset(payload, 'x', sizeof payload);
    (void) snprintf(path, sizeof path, "%s/history.db", directory);
    int r = database_open(path, NULL, DATABASE_WRITER, &db);
    r = r < 0 ? r : schema_migrate(db, "0123456789");
    r = r < 0 ? r : statements_prepare(db, sql, N, s);
    if (r < 0)
        die(path, r);
    for (int c = 0; c < CHANNELS; c++) {
        char name[32];
        (void) snprintf(name, sizeof name, "channel-%d", c);
        sqlite3_bind_int64(s[ADD_CHANNEL], 1, c + 1);
        sqlite3_bind_text(s[ADD_CHANNEL], 2, name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s[ADD_CHANNEL], 3, 1700000000000);
        run(s[ADD_CHANNEL]);
        first[c] = 1;
    }

    int64_t began = now_us(), ends = began + (int64_t) ms * 1000;
    while (now_us() < ends) {
        run(s[BEGIN]);
        for (int i = 0; i < batch; i++) {
            int64_t c = id % CHANNELS;
            insert(s, ++id, c, ++top[c], payload);
        }
        for (int i = 0; i < CHANNELS && i < batch; i++) {
            int64_t c = (id - 1 - i) % CHANNELS;
            if (top[c] - first[c] + 1 > HISTORY_SIZE + SLACK)
                trim(s, c, first[c] = top[c] - HISTORY_SIZE + 1);
        }
        run(s[COMMIT]);
    }
    double rate = (double) id * 1e6 / (double) (now_us() - began);
    statements_finish(s, N);
    database_close(db);
    return rate;
}

/* ---- the engine ---- */

enum kind { PLAIN, ONCE, MAP, KINDS };

enum { MAP_KEYS = 1000 };

struct publisher {
    struct publish_request request;
    struct bench *bench;
    char key[32]; /* of its publish under way */
};

struct bench {
    const char *directory;
    int crowd, ms;
    enum kind kind;
    struct engine *engine;
    struct inbox *inbox;
    struct future over;
    int64_t ends, n;
    int running;
    double rate, group;
    char names[CHANNELS][32], payload[PAYLOAD];
};

static void publish(struct publisher *p) {
    struct bench *b = p->bench;
    const char *name = b->names[b->n++ % CHANNELS];
    (void) snprintf(p->key, sizeof p->key, "k%lld",
                    (long long) (b->kind == MAP ? b->n / CHANNELS % MAP_KEYS : b->n));
    p->request.publication = publication_new(
            &(struct publication_parts){ .channel = str_of(name),
                                         .key = b->kind == MAP ? str_of(p->key) : STR(""),
                                         .data = bytes_of(b->payload, PAYLOAD) });
    p->request.keep = keep;
    p->request.idempotency_key = b->kind == ONCE ? str_of(p->key) : STR("");
    p->request.map.is_map = b->kind == MAP;
    engine_publish(b->engine, &p->request);
}

static void published(struct publish_request *request) {
    struct publisher *p = CONTAINER_OF(request, struct publisher, request);
    if (request->result < 0)
        die("publish", request->result);
    if (now_us() < p->bench->ends)
        publish(p);
    else if (--p->bench->running == 0)
        (void) future_resolve(&p->bench->over, 0);
}

static int crowd(void *arg) {
    struct bench *b = arg;
    struct engine_options o = { .kind = ENGINE_SQLITE, .data_dir = b->directory };
    char *why = NULL;
    b->inbox = inbox_open(loop_current());
    int r = engine_open(&o, &b->engine, &why);
    if (r < 0)
        die(why ? why : "engine_open", r);
    struct publisher *all = calloc((size_t) b->crowd, sizeof *all);
    future_init(&b->over);
    b->running = b->crowd;
    int64_t began = now_us();
    b->ends = began + (int64_t) b->ms * 1000;
    for (int i = 0; i < b->crowd; i++) {
        all[i].bench = b;
        all[i].request.inbox = b->inbox;
        all[i].request.done = published;
        publish(&all[i]);
    }
    r = future_wait(&b->over);
    b->rate = (double) b->n * 1e6 / (double) (now_us() - began);
    struct engine_stats stats;
    engine_stats(b->engine, &stats);
    b->group = (double) stats.publishes / (double) stats.commits;
    engine_close(b->engine);
    inbox_close(b->inbox);
    free(all);
    return r;
}

static double ours(const char *directory, enum kind kind, int n, int ms, double *ret_group) {
    struct bench *b = calloc(1, sizeof *b);
    b->directory = directory;
    b->crowd = n;
    b->kind = kind;
    b->ms = ms;
    memset(b->payload, 'x', sizeof b->payload);
    for (int c = 0; c < CHANNELS; c++)
        (void) snprintf(b->names[c], sizeof b->names[c], "channel-%d", c);
    int r = loop_run(NULL, crowd, b);
    if (r < 0)
        die("the loop", r);
    double rate = b->rate;
    *ret_group = b->group;
    free(b);
    return rate;
}

/* ---- both ---- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(double *values, int n) {
    qsort(values, (size_t) n, sizeof *values, ascending);
    return values[n / 2];
}

static void compare_kinds(const char *directory, int rounds, int ms) {
    (void) printf("\n%10s %14s %14s %14s\n", "publishers", "plain/s", "idempotent/s", "map/s");
    for (size_t i = 0; i < ELEMENTS_OF(crowds); i++) {
        double rates[KINDS][ROUNDS_MAX], group;
        for (int round = 0; round < rounds; round++) {
            for (enum kind k = 0; k < KINDS; k++) {
                database_files_clear(directory);
                rates[k][round] = ours(directory, k, crowds[i], ms, &group);
            }
        }
        (void) printf("%10d %14.0f %14.0f %14.0f\n", crowds[i], median(rates[PLAIN], rounds),
                      median(rates[ONCE], rounds), median(rates[MAP], rounds));
    }
}

int main(int argc, char **argv) {
    char template[] = "/tmp/storage-bench-XXXXXX";
    const char *directory = argc > 1 ? argv[1] : mkdtemp(template);
    int rounds = argc > 2 ? atoi(argv[2]) : 5, ms = argc > 3 ? atoi(argv[3]) : 1000;
    if (!directory || rounds < 1 || rounds > ROUNDS_MAX || ms < 1)
        die("usage: storage_bench [DIRECTORY [ROUNDS [MILLISECONDS]]]", -EINVAL);

    (void) printf("%10s %14s %14s %7s %10s\n", "publishers", "bare/s", "engine/s", "ratio",
                  "per commit");
    for (size_t i = 0; i < ELEMENTS_OF(crowds); i++) {
        double a[ROUNDS_MAX], b[ROUNDS_MAX], group = 0;
        for (int round = 0; round < rounds; round++) {
            database_files_clear(directory);
            a[round] = bare(directory, crowds[i], ms);
            database_files_clear(directory);
            b[round] = ours(directory, PLAIN, crowds[i], ms, &group);
        }
        double theirs = median(a, rounds), mine = median(b, rounds);
        (void) printf("%10d %14.0f %14.0f %7.2f %10.1f\n", crowds[i], theirs, mine, mine / theirs,
                      group);
    }
    compare_kinds(directory, rounds, ms);
    database_files_clear(directory);
    if (argc <= 1)
        (void) rmdir(directory);
    return 0;
}
