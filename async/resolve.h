/* Names to addresses, off the loop. Private to async/. */
#pragma once

#include "async/endpoint.h"

/*
 * Addresses of a host and port, in the order to try them. Suspends; a caller that gives up leaves
 * the look-up to end by itself, for getaddrinfo() can't be interrupted. Simulated loops know
 * numbers only. ret: malloc()ed, the caller's; at least one.
 *
 * 0, or: -ENOENT: no such name. -EHOSTUNREACH: no name server answers. -ENOMEM, -EAGAIN (no
 * thread), -ECANCELED, -ETIMEDOUT.
 */
SUSPENDS MUST_CHECK int resolve(const struct address_parts *parts, struct endpoint **ret,
                                size_t *ret_n);
