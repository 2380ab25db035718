/* Cookies (RFC 6265): one that was set is found again among what a browser sends. */
#pragma once

#include "protocol/buffer.h"
#include "protocol/http.h"

/*
 * The value of the cookie of that name, compared exactly, in any of the Cookie headers: 1, or 0.
 * Quotes around it are not part of it. Of several of one name the first counts, as servers have it:
 * browsers send the one of the longer path first.
 */
int cookie_find(const struct http_head *head, struct str name, struct str *ret_value);

struct cookie {
    struct str name, value;
    int64_t max_age_s; /* 0: it goes at once; < 0: with the browser's session */
    bool is_secure;    /* is only sent by TLS */
};

/* Appends what a Set-Cookie header says, for the whole site, not for scripts, and not sent when
 * another site's page asks (Path=/; HttpOnly; SameSite=Strict). -EINVAL: the name is no token or
 * the value cannot be one; nothing is appended. */
MUST_CHECK int cookie_write(const struct cookie *c, struct buffer *out);
