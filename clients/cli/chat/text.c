#include "clients/cli/chat/text.h"

enum { REPLACEMENT = 0xfffd, TAB_COLUMNS = 4 };

/* Decodes by itself: what the locale thinks of a byte must not matter. */
size_t text_next(struct str s, wchar_t *ret) {
    const unsigned char *at = (const unsigned char *) s.data;

    if (s.len == 0)
        return 0;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (len > s.len) { /* not valid after all */
        *ret = REPLACEMENT;
        return s.len;
    }
    uint32_t c = len == 1 ? at[0] : at[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (at[i] & 0x3fu);
    bool is_control = (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);
    bool is_direction = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
                        c == 0x200e || c == 0x200f || c == 0x061c;
    bool is_line = c == 0x2028 || c == 0x2029;
    *ret = is_control || is_direction || is_line ? REPLACEMENT : (wchar_t) c;
    return len;
}

void text_append(struct buffer *out, wchar_t character) {
    uint32_t c = (uint32_t) character;
    if (c < 0x80) {
        buffer_append_byte(out, (uint8_t) c);
        return;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    buffer_append_byte(out, (uint8_t) ((0xf0u << (3 - more)) | (c >> (6 * more))));
    while (more-- > 0)
        buffer_append_byte(out, (uint8_t) (0x80 | ((c >> (6 * more)) & 0x3f)));
}

void text_append_harmless(struct buffer *out, struct str text) {
    size_t len;
    wchar_t c;

    while ((len = text_next(text, &c)) > 0) {
        bool is_carriage = text.data[0] == '\r' && text.len > 1 && text.data[1] == '\n';
        if (!is_carriage)
            text_append(out, c);
        if (c == L'\n')
            buffer_append_str(out, STR("  "));
        text = (struct str){ text.data + len, text.len - len };
    }
}

unsigned char_width(wchar_t c) {
    int width = wcwidth(c);
    return width < 0 ? 1 : (unsigned) width;
}

unsigned text_width(const wchar_t *text, size_t n) {
    unsigned width = 0;
    for (size_t i = 0; i < n; i++)
        width += char_width(text[i]);
    return width;
}

static struct str behind(struct str s, size_t n) {
    return (struct str){ s.data + n, s.len - n };
}

int wrap_next(struct wrap *w, wchar_t *ret) {
    struct str rest = w->text, behind_space = { 0 };
    size_t n = 0, n_before_space = 0;
    unsigned width = 0;
    wchar_t c;

    if (w->is_done)
        return -1;
    for (;;) {
        size_t len = text_next(rest, &c);
        if (len == 0) {
            w->is_done = true;
            return (int) n;
        }
        if (c == '\n') {
            w->text = behind(rest, len);
            return (int) n;
        }
        unsigned k = c == '\t' ? TAB_COLUMNS : 1;
        unsigned columns = c == '\t' ? TAB_COLUMNS : char_width(c);
        if (width + columns > w->columns || n + k > TEXT_LINE_MAX) {
            if (c == ' ') { /* the break is here */
                w->text = behind(rest, len);
                w->is_done = w->text.len == 0;
                return (int) n;
            }
            if (behind_space.data) {
                w->text = behind_space;
                return (int) n_before_space;
            }
            if (n == 0) { /* wider than all there is */
                ret[n++] = REPLACEMENT;
                rest = behind(rest, len);
            }
            w->text = rest;
            w->is_done = rest.len == 0;
            return (int) n;
        }
        if (c == ' ') {
            n_before_space = n;
            behind_space = behind(rest, len);
        }
        for (unsigned i = 0; i < k; i++)
            ret[n++] = c == '\t' ? L' ' : c;
        width += columns;
        rest = behind(rest, len);
    }
}

size_t text_cut(struct str text, unsigned columns, wchar_t *ret) {
    unsigned width = 0;
    size_t n = 0, len;
    wchar_t c;

    while ((len = text_next(text, &c)) > 0 && n < TEXT_LINE_MAX) {
        if (c == '\n' || c == '\t')
            c = L' ';
        width += char_width(c);
        if (width > columns)
            break;
        ret[n++] = c;
        text = behind(text, len);
    }
    return n;
}
