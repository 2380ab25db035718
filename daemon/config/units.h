/* Units in which the tables of options write ranges. Private to daemon/config/. */
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/options.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY  ((int64_t) 24 * HOUR)
#define YEAR (366 * DAY)
#define KIB  INT64_C(1024)
#define MIB  (1024 * KIB)
#define GIB  (1024 * MIB)

/*
 * Rows that several tables have. Each macro's place is the member of the table's holder where the
 * rows' own struct stands; AT() is the table's.
 */
#define RATE_OPTIONS(prefix, place, what)                                                          \
    { prefix "_rate", OPTION_COUNT,                                                                \
      AT(place.rate), .min = 1,                                                                    \
      .max = 1000000, .may_be_zero = true,                                                         \
      .initial = "0", .help = what " a second in the long run; 0: no limit." },                    \
    {                                                                                              \
        prefix "_burst", OPTION_COUNT, AT(place.burst),                                            \
                .min = 1, .max = 10000000, .may_be_zero = true, .initial = "0",                    \
                .help = what " at once; 0: twice `" prefix "_rate`."                               \
    }

#define CALL_OPTIONS(prefix, place, timeout_, concurrency_, concurrency_max_, concurrency_help_)   \
    {                                                                                              \
        prefix "endpoint",  OPTION_TEXT,                                                           \
        AT(place.endpoint), .max = 4096,                                                           \
        .initial = "",      .help = "Where requests go: an `http://` or `https://` URL."           \
    },                                                                                             \
            { prefix "timeout",                                                                    \
              OPTION_DURATION,                                                                     \
              AT(place.timeout_ms),                                                                \
              .min = 10,                                                                           \
              .max = 10 * MINUTE,                                                                  \
              .initial = timeout_,                                                                 \
              .help = "For one request, from beginning to end." },                                 \
            { prefix "concurrency",     OPTION_COUNT,                                              \
              AT(place.concurrency),    .min = 1,                                                  \
              .max = concurrency_max_,  .initial = concurrency_,                                   \
              .help = concurrency_help_ },                                                         \
            { prefix "http.static_headers",                                                        \
              OPTION_PAIRS,                                                                        \
              AT(place.static_headers),                                                            \
              OFFSET_N(place.n_static_headers),                                                    \
              .max = CONFIG_PAIRS_MAX,                                                             \
              .initial = "",                                                                       \
              .help = "Headers of every request; the client's, where forwarded, go first." },      \
            { prefix "http.tls.ca_pem_file",                                                       \
              OPTION_FILE,                                                                         \
              AT(place.ca_file),                                                                   \
              .max = 4096,                                                                         \
              .initial = "",                                                                       \
              .help = "Authorities for `https`, PEM; empty: the system's." },                      \
    {                                                                                              \
        prefix "http.tls.insecure_skip_verify", OPTION_BOOL, AT(place.insecure_skip_verify),       \
                .initial = "false", .help = "Accepts any certificate. For trying things out."      \
    }

#define PROXY_OPTIONS(prefix, place)                                                               \
    CALL_OPTIONS(prefix, place, "1s", "256", 10000,                                                \
                 "Requests under way, shared out among the workers; more wait."),                  \
            { prefix "http.status_to_code_transforms",                                             \
              OPTION_STATUS_CODES,                                                                 \
              AT(place.status_codes.items),                                                        \
              OFFSET_N(place.status_codes.n),                                                      \
              .max = CONFIG_TRANSFORMS_MAX,                                                        \
              .initial = "",                                                                       \
              .help = "What an HTTP status of the answer means to the client: a list of "          \
                      "`status_code` with `to_error` (code, message, temporary) or "               \
                      "`to_disconnect` (code, reason)." },                                         \
            { prefix "http_headers",                                                               \
              OPTION_LIST,                                                                         \
              AT(place.http_headers),                                                              \
              OFFSET_N(place.n_http_headers),                                                      \
              .max = CONFIG_PAIRS_MAX,                                                             \
              .initial = "",                                                                       \
              .help = "Headers of the client's own request that are handed on." },                 \
            { prefix "emulated_headers",                                                           \
              OPTION_LIST,                                                                         \
              AT(place.emulated_headers),                                                          \
              OFFSET_N(place.n_emulated_headers),                                                  \
              .max = CONFIG_PAIRS_MAX,                                                             \
              .initial = "",                                                                       \
              .help = "Of those the connect command brought, which may be handed on; clients "     \
                      "can forge them." },                                                         \
            { prefix "binary_encoding", OPTION_BOOL, AT(place.binary_encoding),                    \
              .initial = "false", .help = "Payloads go as base64 in `b64data`." },                 \
    {                                                                                              \
        prefix "include_connection_meta", OPTION_BOOL, AT(place.include_connection_meta),          \
                .initial = "false", .help = "Requests bring the connection's `meta`."              \
    }

#define OFFSET_N(member) .offset_n = OFFSET_OF(member)
