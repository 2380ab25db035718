/* The rows of the block `chat` about files, for the table of options. Private to daemon/config/. */
#pragma once

#include "daemon/config/chat_options.h"

#define CHAT_FILE_OPTIONS                                                                          \
    { "chat.upload_max_size",                                                                      \
      OPTION_SIZE,                                                                                 \
      AT(chat.upload_max_bytes),                                                                   \
      .min = 1,                                                                                    \
      .max = 2047 * (int64_t) MIB,                                                                 \
      .initial = "25MiB",                                                                          \
      .help = "Largest file that may be uploaded; larger: HTTP 413." },                            \
            { "chat.files_max_mib",                                                                \
              OPTION_COUNT,                                                                        \
              AT(chat.files_max_mib),                                                              \
              .min = 1,                                                                            \
              .max = 1 << 30,                                                                      \
              .may_be_zero = true,                                                                 \
              .initial = "0",                                                                      \
              .help = "MiB of all that is uploaded together; more: HTTP 413. 0: what the disk "    \
                      "holds." },                                                                  \
            { "chat.upload_timeout",                                                               \
              OPTION_DURATION,                                                                     \
              AT(chat.upload_timeout_ms),                                                          \
              .min = SECOND,                                                                       \
              .max = 24 * 60 * MINUTE,                                                             \
              .initial = "10m",                                                                    \
              .help = "How long one upload may take, of which each piece has "                     \
                      "`http_server.body_timeout`." },                                             \
            CHAT_COUNT_OPTION(                                                                     \
                    "chat.uploads_max", chat.uploads_max, 10000, "32",                             \
                    "Uploads at once, of all workers; more: HTTP 503. Each takes 64 KiB."),        \
            CHAT_COUNT_OPTION("chat.downloads_max", chat.downloads_max, 100000, "256",             \
                              "Downloads at once; the same."),                                     \
            { "chat.webhook_private",                                                              \
              OPTION_BOOL,                                                                         \
              AT(chat.webhook_private),                                                            \
              .initial = "false",                                                                  \
              .needs_restart = true,                                                               \
              .help = "Outgoing webhooks may post to addresses of private networks and of this "   \
                      "machine. Whoever may make webhooks can then ask whatever listens there." }, \
    {                                                                                              \
        "chat.webhook_timeout", OPTION_DURATION, AT(chat.webhook_timeout_ms),                      \
                .min = 100, .max = 10 * MINUTE, .initial = "10s",                                  \
                .help = "How long an outgoing webhook's delivery may take."                        \
    }
