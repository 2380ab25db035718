#include "daemon/backend/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/http_client.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/transport/forwarded.h"
#include "daemon/worker.h"
#include "protocol/url_label.h"

static const enum metrics_proxy ASKED[PROXY_KINDS] = {
    [PROXY_CONNECT] = ASKED_CONNECT,
    [PROXY_REFRESH] = ASKED_REFRESH,
    [PROXY_SUBSCRIBE] = ASKED_SUBSCRIBE,
    [PROXY_PUBLISH] = ASKED_PUBLISH,
    [PROXY_RPC] = ASKED_RPC,
    [PROXY_SUB_REFRESH] = ASKED_SUB_REFRESH,
    [PROXY_MAP_PUBLISH] = ASKED_MAP_PUBLISH,
    [PROXY_MAP_REMOVE] = ASKED_MAP_REMOVE,
    [PROXY_POLL] = ASKED_POLL,
};

/* One proxy of the configuration: how many ask it at a time. */
struct gate {
    const struct config_proxy *proxy;
    struct http_limit limit;
};

/* Of one worker and configuration. Calls under way hold it, over a reload. */
struct proxies {
    unsigned refs; /* of one loop */
    struct config *config;
    size_t n;
    struct gate gates[];
};

/* ---- life ---- */

enum { STANDARD_PROXIES = 9 };

int proxies_new(const struct worker *w, struct config *c, struct proxies **ret) {
    const struct config_proxy *standard[STANDARD_PROXIES] = {
        &c->client.connect_proxy,
        &c->client.refresh_proxy,
        &c->rpc_proxy,
        &c->channel_proxies.subscribe,
        &c->channel_proxies.publish,
        &c->channel_proxies.sub_refresh,
        &c->channel_proxies.map_publish,
        &c->channel_proxies.map_remove,
        &c->channel_proxies.poll,
    };
    size_t n = STANDARD_PROXIES + c->n_proxies;
    struct proxies *p = calloc(1, sizeof *p + n * sizeof *p->gates);
    if (!p)
        return -ENOMEM;
    p->refs = 1;
    p->config = config_ref(c);
    for (size_t i = 0; i < n; i++) {
        const struct config_proxy *proxy =
                i < STANDARD_PROXIES ? standard[i] : &c->proxies[i - STANDARD_PROXIES];
        if (proxy->endpoint.len == 0)
            continue;
        struct gate *g = &p->gates[p->n++];
        g->proxy = proxy;
        http_limit_init(&g->limit, worker_share(w, proxy->concurrency), PROXY_WAITING_MAX);
    }
    *ret = p;
    return 0;
}

struct proxies *proxies_unref(struct proxies *p) {
    if (p && --p->refs == 0) {
        config_unref(p->config);
        free(p);
    }
    return NULL;
}

static void proxies_unrefp(struct proxies **p) {
    *p = proxies_unref(*p);
}

static struct gate *gate_of(struct proxies *p, const struct config_proxy *proxy) {
    for (size_t i = 0; p && i < p->n; i++)
        if (p->gates[i].proxy == proxy)
            return &p->gates[i];
    return NULL;
}

void proxies_count(const struct proxies *p, size_t *ret_running, size_t *ret_waiting) {
    *ret_running = *ret_waiting = 0;
    for (size_t i = 0; p && i < p->n; i++) {
        *ret_running += http_limit_running(&p->gates[i].limit);
        *ret_waiting += p->gates[i].limit.waiting;
    }
}

/* ---- what goes wrong ---- */

/* On the heap with all that a call needs: tasks' stacks are small. */
struct asking {
    struct worker *worker;
    const struct config_proxy *to;
    const struct proxy_request *request;
    struct http_result http;
    char why[PROXY_WHY_MAX];
};

static void asking_freep(struct asking **a) {
    if (*a)
        http_result_finish(&(*a)->http);
    free(*a);
}

/* Whose answer it would have been stays out of the reply. */
static int failed(const struct asking *a, const char *what, const char *why, int error,
                  struct proxy_answer *ret) {
    struct worker *w = a->worker;
    char label[URL_LABEL_MAX];

    metrics_count_proxy(&w->metrics, ASKED[a->request->kind], true);
    LOG_WARNING(w->daemon->log, "a proxy's backend gave no usable answer",
                LOG_STR("proxy", proxy_kind_name(a->request->kind)),
                LOG_STR("endpoint", url_label(a->to->endpoint, label)),
                LOG_STR("client", a->request->client), LOG_STR("channel", a->request->channel),
                LOG_TEXT("what", what), LOG_TEXT("why", why), LOG_RESULT(error));
    *ret = (struct proxy_answer){ .refusal = refusal_of(ERROR_INTERNAL), .has_failed = true };
    return 0;
}

static int no_answer(const struct asking *a, int error, struct proxy_answer *ret) {
    struct metrics *m = &a->worker->metrics;

    if (error == -ETIMEDOUT)
        metrics_count(m, COUNT_PROXY_TIMEOUTS);
    else if (error == -ENOBUFS)
        metrics_count(m, COUNT_PROXY_WAITING_LIMIT);
    else if (error == -EMSGSIZE)
        metrics_count(m, COUNT_PROXY_RESPONSE_LIMIT);
    return failed(a, "no answer", a->http.why, error, ret);
}

/* Another status than 200: the configuration may say what it means. The text is copied: a reload
 * may take the configuration away before the client has its answer. */
static int other_status(const struct asking *a, struct arena *arena, struct proxy_answer *ret) {
    const struct config_transforms *t = &a->to->status_codes;
    char why[32];

    for (size_t i = 0; i < t->n; i++) {
        const struct config_transform *to = &t->items[i];
        if (to->from != (uint32_t) a->http.status)
            continue;
        char *text = to->text.len ? arena_alloc(arena, to->text.len) : NULL;
        if (to->text.len && !text)
            return -ENOMEM;
        if (text)
            memcpy(text, to->text.data, to->text.len);
        *ret = (struct proxy_answer){ .refusal = { .code = to->code,
                                                   .is_disconnect = to->is_disconnect,
                                                   .is_temporary = to->is_temporary,
                                                   .text = { text, to->text.len } } };
        return 0;
    }
    (void) snprintf(why, sizeof why, "HTTP status %d", a->http.status);
    return failed(a, "refused", why, 0, ret);
}

/* What the answer's spans point to lives as long as the arena. */
static int take_answer(struct asking *a, struct arena *arena, struct proxy_answer *ret) {
    if (a->http.status != 200)
        return other_status(a, arena, ret);

    uint8_t *body = arena_alloc(arena, a->http.body_len + 1);
    if (!body)
        return -ENOMEM;
    if (a->http.body_len)
        memcpy(body, a->http.body, a->http.body_len);
    int r = proxy_answer_read(bytes_of(body, a->http.body_len), arena, ret, a->why);
    return r == -EBADMSG ? failed(a, "bad answer", a->why, 0, ret) : r;
}

/* ---- asking ---- */

static SUSPENDS int ask_over_http(struct asking *a, struct gate *gate, struct bytes body,
                                  const struct forwarded *headers, struct arena *arena) {
    struct worker *w = a->worker;
    struct http_client *client;
    struct http_field *fields;
    size_t n_fields;
    char *why = NULL;

    int r = forwarded_fields(headers, a->to, arena, &fields, &n_fields);
    if (r < 0)
        return r;
    r = outbound_client(&w->outbound, a->to->ca_file, a->to->insecure_skip_verify, &client, &why);
    if (r < 0) {
        (void) snprintf(a->http.why, sizeof a->http.why, "%.*s", HTTP_WHY_MAX - 1, why ? why : "");
        free(why);
        return r;
    }
    const struct http_call call = {
        .url = a->to->endpoint.data,
        .fields = fields,
        .n_fields = n_fields,
        .body = body.data,
        .body_len = body.len,
        .timeout_ms = a->to->timeout_ms,
        .response_max = PROXY_RESPONSE_MAX,
        .limit = &gate->limit,
    };
    int64_t started_us = loop_now_us();
    r = http_client_call(client, &call, &a->http);
    metrics_observe(&w->metrics, TIME_PROXY, (uint64_t) (loop_now_us() - started_us));
    return r;
}

/* Was it a scope of the caller's that ended the wait, rather than the proxy's own time? */
static bool is_callers_end(int r) {
    return r == -ECANCELED || (r == -ETIMEDOUT && task_yield() == -ETIMEDOUT);
}

int proxy_ask(struct worker *w, const struct config_proxy *to, const struct proxy_request *request,
              const struct forwarded *headers, struct arena *arena, struct proxy_answer *ret) {
    CLEANUP(proxies_unrefp) struct proxies *proxies = w->proxies;
    struct gate *gate = gate_of(proxies, to);
    if (proxies)
        proxies->refs++;

    CLEANUP(asking_freep) struct asking *a = calloc(1, sizeof *a);
    CLEANUP(buffer_finish) struct buffer body = BUFFER_INIT;
    if (!a)
        return -ENOMEM;
    struct proxy_request r = *request;
    r.is_binary = to->binary_encoding;
    if (!to->include_connection_meta)
        r.meta = (struct bytes){ 0 };
    *a = (struct asking){ .worker = w, .to = to, .request = &r };

    metrics_count_proxy(&w->metrics, ASKED[r.kind], false);
    if (!gate)
        return failed(a, "no such proxy", "", 0, ret);
    if (proxy_request_write(&r, &body) < 0) {
        /* A Protobuf client's, which may send anything. */
        *ret = (struct proxy_answer){ .refusal = refusal_of(ERROR_BAD_REQUEST) };
        return 0;
    }
    if (buffer_error(&body) < 0)
        return buffer_error(&body);

    int result = ask_over_http(a, gate, buffer_bytes(&body), headers, arena);
    if (result == -ENOMEM || is_callers_end(result))
        return result;
    return result < 0 ? no_answer(a, result, ret) : take_answer(a, arena, ret);
}
