/*
 * Addresses that nobody outside may have us ask: of this machine, of networks of one's own, of none
 * at all. Sources: the registries of special addresses of RFC 6890 (IPv4 and IPv6).
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* Also true of families other than IPv4 and IPv6. An IPv4 address inside an IPv6 one is taken for
 * itself. */
bool address_is_private(const struct sockaddr *sa);
