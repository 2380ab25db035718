/* The rows of the block `chat`, for the table of options. Private to daemon/config/. */
#pragma once

#include "daemon/config/units.h"

/* A rate that has another default than none. */
#define CHAT_RATE_OPTIONS(prefix, place, rate_, burst_, what)                                      \
    { prefix "_rate",                                                                              \
      OPTION_COUNT,                                                                                \
      AT(place.rate),                                                                              \
      .min = 1,                                                                                    \
      .max = 1000000,                                                                              \
      .may_be_zero = true,                                                                         \
      .initial = (rate_),                                                                          \
      .help = what " of one user a second in the long run (more: error 111); 0: no limit." },      \
    {                                                                                              \
        prefix "_burst", OPTION_COUNT, AT(place.burst),                                            \
                .min = 1, .max = 10000000, .may_be_zero = true, .initial = (burst_),               \
                .help = what " at once; 0: twice `" prefix "_rate`."                               \
    }

#define CHAT_COUNT_OPTION(name, place, max_, initial_, help_)                                      \
    {                                                                                              \
        name, OPTION_COUNT, AT(place), .min = 1, .max = (max_), .initial = (initial_),             \
                                       .help = (help_)                                             \
    }

/* One that the store is opened with. */
#define CHAT_LIMIT_OPTION(name, place, max_, initial_, help_)                                      \
    {                                                                                              \
        name, OPTION_COUNT, AT(place), .min = 1, .max = (max_), .initial = (initial_),             \
                                       .needs_restart = true, .help = (help_)                      \
    }

/* Signing in. */
#define CHAT_SIGN_IN_OPTIONS                                                                       \
    { "chat.url",                                                                                  \
      OPTION_TEXT,                                                                                 \
      AT(chat.url),                                                                                \
      .max = 255,                                                                                  \
      .initial = "",                                                                               \
      .needs_restart = true,                                                                       \
      .help = "Where people find the chat, `https://chat.example.com`: what links in invites and " \
              "in "                                                                                \
              "the log begin with, and whose pages are its own. Empty: where the daemon "          \
              "listens." },                                                                        \
            CHAT_COUNT_OPTION("chat.login_attempts", chat.login_attempts, 1000000, "10",           \
                              "Wrong passwords for one login within `chat.login_window`; more: "   \
                              "429."),                                                             \
            CHAT_COUNT_OPTION("chat.address_attempts", chat.address_attempts, 1000000, "50",       \
                              "Wrong passwords and codes, and new accounts, from one address "     \
                              "(IPv6: a /64) within `chat.login_window`; more: 429."),             \
            { "chat.login_window",                                                                 \
              OPTION_DURATION,                                                                     \
              AT(chat.login_window_ms),                                                            \
              .min = SECOND,                                                                       \
              .max = DAY,                                                                          \
              .initial = "15m",                                                                    \
              .help = "In which that many attempts come back, one after another." },               \
            { "chat.login_ttl",                                                                    \
              OPTION_DURATION,                                                                     \
              AT(chat.login_ttl_ms),                                                               \
              .min = MINUTE,                                                                       \
              .max = 10 * YEAR,                                                                    \
              .may_be_zero = true,                                                                 \
              .initial = "90d",                                                                    \
              .help = "How long somebody stays signed in without coming by; 0: for ever." },       \
            CHAT_COUNT_OPTION("chat.passwords_at_once", chat.passwords_at_once, 64, "2",           \
                              "Passwords computed side by side, with 19 MiB of memory each; more " \
                              "wait, and past 64 for each worker get 503.")

#define CHAT_OPTIONS                                                                               \
    {                                                                                              \
        "chat.enabled",                                                                            \
        OPTION_BOOL,                                                                               \
        AT(chat.enabled),                                                                          \
        .initial = "false",                                                                        \
        .needs_restart = true,                                                                     \
        .help = "Chat: rooms, messages, members, kept in `chat.db` in `data_dir`. Adds the "       \
                "namespaces `room` and `user` where `channel.namespaces` has none of these names." \
    },                                                                                             \
            { "chat.owner",                                                                        \
              OPTION_BOOL,                                                                         \
              AT(chat.owner),                                                                      \
              .initial = "true",                                                                   \
              .needs_restart = true,                                                               \
              .help = "With `engine.type: redis`: this node keeps `chat.db`, as exactly one "      \
                      "does; the others, with `false`, ask it. People sign in and files are at "   \
                      "the one that does." },                                                      \
            { "chat.text_max_size",                                                                \
              OPTION_SIZE,                                                                         \
              AT(chat.text_max_bytes),                                                             \
              .min = 64,                                                                           \
              .max = MIB,                                                                          \
              .initial = "16KiB",                                                                  \
              .needs_restart = true,                                                               \
              .help = "Longest text of a message; longer: error 413." },                           \
            { "chat.edit_window",                                                                  \
              OPTION_DURATION,                                                                     \
              AT(chat.edit_window_ms),                                                             \
              .min = SECOND,                                                                       \
              .max = 100 * YEAR,                                                                   \
              .may_be_zero = true,                                                                 \
              .initial = "0s",                                                                     \
              .needs_restart = true,                                                               \
              .help = "How long its author may edit a message (then error 433); 0: always." },     \
            CHAT_LIMIT_OPTION("chat.rooms_max_per_user", chat.rooms_max, 100000, "1000",           \
                              "Rooms that one user may be in; more: error 409."),                  \
            CHAT_LIMIT_OPTION("chat.members_max", chat.members_max, 1000000, "10000",              \
                              "Members of one room; more: error 409."),                            \
            CHAT_LIMIT_OPTION("chat.reactions_max", chat.reactions_max, 1000, "50",                \
                              "Different reactions to one message; more: error 409."),             \
            CHAT_LIMIT_OPTION("chat.pins_max", chat.pins_max, 10000, "100",                        \
                              "Pinned messages of one room; more: error 409."),                    \
            CHAT_LIMIT_OPTION("chat.page_max", chat.page_max, 1000, "100",                         \
                              "Items in one page of a result, whatever `limit` asks for."),        \
            CHAT_LIMIT_OPTION(                                                                     \
                    "chat.queue_max", chat.queue_max, 1000000, "4096",                             \
                    "Calls that may wait for the database, of each kind (reading, writing); "      \
                    "more are refused with error 434."),                                           \
            CHAT_RATE_OPTIONS("chat.send", chat.rates[CHAT_RATE_SEND], "1", "10",                  \
                              "Messages sent"),                                                    \
            CHAT_RATE_OPTIONS("chat.write", chat.rates[CHAT_RATE_WRITE], "10", "100",              \
                              "Other calls that change something"),                                \
            CHAT_RATE_OPTIONS("chat.read", chat.rates[CHAT_RATE_READ], "50", "500",                \
                              "Calls that read"),                                                  \
            CHAT_RATE_OPTIONS("chat.search", chat.rates[CHAT_RATE_SEARCH], "5", "5", "Searches"),  \
            { "chat.search_work",                                                                  \
              OPTION_DURATION,                                                                     \
              AT(chat.search_work_ms),                                                             \
              .min = 1,                                                                            \
              .max = MINUTE,                                                                       \
              .initial = "20ms",                                                                   \
              .needs_restart = true,                                                               \
              .help = "How long a processor works on one search; then it is answered with "        \
                      "what was found so far, `partial` and a cursor to go on." },                 \
            CHAT_SIGN_IN_OPTIONS
