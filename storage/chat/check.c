#include "storage/chat/check.h"

#include <errno.h>

#include "async/loop.h"
#include "protocol/plain.h"
#include "protocol/utf8.h"

static bool is_control(uint8_t byte) {
    return byte < 0x20 || byte == 0x7f;
}

/* Whatever an application calls its users, as long as it is one word: a comma stands between users
 * in channels' names. */
int chat_check_user_id(struct chat_tx *tx, struct str id) {
    bool is_good = id.len > 0 && id.len <= CHAT_ID_MAX && utf8_is_valid(str_bytes(id));
    for (size_t i = 0; is_good && i < id.len; i++)
        is_good = !is_control((uint8_t) id.data[i]) && id.data[i] != ' ' && id.data[i] != ',';
    return is_good ? 0 : chat_refuse(tx, CHAT_BAD_REQUEST, "user", CHAT_ID_MAX);
}

static size_t characters(struct str text) {
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((uint8_t) text.data[i] & 0xc0) != 0x80;
    return n;
}

int chat_check_line(struct chat_tx *tx, const char *field, struct str line, size_t min,
                    size_t max) {
    if (!plain_is_line(line) || line.len < min || (min > 0 && !plain_has_ink(line)))
        return chat_refuse(tx, CHAT_BAD_REQUEST, field, 0);
    if (line.len > 0 && (line.data[0] == ' ' || line.data[line.len - 1] == ' '))
        return chat_refuse(tx, CHAT_BAD_REQUEST, field, 0);
    return characters(line) > max ? chat_refuse(tx, CHAT_TOO_LONG, field, (int64_t) max) : 0;
}

int chat_check_slug(struct chat_tx *tx, struct str slug) {
    bool is_good = slug.len > 0 && slug.len <= CHAT_ID_MAX && slug.data[0] != '-';
    for (size_t i = 0; is_good && i < slug.len; i++) {
        char c = slug.data[i];
        is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    return is_good ? 0 : chat_refuse(tx, CHAT_BAD_REQUEST, "slug", CHAT_ID_MAX);
}

int chat_check_text(struct chat_tx *tx, const char *field, struct str text, size_t max_bytes) {
    if (text.len > max_bytes)
        return chat_refuse(tx, CHAT_TOO_LONG, field, (int64_t) max_bytes);
    if (!utf8_is_valid(str_bytes(text)))
        return chat_refuse(tx, CHAT_BAD_REQUEST, field, 0);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t) text.data[i];
        if (is_control(byte) && byte != '\n' && byte != '\t' && byte != '\r')
            return chat_refuse(tx, CHAT_BAD_REQUEST, field, 0);
    }
    return 0;
}

int chat_check_emoji(struct chat_tx *tx, struct str emoji) {
    bool is_good = emoji.len > 0 && emoji.len <= CHAT_ID_MAX && plain_is_line(emoji) &&
                   plain_has_ink(emoji) && !memchr(emoji.data, ' ', emoji.len);
    return is_good ? 0 : chat_refuse(tx, CHAT_BAD_REQUEST, "emoji", CHAT_ID_MAX);
}

size_t chat_page_limit(const struct chat_tx *tx, size_t asked) {
    size_t max = chat_tx_limits(tx)->page_max;
    return asked == 0 || asked > max ? max : asked;
}

/* On the writer's thread, which in a simulation is the loop's: then from its seed. */
void chat_make_id(char *ret, size_t n) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < n; i++)
        ret[i] = letters[loop_random_below(sizeof letters - 1)];
}

int chat_like_beginning(struct chat_tx *tx, struct str q, struct str *ret) {
    char *text = arena_alloc(chat_tx_arena(tx), q.len * 2 + 1);
    if (!text)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < q.len; i++) {
        if (q.data[i] == '%' || q.data[i] == '_' || q.data[i] == '\\')
            text[n++] = '\\';
        text[n++] = q.data[i];
    }
    text[n++] = '%';
    *ret = (struct str){ .data = text, .len = n };
    return 0;
}
