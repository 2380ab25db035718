#include "daemon/config/options.h"

#include "daemon/config/chat_file_options.h"
#include "daemon/config/chat_options.h"
#include "daemon/config/config.h"
#include "daemon/config/units.h"
#include "daemon/log.h"

static const struct option_choice ENGINES[] = {
    { "sqlite", ENGINE_SQLITE },
    { "memory", ENGINE_MEMORY },
    { "redis", ENGINE_REDIS },
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

static const struct option_choice ERROR_MODES[] = {
    { "", API_ERRORS_IN_BODY },
    { "transport", API_ERRORS_AS_STATUS },
    { "custom", API_ERRORS_IN_BODY },
    { NULL },
};

#define OFFSET_OF(member) offsetof(struct config, member)
#define AT(member)        .offset = OFFSET_OF(member)

#define TOKEN_OPTIONS(prefix, place)                                                               \
    { prefix "hmac_secret_key",                                                                    \
      OPTION_SECRET,                                                                               \
      AT(place.hmac_secret_key),                                                                   \
      .max = 4096,                                                                                 \
      .initial = "",                                                                               \
      .help = "Secret of tokens signed by HS256, HS384 or HS512." },                               \
            { prefix "hmac_previous_secret_key",                                                   \
              OPTION_SECRET,                                                                       \
              AT(place.hmac_previous_secret_key),                                                  \
              .max = 4096,                                                                         \
              .initial = "",                                                                       \
              .help = "The secret before it, accepted for a while." },                             \
            { prefix "hmac_previous_secret_key_valid_until",                                       \
              OPTION_TIME,                                                                         \
              AT(place.hmac_previous_until_s),                                                     \
              .max = INT64_MAX / 1000,                                                             \
              .initial = "0",                                                                      \
              .help = "Until when, Unix time in seconds; 0: as long as it stands here." },         \
            { prefix "rsa_public_key",                                                             \
              OPTION_TEXT,                                                                         \
              AT(place.rsa_public_key),                                                            \
              .max = 64 * KIB,                                                                     \
              .initial = "",                                                                       \
              .help = "Public key, PEM, of RS256, RS384, RS512." },                                \
            { prefix "ecdsa_public_key",                                                           \
              OPTION_TEXT,                                                                         \
              AT(place.ecdsa_public_key),                                                          \
              .max = 64 * KIB,                                                                     \
              .initial = "",                                                                       \
              .help = "Public key, PEM, of ES256, ES384, ES512." },                                \
            { prefix "jwks_public_endpoint",                                                       \
              OPTION_TEXT,                                                                         \
              AT(place.jwks_endpoint),                                                             \
              .max = 4096,                                                                         \
              .initial = "",                                                                       \
              .help = "URL of a set of public keys (RFC 7517), in place of all other keys. "       \
                      "`{{NAME}}` stands for a named group of `issuer_regex` or "                  \
                      "`audience_regex`." },                                                       \
            { prefix "insecure_skip_jwks_endpoint_safety_check", OPTION_BOOL,                      \
              AT(place.jwks_unchecked_placeholders), .initial = "false",                           \
              .help = "Lets a placeholder stand in the host of that URL, or match anything." },    \
            { prefix "jwks_ca_pem_file",                                                           \
              OPTION_FILE,                                                                         \
              AT(place.jwks_ca_file),                                                              \
              .max = 4096,                                                                         \
              .initial = "",                                                                       \
              .help = "Authorities for that URL, PEM; empty: the system's." },                     \
            { prefix "audience",                                                                   \
              OPTION_TEXT,                                                                         \
              AT(place.audience),                                                                  \
              .max = 1024,                                                                         \
              .initial = "",                                                                       \
              .help = "What `aud` of a token must be or hold; empty: not looked at." },            \
            { prefix "audience_regex",                                                             \
              OPTION_TEXT,                                                                         \
              AT(place.audience_regex),                                                            \
              .max = 1024,                                                                         \
              .initial = "",                                                                       \
              .help = "What `aud` must match, in place of `audience`." },                          \
            { prefix "issuer",  OPTION_TEXT,                                                       \
              AT(place.issuer), .max = 1024,                                                       \
              .initial = "",    .help = "What `iss` of a token must be; empty: not looked at." },  \
            { prefix "issuer_regex",  OPTION_TEXT,                                                 \
              AT(place.issuer_regex), .max = 1024,                                                 \
              .initial = "",          .help = "What `iss` must match, in place of `issuer`." },    \
    {                                                                                              \
        prefix "user_id_claim", OPTION_TEXT, AT(place.user_id_claim),                              \
                .max = 255, .initial = "", .help = "The claim that names the user; empty: `sub`."  \
    }

#define PATH_OPTION(prefix, place, standard)                                                       \
    {                                                                                              \
        prefix "handler_prefix", OPTION_TEXT, AT(place), .max = 255, .initial = standard,          \
                                                         .help = "Its prefix."                     \
    }

#define STREAM_OPTIONS(prefix, place, standard, what)                                              \
    { prefix "enabled", OPTION_BOOL, AT(place.enabled), .initial = "false", .help = what },        \
            PATH_OPTION(prefix, place.path, standard), {                                           \
        prefix "max_request_body_size", OPTION_SIZE, AT(place.max_body_bytes),                     \
                .min = 128, .max = 256 * MIB, .initial = "64KiB",                                  \
                .help = "Largest body of the request that opens it; larger: 413."                  \
    }

#define RESPONSE_CODE_OPTIONS(prefix, place)                                                       \
    { prefix "connect_code_to_http_response.enabled", OPTION_BOOL,                                 \
      AT(place.connect_codes_enabled), .initial = "false",                                         \
      .help = "Answers errors of connect with an HTTP status." },                                  \
    {                                                                                              \
        prefix "connect_code_to_http_response.transforms", OPTION_RESPONSE_CODES,                  \
                AT(place.connect_codes.items), OFFSET_N(place.connect_codes.n),                    \
                .max = CONFIG_TRANSFORMS_MAX, .initial = "",                                       \
                .help = "Which: a list of `code` and `to` (status_code, body)."                    \
    }

#define WEBSOCKET_OPTIONS(prefix, place, standard)                                                 \
    PATH_OPTION(prefix, place.path, standard),                                                     \
            { prefix "compression", OPTION_BOOL, AT(place.compression), .initial = "false",        \
              .help = "Accepts permessage-deflate where a client offers it." },                    \
            { prefix "message_size_limit",                                                         \
              OPTION_SIZE,                                                                         \
              AT(place.message_size_limit),                                                        \
              .min = 128,                                                                          \
              .max = 256 * MIB,                                                                    \
              .initial = "64KiB",                                                                  \
              .help = "Largest message from a client, all fragments together; larger: 1009." },    \
            { prefix "decompressed_message_size_limit",                                            \
              OPTION_SIZE,                                                                         \
              AT(place.inflated_size_limit),                                                       \
              .min = 128,                                                                          \
              .max = GIB,                                                                          \
              .may_be_zero = true,                                                                 \
              .initial = "0",                                                                      \
              .help = "The same after inflating; 0: ten times `message_size_limit`." },            \
    {                                                                                              \
        prefix "write_timeout", OPTION_DURATION, AT(place.write_timeout_ms),                       \
                .min = 10, .max = HOUR, .initial = "1s",                                           \
                .help = "Time in which a client with a full socket must take some byte; then "     \
                        "3009."                                                                    \
    }

#define REDIS_TLS_OPTIONS(prefix, place, what)                                                     \
    { prefix "enabled",   OPTION_BOOL,           AT(place.enabled),                                \
      .initial = "false", .needs_restart = true, .help = what },                                   \
            { prefix "server_ca_pem_file",                                                         \
              OPTION_FILE,                                                                         \
              AT(place.ca_file),                                                                   \
              .max = 4096,                                                                         \
              .initial = "",                                                                       \
              .needs_restart = true,                                                               \
              .help = "Authorities, PEM; empty: the system's." },                                  \
            { prefix "cert_pem_file",                                                              \
              OPTION_FILE,                                                                         \
              AT(place.cert_file),                                                                 \
              .max = 4096,                                                                         \
              .initial = "",                                                                       \
              .needs_restart = true,                                                               \
              .help = "Parley's own certificate, PEM; empty: none." },                             \
            { prefix "key_pem_file",                                                               \
              OPTION_FILE,                                                                         \
              AT(place.key_file),                                                                  \
              .max = 4096,                                                                         \
              .initial = "",                                                                       \
              .needs_restart = true,                                                               \
              .help = "Its private key, PEM." },                                                   \
            { prefix "server_name",                                                                \
              OPTION_TEXT,                                                                         \
              AT(place.server_name),                                                               \
              .max = 255,                                                                          \
              .initial = "",                                                                       \
              .needs_restart = true,                                                               \
              .help = "Whose certificate it must be; empty: the address's." },                     \
    {                                                                                              \
        prefix "insecure_skip_verify", OPTION_BOOL, AT(place.insecure_skip_verify),                \
                .initial = "false", .needs_restart = true,                                         \
                .help = "Believes any certificate. For trying things out."                         \
    }

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
    { "http_server.body_timeout", OPTION_DURATION, AT(http.body_timeout_ms), .min = 100,
      .max = HOUR, .initial = "10s", .help = "For the body of a request to arrive." },
    { "http_server.max_line_size", OPTION_SIZE, AT(http.max_line_bytes), .min = 256,
      .max = 64 * KIB, .initial = "8KiB", .help = "Longest request line; longer: 414." },
    { "http_server.max_head_size", OPTION_SIZE, AT(http.max_head_bytes), .min = 512,
      .max = 256 * KIB, .initial = "16KiB", .help = "Longest request head; longer: 431." },
    { "http_server.max_headers", OPTION_COUNT, AT(http.max_headers), .min = 8, .max = 64,
      .initial = "64", .help = "Most headers in a request; more: 431." },
    { "http_server.trusted_proxies", OPTION_LIST, AT(http.trusted_proxies),
      OFFSET_N(http.n_trusted_proxies), .max = CONFIG_PROXIES_MAX, .initial = "",
      .help = "Reverse proxies in front: addresses, networks (`10.0.0.0/8`), or `unix` for those "
              "on "
              "Unix sockets. What they say in `X-Forwarded-For` and `X-Forwarded-Proto` is "
              "believed "
              "where the chat signs people in." },

    { "workers", OPTION_COUNT, AT(workers), .min = 1, .max = CONFIG_WORKERS_MAX,
      .may_be_zero = true, .zero = "auto", .initial = "auto", .needs_restart = true,
      .help = "Loop threads, each with connections of its own; `auto`, or 0: one for each "
              "processor that the process may use, by its affinity and the limit of its control "
              "group." },
    { "data_dir", OPTION_TEXT, AT(data_dir), .max = 3000, .initial = "", .needs_restart = true,
      .help = "Where the sqlite engine keeps its files, and with redis events for webhooks and the "
              "archive; made if missing. Empty: the service's state directory "
              "(`$STATE_DIRECTORY`), or else `parley-data` in the current one, with redis none." },
    { "engine.type", OPTION_CHOICE, AT(engine), .choices = ENGINES, .initial = "sqlite",
      .needs_restart = true,
      .help = "What keeps history: `sqlite` survives restarts and crashes, `memory` does not; "
              "`redis` is shared by several nodes." },
    { "engine.sqlite.readers", OPTION_COUNT, AT(engine_readers), .min = 1, .max = 16,
      .initial = "2", .needs_restart = true, .help = "Threads that read history." },
    { "engine.queue_max_publications", OPTION_COUNT, AT(engine_queue_max), .min = 1,
      .max = 10000000, .initial = "65536", .needs_restart = true,
      .help = "Publications that may wait to be written; more are refused with error 100." },
    { "engine.queue_max_size", OPTION_SIZE, AT(engine_queue_max_bytes), .min = 64 * KIB,
      .max = 3 * GIB, .initial = "64MiB", .needs_restart = true,
      .help = "Bytes of publications that may wait to be written; more are refused with error "
              "100." },
    { "engine.memory_max_size", OPTION_SIZE, AT(engine_memory_max_bytes), .min = MIB,
      .max = 3 * GIB, .initial = "1GiB", .needs_restart = true,
      .help = "Memory for what is kept there: histories and maps of the `memory` engine, ephemeral "
              "maps of `sqlite`; publications past it are refused with error 100." },
    { "engine.idempotency_keys_max", OPTION_COUNT, AT(engine_idempotency_max), .min = 1,
      .max = 100000000, .initial = "1000000", .needs_restart = true,
      .help = "Idempotency keys remembered on disk; publications with more are refused." },
    { "engine.map_keys_max", OPTION_COUNT, AT(engine_map_keys_max), .min = 1, .max = 10000000,
      .initial = "100000", .needs_restart = true, .help = "Keys in one map; more are refused." },
    { "engine.denials_max", OPTION_COUNT, AT(engine_denials_max), .min = 1, .max = 10000000,
      .initial = "100000", .needs_restart = true,
      .help = "Blocked users and revoked tokens together; more are refused." },

    { "engine.redis.address", OPTION_LIST, AT(redis.address), OFFSET_N(redis.n_address), .max = 512,
      .initial = "redis://127.0.0.1:6379", .needs_restart = true,
      .help = "Where Redis is: `redis://[[USER]:PASSWORD@]HOST:PORT[/DB]`, `rediss://` with TLS, "
              "`redis+sentinel://HOST:PORT,HOST:PORT?sentinel_master_name=NAME`. Of several each "
              "has a share of the channels." },
    { "engine.redis.user", OPTION_TEXT, AT(redis.user), .max = 255, .initial = "",
      .needs_restart = true, .help = "User, where the address has none." },
    { "engine.redis.password", OPTION_SECRET, AT(redis.password), .max = 4096, .initial = "",
      .needs_restart = true, .help = "Password, where the address has none." },
    { "engine.redis.db", OPTION_COUNT, AT(redis.db), .min = 0, .max = 65535, .initial = "0",
      .needs_restart = true, .help = "Database, where the address has none." },
    { "engine.redis.prefix", OPTION_TEXT, AT(redis.prefix), .max = 64, .initial = "parley",
      .needs_restart = true,
      .help = "What all keys and channels in Redis begin with: nodes of the same prefix are one "
              "cluster." },
    { "engine.redis.connect_timeout", OPTION_DURATION, AT(redis.connect_timeout_ms), .min = 10,
      .max = MINUTE, .initial = "2s", .needs_restart = true,
      .help = "For connecting, with everything that comes before the first command." },
    { "engine.redis.io_timeout", OPTION_DURATION, AT(redis.io_timeout_ms), .min = 10,
      .max = 10 * MINUTE, .initial = "4s", .needs_restart = true,
      .help = "For an answer; then the connection is made anew." },
    { "engine.redis.publish_wait", OPTION_DURATION, AT(redis.publish_wait_ms), .min = 0,
      .max = MINUTE, .initial = "0", .needs_restart = true,
      .help = "How long publications wait for a Redis that is away; 0: error 100 at once." },
    { "engine.redis.keeps_epochs", OPTION_BOOL, AT(redis.keeps_epochs), .initial = "false",
      .needs_restart = true,
      .help = "Redis comes back with all it ever acknowledged (`appendfsync always`, no "
              "failover): recovery goes on across its restarts." },
    { "engine.redis.archive_queue_size", OPTION_SIZE, AT(redis.archive_queue_size), .min = 64 * KIB,
      .max = 3 * GIB, .initial = "64MiB", .needs_restart = true,
      .help = "Bytes of publications of `durable` namespaces that may wait to be written to the "
              "node's archive; those past it are not archived, and counted." },
    REDIS_TLS_OPTIONS("engine.redis.tls.", redis.tls,
                      "TLS to Redis, as `rediss://` in an address says it."),
    { "engine.redis.sentinel_address", OPTION_LIST, AT(redis.sentinel_address),
      OFFSET_N(redis.n_sentinel_address), .max = 16, .initial = "", .needs_restart = true,
      .help = "Sentinels that know where Redis is, in place of `address`." },
    { "engine.redis.sentinel_master_name", OPTION_TEXT, AT(redis.sentinel_master_name), .max = 255,
      .initial = "", .needs_restart = true, .help = "What they call it." },
    { "engine.redis.sentinel_user", OPTION_TEXT, AT(redis.sentinel_user), .max = 255, .initial = "",
      .needs_restart = true, .help = "User for the Sentinels." },
    { "engine.redis.sentinel_password", OPTION_SECRET, AT(redis.sentinel_password), .max = 4096,
      .initial = "", .needs_restart = true, .help = "Password for the Sentinels." },
    REDIS_TLS_OPTIONS("engine.redis.sentinel_tls.", redis.sentinel_tls, "TLS to the Sentinels."),
    { "engine.redis.node_ttl", OPTION_DURATION, AT(redis.node_ttl_ms), .min = SECOND, .max = HOUR,
      .initial = "15s", .needs_restart = true, .help = "A node not heard of for so long is gone." },

    { "node.name", OPTION_TEXT, AT(node_name), .max = 255, .initial = "", .needs_restart = true,
      .help = "What people know this node by; empty: the host's name." },
    { "node.survey_timeout", OPTION_DURATION, AT(node_survey_timeout_ms), .min = 50, .max = MINUTE,
      .initial = "3s",
      .help = "For other nodes to answer what they are asked; then the answer says which did "
              "not." },

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
    TOKEN_OPTIONS("client.token.", client.token),
    { "client.subscription_token.enabled", OPTION_BOOL, AT(client.has_subscription_token),
      .initial = "false", .help = "Subscription tokens have settings of their own:" },
    TOKEN_OPTIONS("client.subscription_token.", client.subscription_token),
    { "client.jwks.refresh_interval", OPTION_DURATION, AT(client.jwks.refresh_ms), .min = SECOND,
      .max = 30 * DAY, .initial = "15m",
      .help = "How old a set of public keys may be before it is fetched again, in the "
              "background." },
    { "client.jwks.max_age", OPTION_DURATION, AT(client.jwks.max_age_ms), .min = SECOND,
      .max = YEAR, .initial = "24h",
      .help = "How long a set is believed that cannot be fetched again; more than "
              "`refresh_interval`." },
    { "client.jwks.min_interval", OPTION_DURATION, AT(client.jwks.pause_ms), .min = 100,
      .max = HOUR, .initial = "5s",
      .help = "Time between two fetches of one set, at least, whatever keys tokens name." },
    { "client.jwks.timeout", OPTION_DURATION, AT(client.jwks.timeout_ms), .min = 10, .max = MINUTE,
      .initial = "4s", .help = "For fetching a set; libraries give up on a connect after 5 s." },
    { "client.insecure_skip_token_signature_verify", OPTION_BOOL,
      AT(client.insecure_skip_token_signature), .initial = "false",
      .help = "Believes every token. For trying things out." },
    { "client.user_id_http_header", OPTION_TEXT, AT(client.user_id_http_header), .max = 255,
      .initial = "",
      .help = "Header that names the user, set by a proxy in front that clients cannot go around; "
              "empty: none." },
    { "client.subscribe_to_user_personal_channel.enabled", OPTION_BOOL,
      AT(client.personal_channel.enabled), .initial = "false",
      .help = "Subscribes each user to a channel of its own, `#USER`, on connect." },
    { "client.subscribe_to_user_personal_channel.personal_channel_namespace", OPTION_TEXT,
      AT(client.personal_channel.channel_namespace), .max = 64, .initial = "",
      .help = "Its namespace: `NAMESPACE:#USER`." },
    { "client.subscribe_to_user_personal_channel.single_connection", OPTION_BOOL,
      AT(client.personal_channel.single_connection), .initial = "false",
      .help = "A user's new connection ends those before it." },
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
    { "client.user_connection_limit", OPTION_COUNT, AT(client.user_connection_limit), .min = 1,
      .max = 10000000, .may_be_zero = true, .initial = "0",
      .help = "Connections of one user; more: 3504. 0: no limit." },
    { "client.connection_rate_limit", OPTION_COUNT, AT(client.connection_rate_limit), .min = 1,
      .max = 10000000, .may_be_zero = true, .initial = "0",
      .help = "New connections a second; more: 503. 0: no limit." },
    RATE_OPTIONS("client.user", client.user_rate,
                 "Commands of all connections of one user (more: error 111)"),
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

    { "client.proxy.connect.enabled", OPTION_BOOL, AT(client.connect_proxy_enabled),
      .initial = "false", .help = "Asks a service who a client without a token is." },
    PROXY_OPTIONS("client.proxy.connect.", client.connect_proxy),
    { "client.proxy.refresh.enabled", OPTION_BOOL, AT(client.refresh_proxy_enabled),
      .initial = "false", .help = "Asks a service whether an expiring connection may stay." },
    PROXY_OPTIONS("client.proxy.refresh.", client.refresh_proxy),
    { "client.connect_code_to_unidirectional_disconnect.enabled", OPTION_BOOL,
      AT(client.connect_codes_enabled), .initial = "false",
      .help = "Unidirectional clients get errors of connect as the disconnects named next." },
    { "client.connect_code_to_unidirectional_disconnect.transforms", OPTION_DISCONNECT_CODES,
      AT(client.connect_codes.items), OFFSET_N(client.connect_codes.n),
      .max = CONFIG_TRANSFORMS_MAX, .initial = "",
      .help = "Which: a list of `code` and `to` (code, reason)." },

    { "websocket.disabled", OPTION_BOOL, AT(websocket.is_disabled), .initial = "false",
      .help = "Turns `/connection/websocket` off." },
    WEBSOCKET_OPTIONS("websocket.", websocket, "/connection/websocket"),
    { "uni_websocket.enabled", OPTION_BOOL, AT(uni_websocket.is_enabled), .initial = "false",
      .help = "WebSocket that only brings." },
    WEBSOCKET_OPTIONS("uni_websocket.", uni_websocket, "/connection/uni_websocket"),
    STREAM_OPTIONS("sse.", sse, "/connection/sse",
                   "Server-sent events, both ways through `/emulation`."),
    STREAM_OPTIONS("http_stream.", http_stream, "/connection/http_stream",
                   "HTTP streaming, both ways through `/emulation`."),
    STREAM_OPTIONS("uni_sse.", uni_sse, "/connection/uni_sse", "Server-sent events."),
    RESPONSE_CODE_OPTIONS("uni_sse.", uni_sse),
    STREAM_OPTIONS("uni_http_stream.", uni_http_stream, "/connection/uni_http_stream",
                   "HTTP streaming that only brings."),
    RESPONSE_CODE_OPTIONS("uni_http_stream.", uni_http_stream),
    PATH_OPTION("emulation.", emulation_path, "/emulation"),
    { "emulation.max_request_body_size", OPTION_SIZE, AT(emulation_max_body_bytes), .min = 128,
      .max = 256 * MIB, .initial = "64KiB",
      .help = "Largest body of what clients of SSE and HTTP streaming send; larger: 413." },
    { "init.enabled", OPTION_BOOL, AT(init.enabled), .initial = "false",
      .help = "`/connection/init`, which answers `{}`." },
    PATH_OPTION("init.", init.path, "/connection/init"),

    PROXY_OPTIONS("rpc.proxy.", rpc_proxy),
    { "rpc.without_namespace.proxy_enabled", OPTION_BOOL, AT(rpc_without_namespace.proxy_enabled),
      .initial = "false", .help = "Calls of methods without a `:` go to a service." },
    { "rpc.without_namespace.proxy_name", OPTION_TEXT, AT(rpc_without_namespace.proxy_name),
      .max = 64, .initial = "default", .help = "Which of `proxies`; `default`: `rpc.proxy`." },
    { "rpc.ping.enabled", OPTION_BOOL, AT(rpc_ping_enabled), .initial = "false",
      .help = "The daemon answers one method itself, with nothing." },
    { "rpc.ping.method", OPTION_TEXT, AT(rpc_ping_method), .max = 255, .initial = "ping",
      .help = "Its name." },
    RATE_OPTIONS("rpc.client", rpc_rate, "Calls of one connection (more: error 111)"),
    RATE_OPTIONS("rpc.all", all_rpc_rate, "Calls of all connections together (more: error 111)"),

    { "http_api.disabled", OPTION_BOOL, AT(api.is_disabled), .initial = "false",
      .help = "Turns the server API off." },
    PATH_OPTION("http_api.", api.path, "/api"),
    { "http_api.key", OPTION_SECRET, AT(api.key), .max = 4096, .initial = "",
      .help = "Who brings it may use the API; empty, and no `keys`: nobody." },
    RATE_OPTIONS("http_api.key", api.rate, "Requests with it (more: error 111)"),
    { "http_api.insecure", OPTION_BOOL, AT(api.insecure), .initial = "false",
      .help = "Asks nobody for a key. For trying things out." },
    { "http_api.error_mode", OPTION_CHOICE, AT(api.error_mode), .choices = ERROR_MODES,
      .initial = "", .help = "`transport`: errors are HTTP statuses." },
    { "http_api.external", OPTION_BOOL, AT(api.is_external), .initial = "false",
      .help = "On the listeners for clients though there is an internal one." },
    { "http_api.max_request_body_size", OPTION_SIZE, AT(api.max_body_bytes), .min = KIB, .max = GIB,
      .initial = "8MiB", .help = "Largest request; larger: 413." },
    { "http_api.max_commands", OPTION_COUNT, AT(api.max_commands), .min = 1, .max = 10000000,
      .initial = "10000",
      .help = "Commands in one request; more: error 106, and none of them is done." },

    { "webhooks.queue_max", OPTION_COUNT, AT(webhooks.queue_max), .min = 1, .max = 10000000,
      .needs_restart = true, .initial = "100000",
      .help = "Events that may wait for delivery; more are dropped and counted." },
    { "webhooks.retry_min", OPTION_DURATION, AT(webhooks.retry_min_ms), .min = 10, .max = HOUR,
      .initial = "500ms",
      .help = "After the first failed delivery; then twice as long each time." },
    { "webhooks.retry_max", OPTION_DURATION, AT(webhooks.retry_max_ms), .min = 10, .max = DAY,
      .initial = "60s", .help = "Longest pause between two tries." },
    { "webhooks.vacated_delay", OPTION_DURATION, AT(webhooks.vacated_delay_ms), .min = 0,
      .max = HOUR, .initial = "5s",
      .help = "How long a channel must be empty to count as vacated." },

    { "shared_poll.hmac_secret_key", OPTION_SECRET, AT(poll.hmac_secret_key), .max = 4096,
      .initial = "", .help = "Secret by which the keys that clients track are signed." },
    { "shared_poll.hmac_previous_secret_key", OPTION_SECRET, AT(poll.hmac_previous_secret_key),
      .max = 4096, .initial = "", .help = "The secret before it, accepted for a while." },
    { "shared_poll.hmac_previous_secret_key_valid_until", OPTION_TIME,
      AT(poll.hmac_previous_until_s), .max = INT64_MAX / 1000, .initial = "0",
      .help = "Until when, Unix time in seconds; 0: as long as it stands here." },
    { "shared_poll.concurrency_limit", OPTION_COUNT, AT(poll.concurrency), .min = 1, .max = 100000,
      .may_be_zero = true, .initial = "0",
      .help = "Requests to backends under way at a time, shared out among the workers; 0: no "
              "limit." },

    PROXY_OPTIONS("channel.proxy.subscribe.", channel_proxies.subscribe),
    PROXY_OPTIONS("channel.proxy.publish.", channel_proxies.publish),
    PROXY_OPTIONS("channel.proxy.sub_refresh.", channel_proxies.sub_refresh),
    PROXY_OPTIONS("channel.proxy.map_publish.", channel_proxies.map_publish),
    PROXY_OPTIONS("channel.proxy.map_remove.", channel_proxies.map_remove),
    PROXY_OPTIONS("channel.proxy.shared_poll_refresh.", channel_proxies.poll),
    { "channel.max_length", OPTION_COUNT, AT(channel_max_length), .min = 1, .max = 1024,
      .initial = "255", .help = "Bytes in a channel's name; more: error 107." },
    { "channel.history_meta_ttl", OPTION_DURATION, AT(history_meta_ttl_ms), .min = SECOND,
      .max = 100 * YEAR, .initial = "720h",
      .help = "How long a channel's offset and epoch outlive its last publication, for namespaces "
              "that do not say." },

    CHAT_OPTIONS,
    CHAT_FILE_OPTIONS,

    { "health.enabled", OPTION_BOOL, AT(health_enabled), .initial = "true",
      .help = "`/health` on the listeners for clients." },
    PATH_OPTION("health.", health_path, "/health"),
    { "prometheus.enabled", OPTION_BOOL, AT(metrics_enabled), .initial = "true",
      .help = "`/metrics` on the listeners for clients." },
    PATH_OPTION("prometheus.", metrics_path, "/metrics"),

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
#define AT(member) .offset = OFFSET_OF(member)

/* PROXY_OPTIONS() wants a place: an item of the list is one. */
struct proxy_item {
    struct config_proxy it;
};
_Static_assert(offsetof(struct proxy_item, it) == 0, "an item is a proxy");
#undef OFFSET_OF
#define OFFSET_OF(member) offsetof(struct proxy_item, member)

static const struct option PROXY_ITEM_OPTIONS[] = { PROXY_OPTIONS("", it) };

#undef OFFSET_OF
#define OFFSET_OF(member) offsetof(struct config_rpc, member)

static const struct option RPC_ITEM_OPTIONS[] = {
    { "proxy_enabled", OPTION_BOOL, AT(proxy_enabled), .initial = "false",
      .help = "Calls go to a service." },
    { "proxy_name", OPTION_TEXT, AT(proxy_name), .max = 64, .initial = "default",
      .help = "Which of `proxies`; `default`: `rpc.proxy`." },
};

#undef OFFSET_OF
#define OFFSET_OF(member) offsetof(struct config_api_key, member)

static const struct option KEY_ITEM_OPTIONS[] = {
    { "key", OPTION_SECRET, AT(key), .max = 4096, .initial = "", .help = "The key." },
    { "rate", OPTION_COUNT, AT(rate.rate), .min = 1, .max = 1000000, .may_be_zero = true,
      .initial = "0", .help = "Requests a second in the long run (more: error 111); 0: no limit." },
    { "burst", OPTION_COUNT, AT(rate.burst), .min = 1, .max = 10000000, .may_be_zero = true,
      .initial = "0", .help = "Requests at once; 0: twice `rate`." },
};

#undef OFFSET_OF
#define OFFSET_OF(member) offsetof(struct config_webhook, member)

static const struct option WEBHOOK_ITEM_OPTIONS[] = {
    CALL_OPTIONS("", to, "5s", "4", 64,
                 "Requests under way. Events of one client or channel never overtake each other."),
    { "secret", OPTION_SECRET, AT(secret), .max = 4096, .initial = "",
      .help = "Signs every request (HMAC-SHA256); empty: none is." },
    { "events", OPTION_LIST, AT(events), OFFSET_N(n_events), .max = 16, .initial = "",
      .help = "Of `connect`, `disconnect`, `channel_occupied`, `channel_vacated`; empty: all." },
    { "namespaces", OPTION_LIST, AT(namespaces), OFFSET_N(n_namespaces),
      .max = CONFIG_NAMESPACES_MAX, .initial = "", .help = "Of which channels; empty: all." },
    { "batch_max", OPTION_COUNT, AT(batch_max), .min = 1, .max = 10000, .initial = "100",
      .help = "Events in one request." },
};

#undef OFFSET_OF
#define OFFSET_OF(member) offsetof(struct config, member)

const struct option *config_options(size_t *ret_n) {
    *ret_n = ELEMENTS_OF(OPTIONS);
    return OPTIONS;
}

const struct option_group *option_groups(void) {
    static const struct option_group groups[OPTION_GROUPS] = {
        [GROUP_NAMESPACES] = { .path = "channel.namespaces",
                               .what = "a namespace",
                               .item_size = sizeof(struct namespace),
                               .offset_name = offsetof(struct namespace, name),
                               AT(namespaces),
                               OFFSET_N(n_namespaces),
                               .max = CONFIG_NAMESPACES_MAX },
        [GROUP_PROXIES] = { .path = "proxies",
                            .what = "a proxy",
                            .item_size = sizeof(struct config_proxy),
                            .offset_name = offsetof(struct config_proxy, name),
                            AT(proxies),
                            OFFSET_N(n_proxies),
                            .max = CONFIG_PROXIES_MAX,
                            .options = PROXY_ITEM_OPTIONS,
                            .n_options = ELEMENTS_OF(PROXY_ITEM_OPTIONS) },
        [GROUP_RPC] = { .path = "rpc.namespaces",
                        .what = "a namespace",
                        .item_size = sizeof(struct config_rpc),
                        .offset_name = offsetof(struct config_rpc, name),
                        AT(rpc_namespaces),
                        OFFSET_N(n_rpc_namespaces),
                        .max = CONFIG_NAMESPACES_MAX,
                        .options = RPC_ITEM_OPTIONS,
                        .n_options = ELEMENTS_OF(RPC_ITEM_OPTIONS) },
        [GROUP_API_KEYS] = { .path = "http_api.keys",
                             .what = "a key",
                             .item_size = sizeof(struct config_api_key),
                             .offset_name = offsetof(struct config_api_key, name),
                             AT(api.keys),
                             OFFSET_N(api.n_keys),
                             .max = CONFIG_API_KEYS_MAX,
                             .options = KEY_ITEM_OPTIONS,
                             .n_options = ELEMENTS_OF(KEY_ITEM_OPTIONS) },
        [GROUP_WEBHOOKS] = { .path = "webhooks.endpoints",
                             .what = "an endpoint",
                             .item_size = sizeof(struct config_webhook),
                             .offset_name = offsetof(struct config_webhook, name),
                             AT(webhooks.items),
                             OFFSET_N(webhooks.n),
                             .max = CONFIG_WEBHOOKS_MAX,
                             .options = WEBHOOK_ITEM_OPTIONS,
                             .n_options = ELEMENTS_OF(WEBHOOK_ITEM_OPTIONS) },
    };
    return groups;
}

const struct option *group_options(const struct option_group *g, size_t *ret_n) {
    if (!g->options)
        return namespace_options(ret_n);
    *ret_n = g->n_options;
    return g->options;
}
