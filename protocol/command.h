/*
 * What a client asks: commands of the Centrifuge protocol as plain values, whatever the wire
 * format.
 *
 * Strings and payloads of a decoded command are spans of the frame, or of the reader's arena where
 * they had to be unescaped or compacted. They are valid until command_reader_finish(), or until the
 * frame goes, whichever is first.
 *
 * Absent, null and zero are the same thing: strings and payloads are then empty. A payload (`raw`)
 * is the client's bytes, unchanged, except that in JSON one that spans several lines is compacted.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/buffer.h"
#include "protocol/bytes.h"

struct codec;

/* What a subscription follows: `type` of subscribe requests and results. */
enum subscription_type {
    SUBSCRIPTION_STREAM = 0,
    SUBSCRIPTION_MAP = 1,         /* values by key */
    SUBSCRIPTION_MAP_CLIENTS = 2, /* presence as a map: a key per connection */
    SUBSCRIPTION_MAP_USERS = 3,   /* presence as a map: a key per user */
    SUBSCRIPTION_POLL = 4,        /* shared poll: versions by key, asked from the application */
};

/* How far a subscription to a map has come: `phase` of subscribe requests and results. */
enum map_phase {
    MAP_PHASE_LIVE = 0,   /* subscribed */
    MAP_PHASE_STREAM = 1, /* pages of what changed since the state was frozen */
    MAP_PHASE_STATE = 2,  /* pages of the state */
};

/* `type` of sub_refresh. */
enum sub_refresh_type {
    SUB_REFRESH_TOKEN = 0,
    SUB_REFRESH_TRACK = 1,
    SUB_REFRESH_UNTRACK = 2,
};

/* In the protocol's order: if a command has several payloads the first of them counts, and of the
 * others only the syntax is looked at. */
#define COMMAND_TABLE(X)                                                                           \
    X(COMMAND_PONG, "pong") /* the empty command */                                                \
    X(COMMAND_CONNECT, "connect")                                                                  \
    X(COMMAND_SUBSCRIBE, "subscribe")                                                              \
    X(COMMAND_UNSUBSCRIBE, "unsubscribe")                                                          \
    X(COMMAND_PUBLISH, "publish")                                                                  \
    X(COMMAND_PRESENCE, "presence")                                                                \
    X(COMMAND_PRESENCE_STATS, "presence_stats")                                                    \
    X(COMMAND_HISTORY, "history")                                                                  \
    X(COMMAND_PING, "ping") /* legacy; decoders refuse it */                                       \
    X(COMMAND_SEND, "send")                                                                        \
    X(COMMAND_RPC, "rpc")                                                                          \
    X(COMMAND_REFRESH, "refresh")                                                                  \
    X(COMMAND_SUB_REFRESH, "sub_refresh")

#define COMMAND_AS_ENUM(name, text) name,
enum command_kind { COMMAND_TABLE(COMMAND_AS_ENUM) COMMAND_KINDS };
#undef COMMAND_AS_ENUM

/* The kind as the protocol and our metrics call it. */
struct str command_name(enum command_kind kind);

/* A map still encoded as the codec has it, checked for syntax only: walk it by command_next_sub(),
 * command_next_header(). */
struct command_map {
    struct bytes encoded;
};

struct command_connect {
    struct str token;
    struct str name;
    struct str version;
    struct bytes data;
    struct command_map subs;    /* channel -> struct command_subscribe: positions to recover from */
    struct command_map headers; /* name -> value */
    int64_t flag;
};

/* Bits of command_subscribe.flag; unknown ones are to be ignored. */
enum { SUBSCRIBE_FLAG_CHANNEL_IDS = 1, SUBSCRIBE_FLAG_REJECT_UNRECOVERED = 2 };

struct command_subscribe {
    struct str channel;
    struct str token;
    struct str epoch;
    struct str delta;
    struct bytes data;
    struct bytes tags_filter; /* `tf` as it stands: codec->decode_filter() */
    struct str cursor;        /* of maps: where the page of the state begins; empty: at its start */
    uint64_t offset;
    int64_t flag;
    uint32_t type;  /* enum subscription_type; unknown ones are passed on */
    uint32_t phase; /* enum map_phase; unknown ones are passed on */
    int32_t limit;  /* of maps: entries or publications in a page; 0: as many as the server gives */
    bool asc;       /* of ordered maps: lowest score first */
    bool recover;
    bool positioned;
    bool recoverable;
    bool join_leave;
};

struct command_unsubscribe {
    struct str channel;
};

struct command_publish {
    struct str channel;
    struct bytes data;
    struct str key;  /* of maps */
    uint32_t type;   /* enum subscription_type */
    bool is_removed; /* of maps: the key goes */
};

struct command_presence { /* presence_stats too */
    struct str channel;
};

struct command_history {
    struct str channel;
    int32_t limit; /* 0: the position only; below: as many as the server gives */
    bool has_since;
    bool reverse;
    uint64_t since_offset;
    struct str since_epoch;
};

struct command_send {
    struct bytes data;
};

struct command_rpc {
    struct str method;
    struct bytes data;
};

struct command_refresh {
    struct str token;
};

/* A key of a shared poll and the newest version that the client has. */
struct tracked_key {
    struct str key;
    uint64_t version;
};

/* Keys that the application has signed together. */
struct command_track {
    struct str signature;
    const struct tracked_key *items;
    size_t n_items;
};

struct command_sub_refresh {
    struct str channel;
    struct str token;
    const struct command_track *track;
    size_t n_track;
    const struct str *untrack;
    size_t n_untrack;
    uint32_t type; /* enum sub_refresh_type; unknown ones are passed on */
};

struct command {
    enum command_kind kind;
    uint32_t id; /* 0 only of a pong or send, which have no reply */
    union {
        struct command_connect connect;
        struct command_subscribe subscribe;
        struct command_unsubscribe unsubscribe;
        struct command_publish publish;
        struct command_presence presence; /* of COMMAND_PRESENCE_STATS too */
        struct command_history history;
        struct command_send send;
        struct command_rpc rpc;
        struct command_refresh refresh;
        struct command_sub_refresh sub_refresh;
    };
};

/*
 * Walks the commands of one whole frame (a message's payload is complete when it gets here, so this
 * is not a decoder that is fed in pieces).
 */
struct command_reader {
    const struct codec *codec;
    struct bytes left; /* not yet decoded */
    struct arena arena;
    bool has_begun;
    const char *why; /* after an error: what is wrong, static text for a log */
};

/* frame: borrowed until command_reader_finish(). Allocates nothing. */
void command_reader_init(struct command_reader *r, const struct codec *codec, struct bytes frame);
void command_reader_finish(struct command_reader *r); /* takes a zeroed or finished one */

/*
 * The next command. Unknown fields are ignored.
 *
 * 1, or 0: the frame is over. -EBADMSG: not decodable: broken syntax, a field of another type, an
 * empty frame. -EPROTO: a command that cannot be: an id without or with several meanings: no
 * payload behind an id, none known, no id, no channel where one is needed, the legacy ping. Both
 * are DISCONNECT_BAD_REQUEST; r->why says more. -ENOMEM. After an error nothing more can be read.
 */
MUST_CHECK int command_next(struct command_reader *r, struct command *ret);

/*
 * The whole frame as a ConnectRequest without its command, which unidirectional transports begin
 * with. An empty frame is an empty request.
 *
 * 0, or: -EBADMSG: not decodable; r->why says more. -ENOMEM.
 */
MUST_CHECK int command_decode_connect(struct command_reader *r, struct command_connect *ret);

/*
 * Walks a map of a decoded command, from a copy of it that is the caller's cursor. What is handed
 * out lives as long as the rest of the command. A name that is repeated in the frame comes
 * repeatedly.
 *
 * 1, or 0: no more. -EBADMSG: a value of another type. -ENOMEM.
 */
MUST_CHECK int command_next_sub(struct command_reader *r, struct command_map *map,
                                struct command_subscribe *ret); /* its channel is the map's key */
MUST_CHECK int command_next_header(struct command_reader *r, struct command_map *map,
                                   struct str *ret_name, struct str *ret_value);

/* What no wire format can express and yet cannot be; NULL if the command is sound. For codecs. */
const char *command_objection(const struct command *c);
