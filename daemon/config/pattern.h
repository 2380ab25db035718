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

/* What a named group matched where the whole matches: a span of s. false: no match, or the group
 * has no part in it. */
bool pattern_capture(const struct pattern *p, struct str s, struct str group, struct str *ret);
bool pattern_has_group(const struct pattern *p, struct str group);
