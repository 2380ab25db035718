/*
 * The numbers of the Centrifuge protocol and the words that go with them: one table each, from
 * which enums and look-ups are made.
 */
#pragma once

#include "protocol/bytes.h"

/* Errors in replies: name, code, message, temporary (the client may try again). */
#define ERROR_TABLE(X)                                                                             \
    X(ERROR_INTERNAL, 100, "internal server error", true)                                          \
    X(ERROR_UNAUTHORIZED, 101, "unauthorized", false)                                              \
    X(ERROR_UNKNOWN_CHANNEL, 102, "unknown channel", false)                                        \
    X(ERROR_PERMISSION_DENIED, 103, "permission denied", false)                                    \
    X(ERROR_METHOD_NOT_FOUND, 104, "method not found", false)                                      \
    X(ERROR_ALREADY_SUBSCRIBED, 105, "already subscribed", false)                                  \
    X(ERROR_LIMIT_EXCEEDED, 106, "limit exceeded", false)                                          \
    X(ERROR_BAD_REQUEST, 107, "bad request", false)                                                \
    X(ERROR_NOT_AVAILABLE, 108, "not available", false)                                            \
    X(ERROR_TOKEN_EXPIRED, 109, "token expired", false)                                            \
    X(ERROR_EXPIRED, 110, "expired", false)                                                        \
    X(ERROR_TOO_MANY_REQUESTS, 111, "too many requests", true)                                     \
    X(ERROR_UNRECOVERABLE_POSITION, 112, "unrecoverable position", false)                          \
    X(ERROR_CONCURRENT_PAGINATION, 113, "concurrent pagination", true)

/* Disconnects, which are WebSocket close codes too: name, code, reason. */
#define DISCONNECT_TABLE(X)                                                                        \
    X(DISCONNECT_CONNECTION_CLOSED, 3000, "connection closed")                                     \
    X(DISCONNECT_SHUTDOWN, 3001, "shutdown")                                                       \
    X(DISCONNECT_SERVER_ERROR, 3004, "internal server error")                                      \
    X(DISCONNECT_EXPIRED, 3005, "connection expired")                                              \
    X(DISCONNECT_SUB_EXPIRED, 3006, "subscription expired")                                        \
    X(DISCONNECT_SLOW, 3008, "slow")                                                               \
    X(DISCONNECT_WRITE_ERROR, 3009, "write error")                                                 \
    X(DISCONNECT_INSUFFICIENT_STATE, 3010, "insufficient state")                                   \
    X(DISCONNECT_FORCE_RECONNECT, 3011, "force reconnect")                                         \
    X(DISCONNECT_NO_PONG, 3012, "no pong")                                                         \
    X(DISCONNECT_TOO_MANY_REQUESTS, 3013, "too many requests")                                     \
    X(DISCONNECT_STATE_INVALIDATED, 3014, "state invalidated")                                     \
    X(DISCONNECT_INVALID_TOKEN, 3500, "invalid token")                                             \
    X(DISCONNECT_BAD_REQUEST, 3501, "bad request")                                                 \
    X(DISCONNECT_STALE, 3502, "stale")                                                             \
    X(DISCONNECT_FORCE_NO_RECONNECT, 3503, "force disconnect")                                     \
    X(DISCONNECT_CONNECTION_LIMIT, 3504, "connection limit")                                       \
    X(DISCONNECT_CHANNEL_LIMIT, 3505, "channel limit")                                             \
    X(DISCONNECT_INAPPROPRIATE_PROTOCOL, 3506, "inappropriate protocol")                           \
    X(DISCONNECT_PERMISSION_DENIED, 3507, "permission denied")                                     \
    X(DISCONNECT_NOT_AVAILABLE, 3508, "not available")                                             \
    X(DISCONNECT_TOO_MANY_ERRORS, 3509, "too many errors")

/* Unsubscribe pushes: name, code, reason. From 2500 on the client subscribes again by itself. */
#define UNSUBSCRIBE_TABLE(X)                                                                       \
    X(UNSUBSCRIBE_SERVER, 2000, "server unsubscribe")                                              \
    X(UNSUBSCRIBE_INSUFFICIENT_STATE, 2500, "insufficient state")                                  \
    X(UNSUBSCRIBE_EXPIRED, 2501, "subscription expired")                                           \
    X(UNSUBSCRIBE_STATE_INVALIDATED, 2502, "state invalidated")

#define CODE_AS_ENUM(name, code, ...) name = code,
enum error_code { ERROR_TABLE(CODE_AS_ENUM) };
enum disconnect_code { DISCONNECT_TABLE(CODE_AS_ENUM) };
enum unsubscribe_code { UNSUBSCRIBE_TABLE(CODE_AS_ENUM) };
#undef CODE_AS_ENUM

/* The words for a code; empty if it is none of the table (an application's, say). Static. */
struct str error_message(uint32_t code);
struct str disconnect_reason(uint32_t code);
struct str unsubscribe_reason(uint32_t code);

bool error_is_temporary(uint32_t code);

/* Whether a client comes back by itself after this close code. */
bool disconnect_reconnects(uint32_t code);

/* Whether a client subscribes again by itself after an unsubscribe push of this code. */
static inline bool unsubscribe_resubscribes(uint32_t code) {
    return code >= 2500;
}
