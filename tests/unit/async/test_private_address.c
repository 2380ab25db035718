#include "async/private_address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static bool is_private(const char *text) {
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return address_is_private((const struct sockaddr *) (const void *) &in);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return address_is_private((const struct sockaddr *) (const void *) &in6);
}

static void networks_of_ones_own_are_private(void **state) {
    static const char *const all[] = {
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "198.19.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fdff::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::127.0.0.1",
        "2001::1",
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_true(is_private(all[i]));
}

static void others_are_not(void **state) {
    static const char *const all[] = {
        "1.1.1.1",          "9.255.255.255",  "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.0.0.1",        "128.0.0.1",      "169.253.0.1",     "172.15.255.255", "172.32.0.0",
        "192.167.0.1",      "223.255.0.1",    "2606:4700::1111", "2a00::1",        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1", "2002:101:101::",
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_false(is_private(all[i]));
}

static void what_is_no_internet_is_private(void **state) {
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    assert_true(address_is_private((const struct sockaddr *) (const void *) &un));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_of_ones_own_are_private),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(what_is_no_internet_is_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
