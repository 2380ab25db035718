#include "protocol/fossil.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/utf8.h"

/* ---- seeded texts ---- */

struct random {
    uint64_t state;
};

static uint32_t below(struct random *r, uint32_t n) {
    r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t) (r->state >> 33) % n;
}

static const char *const letters[] = { "a", "b", "c", "\"",   "\\", " ",  "0",  "9",
                                       "é", "ß", "д", "я",    "߿", "ह",  "漢", "字",
                                       "😀", "😁", "😂", "🙂", "ö",  "\n", "{",  "}" };
enum { LETTERS = sizeof letters / sizeof *letters };

static void append_letters(struct random *r, unsigned n, struct buffer *out) {
    while (n--)
        buffer_append_str(out, str_of(letters[below(r, LETTERS)]));
}

/* The byte at which a character begins, at or before `at`. */
static size_t border(struct bytes text, size_t at) {
    while (at > 0 && at < text.len && utf8_is_continuation(text.data[at]))
        at--;
    return at;
}

/* A target that shares pieces of the source, in their order or not. */
static void vary(struct random *r, struct bytes source, struct buffer *out) {
    for (unsigned pieces = 1 + below(r, 5); pieces > 0; pieces--) {
        size_t from = border(source, below(r, (uint32_t) source.len + 1));
        size_t to = border(source, from + below(r, (uint32_t) (source.len - from) + 1));
        if (below(r, 8) == 0)
            from = 0;
        if (to > from)
            buffer_append(out, source.data + from, to - from);
        append_letters(r, below(r, 8), out);
    }
}

/* ---- what must hold of every pair ---- */

/* NULL, or what is wrong. */
static const char *fault_of(struct bytes source, struct bytes target, bool is_text,
                            size_t *ret_patch_len) {
    const char *why = NULL;
    struct buffer patch = BUFFER_INIT, made = BUFFER_INIT;
    struct fossil_index *index = fossil_index_new(source);

    int r = fossil_encode(index, target, is_text, &patch);
    *ret_patch_len = r == 0 ? patch.len : 0;
    if (r == 0) {
        if (patch.len >= target.len)
            why = "the patch is not shorter";
        else if (is_text && !utf8_is_valid(buffer_bytes(&patch)))
            why = "the patch is no UTF-8";
        else if (fossil_decode(source, buffer_bytes(&patch), target.len, &made) < 0)
            why = "the patch is refused";
        else if (!bytes_equal(buffer_bytes(&made), target))
            why = "the patch makes something else";
    } else if (r != -EMSGSIZE || patch.len) {
        why = "encoding failed";
    }
    fossil_index_free(index);
    buffer_finish(&patch);
    buffer_finish(&made);
    return why;
}

static void every_patch_of_random_texts_makes_its_target_and_is_utf_8(void **state) {
    enum { CASES = 6000 };
    unsigned patched = 0;

    for (unsigned i = 0; i < CASES; i++) {
        struct random r = { i };
        struct buffer source = BUFFER_INIT, target = BUFFER_INIT;
        size_t len;
        append_letters(&r, below(&r, 400), &source);
        vary(&r, buffer_bytes(&source), &target);
        const char *why = fault_of(buffer_bytes(&source), buffer_bytes(&target), i % 4 != 0, &len);
        if (why)
            fail_msg("case %u: %s", i, why);
        patched += len > 0;
        buffer_finish(&source);
        buffer_finish(&target);
    }
    assert_true(patched > CASES / 2);
}

/* ---- how good they are ---- */

static size_t patch_len(struct bytes source, struct bytes target) {
    size_t len;
    const char *why = fault_of(source, target, true, &len);
    if (why)
        fail_msg("%s", why);
    return len;
}

static void two_changes_far_apart_cost_little(void **state) {
    char source[4000], target[4000];

    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (char) ('a' + (i * i / 7 + i) % 26);
    memcpy(target, source, sizeof target);
    target[100] = '#';
    target[3900] = '#';
    assert_in_range(patch_len(bytes_of(source, sizeof source), bytes_of(target, sizeof target)), 1,
                    60);
}

static void a_moved_block_is_found_and_so_is_a_repeated_one(void **state) {
    struct str source = STR("[a row of text that stays as it is][another one, which is moved]");
    struct str target = STR("[another one, which is moved][a row of text that stays as it is]"
                            "[a row of text that stays as it is]");

    assert_in_range(patch_len(str_bytes(source), str_bytes(target)), 1, 35);
}

static void what_is_alike_before_a_block_is_copied_too(void **state) {
    struct str source = STR("xx0123456789abcdefghijklmnopqrstuvwxyz");
    struct str target = STR("yyyyy23456789abcdefghijklmnopqrstuvwxy!");

    /* From the 2 on, which stands inside of the source's first block. */
    assert_in_range(patch_len(str_bytes(source), str_bytes(target)), 1, 23);
}

static void what_has_nothing_in_common_is_no_patch(void **state) {
    assert_int_equal(patch_len(str_bytes(STR("0123456789abcdef0123456789abcdef")),
                               str_bytes(STR("The quick brown fox jumps over it"))),
                     0);
    assert_int_equal(patch_len((struct bytes){ 0 }, str_bytes(STR("something"))), 0);
    assert_int_equal(patch_len(str_bytes(STR("something")), (struct bytes){ 0 }), 0);
}

static void bytes_that_are_all_alike_are_no_trap(void **state) {
    enum { N = 1 << 18 };
    uint8_t *source = malloc(N), *target = malloc(N);

    memset(source, 'a', N);
    for (size_t i = 0; i < N; i++)
        target[i] = i % 40 == 39 ? 'b' : 'a';
    /* Ends soon; without a bound on the work this takes minutes. */
    (void) patch_len(bytes_of(source, N), bytes_of(target, N));
    (void) patch_len(bytes_of(target, N), bytes_of(source, N));
    free(source);
    free(target);
}

static void copies_end_at_borders_of_characters_in_text_only(void **state) {
    /* é is c3 a9, è is c3 a8: the common stretch ends inside of a character. */
    struct bytes source = str_bytes(STR("0123456789abcdef0123456789abcdefé and so on"));
    struct bytes target = str_bytes(STR("0123456789abcdef0123456789abcdefè"));
    struct fossil_index *index = fossil_index_new(source);
    struct buffer patch = BUFFER_INIT;

    assert_int_equal(fossil_encode(index, target, true, &patch), 0);
    assert_true(utf8_is_valid(buffer_bytes(&patch)));
    assert_true(str_starts_with((struct str){ (char *) patch.data, patch.len }, STR("Y\nW@0,2:è")));
    buffer_reset(&patch);
    assert_int_equal(fossil_encode(index, target, false, &patch), 0);
    assert_true(
            str_starts_with((struct str){ (char *) patch.data, patch.len }, STR("Y\nX@0,1:\xa8")));
    fossil_index_free(index);
    buffer_finish(&patch);
}

static void it_appends_behind_what_is_there_and_takes_back_what_fails(void **state) {
    struct fossil_index *index = fossil_index_new(str_bytes(STR("0123456789abcdef")));
    struct buffer out = BUFFER_INIT;

    buffer_append_str(&out, STR("head"));
    assert_int_equal(fossil_encode(index, str_bytes(STR("0123456789abcdef")), true, &out), 0);
    assert_true(str_starts_with((struct str){ (char *) out.data, out.len }, STR("headG\nG@0,")));
    out.len = 4;
    assert_int_equal(fossil_encode(index, str_bytes(STR("zz")), true, &out), -EMSGSIZE);
    assert_int_equal(out.len, 4);
    buffer_finish(&out);
    fossil_index_free(index);
}

/* ---- decoding ---- */

static int decode(struct str source, struct str patch, struct buffer *out) {
    buffer_reset(out);
    return fossil_decode(str_bytes(source), str_bytes(patch), 100, out);
}

static void a_decoder_follows_the_format_to_the_letter(void **state) {
    /* "abcd" as a word: 0x61626364 = 1XObD_ in base 64 of this alphabet. */
    struct str source = STR("abcdefgh");
    struct buffer out = BUFFER_INIT;
    static const struct {
        struct str patch;
        int result;
    } rows[] = {
        { STR("0\n0;"), 0 },
        { STR("4\n4:abcd1XObD_;"), 0 },
        { STR("4\n4@0,1XObD_;"), 0 },
        { STR("4\n2@0,2:cd1XObD_;"), 0 },
        { STR("04\n04@00,01XObD_;"), 0 }, /* zeros in front are digits */
        { STR("4\n4@0,0:1XObD_;"), 0 },
        { STR(""), -EBADMSG },
        { STR("\n0;"), -EBADMSG },
        { STR("0"), -EBADMSG },
        { STR("0\n"), -EBADMSG },
        { STR("0\n0"), -EBADMSG },
        { STR("0\n;"), -EBADMSG },
        { STR("0\n0;0"), -EBADMSG },           /* something behind the end */
        { STR("0\n1;"), -EBADMSG },            /* another checksum */
        { STR("4\n4@0,1XObDa;"), -EBADMSG },   /* another checksum */
        { STR("4\n3@0,1XObD_;"), -EBADMSG },   /* shorter than it says */
        { STR("3\n4@0,1XObD_;"), -EBADMSG },   /* longer */
        { STR("4\n4@5,1XObD_;"), -EBADMSG },   /* past the source */
        { STR("4\n4@~~~,1XObD_;"), -EBADMSG }, /* far past it */
        { STR("4\n4@3~~~~~,1XObD_;"), -EBADMSG },
        { STR("4\n4@~~~~~~~~~~~,1XObD_;"), -EBADMSG }, /* no number of 32 bits */
        { STR("4\n4@0;1XObD_;"), -EBADMSG },
        { STR("4\n4!abcd1XObD_;"), -EBADMSG },
        { STR("4\n4:abc"), -EBADMSG },
        { STR("-4\n4@0,1XObD_;"), -EBADMSG },
        { STR("1_\n0;"), -EBADMSG },
        { STR("1a\n"), -EMSGSIZE }, /* 101 bytes, whatever follows */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int r = decode(source, rows[i].patch, &out);
        if (r != rows[i].result)
            fail_msg("row %zu: %d", i, r);
    }
    assert_int_equal(decode(source, rows[3].patch, &out), 0);
    assert_true(bytes_equal(buffer_bytes(&out), str_bytes(STR("abcd"))));
    buffer_finish(&out);
}

static void every_cut_and_every_flipped_bit_of_a_patch_is_noticed_or_harmless(void **state) {
    struct bytes source =
            str_bytes(STR("A first sentence, then the second one and the rest of it"));
    struct bytes target = str_bytes(STR("A first sentence, the! the second one and the rest"));
    struct fossil_index *index = fossil_index_new(source);
    struct buffer patch = BUFFER_INIT, out = BUFFER_INIT;

    assert_int_equal(fossil_encode(index, target, true, &patch), 0);
    for (size_t len = 0; len < patch.len; len++) {
        buffer_reset(&out);
        assert_true(fossil_decode(source, bytes_of(patch.data, len), 100, &out) < 0);
    }
    for (size_t bit = 0; bit < patch.len * 8; bit++) {
        patch.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
        buffer_reset(&out);
        int r = fossil_decode(source, buffer_bytes(&patch), 100, &out);
        assert_true(r < 0 || bytes_equal(buffer_bytes(&out), target));
        patch.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    fossil_index_free(index);
    buffer_finish(&patch);
    buffer_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_patch_of_random_texts_makes_its_target_and_is_utf_8),
        cmocka_unit_test(two_changes_far_apart_cost_little),
        cmocka_unit_test(a_moved_block_is_found_and_so_is_a_repeated_one),
        cmocka_unit_test(what_is_alike_before_a_block_is_copied_too),
        cmocka_unit_test(what_has_nothing_in_common_is_no_patch),
        cmocka_unit_test(bytes_that_are_all_alike_are_no_trap),
        cmocka_unit_test(copies_end_at_borders_of_characters_in_text_only),
        cmocka_unit_test(it_appends_behind_what_is_there_and_takes_back_what_fails),
        cmocka_unit_test(a_decoder_follows_the_format_to_the_letter),
        cmocka_unit_test(every_cut_and_every_flipped_bit_of_a_patch_is_noticed_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
