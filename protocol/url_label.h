/* What of a URL may be shown to others: names and passwords stand in some. */
#pragma once

#include "protocol/bytes.h"

/* Where the user information is (RFC 3986 section 3.2.1), without its '@'; empty: there is none. */
struct str url_user_info(struct str url);

/* The URL for a log: without user information, and cut before a query or fragment. Written to buf
 * unless it is a part of url as it stands; cut where buf ends. */
enum { URL_LABEL_MAX = 256 };
struct str url_label(struct str url, char buf[static URL_LABEL_MAX]);
