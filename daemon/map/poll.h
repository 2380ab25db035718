/*
 * Shared poll: values that a backend is asked for, once for all who look at them.
 *
 * What all workers of a node share, and nodes do not, since versions may be a node's own: per
 * channel the keys that somebody tracks, with the newest value of each. One task of one worker asks
 * for them from time to time, and new keys are asked for at once by the worker that they came to;
 * what is new goes to every worker of the node as a publication of the channel that is kept nowhere
 * (map/poll_room.h takes it from there). Any thread, behind one lock that is held for no longer
 * than a table look-up takes.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct namespace;
struct poll;
struct polls;
struct publication;
struct table_seed;
struct worker;

enum { POLL_EPOCH_LEN = 8, POLL_EPOCH_MAX = 64 };

struct polls *polls_new(const struct table_seed *seed); /* NULL: no memory */
struct polls *polls_free(struct polls *all);            /* no worker uses it; takes NULL */

/*
 * The poll of a channel, made if need be; looked after by w if nobody does yet. Given back by
 * poll_unref(): with the last one it ends after the namespace's shutdown_delay. NULL: no memory.
 */
struct poll *poll_ref(struct worker *w, struct str channel, const struct namespace *ns);
void poll_unref(struct worker *w, struct poll *p);

/* Of the versions: with another one they begin anew. Empty: they are the application's for ever. */
struct str poll_epoch(struct poll *p, char buf[static POLL_EPOCH_MAX]);

/*
 * A worker tracks the key from now on. ret: a reference to the newest publication of the key, or
 * NULL: there is none yet; *ret_is_new: nobody has asked for it yet, which is the caller's to do
 * (poll_ask()). -ENOMEM.
 */
MUST_CHECK int poll_track(struct poll *p, struct str key, struct publication **ret,
                          bool *ret_is_new);
void poll_untrack(struct poll *p, struct str key);

/* Asks the backend for some keys at once, in a task of w. The texts are copied. -ENOMEM: the next
 * round asks. */
int poll_ask(struct worker *w, struct poll *p, const struct str *keys, size_t n);

/* What is told of a key, by the backend or (shared_poll_publish) by the API. */
struct poll_value {
    struct str key;
    struct bytes data; /* empty if it was removed */
    uint64_t version;  /* of versioned namespaces */
    bool is_removed;
};

/*
 * For the API: a new value, before the next round. What nobody tracks, or is not newer, is dropped.
 * epoch: of the versions, or empty. 0; -ENOMEM.
 */
MUST_CHECK int poll_publish(struct worker *w, struct str channel, const struct namespace *ns,
                            const struct poll_value *v, struct str epoch);
