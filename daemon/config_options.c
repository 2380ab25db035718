#include "daemon/config_options.h"

#include "daemon/config.h"
#include "daemon/log.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY  ((int64_t) 24 * HOUR)
#define YEAR (366 * DAY)
#define KIB  INT64_C(1024)
#define MIB  (1024 * KIB)
#define GIB  (1024 * MIB)

static const struct option_choice ENGINES[] = {
    { "sqlite", ENGINE_SQLITE },
    { "memory", ENGINE_MEMORY },
    { NULL },
};

static const struct option_choice LEVELS[] = {
    { "error", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING }, { "notice", LOG_LEVEL_NOTICE },
    { "info", LOG_LEVEL_INFO },   { "debug", LOG_LEVEL_DEBUG },     { "warn", LOG_LEVEL_WARNING },
    { "fatal", LOG_LEVEL_ERROR }, { "trace", LOG_LEVEL_DEBUG },     { NULL },
};

static const struct option_choice FORMATS[] = {
    { "auto", LOG_FORMAT_AUTO },
    { "text", LOG_FORMAT_TEXT },
    { "systemd", LOG_FORMAT_SYSTEMD },
    { "json", LOG_FORMAT_JSON },
    { NULL },
};

static const struct option_choice DATA_FORMATS[] = {
    { "", DATA_NOT_EMPTY },
    { "json", DATA_JSON },
    { "json_object", DATA_JSON_OBJECT },
    { "binary", DATA_BINARY },
    { NULL },
};

static const struct option_choice RECOVERY_MODES[] = {
    { "stream", RECOVERY_STREAM },
    { "cache", RECOVERY_CACHE },
    { NULL },
};

#define AT(member) .offset = offsetof(struct config, member)

static const struct option OPTIONS[] = {
    { "http_server.address", OPTION_TEXT, AT(http.address), .max = 100, .initial = "127.0.0.1",
      .needs_restart = true, .help = "Address to listen on: a number, a name, or `*` for all." },
    { "http_server.port", OPTION_COUNT, AT(http.port), .min = 0, .max = 65535, .initial = "8000",
      .needs_restart = true, .help = "Port to listen on; 0 lets the kernel choose one." },
    { "http_server.listen", OPTION_LIST, AT(http.listen),
      .offset_n = offsetof(struct config, http.n_listen), .max = CONFIG_LISTENERS_MAX - 1,
      .initial = "", .needs_restart = true,
      .help = "Addresses to listen on, in place of `address` and `port`: `127.0.0.1:8000`, "
              "`[::1]:8000`, `unix:/run/parley/parley.sock`." },
    { "http_server.unix_mode", OPTION_MODE, AT(http.unix_mode), .max = 0777, .initial = "0660",
      .needs_restart = true, .help = "Permissions of Unix sockets, octal." },
    { "http_server.internal_address", OPTION_TEXT, AT(http.internal_address), .max = 100,
      .initial = "127.0.0.1", .needs_restart = true, .help = "Address of the internal listener." },
    { "http_server.internal_port", OPTION_COUNT, AT(http.internal_port), .min = 0, .max = 65535,
      .initial = "0", .needs_restart = true,
      .help = "Port of a listener that serves `/health` and `/metrics` to whoever reaches it, and "
              "nothing to clients; 0: none." },
    { "http_server.external_monitoring", OPTION_BOOL, AT(endpoints_external), .initial = "false",
      .help = "Whether `/health` and `/metrics` answer peers on other machines." },
    { "http_server.tls.enabled", OPTION_BOOL, AT(http.tls_enabled), .initial = "false",
      .needs_restart = true, .help = "TLS on the listeners for clients." },
    { "http_server.tls.cert_pem_file", OPTION_FILE, AT(http.tls_cert), .max = 4096, .initial = "",
      .help = "Certificate chain, PEM, the server's own first. Read again by a reload." },
    { "http_server.tls.key_pem_file", OPTION_FILE, AT(http.tls_key), .max = 4096, .initial = "",
      .help = "Its private key, PEM. Read again by a reload." },
    { "http_server.handshake_timeout", OPTION_DURATION, AT(http.handshake_timeout_ms), .min = 100,
      .max = 10 * MINUTE, .initial = "10s",
      .help = "For TLS and the request head together, from accepting a connection to the last byte "
              "of its head." },
    { "http_server.keep_alive_timeout", OPTION_DURATION, AT(http.keep_alive_timeout_ms), .min = 100,
      .max = HOUR, .initial = "60s",
      .help = "How long a connection may stay open between two plain HTTP requests." },
    { "http_server.max_line_size", OPTION_SIZE, AT(http.max_line_bytes), .min = 256,
      .max = 64 * KIB, .initial = "8KiB", .help = "Longest request line; longer: 414." },
    { "http_server.max_head_size", OPTION_SIZE, AT(http.max_head_bytes), .min = 512,
      .max = 256 * KIB, .initial = "16KiB", .help = "Longest request head; longer: 431." },
    { "http_server.max_headers", OPTION_COUNT, AT(http.max_headers), .min = 8, .max = 64,
      .initial = "64", .help = "Most headers in a request; more: 431." },

    { "workers", OPTION_COUNT, AT(workers), .min = 1, .max = CONFIG_WORKERS_MAX, .initial = "1",
      .needs_restart = true, .help = "Loop threads, each with connections of its own." },
    { "data_dir", OPTION_TEXT, AT(data_dir), .max = 3000, .initial = "", .needs_restart = true,
      .help = "Where the sqlite engine keeps its files; made if missing. Empty: the service's "
              "state directory (`$STATE_DIRECTORY`), or else `parley-data` in the current one." },
    { "engine.type", OPTION_CHOICE, AT(engine), .choices = ENGINES, .initial = "sqlite",
      .needs_restart = true,
      .help = "What keeps history: `sqlite` survives restarts and crashes, `memory` does not." },
    { "engine.sqlite.readers", OPTION_COUNT, AT(engine_readers), .min = 1, .max = 16,
      .initial = "2", .needs_restart = true, .help = "Threads that read history." },
    { "engine.queue_max_publications", OPTION_COUNT, AT(engine_queue_max), .min = 1,
      .max = 10000000, .initial = "65536", .needs_restart = true,
      .help = "Publications that may wait to be written; more are refused with error 100." },
    { "engine.queue_max_size", OPTION_SIZE, AT(engine_queue_max_bytes), .min = 64 * KIB,
      .max = 3 * GIB, .initial = "64MiB", .needs_restart = true,
      .help = "Bytes of publications that may wait to be written; more are refused with error "
              "100." },

    { "client.allowed_origins", OPTION_LIST, AT(client.allowed_origins),
      .offset_n = offsetof(struct config, client.n_allowed_origins), .max = CONFIG_ORIGINS_MAX,
      .initial = "",
      .help = "Pages that may connect: `https://example.com`, `https://*.example.com`; `*` alone "
              "allows all. Requests without an Origin header always pass." },
    { "client.insecure", OPTION_BOOL, AT(client.insecure), .initial = "false",
      .help = "Lets everybody in without a token and allows them everything. For trying things "
              "out." },
    { "client.allow_anonymous_connect_without_token", OPTION_BOOL,
      AT(client.allow_anonymous_without_token), .initial = "false",
      .help = "Lets clients in that bring no token; their user id is empty." },
    { "client.disallow_anonymous_connection_tokens", OPTION_BOOL,
      AT(client.disallow_anonymous_tokens), .initial = "false",
      .help = "Refuses tokens with an empty `sub` (3507)." },
    { "client.token.hmac_secret_key", OPTION_SECRET, AT(client.token.hmac_secret_key), .max = 4096,
      .initial = "",
      .help = "Secret of tokens signed by HS256, HS384 or HS512; empty: no token is valid." },
    { "client.token.audience", OPTION_TEXT, AT(client.token.audience), .max = 1024, .initial = "",
      .help = "What `aud` of a token must be or hold; empty: not looked at." },
    { "client.token.issuer", OPTION_TEXT, AT(client.token.issuer), .max = 1024, .initial = "",
      .help = "What `iss` of a token must be; empty: not looked at." },
    { "client.ping_interval", OPTION_DURATION, AT(client.ping_interval_ms), .min = SECOND,
      .max = HOUR, .may_be_zero = true, .initial = "25s",
      .help = "Time between pings to a client; 0: none." },
    { "client.pong_timeout", OPTION_DURATION, AT(client.pong_timeout_ms), .min = 100, .max = HOUR,
      .may_be_zero = true, .initial = "8s",
      .help = "Time a client has to answer a ping (then 3012); 0: need not answer. Less than "
              "`ping_interval`." },
    { "client.stale_close_delay", OPTION_DURATION, AT(client.stale_close_ms), .min = 100,
      .max = HOUR, .initial = "10s",
      .help = "Time from the opening of a connection to its connect command; then 3502." },
    { "client.expired_close_delay", OPTION_DURATION, AT(client.expired_close_ms), .min = 0,
      .max = DAY, .initial = "25s",
      .help = "Grace for a new token after a connection expired; then 3005." },
    { "client.expired_sub_close_delay", OPTION_DURATION, AT(client.expired_sub_close_ms), .min = 0,
      .max = DAY, .initial = "25s",
      .help = "Grace for a new token after a subscription expired; then it ends." },
    { "client.channel_limit", OPTION_COUNT, AT(client.channel_limit), .min = 1, .max = 32768,
      .initial = "128", .help = "Subscriptions of one connection; more: error 106." },
    { "client.queue_max_size", OPTION_SIZE, AT(client.queue_max_bytes), .min = 4 * KIB, .max = GIB,
      .initial = "1MiB",
      .help = "Bytes that may wait for one connection, everything counted; more: 3008." },
    { "client.command_rate", OPTION_COUNT, AT(client.command_rate), .min = 1, .max = 1000000,
      .may_be_zero = true, .initial = "0",
      .help = "Commands a second one connection may send in the long run; more: 3013. 0: no "
              "limit." },
    { "client.command_burst", OPTION_COUNT, AT(client.command_burst), .min = 1, .max = 10000000,
      .may_be_zero = true, .initial = "0",
      .help = "Commands it may send at once; 0: twice `command_rate`." },
    { "client.connection_limit", OPTION_COUNT, AT(client.connection_limit), .min = 1,
      .max = 10000000, .may_be_zero = true, .initial = "0",
      .help = "Connections of the whole daemon; more: 503. 0: as many as the system allows." },
    { "client.presence_update_interval", OPTION_DURATION, AT(client.presence_update_ms),
      .min = SECOND, .max = DAY, .initial = "27s",
      .help = "How often a connected client's presence is renewed." },
    { "client.presence_ttl", OPTION_DURATION, AT(client.presence_ttl_ms), .min = SECOND, .max = DAY,
      .initial = "60s",
      .help = "How long presence lasts that is not renewed; more than "
              "`presence_update_interval`." },
    { "client.channel_position_check_delay", OPTION_DURATION, AT(client.position_check_ms),
      .min = SECOND, .max = DAY, .may_be_zero = true, .initial = "40s",
      .help = "How often a positioned subscription is compared with the engine; 0: never." },
    { "client.history_max_publication_limit", OPTION_COUNT, AT(client.history_max), .min = 1,
      .max = 10000000, .initial = "300",
      .help = "Publications in one history reply. A reply that would not fit into `queue_max_size` "
              "is "
              "error 106." },
    { "client.recovery_max_publication_limit", OPTION_COUNT, AT(client.recovery_max), .min = 1,
      .max = 10000000, .initial = "300",
      .help = "Publications one recovery may bring; who missed more, or more than fits into "
              "`queue_max_size`, is not recovered." },
    { "client.connect_include_server_time", OPTION_BOOL, AT(client.includes_server_time),
      .initial = "false", .help = "Puts the server's time into the connect reply." },

    { "websocket.disabled", OPTION_BOOL, AT(websocket.is_disabled), .initial = "false",
      .help = "Turns `/connection/websocket` off." },
    { "websocket.compression", OPTION_BOOL, AT(websocket.compression), .initial = "false",
      .help = "Accepts permessage-deflate where a client offers it." },
    { "websocket.message_size_limit", OPTION_SIZE, AT(websocket.message_size_limit), .min = 128,
      .max = 256 * MIB, .initial = "64KiB",
      .help = "Largest message from a client, all fragments together; larger: 1009." },
    { "websocket.inflated_size_limit", OPTION_SIZE, AT(websocket.inflated_size_limit), .min = 128,
      .max = GIB, .may_be_zero = true, .initial = "0",
      .help = "The same after inflating; 0: ten times `message_size_limit`." },
    { "websocket.write_timeout", OPTION_DURATION, AT(websocket.write_timeout_ms), .min = 10,
      .max = HOUR, .initial = "1s",
      .help = "Time in which a client with a full socket must take some byte; then 3009." },

    { "channel.max_length", OPTION_COUNT, AT(channel_max_length), .min = 1, .max = 1024,
      .initial = "255", .help = "Bytes in a channel's name; more: error 107." },
    { "channel.history_meta_ttl", OPTION_DURATION, AT(history_meta_ttl_ms), .min = SECOND,
      .max = 100 * YEAR, .initial = "720h",
      .help = "How long a channel's offset and epoch outlive its last publication, for namespaces "
              "that do not say." },

    { "health.enabled", OPTION_BOOL, AT(health_enabled), .initial = "true",
      .help = "`/health` on the listeners for clients." },
    { "prometheus.enabled", OPTION_BOOL, AT(metrics_enabled), .initial = "true",
      .help = "`/metrics` on the listeners for clients." },

    { "shutdown.timeout", OPTION_DURATION, AT(shutdown_timeout_ms), .min = 100, .max = HOUR,
      .initial = "30s", .help = "From SIGTERM to leaving, whatever clients still do." },
    { "shutdown.spread", OPTION_DURATION, AT(shutdown_spread_ms), .min = 0, .max = HOUR,
      .initial = "3s",
      .help = "Clients are told to reconnect over this time rather than all at once." },

    { "log.level", OPTION_CHOICE, AT(log_level), .choices = LEVELS, .initial = "info",
      .help = "The least urgent lines that are written." },
    { "log.format", OPTION_CHOICE, AT(log_format), .choices = FORMATS, .initial = "auto",
      .help = "`text` for people, `systemd` with `<N>` priorities, `json`; `auto`: systemd's when "
              "writing to the journal, else text." },
    { "log.slow_task", OPTION_DURATION, AT(slow_task_ms), .min = 1, .max = HOUR,
      .may_be_zero = true, .initial = "100ms", .needs_restart = true,
      .help = "Warns of code that holds up a loop for longer; 0: never." },
};

#undef AT
#define AT(member) .offset = offsetof(struct namespace, member)

static const struct option NAMESPACE_OPTIONS[] = {
    { "history_size", OPTION_COUNT, AT(history_size), .min = 1, .max = 100000000,
      .may_be_zero = true, .initial = "0",
      .help = "Publications that are kept; 0: none, the channels have no offsets and never touch "
              "the disk. Needs `history_ttl`." },
    { "history_ttl", OPTION_DURATION, AT(history_ttl_ms), .min = SECOND, .max = 100 * YEAR,
      .may_be_zero = true, .initial = "0s",
      .help = "How long publications are kept, from the channel's last one on. Needs "
              "`history_size`." },
    { "history_meta_ttl", OPTION_DURATION, AT(history_meta_ttl_ms), .min = SECOND,
      .max = 100 * YEAR, .may_be_zero = true, .initial = "0s",
      .help = "How long offset and epoch outlive the last publication; 0: "
              "`channel.history_meta_ttl`. At least `history_ttl`." },
    { "allow_recovery", OPTION_BOOL, AT(allow_recovery), .initial = "false",
      .help = "Clients that ask may recover what they missed. Needs history." },
    { "force_recovery", OPTION_BOOL, AT(force_recovery), .initial = "false",
      .help = "All clients may recover what they missed. Needs history." },
    { "force_recovery_mode", OPTION_CHOICE, AT(recovery_mode), .choices = RECOVERY_MODES,
      .initial = "stream",
      .help = "`stream`: every publication counts; `cache`: only the newest does." },
    { "allow_positioning", OPTION_BOOL, AT(allow_positioning), .initial = "false",
      .help = "Clients that ask have their position watched. Needs history." },
    { "force_positioning", OPTION_BOOL, AT(force_positioning), .initial = "false",
      .help = "All clients have their position watched. Needs history." },
    { "presence", OPTION_BOOL, AT(presence), .initial = "false",
      .help = "Keeps who is in a channel." },
    { "join_leave", OPTION_BOOL, AT(join_leave), .initial = "false",
      .help = "Tells those who ask when somebody comes or goes." },
    { "force_push_join_leave", OPTION_BOOL, AT(force_push_join_leave), .initial = "false",
      .help = "Tells everybody when somebody comes or goes. Needs `join_leave`." },
    { "allow_subscribe_for_client", OPTION_BOOL, AT(subscribe.client), .initial = "false",
      .help = "Clients may subscribe." },
    { "allow_subscribe_for_anonymous", OPTION_BOOL, AT(subscribe.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "allow_publish_for_client", OPTION_BOOL, AT(publish.client), .initial = "false",
      .help = "Clients may publish." },
    { "allow_publish_for_subscriber", OPTION_BOOL, AT(publish.subscriber), .initial = "false",
      .help = "Subscribers may publish." },
    { "allow_publish_for_anonymous", OPTION_BOOL, AT(publish.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "allow_presence_for_client", OPTION_BOOL, AT(presence_of.client), .initial = "false",
      .help = "Clients may ask who is there." },
    { "allow_presence_for_subscriber", OPTION_BOOL, AT(presence_of.subscriber), .initial = "false",
      .help = "Subscribers may ask who is there." },
    { "allow_presence_for_anonymous", OPTION_BOOL, AT(presence_of.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "allow_history_for_client", OPTION_BOOL, AT(history.client), .initial = "false",
      .help = "Clients may read history." },
    { "allow_history_for_subscriber", OPTION_BOOL, AT(history.subscriber), .initial = "false",
      .help = "Subscribers may read history." },
    { "allow_history_for_anonymous", OPTION_BOOL, AT(history.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "allow_user_limited_channels", OPTION_BOOL, AT(allow_user_limited_channels),
      .initial = "false",
      .help = "Channels like `chat:room#7,42` are for users 7 and 42, who need no permission." },
    { "channel_regex", OPTION_TEXT, AT(channel_regex), .max = 1024, .initial = "",
      .help = "What a channel's name, behind its namespace, must match; empty: any ASCII." },
    { "publication_data_format", OPTION_CHOICE, AT(data_format), .choices = DATA_FORMATS,
      .initial = "",
      .help = "What may be published: empty: anything but nothing; `json`; `json_object`; "
              "`binary`: anything." },
};

static const struct foreign_option FOREIGN[] = {
    { "admin", "the admin page" },
    { "broker", "a broker beside the engine" },
    { "presence_manager", "presence kept elsewhere than in the engine" },
    { "map_broker", "map subscriptions" },
    { "engine.redis", "the redis engine" },
    { "rpc", "RPC" },
    { "proxies", "events sent to a backend" },
    { "client.proxy", "events sent to a backend" },
    { "channel.proxy", "events sent to a backend" },
    { "http_api", "the HTTP server API" },
    { "grpc_api", "the gRPC server API" },
    { "consumers", "consumers of message queues" },
    { "sse", "the SSE transport" },
    { "http_stream", "the HTTP streaming transport" },
    { "webtransport", "the WebTransport transport" },
    { "uni_sse", "unidirectional transports" },
    { "uni_http_stream", "unidirectional transports" },
    { "uni_websocket", "unidirectional transports" },
    { "uni_grpc", "unidirectional transports" },
    { "emulation", "emulation, which SSE and HTTP streaming need" },
    { "init", "the endpoint /connection/init" },
    { "swagger", "the API's own documentation page" },
    { "debug", "profiling endpoints; SIGUSR1 dumps the tasks instead" },
    { "dev", "the development page" },
    { "opentelemetry", "OpenTelemetry" },
    { "graphite", "Graphite; /metrics speaks Prometheus" },
    { "usage_stats", "usage statistics; none are ever sent" },
    { "node", "the names of cluster nodes" },
    { "pid_file", "a file with the process id; systemd knows it" },
    { "enable_unreleased_features", "unreleased features" },
    { "log.file", "a log file; lines go to standard error" },
    { "shutdown.termination_delay", "a delay before the shutdown; see shutdown.spread" },
    { "http_server.tls.cert_pem", "a certificate in the file itself: name a file as cert_pem_file",
      .may_not_be_ignored = true },
    { "http_server.tls.key_pem", "a key in the file itself: name a file as key_pem_file",
      .may_not_be_ignored = true },
    { "http_server.tls.client_ca_pem", "client certificates", .may_not_be_ignored = true },
    { "http_server.tls.client_ca_pem_file", "client certificates", .may_not_be_ignored = true },
    { "http_server.tls.server_ca_pem", "an authority for the server's own certificate" },
    { "http_server.tls.server_ca_pem_file", "an authority for the server's own certificate" },
    { "http_server.tls.server_name", "a server name" },
    { "http_server.tls.insecure_skip_verify", "skipping verification" },
    { "http_server.tls_autocert", "certificates fetched by the daemon",
      .may_not_be_ignored = true },
    { "http_server.tls_external", "TLS on some endpoints only" },
    { "http_server.internal_tls", "TLS on the internal listener", .may_not_be_ignored = true },
    { "http_server.http3", "HTTP/3" },
    { "websocket.handler_prefix", "other paths for endpoints", .same_as = "/connection/websocket" },
    { "health.handler_prefix", "other paths for endpoints", .same_as = "/health" },
    { "prometheus.handler_prefix", "other paths for endpoints", .same_as = "/metrics" },
    { "prometheus.instrument_http_handlers", "metrics per HTTP handler" },
    { "prometheus.recover_metrics", "metrics per namespace" },
    { "websocket.compression_min_size",
      "a size from which messages are compressed; smaller than 200 bytes they are not" },
    { "websocket.compression_level", "a level of compression", .same_as = "1" },
    { "websocket.read_buffer_size", "buffer sizes; idle connections hold no buffer" },
    { "websocket.write_buffer_size", "buffer sizes; idle connections hold no buffer" },
    { "websocket.use_write_buffer_pool", "buffer pools; idle connections hold no buffer" },
    { "websocket.compression_prepared_message_cache_size",
      "a cache of compressed messages; each is compressed once anyway" },
    { "client.token.rsa_public_key", "RSA tokens" },
    { "client.token.ecdsa_public_key", "ECDSA tokens" },
    { "client.token.jwks_public_endpoint", "tokens by JWKS" },
    { "client.token.jwks", "tokens by JWKS" },
    { "client.token.audience_regex", "matching `aud` by a pattern", .may_not_be_ignored = true },
    { "client.token.issuer_regex", "matching `iss` by a pattern", .may_not_be_ignored = true },
    { "client.token.user_id_claim", "another claim for the user id", .same_as = "sub",
      .may_not_be_ignored = true },
    { "client.token.hmac_previous_secret_key", "a second secret" },
    { "client.token.hmac_previous_secret_key_valid_until", "a second secret" },
    { "client.subscription_token", "separate settings for subscription tokens",
      .may_not_be_ignored = true },
    { "client.user_id_http_header", "user ids from a header" },
    { "client.insecure_skip_token_signature_verify", "unverified tokens" },
    { "client.user_connection_limit", "a limit of connections per user" },
    { "client.connection_rate_limit", "a limit of new connections a second" },
    { "client.subscribe_to_user_personal_channel", "personal channels" },
    { "client.concurrency", "commands of one connection side by side" },
    { "client.channel_position_max_time_lag", "position checks by time lag" },
    { "client.connect_code_to_unidirectional_disconnect", "unidirectional transports" },
    { "client.connect_code_to_http_response", "HTTP streaming transports" },
    { "client.write_delay", "delayed writes; writes are batched by turn" },
    { "client.reply_without_queue", "replies past the queue" },
    { "client.max_messages_in_frame", "a limit of messages in a frame" },
    { "channel.private_prefix", "another prefix of private channels", .same_as = "$",
      .may_not_be_ignored = true },
    { "channel.namespace_boundary", "another separator of namespaces", .same_as = ":",
      .may_not_be_ignored = true },
    { "channel.user_boundary", "another separator of users", .same_as = "#",
      .may_not_be_ignored = true },
    { "channel.user_separator", "another separator of users", .same_as = ",",
      .may_not_be_ignored = true },
};

static const struct foreign_option FOREIGN_NAMESPACE[] = {
    { "allowed_delta_types", "delta compression" },
    { "delta_publish", "delta compression" },
    { "auto_cache_recover", "recovering a cache unasked" },
    { "allow_tags_filter", "filters by tags" },
    { "allow_channel_compaction", "compact channel ids" },
    { "publication_data_schema", "schemas of publications", .may_not_be_ignored = true },
    { "subscribe_proxy_enabled", "events sent to a backend" },
    { "subscribe_proxy_name", "events sent to a backend", .same_as = "default" },
    { "publish_proxy_enabled", "events sent to a backend", .may_not_be_ignored = true },
    { "publish_proxy_name", "events sent to a backend", .same_as = "default" },
    { "sub_refresh_proxy_enabled", "events sent to a backend" },
    { "sub_refresh_proxy_name", "events sent to a backend", .same_as = "default" },
    { "subscribe_stream_proxy_enabled", "events sent to a backend" },
    { "subscribe_stream_proxy_name", "events sent to a backend", .same_as = "default" },
    { "subscribe_stream_proxy_bidirectional", "events sent to a backend" },
    { "subscription_type", "map and poll subscriptions", .same_as = "stream" },
    { "subscription_types", "map and poll subscriptions" },
    { "map", "map subscriptions" },
    { "shared_poll", "poll subscriptions" },
    { "map_clients_presence_channel_prefix", "map subscriptions" },
    { "map_users_presence_channel_prefix", "map subscriptions" },
};

const struct option *config_options(size_t *ret_n) {
    *ret_n = ELEMENTS_OF(OPTIONS);
    return OPTIONS;
}

const struct option *namespace_options(size_t *ret_n) {
    *ret_n = ELEMENTS_OF(NAMESPACE_OPTIONS);
    return NAMESPACE_OPTIONS;
}

const struct foreign_option *foreign_options(size_t *ret_n) {
    *ret_n = ELEMENTS_OF(FOREIGN);
    return FOREIGN;
}

const struct foreign_option *foreign_namespace_options(size_t *ret_n) {
    *ret_n = ELEMENTS_OF(FOREIGN_NAMESPACE);
    return FOREIGN_NAMESPACE;
}
