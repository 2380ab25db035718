/*
 * The configuration: one immutable value, shared by reference, replaced as a whole by a reload.
 *
 * It is made from a file, the environment, credentials and flags (config_load.h) through the one
 * table of options in config_options.h, which also says what each option means, its default and its
 * range. Whoever keeps a span of it holds a reference for as long.
 */
#pragma once

#include <stdatomic.h>

#include "async/stream.h"
#include "protocol/bytes.h"
#include "storage/engine.h"

struct arena;
struct pattern;

/* Times are milliseconds, sizes bytes. Every str is also terminated by a NUL. */

enum {
    CONFIG_WORKERS_MAX = ENGINE_SINKS_MAX,
    CONFIG_LISTENERS_MAX = 32,
    CONFIG_NAMESPACES_MAX = 1024,
    CONFIG_ORIGINS_MAX = 256,
};

/* Where to listen. */
struct config_listener {
    struct address address;
    bool is_tls;      /* with config.tls_cert and tls_key */
    bool is_internal; /* serves /health and /metrics to anyone, and nothing to clients */
};

struct config_http {
    struct str address;
    uint32_t port;
    struct str *listen; /* "ADDRESS:PORT", "unix:/PATH"; in place of address and port */
    size_t n_listen;
    struct str internal_address;
    uint32_t internal_port; /* 0: none */
    uint32_t unix_mode;     /* permissions of Unix sockets */
    bool tls_enabled;
    struct str tls_cert;           /* file, PEM, leaf first */
    struct str tls_key;            /* file, PEM */
    int64_t handshake_timeout_ms;  /* TLS and request head together, from accept to the last byte */
    int64_t keep_alive_timeout_ms; /* between requests on one connection */
    uint32_t max_line_bytes;       /* request line; more: 414 */
    uint32_t max_head_bytes;       /* request line and headers; more: 431 */
    uint32_t max_headers;          /* more: 431 */
};

/* What websocket connections are held to. */
struct config_websocket {
    bool is_disabled;
    bool compression;             /* accept permessage-deflate */
    uint32_t message_size_limit;  /* bytes in, fragments together; more: close 1009 */
    uint32_t inflated_size_limit; /* the same after inflating; 0: ten times message_size_limit */
    int64_t write_timeout_ms;     /* without the peer taking a byte; then 3009 */
};

struct config_token {
    struct str hmac_secret_key; /* empty: no token is valid */
    struct str audience;        /* empty: not looked at */
    struct str issuer;          /* empty: not looked at */
};

struct config_client {
    int64_t ping_interval_ms; /* 0: no pings; else whole seconds are announced */
    int64_t pong_timeout_ms;  /* 0: none are expected */
    int64_t stale_close_ms;   /* from the upgrade to the connect command; then 3502 */
    int64_t expired_close_ms; /* grace after a connection expired; then 3005 */
    int64_t expired_sub_close_ms;
    uint32_t channel_limit;   /* subscriptions of one connection; more: error 106 */
    uint32_t queue_max_bytes; /* that wait for one connection; more: 3008 */
    int64_t presence_update_ms;
    int64_t presence_ttl_ms;
    int64_t position_check_ms;   /* compare a positioned subscription with the engine; 0: never */
    uint32_t history_max;        /* publications in one history reply */
    uint32_t recovery_max;       /* publications in one recovery */
    uint32_t command_rate;       /* commands a second of one connection; 0: no limit; more: 3013 */
    uint32_t command_burst;      /* commands at once */
    uint32_t connection_limit;   /* of the whole daemon; more: 503. 0: no limit */
    struct str *allowed_origins; /* lower case, '*' stands for any run of characters */
    size_t n_allowed_origins;
    bool insecure; /* nobody is asked for anything, every client operation is allowed */
    bool allow_anonymous_without_token;
    bool disallow_anonymous_tokens; /* a token with an empty sub: 3507 */
    bool includes_server_time;      /* `time` in the connect reply */
    struct config_token token;
};

enum data_format { DATA_NOT_EMPTY, DATA_JSON, DATA_JSON_OBJECT, DATA_BINARY };
enum recovery_mode { RECOVERY_STREAM, RECOVERY_CACHE };

/* Who may do an operation in a namespace. An authenticated client needs the first; an anonymous one
 * (its user id is empty) both. */
struct permission {
    bool client;
    bool subscriber; /* whoever is subscribed, authenticated or not */
    bool anonymous;
};

/* A namespace's options, or those of channels without one. */
struct namespace {
    struct str name; /* empty: without namespace */
    bool presence;
    bool join_leave;
    bool force_push_join_leave;
    uint32_t history_size;
    int64_t history_ttl_ms;
    int64_t history_meta_ttl_ms;
    struct keep keep; /* the three above, as the engine wants them */
    bool allow_positioning, force_positioning;
    bool allow_recovery, force_recovery;
    enum recovery_mode recovery_mode;
    bool allow_user_limited_channels;
    enum data_format data_format;
    struct permission subscribe; /* without subscriber */
    struct permission publish;
    struct permission presence_of; /* presence and presence_stats */
    struct permission history;
    struct str channel_regex;        /* empty: ASCII names */
    struct pattern *channel_pattern; /* NULL: ASCII names */
};

static inline bool namespace_has_history(const struct namespace *ns) {
    return ns->history_size > 0 && ns->history_ttl_ms > 0;
}

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_SYSTEMD, LOG_FORMAT_JSON };

struct config {
    _Atomic uint32_t refs;
    struct arena *memory; /* private: all spans */

    struct config_http http;
    struct config_listener listeners[CONFIG_LISTENERS_MAX]; /* made of http's addresses */
    size_t n_listeners;

    uint32_t workers; /* 0 in the file: one; always 1 or more here */
    uint32_t engine;  /* enum engine_kind */
    struct str data_dir;
    uint32_t engine_queue_max; /* publishes that wait for the writer; more: error 100 */
    uint32_t engine_queue_max_bytes;
    uint32_t engine_readers;

    struct config_client client;
    struct config_websocket websocket;

    uint32_t channel_max_length; /* bytes; longer: error 107 */
    int64_t history_meta_ttl_ms; /* for namespaces that say none */
    struct namespace without_namespace;
    struct namespace *namespaces; /* sorted by name, bytewise */
    size_t n_namespaces;

    bool health_enabled,
            metrics_enabled; /* on the client's listeners; internal ones always have them */
    bool endpoints_external; /* /health and /metrics answer peers that are not on this machine, too
                              */

    int64_t shutdown_timeout_ms; /* from SIGTERM to giving up on goodbyes */
    int64_t shutdown_spread_ms;  /* clients are told to reconnect over this time */

    uint32_t log_level;   /* enum log_level */
    uint32_t log_format;  /* enum log_format */
    int64_t slow_task_ms; /* warn of a task that runs longer without suspending; 0: never */
};

/* Any thread. */
struct config *config_ref(struct config *c);   /* returns c */
struct config *config_unref(struct config *c); /* takes NULL; returns NULL */
void config_unrefp(struct config **c);         /* for CLEANUP */

/*
 * The options that hold for a channel: those of the namespace it names (a leading '$' put aside, up
 * to the first ':'), or without_namespace. NULL: there is no such namespace (error 102).
 */
const struct namespace *config_namespace_of(const struct config *c, struct str channel);

/* Is the rest of the channel's name, behind the namespace, one that ns allows: its channel_regex
 * or, without one, ASCII? Does not look at the length of the whole. */
bool namespace_allows_name(const struct namespace *ns, struct str channel);

/* Is a request with this Origin header acceptable? has_origin false: there was none, which is fine.
 */
bool config_allows_origin(const struct config *c, bool has_origin, struct str origin);
