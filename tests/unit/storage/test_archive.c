/* The archive: what was published is in the file, once and in order, whatever the disk did. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "storage/row.h"
#include "storage/sqlite/archive.h"
#include "storage/sqlite/database.h"
#include "tests/unit/storage/world.h"

enum { PATIENCE_MS = 30000 };

static int open_archive(struct world *w, size_t queue_max_bytes, struct archive **ret) {
    struct archive_options o = { .data_dir = w->options.data_dir,
                                 .vfs = w->options.vfs,
                                 .queue_max_bytes = queue_max_bytes };
    free(TAKE(w->why));
    return archive_open(&o, ret, &w->why);
}

static struct archive_stats stats_of(struct archive *a) {
    struct archive_stats stats;
    archive_stats(a, &stats);
    return stats;
}

static void put_at(struct archive *a, const char *channel, const char *epoch, uint64_t offset) {
    char data[24];
    (void) snprintf(data, sizeof data, "d%llu", (unsigned long long) offset);
    struct publication *p = a_publication(str_of(channel), data);
    p->position.offset = offset;
    (void) snprintf(p->position.epoch, sizeof p->position.epoch, "%s", epoch);
    p->time_ms = 1000 + (int64_t) offset;
    archive_put(a, p);
    publication_unref(p);
}

static void put_some(struct archive *a, const char *channel, uint64_t from, uint64_t to) {
    for (uint64_t i = from; i <= to; i++)
        put_at(a, channel, "e", i);
}

static bool await_written(struct archive *a, uint64_t written) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS; stats_of(a).written < written;)
        if (loop_now() > until_ms || task_sleep(1) < 0)
            return false;
    return true;
}

static bool await_errors(struct archive *a, uint64_t errors) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS; stats_of(a).errors < errors;)
        if (loop_now() > until_ms || task_sleep(1) < 0)
            return false;
    return true;
}

static sqlite3 *look(struct world *w, enum database_role role) {
    char path[128];
    sqlite3 *db = NULL;
    (void) snprintf(path, sizeof path, "%s/archive.db", w->options.data_dir);
    return database_open(path, w->options.vfs, role, &db) < 0 ? NULL : db;
}

static int64_t number(struct world *w, const char *sql) {
    int64_t n = -1;
    sqlite3 *db = look(w, DATABASE_READER);
    if (!db || database_number(db, sql, &n) < 0)
        n = -1;
    database_close(db);
    return n;
}

static const char COUNT[] = "SELECT count(*) FROM publication";

/* "CHANNEL/EPOCH/OFFSET@TIME=DATA ", all of them. */
static const char *archived(struct world *w, char text[static 512]) {
    sqlite3_stmt *s = NULL;
    sqlite3 *db = look(w, DATABASE_READER);
    size_t at = 0;
    text[0] = '\0';
    if (db && sqlite3_prepare_v2(db,
                                 "SELECT channel, epoch, offset, time_ms, data, extra IS NULL FROM"
                                 " publication ORDER BY id",
                                 -1, &s, NULL) == SQLITE_OK)
        while (sqlite3_step(s) == SQLITE_ROW && at < 400) {
            struct bytes data = statement_bytes(s, 4);
            at += (size_t) snprintf(text + at, 512 - at, "%s/%s/%lld@%lld=%.*s%s ",
                                    (const char *) sqlite3_column_text(s, 0),
                                    (const char *) sqlite3_column_text(s, 1),
                                    (long long) sqlite3_column_int64(s, 2),
                                    (long long) sqlite3_column_int64(s, 3), (int) data.len,
                                    (const char *) data.data, sqlite3_column_int(s, 5) ? "" : "+");
        }
    sqlite3_finalize(s);
    database_close(db);
    return text;
}

/* ---- writing ---- */

static int order_story(struct world *w) {
    struct archive *a;
    char text[512];
    CHECK(w, open_archive(w, 0, &a) == 0);
    put_some(a, "x", 1, 2);
    put_at(a, "y", "other", 7);
    put_some(a, "x", 3, 3);
    bool is_waiting = stats_of(a).waiting == 4 && stats_of(a).written == 0;
    bool is_written = await_written(a, 4);
    struct archive_stats stats = stats_of(a);
    archive_close(a);
    CHECK(w, is_waiting && is_written);
    CHECK(w, stats.commits == 1 && stats.waiting == 0 && stats.lag_ms == 0);
    CHECK(w, stats.errors == 0 && stats.dropped == 0);
    CHECK(w, strcmp(archived(w, text),
                    "x/e/1@1001=d1 x/e/2@1002=d2 y/other/7@1007=d7 x/e/3@1003=d3 ") == 0);
    return 0;
}

static void what_comes_together_is_written_in_order_by_one_commit(void **state) {
    struct world *w = *state;
    world_run_closed(w, order_story);
    assert_string_equal(w->failure, "");
}

static int once_story(struct world *w) {
    struct archive *a;
    char text[512];
    CHECK(w, open_archive(w, 0, &a) == 0);
    put_some(a, "x", 1, 1);
    put_some(a, "x", 1, 2);
    put_at(a, "x", "f", 1);
    archive_close(a);
    CHECK(w, open_archive(w, 0, &a) == 0);
    put_some(a, "x", 2, 3);
    archive_close(a);
    CHECK(w, strcmp(archived(w, text),
                    "x/e/1@1001=d1 x/e/2@1002=d2 x/f/1@1001=d1 x/e/3@1003=d3 ") == 0);
    return 0;
}

static void a_position_is_there_once_and_a_file_goes_on(void **state) {
    struct world *w = *state;
    world_run_closed(w, once_story);
    assert_string_equal(w->failure, "");
}

static int whole_story(struct world *w) {
    struct client_info info = { .user = STR("ada"), .client = STR("c1") };
    struct tag tags[] = { { STR("k"), STR("v") } };
    struct publication_parts parts = {
        .channel = STR("x"), .data = bytes_of("\0\n", 2), .info = &info, .tags = tags, .n_tags = 1
    };
    struct publication *p = publication_new(&parts), *back = NULL;
    struct archive *a;
    CHECK(w, open_archive(w, 0, &a) == 0);
    p->position.offset = 1;
    archive_put(a, p);
    publication_unref(p);
    archive_close(a);

    sqlite3_stmt *s = NULL;
    sqlite3 *db = look(w, DATABASE_READER);
    CHECK(w,
          sqlite3_prepare_v2(db, "SELECT data, extra FROM publication", -1, &s, NULL) == SQLITE_OK);
    CHECK(w, sqlite3_step(s) == SQLITE_ROW);
    struct row row = { .channel = STR("x"),
                       .data = statement_bytes(s, 0),
                       .extra = statement_bytes(s, 1) };
    int r = row_decode(&row, &back);
    sqlite3_finalize(s);
    database_close(db);
    CHECK(w, r == 0);
    bool is_same = bytes_equal(back->data, parts.data) && str_equal(back->info.user, info.user) &&
                   back->n_tags == 1 && str_equal(back->tags[0].value, tags[0].value);
    publication_unref(back);
    CHECK(w, is_same);
    return 0;
}

static void who_published_and_tags_are_archived_as_well(void **state) {
    struct world *w = *state;
    world_run_closed(w, whole_story);
    assert_string_equal(w->failure, "");
}

static int cut_story(struct world *w) {
    struct archive *a;
    CHECK(w, open_archive(w, 0, &a) == 0);
    put_some(a, "x", 1, 50);
    bool is_written = await_written(a, 50);
    sim_disk_cut(w->disk);
    archive_close(a);
    CHECK(w, is_written);
    CHECK(w, open_archive(w, 0, &a) == 0);
    archive_close(a);
    CHECK(w, number(w, COUNT) == 50);
    return 0;
}

static void what_is_counted_as_written_survives_a_power_cut(void **state) {
    struct world *w = *state;
    world_run_closed(w, cut_story);
    assert_string_equal(w->failure, "");
}

/* ---- bounds ---- */

static int full_story(struct world *w) {
    struct archive *a;
    struct publication *p = a_publication(STR("x"), "d1");
    size_t two_and_a_half = publication_size(p) * 5 / 2 + 64;
    publication_unref(p);
    CHECK(w, open_archive(w, two_and_a_half, &a) == 0);
    put_some(a, "x", 1, 4);
    struct archive_stats before = stats_of(a);
    bool is_written = await_written(a, 2);
    put_some(a, "x", 5, 5);
    is_written = is_written && await_written(a, 3);
    struct archive_stats after = stats_of(a);
    archive_close(a);
    CHECK(w, before.waiting == 2 && before.dropped == 2);
    CHECK(w, is_written && after.dropped == 2 && after.waiting == 0);
    CHECK(w, number(w, "SELECT sum(offset) FROM publication") == 1 + 2 + 5);
    return 0;
}

static void a_full_queue_leaves_out_and_counts(void **state) {
    struct world *w = *state;
    world_run_closed(w, full_story);
    assert_string_equal(w->failure, "");
}

static int closing_story(struct world *w) {
    struct archive *a;
    CHECK(w, open_archive(w, 0, &a) == 0);
    put_some(a, "x", 1, 3000); /* some groups */
    archive_close(a);
    CHECK(w, number(w, COUNT) == 3000);
    CHECK(w, number(w, "SELECT count(*) FROM publication WHERE id = offset") == 3000);
    return 0;
}

static void closing_writes_what_waits(void **state) {
    struct world *w = *state;
    world_run_closed(w, closing_story);
    assert_string_equal(w->failure, "");
}

/* ---- a disk that fails ---- */

static int failing_disk_story(struct world *w, int error, int expected) {
    struct archive *a;
    CHECK(w, open_archive(w, 0, &a) == 0);
    put_some(a, "x", 1, 1);
    bool is_good = await_written(a, 1);
    sim_disk_fail(w->disk, SIM_ANY, 1, UINT64_MAX, error);
    put_some(a, "x", 2, 3);
    is_good = is_good && await_errors(a, 1) && task_sleep(5000) == 0;
    struct archive_stats first = stats_of(a);
    archive_tick(a);
    is_good = is_good && await_errors(a, 2);
    put_some(a, "x", 4, 4);
    sim_disk_fail(w->disk, SIM_ANY, 1, 0, error);
    is_good = is_good && task_sleep(100) == 0;
    struct archive_stats second = stats_of(a);
    archive_tick(a);
    is_good = is_good && await_written(a, 4);
    struct archive_stats third = stats_of(a);
    put_some(a, "x", 5, 5); /* needs no tick */
    is_good = is_good && await_written(a, 5);
    archive_close(a);
    CHECK(w, is_good);
    CHECK(w, first.errors == 1 && first.last_error == expected && first.waiting == 2);
    CHECK(w, first.lag_ms >= 5000 && first.written == 1);
    CHECK(w, second.errors == 2 && second.waiting == 3 && second.lag_ms >= 5100);
    CHECK(w, third.errors == 2 && third.last_error == 0 && third.lag_ms == 0);
    CHECK(w, third.waiting == 0 && third.dropped == 0);
    CHECK(w, number(w, "SELECT count(*) FROM publication WHERE id = offset") == 5);
    return 0;
}

static int full_disk_story(struct world *w) {
    return failing_disk_story(w, ENOSPC, -ENOSPC);
}

static int broken_disk_story(struct world *w) {
    return failing_disk_story(w, EIO, -EIO);
}

static void a_full_disk_is_tried_again(void **state) {
    struct world *w = *state;
    world_run_closed(w, full_disk_story);
    assert_string_equal(w->failure, "");
}

static void a_broken_disk_is_tried_again(void **state) {
    struct world *w = *state;
    world_run_closed(w, broken_disk_story);
    assert_string_equal(w->failure, "");
}

static int hopeless_story(struct world *w) {
    struct archive *a;
    CHECK(w, open_archive(w, 0, &a) == 0);
    put_some(a, "x", 1, 1);
    bool is_written = await_written(a, 1);
    sim_disk_fail(w->disk, SIM_ANY, 1, UINT64_MAX, EIO);
    put_some(a, "x", 2, 9);
    archive_close(a);
    sim_disk_fail(w->disk, SIM_ANY, 1, 0, EIO);
    CHECK(w, is_written);
    CHECK(w, open_archive(w, 0, &a) == 0);
    archive_close(a);
    CHECK(w, number(w, COUNT) == 1);
    return 0;
}

static void closing_does_not_wait_for_a_disk_that_fails(void **state) {
    struct world *w = *state;
    world_run_closed(w, hopeless_story);
    assert_string_equal(w->failure, "");
}

/* ---- files that are not ours ---- */

static int refuse(struct world *w, const char *change, int expected, const char *why) {
    struct archive *a;
    sqlite3 *db = look(w, DATABASE_WRITER);
    CHECK(w, db);
    int r = database_run(db, change);
    database_close(db);
    CHECK(w, r == 0);
    CHECK(w, open_archive(w, 0, &a) == expected);
    CHECK(w, w->why && strstr(w->why, "disk/archive.db") && strstr(w->why, why));
    return 0;
}

static int foreign_story(struct world *w) {
    CHECK(w, refuse(w, "CREATE TABLE t(c)", -EBADMSG, "not an archive") == 0);
    CHECK(w, refuse(w, "DROP TABLE t; PRAGMA application_id = 1", -EBADMSG, "not an archive") == 0);
    struct archive *a;
    CHECK(w, refuse(w, "PRAGMA application_id = 0; PRAGMA user_version = 2", -EBADMSG,
                    "not an archive") == 0);
    sqlite3 *db = look(w, DATABASE_WRITER);
    int r = database_run(db, "PRAGMA user_version = 0");
    database_close(db);
    CHECK(w, r == 0 && open_archive(w, 0, &a) == 0);
    archive_close(a);
    return refuse(w, "PRAGMA user_version = 2", -EPROTONOSUPPORT, "newer version");
}

static void files_of_others_and_newer_ones_are_refused(void **state) {
    struct world *w = *state;
    world_run_closed(w, foreign_story);
    assert_string_equal(w->failure, "");
}

/* ---- real files and threads ---- */

enum { THREADS = 4, EACH = 500 };

struct putter {
    pthread_t thread;
    struct archive *archive;
    char channel[16];
};

static void *put_many(void *arg) {
    struct putter *p = arg;
    put_some(p->archive, p->channel, 1, EACH);
    return NULL;
}

static int threads_story(struct world *w) {
    struct archive *a;
    struct putter putters[THREADS];
    CHECK(w, open_archive(w, 0, &a) == 0);
    for (int i = 0; i < THREADS; i++) {
        putters[i].archive = a;
        (void) snprintf(putters[i].channel, sizeof putters[i].channel, "c%d", i);
        if (pthread_create(&putters[i].thread, NULL, put_many, &putters[i]) != 0)
            abort();
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(putters[i].thread, NULL);
    bool is_written = await_written(a, (uint64_t) THREADS * EACH);

    bool is_private = true;
    static const char *const names[] = { "archive.db", "archive.db-wal" };
    for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
        char path[128];
        struct stat st;
        (void) snprintf(path, sizeof path, "%s/%s", w->directory, names[i]);
        is_private = is_private && stat(path, &st) == 0 && (st.st_mode & 0777) == 0600;
    }
    archive_close(a);
    CHECK(w, is_written && is_private);
    CHECK(w, number(w, COUNT) == THREADS * EACH);
    CHECK(w, number(w, "SELECT count(*) FROM publication a JOIN publication b ON"
                       " a.channel = b.channel AND a.id < b.id AND a.offset > b.offset") == 0);
    return 0;
}

static void many_threads_put_and_nobody_else_may_read(void **state) {
    struct world *w = *state;
    world_run_closed(w, threads_story);
    assert_string_equal(w->failure, "");
}

static int missing_story(struct world *w) {
    struct archive *a;
    w->options.data_dir = "/nowhere/at/all";
    CHECK(w, open_archive(w, 0, &a) == -ENOENT);
    CHECK(w, w->why && strstr(w->why, "/nowhere/at/all/archive.db cannot be opened"));
    return 0;
}

static void a_directory_that_is_not_there_is_named(void **state) {
    struct world *w = *state;
    world_run_closed(w, missing_story);
    assert_string_equal(w->failure, "");
}

static int begin(void **state) {
    *state = world_new(ENGINE_SQLITE, false);
    return 0;
}

static int begin_real(void **state) {
    *state = world_new(ENGINE_SQLITE, true);
    return 0;
}

static int end(void **state) {
    *state = world_free(*state);
    return 0;
}

#define TEST(test)      cmocka_unit_test_setup_teardown(test, begin, end)
#define REAL_TEST(test) cmocka_unit_test_setup_teardown(test, begin_real, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_comes_together_is_written_in_order_by_one_commit),
        TEST(a_position_is_there_once_and_a_file_goes_on),
        TEST(who_published_and_tags_are_archived_as_well),
        TEST(what_is_counted_as_written_survives_a_power_cut),
        TEST(a_full_queue_leaves_out_and_counts),
        TEST(closing_writes_what_waits),
        TEST(a_full_disk_is_tried_again),
        TEST(a_broken_disk_is_tried_again),
        TEST(closing_does_not_wait_for_a_disk_that_fails),
        TEST(files_of_others_and_newer_ones_are_refused),
        REAL_TEST(many_threads_put_and_nobody_else_may_read),
        REAL_TEST(a_directory_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
