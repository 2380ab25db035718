/*
 * One Redis server, kept in touch with: a line for commands, pipelined, and a line for
 * subscriptions.
 *
 * Loop thread only: everything here belongs to the loop that opened it. Both lines are made,
 * greeted, watched and made anew by tasks of the server's own; where Sentinel is configured, the
 * master is asked for each time, hearing of a switch ends the lines, and a server that says it is
 * no master is left. While a line is down it is tried again after a pause that doubles and jitters.
 */
#pragma once

#include "async/base.h"
#include "async/stream.h"
#include "protocol/bytes.h"

struct redisReply; /* hiredis's */
struct redis_server;
struct tls;

enum { REDIS_IDENTITY_MAX = 128 };

struct redis_server_options {
    const char *name;                /* for messages to the operator: "redis 1" */
    const struct address *addresses; /* one, of the server; with master_name: of its Sentinels */
    size_t n_addresses;
    struct str master_name;        /* empty: no Sentinel */
    struct str username, password; /* empty: none. Of the server */
    struct str sentinel_username, sentinel_password;
    unsigned database;
    const struct tls *tls; /* client context, or NULL */
    const struct tls *sentinel_tls;
    int64_t connect_timeout_ms; /* 0: 2 s. Greeting included */
    int64_t io_timeout_ms;      /* a command without its reply for so long ends the line. 0: 4 s */
    int64_t keepalive_ms;       /* a quiet line is pinged. 0: 10 s */
    int64_t backoff_min_ms, backoff_max_ms; /* 0: 50 ms, 5 s */
    size_t queue_max;       /* commands without a reply; past it -ENOBUFS. 0: 65536 */
    size_t queue_max_bytes; /* of them; past it -ENOBUFS. 0: 64 MiB */
    size_t reply_max_bytes; /* a longer reply ends the line. 0: 64 MiB */
    int64_t wait_ms;        /* commands wait for a line that is down for so long, within the
                               limits above; 0: they fail with -ENOTCONN at once */

    /* Makes connections, as stream_connect() does, which it is if NULL: for tests and simulations.
     */
    SUSPENDS int (*connect)(void *arg, const struct address *a, const struct tls *tls,
                            struct stream **ret);
    void *connect_arg;

    void *arg; /* of all callbacks below, which run on the loop and must not suspend, unless marked
                */

    /* A line for commands is there, authenticated and in its database, of a master; nothing else
     * goes over it before this has returned 0: redis_server_ask() of the calling task, and of no
     * other. Less ends the line. Within connect_timeout_ms. identity: of the process at the other
     * end, from INFO, and of its data, if it was a replica before. May be NULL. */
    SUSPENDS int (*greet)(void *arg, struct redis_server *s, struct str identity);
    void (*came_up)(void *arg);              /* commands are taken. May be NULL */
    void (*went_down)(void *arg, int error); /* they are not. May be NULL */

    /* A line for subscriptions is there again, with all its channels confirmed: what was published
     * in between may have been missed. Not called for the first one. May be NULL. */
    void (*resubscribed)(void *arg);
    /* Borrowed. In the order in which Redis sent them. */
    void (*message)(void *arg, struct str channel, struct bytes payload);

    void (*warn)(void *arg, const char *text); /* once per change, not per attempt. May be NULL */
};

/* Everything of options is copied, but TLS contexts, which are borrowed until redis_server_close().
 * It returns at once; lines come up by themselves. -ENOMEM. */
MUST_CHECK int redis_server_open(const struct redis_server_options *o, struct redis_server **ret);

/* Ends both lines; what has no reply fails with -ECANCELED, and so does who waits in a call of it.
 * Suspends, shielded. Takes NULL; returns NULL. */
SUSPENDS struct redis_server *redis_server_close(struct redis_server *s);

/* Until commands are taken. 0, -ECANCELED, -ETIMEDOUT. */
SUSPENDS MUST_CHECK int redis_server_wait_up(struct redis_server *s);

/* ---- commands ---- */

/* Embedded in what its maker wants to remember; the maker's again in done. */
struct redis_command {
    /* Once, on the loop, never inside redis_server_send(); must not suspend. error 0: reply is what
     * Redis says, borrowed, possibly of type REDIS_REPLY_ERROR. -ENOTCONN, -ENOBUFS, -ENOMEM: it
     * was not sent, nothing happened. -ECONNRESET, -ETIMEDOUT, -ECANCELED: nobody knows. */
    void (*done)(struct redis_command *self, int error, const struct redisReply *reply);
    /* private */
    struct redis_command *next;
    int64_t at_ms;
    size_t bytes;
    int error;
};

/*
 * Sends behind all that was sent before: Redis runs them in this order. All of a turn go out in one
 * write. arguments: copied before it returns. Never suspends, never fails.
 */
void redis_server_send(struct redis_server *s, struct redis_command *c,
                       const struct bytes *arguments, size_t n);

/* As that, and waits. ret: freed by redis_reply_free(). In greet it goes before everything else. 0;
 * errors as above; -ECANCELED and -ETIMEDOUT of the caller's, too, and then nobody knows. A reply
 * of type REDIS_REPLY_ERROR is a reply. */
SUSPENDS MUST_CHECK int redis_server_ask(struct redis_server *s, const struct bytes *arguments,
                                         size_t n, struct redisReply **ret);
void redis_reply_free(struct redisReply *r); /* takes NULL */

/* ---- subscriptions ---- */

/*
 * From its return on, what is published in the channel arrives by message(), unless the line
 * breaks, of which resubscribed() tells. Counted: as many unsubscribes end it. While the line is
 * down it waits for it. 0; -ENOMEM; -ECANCELED, -ETIMEDOUT: it is not subscribed by this.
 */
SUSPENDS MUST_CHECK int redis_server_subscribe(struct redis_server *s, struct str channel);

/* Redis is told later, together with others, unless somebody subscribes before. */
void redis_server_unsubscribe(struct redis_server *s, struct str channel);

/* ---- for /health and /metrics ---- */

struct redis_server_stats {
    bool is_up, is_subscribed;         /* the lines */
    uint64_t commands, errors;         /* sent; ended without a reply */
    uint64_t refused;                  /* -ENOBUFS, -ENOTCONN */
    uint64_t waiting, waiting_bytes;   /* now: without a reply */
    uint64_t connects, connect_errors; /* of both lines */
    uint64_t breaks;                   /* lines that were up and ended */
    uint64_t messages;
    uint64_t channels; /* subscribed now */
    int64_t reply_us;  /* of the newest reply: since its command was sent */
};

void redis_server_stats(const struct redis_server *s, struct redis_server_stats *ret);

/* Why there is no line for commands: of the newest attempt. -EACCES: it refuses us; -EPROTO: it is
 * no Redis that we know; what connecting says. 0: there is one, or none was tried. */
int redis_server_error(const struct redis_server *s);

/* From a reply to INFO: the identity that greet is given. -EPROTO: there is none. */
MUST_CHECK int redis_identity_of(const struct redisReply *info,
                                 char ret[static REDIS_IDENTITY_MAX]);

/* Why a line is down, and where it should lead: good until the next suspending call. Empty: both
 * are up; or it is not known where, as before a Sentinel has answered. */
const char *redis_server_problem(const struct redis_server *s);
const char *redis_server_problem_at(const struct redis_server *s);
