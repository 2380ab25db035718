/* POST /hooks/SECRET: a message by a webhook's bot. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/chat/auth_request.h"
#include "daemon/chat/call.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/files.h"
#include "daemon/chat/hooks.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/own.h"
#include "daemon/chat/pass.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/transport/connection.h"
#include "daemon/worker.h"
#include "storage/chat/webhook.h"

enum { BODY_MORE = 8192, ESCAPES_MAX = 6 }; /* a character of a text is at most \uXXXX */

bool chat_hooks_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && conn->session.worker->daemon->chat;
}

size_t chat_hooks_body_max(const struct config *c) {
    return (size_t) c->chat.text_max_bytes * ESCAPES_MAX + BODY_MORE;
}

struct hook_in {
    struct chat_work work;
    struct str secret;
    struct chat_webhook hook;
    struct chat_answer answer;
    struct buffer send; /* what message.send is asked */
};

static void hook_in_finishp(struct hook_in **h) {
    if (!*h)
        return;
    chat_work_finish(&(*h)->work);
    chat_answer_finish(&(*h)->answer);
    buffer_finish(&(*h)->send);
    free(*h);
}

static int run_find(struct chat_work *w, struct chat_tx *tx) {
    struct hook_in *h = CONTAINER_OF(w, struct hook_in, work);
    return chat_webhook_by_secret(tx, h->secret, &h->hook);
}

/* ---- the body ---- */

/* A string, or null; false: another thing. */
static bool take_text(struct json *j, struct arena *a, struct str *ret) {
    switch (json_peek(j)) {
    case JSON_IS_NULL:
        json_read_null(j);
        return true;
    case JSON_IS_STRING:
        json_text(j, a, ret);
        return true;
    case JSON_IS_NONE:
    case JSON_IS_OBJECT:
    case JSON_IS_ARRAY:
    case JSON_IS_NUMBER:
    case JSON_IS_BOOL:
    default:
        return false;
    }
}

/* 1; 0: answered. */
static int read_body(struct http_exchange *x, struct buffer *out) {
    struct str text = { 0 }, name = { 0 }, client_id = { 0 };
    const char *bad = NULL;
    struct json_string key;
    struct json j;

    json_init(&j, x->body);
    if (json_peek(&j) != JSON_IS_OBJECT || !json_enter_object(&j))
        return chat_files_refuse(x, 400, "the body has to be a JSON object", NULL);
    while (json_member(&j, &key)) {
        if (json_is(key, STR("text")))
            bad = take_text(&j, &x->arena, &text) ? bad : "text";
        else if (json_is(key, STR("name")))
            bad = take_text(&j, &x->arena, &name) ? bad : "name";
        else if (json_is(key, STR("client_id")))
            bad = take_text(&j, &x->arena, &client_id) ? bad : "client_id";
        else
            json_skip(&j);
        if (bad)
            return chat_files_refuse(x, 400, "it has to be a string", bad);
    }
    if (!json_end(&j))
        return chat_files_refuse(x, 400, "the body has to be a JSON object", NULL);
    const char *why = name.len > 0 ? auth_name_problem(name) : NULL;
    if (why) /* it is shown beside what people are called */
        return chat_files_refuse(x, 400, why, "name");

    out_open(out, '{');
    out_text(out, "text", text);
    out_text_if(out, "client_id", client_id);
    if (name.len > 0) {
        out_key(out, "meta");
        out_open(out, '{');
        out_text(out, "name", name);
        out_close(out, '}');
    }
    out_close(out, '}');
    int r = buffer_error(out);
    return r < 0 ? r : 1;
}

/* ---- the answer ---- */

static int status_of(uint32_t code) {
    switch (code) {
    case CHAT_BAD_REQUEST:
        return 400;
    case CHAT_TOO_LONG:
        return 413;
    case CHAT_CONFLICT:
    case CHAT_ARCHIVED:
        return 409;
    case ERROR_TOO_MANY_REQUESTS:
    case CHAT_SLOW_MODE:
        return 429;
    case CHAT_NOT_FOUND:
        return 404;
    case CHAT_STORAGE:
    case CHAT_OWNER_AWAY:
        return 503;
    default:
        return 403;
    }
}

static int answer(struct http_exchange *x, const struct chat_answer *a) {
    if (a->refusal.code != 0) {
        struct str text = a->refusal.text;
        char *why = arena_alloc(&x->arena, text.len + 1);
        if (!why)
            return -ENOMEM;
        memcpy(why, text.data, text.len);
        why[text.len] = 0;
        return chat_files_refuse(x, status_of(a->refusal.code), why, NULL);
    }
    metrics_count(&x->worker->metrics, COUNT_CHAT_HOOKS_IN);
    x->content_type = STR("application/json");
    buffer_append_bytes(&x->out, buffer_bytes(&a->out));
    return 0;
}

int chat_hooks_serve(struct http_exchange *x) {
    if (!chat_is_here(x->worker->daemon->chat))
        return chat_pass(x);
    CLEANUP(hook_in_finishp) struct hook_in *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->secret = http_exchange_rest(x);
    h->work = CHAT_WORK(run_find);
    int r = h->secret.len == CHAT_WEBHOOK_SECRET_SIZE ? chat_read(x->worker->daemon->chat, &h->work)
                                                      : CHAT_NOT_FOUND;
    if (r != 0)
        return chat_files_result(x, &h->work, r);
    r = read_body(x, &h->send);
    if (r <= 0)
        return r;
    r = chat_call(x->worker,
                  &(struct chat_asked){ .user = h->hook.bot,
                                        .method = STR("message.send"),
                                        .room = h->hook.room,
                                        .data = buffer_bytes(&h->send) },
                  &h->answer);
    return r < 0 ? r : answer(x, &h->answer);
}
