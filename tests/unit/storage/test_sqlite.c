/* What only the engine on SQLite does: it outlives the process, fails as disks do, and is found
 * out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/sqlite/database.h"
#include "tests/unit/storage/world.h"

static void run_story(struct world *w, story_fn *story) {
    world_run(w, story);
    assert_string_equal(w->failure, "");
}

static void run_closed_story(struct world *w, story_fn *story) {
    world_run_closed(w, story);
    assert_string_equal(w->failure, "");
}

/* Closes and opens again, as a restart does. */
static int restart(struct world *w) {
    world_close(w);
    return world_open(w);
}

static int check_history(struct world *w, const char *channel, const char *expected) {
    struct page page;
    char text[256];
    int r = world_history(w, channel, keep_ten, &page);
    if (r < 0)
        return r;
    page_text(&page, text);
    page_finish(&page);
    if (strcmp(text, expected) != 0)
        world_fail(w, __FILE__, __LINE__, text);
    return strcmp(text, expected) == 0 ? 0 : -1;
}

/* ---- restarts ---- */

static int restart_story(struct world *w) {
    struct position before, after, next;
    CHECK(w, world_publish_times(w, "a", 12, keep_ten) == 0);
    CHECK(w, world_publish(w, "b", "x", keep_ten, NULL) == 0);
    CHECK(w, engine_history_remove(w->engine, STR("b")) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &before) == 0);
    struct position promised, promised_after;
    CHECK(w, engine_position(w->engine, STR("new"), keep_ten, &promised) == 0);

    CHECK(w, restart(w) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &after) == 0);
    CHECK(w, after.offset == 12 && strcmp(after.epoch, before.epoch) == 0);
    CHECK(w, engine_position(w->engine, STR("new"), keep_ten, &promised_after) == 0);
    CHECK(w, strcmp(promised.epoch, promised_after.epoch) == 0);
    CHECK(w, check_history(w, "a", "3=3 4=4 5=5 6=6 7=7 8=8 9=9 10=10 11=11 12=12") == 0);
    CHECK(w, world_publish(w, "a", "13", keep_ten, &next) == 0);
    CHECK(w, next.offset == 13 && strcmp(next.epoch, before.epoch) == 0);
    CHECK(w, world_publish(w, "b", "y", keep_ten, &next) == 0);
    CHECK(w, next.offset == 2); /* nothing of it was left but its number */
    return 0;
}

static void numbers_epochs_and_publications_survive_a_restart(void **state) {
    run_story(*state, restart_story);
}

static int expired_while_down_story(struct world *w) {
    struct keep shortly = { .history_size = 5, .history_ttl_ms = 1000, .meta_ttl_ms = 10000 };
    struct position old, now;
    CHECK(w, world_publish(w, "a", "x", shortly, &old) == 0);
    world_close(w);
    CHECK(w, task_sleep(100000) == 0);
    CHECK(w, world_open(w) == 0);
    CHECK(w, task_sleep(3000) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), shortly, &now) == 0);
    CHECK(w, now.offset == 0 && strcmp(now.epoch, old.epoch) != 0);
    CHECK(w, restart(w) == 0);
    struct position again;
    CHECK(w, world_publish(w, "a", "x", shortly, &again) == 0);
    CHECK(w, again.offset == 1 && strcmp(again.epoch, now.epoch) == 0);
    return 0;
}

static void what_expired_while_it_was_down_is_gone(void **state) {
    run_story(*state, expired_while_down_story);
}

static int many_due_story(struct world *w) {
    struct keep shortly = { .history_size = 5, .history_ttl_ms = 1000, .meta_ttl_ms = 2000 };
    char name[32];
    for (int i = 0; i < 100; i++) {
        (void) snprintf(name, sizeof name, "c%d", i);
        CHECK(w, world_publish_times(w, name, 3, shortly) == 0);
    }
    CHECK(w, task_sleep(10000) == 0);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.trimmed == 300);
    world_close(w);
    return 0;
}

static void many_channels_expire_together(void **state) {
    struct world *w = *state;
    run_story(w, many_due_story);
    sqlite3 *db;
    int64_t publications, channels;
    assert_int_equal(database_open("disk/history.db", "parley-sim", DATABASE_WRITER, &db), 0);
    assert_int_equal(database_number(db, "SELECT count(*) FROM publication", &publications), 0);
    assert_int_equal(database_number(db, "SELECT count(*) FROM channel", &channels), 0);
    database_close(db);
    assert_int_equal(publications, 0);
    assert_int_equal(channels, 0);
}

/* ---- groups ---- */

enum { CROWD = 50 };

static int group_story(struct world *w) {
    static struct attempt all[CROWD];
    char name[16];
    for (int i = 0; i < CROWD; i++) {
        (void) snprintf(name, sizeof name, "c%d", i % 7);
        attempt_start(w, &all[i], name, "x", keep_ten);
    }
    for (int i = 0; i < CROWD; i++)
        CHECK(w, attempt_wait(&all[i]) == 0);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.publishes == CROWD && stats.group_largest > 1 && stats.group_largest <= 16);
    CHECK(w, stats.commits >= CROWD / 16 && stats.commits < CROWD && stats.queued == 0);
    for (int i = 0; i < CROWD; i++)
        CHECK(w, all[i].request.position.offset == (uint64_t) (i / 7 + 1));
    return 0;
}

static void publishes_that_queue_share_commits_of_limited_size(void **state) {
    struct world *w = *state;
    w->options.group_max = 16;
    run_story(w, group_story);
}

static int full_queue_story(struct world *w) {
    static struct attempt all[CROWD];
    int order = 0, taken = 0;
    bool are_ordered = true;
    for (int i = 0; i < CROWD; i++) {
        all[i].order = &order;
        attempt_start(w, &all[i], "a", "x", keep_ten);
    }
    for (int i = 0; i < CROWD; i++) {
        int r = attempt_wait(&all[i]);
        CHECK(w, r == 0 || r == -ENOBUFS);
        taken += r == 0;
        are_ordered = are_ordered && all[i].place == i;
    }
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, taken == 20 && stats.rejected == CROWD - 20 && are_ordered);
    CHECK(w, world_publish(w, "a", "x", keep_ten, NULL) == 0);
    return 0;
}

static void a_full_queue_rejects_in_order(void **state) {
    struct world *w = *state;
    w->options.queue_max = 20;
    run_story(w, full_queue_story);
    w->options.queue_max = 0;
    w->options.queue_max_bytes = 20;
    run_story(w, full_queue_story);
}

static int untouched_story(struct world *w) {
    uint64_t before = sim_disk_count(w->disk, SIM_ANY);
    for (int i = 0; i < 100; i++)
        CHECK(w, world_publish(w, "a", "x", keep_none, NULL) == 0);
    struct position at;
    struct page page;
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &at) == 0);
    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    page_finish(&page);
    CHECK(w, task_sleep(10000) == 0);
    CHECK(w, sim_disk_count(w->disk, SIM_ANY) == before);
    return 0;
}

static void without_history_or_by_reading_the_disk_is_not_touched(void **state) {
    run_story(*state, untouched_story);
}

static int closing_story(struct world *w) {
    static struct attempt all[CROWD];
    for (int i = 0; i < CROWD; i++)
        attempt_start(w, &all[i], "a", "x", keep_ten);
    world_close(w);
    for (int i = 0; i < CROWD; i++)
        CHECK(w, attempt_wait(&all[i]) == 0);
    CHECK(w, world_open(w) == 0);
    struct position at;
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &at) == 0);
    CHECK(w, at.offset == CROWD);
    return 0;
}

static void closing_commits_what_is_queued(void **state) {
    run_story(*state, closing_story);
}

/* ---- faults ---- */

/* Every write and sync of a few publishes fails, one after the other, in runs of their own. */
static int fault_story(struct world *w) {
    uint64_t after = w->seed % 40 + 1;
    int error = w->seed % 3 == 0 ? EIO : ENOSPC;
    char expected[256] = "", data[16];
    size_t len = 0;
    int failed = 0;
    CHECK(w, world_open(w) == 0);
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("a")) == 0);
    CHECK(w, world_publish(w, "a", "0", keep_ten, NULL) == 0);
    len += (size_t) snprintf(expected, sizeof expected, "1=0");

    sim_disk_fail(w->disk, w->seed % 2 ? SIM_ANY : SIM_SYNC, after, 3, error);
    uint64_t top = 1;
    for (int i = 1; i <= 8; i++) {
        struct position at;
        struct engine_stats stats;
        (void) snprintf(data, sizeof data, "%d", i);
        int r = world_publish(w, "a", data, keep_ten, &at);
        engine_stats(w->engine, &stats);
        CHECK(w, stats.writable == (r == 0) && stats.last_error == r);
        if (r == 0) {
            CHECK(w, at.offset == top + 1);
            top++;
            len += (size_t) snprintf(expected + len, sizeof expected - len, " %llu=%d",
                                     (unsigned long long) top, i);
        } else {
            CHECK(w, r == -EIO || r == -ENOSPC);
            failed++;
        }
        CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &at) == 0);
        CHECK(w, at.offset == top);
    }
    sim_disk_fail(w->disk, SIM_ANY, 0, 0, 0);
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    char heard[256];
    listener_text(&w->listener, heard);
    CHECK(w, strcmp(heard, expected) == 0); /* nobody saw what failed */
    CHECK(w, check_history(w, "a", expected) == 0);
    CHECK(w, restart(w) == 0);
    CHECK(w, check_history(w, "a", expected) == 0);
    CHECK(w, failed <= 3);
    return 0;
}

/* A story on a disk of its own for each seed. */
static void run_seeds(story_fn *story, uint64_t first, uint64_t last) {
    for (uint64_t seed = first; seed <= last; seed++) {
        struct world *w = world_new(ENGINE_SQLITE, false);
        char failure[sizeof w->failure + 32] = "";
        w->seed = seed;
        world_run_closed(w, story);
        if (w->failure[0])
            (void) snprintf(failure, sizeof failure, "seed %llu: %s", (unsigned long long) seed,
                            w->failure);
        world_free(w);
        assert_string_equal(failure, "");
    }
}

static void a_failed_commit_leaves_no_trace_and_the_next_is_tried(void **state) {
    run_seeds(fault_story, 0, 119);
}

static int recovering_story(struct world *w) {
    struct engine_stats stats;
    CHECK(w, world_publish(w, "a", "x", keep_ten, NULL) == 0);
    sim_disk_fail(w->disk, SIM_ANY, 1, UINT64_MAX, ENOSPC);
    CHECK(w, world_publish(w, "a", "y", keep_ten, NULL) == -ENOSPC);
    CHECK(w, task_sleep(10000) == 0);
    engine_stats(w->engine, &stats);
    CHECK(w, !stats.writable && stats.last_error == -ENOSPC && stats.commit_errors > 0);

    sim_disk_fail(w->disk, SIM_ANY, 0, 0, 0);
    CHECK(w, task_sleep(3000) == 0);
    engine_stats(w->engine, &stats);
    CHECK(w, stats.writable && stats.last_error == 0); /* nobody has published */
    CHECK(w, world_publish(w, "a", "z", keep_ten, NULL) == 0);
    CHECK(w, check_history(w, "a", "1=x 2=z") == 0);
    return 0;
}

static void health_comes_back_by_itself_with_the_space(void **state) {
    run_story(*state, recovering_story);
}

static int removal_fault_story(struct world *w) {
    CHECK(w, world_publish_times(w, "a", 3, keep_ten) == 0);
    sim_disk_fail(w->disk, SIM_ANY, 1, UINT64_MAX, EIO);
    CHECK(w, engine_history_remove(w->engine, STR("a")) == -EIO);
    sim_disk_fail(w->disk, SIM_ANY, 0, 0, 0);
    CHECK(w, check_history(w, "a", "1=1 2=2 3=3") == 0);
    CHECK(w, engine_history_remove(w->engine, STR("a")) == 0);
    CHECK(w, restart(w) == 0);
    CHECK(w, check_history(w, "a", "") == 0);
    return 0;
}

static void a_removal_that_fails_removes_nothing(void **state) {
    run_story(*state, removal_fault_story);
}

/* ---- files that are not right ---- */

static int copy_story(struct world *w) {
    struct position before, after, same;
    CHECK(w, world_publish_times(w, "a", 3, keep_ten) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &before) == 0);
    world_close(w);
    struct sim_copy *copy = sim_disk_copy(w->disk, "disk/history.db");
    CHECK(w, copy);
    CHECK(w, world_open(w) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &same) == 0);
    CHECK(w, world_publish_times(w, "a", 3, keep_ten) == 0);
    world_close(w);

    sim_disk_restore(w->disk, copy);
    CHECK(w, world_open(w) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &after) == 0);
    CHECK(w, strcmp(before.epoch, same.epoch) == 0);
    CHECK(w, after.offset == 3 && strcmp(after.epoch, before.epoch) != 0);
    CHECK(w, restart(w) == 0); /* and then it stays */
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &same) == 0);
    CHECK(w, strcmp(after.epoch, same.epoch) == 0);
    return 0;
}

static void a_database_put_back_from_a_copy_has_a_new_epoch(void **state) {
    run_story(*state, copy_story);
}

static int damaged_story(struct world *w) {
    CHECK(w, world_open(w) == 0);
    CHECK(w, world_publish(w, "a", "x", keep_ten, NULL) == 0);
    world_close(w);
    CHECK(w, sim_disk_damage(w->disk, "disk/history.db", 0, "not a database at all", 21));
    CHECK(w, world_open(w) == -EBADMSG);
    CHECK(w, w->why && strstr(w->why, "disk/history.db is damaged"));
    return 0;
}

static void a_damaged_file_is_refused_with_a_sentence(void **state) {
    run_closed_story(*state, damaged_story);
}

static int damaged_schema_story(struct world *w) {
    char nonsense[3000];
    memset(nonsense, 0xa5, sizeof nonsense);
    CHECK(w, world_open(w) == 0);
    CHECK(w, world_publish(w, "a", "x", keep_ten, NULL) == 0);
    world_close(w);
    CHECK(w, sim_disk_damage(w->disk, "disk/history.db", 100, nonsense, sizeof nonsense));
    CHECK(w, world_open(w) == -EBADMSG);
    CHECK(w, w->why && strstr(w->why, "damaged"));
    return 0;
}

static void a_damaged_schema_is_refused_too(void **state) {
    run_closed_story(*state, damaged_schema_story);
}

static int run_sql(struct world *w, const char *sql) {
    sqlite3 *db;
    int r = database_open("disk/history.db", "parley-sim", DATABASE_WRITER, &db);
    if (r < 0)
        return r;
    r = database_run(db, sql);
    database_close(db);
    return r;
}

static int foreign_story(struct world *w) {
    CHECK(w, run_sql(w, "CREATE TABLE shopping(list)") == 0);
    CHECK(w, world_open(w) == -EBADMSG);
    CHECK(w, w->why && strstr(w->why, "another program"));
    return 0;
}

static void another_programs_database_is_left_alone(void **state) {
    run_closed_story(*state, foreign_story);
}

static int newer_story(struct world *w) {
    CHECK(w, world_open(w) == 0);
    world_close(w);
    CHECK(w, run_sql(w, "PRAGMA user_version = 99") == 0);
    CHECK(w, world_open(w) == -EPROTONOSUPPORT);
    CHECK(w, w->why && strstr(w->why, "newer version"));
    CHECK(w, run_sql(w, "PRAGMA user_version = 2") == 0);
    CHECK(w, world_open(w) == 0);
    return 0;
}

static void a_newer_versions_database_is_refused(void **state) {
    run_closed_story(*state, newer_story);
}

static int migration_story(struct world *w) {
    CHECK(w, run_sql(w, "PRAGMA user_version = 0") == 0); /* an empty file */
    CHECK(w, world_open(w) == 0);
    CHECK(w, world_publish(w, "a", "x", keep_ten, NULL) == 0);
    return 0;
}

static void an_empty_file_is_migrated_to_the_newest_version(void **state) {
    struct world *w = *state;
    run_closed_story(w, migration_story);
    sqlite3 *db;
    int64_t version, id;
    assert_int_equal(database_open("disk/history.db", "parley-sim", DATABASE_WRITER, &db), 0);
    assert_int_equal(database_number(db, "PRAGMA user_version", &version), 0);
    assert_int_equal(database_number(db, "PRAGMA application_id", &id), 0);
    database_close(db);
    assert_int_equal(version, schema_version());
    assert_int_equal(id, DATABASE_APPLICATION_ID);
}

static int broken_migration_story(struct world *w) {
    sim_disk_fail(w->disk, SIM_ANY, w->seed, 1000, ENOSPC);
    int r = world_open(w);
    sim_disk_fail(w->disk, SIM_ANY, 0, 0, 0);
    if (r < 0) {
        CHECK(w, r == -ENOSPC || r == -EIO);
        CHECK(w, w->why && strstr(w->why, "disk/history."));
        CHECK(w, world_open(w) == 0);
    }
    CHECK(w, world_publish(w, "a", "x", keep_ten, NULL) == 0);
    return 0;
}

static void a_migration_that_fails_is_done_again(void **state) {
    run_seeds(broken_migration_story, 1, 30);
}

/* ---- on real files ---- */

static int twice_story(struct world *w) {
    char *why = NULL;
    struct engine *second = NULL;
    CHECK(w, engine_open(&w->options, &second, &why) == -EBUSY);
    bool is_clear = why && strstr(why, "history.db is in use by another process");
    free(why);
    CHECK(w, is_clear);
    CHECK(w, restart(w) == 0);
    return 0;
}

static void one_process_at_a_time_has_the_database(void **state) {
    run_story(*state, twice_story);
}

static int marks_story(struct world *w) {
    struct position before, after;
    char path[128];
    CHECK(w, world_publish(w, "a", "x", keep_ten, &before) == 0);
    CHECK(w, restart(w) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &after) == 0);
    CHECK(w, strcmp(before.epoch, after.epoch) == 0);

    world_close(w);
    (void) snprintf(path, sizeof path, "%s/history.mark", w->directory);
    CHECK(w, unlink(path) == 0);
    CHECK(w, world_open(w) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &after) == 0);
    CHECK(w, after.offset == 1 && strcmp(before.epoch, after.epoch) != 0);
    before = after;

    /* Another file with the same contents: a copy, whatever its mark says. */
    world_close(w);
    char command[512];
    (void) snprintf(command, sizeof command, "cd '%s' && cp history.db c && mv c history.db",
                    w->directory);
    CHECK(w, system(command) == 0);
    CHECK(w, world_open(w) == 0);
    CHECK(w, engine_position(w->engine, STR("a"), keep_ten, &after) == 0);
    CHECK(w, after.offset == 1 && strcmp(before.epoch, after.epoch) != 0);
    return 0;
}

static void a_copied_file_or_a_missing_mark_means_a_new_epoch(void **state) {
    run_story(*state, marks_story);
}

static int private_story(struct world *w) {
    static const char *const names[] = { "history.db", "history.db-wal", "history.mark" };
    CHECK(w, world_publish(w, "a", "x", keep_ten, NULL) == 0);
    for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
        char path[128];
        struct stat st;
        (void) snprintf(path, sizeof path, "%s/%s", w->directory, names[i]);
        CHECK(w, stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    }
    return 0;
}

static void nobody_else_may_read_what_is_kept(void **state) {
    mode_t before = umask(0);
    run_story(*state, private_story);
    (void) umask(before);
}

static int no_directory_story(struct world *w) {
    w->options.data_dir = "/nowhere/at/all";
    int r = world_open(w);
    CHECK(w, r == -ENOENT);
    CHECK(w, w->why && strstr(w->why, "/nowhere/at/all"));
    w->options.data_dir = NULL;
    CHECK(w, world_open(w) == -EINVAL);
    w->options.data_dir = w->directory;
    return 0;
}

static void a_directory_that_cannot_be_made_is_named(void **state) {
    run_closed_story(*state, no_directory_story);
}

static int begin_simulated(void **state) {
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

#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, begin_simulated, end)
#define REAL(test)      cmocka_unit_test_setup_teardown(test, begin_real, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        SIMULATED(numbers_epochs_and_publications_survive_a_restart),
        SIMULATED(what_expired_while_it_was_down_is_gone),
        SIMULATED(many_channels_expire_together),
        SIMULATED(publishes_that_queue_share_commits_of_limited_size),
        SIMULATED(a_full_queue_rejects_in_order),
        SIMULATED(without_history_or_by_reading_the_disk_is_not_touched),
        SIMULATED(closing_commits_what_is_queued),
        cmocka_unit_test(a_failed_commit_leaves_no_trace_and_the_next_is_tried),
        SIMULATED(health_comes_back_by_itself_with_the_space),
        SIMULATED(a_removal_that_fails_removes_nothing),
        SIMULATED(a_database_put_back_from_a_copy_has_a_new_epoch),
        SIMULATED(a_damaged_file_is_refused_with_a_sentence),
        SIMULATED(a_damaged_schema_is_refused_too),
        SIMULATED(another_programs_database_is_left_alone),
        SIMULATED(a_newer_versions_database_is_refused),
        SIMULATED(an_empty_file_is_migrated_to_the_newest_version),
        cmocka_unit_test(a_migration_that_fails_is_done_again),
        REAL(one_process_at_a_time_has_the_database),
        REAL(a_copied_file_or_a_missing_mark_means_a_new_epoch),
        REAL(nobody_else_may_read_what_is_kept),
        REAL(a_directory_that_cannot_be_made_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
