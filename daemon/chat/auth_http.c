#include "daemon/chat/auth_http.h"

#include <errno.h>

#include "daemon/chat/auth_call.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/own.h"
#include "daemon/chat/pass.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/transport/connection.h"
#include "daemon/worker.h"
#include "protocol/json.h"

enum { BODY_MAX = 16384 };

bool auth_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal;
}

size_t auth_body_max(const struct config *c) {
    return BODY_MAX;
}

/* ---- answers ---- */

static void write_error(struct http_exchange *x, int status, const char *message,
                        const char *field) {
    x->status = status;
    x->content_type = STR("application/json");
    buffer_reset(&x->out);
    buffer_printf(&x->out, "{\"error\":{\"code\":%d,\"message\":", status);
    json_append_string(&x->out, str_of(message));
    if (field) {
        buffer_append_str(&x->out, STR(",\"field\":"));
        json_append_string(&x->out, str_of(field));
    }
    buffer_append_str(&x->out, STR("}}"));
}

int auth_refuse(struct auth_call *c, int status, const char *message, const char *field) {
    write_error(c->x, status, message, field);
    return 1;
}

int auth_result(struct auth_call *c, int r) {
    const char *field = c->work.refusal.field;

    switch (r) {
    case 0:
    case -ECANCELED:
    case -ETIMEDOUT:
    case -ENOMEM:
        return r;
    case CHAT_BAD_REQUEST:
        return auth_refuse(c, 400, "it cannot be that", field);
    case CHAT_TOO_LONG:
        return auth_refuse(c, 400, "it is too long", field);
    case CHAT_DENIED:
    case CHAT_BANNED:
        return auth_refuse(c, 403, "it is not allowed", NULL);
    case CHAT_NOT_FOUND:
        return auth_refuse(c, 404, "there is no such thing", NULL);
    case CHAT_CONFLICT:
        return auth_refuse(c, 409,
                           field && str_equal(str_of(field), STR("login")) ? "the login is taken"
                                                                           : "there are too many",
                           field);
    case CHAT_GONE:
    case CHAT_ARCHIVED:
        return auth_refuse(c, 410, "it is over", NULL);
    case -ENOTCONN:
        http_exchange_header(c->x, STR("Retry-After"), STR("1"));
        return auth_refuse(c, 503, "the node that keeps the chat is away", NULL);
    default:
        LOG_WARNING(c->worker->daemon->log, "signing in: the database failed", LOG_RESULT(r));
        http_exchange_header(c->x, STR("Retry-After"), STR("5"));
        return auth_refuse(c, 503, "it cannot be done now", NULL);
    }
}

/* ---- what is let in ---- */

/* A page of client.allowed_origins, where it may ask at all, that brings a token: no browser does
 * that by itself. */
static bool brings_token(const struct http_exchange *x) {
    const struct http_head *head = &x->request->head;
    struct str origin;

    return x->endpoint->flags & HTTP_CORS && http_head_count(head, STR("Authorization")) == 1 &&
           http_head_find(head, STR("Origin"), &origin) == 1 &&
           config_allows_origin(x->config, true, origin);
}

int auth_admits(struct http_exchange *x) {
    if (visitor_is_own_page(x) || brings_token(x))
        return 1;
    metrics_count(&x->worker->metrics, COUNT_REFUSED_ORIGIN);
    write_error(x, 403, "another site's page may not ask", NULL);
    return 0;
}

/* A form of another page cannot say so. Parameters behind a ';' say nothing about it. */
static bool is_json(const struct http_request *r) {
    struct str type;
    if (http_head_find(&r->head, STR("Content-Type"), &type) != 1)
        return false;
    const char *semicolon = memchr(type.data, ';', type.len);
    if (semicolon)
        type.len = (size_t) (semicolon - type.data);
    while (type.len > 0 && type.data[type.len - 1] == ' ')
        type.len--;
    return http_equal_nocase(type, STR("application/json"));
}

static const struct route {
    struct str path;
    bool is_post;
    SUSPENDS int (*serve)(struct auth_call *c);
} routes[] = {
    { { "state", 5 }, false, auth_state },       { { "invite", 6 }, false, auth_invite },
    { { "sessions", 8 }, false, auth_sessions }, { { "setup", 5 }, true, auth_setup },
    { { "login", 5 }, true, auth_login },        { { "register", 8 }, true, auth_register },
    { { "accept", 6 }, true, auth_accept },      { { "logout", 6 }, true, auth_logout },
    { { "password", 8 }, true, auth_password },  { { "revoke", 6 }, true, auth_revoke },
};

static const struct route *find_route(struct str path) {
    for (size_t i = 0; i < ELEMENTS_OF(routes); i++)
        if (str_equal(routes[i].path, path))
            return &routes[i];
    return NULL;
}

static bool fits_method(const struct route *route, struct str method) {
    return route->is_post ? str_equal(method, STR("POST"))
                          : str_equal(method, STR("GET")) || str_equal(method, STR("HEAD"));
}

static int refuse(struct http_exchange *x, int status, const char *message) {
    write_error(x, status, message, NULL);
    return 0;
}

static void call_finishp(struct auth_call **c) {
    if (!*c)
        return;
    auth_who_finish(&(*c)->who);
    chat_work_finish(&(*c)->work);
    explicit_bzero((*c)->token, sizeof(*c)->token);
}

static int serve(struct http_exchange *x, const struct route *route) {
    CLEANUP(call_finishp) struct auth_call *c = arena_alloc(&x->arena, sizeof *c);
    const char *field;

    if (!c)
        return -ENOMEM;
    *c = (struct auth_call){ .x = x, .worker = x->worker, .auth = x->worker->daemon->auth };
    c->address = visitor_address(x, c->address_text);
    int r = auth_request_decode(route->is_post ? x->body : bytes_of(NULL, 0), &x->arena, &c->asked,
                                &field);
    if (r == -EBADMSG)
        r = auth_refuse(c, 400, field ? "it is of the wrong type" : "the body is no JSON object",
                        field);
    if (r == 0)
        r = route->serve(c);
    /* Its memory is lent to others next. */
    if (x->body.len)
        explicit_bzero((void *) (uintptr_t) x->body.data, x->body.len);
    return r < 0 ? r : 0;
}

int auth_serve(struct http_exchange *x) {
    const struct route *route = find_route(http_exchange_rest(x));
    const struct chat *chat = x->worker->daemon->chat;

    if (route && chat && !chat_is_here(chat))
        return chat_pass(x);
    http_exchange_header(x, STR("Cache-Control"), STR("no-store"));
    http_exchange_header(x, STR("X-Content-Type-Options"), STR("nosniff"));
    x->content_type = STR("application/json");
    if (!route)
        return refuse(x, 404, "there is no such endpoint");
    if (!fits_method(route, x->request->method)) {
        http_exchange_header(x, STR("Allow"), route->is_post ? STR("POST") : STR("GET, HEAD"));
        return refuse(x, 405, "it is asked by another method");
    }
    if (auth_admits(x) == 0)
        return 0;
    if (!x->worker->daemon->auth) {
        if (route->serve != auth_state)
            return refuse(x, 404, "the chat is off");
        buffer_append_str(&x->out, STR("{\"enabled\":false}"));
        return 0;
    }
    if (route->is_post && !is_json(x->request))
        return refuse(x, 415, "Content-Type must be application/json");
    return serve(x, route);
}
