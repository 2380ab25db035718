/* No statement of a publish or a read looks at more of the database than it has to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "storage/sqlite/reader.h"
#include "storage/sqlite/writer.h"

static sqlite3 *db;

static int open_database(void **state) {
    (void) state;
    int r = database_open(":memory:", NULL, DATABASE_WRITER, &db);
    return r < 0 ? r : schema_migrate(db, "0123456789");
}

static int close_database(void **state) {
    (void) state;
    db = database_close(db);
    return 0;
}

/* Reads all of a table, or sorts. The one row of store is no table to speak of. */
static bool is_long(const char *step) {
    if (strncmp(step, "SCAN ", 5) == 0)
        return strcmp(step, "SCAN s") != 0 && strcmp(step, "SCAN CONSTANT ROW") != 0 &&
               strncmp(step, "SCAN (subquery", 14) != 0 && strcmp(step, "SCAN store") != 0;
    return strstr(step, "TEMP B-TREE") || strstr(step, "AUTOMATIC");
}

static void expect_short(const char *sql) {
    char explained[2048];
    sqlite3_stmt *s = NULL;
    (void) snprintf(explained, sizeof explained, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(db, explained, -1, &s, NULL), SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW) {
        const char *step = (const char *) sqlite3_column_text(s, 3);
        if (is_long(step))
            fail_msg("%s: %s", sql, step);
    }
    sqlite3_finalize(s);
}

/* Those about all there is, of tables that have a limit. */
static bool is_about_all(size_t i) {
    return i == STATEMENT_FIND_DENIALS || i == STATEMENT_COUNT_DENIALS ||
           i == STATEMENT_END_STANDING || i == STATEMENT_DROP_STANDING;
}

static void the_writer_finds_by_index(void **state) {
    (void) state;
    for (size_t i = STATEMENT_FIND_CHANNEL; i < STATEMENTS; i++)
        if (!is_about_all(i))
            expect_short(writer_sql[i]);
}

static void so_do_the_readers(void **state) {
    (void) state;
    for (size_t i = READ_CHANNEL; i < READ_STATEMENTS; i++)
        expect_short(reader_sql[i]);
}

/* The unique index alone answers where a page begins: publication_place (channel, offset). */
static void a_page_is_found_by_its_offset(void **state) {
    static const enum read_statement pages[] = { READ_FORWARD, READ_BACKWARD };
    (void) state;
    for (size_t i = 0; i < ELEMENTS_OF(pages); i++) {
        char sql[1024];
        sqlite3_stmt *s = NULL;
        (void) snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", reader_sql[pages[i]]);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        assert_string_equal((const char *) sqlite3_column_text(s, 3),
                            "SEARCH publication USING INDEX publication_place"
                            " (channel=? AND offset>? AND offset<?)");
        assert_int_equal(sqlite3_step(s), SQLITE_DONE);
        sqlite3_finalize(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_writer_finds_by_index),
        cmocka_unit_test(so_do_the_readers),
        cmocka_unit_test(a_page_is_found_by_its_offset),
    };
    return cmocka_run_group_tests(tests, open_database, close_database);
}
