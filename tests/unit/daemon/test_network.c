/* Addresses and networks, as operators and proxies write them. */
#include "daemon/config/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool has(const char *network, const char *address) {
    struct network n;
    struct in6_addr a;
    assert_true(network_parse(str_of(network), &n));
    assert_true(ip_parse(str_of(address), &a));
    return network_has(&n, &a);
}

static void a_network_has_its_own(void **state) {
    assert_true(has("10.0.0.1", "10.0.0.1"));
    assert_false(has("10.0.0.1", "10.0.0.2"));
    assert_true(has("10.0.0.0/8", "10.255.0.1"));
    assert_false(has("10.0.0.0/8", "11.0.0.1"));
    assert_true(has("192.0.2.128/25", "192.0.2.200"));
    assert_false(has("192.0.2.128/25", "192.0.2.127"));
    assert_true(has("0.0.0.0/0", "203.0.113.9"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_true(has("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(has("2001:db8::/32", "2001:db9::1"));
    assert_true(has("::1", "::1"));
    assert_true(has("::/0", "203.0.113.9"));
}

static void what_is_none_is_none(void **state) {
    static const char *const bad[] = { "",
                                       "unix",
                                       "10.0.0",
                                       "10.0.0.0/",
                                       "10.0.0.0/33",
                                       "::1/129",
                                       "10.0.0.0/-1",
                                       "10.0.0.0/8x",
                                       "10.0.0.0/0008",
                                       "host",
                                       "10.0.0.1:80",
                                       "[::1]",
                                       "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb" };
    struct network n;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(network_parse(str_of(bad[i]), &n));
}

static void ports_are_left_out(void **state) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "127.0.0.1:80", "127.0.0.1" },
        { "127.0.0.1", "127.0.0.1" },
        { "[::1]:80", "::1" },
        { "[::1]", "::1" },
        { "::1", "::1" },
        { "[::1", "[::1" },
        { "unix", "unix" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(str_equal(ip_without_port(str_of(cases[i].in)), str_of(cases[i].out)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_has_its_own),
        cmocka_unit_test(what_is_none_is_none),
        cmocka_unit_test(ports_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
