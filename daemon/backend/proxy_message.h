/*
 * What is said between the daemon and the operator's backend, as JSON (Centrifugo's proxy
 * protocol): requests written, answers read. Pure: no I/O, no clock.
 */
#pragma once

#include "async/base.h"
#include "daemon/session/credentials.h"
#include "daemon/session/refusal.h"
#include "protocol/arena.h"
#include "protocol/buffer.h"
#include "protocol/client_info.h"

/* What the backend is asked: enum, name in logs and metrics. */
#define PROXY_KINDS_TABLE(X)                                                                       \
    X(PROXY_CONNECT, "connect")                                                                    \
    X(PROXY_REFRESH, "refresh")                                                                    \
    X(PROXY_SUBSCRIBE, "subscribe")                                                                \
    X(PROXY_PUBLISH, "publish")                                                                    \
    X(PROXY_RPC, "rpc")                                                                            \
    X(PROXY_SUB_REFRESH, "sub_refresh")                                                            \
    X(PROXY_MAP_PUBLISH, "map_publish")                                                            \
    X(PROXY_MAP_REMOVE, "map_remove")                                                              \
    X(PROXY_POLL, "shared_poll_refresh")

#define PROXY_AS_ENUM(id, name) id,
enum proxy_kind { PROXY_KINDS_TABLE(PROXY_AS_ENUM) PROXY_KINDS };
#undef PROXY_AS_ENUM

struct str proxy_kind_name(enum proxy_kind kind);

/* A key that shared poll looks after, and the version its subscribers have. */
struct proxy_key {
    struct str key;
    uint64_t version;
};

/* Fields that a kind does not have are ignored; empty ones are left out, except `user`. */
struct proxy_request {
    enum proxy_kind kind;
    bool is_binary; /* data goes out as base 64 (`b64data`) */

    /* of all but PROXY_POLL */
    struct str client, user; /* connect: no user */
    struct str transport;    /* "websocket" */
    struct str protocol;     /* "json", "protobuf" */
    struct bytes meta;       /* JSON */
    struct bytes data;       /* JSON unless is_binary */

    struct str name, version;   /* connect: of the client's library */
    const struct str *channels; /* connect: those it had server-side subscriptions to */
    size_t n_channels;
    struct str channel;
    struct str token;             /* subscribe */
    struct str method;            /* rpc */
    struct str key;               /* map_publish, map_remove */
    const struct proxy_key *keys; /* shared poll */
    size_t n_keys;
};

/* Appends the JSON object. -EBADMSG: data is no JSON, and is_binary is not set; nothing is
 * appended. What goes wrong with out is remembered by it. */
MUST_CHECK int proxy_request_write(const struct proxy_request *r, struct buffer *out);

/* What shared poll learns of a key. */
struct proxy_item {
    struct str key;
    struct bytes data; /* JSON, or of b64data */
    uint64_t version;
    bool is_removed;
};

/* `result` of an answer. A field that was not there is empty. */
struct proxy_result {
    bool is_there; /* false: absent or null, as all below */
    bool has_info;
    bool has_data;
    bool data_is_binary; /* it came as b64data and is no JSON */

    struct str user;
    int64_t expire_at_s; /* 0: never */
    bool is_expired;
    struct bytes info; /* JSON on one line */
    struct bytes data; /* on one line, if it is JSON */
    struct bytes meta;
    const struct server_sub *subs; /* of `subs`, or if that is absent of `channels` */
    size_t n_subs;
    struct token_overrides overrides;

    bool skips_history, wants_delta;
    const struct tag *tags;
    size_t n_tags;
    struct str idempotency_key, version_epoch;
    uint64_t version;

    const struct proxy_item *items;
    size_t n_items;
    struct str epoch;
};

enum { PROXY_WHY_MAX = 160 };

struct proxy_answer {
    struct refusal refusal; /* of `disconnect`, or else `error` */
    struct proxy_result result;
    bool has_failed; /* there was no answer, or it is none: refusal is then error 100 */
};

/*
 * Reads the body of an answer. Unknown members are passed over; those that are known must be of
 * their type, codes in their range, payloads JSON. Spans of ret are of body or of the arena.
 *
 * 0, or: -EBADMSG: it is no answer; why (PROXY_WHY_MAX bytes) names the member and what is wrong
 * with it. -ENOMEM.
 */
MUST_CHECK int proxy_answer_read(struct bytes body, struct arena *a, struct proxy_answer *ret,
                                 char *why);
