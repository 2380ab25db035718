#include "daemon/session/client_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"

static struct str text_of(const char *text) {
    return (struct str){ text, strlen(text) };
}

/* As RFC 9562 section 4 shows it. */
static void expect_text(const struct client_id *id) {
    struct client_text text;
    struct client_id back;
    char plain[CLIENT_ID_LEN + 1] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof id->bytes; i++)
        len += (size_t) snprintf(plain + len, sizeof plain - len, "%s%02x",
                                 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id->bytes[i]);
    struct str made = client_id_text(id, &text);
    assert_int_equal(made.len, CLIENT_ID_LEN);
    assert_memory_equal(made.data, plain, CLIENT_ID_LEN);
    memset(&back, 0xa5, sizeof back);
    assert_true(client_id_parse(made, &back));
    assert_memory_equal(back.bytes, id->bytes, sizeof id->bytes);
}

static void every_byte_in_every_place_becomes_its_two_digits_and_back(void **state) {
    (void) state;
    for (size_t place = 0; place < 16; place++)
        for (unsigned value = 0; value < 256; value++) {
            struct client_id id;
            for (size_t i = 0; i < sizeof id.bytes; i++)
                id.bytes[i] = (uint8_t) (i * 29 + value * 7);
            id.bytes[place] = (uint8_t) value;
            expect_text(&id);
        }
}

enum { MADE = 200 };

static int make_some(void *arg) {
    struct client_id *ids = arg;
    for (size_t i = 0; i < MADE; i++)
        ids[i] = client_id_make();
    return 0;
}

static void those_that_are_made_are_of_version_4_and_each_is_another(void **state) {
    (void) state;
    static struct client_id ids[MADE];
    assert_int_equal(loop_run(&(struct loop_options){ .is_simulated = true }, make_some, ids), 0);
    for (size_t i = 0; i < MADE; i++) {
        struct client_text text;
        struct str made = client_id_text(&ids[i], &text);
        assert_int_equal(made.data[14], '4');
        assert_non_null(strchr("89ab", made.data[19]));
        expect_text(&ids[i]);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(ids[k].bytes, ids[i].bytes, sizeof ids[i].bytes);
    }
}

static void another_text_is_none(void **state) {
    (void) state;
    static const char *const wrong[] = {
        "",
        "-",
        "3f2A8c1e-9b7d-4e21-8a5f-0c6d9e1b7a42",  /* upper case */
        "3F2A8C1E-9B7D-4E21-8A5F-0C6D9E1B7A42",  /* all of it */
        "3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a4",   /* 35 */
        "3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a421", /* 37 */
        "3f2a8c1e9b7d4e218a5f0c6d9e1b7a42",      /* no dashes */
        "3f2a8c1e09b7d-4e21-8a5f-0c6d9e1b7a42",  /* one is a digit */
        "3f2a8c1-e9b7d-4e21-8a5f-0c6d9e1b7a42",  /* dashes elsewhere */
        "3f2a8c1e9-b7d-4e21-8a5f-0c6d9e1b7a42",
        "3f2a8c1e-9b7d-4e21-8a5f0-c6d9e1b7a42",
        "3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a4-",
        "-f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a42",
        "3f2a8c1e-9b7d-4e21-8a5f-0c6d-e1b7a42",
        "3g2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a42",
        "3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a4 ",
        " f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a42",
        "3f2a8c1e_9b7d_4e21_8a5f_0c6d9e1b7a42",
        "3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a:2",
        "3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a/2",
        "3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a`2",
    };
    struct client_id id;
    assert_true(client_id_parse(STR("3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a42"), &id));
    for (size_t i = 0; i < ELEMENTS_OF(wrong); i++)
        if (client_id_parse(text_of(wrong[i]), &id))
            fail_msg("taken for a client's id: %s", wrong[i]);
    char cut[] = "3f2a8c1e-9b7d-4e21-8a5f-0c6d9e1b7a42";
    cut[20] = 0;
    assert_false(client_id_parse((struct str){ cut, CLIENT_ID_LEN }, &id));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_in_every_place_becomes_its_two_digits_and_back),
        cmocka_unit_test(those_that_are_made_are_of_version_4_and_each_is_another),
        cmocka_unit_test(another_text_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
