/*
 * Text for a terminal: columns, lines, and nothing in it that a terminal would obey.
 */
#pragma once

#include <wchar.h>

#include "protocol/buffer.h"

enum { TEXT_LINE_MAX = 512 }; /* characters of a line, whatever its columns */

/* Where a text is to be cut into lines. Zeroed but for text and columns. */
struct wrap {
    struct str text;  /* valid UTF-8; what follows the lines handed out */
    unsigned columns; /* > 0 */
    bool is_done;
};

/*
 * The next line: at most so many columns, cut at a space if there is one, and where the text has a
 * line break. Control characters and what turns the direction of writing are replaced by U+FFFD, a
 * tab by spaces. ret: the characters; at least TEXT_LINE_MAX. Returns how many, or -1: there is no
 * further line.
 */
int wrap_next(struct wrap *w, wchar_t *ret);

unsigned text_width(const wchar_t *text, size_t n); /* columns */
unsigned char_width(wchar_t c);                     /* 0: combining */

/* The next character of valid UTF-8, made harmless, and how many bytes it took (0: none is left).
 */
size_t text_next(struct str text, wchar_t *ret);

/* Appends a character in UTF-8. */
void text_append(struct buffer *out, wchar_t c);

/* Appends valid UTF-8 as a terminal may have it; what follows a line break is indented, so that no
 * text looks like a line of its own. */
void text_append_harmless(struct buffer *out, struct str text);

/* One line of it, cut after so many columns. ret: TEXT_LINE_MAX. Returns how many characters. */
size_t text_cut(struct str text, unsigned columns, wchar_t *ret);
