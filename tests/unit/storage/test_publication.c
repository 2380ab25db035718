#include "storage/publication.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void everything_is_copied_into_the_publication(void **state) {
    char channel[] = "news", data[] = "{\"a\":1}", user[] = "ada", client[] = "c-1";
    char key[] = "topic", value[] = "sport";
    struct client_info info = { .user = str_of(user),
                                .client = str_of(client),
                                .conn_info = bytes_of("{}", 2) };
    struct tag tags[] = { { str_of(key), str_of(value) }, { STR("empty"), STR("") } };
    struct publication_parts parts = { .kind = PUBLICATION_JOIN,
                                       .channel = str_of(channel),
                                       .data = bytes_of(data, sizeof data - 1),
                                       .info = &info,
                                       .tags = tags,
                                       .n_tags = 2 };

    struct publication *p = publication_new(&parts);
    assert_non_null(p);
    channel[0] = data[0] = user[0] = client[0] = key[0] = value[0] = '!';
    tags[0] = tags[1];

    assert_int_equal(p->kind, PUBLICATION_JOIN);
    assert_true(str_equal(p->channel, STR("news")));
    assert_true(bytes_equal(p->data, str_bytes(STR("{\"a\":1}"))));
    assert_true(p->has_info);
    assert_true(str_equal(p->info.user, STR("ada")));
    assert_true(str_equal(p->info.client, STR("c-1")));
    assert_true(bytes_equal(p->info.conn_info, str_bytes(STR("{}"))));
    assert_int_equal(p->info.chan_info.len, 0);
    assert_int_equal(p->n_tags, 2);
    assert_true(str_equal(p->tags[0].key, STR("topic")));
    assert_true(str_equal(p->tags[0].value, STR("sport")));
    assert_true(str_equal(p->tags[1].key, STR("empty")));
    assert_int_equal(p->tags[1].value.len, 0);
    assert_int_equal(p->position.offset, 0);
    assert_null(publication_unref(p));
}

static void a_publication_may_be_bare(void **state) {
    struct publication *p = publication_new(&(struct publication_parts){ .channel = STR("x") });
    assert_non_null(p);
    assert_false(p->has_info);
    assert_int_equal(p->data.len, 0);
    assert_null(p->tags);
    publication_unref(p);
}

static void it_lives_until_its_last_reference_is_gone(void **state) {
    struct publication *p = publication_new(&(struct publication_parts){ .channel = STR("x") });
    assert_non_null(p);
    assert_ptr_equal(publication_ref(p), p);
    publication_unref(p);
    assert_true(str_equal(p->channel, STR("x"))); /* ASan would object */
    publication_unref(p);
    assert_null(publication_unref(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_copied_into_the_publication),
        cmocka_unit_test(a_publication_may_be_bare),
        cmocka_unit_test(it_lives_until_its_last_reference_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
