/*
 * Who a client is and what comes with it, whoever vouches for it: a token, a login of the chat, a
 * header of a trusted proxy in front, the application behind the connect proxy, or nobody where
 * that is allowed.
 *
 * All spans live in the arena of the connect command; payloads are JSON on one line.
 */
#pragma once

#include "protocol/bytes.h"
#include "protocol/token.h"

enum credentials_source {
    CREDENTIALS_NOBODY, /* anonymous where that is let in, or insecure mode */
    CREDENTIALS_TOKEN,
    CREDENTIALS_LOGIN, /* of the chat: id is session/login.h's */
    CREDENTIALS_HEADER,
    CREDENTIALS_PROXY,
};

enum server_sub_source {
    SERVER_SUB_TOKEN,
    SERVER_SUB_PROXY,
    SERVER_SUB_PERSONAL,
    SERVER_SUB_REQUEST, /* the client named it in its connect, and could subscribe by itself */
    SERVER_SUB_API,
};

/* A subscription that the server makes. */
struct server_sub {
    struct str channel;
    struct bytes info;   /* chan_info */
    struct bytes data;   /* of the result or push */
    int64_t expire_at_s; /* 0: never */
    struct token_overrides overrides;
    enum server_sub_source source;
    bool is_server_refreshed; /* its expiry is the sub_refresh proxy's to move, not the client's */
    bool cache_recover;       /* the newest publication comes at once (recovery mode cache) */
    bool has_since;           /* what is newer than this position comes along */
    uint64_t since_offset;
    struct str since_epoch;
};

struct credentials {
    enum credentials_source source;
    struct str user;   /* empty: anonymous */
    struct bytes info; /* conn_info */
    struct bytes data; /* of the connect result */
    struct bytes meta; /* kept, never shown to clients */
    struct str id;     /* jti of the token */
    int64_t issued_at_s;
    struct str name, version; /* of the client's library, as it says; cut to 255 bytes */
    int64_t expire_at_s;      /* of the connection; 0: never */
    bool is_server_refreshed; /* its expiry is the refresh proxy's to move, not the client's */
    const struct server_sub *subs;
    size_t n_subs;
};
