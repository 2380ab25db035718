/*
 * The worker's way out: its HTTP clients, one for each set of authorities that something configured
 * trusts. Made when first needed, certificates being read by a thread, and kept until the worker
 * ends. Loop thread only.
 */
#pragma once

#include "async/http_client.h"
#include "async/list.h"
#include "async/mutex.h"
#include "protocol/bytes.h"

struct pool;

struct outbound {
    struct list clients; /* private, all */
    struct mutex opening;
    struct pool *pool; /* reads certificates; NULL until then */
    const struct http_client_options *options;
};

/* options: the template of all clients, borrowed; or NULL. */
void outbound_init(struct outbound *o, const struct http_client_options *options);
SUSPENDS void outbound_finish(
        struct outbound *o); /* no call may be under way. Takes a zeroed one */

/*
 * The client for a set of authorities. ca_file: PEM, NUL-terminated; empty: the system's.
 * trusts_anyone: certificates are not verified. *ret is good until outbound_finish().
 *
 * 0, or what open(2) says of ca_file; -EBADMSG: there is none in it; -ENOMEM; -ECANCELED,
 * -ETIMEDOUT. ret_why: heap, the caller's, or NULL.
 */
SUSPENDS MUST_CHECK int outbound_client(struct outbound *o, struct str ca_file, bool trusts_anyone,
                                        struct http_client **ret, char **ret_why);

/* One of the caller's own, to be closed before outbound_finish(): of the template, with other rules
 * and a limit of its own, and the system's authorities. Errors as above. */
SUSPENDS MUST_CHECK int outbound_open(struct outbound *o, bool refuses_private, size_t running_max,
                                      struct http_client **ret);
