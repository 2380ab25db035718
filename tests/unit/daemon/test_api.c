/* The server API's table: what is taken, what is refused and in which words, what is written of it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api/glob.h"
#include "daemon/api/params.h"
#include "protocol/codes.h"

static struct arena arena;
static char why[API_WHY_MAX];

/* ' stands for ". */
static int decode(enum api_method_id id, const char *text, struct api_params *ret) {
    static char json[70000];
    struct json j;
    size_t len = strlen(text);

    assert_true(len < sizeof json);
    for (size_t i = 0; i <= len; i++)
        json[i] = text[i] == '\'' ? '"' : text[i];
    json_init(&j, bytes_of(json, len));
    return api_params_decode(&api_methods()[id], &j, &arena, ret, why);
}

static int forget(void **state) {
    arena_finish(&arena);
    return 0;
}

#define assert_text(value, expected)                                                               \
    do {                                                                                           \
        assert_int_equal((value).len, strlen(expected));                                           \
        assert_memory_equal((value).data, (expected), (value).len);                                \
    } while (0)

/* ---- decoding ---- */

static void every_kind_of_parameter_is_decoded(void **state) {
    struct api_params p;
    assert_int_equal(decode(API_PUBLISH,
                            "{'channel':'a\\u0062','data':{'x': 1},'b64data':'AAEC','skip_history':"
                            "true,'tags':{'k':'v','l':'w'},'idempotency_key':'i','delta':true,"
                            "'version':18446744073709551615,'version_epoch':'e'}",
                            &p),
                     0);
    assert_text(p.channel, "ab");
    assert_text(p.data, "{\"x\": 1}");
    assert_int_equal(p.b64data.len, 3);
    assert_memory_equal(p.b64data.data, "\0\1\2", 3);
    assert_true(p.skip_history && p.delta);
    assert_int_equal(p.tags.n, 2);
    assert_text(p.tags.items[1].value, "w");
    assert_text(p.idempotency_key, "i");
    assert_true(p.version == UINT64_MAX);
    assert_text(p.version_epoch, "e");
}

static void objects_within_are_decoded(void **state) {
    struct api_params p;
    assert_int_equal(decode(API_SUBSCRIBE,
                            "{'channel':'c','recover_since':{'offset':7,'epoch':'e'},'override':{"
                            "'presence':{'value':true},'join_leave':{'value':false}},"
                            "'expire_at':5}",
                            &p),
                     0);
    assert_true(p.recover_since.is_set && p.recover_since.offset == 7);
    assert_text(p.recover_since.epoch, "e");
    assert_true(p.override.presence.is_set && p.override.presence.value);
    assert_true(p.override.join_leave.is_set && !p.override.join_leave.value);
    assert_false(p.override.force_recovery.is_set);
    assert_int_equal(p.expire_at, 5);

    assert_int_equal(decode(API_DISCONNECT,
                            "{'user':'u','whitelist':['a','b','c','d','e','f','g','h','i'],"
                            "'disconnect':{'code':4500,'reason':'bye'}}",
                            &p),
                     0);
    assert_int_equal(p.whitelist.n, 9);
    assert_text(p.whitelist.items[8], "i");
    assert_true(p.disconnect.is_set && p.disconnect.code == 4500);
}

static void null_and_unknown_members_are_as_if_absent(void **state) {
    struct api_params p;
    assert_int_equal(decode(API_PUBLISH,
                            "{'channel':'c','data':1,'tags':null,'version':null,'group':{'a':[1]},"
                            "'b64data':''}",
                            &p),
                     0);
    assert_int_equal(p.tags.n, 0);
    assert_null(p.b64data.data);
    assert_int_equal(decode(API_PUBLISH, "{'channel':null,'data':1}", &p), ERROR_BAD_REQUEST);
    assert_string_equal(why, "channel is missing");
}

static void null_is_a_payload(void **state) {
    struct api_params p;
    assert_int_equal(decode(API_PUBLISH, "{'channel':'c','data':null}", &p), 0);
    assert_text(p.data, "null");
}

static void a_payload_comes_out_on_one_line(void **state) {
    struct api_params p;
    assert_int_equal(decode(API_PUBLISH, "{'channel':'c','data':{'a':\n [1,\r\n2]}}", &p), 0);
    assert_text(p.data, "{\"a\":[1,2]}");
    assert_int_equal(decode(API_PUBLISH, "{'channel':'c','data':{'a': [1, 2]} \n}", &p), 0);
    assert_text(p.data, "{\"a\": [1, 2]}");
}

static void of_members_that_are_repeated_the_last_counts(void **state) {
    struct api_params p;
    assert_int_equal(decode(API_BROADCAST, "{'channels':['a','b'],'channels':['c'],'data':1}", &p),
                     0);
    assert_int_equal(p.channels.n, 1);
    assert_text(p.channels.items[0], "c");
}

static void what_is_wrong_is_named(void **state) {
    static const struct {
        enum api_method_id id;
        const char *json, *why;
    } cases[] = {
        { API_PUBLISH, "{'channel':1}", "channel must be a string" },
        { API_PUBLISH, "{'channel':''}", "channel must not be empty" },
        { API_PUBLISH, "{}", "channel is missing" },
        { API_PUBLISH, "[]", "parameters must be an object" },
        { API_PUBLISH, "7", "parameters must be an object" },
        { API_PUBLISH, "{'channel':'c','b64data':'?'}", "b64data must be base 64 with padding" },
        { API_PUBLISH, "{'channel':'c','b64data':7}", "b64data must be a string" },
        { API_PUBLISH, "{'channel':'c','tags':[]}", "tags must be an object of strings" },
        { API_PUBLISH, "{'channel':'c','tags':{'a':1}}", "tags must be an object of strings" },
        { API_PUBLISH, "{'channel':'c','version':-1}",
          "version must be an integer of 64 bits without a sign" },
        { API_PUBLISH, "{'channel':'c','version':1.5}",
          "version must be an integer of 64 bits without a sign" },
        { API_PUBLISH, "{'channel':'c','version':'1'}", "version must be an integer" },
        { API_PUBLISH, "{'channel':'c','skip_history':'yes'}",
          "skip_history must be true or false" },
        { API_BROADCAST, "{'channels':'a'}", "channels must be a list of strings" },
        { API_BROADCAST, "{'channels':['a',1]}", "channels must be a list of strings" },
        { API_BROADCAST, "{'channels':[]}", "channels must not be empty" },
        { API_BROADCAST, "{'data':1}", "channels is missing" },
        { API_HISTORY, "{'channel':'c','limit':-2}", "limit must be from -1 to 2147483647" },
        { API_HISTORY, "{'channel':'c','limit':true}", "limit must be an integer" },
        { API_HISTORY, "{'channel':'c','since':7}", "since must be an object" },
        { API_HISTORY, "{'channel':'c','since':{'offset':'1'}}",
          "since.offset must be an integer" },
        { API_HISTORY, "{'channel':'c','since':{'epoch':1}}", "since.epoch must be a string" },
        { API_SUBSCRIBE, "{'channel':'c','override':{'presence':true}}",
          "override.presence must be an object with a value" },
        { API_SUBSCRIBE, "{'channel':'c','override':{'presence':{'value':1}}}",
          "override.presence must be an object whose value is true or false" },
        { API_SUBSCRIBE, "{'channel':'c','expire_at':-1}",
          "expire_at must be from 0 to "
          "9223372036854775" },
        { API_DISCONNECT, "{'disconnect':{'reason':'x'}}", "disconnect.code is missing" },
        { API_DISCONNECT, "{'disconnect':{'code':200}}",
          "disconnect.code must be from 3000 to 4999" },
        { API_MAP_PUBLISH, "{'channel':'c','key':'k','key_mode':'x'}",
          "key_mode must be one of if_new if_exists" },
        { API_MAP_PUBLISH, "{'channel':'c'}", "key is missing" },
        { API_BATCH, "{'commands':{}}", "commands must be a list" },
        { API_BATCH, "{}", "commands is missing" },
        { API_CONNECTIONS, "{'limit':1001}", "limit must be from 0 to 1000" },
        { API_SHARED_POLL_PUBLISH, "{'channel':'c','key':'k','version':0}",
          "version must be at least 1" },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct api_params p;
        assert_int_equal(decode(cases[i].id, cases[i].json, &p), ERROR_BAD_REQUEST);
        assert_string_equal(why, cases[i].why);
    }
}

static void texts_have_limits(void **state) {
    static char json[2000];
    struct api_params p;
    (void) snprintf(json, sizeof json, "{'channel':'c','idempotency_key':'%01025d'}", 0);
    assert_int_equal(decode(API_PUBLISH, json, &p), ERROR_BAD_REQUEST);
    assert_string_equal(why, "idempotency_key must be at most 1024 bytes");
    (void) snprintf(json, sizeof json, "{'channel':'c','idempotency_key':'%01024d'}", 0);
    assert_int_equal(decode(API_PUBLISH, json, &p), 0);
}

static void what_is_no_json_is_told_apart(void **state) {
    static const char *const cases[] = { "",         "{",   "{'channel':",       "{'channel':'c'",
                                         "{'a':01}", "nul", "{'channel':'\x80'}" };
    struct api_params p;
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
        if (decode(API_PUBLISH, cases[i], &p) != -EBADMSG)
            fail_msg("%s: %s", cases[i], why);
}

/* ---- the table ---- */

static void every_method_is_found_by_its_name(void **state) {
    for (size_t i = 0; i < API_METHODS_N; i++) {
        const struct api_method *m = &api_methods()[i];
        assert_int_equal(m->id, i);
        assert_ptr_equal(api_method_find(str_of(m->name)), m);
        assert_true(m->params.n <= 32); /* what is missing is found by a mask */
        assert_non_null(m->help);
        for (size_t k = 0; k < m->params.n; k++) {
            assert_non_null(m->params.fields[k].help);
            assert_true(m->params.fields[k].kind != API_OBJECT || m->params.fields[k].object);
            assert_true(m->params.fields[k].kind != API_CHOICE || m->params.fields[k].choices);
        }
    }
    assert_null(api_method_find(STR("")));
    assert_null(api_method_find(STR("publis")));
}

static void errors_have_their_status(void **state) {
    static const int pairs[][2] = { { 100, 500 }, { 102, 404 }, { 104, 404 },
                                    { 107, 400 }, { 108, 400 }, { 111, 429 },
                                    { 112, 416 }, { 113, 409 }, { 4711, 500 } };
    for (size_t i = 0; i < ELEMENTS_OF(pairs); i++)
        assert_int_equal(api_status_of((uint32_t) pairs[i][0]), pairs[i][1]);
}

static void the_openapi_description_is_json_and_whole(void **state) {
    struct buffer text = BUFFER_INIT;
    api_write_openapi(STR("/other"), &text);
    assert_int_equal(buffer_error(&text), 0);
    assert_true(json_is_valid(buffer_bytes(&text), NULL));
    buffer_append_byte(&text, '\0');
    assert_non_null(strstr((char *) text.data, "\"/other/publish\":{\"post\""));

    /* Whatever is referred to is there. */
    for (const char *at = (char *) text.data; (at = strstr(at, "#/components/schemas/"));) {
        char name[80];
        at += strlen("#/components/schemas/");
        (void) snprintf(name, sizeof name, "\"%.*s\":{\"type\"", (int) strcspn(at, "\""), at);
        if (!strstr((char *) text.data, name))
            fail_msg("%s is not described", name);
    }
    buffer_finish(&text);
}

static void the_reference_page_is_up_to_date(void **state) {
    struct buffer page = BUFFER_INIT;
    static char kept[1 << 17];
    api_document(&page);
    buffer_append_byte(&page, '\0');
    assert_int_equal(buffer_error(&page), 0);

    FILE *f = fopen(PARLEY_SOURCE_DIR "/docs/api.md", "r");
    assert_non_null(f);
    kept[fread(kept, 1, sizeof kept - 1, f)] = '\0';
    (void) fclose(f);
    if (strcmp(kept, (char *) page.data) != 0)
        fail_msg("write it anew: build/dev/bin/parleyd --document-api >docs/api.md");
    buffer_finish(&page);
}

/* ---- patterns of channels ---- */

static bool matches(const char *glob, const char *name) {
    struct pattern *p;
    char text[128];
    assert_int_equal(glob_new(str_of(glob), &p, text, sizeof text), 0);
    bool does = pattern_matches(p, str_of(name));
    (void) pattern_free(p);
    return does;
}

static void globs_match_whole_names(void **state) {
    assert_true(matches("*", ""));
    assert_true(matches("*", "a:b#c\n"));
    assert_true(matches("chat:**", "chat:room:1"));
    assert_true(matches("chat:*", "chat:room:1"));
    assert_false(matches("chat:*", "xchat:1"));
    assert_false(matches("chat", "chat2"));
    assert_true(matches("a?c", "abc"));
    assert_false(matches("a?c", "ac"));
    assert_true(matches("[a-c]1", "b1"));
    assert_false(matches("[!a-c]1", "b1"));
    assert_true(matches("[!a-c]1", "d1"));
    assert_true(matches("{news,chat}:*", "chat:1"));
    assert_false(matches("{news,chat}:*", "mail:1"));
    assert_true(matches("{a,{b,c}d}", "cd"));
    assert_true(matches("a.b+(c)", "a.b+(c)"));
    assert_false(matches("a.b", "axb"));
    assert_true(matches("\\*", "*"));
    assert_false(matches("\\*", "a"));
    assert_true(matches("a,b", "a,b"));
    assert_true(matches("[\\]]", "]"));
    assert_true(matches("ж*", "жук"));
}

static void bad_globs_are_refused(void **state) {
    static const char *const bad[] = { "[a", "{a", "a}", "\\", "[", "[]" };
    for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
        struct pattern *p;
        char text[128] = "";
        assert_int_equal(glob_new(str_of(bad[i]), &p, text, sizeof text), -EINVAL);
        assert_true(text[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_kind_of_parameter_is_decoded, forget),
        cmocka_unit_test_teardown(objects_within_are_decoded, forget),
        cmocka_unit_test_teardown(null_and_unknown_members_are_as_if_absent, forget),
        cmocka_unit_test_teardown(null_is_a_payload, forget),
        cmocka_unit_test_teardown(a_payload_comes_out_on_one_line, forget),
        cmocka_unit_test_teardown(of_members_that_are_repeated_the_last_counts, forget),
        cmocka_unit_test_teardown(what_is_wrong_is_named, forget),
        cmocka_unit_test_teardown(texts_have_limits, forget),
        cmocka_unit_test_teardown(what_is_no_json_is_told_apart, forget),
        cmocka_unit_test(every_method_is_found_by_its_name),
        cmocka_unit_test(errors_have_their_status),
        cmocka_unit_test(the_openapi_description_is_json_and_whole),
        cmocka_unit_test(the_reference_page_is_up_to_date),
        cmocka_unit_test(globs_match_whole_names),
        cmocka_unit_test(bad_globs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
