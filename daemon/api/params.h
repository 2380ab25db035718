/*
 * The parameters of the server API's methods, decoded and checked. Which method has which, of what
 * kind and within what limits, is said by the one table in api/schema.c; from it come this decoding
 * and all that is written about the API.
 */
#pragma once

#include "daemon/api/schema.h"
#include "protocol/arena.h"
#include "protocol/bytes.h"
#include "protocol/client_info.h"
#include "protocol/json.h"

struct api_texts {
    struct str *items;
    size_t n;
};

struct api_tags {
    struct tag *items;
    size_t n;
};

struct api_position {
    bool is_set;
    uint64_t offset;
    struct str epoch;
};

/* A boolean that may be left out. */
struct api_flag {
    bool is_set, value;
};

struct api_override {
    struct api_flag presence, join_leave, force_recovery, force_positioning, force_push_join_leave;
};

struct api_disconnect {
    bool is_set;
    uint64_t code;
    struct str reason;
};

enum api_key_mode { API_KEY_ANY, API_KEY_IF_NEW, API_KEY_IF_EXISTS };

/* Of all methods together: what a method has no parameter for stays zero. Spans point into the body
 * or the arena. Payloads are JSON on one line, or what was base 64. */
struct api_params {
    struct str channel, user, client, session, cursor, key, method, pattern, uid, expression;
    struct api_texts channels, whitelist;
    struct bytes data, b64data, info, b64info, stream_data, b64stream_data, params, label_filter;
    struct bytes commands; /* batch: the list as it stands */
    struct api_tags tags;
    struct str idempotency_key, version_epoch, epoch, since_epoch, revision_epoch;
    uint64_t version, since_offset, revision_offset;
    int64_t limit, score, expire_at, issued_before;
    struct api_position since, recover_since;
    struct api_override override;
    struct api_disconnect disconnect;
    uint32_t key_mode; /* enum api_key_mode */
    bool skip_history, delta, reverse, expired, asc, parallel, all_users;
};

enum { API_WHY_MAX = 160 };

/*
 * Passes one JSON object, the method's parameters; null stands for absence. Parameters that the
 * method does not know are skipped. ret is zeroed first.
 *
 * 0; ERROR_BAD_REQUEST: why names the parameter and says what is wrong with it (a short sentence);
 * the rest of the object was not looked at. -EBADMSG: not JSON. -ENOMEM.
 */
MUST_CHECK int api_params_decode(const struct api_method *m, struct json *j, struct arena *a,
                                 struct api_params *ret, char why[API_WHY_MAX]);

/* The payload, whichever way it was given: base 64 wins. data NULL: neither was given. */
static inline struct bytes api_payload(struct bytes json, struct bytes base64) {
    return base64.data ? base64 : json;
}
