#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "async/endpoint.h"

static const char UNIX_PREFIX[] = "unix:";

/* 0-65535 in digits alone; strtoul() would take " +1". */
static bool is_port(const char *text, size_t len) {
    unsigned value = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned) (text[i] - '0');
    }
    return value <= 65535;
}

static bool is_host(const char *text, size_t len, bool is_bracketed) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) text[i];
        if (c <= ' ' || c == 0x7f || strchr("/[]@", c) || (c == ':' && !is_bracketed))
            return false;
    }
    return len > 0;
}

int address_split(const char *text, struct address_parts *ret) {
    size_t len = strnlen(text, ADDRESS_TEXT_MAX);
    if (len >= ADDRESS_TEXT_MAX)
        return -EINVAL;

    struct address_parts parts = { .is_unix = strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) ==
                                              0 };
    if (parts.is_unix) {
        const char *path = text + sizeof UNIX_PREFIX - 1;
        size_t path_len = strlen(path);
        if (path_len == 0 || path_len >= sizeof((struct sockaddr_un){ 0 }).sun_path)
            return -EINVAL;
        memcpy(parts.host, path, path_len);
        *ret = parts;
        return 0;
    }

    const char *colon = strrchr(text, ':');
    if (!colon || !is_port(colon + 1, strlen(colon + 1)))
        return -EINVAL;
    const char *host = text;
    size_t host_len = (size_t) (colon - text);
    bool is_bracketed = host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']';
    if (is_bracketed) {
        host++;
        host_len -= 2;
    }
    if (!is_host(host, host_len, is_bracketed))
        return -EINVAL;
    if (!(host_len == 1 && *host == '*' && !is_bracketed))
        memcpy(parts.host, host, host_len);
    memcpy(parts.port, colon + 1, strlen(colon + 1));
    if (is_bracketed && inet_pton(AF_INET6, parts.host, &(struct in6_addr){ 0 }) != 1)
        return -EINVAL;
    *ret = parts;
    return 0;
}

int address_parse(const char *text, struct address *ret) {
    struct address_parts parts;
    int r = address_split(text, &parts);
    if (r < 0)
        return r;
    struct address a = { 0 };
    memcpy(a.text, text, strlen(text));
    *ret = a;
    return 0;
}

int endpoint_of_parts(const struct address_parts *parts, bool is_passive, struct endpoint *ret) {
    struct endpoint e = { 0 };
    struct sockaddr_un *un = (struct sockaddr_un *) &e.sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &e.sa;
    struct sockaddr_in *in = (struct sockaddr_in *) &e.sa;

    if (parts->is_unix) {
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, parts->host, strlen(parts->host) + 1);
        e.len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(parts->host) + 1);
        *ret = e;
        return 0;
    }
    in_port_t port = htons((uint16_t) strtoul(parts->port, NULL, 10));
    if (!parts->host[0]) {
        if (!is_passive)
            return -EINVAL;
        *in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
                                      .sin6_port = port,
                                      .sin6_addr = in6addr_any };
        e.len = sizeof *in6;
    } else if (inet_pton(AF_INET, parts->host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = port;
        e.len = sizeof *in;
    } else if (inet_pton(AF_INET6, parts->host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        e.len = sizeof *in6;
    } else {
        return -ENOENT;
    }
    *ret = e;
    return 0;
}

const char *endpoint_text(const struct sockaddr *sa, socklen_t len, char *buf, size_t cap) {
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_un *un = (const struct sockaddr_un *) (const void *) sa;
    const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) (const void *) sa;
    size_t path_at = offsetof(struct sockaddr_un, sun_path);

    if (sa->sa_family == AF_UNIX && len > path_at && un->sun_path[0])
        (void) snprintf(buf, cap, "unix:%.*s", (int) (len - path_at), un->sun_path);
    else if (sa->sa_family == AF_UNIX)
        (void) snprintf(buf, cap, "unix");
    else if (sa->sa_family == AF_INET && inet_ntop(AF_INET, &in->sin_addr, host, sizeof host))
        (void) snprintf(buf, cap, "%s:%u", host, ntohs(in->sin_port));
    else if (sa->sa_family == AF_INET6 && inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host))
        (void) snprintf(buf, cap, "[%s]:%u", host, ntohs(in6->sin6_port));
    else
        (void) snprintf(buf, cap, "unknown");
    return buf;
}
