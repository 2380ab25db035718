#include "protocol/image.h"

static uint32_t big(const uint8_t *b, size_t n) {
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | b[i];
    return value;
}

static uint32_t little(const uint8_t *b, size_t n) {
    uint32_t value = 0;
    for (size_t i = n; i > 0; i--)
        value = value << 8 | b[i - 1];
    return value;
}

static bool has(struct bytes head, size_t at, struct str what) {
    return head.len >= at && head.len - at >= what.len &&
           memcmp(head.data + at, what.data, what.len) == 0;
}

static struct image sized(struct str type, uint32_t width, uint32_t height) {
    if (width == 0 || height == 0 || width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX)
        return (struct image){ .type = type };
    return (struct image){ type, width, height };
}

/* ---- one after another ---- */

static struct image png_of(struct bytes head) {
    struct str type = STR("image/png");
    if (!has(head, 12, STR("IHDR")) || head.len < 24)
        return (struct image){ .type = type };
    return sized(type, big(head.data + 16, 4), big(head.data + 20, 4));
}

static struct image gif_of(struct bytes head) {
    struct str type = STR("image/gif");
    if (head.len < 10)
        return (struct image){ .type = type };
    return sized(type, little(head.data + 6, 2), little(head.data + 8, 2));
}

static struct image webp_of(struct bytes head) {
    struct str type = STR("image/webp");
    if (has(head, 12, STR("VP8X")) && head.len >= 30)
        return sized(type, little(head.data + 24, 3) + 1, little(head.data + 27, 3) + 1);
    if (has(head, 12, STR("VP8L")) && head.len >= 25 && head.data[20] == 0x2f) {
        uint32_t bits = little(head.data + 21, 4);
        return sized(type, (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
    }
    if (has(head, 12, STR("VP8 ")) && has(head, 23, STR("\x9d\x01\x2a")) && head.len >= 30)
        return sized(type, little(head.data + 26, 2) & 0x3fff, little(head.data + 28, 2) & 0x3fff);
    return (struct image){ .type = type };
}

/* ---- JPEG ---- */

enum { ORIENTATION_TAG = 0x0112, TIFF_SHORT = 3, TIFF_ENTRY_BYTES = 12 };

/* Is it shown lying on its side? segment: of an APP1. */
static bool is_turned(struct bytes segment) {
    if (!has(segment, 0, STR("Exif\0\0")) || segment.len < 14)
        return false;
    struct bytes tiff = bytes_of(segment.data + 6, segment.len - 6);
    bool is_little = has(tiff, 0, STR("II"));
    uint32_t (*number)(const uint8_t *, size_t) = is_little ? little : big;
    if ((!is_little && !has(tiff, 0, STR("MM"))) || number(tiff.data + 2, 2) != 42)
        return false;

    size_t at = number(tiff.data + 4, 4);
    if (at > tiff.len || tiff.len - at < 2)
        return false;
    size_t n = number(tiff.data + at, 2);
    at += 2;
    for (size_t i = 0; i < n && tiff.len - at >= TIFF_ENTRY_BYTES; i++, at += TIFF_ENTRY_BYTES) {
        const uint8_t *entry = tiff.data + at;
        if (number(entry, 2) != ORIENTATION_TAG || number(entry + 2, 2) != TIFF_SHORT)
            continue;
        uint32_t orientation = number(entry + 8, 2);
        return orientation >= 5 && orientation <= 8;
    }
    return false;
}

static bool is_frame(uint8_t marker) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static struct image jpeg_of(struct bytes head) {
    struct str type = STR("image/jpeg");
    bool turned = false;
    size_t at = 2;

    while (head.len - at >= 4 && head.data[at] == 0xff) {
        uint8_t marker = head.data[at + 1];
        if (marker == 0xff) { /* they may be filled up */
            at++;
            continue;
        }
        if (marker == 0xd8 || marker == 0xd9 || marker == 0xda || marker == 0)
            break;
        size_t len = big(head.data + at + 2, 2);
        if (len < 2 || head.len - at - 2 < len)
            break;
        struct bytes segment = bytes_of(head.data + at + 4, len - 2);
        if (marker == 0xe1)
            turned = turned || is_turned(segment);
        if (is_frame(marker) && segment.len >= 5) {
            uint32_t height = big(segment.data + 1, 2), width = big(segment.data + 3, 2);
            return turned ? sized(type, height, width) : sized(type, width, height);
        }
        at += 2 + len;
    }
    return (struct image){ .type = type };
}

struct image image_of(struct bytes head) {
    if (has(head, 0, STR("\x89PNG\r\n\x1a\n")))
        return png_of(head);
    if (has(head, 0, STR("\xff\xd8\xff")))
        return jpeg_of(head);
    if (has(head, 0, STR("GIF87a")) || has(head, 0, STR("GIF89a")))
        return gif_of(head);
    if (has(head, 0, STR("RIFF")) && has(head, 8, STR("WEBP")))
        return webp_of(head);
    return (struct image){ 0 };
}
