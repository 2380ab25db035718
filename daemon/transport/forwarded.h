/*
 * Headers of a client that proxies hand on to the backend: those of its HTTP request, and those
 * that its connect command brought in their place ("emulated", for browsers cannot set any), which
 * the client can forge. Only what some proxy of the configuration names is kept, and
 * client.user_id_http_header.
 */
#pragma once

#include "async/http_client.h"
#include "protocol/arena.h"
#include "protocol/bytes.h"

struct config;
struct config_proxy;
struct http_head;

struct forwarded; /* of one session; NULL: nothing was kept */

/* Adds the request's headers that some proxy forwards. -ENOMEM. */
MUST_CHECK int forwarded_keep_request(struct forwarded **f, const struct config *c,
                                      const struct http_head *head);

/* Adds one of the connect command's headers, if some proxy forwards it and it can be a header. */
MUST_CHECK int forwarded_keep_emulated(struct forwarded **f, const struct config *c,
                                       struct str name, struct str value);

struct forwarded *forwarded_free(struct forwarded *f); /* takes NULL; returns NULL */

/* The first header of that name of the request, compared without case; empty: none was kept. Takes
 * NULL. */
struct str forwarded_of_request(const struct forwarded *f, struct str name);

/* Does some proxy forward headers of connect commands? */
bool forwarded_wants_emulated(const struct config *c);

/*
 * The fields of a request to this proxy: Content-Type; the client's, of the request before those of
 * the connect command; the configuration's own where the client brought none of the name. In the
 * arena; at most HTTP_FIELDS_MAX. -ENOMEM.
 */
MUST_CHECK int forwarded_fields(const struct forwarded *f, const struct config_proxy *to,
                                struct arena *a, struct http_field **ret, size_t *ret_n);
