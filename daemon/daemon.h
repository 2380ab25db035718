/*
 * The daemon: an engine, workers, listeners. It opens and ends them in the right order; everything
 * that happens in between happens in the workers.
 */
#pragma once

#include <stdatomic.h>
#include <stdio.h>

#include "async/base.h"
#include "async/group.h"
#include "async/stream.h"
#include "daemon/config/config.h"
#include "daemon/survey.h"
#include "daemon/transport/assets.h"

struct daemon;
struct auth;
struct chat;
struct denial_register;
struct engine;
struct engine_options;
struct http_client_options;
struct log;
struct node_desk;
struct polls;
struct rates;
struct stream;
struct tls;
struct user_counts;
struct webhooks;
struct worker;

struct daemon_options {
    struct config *config; /* a reference is taken */
    struct log *log;       /* borrowed; NULL: silent */
    const int *fds;        /* listening sockets from systemd; owned from here on */
    size_t n_fds;
    const char *engine_vfs;    /* sqlite: name of a registered VFS; NULL: the system's */
    struct asset_table assets; /* the web page; n 0: none */
    bool is_single_threaded;   /* all workers on the caller's loop: tests and simulation */
    bool has_no_listeners;     /* connections come by daemon_accept() only */
    const struct http_client_options *http; /* of the workers' clients, borrowed; NULL: as usual */
    /* An engine in place of the configured one: tests. NULL: none. As engine_open(). */
    int (*open_engine)(void *arg, struct daemon *d, const struct engine_options *o,
                       struct engine **ret);
    void *open_engine_arg;
};

/*
 * Opens the engine, starts the workers and listens. -errno as of engine_open(), listener_open(),
 * stream calls; -EINVAL: the configuration cannot be (a TLS file). ret_why: on failure a sentence
 * for the operator, heap, the caller's to free.
 */
SUSPENDS MUST_CHECK int daemon_open(const struct daemon_options *o, struct daemon **ret,
                                    char **ret_why);

/*
 * Stops listening, tells clients to reconnect (3001) spread over the configured time, waits for
 * them to go, at most for the configured timeout, and commits what was accepted.
 */
SUSPENDS void daemon_drain(struct daemon *d);

/* Ends the rest and frees. Takes NULL; returns NULL. */
SUSPENDS struct daemon *daemon_close(struct daemon *d);

const char *daemon_engine_name(uint32_t engine_kind);

/* How many workers a configuration means, here and now. */
unsigned daemon_workers(const struct config *c);

/* A TLS context of a configuration's files, which are read in place: at start, or through
 * offload(). *ret is NULL where TLS is off. previous: as of tls_server_options. Errors as of
 * tls_server_new(). */
MUST_CHECK int daemon_make_tls(const struct config *c, const struct tls *previous, struct tls **ret,
                               char **ret_why);

/*
 * Every worker takes over the configuration, each in a turn of its own; takes a reference. tls: for
 * connections from now on, taken over unless this fails; NULL: it stays. What cannot change while
 * running (listeners, workers, engine) stays as it was. 0, -ENOMEM.
 */
SUSPENDS MUST_CHECK int daemon_reload(struct daemon *d, struct config *c, struct tls *tls);

/* A connection from elsewhere than a listener, for the worker of that index; the caller's loop must
 * be the worker's. As worker_accept(). */
MUST_CHECK int daemon_accept(struct daemon *d, unsigned worker, struct stream *s);

/* The address of a listener, with the port the kernel chose. NULL: there is none of that index. */
const char *daemon_address(const struct daemon *d, size_t index, char *buf, size_t cap);

struct buffer;
/* The HTTP status; < 0: the wait was cut short. asker: whose loop it is. */
SUSPENDS MUST_CHECK int daemon_write_health(struct worker *asker, struct buffer *out);
void daemon_write_metrics(struct daemon *d, struct buffer *out);

/* The tasks of every worker, as task_dump(). 0, -ENOMEM. */
SUSPENDS int daemon_dump(struct daemon *d, FILE *f);

/* Watchdog: have all workers turned within the last ms? */
bool daemon_is_alive(struct daemon *d, int64_t within_ms);

/* ---- what workers use ---- */

enum { NODE_ID_LEN = 32, NODE_NAME_MAX = 255 };

enum { DAEMON_ADDRESSES_MAX = CONFIG_LISTENERS_MAX + 32 };

struct daemon {
    struct config *config; /* the newest; main loop only. Workers have their own references */
    uint32_t engine_kind;  /* enum engine_kind; any thread */
    struct log *log;
    struct engine *engine;
    struct inbox *inbox; /* the main loop's */
    struct tls *tls;     /* NULL: not configured. Main loop only, workers have their own */
    struct tls *redis_tls, *sentinel_tls; /* the engine's; NULL: plain */
    struct asset_table assets;
    const struct http_client_options *http;
    struct user_counts *user_counts;   /* of all workers; any thread */
    struct polls *polls;               /* likewise */
    struct webhooks *webhooks;         /* any thread; NULL before there is an engine */
    struct rates *rates;               /* the same */
    struct denial_register *denials;   /* the same */
    struct chat *chat;                 /* the same; NULL: it is off */
    struct auth *auth;                 /* who signs in to it; the same */
    char node_id[NODE_ID_LEN + 1];     /* names this run of the daemon to emulated transports, and
                                          among the nodes that share an engine */
    char node_name[NODE_NAME_MAX + 1]; /* for people */
    struct node_desk *nodes;           /* NULL: the engine is nobody else's. Any thread */
    struct worker_thread *threads;
    size_t n_workers; /* while it opens and ends not all of them are there */
    struct survey_desk surveys;
    struct group tasks; /* workers, if there is a single thread */
    struct address addresses[DAEMON_ADDRESSES_MAX];
    size_t n_addresses;
    bool is_single_threaded;
    int64_t started_ms;
    _Atomic bool is_copying; /* a copy of the data is being made: one at a time */
    _Atomic bool is_stopping;
    _Atomic uint32_t connections; /* of all workers, for the limit */
    _Atomic uint64_t entered;     /* the clock of session/single.c */
    _Atomic int64_t opening_us;   /* for client.connection_rate_limit: transport/transport.c */
};
