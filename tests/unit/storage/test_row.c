#include "storage/row.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct publication *a_full_one(void) {
    static char long_name[300];
    memset(long_name, 'n', sizeof long_name);
    struct client_info info = { .user = { long_name, sizeof long_name },
                                .client = STR("c"),
                                .chan_info = str_bytes(STR("{}")) };
    struct tag tags[] = { { STR("a"), STR("b") }, { STR(""), STR("") } };
    struct publication *p =
            publication_new(&(struct publication_parts){ .channel = STR("ch"),
                                                         .data = str_bytes(STR("data")),
                                                         .info = &info,
                                                         .tags = tags,
                                                         .n_tags = 2 });
    assert_non_null(p);
    return p;
}

static int decode(const struct publication *p, const struct buffer *extra,
                  struct publication **ret) {
    struct row row = { .channel = p->channel, .data = p->data, .extra = buffer_bytes(extra) };
    return row_decode(&row, ret);
}

static void what_is_encoded_is_decoded(void **state) {
    struct publication *p = a_full_one(), *back;
    struct buffer extra = BUFFER_INIT;
    row_encode_extra(p, false, &extra);
    assert_int_equal(buffer_error(&extra), 0);
    assert_int_equal(decode(p, &extra, &back), 0);

    assert_true(back->has_info);
    assert_true(str_equal(back->info.user, p->info.user));
    assert_true(str_equal(back->info.client, p->info.client));
    assert_int_equal(back->info.conn_info.len, 0);
    assert_true(bytes_equal(back->info.chan_info, p->info.chan_info));
    assert_int_equal(back->n_tags, 2);
    assert_true(str_equal(back->tags[0].value, STR("b")));
    assert_true(bytes_equal(back->data, p->data));
    publication_unref(back);
    publication_unref(p);
    buffer_finish(&extra);
}

static void a_bare_publication_needs_no_extra(void **state) {
    struct publication *p = publication_new(&(struct publication_parts){ .channel = STR("x") });
    struct publication *back;
    struct buffer extra = BUFFER_INIT;
    row_encode_extra(p, false, &extra);
    assert_int_equal(extra.len, 0);
    assert_int_equal(decode(p, &extra, &back), 0);
    assert_false(back->has_info);
    assert_int_equal(back->n_tags, 0);
    publication_unref(back);
    publication_unref(p);
    buffer_finish(&extra);
}

static void what_only_some_have_comes_back_too(void **state) {
    struct tag tag = { STR("a"), STR("b") };
    struct publication *p = publication_new(&(struct publication_parts){ .channel = STR("x"),
                                                                         .key = STR("k"),
                                                                         .score = -7,
                                                                         .version = UINT64_MAX,
                                                                         .is_removed = true,
                                                                         .wants_delta = true,
                                                                         .tags = &tag,
                                                                         .n_tags = 1 });
    struct publication *back;
    struct buffer extra = BUFFER_INIT;
    row_encode_extra(p, false, &extra);
    assert_int_equal(decode(p, &extra, &back), 0);
    assert_true(str_equal(back->key, STR("k")) && back->score == -7);
    assert_true(back->version == UINT64_MAX && back->is_removed && back->wants_delta);
    assert_int_equal(back->n_tags, 1);
    publication_unref(back);

    buffer_reset(&extra);
    row_encode_extra(p, true, &extra);
    struct row row = {
        .channel = p->channel, .extra = buffer_bytes(&extra), .key = STR("other"), .score = 1
    };
    assert_int_equal(row_decode(&row, &back), 0);
    assert_true(str_equal(back->key, STR("other")) && back->score == 1 && back->version == 0);
    assert_true(back->is_removed && back->wants_delta);
    publication_unref(back);
    publication_unref(p);
    buffer_finish(&extra);
}

/* Each on a block of its own size, so that ASan sees a byte read past it. */
static int decode_exactly(const uint8_t *data, size_t len) {
    uint8_t *exact = malloc(len ? len : 1);
    struct publication *p = NULL;
    memcpy(exact, data, len);
    int r = row_decode(&(struct row){ .channel = STR("x"), .extra = bytes_of(exact, len) }, &p);
    free(exact);
    publication_unref(p);
    return r;
}

static void damage_is_noticed_and_reads_nothing_beyond(void **state) {
    struct publication *p = a_full_one();
    struct buffer extra = BUFFER_INIT;
    row_encode_extra(p, false, &extra);
    size_t accepted = 0;
    for (size_t len = 1; len < extra.len; len++)
        accepted += decode_exactly(extra.data, len) == 0;
    assert_int_equal(accepted, 2); /* at the ends of the info and of the first tag */

    for (size_t i = 0; i < extra.len; i++) {
        uint8_t saved = extra.data[i];
        extra.data[i] = 0xff;
        int r = decode_exactly(extra.data, extra.len);
        assert_true(r == 0 || r == -EBADMSG);
        extra.data[i] = saved;
    }
    static const uint8_t endless[] = { 1,    1,    0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                       0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1 };
    assert_int_equal(decode_exactly(endless, sizeof endless), -EBADMSG);
    static const uint8_t other_format[] = { 2, 0 };
    assert_int_equal(decode_exactly(other_format, sizeof other_format), -EBADMSG);
    publication_unref(p);
    buffer_finish(&extra);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(a_bare_publication_needs_no_extra),
        cmocka_unit_test(what_only_some_have_comes_back_too),
        cmocka_unit_test(damage_is_noticed_and_reads_nothing_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
