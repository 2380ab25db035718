/*
 * What a server says: replies and pushes of the Centrifuge protocol as plain values, whatever the
 * wire format. A codec (protocol/codec.h) encodes and decodes them.
 *
 * To be encoded: everything is borrowed for the call. Decoded: spans of the message, or of the
 * arena that was handed in.
 *
 * Payloads (struct bytes) are embedded as they are: to encode for JSON they must be one-line JSON,
 * as the command decoder hands them out; what comes from elsewhere passes json_is_valid() and
 * json_compact() first. An empty payload is left out, or null where the protocol wants a value.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/buffer.h"
#include "protocol/bytes.h"
#include "protocol/client_info.h"
#include "protocol/codes.h"

/* A publication as subscribers see it. */
struct wire_publication {
    struct bytes data;
    const struct client_info *info; /* NULL: no client published it */
    uint64_t offset;                /* 0: not in a history */
    int64_t time_ms;                /* 0: left out */
    struct str epoch;               /* set only where offset is 1 */
    const struct tag *tags;
    size_t n_tags;
    struct str key;      /* of maps and polls */
    int64_t score;       /* of ordered maps */
    uint64_t version;    /* of polls */
    bool is_removed;     /* of maps: the key went; no data then */
    bool is_delta;       /* data is a patch */
    bool data_is_spaced; /* data is JSON with newlines between its tokens: in JSON it goes out
                            without. To encode only */
    bool data_is_string; /* in JSON: data goes out as a string that holds it, as subscribers with
                            delta want it; it must be UTF-8. To encode only */
};

/* A list that the encoder asks for item by item: nobody copies a page of history to send it. */
struct wire_publications {
    size_t n;
    void (*get)(const void *from, size_t i, struct wire_publication *ret);
    const void *from;
};

/* Over an array; it must outlive the list. */
struct wire_publications wire_publications_of(const struct wire_publication *items, size_t n);

static inline struct wire_publication wire_publications_at(const struct wire_publications *list,
                                                           size_t i) {
    struct wire_publication item = { 0 };

    list->get(list->from, i, &item);
    return item;
}

struct reply_error {
    uint32_t code;
    struct str message;
    bool is_temporary;
};

/* Of a code of the table, with its message and flag. */
struct reply_error reply_error_of(enum error_code code);

struct reply_subscribe {
    bool expires;
    uint32_t ttl_s; /* at least 1 if it expires */
    bool recoverable;
    bool positioned;
    bool was_recovering;
    bool recovered;
    bool delta;
    struct str epoch;
    uint64_t offset;
    struct wire_publications publications;
    struct bytes data;
    uint32_t type;     /* enum subscription_type */
    uint32_t phase;    /* enum map_phase */
    struct str cursor; /* where the next page of the state begins; empty: there is none */
    struct wire_publications state;
    uint32_t publish_debounce_ms; /* 0: left out */
};

/* A server-side subscription in a connect result. */
struct reply_sub {
    struct str channel;
    struct reply_subscribe result;
};

struct reply_connect {
    struct str client;
    struct str version;
    bool expires;
    bool pong;       /* the client is to answer pings */
    uint32_t ttl_s;  /* at least 1 if it expires */
    uint32_t ping_s; /* 0: no pings */
    struct bytes data;
    const struct reply_sub *subs;
    size_t n_subs;
    struct str session;
    struct str node;
    int64_t time_ms; /* 0: left out */
};

struct reply_presence {
    const struct client_info *items; /* by their client ids */
    size_t n;
};

struct reply_presence_stats {
    uint32_t num_clients;
    uint32_t num_users;
};

struct reply_history {
    struct wire_publications publications;
    struct str epoch;
    uint64_t offset; /* the stream's top */
};

struct reply_rpc {
    struct bytes data;
};

struct reply_refresh {
    bool expires;
    uint32_t ttl_s;
};

struct reply_sub_refresh {
    bool expires;
    uint32_t ttl_s;
    struct wire_publications items; /* of tracked keys: what is known of them */
};

enum push_kind {
    PUSH_PUBLICATION,
    PUSH_JOIN,
    PUSH_LEAVE,
    PUSH_UNSUBSCRIBE,
    PUSH_MESSAGE,
    PUSH_SUBSCRIBE,
    PUSH_CONNECT, /* unidirectional transports only */
    PUSH_DISCONNECT,
    PUSH_REFRESH,
    PUSH_UNKNOWN, /* decoded only: of a newer server; ignore */
};

struct push_unsubscribe {
    uint32_t code;
    struct str reason;
};

struct push_subscribe {
    bool recoverable;
    bool positioned;
    struct str epoch;
    uint64_t offset;
    struct bytes data;
};

struct push_disconnect {
    uint32_t code;
    struct str reason;
};

struct push {
    enum push_kind kind;
    struct str channel; /* empty where none belongs to it: message, connect, disconnect, refresh */
    union {
        struct wire_publication publication;
        struct client_info info; /* join, leave */
        struct push_unsubscribe unsubscribe;
        struct bytes message;
        struct push_subscribe subscribe;
        struct reply_connect connect;
        struct push_disconnect disconnect;
        struct reply_refresh refresh;
    };
};

enum reply_kind {
    REPLY_PING, /* the empty reply; no id */
    REPLY_ERROR,
    REPLY_CONNECT,
    REPLY_SUBSCRIBE,
    REPLY_UNSUBSCRIBE,
    REPLY_PUBLISH,
    REPLY_PRESENCE,
    REPLY_PRESENCE_STATS,
    REPLY_HISTORY,
    REPLY_RPC,
    REPLY_REFRESH,
    REPLY_SUB_REFRESH,
    REPLY_PUSH,    /* no id */
    REPLY_UNKNOWN, /* decoded only: an id and nothing we know */
};

struct reply {
    enum reply_kind kind;
    uint32_t id; /* the command's */
    union {      /* unsubscribe and publish have empty results */
        struct reply_error error;
        struct reply_connect connect;
        struct reply_subscribe subscribe;
        struct reply_presence presence;
        struct reply_presence_stats presence_stats;
        struct reply_history history;
        struct reply_rpc rpc;
        struct reply_refresh refresh;
        struct reply_sub_refresh sub_refresh;
        struct push push;
    };
};
