#include "daemon/session/client_id.h"

#include <endian.h>
#include <string.h>

#include "async/loop.h"

/* Four bytes as eight digits, all at once: each half of a byte goes to a byte of its own, where
 * what is above 9 carries into the upper half and becomes a letter. */
static void put_digits(const uint8_t *bytes, char *to) {
    static const uint64_t each = UINT64_C(0x0101010101010101);
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    uint64_t x = le32toh(word);
    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x >> 4 | x << 8) & each * 0x0f;
    x += each * '0' + ((x + each * 6) >> 4 & each) * ('a' - '0' - 10);
    x = htole64(x);
    memcpy(to, &x, sizeof x);
}

struct client_id client_id_make(void) {
    struct client_id id;
    loop_random(id.bytes, sizeof id.bytes);
    id.bytes[6] = (uint8_t) (0x40 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t) (0x80 | (id.bytes[8] & 0x3f));
    return id;
}

/* A dash stands before these bytes. */
static bool follows_dash(size_t i) {
    return i == 4 || i == 6 || i == 8 || i == 10;
}

struct str client_id_text(const struct client_id *id, struct client_text *text) {
    char digits[32], *to = text->chars;
    for (size_t i = 0; i < 4; i++)
        put_digits(id->bytes + 4 * i, digits + 8 * i);
    memcpy(to, digits, 8);
    memcpy(to + 9, digits + 8, 4);
    memcpy(to + 14, digits + 12, 4);
    memcpy(to + 19, digits + 16, 4);
    memcpy(to + 24, digits + 20, 12);
    to[8] = to[13] = to[18] = to[23] = '-';
    return (struct str){ text->chars, CLIENT_ID_LEN };
}

int client_id_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool client_id_parse(struct str text, struct client_id *ret) {
    if (text.len != CLIENT_ID_LEN)
        return false;
    const char *at = text.data;
    for (size_t i = 0; i < sizeof ret->bytes; i++) {
        if (follows_dash(i) && *at++ != '-')
            return false;
        int high = client_id_digit(*at++), low = client_id_digit(*at++);
        if (high < 0 || low < 0)
            return false;
        ret->bytes[i] = (uint8_t) (high << 4 | low);
    }
    return true;
}
