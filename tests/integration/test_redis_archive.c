/* What nodes that share a Redis archive, each for itself. */
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/redis/stats.h"
#include "tests/integration/redis_nodes.h"

static const struct keep keep_durable = { .history_size = 3,
                                          .history_ttl_ms = 60000,
                                          .is_durable = true };

static void give_directory(struct world *w) {
    (void) snprintf(w->directory, sizeof w->directory, "/tmp/parley-archive-XXXXXX");
    if (!mkdtemp(w->directory))
        abort();
    w->options.data_dir = w->directory;
    w->redis_options.archives = true;
}

static struct archive_stats stats_of(struct world *w) {
    struct archive_stats stats = { 0 };
    if (!engine_archive_stats(w->engine, &stats))
        world_fail(w, __FILE__, __LINE__, "there is no archive");
    return stats;
}

static bool await_written(struct world *w, uint64_t written) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS; stats_of(w).written < written;)
        if (loop_now() > until_ms || task_sleep(1) < 0)
            return false;
    return true;
}

/* "CHANNEL/OFFSET=DATA ", of one epoch, in the file's order. The node is closed. */
static const char *archived(struct world *w, const char *epoch, char text[static 512]) {
    sqlite3_stmt *s = NULL;
    sqlite3 *db = NULL;
    char path[128];
    size_t at = 0;
    text[0] = '\0';
    (void) snprintf(path, sizeof path, "%s/archive.db", w->directory);
    if (sqlite3_open(path, &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db,
                           "SELECT channel || '/' || offset || '=' || CAST(data AS TEXT)"
                           " FROM publication WHERE epoch = ?1 AND time_ms > 0 ORDER BY id",
                           -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_text(s, 1, epoch, -1, SQLITE_STATIC);
        while (sqlite3_step(s) == SQLITE_ROW && at < 400)
            at += (size_t) snprintf(text + at, 512 - at, "%s ",
                                    (const char *) sqlite3_column_text(s, 0));
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return text;
}

static int publish_special(struct world *w, const char *data, uint64_t version, const char *key) {
    struct attempt attempt = { 0 };
    struct publish_request request = { .publication = a_publication(STR("x"), data),
                                       .keep = keep_durable,
                                       .idempotency_key = str_of(key),
                                       .version = version };
    return world_publish_with(w, &attempt, request);
}

/* What is kept, however often it is asked for; and nothing else. */
static int publish_all(struct world *a, struct world *b, struct position *ret) {
    CHECK(a, engine_attach(a->engine, &a->listener.sink, STR("x")) == 0);
    CHECK(a, world_publish(a, "x", "a1", keep_durable, ret) == 0);
    CHECK(a, world_publish(b, "x", "b2", keep_durable, NULL) == 0);
    CHECK(a, publish_special(a, "a3", 9, "key") == 0);
    CHECK(a, publish_special(b, "again", 0, "key") == 0); /* a duplicate */
    CHECK(a, publish_special(a, "old", 9, "") == 0);      /* stale */
    CHECK(a, world_publish(b, "x", "b4", keep_durable, NULL) == 0);
    CHECK(a, world_publish(a, "x", "a5", keep_ten, NULL) == 0); /* not durable */
    CHECK(a, world_publish(b, "x", "bare", (struct keep){ .is_durable = true }, NULL) == 0);
    CHECK(a, world_publish(b, "x", "b6", keep_durable, NULL) == 0);
    CHECK(a, world_await(a, 7));
    engine_detach(a->engine, &a->listener.sink, STR("x"));
    CHECK(a, hears(a, "1=a1 2=b2 3=a3 4=b4 5=a5 0=bare 6=b6"));
    CHECK(a, await_written(a, 2) && await_written(b, 3));
    CHECK(a, stats_of(a).waiting == 0 && stats_of(b).lag_ms == 0 && stats_of(b).dropped == 0);
    return 0;
}

static int two_story(struct world *a) {
    struct world *b = world_beside(a, "two");
    struct position at = { 0 };
    char first[512], second[512];
    give_directory(b);
    int r = world_open(a);
    if (r == 0)
        r = world_open(b);
    if (r == 0)
        r = publish_all(a, b, &at);
    world_close(b);
    world_close(a);
    archived(a, at.epoch, first);
    archived(b, at.epoch, second);
    listener_clear(&b->listener);
    world_free(b);
    CHECK(a, r == 0);
    CHECK(a, strcmp(first, "x/1=a1 x/3=a3 ") == 0);
    CHECK(a, strcmp(second, "x/2=b2 x/4=b4 x/6=b6 ") == 0);
    return 0;
}

static void each_node_archives_what_was_published_on_it(void **state) {
    (void) state;
    give_directory(world);
    run_closed(two_story);
}

static int closing_story(struct world *w) {
    struct position at = { 0 };
    char text[512];
    CHECK(w, world_open(w) == 0);
    int r = world_publish(w, "x", "1", keep_durable, &at);
    world_close(w); /* at once */
    CHECK(w, r == 0 && world_open(w) == 0);
    r = world_publish(w, "x", "2", keep_durable, NULL);
    world_close(w);
    CHECK(w, r == 0 && strcmp(archived(w, at.epoch, text), "x/1=1 x/2=2 ") == 0);
    return 0;
}

static void nothing_acknowledged_is_missing_after_a_stop(void **state) {
    (void) state;
    give_directory(world);
    run_closed(closing_story);
}

/* ---- a disk that fails ---- */

struct warnings {
    char text[512];
};

static void note_warning(void *arg, const char *text) {
    struct warnings *all = arg;
    size_t at = strlen(all->text);
    (void) snprintf(all->text + at, sizeof all->text - at, "%s; ", text);
}

static bool await_warning(const struct warnings *all, const char *text) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS; !strstr(all->text, text);)
        if (loop_now() > until_ms || task_sleep(1) < 0)
            return false;
    return true;
}

static int failing_story(struct world *w) {
    struct warnings *all = w->redis_options.warn_arg;
    CHECK(w, world_publish(w, "x", "1", keep_durable, NULL) == 0);
    CHECK(w, await_written(w, 1));
    sim_disk_fail(w->disk, SIM_ANY, 1, UINT64_MAX, ENOSPC);
    bool is_published = world_publish(w, "x", "2", keep_durable, NULL) == 0 &&
                        world_publish(w, "x", "3", keep_durable, NULL) == 0;
    bool is_told = await_warning(all, "archive.db cannot be written: No space left on device; ");
    struct archive_stats behind = stats_of(w);
    sim_disk_fail(w->disk, SIM_ANY, 1, 0, ENOSPC);
    CHECK(w, is_published && is_told);
    CHECK(w, behind.written == 1 && behind.waiting == 2 && behind.errors > 0);
    CHECK(w, await_written(w, 3)); /* by itself */
    CHECK(w, await_warning(all, "archive.db is written again; "));
    return 0;
}

static void a_disk_that_fails_holds_up_no_publisher(void **state) {
    (void) state;
    struct warnings all = { "" };
    world->disk = sim_disk_new("parley-sim", 1);
    world->options.vfs = "parley-sim";
    world->options.data_dir = "disk";
    world->redis_options.archives = true;
    world->redis_options.warn = note_warning;
    world->redis_options.warn_arg = &all;
    run_one(failing_story);
}

/* ---- refused ---- */

static int refused_story(struct world *w) {
    CHECK(w, world_open(w) == -EINVAL);
    CHECK(w, w->why && strcmp(w->why, "an archive needs a data directory") == 0);
    give_directory(w);
    CHECK(w, world_open(w) == 0);
    world_close(w);

    char path[128];
    (void) snprintf(path, sizeof path, "%s/archive.db", w->directory);
    FILE *f = fopen(path, "w");
    CHECK(w, f);
    bool is_damaged = fputs("this is not a database, but longer than a header would be: "
                            "0123456789012345678901234567890123456789012345678901234567890",
                            f) > 0;
    CHECK(w, fclose(f) == 0 && is_damaged);
    CHECK(w, world_open(w) == -EBADMSG);
    CHECK(w, w->why && strstr(w->why, "archive.db is damaged, or not an archive of Parley's"));

    w->redis_options.archives = false; /* then nobody looks */
    CHECK(w, world_open(w) == 0);
    struct archive_stats stats;
    CHECK(w, world_publish(w, "x", "1", keep_durable, NULL) == 0);
    CHECK(w, !engine_archive_stats(w->engine, &stats));
    return 0;
}

static void a_node_without_its_archive_does_not_start(void **state) {
    (void) state;
    world->redis_options.archives = true;
    run_closed(refused_story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_node_archives_what_was_published_on_it),
        TEST(nothing_acknowledged_is_missing_after_a_stop),
        TEST(a_disk_that_fails_holds_up_no_publisher),
        TEST(a_node_without_its_archive_does_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
