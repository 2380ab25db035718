/*
 * The log has a bound, whoever reads: real files, real threads. What is asked of time is only that
 * a read ends within a second.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/sqlite/database.h"
#include "tests/unit/storage/world.h"

enum { PAGES = 100, PAGE_BYTES = 4096 + 24, READERS = 4, READ_US = 4000, ROUNDS = 800, ROUND = 16 };

static const struct keep keep_hundred = { .history_size = 100, .history_ttl_ms = 86400000 };

/* Ten times as long as it should be, before the writer waits a second for readers. */
static const uint64_t BOUND = (uint64_t) 12 * PAGES * PAGE_BYTES;

static uint64_t file_size(const struct world *w) {
    char path[128];
    struct stat st;
    (void) snprintf(path, sizeof path, "%s/history.db-wal", w->directory);
    return stat(path, &st) == 0 ? (uint64_t) st.st_size : UINT64_MAX;
}

static int publish_round(struct world *w) {
    static char data[1024];
    struct attempt attempts[ROUND] = { 0 };
    char name[16];
    memset(data, 'x', sizeof data - 1);
    for (int i = 0; i < ROUND; i++) {
        (void) snprintf(name, sizeof name, "c%d", i % 4);
        attempt_start(w, &attempts[i], name, data, keep_hundred);
    }
    int r = 0;
    for (int i = 0; i < ROUND; i++) {
        int one = attempt_wait(&attempts[i]);
        r = r < 0 ? r : one;
    }
    return r;
}

static struct engine_stats stats_of(struct world *w) {
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    return stats;
}

static sqlite3 *open_and_look(const struct world *w, sqlite3_stmt **ret) {
    char path[128];
    sqlite3 *db = NULL;
    (void) snprintf(path, sizeof path, "%s/history.db", w->directory);
    if (database_open(path, NULL, DATABASE_READER, &db) < 0)
        return NULL;
    if (sqlite3_prepare_v2(db, "SELECT id FROM publication", -1, ret, NULL) != SQLITE_OK ||
        sqlite3_step(*ret) != SQLITE_ROW)
        return database_close(db);
    return db;
}

static uint64_t begun_anew(struct world *w) {
    struct engine_stats s = stats_of(w);
    return s.checkpoints - s.checkpoints_kept - s.checkpoints_failed;
}

/* ---- many readers ---- */

struct reader_thread {
    pthread_t thread;
    const struct world *world;
    _Atomic bool *is_over;
    bool has_failed;
};

/* Slowly, and with the others so that somebody always looks at what is past. */
static void *read_on(void *arg) {
    struct reader_thread *t = arg;
    sqlite3_stmt *s = NULL;
    sqlite3 *db = open_and_look(t->world, &s);
    t->has_failed = !db;
    while (!t->has_failed && !atomic_load(t->is_over)) {
        (void) usleep(READ_US);
        sqlite3_reset(s);
        t->has_failed = sqlite3_step(s) != SQLITE_ROW;
    }
    sqlite3_finalize(s);
    database_close(db);
    return NULL;
}

static int busy_story(struct world *w) {
    struct reader_thread readers[READERS];
    _Atomic bool is_over = false;
    CHECK(w, publish_round(w) == 0);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader_thread){ .world = w, .is_over = &is_over };
        if (pthread_create(&readers[i].thread, NULL, read_on, &readers[i]) != 0)
            abort();
        (void) usleep(READ_US / READERS);
    }
    int r = 0;
    for (int i = 0; r == 0 && i < ROUNDS; i++)
        r = publish_round(w);
    atomic_store(&is_over, true);
    bool has_failed = false;
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        has_failed = has_failed || readers[i].has_failed;
    }
    struct engine_stats s = stats_of(w);
    CHECK(w, r == 0 && !has_failed);
    CHECK(w, begun_anew(w) > 3);
    CHECK(w, s.checkpoints_failed == 0);
    CHECK(w, s.wal_bytes_largest <= BOUND);
    CHECK(w, file_size(w) <= BOUND + PAGE_BYTES);
    return 0;
}

static void the_log_has_a_bound_however_much_is_read(void **state) {
    struct world *w = *state;
    w->options.wal_pages = PAGES;
    world_run(w, busy_story);
    assert_string_equal(w->failure, "");
}

/* ---- one that does not end ---- */

static int stuck_story(struct world *w) {
    sqlite3_stmt *s;
    CHECK(w, publish_round(w) == 0);
    sqlite3 *db = open_and_look(w, &s);
    CHECK(w, db);
    int r = 0;
    for (int i = 0; r == 0 && stats_of(w).checkpoints_kept < 4 && i < ROUNDS; i++)
        r = publish_round(w);
    uint64_t grown = stats_of(w).wal_bytes, kept = stats_of(w).checkpoints_kept;
    sqlite3_finalize(s);
    database_close(db);
    CHECK(w, r == 0 && kept >= 4); /* all the while, publishing went on */
    CHECK(w, grown > (uint64_t) PAGES * PAGE_BYTES);

    /* Once it has ended the log begins anew. */
    uint64_t anew = begun_anew(w);
    for (int i = 0; r == 0 && begun_anew(w) == anew && i < ROUNDS; i++)
        r = publish_round(w);
    CHECK(w, r == 0 && begun_anew(w) > anew);
    CHECK(w, stats_of(w).wal_bytes < grown);
    return 0;
}

static void a_reader_that_does_not_end_makes_it_longer_and_holds_up_nothing(void **state) {
    struct world *w = *state;
    w->options.wal_pages = PAGES;
    world_run(w, stuck_story);
    assert_string_equal(w->failure, "");
}

/* ---- numbers ---- */

static int groups_story(struct world *w) {
    CHECK(w, world_publish(w, "a", "alone", keep_hundred, NULL) == 0);
    struct engine_stats s = stats_of(w);
    CHECK(w, s.commits == 1 && s.group_sizes[0] == 1); /* at once, and by itself */
    for (int i = 0; i < 20; i++)
        CHECK(w, publish_round(w) == 0);
    s = stats_of(w);
    uint64_t commits = 0, times = 0;
    for (size_t i = 0; i <= ENGINE_GROUP_BOUNDS; i++)
        commits += s.group_sizes[i];
    for (size_t i = 0; i <= ENGINE_COMMIT_BOUNDS; i++)
        times += s.commit_times[i];
    CHECK(w, commits == s.commits && times == s.commits);
    CHECK(w, s.publishes == 1 + 20 * ROUND && s.commits < s.publishes);
    CHECK(w, s.wal_bytes > 0 && s.wal_bytes_largest >= s.wal_bytes);
    return 0;
}

static void groups_are_counted_by_their_size(void **state) {
    struct world *w = *state;
    world_run(w, groups_story);
    assert_string_equal(w->failure, "");
}

static int begin(void **state) {
    *state = world_new(ENGINE_SQLITE, true);
    return 0;
}

static int end(void **state) {
    *state = world_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_log_has_a_bound_however_much_is_read, begin, end),
        cmocka_unit_test_setup_teardown(
                a_reader_that_does_not_end_makes_it_longer_and_holds_up_nothing, begin, end),
        cmocka_unit_test_setup_teardown(groups_are_counted_by_their_size, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
