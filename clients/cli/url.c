#include "clients/cli/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *skip_prefix(const char *text, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static int refuse(const char *why, const char **ret_why) {
    *ret_why = why;
    return -EINVAL;
}

static int parse_unix(const char *text, struct url *u, const char **ret_why) {
    if (address_parse(text, &u->address) < 0)
        return refuse("unix: takes the path of a socket", ret_why);
    strcpy(u->host, "localhost");
    strcpy(u->path, URL_DEFAULT_PATH);
    return 0;
}

int url_parse(const char *text, struct url *ret, const char **ret_why) {
    struct url u = { 0 };
    const char *rest, *default_port = "8000";

    if (skip_prefix(text, "unix:")) {
        int r = parse_unix(text, &u, ret_why);
        if (r == 0)
            *ret = u;
        return r;
    }
    if ((rest = skip_prefix(text, "wss://")) || (rest = skip_prefix(text, "https://"))) {
        u.is_tls = true;
        default_port = "443";
    } else if ((rest = skip_prefix(text, "ws://")) || (rest = skip_prefix(text, "http://"))) {
        default_port = "80";
    } else if (strstr(text, "://")) {
        return refuse("the scheme is ws://, wss:// or unix:", ret_why);
    } else {
        rest = text;
    }

    size_t host_len = strcspn(rest, "/?#");
    const char *path = rest + host_len;
    if (host_len == 0)
        return refuse("there is no host in it", ret_why);
    if (host_len >= sizeof u.host - sizeof ":65535")
        return refuse("the host is too long", ret_why);
    if (memchr(rest, '@', host_len))
        return refuse("user names do not belong in it: use --token", ret_why);
    if (strchr(path, '#'))
        return refuse("a fragment (#) is never sent to a server", ret_why);
    memcpy(u.host, rest, host_len);

    /* "[::1]" has colons of its own. */
    const char *bracket = strrchr(u.host, ']');
    const char *colon = strrchr(bracket ? bracket : u.host, ':');
    char with_port[ADDRESS_TEXT_MAX + 8];
    (void) snprintf(with_port, sizeof with_port, colon ? "%s" : "%s:%s", u.host, default_port);
    if (address_parse(with_port, &u.address) < 0)
        return refuse("host or port cannot be read", ret_why);

    if (*path == '\0' || strcmp(path, "/") == 0)
        path = URL_DEFAULT_PATH;
    if (snprintf(u.path, sizeof u.path, "%s%s", *path == '?' ? URL_DEFAULT_PATH : "", path) >=
        (int) sizeof u.path)
        return refuse("the path is too long", ret_why);

    *ret = u;
    return 0;
}
