#include "async/http_client.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "async/deadline.h"
#include "async/http_curl.h"
#include "async/loop.h"
#include "async/task.h"

enum { RUNNING_DEFAULT = 64, WAITING_DEFAULT = 256, METHOD_MAX = 16 };

struct http_client {
    struct http_limit limit;
    struct http_curl *curl; /* NULL: simulated, or respond() answers */
    SUSPENDS int (*respond)(void *arg, const struct http_call *call, struct http_result *ret);
    void *respond_arg;
};

/* ---- limits ---- */

void http_limit_init(struct http_limit *l, size_t running_max, size_t waiting_max) {
    memset(l, 0, sizeof *l);
    l->running_max = running_max;
    l->waiting_max = waiting_max;
    semaphore_init(&l->running, running_max);
}

size_t http_limit_running(const struct http_limit *l) {
    return l->running_max - semaphore_free(&l->running);
}

/* 0: one of those that run; to be released. */
static SUSPENDS int limit_enter(struct http_limit *l, struct http_result *ret) {
    l->calls++;
    if (semaphore_try_acquire(&l->running))
        return 0;
    if (l->waiting >= l->waiting_max) {
        l->refused++;
        (void) snprintf(ret->why, sizeof ret->why, "%zu calls run and %zu wait already",
                        l->running_max, l->waiting);
        return -ENOBUFS;
    }
    l->waiting++;
    int r = semaphore_acquire(&l->running);
    l->waiting--;
    return r;
}

/* ---- results ---- */

void http_result_finish(struct http_result *r) {
    free(TAKE(r->body));
    free(TAKE(r->head));
}

static void trim(const char **from, const char **to) {
    while (*from < *to && (**from == ' ' || **from == '\t'))
        (*from)++;
    while (*to > *from && isspace((unsigned char) (*to)[-1]))
        (*to)--;
}

bool http_result_field(const struct http_result *r, const char *name, char *buf, size_t cap) {
    size_t name_len = strlen(name);

    for (const char *line = r->head; line && *line;) {
        const char *end = strchr(line, '\n');
        const char *to = end ? end : line + strlen(line);
        if ((size_t) (to - line) > name_len && line[name_len] == ':' &&
            strncasecmp(line, name, name_len) == 0) {
            const char *from = line + name_len + 1;
            trim(&from, &to);
            (void) snprintf(buf, cap, "%.*s", (int) (to - from), from);
            return true;
        }
        line = end ? end + 1 : NULL;
    }
    return false;
}

/* ---- a call ---- */

static int unusable(struct http_result *ret, const char *what) {
    (void) snprintf(ret->why, sizeof ret->why, "%s", what);
    return -EINVAL;
}

static bool is_text(const char *s) {
    for (; *s; s++)
        if (((unsigned char) *s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

/* RFC 9110 §5.6.2 */
static bool is_token(const char *s) {
    if (!*s)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char) *s) && !strchr("!#$%&'*+-.^_`|~", *s))
            return false;
    return true;
}

static bool is_url(const char *url) {
    bool is_http = strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
    return is_http && strnlen(url, HTTP_URL_MAX) < HTTP_URL_MAX && is_text(url) &&
           !strchr(url, ' ');
}

static int check(const struct http_call *call, struct http_result *ret) {
    if (!call->url || !is_url(call->url))
        return unusable(ret, "the URL is not one of http:// or https://");
    if (call->method && (!is_token(call->method) || strlen(call->method) > METHOD_MAX))
        return unusable(ret, "the method is none");
    if (call->n_fields > HTTP_FIELDS_MAX)
        return unusable(ret, "too many header fields");
    for (size_t i = 0; i < call->n_fields; i++) {
        if (!is_token(call->fields[i].name))
            return unusable(ret, "a header field's name is no token");
        if (!is_text(call->fields[i].value))
            return unusable(ret, "a header field's value has control characters");
    }
    return 0;
}

static SUSPENDS int answer(struct http_client *c, const struct http_call *call,
                           struct http_result *ret) {
    if (c->curl)
        return http_curl_call(c->curl, call, ret);
    if (!c->respond) {
        (void) snprintf(ret->why, sizeof ret->why, "a simulated loop has no network");
        return -ENETUNREACH;
    }
    int r = c->respond(c->respond_arg, call, ret);
    size_t max = call->response_max ? call->response_max : HTTP_RESPONSE_MAX;
    if (r == 0 && ret->body_len > max) {
        (void) snprintf(ret->why, sizeof ret->why, "the answer's body is larger than %zu bytes",
                        max);
        r = -EMSGSIZE;
    }
    if (r < 0)
        http_result_finish(ret);
    return r;
}

int http_client_call(struct http_client *c, const struct http_call *call, struct http_result *ret) {
    struct http_limit *limit = call->limit ? call->limit : &c->limit;

    *ret = (struct http_result){ 0 };
    int r = check(call, ret);
    if (r < 0)
        return r;

    DEADLINE(patience, call->timeout_ms > 0 ? call->timeout_ms : HTTP_TIMEOUT_MS);
    r = limit_enter(limit, ret);
    if (r == 0) {
        r = answer(c, call, ret);
        semaphore_release(&limit->running);
    } else if (r == -ENOBUFS) {
        return r;
    }
    if (r == -ETIMEDOUT) {
        limit->timed_out++;
        if (!ret->why[0])
            (void) snprintf(ret->why, sizeof ret->why, "no answer in time");
    } else if (r == -EMSGSIZE) {
        limit->too_large++;
    }
    if (r < 0 && r != -ECANCELED)
        limit->failed++;
    return r;
}

/* ---- life ---- */

int http_client_open(const struct http_client_options *o, struct http_client **ret) {
    struct http_client *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    if (o) {
        c->respond = o->respond;
        c->respond_arg = o->respond_arg;
    }
    http_limit_init(&c->limit, o && o->running_max ? o->running_max : RUNNING_DEFAULT,
                    o && o->waiting_max ? o->waiting_max : WAITING_DEFAULT);
    if (!c->respond && !loop_is_simulated(loop_current())) {
        int r = http_curl_open(o, &c->curl);
        if (r < 0) {
            free(c);
            return r;
        }
    }
    *ret = c;
    return 0;
}

struct http_client *http_client_close(struct http_client *c) {
    if (!c)
        return NULL;
    c->curl = http_curl_close(c->curl);
    free(c);
    return NULL;
}

struct http_limit *http_client_limit(struct http_client *c) {
    return &c->limit;
}
