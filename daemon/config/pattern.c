#define PCRE2_CODE_UNIT_WIDTH 8

#include "daemon/config/pattern.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 100000, DEPTH_MAX = 1000, HEAP_KIB_MAX = 1024, GROUP_NAME_MAX = 32 };

struct pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
};

int pattern_new(struct str text, struct pattern **ret, char *why, size_t cap) {
    struct pattern *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;

    int error = 0;
    PCRE2_SIZE at = 0;
    p->code = pcre2_compile((PCRE2_SPTR) text.data, text.len,
                            PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &error, &at,
                            NULL);
    if (!p->code) {
        PCRE2_UCHAR words[128] = "";
        (void) pcre2_get_error_message(error, words, sizeof words);
        (void) snprintf(why, cap, "%s, at character %zu", (const char *) words, at + 1);
        (void) pattern_free(p);
        return -EINVAL;
    }
    p->limits = pcre2_match_context_create(NULL);
    if (!p->limits) {
        (void) pattern_free(p);
        return -ENOMEM;
    }
    (void) pcre2_set_match_limit(p->limits, STEPS_MAX);
    (void) pcre2_set_depth_limit(p->limits, DEPTH_MAX);
    (void) pcre2_set_heap_limit(p->limits, HEAP_KIB_MAX);
    *ret = p;
    return 0;
}

struct pattern *pattern_free(struct pattern *p) {
    if (!p)
        return NULL;
    pcre2_match_context_free(p->limits);
    pcre2_code_free(p->code);
    free(p);
    return NULL;
}

/* NULL: none. */
static pcre2_match_data *match_of(const struct pattern *p, struct str s) {
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(p->code, NULL);
    if (!match)
        return NULL;

    /* Not PCRE2_NO_UTF_CHECK: names come from decoders that checked, but a caller's mistake must
     * not become a read past the end. */
    int r = pcre2_match(p->code, (PCRE2_SPTR) (s.len ? s.data : ""), s.len, 0, 0, match, p->limits);
    if (r >= 0)
        return match;
    pcre2_match_data_free(match);
    return NULL;
}

bool pattern_matches(const struct pattern *p, struct str s) {
    pcre2_match_data *match = match_of(p, s);
    pcre2_match_data_free(match);
    return match != NULL;
}

/* Below 1: there is no group of that name. */
static int number_of_group(const struct pattern *p, struct str group) {
    char name[GROUP_NAME_MAX + 1];
    if (group.len > GROUP_NAME_MAX || (group.len && memchr(group.data, '\0', group.len)))
        return 0;
    *(char *) mempcpy(name, group.data, group.len) = '\0';
    return pcre2_substring_number_from_name(p->code, (PCRE2_SPTR) name);
}

bool pattern_has_group(const struct pattern *p, struct str group) {
    return number_of_group(p, group) > 0;
}

bool pattern_capture(const struct pattern *p, struct str s, struct str group, struct str *ret) {
    int number = number_of_group(p, group);
    pcre2_match_data *match = number > 0 ? match_of(p, s) : NULL;
    if (!match)
        return false;

    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(match) + 2 * (size_t) number;
    bool has_part = at[0] != PCRE2_UNSET && at[0] <= at[1];
    if (has_part)
        *ret = s.len ? (struct str){ s.data + at[0], at[1] - at[0] } : STR("");
    pcre2_match_data_free(match);
    return has_part;
}
