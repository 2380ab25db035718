/* The terminal client's search: when it goes on by itself, and when it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/base.h"
#include "clients/cli/chat/search.h"

#define NOTHING_YET "{\"hits\":[],\"cursor\":\"below9\",\"partial\":true}"
#define HIT         "{\"message\":{\"room\":\"r\",\"seq\":1,\"user\":\"u\",\"text\":\"t\"},\"snippet\":[]}"

static enum search_step answer(struct search *s, const char *json) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct chat_object o;
    assert_int_equal(chat_object_decode(str_bytes(str_of(json)), &arena, &o), 0);
    return search_answered(s, &o);
}

static enum search_step ask(struct search *s, const char *json) {
    search_asked(s);
    return answer(s, json);
}

static void what_has_found_nothing_goes_on_by_itself_so_often(void **state) {
    struct search s = { 0 };
    assert_true(search_begin(&s, STR("needle")));
    for (int i = 1; i < SEARCH_LOOKS_MAX; i++) {
        assert_int_equal(ask(&s, NOTHING_YET), SEARCH_AGAIN);
        assert_string_equal(s.cursor, "below9");
    }
    assert_int_equal(ask(&s, NOTHING_YET), SEARCH_NONE);
    assert_true(search_has_more(&s)); /* nothing so far */

    assert_true(search_go_on(&s));
    assert_string_equal(s.words, "needle");
    assert_int_equal(ask(&s, NOTHING_YET), SEARCH_AGAIN);
    assert_int_equal(ask(&s, "{\"hits\":[]}"), SEARCH_NONE);
    assert_false(search_has_more(&s));
    assert_false(search_go_on(&s));
}

static void hits_are_shown_though_there_may_be_more(void **state) {
    struct search s = { 0 };
    assert_true(search_begin(&s, STR("needle")));
    assert_int_equal(ask(&s, "{\"hits\":[" HIT "],\"cursor\":\"c\",\"partial\":true}"),
                     SEARCH_SHOW);
    assert_true(search_has_more(&s));
    assert_true(search_begin(&s, STR("other")));
    assert_false(search_has_more(&s)); /* it begins at the newest */
    assert_int_equal(ask(&s, "{\"hits\":[" HIT "]}"), SEARCH_SHOW);
    assert_false(search_has_more(&s));
}

static void an_answer_to_what_was_asked_before_is_not_wanted(void **state) {
    struct search s = { 0 };
    assert_true(search_begin(&s, STR("one")));
    search_asked(&s);
    assert_true(search_begin(&s, STR("two")));
    search_asked(&s);
    assert_int_equal(answer(&s, NOTHING_YET), SEARCH_OLD);
    assert_false(search_has_more(&s));
    assert_int_equal(answer(&s, "{\"hits\":[" HIT "]}"), SEARCH_SHOW);
}

static void an_error_leaves_it_where_it_was(void **state) {
    struct search s = { 0 };
    assert_true(search_begin(&s, STR("needle")));
    assert_int_equal(ask(&s, NOTHING_YET), SEARCH_AGAIN);
    search_asked(&s);
    assert_int_equal(search_answered(&s, NULL), SEARCH_NONE);
    assert_true(search_go_on(&s));
}

static void words_and_cursors_have_their_ends(void **state) {
    struct search s = { 0 };
    char words[SEARCH_WORDS_MAX + 1], json[200];
    memset(words, 'x', sizeof words);
    assert_false(search_begin(&s, (struct str){ words, sizeof words }));
    assert_true(search_begin(&s, (struct str){ words, sizeof words - 1 }));
    (void) snprintf(json, sizeof json, "{\"hits\":[],\"cursor\":\"%.*s\",\"partial\":true}",
                    SEARCH_CURSOR_MAX + 1, words);
    assert_int_equal(ask(&s, json), SEARCH_NONE);
    assert_false(search_has_more(&s));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_found_nothing_goes_on_by_itself_so_often),
        cmocka_unit_test(hits_are_shown_though_there_may_be_more),
        cmocka_unit_test(an_answer_to_what_was_asked_before_is_not_wanted),
        cmocka_unit_test(an_error_leaves_it_where_it_was),
        cmocka_unit_test(words_and_cursors_have_their_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
