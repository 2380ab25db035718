/* One value of a configuration, between what a person writes and what the program holds. Pure. */
#pragma once

#include "daemon/config/options.h"
#include "protocol/arena.h"
#include "protocol/buffer.h"

enum { CONFIG_WHY_MAX = 200 };

/*
 * Puts what text says into the option's place in holder (a struct config or struct namespace).
 * Texts are copied into the arena. A list is given as its parts, separated by spaces or commas. 0;
 * -ENOMEM; -EINVAL: why says what would be right, as the end of a sentence.
 */
MUST_CHECK int value_parse(const struct option *o, struct str text, struct arena *a, void *holder,
                           char why[CONFIG_WHY_MAX]);

/* The same for a list whose items are apart already. */
MUST_CHECK int value_parse_list(const struct option *o, const struct str *items, size_t n,
                                struct arena *a, void *holder, char why[CONFIG_WHY_MAX]);

/* Appends the value as YAML; secrets that are set as "********". */
void value_write(const struct option *o, const void *holder, struct buffer *out);

bool value_equal(const struct option *o, const void *holder, const void *other);
MUST_CHECK int value_copy(const struct option *o, const void *from, struct arena *a,
                          void *to); /* -ENOMEM */

/* A terminated copy; .data is NULL when there is no memory. */
struct str value_text_copy(struct arena *a, struct str text);

/* "25s", "1h30m", "100ms"; "0". ms. -EINVAL, -ERANGE. */
MUST_CHECK int duration_parse(struct str text, int64_t *ret_ms);
/* "65536", "64KiB", "1MB". -EINVAL, -ERANGE. */
MUST_CHECK int size_parse(struct str text, int64_t *ret_bytes);
void duration_write(int64_t ms, struct buffer *out);
void size_write(int64_t bytes, struct buffer *out);
