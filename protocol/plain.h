/*
 * Names, topics and the like: one line, on which one sees all that is in it. A name with characters
 * that turn the direction of writing, or that nobody sees, could pass for somebody else's; one with
 * controls would be obeyed by a terminal.
 */
#pragma once

#include "protocol/bytes.h"

/*
 * Valid UTF-8 without: controls (C0, DEL, C1), separators of lines and paragraphs, embeddings,
 * overrides and isolates of direction, characters without width or ink (zero width space, soft
 * hyphen, fillers, byte order mark), noncharacters. What writings and emoji need is good: joiners,
 * left-to-right and right-to-left marks, variation selectors, tags.
 */
MUST_CHECK bool plain_is_line(struct str text);

/* Is there anything to be seen in valid UTF-8: another character than spaces, and such as only
 * change their neighbours? */
MUST_CHECK bool plain_has_ink(struct str text);

/* What plain_is_line() says of one character. */
MUST_CHECK bool plain_is_character(uint32_t c);

/* The next character of valid UTF-8, which is not empty; *at moves behind it. */
uint32_t plain_next(struct str text, size_t *at);
