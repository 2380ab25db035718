/*
 * What the server API consists of: its methods, their parameters and their results. The one table,
 * in api/schema.c, is what requests are decoded by, what /api/openapi.json says and what
 * docs/api.md says.
 */
#pragma once

#include "async/base.h"
#include "protocol/buffer.h"
#include "protocol/bytes.h"

struct api_call;

enum api_kind {
    API_TEXT,       /* struct str */
    API_BOOL,       /* bool */
    API_INT,        /* int64_t */
    API_UINT,       /* uint64_t */
    API_JSON,       /* struct bytes: any value */
    API_BASE64,     /* struct bytes, decoded */
    API_TEXTS,      /* struct api_texts */
    API_TAGS,       /* struct api_tags: an object of strings */
    API_CHOICE,     /* uint32_t: the index in choices */
    API_OBJECT,     /* members, at offsets of the same struct */
    API_FLAG,       /* struct api_flag: {"value": true} */
    API_LIST_AS_IS, /* struct bytes: an array, decoded later */

    /* of results only */
    API_NUMBER,
    API_LIST, /* of objects */
    API_MAP,  /* an object of objects */
};

struct api_object;

struct api_field {
    const char *name;
    enum api_kind kind;
    size_t offset; /* of what is decoded, in struct api_params */
    size_t flag;   /* API_OBJECT: of a bool that says whether it was there; 0: none */
    bool is_required;
    bool may_be_null; /* API_JSON: null is a value like others */
    int64_t min,
            max; /* of numbers; of texts the bytes, of lists and tags the items. Both 0: none */
    const char *const *choices;      /* to a NULL */
    const struct api_object *object; /* of objects, and of what lists and maps hold */
    const char *help;
};

struct api_object {
    const char *name; /* in the OpenAPI description */
    const struct api_field *fields;
    size_t n;
};

/* enum, name. The order is that of the documentation. */
#define API_METHODS(X)                                                                             \
    X(API_PUBLISH, "publish")                                                                      \
    X(API_BROADCAST, "broadcast")                                                                  \
    X(API_SUBSCRIBE, "subscribe")                                                                  \
    X(API_UNSUBSCRIBE, "unsubscribe")                                                              \
    X(API_DISCONNECT, "disconnect")                                                                \
    X(API_REFRESH, "refresh")                                                                      \
    X(API_PRESENCE, "presence")                                                                    \
    X(API_PRESENCE_STATS, "presence_stats")                                                        \
    X(API_HISTORY, "history")                                                                      \
    X(API_HISTORY_REMOVE, "history_remove")                                                        \
    X(API_CHANNELS, "channels")                                                                    \
    X(API_INFO, "info")                                                                            \
    X(API_RPC, "rpc")                                                                              \
    X(API_BATCH, "batch")                                                                          \
    X(API_MAP_PUBLISH, "map_publish")                                                              \
    X(API_MAP_REMOVE, "map_remove")                                                                \
    X(API_MAP_READ_STATE, "map_read_state")                                                        \
    X(API_MAP_READ_STREAM, "map_read_stream")                                                      \
    X(API_MAP_STATS, "map_stats")                                                                  \
    X(API_MAP_CLEAR, "map_clear")                                                                  \
    X(API_SHARED_POLL_PUBLISH, "shared_poll_publish")                                              \
    X(API_CONNECTIONS, "connections")                                                              \
    X(API_BLOCK_USER, "block_user")                                                                \
    X(API_UNBLOCK_USER, "unblock_user")                                                            \
    X(API_REVOKE_TOKEN, "revoke_token")                                                            \
    X(API_INVALIDATE_USER_TOKENS, "invalidate_user_tokens")                                        \
    X(API_BACKUP, "backup")

#define API_METHOD_AS_ENUM(id, name) id,
enum api_method_id { API_METHODS(API_METHOD_AS_ENUM) API_METHODS_N };
#undef API_METHOD_AS_ENUM

struct api_method {
    enum api_method_id id;
    const char *name;
    const char *help; /* sentences */
    struct api_object params;
    struct api_object result;
};

const struct api_method *api_methods(void);                /* API_METHODS_N, by id */
const struct api_method *api_method_find(struct str name); /* NULL: there is none */

/* Codes that answers may have, and their HTTP status where errors are statuses. */
int api_status_of(uint32_t error);

/* The OpenAPI 3 description, JSON. path: where the API is, "/api". */
void api_write_openapi(struct str path, struct buffer *out);

/* The reference page, docs/api.md. */
void api_document(struct buffer *out);
