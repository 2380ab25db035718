#include "async/private_address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const struct {
    uint8_t begin[4];
    unsigned bits;
} networks4[] = {
    { { 0, 0, 0, 0 }, 8 },      { { 10, 0, 0, 0 }, 8 },     { { 100, 64, 0, 0 }, 10 },
    { { 127, 0, 0, 0 }, 8 },    { { 169, 254, 0, 0 }, 16 }, { { 172, 16, 0, 0 }, 12 },
    { { 192, 0, 0, 0 }, 24 },   { { 192, 0, 2, 0 }, 24 },   { { 192, 88, 99, 0 }, 24 },
    { { 192, 168, 0, 0 }, 16 }, { { 198, 18, 0, 0 }, 15 },  { { 198, 51, 100, 0 }, 24 },
    { { 203, 0, 113, 0 }, 24 }, { { 224, 0, 0, 0 }, 4 },    { { 240, 0, 0, 0 }, 4 },
};

/* Of IPv6 only 2000::/3 is given to anybody; of that these are not. */
static const struct {
    uint8_t begin[4];
    unsigned bits;
} networks6[] = {
    { { 0x20, 0x01, 0x00, 0x00 }, 23 }, /* protocol assignments, Teredo */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
    { { 0x3f, 0xff, 0x00, 0x00 }, 20 }, /* the same */
};

static bool is_in(const uint8_t *address, const uint8_t *begin, unsigned bits) {
    for (unsigned i = 0; i < bits; i += 8) {
        unsigned left = bits - i < 8 ? bits - i : 8;
        uint8_t mask = (uint8_t) (0xff << (8 - left));
        if ((address[i / 8] & mask) != (begin[i / 8] & mask))
            return false;
    }
    return true;
}

static bool is_private4(const uint8_t *address) {
    for (size_t i = 0; i < sizeof networks4 / sizeof networks4[0]; i++)
        if (is_in(address, networks4[i].begin, networks4[i].bits))
            return true;
    return false;
}

static bool is_private6(const uint8_t *address) {
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    static const uint8_t translated[12] = { 0x00, 0x64, 0xff, 0x9b };
    static const uint8_t six_to_four[2] = { 0x20, 0x02 };
    static const uint8_t given[1] = { 0x20 };

    if (memcmp(address, mapped, sizeof mapped) == 0 ||
        memcmp(address, translated, sizeof translated) == 0)
        return is_private4(address + 12);
    if (memcmp(address, six_to_four, sizeof six_to_four) == 0)
        return is_private4(address + 2);
    if (!is_in(address, given, 3))
        return true;
    for (size_t i = 0; i < sizeof networks6 / sizeof networks6[0]; i++)
        if (is_in(address, networks6[i].begin, networks6[i].bits))
            return true;
    return false;
}

bool address_is_private(const struct sockaddr *sa) {
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    switch (sa->sa_family) {
    case AF_INET:
        memcpy(&in, sa, sizeof in);
        return is_private4((const uint8_t *) &in.sin_addr);
    case AF_INET6:
        memcpy(&in6, sa, sizeof in6);
        return is_private6(in6.sin6_addr.s6_addr);
    default:
        return true;
    }
}
