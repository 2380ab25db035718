/* The table of the server API. */
#include "daemon/api/schema.h"

#include "daemon/api/params.h"
#include "protocol/codes.h"

#define AT(member)     .offset = offsetof(struct api_params, member)
#define FIELDS(array)  .fields = (array), .n = ELEMENTS_OF(array)
#define NONE           .fields = NULL, .n = 0
#define SECONDS_MAX    (INT64_MAX / 1000)
#define IDENTIFIER_MAX 2048 /* bytes of a user, a token's id and the like */

/* ---- parameters that several methods have ---- */

#define CHANNEL(what)                                                                              \
    { "channel", API_TEXT, AT(channel), .is_required = true, .min = 1, .max = 65535, .help = what }

#define PAYLOAD                                                                                    \
    { "data", API_JSON, AT(data), .may_be_null = true,                                             \
      .help = "What is published: any JSON value. Needed unless b64data is given." },              \
    {                                                                                              \
        "b64data", API_BASE64, AT(b64data),                                                        \
                .help = "The same for bytes of any kind, in base 64. Wins over data."              \
    }

#define PUBLISH_OPTIONS                                                                            \
    { "skip_history", API_BOOL, AT(skip_history),                                                  \
      .help = "Only who is subscribed now gets it; it is not kept and has no offset." },           \
            { "tags", API_TAGS, AT(tags), .max = 256,                                              \
              .help = "Strings by name, delivered with it; subscribers may filter by them." },     \
            { "idempotency_key", API_TEXT, AT(idempotency_key), .max = 1024,                       \
              .help = "A repeat of it in the same channel within five minutes does nothing and "   \
                      "is "                                                                        \
                      "answered as the first was, after a restart, too." },                        \
            { "delta", API_BOOL, AT(delta),                                                        \
              .help = "Subscribers who take deltas get the difference to what was published "      \
                      "before." },                                                                 \
            { "version", API_UINT, AT(version),                                                    \
              .help = "Of what it shows, from 1 on: not published unless it is greater than the "  \
                      "last one "                                                                  \
                      "in the channel. Needs history." },                                          \
    {                                                                                              \
        "version_epoch", API_TEXT, AT(version_epoch),                                              \
                .max = 1024,                                                                       \
                .help = "Versions are compared only within the same one; another one always "      \
                        "passes."                                                                  \
    }

#define WHO                                                                                        \
    { "user", API_TEXT, AT(user), .max = IDENTIFIER_MAX,                                           \
      .help = "The user's id. Empty: connections without a user, not all." },                      \
            { "client", API_TEXT, AT(client), .max = IDENTIFIER_MAX,                               \
              .help = "Only the connection with this client id." },                                \
            { "session", API_TEXT, AT(session), .max = IDENTIFIER_MAX,                             \
              .help = "Only the connection with this session id." },                               \
            { "label_filter", API_JSON, AT(label_filter), .object = &filter_node,                  \
              .help = "Only connections whose labels pass: a tree as of a tags filter." },         \
    {                                                                                              \
        "all_users", API_BOOL, AT(all_users),                                                      \
                .help = "If user is empty: every connection, narrowed by label_filter alone."      \
    }

#define UNTIL(what)                                                                                \
    {                                                                                              \
        "expire_at", API_INT, AT(expire_at), .min = 0, .max = SECONDS_MAX,                         \
                                             .help = what " Seconds since 1970; 0: never."         \
    }

#define LIMIT(what)                                                                                \
    { "limit", API_INT, AT(limit), .min = -1, .max = INT32_MAX, .help = what }

static const struct api_field FILTER_NODE[6];
static const struct api_object filter_node = { "FilterNode", FILTER_NODE, 6 };
static const struct api_field FILTER_NODE[] = {
    { "op", API_TEXT, .help = "and, or, not; empty: a comparison." },
    { "key", API_TEXT, .help = "The label that is compared." },
    { "cmp", API_TEXT, .help = "eq, neq, in, nin, ex, nex, sw, ew, ct, lt, lte, gt or gte." },
    { "val", API_TEXT, .help = "What it is compared with." },
    { "vals", API_TEXTS, .help = "The same for in and nin." },
    { "nodes", API_LIST, .object = &filter_node, .help = "Of and, or, not." },
};

static const struct api_field SINCE[] = {
    { "offset", API_UINT, AT(since.offset), .help = "The offset." },
    { "epoch", API_TEXT, AT(since.epoch), .max = 1024, .help = "The stream's epoch." },
};
static const struct api_field RECOVER_SINCE[] = {
    { "offset", API_UINT, AT(recover_since.offset), .help = "The offset." },
    { "epoch", API_TEXT, AT(recover_since.epoch), .max = 1024, .help = "The stream's epoch." },
};
static const struct api_field OVERRIDE[] = {
    { "presence", API_FLAG, AT(override.presence), .help = "Is the subscriber seen in presence?" },
    { "join_leave", API_FLAG, AT(override.join_leave), .help = "Are others told of it?" },
    { "force_recovery", API_FLAG, AT(override.force_recovery),
      .help = "Does the client recover what it missed?" },
    { "force_positioning", API_FLAG, AT(override.force_positioning),
      .help = "Is the subscription's place in the stream watched?" },
    { "force_push_join_leave", API_FLAG, AT(override.force_push_join_leave),
      .help = "Does the client hear of joins and leaves?" },
};
static const struct api_field DISCONNECT_REASON[] = {
    { "code", API_UINT, AT(disconnect.code), .is_required = true, .min = 3000, .max = 4999,
      .help = "From 3500 and from 4500 on clients do not come back by themselves." },
    { "reason", API_TEXT, AT(disconnect.reason), .max = 123, .help = "What the client is told." },
};

static const struct api_object position_object = { "StreamPosition", FIELDS(SINCE) };
static const struct api_object recover_object = { "StreamPosition", FIELDS(RECOVER_SINCE) };
static const struct api_object override_object = { "SubscribeOptionOverride", FIELDS(OVERRIDE) };
static const struct api_object disconnect_object = { "Disconnect", FIELDS(DISCONNECT_REASON) };

/* ---- results that several methods have ---- */

#define POSITION_RESULT                                                                            \
    { "offset", API_UINT, .help = "Its place in the stream; absent where nothing is kept." }, {    \
        "epoch", API_TEXT, .help = "The stream's epoch; absent where nothing is kept."             \
    }

#define TOP_RESULT                                                                                 \
    { "offset", API_UINT, .help = "Of the last one in the stream." }, {                            \
        "epoch", API_TEXT, .help = "The stream's epoch."                                           \
    }

static const struct api_field CLIENT_INFO[] = {
    { "client", API_TEXT, .help = "The client's id." },
    { "user", API_TEXT, .help = "The user's id; empty: nobody is known." },
    { "conn_info", API_JSON, .help = "What the connection's token or proxy said." },
    { "chan_info", API_JSON, .help = "What the subscription's token or proxy said." },
};
static const struct api_object client_info = { "ClientInfo", FIELDS(CLIENT_INFO) };

static const struct api_field PUBLICATION[] = {
    { "data", API_JSON, .help = "What was published." },
    { "b64data", API_TEXT, .help = "The same in base 64, if it is no JSON." },
    { "info", API_OBJECT, .object = &client_info, .help = "Who published, if it was a client." },
    { "offset", API_UINT, .help = "Its place in the stream." },
    { "tags", API_TAGS, .help = "Its tags." },
    { "time", API_INT, .help = "When it was accepted: milliseconds since 1970." },
};
static const struct api_object publication = { "Publication", FIELDS(PUBLICATION) };

static const struct api_field MAP_ENTRY[] = {
    { "key", API_TEXT, .help = "The key." },
    { "data", API_JSON, .help = "Its value." },
    { "b64data", API_TEXT, .help = "The same in base 64, if it is no JSON." },
    { "tags", API_TAGS, .help = "Its tags." },
    { "offset", API_UINT, .help = "Where in the stream it was put." },
    { "score", API_INT, .help = "Its place where the map is ordered." },
    { "removed", API_BOOL, .help = "In streams: the key was removed." },
    { "time", API_INT, .help = "When it was put: milliseconds since 1970." },
};
static const struct api_object map_entry = { "MapEntry", FIELDS(MAP_ENTRY) };

/* ---- methods ---- */

static const struct api_field PUBLISH[] = { CHANNEL("Where to."), PAYLOAD, PUBLISH_OPTIONS };
static const struct api_field PUBLISH_RESULT[] = { POSITION_RESULT };

static const struct api_field BROADCAST[] = {
    { "channels", API_TEXTS, AT(channels), .is_required = true, .min = 1, .max = 65536,
      .help = "Where to." },
    PAYLOAD,
    PUBLISH_OPTIONS,
};
static const struct api_object publish_result = { "PublishResult", FIELDS(PUBLISH_RESULT) };
static const struct api_field ERROR[] = {
    { "code", API_UINT, .help = "What went wrong." },
    { "message", API_TEXT, .help = "The same in words." },
};
static const struct api_object error_object = { "Error", FIELDS(ERROR) };
static const struct api_field BROADCAST_RESPONSE[] = {
    { "result", API_OBJECT, .object = &publish_result, .help = "It was published." },
    { "error", API_OBJECT, .object = &error_object, .help = "It was not." },
};
static const struct api_object broadcast_response = { "PublishResponse",
                                                      FIELDS(BROADCAST_RESPONSE) };
static const struct api_field BROADCAST_RESULT[] = {
    { "responses", API_LIST, .object = &broadcast_response, .help = "For each channel, in order." },
};

static const struct api_field SUBSCRIBE[] = {
    CHANNEL("The channel."),
    WHO,
    { "info", API_JSON, AT(info), .help = "Of the subscription: seen in presence and joins." },
    { "b64info", API_BASE64, AT(b64info), .help = "The same in base 64. Wins over info." },
    { "data", API_JSON, AT(data), .help = "For the client, with the news that it is subscribed." },
    { "b64data", API_BASE64, AT(b64data), .help = "The same in base 64. Wins over data." },
    UNTIL("When the subscription ends."),
    { "recover_since", API_OBJECT, AT(recover_since),
      .flag = offsetof(struct api_params, recover_since.is_set), .object = &recover_object,
      .help = "What was published after this position is sent to the client first." },
    { "override", API_OBJECT, AT(override), .object = &override_object,
      .help = "Options of the namespace that are different for this subscription." },
};

static const struct api_field UNSUBSCRIBE[] = {
    { "channel", API_TEXT, AT(channel), .max = 65535, .help = "The channel. Empty: all of them." },
    WHO,
};

static const struct api_field DISCONNECT[] = {
    WHO,
    { "whitelist", API_TEXTS, AT(whitelist), .max = 4096, .help = "Client ids that stay." },
    { "disconnect", API_OBJECT, AT(disconnect),
      .flag = offsetof(struct api_params, disconnect.is_set), .object = &disconnect_object,
      .help = "Why; without it 3503, force disconnect, after which clients stay away." },
};

static const struct api_field REFRESH[] = {
    WHO,
    { "expired", API_BOOL, AT(expired),
      .help = "The connection has expired: it is closed (3005)." },
    UNTIL("When the connection expires from now on."),
    { "info", API_JSON, AT(info), .help = "Takes the place of the connection's info." },
};

static const struct api_field ONE_CHANNEL[] = { CHANNEL("The channel.") };
static const struct api_field PRESENCE_RESULT[] = {
    { "presence", API_MAP, .object = &client_info, .help = "Who is there, by client id." },
};
static const struct api_field PRESENCE_STATS_RESULT[] = {
    { "num_clients", API_UINT, .help = "Connections." },
    { "num_users", API_UINT, .help = "Different user ids; all without one are one." },
};

static const struct api_field HISTORY[] = {
    CHANNEL("The channel."),
    LIMIT("How many publications at most; 0: only the position; -1: all that are kept."),
    { "since", API_OBJECT, AT(since), .flag = offsetof(struct api_params, since.is_set),
      .object = &position_object,
      .help = "Those after this position; in reverse those before it. With another epoch than the "
              "stream's: error 112." },
    { "reverse", API_BOOL, AT(reverse), .help = "The newest first." },
};
static const struct api_field HISTORY_RESULT[] = {
    { "publications", API_LIST, .object = &publication, .help = "In the asked order." },
    TOP_RESULT,
};

static const struct api_field CHANNELS[] = {
    { "pattern", API_TEXT, AT(pattern), .max = 1024,
      .help = "Only names that match: * is any run of characters, ? any one, [ab] and [!a-z] one "
              "of some, {this,that} one of several." },
};
static const struct api_field CHANNEL_INFO[] = {
    { "num_clients", API_UINT, .help = "Subscribers." },
};
static const struct api_object channel_info = { "ChannelInfo", FIELDS(CHANNEL_INFO) };
static const struct api_field CHANNELS_RESULT[] = {
    { "channels", API_MAP, .object = &channel_info, .help = "Channels with subscribers, by name." },
};

static const struct api_field PROCESS[] = {
    { "cpu", API_NUMBER, .help = "Percent of one processor since the start." },
    { "rss", API_UINT, .help = "Bytes of memory." },
};
static const struct api_object process = { "Process", FIELDS(PROCESS) };
static const struct api_field NODE[] = {
    { "uid", API_TEXT, .help = "Of this run of the daemon." },
    { "name", API_TEXT, .help = "`node.name`, or the host's name." },
    { "version", API_TEXT, .help = "Of Parley." },
    { "num_clients", API_UINT, .help = "Clients that are connected." },
    { "num_users", API_UINT, .help = "Different user ids of theirs." },
    { "num_subs", API_UINT, .help = "Their subscriptions." },
    { "num_channels", API_UINT, .help = "Channels with subscribers." },
    { "uptime", API_UINT, .help = "Seconds since the start." },
    { "process", API_OBJECT, .object = &process, .help = "What it needs." },
    { "unanswered", API_BOOL,
      .help = "It is there, but did not answer in time: nothing else is known of it." },
};
static const struct api_object node = { "Node", FIELDS(NODE) };
static const struct api_field INFO_RESULT[] = {
    { "nodes", API_LIST, .object = &node,
      .help = "The one that was asked, then those that share its Redis." },
};

static const struct api_field RPC[] = {
    { "method", API_TEXT, AT(method), .is_required = true, .min = 1, .max = 1024,
      .help = "The procedure." },
    { "params", API_JSON, AT(params), .help = "Its arguments." },
};
static const struct api_field RPC_RESULT[] = { { "data", API_JSON, .help = "What it returned." } };

static const struct api_field BATCH[] = {
    { "commands", API_LIST_AS_IS, AT(commands), .is_required = true,
      .help = "Objects with one member each, named for a method: its parameters." },
    { "parallel", API_BOOL, AT(parallel), .help = "They may take effect in any order." },
};
static const struct api_field BATCH_RESULT[] = {
    { "replies", API_LIST,
      .help = "For each command, in order, an object with one member: the method's result under "
              "its name, or error. Not inside a result." },
};

static const char *const KEY_MODES[] = { "", "if_new", "if_exists", NULL };

#define KEY                                                                                        \
    { "key", API_TEXT, AT(key), .is_required = true, .min = 1, .max = 1024, .help = "The key." }

static const struct api_field MAP_PUBLISH[] = {
    CHANNEL("The map."),
    KEY,
    PAYLOAD,
    { "stream_data", API_JSON, AT(stream_data),
      .help = "What subscribers and the stream get in place of data, which is kept as the value." },
    { "b64stream_data", API_BASE64, AT(b64stream_data),
      .help = "The same in base 64. Wins over stream_data." },
    { "tags", API_TAGS, AT(tags), .max = 256, .help = "Strings by name, delivered with it." },
    { "idempotency_key", API_TEXT, AT(idempotency_key), .max = 1024,
      .help = "A repeat of it in the same channel within five minutes does nothing." },
    { "delta", API_BOOL, AT(delta),
      .help = "Subscribers who take deltas get the difference to the key's last value." },
    { "version", API_UINT, AT(version),
      .help = "Of the value, from 1 on: does nothing unless greater than the key's." },
    { "version_epoch", API_TEXT, AT(version_epoch), .max = 1024,
      .help = "Versions are compared only within the same one." },
    { "score", API_INT, AT(score), .min = INT64_MIN, .max = INT64_MAX,
      .help = "Its place where the map is ordered." },
    { "key_mode", API_CHOICE, AT(key_mode), .choices = KEY_MODES,
      .help = "if_new: only if the key is not there; if_exists: only if it is." },
};
static const struct api_field MAP_PUBLISH_RESULT[] = {
    POSITION_RESULT,
    { "suppressed", API_BOOL, .help = "Nothing was done." },
    { "suppress_reason", API_TEXT,
      .help = "Why: idempotency, version, key_exists, key_not_found or position_mismatch." },
};
static const struct api_field MAP_REMOVE[] = {
    CHANNEL("The map."),
    KEY,
    { "idempotency_key", API_TEXT, AT(idempotency_key), .max = 1024,
      .help = "A repeat of it in the same channel within five minutes does nothing." },
};
static const struct api_field MAP_READ_STATE[] = {
    CHANNEL("The map."),
    LIMIT("How many keys at most; 0: only the position; -1: all."),
    { "cursor", API_TEXT, AT(cursor), .max = 4096, .help = "Of the page before this one." },
    { "key", API_TEXT, AT(key), .max = 1024, .help = "This one alone, whatever the limit." },
    { "asc", API_BOOL, AT(asc), .help = "Where the map is ordered: the least score first." },
    { "revision_offset", API_UINT, AT(revision_offset),
      .help = "The position of an earlier page." },
    { "revision_epoch", API_TEXT, AT(revision_epoch), .max = 1024,
      .help = "Its epoch. If it is no longer the stream's: error 112." },
};
static const struct api_field MAP_READ_STATE_RESULT[] = {
    { "entries", API_LIST, .object = &map_entry, .help = "Keys and their values." },
    TOP_RESULT,
    { "cursor", API_TEXT, .help = "For the next page; absent: there is no more." },
};
static const struct api_field MAP_READ_STREAM[] = {
    CHANNEL("The map."),
    LIMIT("How many changes at most; 0: only the position; -1: all."),
    { "since_offset", API_UINT, AT(since_offset), .help = "Those after this offset." },
    { "since_epoch", API_TEXT, AT(since_epoch), .max = 1024,
      .help = "Its epoch. If it is not the stream's: error 112." },
    { "reverse", API_BOOL, AT(reverse), .help = "The newest first." },
};
static const struct api_field MAP_READ_STREAM_RESULT[] = {
    { "entries", API_LIST, .object = &map_entry, .help = "Changes." },
    TOP_RESULT,
};
static const struct api_field MAP_STATS_RESULT[] = {
    { "num_keys", API_UINT, .help = "Keys in the map." },
};

static const struct api_field SHARED_POLL_PUBLISH[] = {
    CHANNEL("The channel."),
    KEY,
    PAYLOAD,
    { "version", API_UINT, AT(version), .is_required = true, .min = 1, .max = INT64_MAX,
      .help = "Not greater than the one before of the key: dropped in silence." },
    { "epoch", API_TEXT, AT(epoch), .max = 1024,
      .help = "Of the versions; with another one they begin anew." },
};

static const struct api_field CONNECTIONS[] = {
    { "user", API_TEXT, AT(user), .max = IDENTIFIER_MAX, .help = "Only of this user." },
    { "client", API_TEXT, AT(client), .max = IDENTIFIER_MAX,
      .help = "Only the one with this client id." },
    { "label_filter", API_JSON, AT(label_filter), .object = &filter_node,
      .help = "Only connections whose labels pass: a tree as of a tags filter." },
    { "limit", API_INT, AT(limit), .min = 0, .max = 1000,
      .help = "How many at most; 0: 100. They are in order of their client ids." },
    { "cursor", API_TEXT, AT(cursor), .max = 64, .help = "Of the page before this one." },
    { "expression", API_TEXT, AT(expression), .max = 4096,
      .help = "Not supported: error 107 if it is not empty; see label_filter." },
};
static const struct api_field CONNECTION_CHANNEL[] = {
    { "source", API_UINT, .help = "Who subscribed it: 0: the client; 1: the server." },
};
static const struct api_object connection_channel = { "ChannelContext",
                                                      FIELDS(CONNECTION_CHANNEL) };
static const struct api_field TOKEN_INFO[] = {
    { "uid", API_TEXT, .help = "Its id (jti)." },
    { "issued_at", API_INT, .help = "When it was issued: seconds since 1970." },
};
static const struct api_object token_info = { "ConnectionTokenInfo", FIELDS(TOKEN_INFO) };
static const struct api_field CONNECTION_STATE[] = {
    { "channels", API_MAP, .object = &connection_channel,
      .help = "Its subscriptions, by channel." },
    { "connection_token", API_OBJECT, .object = &token_info, .help = "The token it came with." },
    { "meta", API_JSON, .help = "What token or proxy gave for the backend to know." },
};
static const struct api_object connection_state = { "ConnectionState", FIELDS(CONNECTION_STATE) };
static const struct api_field CONNECTION[] = {
    { "app_name", API_TEXT, .help = "The client's name, as its connect command says." },
    { "app_version", API_TEXT, .help = "Its version." },
    { "transport", API_TEXT, .help = "websocket, sse, http_stream, uni_websocket and so on." },
    { "protocol", API_TEXT, .help = "json or protobuf." },
    { "user", API_TEXT, .help = "The user's id." },
    { "state", API_OBJECT, .object = &connection_state, .help = "More of it." },
    { "connected_at_ms", API_INT, .help = "Milliseconds since 1970." },
    { "labels", API_TAGS, .help = "Its labels." },
};
static const struct api_object connection_object = { "ConnectionInfo", FIELDS(CONNECTION) };
static const struct api_field CONNECTIONS_RESULT[] = {
    { "connections", API_MAP, .object = &connection_object, .help = "By client id." },
    { "cursor", API_TEXT, .help = "For the next page; absent: there is no more." },
};

#define DENIED_USER                                                                                \
    {                                                                                              \
        "user", API_TEXT, AT(user), .is_required = true, .min = 1, .max = IDENTIFIER_MAX,          \
                                    .help = "The user's id."                                       \
    }

static const struct api_field BLOCK_USER[] = { DENIED_USER, UNTIL("When the user may come back.") };
static const struct api_field UNBLOCK_USER[] = { DENIED_USER };
static const struct api_field REVOKE_TOKEN[] = {
    { "uid", API_TEXT, AT(uid), .is_required = true, .min = 1, .max = IDENTIFIER_MAX,
      .help = "The token's id (jti)." },
    UNTIL("When this may be forgotten: best when the token expires."),
};
static const struct api_field INVALIDATE_USER_TOKENS[] = {
    { "user", API_TEXT, AT(user), .max = IDENTIFIER_MAX,
      .help = "The user's id. Needed unless channel is given." },
    { "channel", API_TEXT, AT(channel), .max = 65535,
      .help = "Only subscription tokens for this channel." },
    { "issued_before", API_INT, AT(issued_before), .min = 0, .max = SECONDS_MAX,
      .help = "Tokens with an earlier iat: seconds since 1970; 0: now." },
    UNTIL("When this may be forgotten: best when the last of the tokens expires."),
};

static const struct api_field BACKUP_RESULT[] = {
    { "path", API_TEXT, .help = "The directory, on the machine of the daemon that was asked." },
    { "users", API_UINT, .help = "Of the chat; the same: rooms, messages, attachments." },
    { "rooms", API_UINT, .help = "Also those of two." },
    { "messages", API_UINT, .help = "With those that were deleted." },
    { "attachments", API_UINT, .help = "What people have uploaded." },
    { "files", API_UINT, .help = "Different ones of them." },
    { "files_bytes", API_UINT, .help = "Their size." },
    { "channels", API_UINT, .help = "Of the history." },
    { "publications", API_UINT, .help = "The same." },
    { "database_bytes", API_UINT, .help = "Size of the databases' copies." },
};

#define METHOD(id, name, Name, params, result, help)                                               \
    [id] = { id, name, help, { Name "Request", params }, { Name "Result", result } }

static const struct api_method METHODS[] = {
    METHOD(API_PUBLISH, "publish", "Publish", FIELDS(PUBLISH), FIELDS(PUBLISH_RESULT),
           "Publishes into a channel. Where history is kept it is on the disk when this is "
           "answered."),
    METHOD(API_BROADCAST, "broadcast", "Broadcast", FIELDS(BROADCAST), FIELDS(BROADCAST_RESULT),
           "Publishes the same into several channels, side by side. Each has its own answer."),
    METHOD(API_SUBSCRIBE, "subscribe", "Subscribe", FIELDS(SUBSCRIBE), NONE,
           "Subscribes a user's connections to a channel; the clients are told. Succeeds as well "
           "if there are none."),
    METHOD(API_UNSUBSCRIBE, "unsubscribe", "Unsubscribe", FIELDS(UNSUBSCRIBE), NONE,
           "Ends subscriptions of a user's connections; the clients are told."),
    METHOD(API_DISCONNECT, "disconnect", "Disconnect", FIELDS(DISCONNECT), NONE,
           "Closes a user's connections."),
    METHOD(API_REFRESH, "refresh", "Refresh", FIELDS(REFRESH), NONE,
           "Changes when a user's connections expire."),
    METHOD(API_PRESENCE, "presence", "Presence", FIELDS(ONE_CHANNEL), FIELDS(PRESENCE_RESULT),
           "Who is subscribed to a channel. Needs presence to be on there."),
    METHOD(API_PRESENCE_STATS, "presence_stats", "PresenceStats", FIELDS(ONE_CHANNEL),
           FIELDS(PRESENCE_STATS_RESULT), "How many are subscribed. Needs presence to be on."),
    METHOD(API_HISTORY, "history", "History", FIELDS(HISTORY), FIELDS(HISTORY_RESULT),
           "Reads what a channel keeps. Needs history to be on there."),
    METHOD(API_HISTORY_REMOVE, "history_remove", "HistoryRemove", FIELDS(ONE_CHANNEL), NONE,
           "Forgets what a channel keeps. Offset and epoch stay."),
    METHOD(API_CHANNELS, "channels", "Channels", FIELDS(CHANNELS), FIELDS(CHANNELS_RESULT),
           "Channels that have subscribers now."),
    METHOD(API_INFO, "info", "Info", NONE, FIELDS(INFO_RESULT), "What the daemon is and does."),
    METHOD(API_RPC, "rpc", "RPC", FIELDS(RPC), FIELDS(RPC_RESULT),
           "Calls a procedure of the server itself. There are none yet: error 104."),
    METHOD(API_BATCH, "batch", "Batch", FIELDS(BATCH), FIELDS(BATCH_RESULT),
           "Several commands in one request. One that fails does not keep others from running."),
    METHOD(API_MAP_PUBLISH, "map_publish", "MapPublish", FIELDS(MAP_PUBLISH),
           FIELDS(MAP_PUBLISH_RESULT), "Puts a key into a map."),
    METHOD(API_MAP_REMOVE, "map_remove", "MapRemove", FIELDS(MAP_REMOVE),
           FIELDS(MAP_PUBLISH_RESULT), "Takes a key out of a map."),
    METHOD(API_MAP_READ_STATE, "map_read_state", "MapReadState", FIELDS(MAP_READ_STATE),
           FIELDS(MAP_READ_STATE_RESULT), "Reads a map, page by page."),
    METHOD(API_MAP_READ_STREAM, "map_read_stream", "MapReadStream", FIELDS(MAP_READ_STREAM),
           FIELDS(MAP_READ_STREAM_RESULT), "Reads the changes of a map that keeps them."),
    METHOD(API_MAP_STATS, "map_stats", "MapStats", FIELDS(ONE_CHANNEL), FIELDS(MAP_STATS_RESULT),
           "How large a map is."),
    METHOD(API_MAP_CLEAR, "map_clear", "MapClear", FIELDS(ONE_CHANNEL), NONE,
           "Forgets all keys and changes of a map."),
    METHOD(API_SHARED_POLL_PUBLISH, "shared_poll_publish", "SharedPollPublish",
           FIELDS(SHARED_POLL_PUBLISH), NONE,
           "Gives a new value to those who look at a key, before the next poll."),
    METHOD(API_CONNECTIONS, "connections", "Connections", FIELDS(CONNECTIONS),
           FIELDS(CONNECTIONS_RESULT), "Lists connections, page by page."),
    METHOD(API_BLOCK_USER, "block_user", "BlockUser", FIELDS(BLOCK_USER), NONE,
           "Keeps a user out, whatever token is brought, and closes the user's connections."),
    METHOD(API_UNBLOCK_USER, "unblock_user", "UnblockUser", FIELDS(UNBLOCK_USER), NONE,
           "Lets a blocked user in again."),
    METHOD(API_REVOKE_TOKEN, "revoke_token", "RevokeToken", FIELDS(REVOKE_TOKEN), NONE,
           "Makes a token void, by its id, and closes connections that came with it."),
    METHOD(API_INVALIDATE_USER_TOKENS, "invalidate_user_tokens", "InvalidateUserTokens",
           FIELDS(INVALIDATE_USER_TOKENS), NONE,
           "Makes void all tokens of a user that were issued before some time."),
    METHOD(API_BACKUP, "backup", "Backup", NONE, FIELDS(BACKUP_RESULT),
           "Copies the databases and what was uploaded into a new directory below "
           "`data_dir/backup`, and looks through the copy. `parley restore` puts it back."),
};
_Static_assert(ELEMENTS_OF(METHODS) == API_METHODS_N, "every method has an entry");

const struct api_method *api_methods(void) {
    return METHODS;
}

const struct api_method *api_method_find(struct str name) {
    for (size_t i = 0; i < API_METHODS_N; i++)
        if (str_equal(str_of(METHODS[i].name), name))
            return &METHODS[i];
    return NULL;
}

int api_status_of(uint32_t error) {
    switch (error) {
    case ERROR_UNAUTHORIZED:
        return 401;
    case ERROR_PERMISSION_DENIED:
        return 403;
    case ERROR_UNKNOWN_CHANNEL:
    case ERROR_METHOD_NOT_FOUND:
        return 404;
    case ERROR_LIMIT_EXCEEDED:
    case ERROR_BAD_REQUEST:
    case ERROR_NOT_AVAILABLE:
    case ERROR_ALREADY_SUBSCRIBED:
        return 400;
    case ERROR_TOO_MANY_REQUESTS:
        return 429;
    case ERROR_UNRECOVERABLE_POSITION:
        return 416;
    case ERROR_CONCURRENT_PAGINATION:
        return 409;
    default:
        return 500;
    }
}
