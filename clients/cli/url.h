/* Where a server is: ws://host[:port][/path], wss://…, or unix:/path/of/socket. */
#pragma once

#include "async/stream.h"

enum { URL_PATH_MAX = 512 };

#define URL_DEFAULT      "ws://127.0.0.1:8000/connection/websocket"
#define URL_DEFAULT_PATH "/connection/websocket"

struct url {
    struct address address;
    bool is_tls;
    char host[ADDRESS_TEXT_MAX]; /* for the Host header */
    char path[URL_PATH_MAX];     /* begins with a slash */
};

/* Without a path: URL_DEFAULT_PATH. Without a port: 80, 443, and 8000 where the scheme is missing
 * too. -EINVAL; ret_why: static text. */
MUST_CHECK int url_parse(const char *text, struct url *ret, const char **ret_why);
