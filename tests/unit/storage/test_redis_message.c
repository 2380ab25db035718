/* What travels through Redis, and on which of several servers it does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/redis/message.h"
#include "storage/redis/redis_impl.h"

static struct publication *sample(enum publication_kind kind) {
    static const struct client_info info = {
        .user = { "ada", 3 },
        .client = { "c1", 2 },
        .conn_info = { (const uint8_t *) "{}", 2 },
    };
    static const struct tag tags[] = { { { "k", 1 }, { "v", 1 } } };
    struct publication_parts parts = { .kind = kind,
                                       .channel = STR("x"),
                                       .data = str_bytes(STR("some data")),
                                       .info = &info,
                                       .tags = tags,
                                       .n_tags = 1,
                                       .is_json_line = true,
                                       .wants_delta = true };
    struct publication *p = publication_new(&parts);
    assert_non_null(p);
    p->time_ms = 1764344650123;
    return p;
}

static void encode(const struct publication *p, struct buffer *out) {
    message_encode_unkept(p, out);
    assert_int_equal(buffer_error(out), 0);
}

static void what_is_encoded_is_decoded(void **state) {
    (void) state;
    for (enum publication_kind kind = PUBLICATION_DATA; kind <= PUBLICATION_LEAVE; kind++) {
        struct publication *p = sample(kind), *q;
        struct buffer b = BUFFER_INIT;
        encode(p, &b);
        assert_int_equal(message_decode(p->channel, buffer_bytes(&b), &q), 0);
        assert_true(q->kind == kind && q->time_ms == p->time_ms && q->is_json_line);
        assert_true(q->position.offset == 0 && q->wants_delta && q->has_info && q->n_tags == 1);
        assert_true(bytes_equal(q->data, p->data) && str_equal(q->info.user, p->info.user));
        publication_unref(q);
        publication_unref(p);
        buffer_finish(&b);
    }
}

static void a_place_comes_with_what_is_kept(void **state) {
    (void) state;
    struct publication *p = sample(PUBLICATION_DATA), *q;
    struct buffer b = BUFFER_INIT;
    buffer_append_str(&b, STR("12345678901234567890:abcdefghij01234:"));
    message_encode_publication(p, &b);
    assert_int_equal(message_decode(p->channel, buffer_bytes(&b), &q), 0);
    assert_true(q->position.offset == UINT64_C(12345678901234567890));
    assert_string_equal(q->position.epoch, "abcdefghij01234");
    publication_unref(q);
    publication_unref(p);
    buffer_finish(&b);
}

/* Copied to memory of its own length, so that a byte too many is found out. */
static int decode_copy(const void *data, size_t len) {
    uint8_t *copy = malloc(len ? len : 1);
    struct publication *p = NULL;
    assert_non_null(copy);
    memcpy(copy, data, len);
    int r = message_decode(STR("x"), bytes_of(copy, len), &p);
    assert_true(r == 0 || r == -EBADMSG);
    publication_unref(p);
    free(copy);
    return r;
}

static void whatever_else_comes_is_refused(void **state) {
    (void) state;
    static const char *const texts[] = {
        "",
        "0",
        "0:",
        "0::",
        "0:e:\1",
        ":",
        "x",
        "1::",
        "1:e:",
        "1:EPOCH:",
        "-1:e:\1\1",
        "18446744073709551616:e:\1",
        "1:abcdefghijklmnopqrstuvwxyz:",
    };
    for (size_t i = 0; i < ELEMENTS_OF(texts); i++)
        assert_int_equal(decode_copy(texts[i], strlen(texts[i])), -EBADMSG);

    struct publication *p = sample(PUBLICATION_JOIN);
    struct buffer b = BUFFER_INIT;
    encode(p, &b);
    uint8_t kind = b.data[4];
    b.data[4] = 3; /* no such kind */
    assert_int_equal(decode_copy(b.data, b.len), -EBADMSG);
    b.data[4] = 8; /* no such flag */
    assert_int_equal(decode_copy(b.data, b.len), -EBADMSG);
    b.data[4] = kind;
    b.data[3] = 2; /* no such format */
    assert_int_equal(decode_copy(b.data, b.len), -EBADMSG);
    publication_unref(p);
    buffer_finish(&b);

    static const char kept_join[] = "1:e:\1\1\0\0\0\0\0\0\0\0\0";
    assert_int_equal(decode_copy(kept_join, sizeof kept_join - 1), -EBADMSG);
    static const char nobodys_join[] = "0::\1\1\0\0\0\0\0\0\0\0\0";
    assert_int_equal(decode_copy(nobodys_join, sizeof nobodys_join - 1), -EBADMSG);
    static const char data[] = "0::\1\0\0\0\0\0\0\0\0\0\0";
    assert_int_equal(decode_copy(data, sizeof data - 1), 0);
}

static void no_damage_is_read_beyond_its_end(void **state) {
    (void) state;
    struct publication *p = sample(PUBLICATION_DATA);
    struct buffer b = BUFFER_INIT;
    encode(p, &b);
    for (size_t len = 0; len < b.len; len++)
        (void) decode_copy(b.data, len);
    for (size_t at = 0; at < b.len; at++) {
        uint8_t was = b.data[at];
        for (int value = 0; value < 256; value++) {
            b.data[at] = (uint8_t) value;
            (void) decode_copy(b.data, b.len);
        }
        b.data[at] = was;
    }
    publication_unref(p);
    buffer_finish(&b);
}

static void infos_come_back_and_damaged_ones_do_not(void **state) {
    (void) state;
    struct client_info info = { .user = STR("1:2"),
                                .conn_info = str_bytes(STR("{}")),
                                .chan_info = str_bytes(STR("[1]")) },
                       back;
    struct buffer b = BUFFER_INIT;
    message_encode_info(&info, &b);
    assert_int_equal(message_decode_info(str_bytes(STR("c")), buffer_bytes(&b), &back), 0);
    assert_true(str_equal(back.user, info.user) && str_equal(back.client, STR("c")));
    assert_true(bytes_equal(back.conn_info, info.conn_info));
    assert_true(bytes_equal(back.chan_info, info.chan_info));
    for (size_t len = 0; len < b.len - 3; len++)
        assert_int_equal(message_decode_info(str_bytes(STR("c")), bytes_of(b.data, len), &back),
                         -EBADMSG);
    buffer_finish(&b);
}

static void a_new_server_takes_its_share_and_no_more(void **state) {
    (void) state;
    enum { N = 10000 };
    int moved = 0, taken[5] = { 0 };
    for (int i = 0; i < N; i++) {
        char name[16];
        (void) snprintf(name, sizeof name, "c%d", i);
        unsigned of_four = shard_of_channel(str_of(name), 4);
        unsigned of_five = shard_of_channel(str_of(name), 5);
        assert_true(of_four < 4 && of_five < 5);
        assert_true(of_five == of_four || of_five == 4);
        moved += of_five != of_four;
        taken[of_five]++;
    }
    assert_true(moved > N / 5 - N / 20 && moved < N / 5 + N / 20);
    for (int i = 0; i < 5; i++)
        assert_true(taken[i] > N / 5 - N / 20 && taken[i] < N / 5 + N / 20);
    /* Nodes of other versions, and other machines, must agree. */
    assert_int_equal(shard_of_channel(STR("news"), 7), 1);
    assert_int_equal(shard_of_channel(STR(""), 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(a_place_comes_with_what_is_kept),
        cmocka_unit_test(whatever_else_comes_is_refused),
        cmocka_unit_test(no_damage_is_read_beyond_its_end),
        cmocka_unit_test(infos_come_back_and_damaged_ones_do_not),
        cmocka_unit_test(a_new_server_takes_its_share_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
