/* Is what was asked for well-formed? 0, or a refusal that names the field. For storage/chat/ only.
 */
#pragma once

#include "storage/chat/store.h"

enum { CHAT_NAME_MAX = 64, CHAT_TOPIC_MAX = 256, CHAT_REASON_MAX = 256 }; /* characters */

/* 1 to CHAT_ID_MAX bytes of one word, without commas. */
MUST_CHECK int chat_check_user_id(struct chat_tx *tx, struct str id);
/* A line of nothing that is not seen (plain.h), of at least so many bytes and at most so many
 * characters, without a space at either end; where there has to be something, something to see. */
MUST_CHECK int chat_check_line(struct chat_tx *tx, const char *field, struct str line, size_t min,
                               size_t max);
MUST_CHECK int chat_check_slug(struct chat_tx *tx, struct str slug);
/* UTF-8 of at most so many bytes; control characters besides tab and line feed are refused. */
MUST_CHECK int chat_check_text(struct chat_tx *tx, const char *field, struct str text,
                               size_t max_bytes);
MUST_CHECK int chat_check_emoji(struct chat_tx *tx, struct str emoji);

size_t chat_page_limit(const struct chat_tx *tx, size_t asked); /* 0 and too many: the largest */

/* A new id: so many letters and digits, that nobody can guess. ret: at least n bytes. */
void chat_make_id(char *ret, size_t n);
enum { CHAT_NEW_ID = 12 };

/* For LIKE ?1 ESCAPE '\': what begins with q. In the arena. */
MUST_CHECK int chat_like_beginning(struct chat_tx *tx, struct str q, struct str *ret);
