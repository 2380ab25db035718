/* Regular expressions (PCRE2 syntax), for names that clients choose: matching is bounded in steps
 * and takes its memory from the heap. */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct pattern;

/* 0; -ENOMEM; -EINVAL: why says what is wrong with it. */
MUST_CHECK int pattern_new(struct str text, struct pattern **ret, char *why, size_t cap);
struct pattern *pattern_free(struct pattern *p); /* takes NULL; returns NULL */

/* Does it match anywhere in s? A match that needs too many steps is none. Any thread. */
bool pattern_matches(const struct pattern *p, struct str s);
