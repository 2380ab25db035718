/* What is kept of passwords, and that it lets in the right one only. */
#include "daemon/chat/password.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "async/group.h"
#include "async/loop.h"
#include "async/offload.h"

/* Cheap, where the cost is not what the test is about. */
static const struct password_cost CHEAP = { .memory_kib = 64, .passes = 1, .lanes = 1 };
static const uint8_t SALT[PASSWORD_SALT_SIZE] = "0123456789abcdef";

static void a_text_names_its_parameters(void **state) {
    char text[PASSWORD_TEXT_MAX], other[PASSWORD_TEXT_MAX];

    assert_int_equal(password_hash(STR("correct horse"), &PASSWORD_COST, SALT, text), 0);
    assert_memory_equal(text, "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$", 53);
    assert_false(password_is_outdated(str_of(text), &PASSWORD_COST));
    assert_true(password_is_outdated(str_of(text), &CHEAP));
    assert_true(password_is_outdated(STR("plain"), &PASSWORD_COST));

    assert_int_equal(password_hash(STR("correct horse"), &PASSWORD_COST,
                                   (const uint8_t *) "0123456789abcdeF", other),
                     0);
    assert_string_not_equal(text, other);
}

/* RFC 9106's own vector has a secret and associated data, which the encoded form lacks; this is of
 * the reference implementation's tests (version 19, argon2id, 2^16 KiB, 2 passes, "password",
 * "somesalt"). */
static void texts_of_others_are_understood(void **state) {
    struct str text = STR("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
                          "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    assert_int_equal(password_verify(text, STR("password")), 0);
    assert_int_equal(password_verify(text, STR("Password")), -EKEYREJECTED);
}

static void only_the_password_is_the_password(void **state) {
    char text[PASSWORD_TEXT_MAX], longest[PASSWORD_MAX];
    memset(longest, 'x', sizeof longest);
    struct str good[] = { STR("correct horse"),
                          STR("p\xc3\xa4ssw\xc3\xb6rt"),
                          STR("with\0nul"),
                          { longest, sizeof longest } };

    for (size_t i = 0; i < ELEMENTS_OF(good); i++) {
        assert_int_equal(password_hash(good[i], &CHEAP, SALT, text), 0);
        for (size_t k = 0; k < ELEMENTS_OF(good); k++)
            assert_int_equal(password_verify(str_of(text), good[k]), i == k ? 0 : -EKEYREJECTED);
        struct str shorter = { good[i].data, good[i].len - 1 };
        assert_int_equal(password_verify(str_of(text), shorter), -EKEYREJECTED);
        assert_int_equal(password_verify(str_of(text), (struct str){ 0 }), -EKEYREJECTED);
    }
}

static void a_text_that_is_none_lets_nobody_in(void **state) {
    const char *bad[] = {
        "",
        "password",
        "$argon2id$v=19$",
        "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
        "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$!!",
        "$argon2i$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        /* More than may be asked for. */
        "$argon2id$v=19$m=4194304,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA",
        "$argon2id$v=19$m=64,t=1000,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA",
        "$argon2id$v=19$m=64,t=1,p=100$MDEyMzQ1Njc4OWFiY2RlZg$"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA",
    };
    for (size_t i = 0; i < ELEMENTS_OF(bad); i++)
        assert_int_equal(password_verify(str_of(bad[i]), STR("password")), -EBADMSG);
}

/* ---- off the loop ---- */

static int on_loop(void *arg) {
    struct password_gate *g;
    struct pool *pool;
    char text[PASSWORD_TEXT_MAX];

    if (password_gate_open(1, &g) < 0 || pool_open(NULL, &pool) < 0)
        return -ENOMEM;
    int r = password_hash_off_loop(g, pool, STR("correct horse"), text);
    if (r == 0 && password_is_outdated(str_of(text), &PASSWORD_COST))
        r = -EINVAL;
    if (r == 0)
        r = password_verify_off_loop(g, pool, str_of(text), STR("correct horse"));
    if (r == 0 &&
        password_verify_off_loop(g, pool, str_of(text), STR("wrong horse")) != -EKEYREJECTED)
        r = -EINVAL;
    /* Nobody's is a proper text of the same cost, and nobody's password. */
    if (r == 0 && (password_is_outdated(password_nobody(g), &PASSWORD_COST) ||
                   password_verify_off_loop(g, pool, password_nobody(g), STR("correct horse")) !=
                           -EKEYREJECTED))
        r = -EINVAL;
    pool_close(pool);
    password_gate_close(g);
    return r;
}

static void it_is_done_on_threads(void **state) {
    assert_int_equal(loop_run(NULL, on_loop, NULL), 0);
    assert_int_equal(loop_run(&(struct loop_options){ .is_simulated = true }, on_loop, NULL), 0);
}

struct crowd {
    struct password_gate *gate;
    struct pool *pool;
    int done;
};

static int one_of_the_crowd(void *arg) {
    struct crowd *c = arg;
    int r = password_verify_off_loop(c->gate, c->pool, password_nobody(c->gate), STR("guess"));
    c->done += r == -EKEYREJECTED;
    return r == -EKEYREJECTED ? 0 : r;
}

/* More threads than the gate lets in, and more guesses than the pool queues. */
static int many_at_once(void *arg) {
    struct crowd c = { 0 };
    if (password_gate_open(1, &c.gate) < 0 ||
        pool_open(&(struct pool_options){ .threads = 3, .queue_max = 2 }, &c.pool) < 0)
        return -ENOMEM;
    GROUP(tasks);
    int r = 0;
    for (int i = 0; i < 12 && r == 0; i++)
        r = group_spawn(&tasks, "guess", one_of_the_crowd, &c);
    int refused = group_wait_all(&tasks) == 0 ? 12 - c.done : 0;
    *(int *) arg = refused;
    pool_close(c.pool);
    password_gate_close(c.gate);
    return r;
}

static void more_than_can_wait_are_turned_away(void **state) {
    int refused = 0;
    assert_int_equal(loop_run(NULL, many_at_once, &refused), 0);
    assert_in_range(refused, 1, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_names_its_parameters),
        cmocka_unit_test(texts_of_others_are_understood),
        cmocka_unit_test(only_the_password_is_the_password),
        cmocka_unit_test(a_text_that_is_none_lets_nobody_in),
        cmocka_unit_test(it_is_done_on_threads),
        cmocka_unit_test(more_than_can_wait_are_turned_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
