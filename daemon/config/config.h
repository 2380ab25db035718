/*
 * The configuration: one immutable value, shared by reference, replaced as a whole by a reload.
 *
 * It is made from a file, the environment, credentials and flags (config/load.h) through the one
 * table of options in config/options.h, which also says what each option means, its default and its
 * range. Whoever keeps a span of it holds a reference for as long.
 */
#pragma once

#include <stdatomic.h>

#include "async/stream.h"
#include "protocol/bytes.h"
#include "storage/engine.h"

struct arena;
struct pattern;
struct config_redis_shard;

/* Times are milliseconds, sizes bytes. Every str is also terminated by a NUL. */

enum {
    CONFIG_WORKERS_MAX = ENGINE_SINKS_MAX,
    CONFIG_LISTENERS_MAX = 32,
    CONFIG_NAMESPACES_MAX = 1024,
    CONFIG_ORIGINS_MAX = 256,
    CONFIG_PROXIES_MAX = 256,
    CONFIG_PAIRS_MAX = 64,
    CONFIG_TRANSFORMS_MAX = 64,
    CONFIG_WEBHOOKS_MAX = 64,
    CONFIG_API_KEYS_MAX = 256,
};

struct config_pair {
    struct str name, value;
};

/* A code or status that is answered as something else. */
struct config_transform {
    uint32_t from;      /* an HTTP status, or an error code of connect */
    uint32_t code;      /* error, disconnect or HTTP status that becomes of it */
    struct str text;    /* message, reason or body */
    bool is_disconnect; /* of an HTTP status: code is a disconnect's, not an error's */
    bool is_temporary;  /* of an error */
};

struct config_transforms {
    struct config_transform *items;
    size_t n;
};

/* A service of the operator's own that is asked, over HTTP. */
struct config_proxy {
    struct str name;     /* of an item of `proxies`; else empty */
    struct str endpoint; /* http:// or https://; empty: none */
    int64_t timeout_ms;
    struct str *http_headers; /* of the client's request, handed on; lower case */
    size_t n_http_headers;
    struct str *emulated_headers; /* of those the connect command brought; lower case */
    size_t n_emulated_headers;
    bool binary_encoding;         /* payloads as base64: `b64data` */
    bool include_connection_meta; /* `meta` of the connection's token */
    struct config_pair *static_headers;
    size_t n_static_headers;
    struct config_transforms status_codes;
    struct str ca_file; /* PEM; empty: the system's authorities */
    bool insecure_skip_verify;
    uint32_t concurrency; /* requests under way at a time, of all workers; others wait */
};

struct config_rpc {
    struct str name; /* of an item of rpc.namespaces; else empty */
    bool proxy_enabled;
    struct str proxy_name;
    const struct config_proxy *proxy; /* NULL: nobody answers */
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
    int64_t body_timeout_ms;       /* for a request's body to arrive */
    uint32_t max_line_bytes;       /* request line; more: 414 */
    uint32_t max_head_bytes;       /* request line and headers; more: 431 */
    uint32_t max_headers;          /* more: 431 */
    struct str *trusted_proxies;   /* whose word on addresses and TLS counts; transport/visitor.h */
    size_t n_trusted_proxies;
};

/* What websocket connections are held to. */
struct config_websocket {
    bool is_disabled; /* of websocket */
    bool is_enabled;  /* of uni_websocket */
    struct str path;
    bool compression;             /* accept permessage-deflate */
    uint32_t message_size_limit;  /* bytes in, fragments together; more: close 1009 */
    uint32_t inflated_size_limit; /* the same after inflating; 0: ten times message_size_limit */
    int64_t write_timeout_ms;     /* without the peer taking a byte; then 3009 */
};

/* A streaming transport over HTTP. */
struct config_stream {
    bool enabled;
    struct str path;
    uint32_t max_body_bytes; /* more: 413 */
    bool connect_codes_enabled;
    struct config_transforms connect_codes; /* unidirectional ones: an error of connect becomes an
                                               HTTP status */
};

struct config_endpoint {
    bool enabled;
    struct str path;
};

/* What makes a token valid. With no key at all none is. */
struct config_token {
    struct str hmac_secret_key;
    struct str hmac_previous_secret_key;
    uint64_t hmac_previous_until_s; /* Unix time; 0: for ever */
    struct str rsa_public_key;      /* PEM */
    struct str ecdsa_public_key;    /* PEM */
    struct str jwks_endpoint; /* URL, may have {{placeholders}}; takes the place of all keys */
    bool jwks_unchecked_placeholders;
    struct str jwks_ca_file;
    struct str audience;       /* empty: not looked at */
    struct str audience_regex; /* in place of audience */
    struct str issuer;         /* empty: not looked at */
    struct str issuer_regex;   /* in place of issuer */
    struct str user_id_claim;  /* empty: `sub` */
};

/* Key sets, wherever they come from. */
struct config_jwks {
    int64_t refresh_ms; /* then fetched again, in the background */
    int64_t max_age_ms; /* then no longer believed, if they cannot be had any more */
    int64_t pause_ms;   /* at least between two fetches of one, whatever tokens ask for */
    int64_t timeout_ms; /* of a fetch */
};

struct config_personal_channel {
    bool enabled;
    struct str channel_namespace; /* empty: without namespace */
    bool single_connection;
};

/* Operations a second, in the long run and at once; rate 0: no limit. */
struct config_rate {
    uint32_t rate, burst;
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
    bool has_subscription_token;
    struct config_token subscription_token; /* if it has; else token serves both */
    bool insecure_skip_token_signature;
    struct config_jwks jwks;
    struct str user_id_http_header; /* names the user, set by a proxy in front; empty: none */
    uint32_t user_connection_limit; /* of one user, of the whole daemon; more: 3504. 0: no limit */
    uint32_t connection_rate_limit; /* new ones a second, of the whole daemon; more: 503. 0: none */
    struct config_rate user_rate;   /* commands of all connections of a user; more: error 111 */
    struct config_personal_channel personal_channel;
    bool connect_proxy_enabled, refresh_proxy_enabled;
    struct config_proxy connect_proxy, refresh_proxy;
    bool connect_codes_enabled;
    struct config_transforms connect_codes; /* unidirectional: an error becomes a disconnect */
};

/* Proxies called `default` where a namespace names none. */
struct config_channel_proxies {
    struct config_proxy subscribe, publish, sub_refresh, map_publish, map_remove, poll;
};

enum api_error_mode { API_ERRORS_IN_BODY, API_ERRORS_AS_STATUS };

struct config_api_key {
    struct str name;
    struct str key;
    struct config_rate rate; /* requests; more: error 111 */
};

struct config_api {
    bool is_disabled;
    struct str path;
    struct str key; /* empty, and no keys: nobody gets in */
    struct config_rate rate;
    struct config_api_key *keys; /* further ones, each with limits of its own */
    size_t n_keys;
    bool insecure;           /* no key is asked for */
    uint32_t error_mode;     /* enum api_error_mode */
    uint32_t max_body_bytes; /* more: 413 */
    uint32_t max_commands;   /* in one request; more: error 106 for all of it */
    bool is_external;        /* on clients' listeners though there is an internal one */
};

/* What is told of the daemon's life to a service of the operator's. */
struct config_webhook {
    struct str name;
    struct config_proxy to; /* endpoint, timeout_ms, headers and certificates count */
    struct str secret;      /* of the signature; empty: none */
    struct str *events;     /* connect, disconnect, channel_occupied, channel_vacated; none: all */
    size_t n_events;
    struct str *namespaces; /* of channels; none: all */
    size_t n_namespaces;
    uint32_t batch_max; /* events in one request */
};

struct config_webhooks {
    struct config_webhook *items;
    size_t n;
    uint32_t queue_max; /* events that wait for delivery; more are dropped and counted */
    int64_t retry_min_ms, retry_max_ms;
    int64_t vacated_delay_ms; /* for which a channel must stay empty */
};

struct config_poll_secret {
    struct str hmac_secret_key;
    struct str hmac_previous_secret_key;
    uint64_t hmac_previous_until_s; /* Unix time; 0: for ever */
    uint32_t concurrency;           /* requests to backends at a time; 0: no limit */
};

struct config_redis_tls {
    bool enabled;
    struct str ca_file;             /* PEM; empty: the system's authorities */
    struct str cert_file, key_file; /* PEM, of this side; empty: none */
    struct str server_name;         /* empty: the address's */
    bool insecure_skip_verify;
};

/* The redis engine. */
struct config_redis {
    struct str *address, *sentinel_address;
    size_t n_address, n_sentinel_address;
    struct str sentinel_master_name;
    struct str user, password, sentinel_user, sentinel_password; /* where an address has none */
    struct config_redis_tls tls, sentinel_tls;
    uint32_t db;
    struct str prefix;
    int64_t connect_timeout_ms, io_timeout_ms;
    int64_t publish_wait_ms; /* for a Redis that is away; 0: refused at once */
    int64_t node_ttl_ms;     /* a node not heard of for so long is gone */
    bool keeps_epochs;
    uint32_t archive_queue_size; /* bytes that are not in the archive yet; those past it stay out */
    struct config_redis_shard *shards; /* made of these: daemon/config/redis.h */
    size_t n_shards;
};

enum data_format { DATA_NOT_EMPTY, DATA_JSON, DATA_JSON_OBJECT, DATA_BINARY };
enum recovery_mode { RECOVERY_STREAM, RECOVERY_CACHE };

enum map_mode {
    MAP_NONE,        /* not said: ephemeral */
    MAP_EPHEMERAL,   /* state only, gone with the daemon */
    MAP_RECOVERABLE, /* with a stream of changes */
    MAP_PERSISTENT,  /* and keys do not expire */
};

enum map_client_key { CLIENT_KEY_ANY, CLIENT_KEY_CLIENT_ID, CLIENT_KEY_USER_ID };

enum poll_mode { POLL_VERSIONLESS, POLL_VERSIONED };

/* Who may do an operation in a namespace. An authenticated client needs the first; an anonymous one
 * (its user id is empty) both. */
struct permission {
    bool client;
    bool subscriber; /* whoever is subscribed, authenticated or not */
    bool anonymous;
};

/* Channels that are maps: keys with values, and a stream of changes. */
struct config_map {
    uint32_t mode;      /* enum map_mode */
    int64_t key_ttl_ms; /* 0: keys stay */
    uint32_t stream_size;
    int64_t stream_ttl_ms;
    int64_t meta_ttl_ms;
    bool remove_client_on_unsubscribe;
    uint32_t client_key; /* enum map_client_key */
    struct permission publish, remove;
    bool publish_proxy_enabled, remove_proxy_enabled;
    struct str publish_proxy_name, remove_proxy_name;
    const struct config_proxy *publish_proxy, *remove_proxy; /* NULL: none */
    uint32_t default_page, min_page, max_page;               /* keys in a page */
    uint32_t live_transition_max; /* publications held back while a client catches up */
    int64_t catch_up_timeout_ms;
    uint32_t keys_max; /* of one channel; more: error 106 */
};

/* Channels whose values a backend is asked for, for all who look. */
struct config_poll {
    struct str proxy_name;
    const struct config_proxy *proxy; /* NULL: none */
    uint32_t mode;                    /* enum poll_mode */
    int64_t refresh_interval_ms;
    uint32_t batch_max;               /* keys in one request */
    uint32_t keys_max_per_connection; /* more: error 106 */
    int64_t shutdown_delay_ms;        /* for which nobody may look before polling ends */
    int64_t track_grace_ms;           /* after a signature's expiry */
    bool publish_enabled;
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
    bool durable;     /* with the redis engine: archived as well */
    struct keep keep; /* the four above, as the engine wants them */
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
    struct str *delta_types;         /* that clients may ask for: fossil */
    size_t n_delta_types;
    bool allows_delta; /* fossil is among them */
    bool delta_publish;
    bool auto_cache_recover;
    bool allow_tags_filter;
    bool subscribe_proxy_enabled, publish_proxy_enabled, sub_refresh_proxy_enabled;
    struct str subscribe_proxy_name, publish_proxy_name, sub_refresh_proxy_name;
    const struct config_proxy *subscribe_proxy, *publish_proxy, *sub_refresh_proxy; /* NULL: none */
    uint32_t type; /* enum subscription_type of protocol/command.h */
    struct config_map map;
    struct config_poll poll;
    struct str map_clients_presence_prefix, map_users_presence_prefix; /* empty: none */
    int64_t publish_debounce_ms;
    /* of one connection in one channel's namespace; more: error 111 */
    /* Of one connection, and of all together. */
    struct config_rate publish_rate, subscribe_rate, history_rate, presence_rate;
    struct config_rate all_publish_rate, all_subscribe_rate, all_history_rate, all_presence_rate;
};

static inline bool namespace_has_history(const struct namespace *ns) {
    return ns->history_size > 0 && ns->history_ttl_ms > 0;
}

/* What a user's calls of the chat are counted as. */
enum chat_rate {
    CHAT_RATE_SEND,
    CHAT_RATE_WRITE,
    CHAT_RATE_READ,
    CHAT_RATE_SEARCH,
    CHAT_RATES,
};

struct config_chat {
    bool enabled;
    bool owner;              /* of several nodes: this one keeps chat.db */
    uint32_t text_max_bytes; /* of a message; more: error 413 */
    int64_t edit_window_ms;  /* 0: always */
    uint32_t rooms_max;      /* of one user; more: error 409 */
    uint32_t members_max;    /* of one room; more: error 409 */
    uint32_t reactions_max;  /* different ones to a message; more: error 409 */
    uint32_t pins_max;       /* of one room; more: error 409 */
    uint32_t page_max;       /* items in a page */
    int64_t search_work_ms;  /* of a processor, for one search */
    uint32_t queue_max;      /* calls that wait for the database, of each kind; more: error 434 */

    uint32_t upload_max_bytes;  /* of one file; more: HTTP 413 */
    uint32_t files_max_mib;     /* MiB of all; more: HTTP 413; 0: any */
    uint32_t uploads_max;       /* at once; more: HTTP 503 */
    uint32_t downloads_max;     /* the same */
    bool webhook_private;       /* may they post to addresses of private networks? */
    int64_t webhook_timeout_ms; /* of one delivery */
    int64_t upload_timeout_ms;  /* of a whole file */

    struct config_rate rates[CHAT_RATES]; /* of one user; more: error 111 */

    struct str url; /* where people find it; empty: where the daemon listens */
    uint32_t login_attempts, address_attempts; /* in login_window_ms; more: 429 */
    int64_t login_window_ms;
    int64_t login_ttl_ms;       /* of a login that is not used; 0: for ever */
    uint32_t passwords_at_once; /* computed side by side; more wait */
};

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_SYSTEMD, LOG_FORMAT_JSON };

struct config {
    _Atomic uint32_t refs;
    struct arena *memory; /* private: all spans */

    struct config_http http;
    struct config_listener listeners[CONFIG_LISTENERS_MAX]; /* made of http's addresses */
    size_t n_listeners;

    uint32_t workers; /* 0: as many as there are processors for; daemon_workers() */
    uint32_t engine;  /* enum engine_kind */
    struct str data_dir;
    uint32_t engine_queue_max; /* publishes that wait for the writer; more: error 100 */
    uint32_t engine_queue_max_bytes;
    uint32_t engine_readers;
    uint32_t engine_memory_max_bytes;
    uint32_t engine_idempotency_max, engine_map_keys_max, engine_denials_max;
    struct config_redis redis;
    bool archives;                  /* the redis engine, and a namespace is durable */
    struct str node_name;           /* empty: the host's */
    int64_t node_survey_timeout_ms; /* for other nodes to answer */

    struct config_client client;
    struct config_websocket websocket;
    struct config_websocket uni_websocket;
    struct config_stream sse, http_stream, uni_sse, uni_http_stream;
    struct str emulation_path;
    uint32_t emulation_max_body_bytes;
    struct config_endpoint init;

    struct config_channel_proxies channel_proxies;
    struct config_proxy *proxies;
    size_t n_proxies;
    struct config_proxy rpc_proxy;
    struct config_rpc rpc_without_namespace;
    struct config_rpc *rpc_namespaces;
    size_t n_rpc_namespaces;
    struct str rpc_ping_method; /* answered by the daemon itself, if rpc_ping_enabled */
    bool rpc_ping_enabled;
    struct config_rate rpc_rate;     /* of one connection; more: error 111 */
    struct config_rate all_rpc_rate; /* of all together */

    struct config_api api;
    struct config_webhooks webhooks;
    struct config_poll_secret poll;
    bool forwards_headers; /* some proxy wants headers of clients' requests, or user_id_http_header
                              is set */

    uint32_t channel_max_length; /* bytes; longer: error 107 */
    int64_t history_meta_ttl_ms; /* for namespaces that say none */
    struct namespace without_namespace;
    struct namespace *namespaces; /* sorted by name, bytewise */
    size_t n_namespaces;

    struct config_chat chat;

    bool health_enabled,
            metrics_enabled; /* on the client's listeners; internal ones always have them */
    struct str health_path, metrics_path;
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

/* The options of a procedure's namespace, the part of its name before the first ':'; NULL: there is
 * no such namespace (error 104). */
const struct config_rpc *config_rpc_of(const struct config *c, struct str method);

/* Is a request with this Origin header acceptable? has_origin false: there was none, which is fine.
 */
bool config_allows_origin(const struct config *c, bool has_origin, struct str origin);
