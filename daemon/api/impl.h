/* The server API from inside; for api*.c only. */
#pragma once

#include "daemon/api/params.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "protocol/codes.h"

/* One command under way. */
struct api_call {
    struct worker *worker;
    const struct config *config; /* the request's */
    const struct api_method *method;
    struct api_params *params;
    struct arena *arena;   /* the request's: what is in it stays until the answer is written */
    struct buffer *out;    /* where the result goes: an object */
    struct bytes sent;     /* the parameters as they came: JSON, or empty */
    bool is_here_only;     /* another node asks: only for what is here */
    int64_t patience_ms;   /* then; for what connections do when they can */
    char why[API_WHY_MAX]; /* more about an error; empty: the code says it all */
};

/* 0: the result has been appended to c->out. An error code (> 0) or -errno: what was appended does
 * not count. */
typedef int api_run_fn(struct api_call *c);

/* Of methods that are not publishing: NULL for those. */
api_run_fn *api_runner(enum api_method_id id);

/* Sets c->why (cut if too long); returns code. */
__attribute__((format(printf, 3, 4))) int api_error(struct api_call *c, int code, const char *why,
                                                    ...);

/* What a failed call of storage means: an error code, after it was logged; -ECANCELED, -ETIMEDOUT,
 * -ENOMEM stay. */
int api_failed(struct api_call *c, int r);

/* The namespace of the channel. 0, or the error: the name is too long, there is no such namespace.
 */
int api_namespace(struct api_call *c, struct str channel, const struct namespace **ret);

/* In a long list, after item i: lets others run now and then. 0, or the end of the wait. */
SUSPENDS MUST_CHECK int api_breathe(size_t i);

struct node_answers;

/* The same of every other node, answered in words: node_answers_finish(). None if only here. 0, an
 * error code, or -errno. */
SUSPENDS MUST_CHECK int api_ask_nodes(struct api_call *c, struct node_answers *ret);
/* An error if one that is still there did not do it. */
MUST_CHECK int api_check_nodes(struct api_call *c, const struct node_answers *all);
/* Of a method that was done here: the others do it, where that is what it means. */
SUSPENDS MUST_CHECK int api_tell_nodes(struct api_call *c);

/* Members of an object. A payload that is no JSON goes under its other name, in base 64. */
void api_put_payload(struct buffer *out, struct str name, struct str base64_name,
                     struct bytes payload);
void api_put_tags(struct buffer *out, const struct tag *tags, size_t n);

api_run_fn api_subscribe, api_unsubscribe, api_disconnect, api_refresh;
api_run_fn api_presence, api_presence_stats, api_history, api_history_remove;
api_run_fn api_channels, api_info, api_rpc;
api_run_fn api_map_read_state, api_map_read_stream, api_map_stats, api_map_clear;
api_run_fn api_shared_poll_publish;
api_run_fn api_connections;
api_run_fn api_backup;
api_run_fn api_block_user, api_unblock_user, api_revoke_token, api_invalidate_user_tokens;
