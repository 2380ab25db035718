#include "protocol/url_label.h"

#include <string.h>

struct str url_user_info(struct str url) {
    const char *slashes = url.len ? memmem(url.data, url.len, "://", 3) : NULL;
    if (!slashes)
        return (struct str){ 0 };
    const char *from = slashes + 3, *end = url.data + url.len, *at = NULL;
    for (const char *c = from; c < end && !strchr("/?#", *c); c++)
        if (*c == '@') /* the last one, as libcurl has it */
            at = c;
    return at ? (struct str){ from, (size_t) (at - from) } : (struct str){ 0 };
}

struct str url_label(struct str url, char buf[static URL_LABEL_MAX]) {
    struct str user = url_user_info(url);
    size_t len = 0;

    while (len < url.len && url.data[len] != '?' && url.data[len] != '#')
        len++;
    url.len = len;
    if (!user.data)
        return url;
    size_t before = (size_t) (user.data - url.data), behind = before + user.len + 1;
    if (before > URL_LABEL_MAX || url.len < behind)
        return (struct str){ 0 };
    size_t rest = url.len - behind;
    if (rest > URL_LABEL_MAX - before)
        rest = URL_LABEL_MAX - before;
    memcpy(buf, url.data, before);
    memcpy(buf + before, url.data + behind, rest);
    return (struct str){ buf, before + rest };
}
