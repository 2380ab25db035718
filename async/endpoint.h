/* Addresses as the kernel knows them. Private to async/. */
#pragma once

#include <sys/socket.h>

#include "async/stream.h"

struct endpoint {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* "127.0.0.1:4711", "[::1]:80", "unix:/run/x.sock", "unix" for a nameless one. Returns buf. */
const char *endpoint_text(const struct sockaddr *sa, socklen_t len, char *buf, size_t cap);

/* An address cut in two. For Unix sockets host is the path and port empty; "*" gives an empty host.
 */
struct address_parts {
    bool is_unix;
    char host[ADDRESS_TEXT_MAX];
    char port[6];
};

MUST_CHECK int address_split(const char *text, struct address_parts *ret); /* -EINVAL */

/*
 * What needs no look-up: Unix paths, numbers, "*" (when is_passive: any address, version 6 and 4 in
 * one socket). 0; -ENOENT: a name, to be looked up; -EINVAL.
 */
MUST_CHECK int endpoint_of_parts(const struct address_parts *parts, bool is_passive,
                                 struct endpoint *ret);

/* Connects to the first that can be connected to, trying one after the other. All but the last have
 * a bounded time: how long the last may take is for the caller's deadline. The last one's error. */
SUSPENDS MUST_CHECK int endpoint_connect_any(const struct endpoint *all, size_t n,
                                             struct stream **ret);
