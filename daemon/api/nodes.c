/* Methods about what each node has for itself, connections above all: who is asked asks the others
 * to do the same for theirs. */
#include <errno.h>

#include "daemon/api/api.h"
#include "daemon/api/impl.h"
#include "daemon/log.h"
#include "daemon/node/desk.h"

enum part {
    ALONE,  /* the engine has it, or it is this node's business */
    TOLD,   /* the others do it, too; nothing is made of what they answer */
    MERGED, /* the method makes one answer of all */
};

static enum part part_of(enum api_method_id id) {
    switch (id) { /* all others are alone */
    case API_SUBSCRIBE:
    case API_UNSUBSCRIBE:
    case API_DISCONNECT:
    case API_REFRESH:
    case API_MAP_CLEAR:
    case API_SHARED_POLL_PUBLISH:
    case API_BLOCK_USER:
    case API_UNBLOCK_USER:
    case API_REVOKE_TOKEN:
    case API_INVALIDATE_USER_TOKENS:
        return TOLD;
    case API_CHANNELS:
    case API_INFO:
    case API_CONNECTIONS:
        return MERGED;
    default:
        return ALONE;
    }
}

/* ---- asking ---- */

static int complain(struct api_call *c, const struct node_answer *a) {
    struct str name = a->name.len ? a->name : a->id;
    int len = name.len < 64 ? (int) name.len : 64;

    LOG_WARNING(c->worker->daemon->log, "another node did not do its part of a command",
                LOG_TEXT("method", c->method->name), LOG_STR("node", a->name), LOG_STR("id", a->id),
                LOG_INT("result", a->result));
    if (a->result > 0)
        return api_error(c, a->result, "%.*s", (int) (a->body.len < 120 ? a->body.len : 120),
                         (const char *) a->body.data);
    if (a->result == NODE_UNANSWERED)
        return api_error(c, ERROR_INTERNAL, "node %.*s did not answer in time", len, name.data);
    if (a->result == NODE_UNREACHED)
        return api_error(c, ERROR_INTERNAL, "node %.*s could not be asked: see /health", len,
                         name.data);
    if (a->result == NODE_DOES_NOT_KNOW)
        return api_error(c, ERROR_INTERNAL, "node %.*s is of a version that cannot", len,
                         name.data);
    if (a->result == NODE_TOO_LARGE)
        return api_error(c, ERROR_LIMIT_EXCEEDED, "the answer of node %.*s is too large", len,
                         name.data);
    return api_error(c, ERROR_INTERNAL, "node %.*s failed", len, name.data);
}

int api_ask_nodes(struct api_call *c, struct node_answers *ret) {
    *ret = (struct node_answers){ 0 };
    if (c->is_here_only)
        return 0;
    struct bytes params = c->sent.len ? c->sent : str_bytes(STR("{}"));
    int r = node_survey(c->worker,
                        &(struct node_question){ .kind = NODE_ASK_API,
                                                 .name = str_of(c->method->name),
                                                 .body = params },
                        ret);
    return r < 0 ? api_failed(c, r) : 0;
}

int api_check_nodes(struct api_call *c, const struct node_answers *all) {
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].result != NODE_DONE && all->items[i].result != NODE_GONE)
            return complain(c, &all->items[i]);
    return 0;
}

int api_tell_nodes(struct api_call *c) {
    CLEANUP(node_answers_finish) struct node_answers all = { 0 };
    if (part_of(c->method->id) != TOLD)
        return 0;
    int r = api_ask_nodes(c, &all);
    return r ? r : api_check_nodes(c, &all);
}

/* ---- being asked ---- */

static int serve(struct api_call *c, const struct node_message *m) {
    struct json j;
    json_init(&j, m->body.len ? m->body : str_bytes(STR("{}")));
    int r = api_params_decode(c->method, &j, c->arena, c->params, c->why);
    return r ? r : api_runner(c->method->id)(c);
}

int api_serve_node(struct worker *w, const struct node_message *m, struct buffer *out) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    const struct api_method *method = api_method_find(m->name);

    if (!method || part_of(method->id) == ALONE)
        return NODE_DOES_NOT_KNOW;
    CLEANUP(config_unrefp) struct config *config = config_ref(w->config);
    struct api_call *c = arena_alloc(&arena, sizeof *c);
    struct api_params *params = arena_alloc(&arena, sizeof *params);
    if (!c || !params)
        return -ENOMEM;
    *c = (struct api_call){ .worker = w,
                            .config = config,
                            .method = method,
                            .params = params,
                            .arena = &arena,
                            .out = out,
                            .is_here_only = true,
                            .patience_ms = (int64_t) m->within_ms * 2 / 3 };
    int r = serve(c, m);
    if (r > 0) {
        buffer_reset(out);
        buffer_append_str(out, str_of(c->why));
    }
    return r;
}
