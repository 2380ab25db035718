#include "daemon/session/client_id.h"

#include "async/loop.h"

static const char digits[] = "0123456789abcdef";

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
    char *at = text->chars;
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        if (follows_dash(i))
            *at++ = '-';
        *at++ = digits[id->bytes[i] >> 4];
        *at++ = digits[id->bytes[i] & 15];
    }
    return (struct str){ text->chars, CLIENT_ID_LEN };
}

static int digit_of(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool client_id_parse(struct str text, struct client_id *ret) {
    if (text.len != CLIENT_ID_LEN)
        return false;
    const char *at = text.data;
    for (size_t i = 0; i < sizeof ret->bytes; i++) {
        if (follows_dash(i) && *at++ != '-')
            return false;
        int high = digit_of(*at++), low = digit_of(*at++);
        if (high < 0 || low < 0)
            return false;
        ret->bytes[i] = (uint8_t) (high << 4 | low);
    }
    return true;
}
