/*
 * The terminal client's line to its server: kept up, with requests that are answered by callbacks.
 *
 * One task runs it (uplink_run()); everything else may be called from any task of the loop, never
 * suspends, and while there is no connection does nothing, or fails as it says. Callbacks run in
 * the link's task and must not suspend.
 */
#pragma once

#include "clients/cli/client.h"

struct uplink;

enum uplink_state { UPLINK_CONNECTING, UPLINK_ONLINE, UPLINK_OFFLINE };

/* reply NULL: the connection went before there was one; it may or may not have been done. What it
 * points to is good for the call. */
typedef void uplink_answer_fn(void *arg, void *what, const struct reply *reply);

struct uplink_options {
    const struct client_options *client; /* borrowed for the link's life */
    void *arg;
    /* why: of UPLINK_OFFLINE, a sentence. retry_at_ms: loop_now() time of the next try. */
    void (*on_state)(void *arg, enum uplink_state state, const char *why, int64_t retry_at_ms);
    void (*on_push)(void *arg, const struct push *push);
};

MUST_CHECK int uplink_open(const struct uplink_options *o, struct uplink **ret); /* -ENOMEM */
void uplink_close(struct uplink *l); /* uplink_run() has returned; takes NULL */

/* Until it is cancelled (-ECANCELED) or the server does not want us: then *ret_end says why. */
SUSPENDS MUST_CHECK int uplink_run(struct uplink *l, struct client_end *ret_end);

bool uplink_is_online(const struct uplink *l);

/* what: comes back to fn, which is called once; or never if this fails. data: JSON, copied.
 * -ENOTCONN; -ENOBUFS: UPLINK_REQUESTS_MAX are not answered; -ENOMEM. */
enum { UPLINK_REQUESTS_MAX = 256 };
MUST_CHECK int uplink_rpc(struct uplink *l, const char *method, struct bytes data,
                          uplink_answer_fn *fn, void *what);
MUST_CHECK int uplink_subscribe(struct uplink *l, struct str channel, uplink_answer_fn *fn,
                                void *what);
MUST_CHECK int uplink_unsubscribe(struct uplink *l, struct str channel);
