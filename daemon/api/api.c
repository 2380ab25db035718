#include "daemon/api/api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/task.h"
#include "daemon/api/body.h"
#include "daemon/api/pipeline.h"
#include "daemon/log.h"
#include "daemon/transport/connection.h"
#include "daemon/transport/http_exchange.h"
#include "protocol/base64.h"
#include "protocol/json.h"

/* ---- for the methods ---- */

api_run_fn *api_runner(enum api_method_id id) {
    static api_run_fn *const RUNNERS[API_METHODS_N] = {
        [API_SUBSCRIBE] = api_subscribe,
        [API_UNSUBSCRIBE] = api_unsubscribe,
        [API_DISCONNECT] = api_disconnect,
        [API_REFRESH] = api_refresh,
        [API_PRESENCE] = api_presence,
        [API_PRESENCE_STATS] = api_presence_stats,
        [API_HISTORY] = api_history,
        [API_HISTORY_REMOVE] = api_history_remove,
        [API_CHANNELS] = api_channels,
        [API_INFO] = api_info,
        [API_RPC] = api_rpc,
        [API_MAP_READ_STATE] = api_map_read_state,
        [API_MAP_READ_STREAM] = api_map_read_stream,
        [API_MAP_STATS] = api_map_stats,
        [API_MAP_CLEAR] = api_map_clear,
        [API_SHARED_POLL_PUBLISH] = api_shared_poll_publish,
        [API_CONNECTIONS] = api_connections,
        [API_BLOCK_USER] = api_block_user,
        [API_UNBLOCK_USER] = api_unblock_user,
        [API_REVOKE_TOKEN] = api_revoke_token,
        [API_INVALIDATE_USER_TOKENS] = api_invalidate_user_tokens,
        [API_BACKUP] = api_backup,
    };
    return RUNNERS[id];
}

int api_error(struct api_call *c, int code, const char *why, ...) {
    va_list args;
    va_start(args, why);
    (void) vsnprintf(c->why, sizeof c->why, why, args);
    va_end(args);
    return code;
}

int api_failed(struct api_call *c, int r) {
    if (r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM)
        return r;
    LOG_WARNING(c->worker->daemon->log, "a command of the server API failed",
                LOG_TEXT("method", c->method->name), LOG_RESULT(r));
    return ERROR_INTERNAL;
}

int api_namespace(struct api_call *c, struct str channel, const struct namespace **ret) {
    if (channel.len > c->config->channel_max_length) {
        metrics_count(&c->worker->metrics, COUNT_CHANNEL_LENGTH);
        return api_error(c, ERROR_BAD_REQUEST, "channel must be at most %u bytes",
                         c->config->channel_max_length);
    }
    *ret = config_namespace_of(c->config, channel);
    return *ret ? 0 : ERROR_UNKNOWN_CHANNEL;
}

int api_breathe(size_t i) {
    enum { ITEMS = 512 };
    return i % ITEMS == ITEMS - 1 ? task_yield() : 0;
}

void api_put_payload(struct buffer *out, struct str name, struct str base64_name,
                     struct bytes payload) {
    if (payload.len && json_is_valid(payload, NULL) && !json_has_newline(payload)) {
        buffer_append_str(out, name);
        buffer_append_bytes(out, payload);
        return;
    }
    buffer_append_str(out, base64_name);
    buffer_append_byte(out, '"');
    base64_encode(BASE64_STANDARD, payload, out);
    buffer_append_byte(out, '"');
}

void api_put_tags(struct buffer *out, const struct tag *tags, size_t n) {
    if (n == 0)
        return;
    buffer_append_str(out, STR(",\"tags\":{"));
    for (size_t i = 0; i < n; i++) {
        if (i)
            buffer_append_byte(out, ',');
        json_append_string(out, tags[i].key);
        buffer_append_byte(out, ':');
        json_append_string(out, tags[i].value);
    }
    buffer_append_byte(out, '}');
}

/* ---- who asks ---- */

/* Takes as long whatever is wrong with what was given. */
static bool is_secret(struct str given, struct str secret) {
    volatile unsigned char differs = given.len != secret.len;
    if (secret.len == 0)
        return false;
    for (size_t i = 0; i < given.len; i++)
        differs |= (unsigned char) given.data[i] ^ (unsigned char) secret.data[i % secret.len];
    return !differs;
}

static struct str without_scheme(struct str value) {
    struct str scheme = STR("apikey ");
    if (value.len < scheme.len ||
        !http_equal_nocase((struct str){ value.data, scheme.len }, scheme))
        return (struct str){ 0 };
    value = (struct str){ value.data + scheme.len, value.len - scheme.len };
    while (value.len && value.data[0] == ' ')
        value = (struct str){ value.data + 1, value.len - 1 };
    return value;
}

/* In whichever way it was given; empty: in none. */
static struct str key_of(struct http_exchange *x) {
    struct str value;
    size_t len;

    if (http_head_find(&x->request->head, STR("Authorization"), &value)) {
        struct str key = without_scheme(value);
        if (key.len)
            return key;
    }
    if (http_head_find(&x->request->head, STR("X-API-Key"), &value) && value.len)
        return value;
    if (!http_query_find(x->request->query, STR("api_key"), &value) || value.len == 0)
        return (struct str){ 0 };
    char *decoded = arena_alloc(&x->arena, value.len);
    if (!decoded || http_percent_decode(value, true, decoded, value.len, &len) < 0)
        return (struct str){ 0 };
    return (struct str){ decoded, len };
}

/* ret_limit: of the key; NULL: none was needed. */
static bool may_ask(struct http_exchange *x, struct str *ret_key,
                    const struct config_rate **ret_limit) {
    const struct config_api *api = &x->config->api;
    struct str given = key_of(x);
    const struct config_rate *limit = is_secret(given, api->key) ? &api->rate : NULL;

    for (size_t i = 0; i < api->n_keys; i++)
        if (is_secret(given, api->keys[i].key))
            limit = &api->keys[i].rate;
    *ret_key = given;
    *ret_limit = limit;
    return limit || api->insecure;
}

/* ---- answers ---- */

static int say(struct http_exchange *x, int status, uint32_t code, const char *why) {
    x->status = status;
    x->content_type = STR("application/json");
    buffer_reset(&x->out);
    buffer_append_str(&x->out, STR("{\"error\":"));
    api_write_error(&x->out, code, why);
    buffer_append_byte(&x->out, '}');
    return 0;
}

static bool errors_are_statuses(const struct http_exchange *x) {
    struct str mode;
    if (http_head_find(&x->request->head, STR("X-Centrifugo-Error-Mode"), &mode))
        return http_equal_nocase(mode, STR("transport"));
    return x->config->api.error_mode == API_ERRORS_AS_STATUS;
}

/* {"error":{…}} becomes the inner object, and its code the status. */
static void make_status(struct http_exchange *x, uint32_t error) {
    enum { BEFORE = sizeof "{\"error\":" - 1 };
    x->status = api_status_of(error);
    buffer_consume(&x->out, BEFORE);
    x->out.len--;
}

static void say_when(struct http_exchange *x, int64_t retry_ms) {
    enum { MAX = 24 };
    char *seconds = arena_alloc(&x->arena, MAX);
    if (!seconds)
        return;
    int len = snprintf(seconds, MAX, "%lld", (long long) (retry_ms + 999) / 1000);
    http_exchange_header(x, STR("Retry-After"), (struct str){ seconds, (size_t) len });
}

/* ---- commands ---- */

static void pipeline_freep(struct api_pipeline **p) {
    if (!*p)
        return;
    api_pipeline_finish(*p);
    free(*p);
}

static int take_all(struct api_pipeline *p, struct api_body *body) {
    struct api_command command;
    int r;
    while ((r = api_body_next(body, &command)) > 0) {
        r = command.method ? api_pipeline_take(p, command.method, command.params)
                           : api_pipeline_refuse(p, command.error, command.why);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : api_pipeline_wait(p);
}

static int answer_all(struct http_exchange *x, struct api_pipeline *p, struct api_body *body) {
    bool is_batch = body->form == FORM_BATCH;
    x->content_type = STR("application/json");
    if (is_batch)
        buffer_append_str(&x->out, STR("{\"replies\":["));
    int r = take_all(p, body);
    if (is_batch)
        buffer_append_str(&x->out, STR("]}"));
    if (r < 0)
        return r;
    if (body->form == FORM_SINGLE && p->last_error && errors_are_statuses(x))
        make_status(x, p->last_error);
    if (p->retry_ms > 0)
        say_when(x, p->retry_ms);
    return buffer_error(&x->out);
}

static int serve_commands(struct http_exchange *x, struct str name, struct str key,
                          const struct config_rate *limit) {
    const struct api_method *m = name.len ? api_method_find(name) : NULL;
    char why[API_WHY_MAX];
    struct api_body body;

    if (name.len && !m)
        return http_exchange_status(x, 404);
    int r = api_body_open(&body, m, x->body, x->config->api.max_commands, &x->arena, why);
    if (r == -ENOMEM)
        return r;
    if (r == -EBADMSG)
        return say(x, 400, ERROR_BAD_REQUEST, why);
    if (r == ERROR_LIMIT_EXCEEDED)
        metrics_count(&x->worker->metrics, COUNT_API_COMMANDS_LIMIT);
    if (r > 0)
        return say(x, errors_are_statuses(x) ? api_status_of((uint32_t) r) : 200, (uint32_t) r,
                   why);

    CLEANUP(pipeline_freep) struct api_pipeline *p = malloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    api_pipeline_init(p, x->worker, x->config, &x->arena, &x->out);
    p->key = key;
    p->limit = limit;
    p->form = body.form;
    p->is_parallel = body.is_parallel;
    return answer_all(x, p, &body);
}

/* ---- the endpoint ---- */

/* With internal listeners it is theirs alone, unless told otherwise. */
bool api_is_served(const struct connection *conn, const struct config *c) {
    bool has_internal = false;
    for (size_t i = 0; i < c->n_listeners; i++)
        has_internal |= c->listeners[i].is_internal;
    return !c->api.is_disabled &&
           (conn->session.is_internal || !has_internal || c->api.is_external);
}

static int refuse_method(struct http_exchange *x, const char *allowed) {
    http_exchange_header(x, STR("Allow"), str_of(allowed));
    return http_exchange_status(x, 405);
}

/* Whatever has no need of a body is answered without one being read. */
int api_admit(struct http_exchange *x) {
    struct str method = x->request->method, key;
    const struct config_rate *limit;

    if (str_equal(http_exchange_rest(x), STR("openapi.json"))) {
        if (!str_equal(method, STR("GET")) && !str_equal(method, STR("HEAD")))
            return refuse_method(x, "GET, HEAD");
        x->content_type = STR("application/json");
        api_write_openapi(x->config->api.path, &x->out);
        return buffer_error(&x->out);
    }
    if (!str_equal(method, STR("POST")))
        return refuse_method(x, "POST");
    if (may_ask(x, &key, &limit))
        return 1;
    metrics_count(&x->worker->metrics, COUNT_API_UNAUTHORIZED);
    return http_exchange_status(x, 401);
}

int api_serve(struct http_exchange *x) {
    const struct config_rate *limit = NULL;
    struct str key = { 0 };

    (void) may_ask(x, &key, &limit); /* it was let in */
    return serve_commands(x, http_exchange_rest(x), key, limit);
}
