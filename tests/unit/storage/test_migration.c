/* Databases as earlier versions made them, opened by this one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "storage/map.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/mark.h"
#include "tests/unit/storage/world.h"

/* Version 1, as it wrote its tables, with what it would have written after three publishes in "a",
 * two of which are there, and one in "b" whose history was removed. Never to be changed. */
static const char version_1[] =
        "CREATE TABLE store("
        "  id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL, generation INTEGER NOT NULL,"
        "  last_id INTEGER NOT NULL, probe INTEGER NOT NULL) STRICT;"
        "CREATE TABLE channel("
        "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL,"
        "  top INTEGER NOT NULL, last_ms INTEGER NOT NULL, size INTEGER NOT NULL,"
        "  ttl_ms INTEGER NOT NULL, meta_ttl_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL) STRICT;"
        "CREATE INDEX channel_due ON channel(due_ms);"
        "CREATE TABLE publication("
        "  id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, offset INTEGER NOT NULL,"
        "  time_ms INTEGER NOT NULL, data BLOB NOT NULL, extra BLOB) STRICT;"
        "CREATE UNIQUE INDEX publication_place ON publication(channel, offset);"
        "INSERT INTO store VALUES (1, 'abcdefghij', 3, 4, 0);"
        "INSERT INTO channel VALUES (1, 'a', 2, 1, 4000000000000, 10, 9000000000000, 9000000000000,"
        "  9000000000000);"
        "INSERT INTO channel VALUES (2, 'b', 1, 1, 4000000000000, 10, 9000000000000, 9000000000000,"
        "  9000000000000);"
        "INSERT INTO publication VALUES (2, 1, 2, 4000000000000, CAST('two' AS BLOB), NULL);"
        /* format 1, with user "u", client "c", and a tag "t": "v" */
        "INSERT INTO publication VALUES (3, 1, 3, 4000000000001, CAST('three' AS BLOB),"
        "  x'010101750163000001740176');"
        "PRAGMA application_id = 0x50726c79;"
        "PRAGMA user_version = 1";

static int make(const char *sql, uint64_t last_id) {
    sqlite3 *db;
    int r = database_open("disk/history.db", "parley-sim", DATABASE_WRITER, &db);
    if (r < 0)
        return r;
    r = database_run(db, sql);
    database_close(db);
    struct mark_file *f = NULL;
    if (r == 0)
        r = mark_open("disk/history.mark", "parley-sim", &f);
    if (r == 0)
        r = mark_write(f, &(struct mark){ .epoch_base = "abcdefghij", .last_id = last_id }, true);
    mark_close(f);
    return r;
}

static int first_version_story(struct world *w) {
    struct page page;
    char text[256];
    CHECK(w, make(version_1, 3) == 0);
    CHECK(w, world_open(w) == 0);
    CHECK(w, world_history(w, "a", keep_ten, &page) == 0);
    page_text(&page, text);
    const struct publication *last = page.n == 2 ? page.items[1] : NULL;
    bool is_whole = last && last->has_info && str_equal(last->info.user, STR("u")) &&
                    last->n_tags == 1 && str_equal(last->tags[0].value, STR("v")) &&
                    strcmp(page.top.epoch, "abcdefghij2") == 0;
    page_finish(&page);
    CHECK(w, strcmp(text, "2=two 3=three") == 0 && is_whole);
    struct position next;
    CHECK(w, world_publish(w, "b", "x", keep_ten, &next) == 0);
    CHECK(w, next.offset == 2 && strcmp(next.epoch, "abcdefghij1") == 0);

    /* And what it did not know works in it. */
    struct attempt a = { 0 };
    for (int i = 0; i < 2; i++) {
        struct publish_request q = { .publication = a_publication(STR("a"), "once"),
                                     .keep = keep_ten,
                                     .idempotency_key = STR("k"),
                                     .version = 1 };
        CHECK(w, world_publish_with(w, &a, q) == 0);
        CHECK(w, a.request.is_duplicate == (i > 0) && a.request.position.offset == 4);
    }
    world_close(w);
    CHECK(w, world_open(w) == 0);
    return 0;
}

static void the_first_versions_database_keeps_all_that_was_in_it(void **state) {
    struct world *w = *state;
    world_run_closed(w, first_version_story);
    assert_string_equal(w->failure, "");
}

static int begin(void **state) {
    *state = world_new(ENGINE_SQLITE, false);
    return 0;
}

static int end(void **state) {
    *state = world_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_versions_database_keeps_all_that_was_in_it, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
