#include "protocol/plain.h"

#include "protocol/utf8.h"

struct range {
    uint32_t first, last;
};

/* Ascending. */
static const struct range refused[] = {
    { 0x0000, 0x001f },   /* controls */
    { 0x007f, 0x009f },   /* DEL, C1 */
    { 0x00ad, 0x00ad },   /* soft hyphen */
    { 0x034f, 0x034f },   /* grapheme joiner */
    { 0x115f, 0x1160 },   /* fillers of Hangul */
    { 0x17b4, 0x17b5 },   /* vowels of Khmer without ink */
    { 0x180e, 0x180e },   /* separator of Mongolian vowels */
    { 0x200b, 0x200b },   /* zero width space */
    { 0x2028, 0x202e },   /* lines, paragraphs, embeddings and overrides */
    { 0x2060, 0x206f },   /* joiners of words, invisible operators, isolates, deprecated ones */
    { 0x3164, 0x3164 },   /* filler of Hangul */
    { 0xfdd0, 0xfdef },   /* noncharacters */
    { 0xfeff, 0xfeff },   /* byte order mark */
    { 0xffa0, 0xffa0 },   /* filler of Hangul, half as wide */
    { 0xfff0, 0xfffb },   /* of annotations */
    { 0xfffe, 0xffff },   /* noncharacters, here and at the end of each plane: below */
    { 0xe0000, 0xe001f }, /* tags of languages */
    { 0xe0080, 0xe00ff }, /* nothing */
    { 0xe01f0, 0xe0fff }, /* nothing */
    { 0x110000, ~UINT32_C(0) },
};

static const struct range without_ink[] = {
    { 0x0020, 0x0020 },   { 0x00a0, 0x00a0 }, /* spaces */
    { 0x0300, 0x036f },                       /* accents on nothing */
    { 0x061c, 0x061c },                       /* the Arabic mark of direction */
    { 0x1680, 0x1680 },   { 0x180b, 0x180f }, /* a space; variations */
    { 0x2000, 0x200f },                       /* spaces, joiners, marks of direction */
    { 0x202f, 0x202f },   { 0x205f, 0x205f }, /* spaces */
    { 0x2800, 0x2800 },                       /* Braille without dots */
    { 0x3000, 0x3000 },                       /* a space */
    { 0xfe00, 0xfe0f },                       /* variations */
    { 0xe0020, 0xe007f }, { 0xe0100, 0xe01ef },
};

static bool is_in(const struct range *ranges, size_t n, uint32_t c) {
    for (size_t i = 0; i < n && c >= ranges[i].first; i++)
        if (c <= ranges[i].last)
            return true;
    return false;
}

bool plain_is_character(uint32_t c) {
    bool is_plain_ascii = c >= ' ' && c < 0x7f;
    return is_plain_ascii ||
           ((c & 0xfffe) != 0xfffe && !is_in(refused, sizeof refused / sizeof refused[0], c));
}

uint32_t plain_next(struct str text, size_t *at) {
    uint8_t first = (uint8_t) text.data[*at];
    unsigned more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = more ? first & (0x3fu >> more) : first;
    for (++*at; more > 0 && *at < text.len; more--, ++*at)
        c = c << 6 | ((uint8_t) text.data[*at] & 0x3f);
    return c;
}

bool plain_is_line(struct str text) {
    if (!utf8_is_valid(str_bytes(text)))
        return false;
    for (size_t i = 0; i < text.len;)
        if (!plain_is_character(plain_next(text, &i)))
            return false;
    return true;
}

bool plain_has_ink(struct str text) {
    for (size_t i = 0; i < text.len;)
        if (!is_in(without_ink, sizeof without_ink / sizeof without_ink[0], plain_next(text, &i)))
            return true;
    return false;
}
