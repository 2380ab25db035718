#include "daemon/api/pipeline.h"

#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/future.h"
#include "async/loop.h"
#include "daemon/keys/rate.h"
#include "daemon/publish.h"
#include "protocol/json.h"

/* Under way at a time, of one request. */
enum { PUBLISHES_MAX = 4096, PUBLISHES_MAX_BYTES = 8 * 1024 * 1024, RUNNING_MAX = 16 };

/* A publish into one channel. */
struct leg {
    struct publish publish;
    struct op *op;
    uint32_t bytes;
    uint32_t error;
    const char *why;
};

/* A command that has not been answered. */
struct op {
    struct link link; /* pipeline.ops */
    struct api_pipeline *of;
    const struct api_method *method;
    size_t left; /* legs that are not done, or 1 for a task */
    uint32_t error;
    const char *why;       /* in the arena, or static; NULL */
    struct api_call *call; /* of a task: in the arena, with its parameters */
    struct buffer text;    /* its result */
    size_t n_legs;
    struct leg legs[];
};

void api_pipeline_init(struct api_pipeline *p, struct worker *w, const struct config *c,
                       struct arena *a, struct buffer *out) {
    *p = (struct api_pipeline){
        .worker = w, .config = c, .arena = a, .out = out, .call = { .worker = w }
    };
    group_init(&p->tasks);
    list_init(&p->ops);
}

/* ---- answers ---- */

static struct str message_of(uint32_t code) {
    switch (code) { /* two have other words here than in the clients' protocol */
    case ERROR_METHOD_NOT_FOUND:
        return STR("not found");
    case ERROR_CONCURRENT_PAGINATION:
        return STR("conflict");
    default:
        return error_message(code);
    }
}

void api_write_error(struct buffer *out, uint32_t code, const char *why) {
    char text[API_WHY_MAX + 48];
    struct str message = message_of(code);
    size_t len = message.len < 40 ? message.len : 40;

    memcpy(text, message.data, len);
    if (why && why[0]) {
        size_t more = strnlen(why, API_WHY_MAX);
        memcpy(text + len, ": ", 2);
        memcpy(text + len + 2, why, more);
        len += 2 + more;
    }
    buffer_append_str(out, STR("{\"code\":"));
    buffer_append_uint(out, code);
    buffer_append_str(out, STR(",\"message\":"));
    json_append_string(out, (struct str){ text, len });
    buffer_append_byte(out, '}');
}

static void begin_answer(struct api_pipeline *p) {
    if (p->answered++ > 0)
        buffer_append_byte(p->out, p->form == FORM_LINES ? '\n' : ',');
    buffer_append_byte(p->out, '{');
}

static void begin_result(struct api_pipeline *p, const struct api_method *m) {
    begin_answer(p);
    json_append_string(p->out, p->form == FORM_BATCH ? str_of(m->name) : STR("result"));
    buffer_append_byte(p->out, ':');
    p->last_error = 0;
}

static void answer_error(struct api_pipeline *p, uint32_t code, const char *why) {
    begin_answer(p);
    buffer_append_str(p->out, STR("\"error\":"));
    api_write_error(p->out, code, why);
    buffer_append_byte(p->out, '}');
    p->last_error = code;
    metrics_count_api_error(&p->worker->metrics, code);
}

static const char *suppression(enum map_suppression why) {
    switch (why) {
    case MAP_SUPPRESSED_IDEMPOTENCY:
        return "idempotency";
    case MAP_SUPPRESSED_VERSION:
        return "version";
    case MAP_SUPPRESSED_KEY_EXISTS:
        return "key_exists";
    case MAP_SUPPRESSED_KEY_NOT_FOUND:
        return "key_not_found";
    case MAP_SUPPRESSED_POSITION:
        return "position_mismatch";
    case MAP_NOT_SUPPRESSED:
    default:
        return NULL;
    }
}

static void write_position(struct buffer *out, const struct publish_request *r) {
    const char *why = suppression(r->suppression);

    buffer_append_byte(out, '{');
    if (r->position.offset) {
        buffer_append_str(out, STR("\"offset\":"));
        buffer_append_uint(out, r->position.offset);
        buffer_append_str(out, STR(",\"epoch\":"));
        json_append_string(out, str_of(r->position.epoch));
    }
    if (why)
        buffer_printf(out, "%s\"suppressed\":true,\"suppress_reason\":\"%s\"",
                      r->position.offset ? "," : "", why);
    buffer_append_byte(out, '}');
}

static void write_legs(struct buffer *out, const struct op *op) {
    buffer_append_str(out, STR("{\"responses\":["));
    for (size_t i = 0; i < op->n_legs; i++) {
        const struct leg *leg = &op->legs[i];
        buffer_append_str(out, leg->error ? STR("{\"error\":") : STR("{\"result\":"));
        if (leg->error)
            api_write_error(out, leg->error, leg->why);
        else
            write_position(out, &leg->publish.request);
        buffer_append_str(out, i + 1 < op->n_legs ? STR("},") : STR("}"));
    }
    buffer_append_str(out, STR("]}"));
}

static void answer(struct api_pipeline *p, const struct op *op) {
    uint32_t error = op->error;
    const char *why = op->why;
    bool is_broadcast = op->method && op->method->id == API_BROADCAST;

    if (!error && op->n_legs == 1 && !is_broadcast) {
        error = op->legs[0].error;
        why = op->legs[0].why;
    }
    if (error) {
        answer_error(p, error, why);
        return;
    }
    begin_result(p, op->method);
    if (is_broadcast)
        write_legs(p->out, op);
    else if (op->n_legs)
        write_position(p->out, &op->legs[0].publish.request);
    else
        buffer_append_bytes(p->out, buffer_bytes(&op->text));
    buffer_append_byte(p->out, '}');
}

static void op_free(struct op *op) {
    buffer_finish(&op->text);
    free(op);
}

/* Answers those at the front that are done, and lets in who waits for room. */
static void complete(struct api_pipeline *p) {
    struct link *k;
    while ((k = list_first(&p->ops))) {
        struct op *op = CONTAINER_OF(k, struct op, link);
        if (op->left > 0)
            break;
        list_remove(k);
        answer(p, op);
        op_free(op);
    }
    if (p->room)
        future_resolve(p->room, 0);
}

static struct op *op_new(struct api_pipeline *p, const struct api_method *m, size_t n_legs) {
    struct op *op = calloc(1, sizeof *op + n_legs * sizeof op->legs[0]);
    if (!op)
        return NULL;
    op->of = p;
    op->method = m;
    op->n_legs = n_legs;
    list_append(&p->ops, &op->link);
    return op;
}

static const char *kept_text(struct api_pipeline *p, const char *text) {
    size_t len = strlen(text) + 1;
    char *copy = len > 1 ? arena_alloc(p->arena, len) : NULL;
    return copy ? memcpy(copy, text, len) : NULL;
}

int api_pipeline_refuse(struct api_pipeline *p, uint32_t code, const char *why) {
    if (list_is_empty(&p->ops)) {
        answer_error(p, code, why);
        return 0;
    }
    struct op *op = op_new(p, NULL, 0);
    if (!op)
        return -ENOMEM;
    op->error = code;
    op->why = kept_text(p, why ? why : "");
    return 0;
}

/* ---- waiting ---- */

static bool is_full(const struct api_pipeline *p) {
    return p->publishing >= PUBLISHES_MAX || p->publishing_bytes >= PUBLISHES_MAX_BYTES ||
           p->running >= RUNNING_MAX;
}

static bool is_busy(const struct api_pipeline *p) {
    return !list_is_empty(&p->ops);
}

static int wait_while(struct api_pipeline *p, bool (*so)(const struct api_pipeline *p)) {
    int r = 0;
    while (r == 0 && so(p)) {
        struct future room;
        future_init(&room);
        p->room = &room;
        r = future_wait(&room);
        p->room = NULL;
    }
    return r;
}

int api_pipeline_wait(struct api_pipeline *p) {
    return wait_while(p, is_busy);
}

void api_pipeline_finish(struct api_pipeline *p) {
    group_finish(&p->tasks);
    SHIELD(INT64_MAX / 2); /* storage holds what it was given until it says so */
    int r = wait_while(p, is_busy);
    (void) r;
}

/* ---- publishing ---- */

static void leg_ended(struct leg *leg) {
    struct api_pipeline *p = leg->op->of;
    p->publishing--;
    p->publishing_bytes -= leg->bytes;
    if (--leg->op->left == 0)
        complete(p);
    else if (p->room)
        future_resolve(p->room, 0);
}

static void published(struct publish *publish) {
    struct leg *leg = CONTAINER_OF(publish, struct leg, publish);
    const struct publish_request *r = &publish->request;
    leg->error = r->result == -EDQUOT ? ERROR_LIMIT_EXCEEDED : r->result < 0 ? ERROR_INTERNAL : 0;
    leg_ended(leg);
}

static int refuse_leg(struct leg *leg, uint32_t error, const char *why) {
    leg->error = error;
    leg->why = why;
    return -EPERM;
}

/* May it go there? 0, or refuse_leg(). */
static int judge(struct leg *leg, const struct api_call *c, struct str channel,
                 const struct publication_parts *parts, const struct namespace **ret) {
    bool wants_map = c->method->id == API_MAP_PUBLISH || c->method->id == API_MAP_REMOVE;

    if (channel.len == 0)
        return refuse_leg(leg, ERROR_BAD_REQUEST, "channel must not be empty");
    if (channel.len > c->config->channel_max_length) {
        metrics_count(&c->worker->metrics, COUNT_CHANNEL_LENGTH);
        return refuse_leg(leg, ERROR_BAD_REQUEST, "channel is too long");
    }
    const struct namespace *ns = *ret = config_namespace_of(c->config, channel);
    if (!ns)
        return refuse_leg(leg, ERROR_UNKNOWN_CHANNEL, NULL);
    if (wants_map != namespace_is_map(ns))
        return refuse_leg(leg, ERROR_BAD_REQUEST,
                          wants_map ? "channel is no map" : "channel is a map: see map_publish");
    if (ns->type == SUBSCRIPTION_POLL)
        return refuse_leg(leg, ERROR_BAD_REQUEST, "channel is polled: see shared_poll_publish");
    if (!parts->is_removed && !publish_accepts(ns, parts->data))
        return refuse_leg(leg, ERROR_BAD_REQUEST,
                          "data is not what the namespace's publication_data_format asks for");
    return 0;
}

static int start_leg(struct leg *leg, const struct api_call *c, struct str channel,
                     struct publication_parts *parts, struct publish_terms *terms) {
    const struct namespace *ns = NULL;
    int r = judge(leg, c, channel, parts, &ns);
    if (r < 0) {
        publication_unref(terms->map.stream);
        return r;
    }
    parts->channel = channel;
    parts->wants_delta = c->params->delta || ns->delta_publish;
    if (terms->map.is_map)
        publish_map_terms(ns, terms);
    leg->publish.done = published;
    r = publish_start_on(&leg->publish, c->worker, ns, parts, terms);
    return r < 0 ? refuse_leg(leg, ERROR_INTERNAL, NULL) : 0;
}

/* What goes to the stream in place of the value. */
static int add_stream_data(const struct api_call *c, const struct publication_parts *parts,
                           struct publish_terms *terms) {
    struct bytes data = api_payload(c->params->stream_data, c->params->b64stream_data);
    if (!data.data)
        return 0;
    struct publication_parts other = *parts;
    other.channel = c->params->channel;
    other.data = data;
    terms->map.stream = publication_new(&other);
    return terms->map.stream ? 0 : -ENOMEM;
}

static void terms_of(const struct api_call *c, struct publication_parts *parts,
                     struct publish_terms *terms) {
    const struct api_params *q = c->params;

    *parts = (struct publication_parts){ .kind = PUBLICATION_DATA,
                                         .data = api_payload(q->data, q->b64data),
                                         .tags = q->tags.items,
                                         .n_tags = q->tags.n,
                                         .is_removed = c->method->id == API_MAP_REMOVE,
                                         .key = q->key,
                                         .score = q->score,
                                         .version = q->version };
    *terms = (struct publish_terms){ .skips_history = q->skip_history,
                                     .idempotency_key = q->idempotency_key,
                                     .version = q->version,
                                     .version_epoch = q->version_epoch };
    terms->map.is_map = c->method->id == API_MAP_PUBLISH || c->method->id == API_MAP_REMOVE;
    terms->map.key_mode = (enum map_key_mode) q->key_mode;
}

static int start_publish(struct api_pipeline *p) {
    const struct api_call *c = &p->call;
    const struct api_params *q = c->params;
    bool is_broadcast = c->method->id == API_BROADCAST;
    size_t n = is_broadcast ? q->channels.n : 1;
    struct publication_parts parts;
    struct publish_terms terms;

    terms_of(c, &parts, &terms);
    if (!parts.data.data && !parts.is_removed)
        return api_pipeline_refuse(p, ERROR_BAD_REQUEST, "data is missing");
    struct op *op = op_new(p, c->method, n);
    if (!op)
        return -ENOMEM;
    op->left = n + 1; /* one is ours: it is not answered before all were started */
    int r = 0;
    for (size_t i = 0; i < n; i++) {
        struct leg *leg = &op->legs[i];
        struct str channel = is_broadcast ? q->channels.items[i] : q->channel;
        leg->op = op;
        if (r == 0)
            r = wait_while(p, is_full);
        leg->bytes = (uint32_t) parts.data.len;
        p->publishing++;
        p->publishing_bytes += leg->bytes;
        if (r == 0 && terms.map.is_map)
            r = add_stream_data(c, &parts, &terms);
        if (r < 0 || start_leg(leg, c, channel, &parts, &terms) < 0)
            leg_ended(leg);
    }
    if (--op->left == 0)
        complete(p);
    return r;
}

/* ---- other commands ---- */

/* 0, or the answer's error: what the method says, put into words for an answer. < 0: the request
 * ends. */
static int run(struct api_call *c) {
    size_t before = c->out->len;
    int r = api_runner(c->method->id)(c);
    if (r == 0)
        r = api_tell_nodes(c);
    if (r < 0 && r != -ECANCELED && r != -ENOMEM)
        r = ERROR_INTERNAL;
    if (r != 0)
        c->out->len = before;
    return r;
}

static int run_as_task(void *arg) {
    struct op *op = arg;
    struct api_pipeline *p = op->of;
    int r = run(op->call);
    if (r < 0)
        r = ERROR_INTERNAL; /* of a request that ends nothing is answered anyway */
    op->error = (uint32_t) r;
    op->why = kept_text(p, op->call->why);
    op->left = 0;
    p->running--;
    complete(p);
    return 0;
}

static int start_task(struct api_pipeline *p) {
    int r = wait_while(p, is_full);
    if (r < 0)
        return r;
    struct op *op = op_new(p, p->call.method, 0);
    if (!op)
        return -ENOMEM;
    struct api_call *call = arena_alloc(p->arena, sizeof *call);
    struct api_params *params = arena_alloc(p->arena, sizeof *params);
    if (call && params) {
        *call = p->call;
        *params = p->params;
        call->params = params;
        call->out = &op->text;
        op->call = call;
        op->left = 1;
        r = group_spawn(&p->tasks, "api command", run_as_task, op);
    } else {
        r = -ENOMEM;
    }
    if (r < 0) {
        list_remove(&op->link);
        op_free(op);
        return r;
    }
    p->running++;
    return 0;
}

static int run_here(struct api_pipeline *p) {
    int r = api_pipeline_wait(p);
    if (r < 0)
        return r;
    size_t before = p->out->len;
    int64_t started_us = loop_now_us();
    begin_result(p, p->call.method);
    p->call.out = p->out;
    r = run(&p->call);
    metrics_observe(&p->worker->metrics, TIME_API, (uint64_t) (loop_now_us() - started_us));
    if (r == 0) {
        buffer_append_byte(p->out, '}');
        return 0;
    }
    p->out->len = before;
    p->answered--;
    if (r < 0)
        return r;
    answer_error(p, (uint32_t) r, p->call.why);
    return 0;
}

static bool is_publishing(enum api_method_id id) {
    return id == API_PUBLISH || id == API_BROADCAST || id == API_MAP_PUBLISH ||
           id == API_MAP_REMOVE;
}

static uint32_t cost_of(const struct api_call *c) {
    return c->method->id == API_BROADCAST ? (uint32_t) c->params->channels.n : 1;
}

int api_pipeline_take(struct api_pipeline *p, const struct api_method *m, struct bytes params) {
    struct json j;

    json_init(&j, params.len ? params : str_bytes(STR("{}")));
    p->call = (struct api_call){ .worker = p->worker,
                                 .config = p->config,
                                 .method = m,
                                 .params = &p->params,
                                 .arena = p->arena,
                                 .sent = params };
    metrics_count_api(&p->worker->metrics, m->id);
    int r = api_params_decode(m, &j, p->arena, &p->params, p->call.why);
    if (r < 0)
        return r;
    if (r > 0)
        return api_pipeline_refuse(p, (uint32_t) r, p->call.why);
    if (p->limit && !rate_allow_api(p->worker, p->key, p->limit, cost_of(&p->call), &p->retry_ms))
        return api_pipeline_refuse(p, ERROR_TOO_MANY_REQUESTS, NULL);
    if (is_publishing(m->id))
        return start_publish(p);
    if (p->is_parallel)
        return start_task(p);
    return run_here(p);
}
