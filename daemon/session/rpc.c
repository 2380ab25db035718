/* rpc: procedures of the operator's backend. */
#include <errno.h>

#include "daemon/chat/call.h"
#include "daemon/chat/session.h"
#include "daemon/keys/rate.h"
#include "daemon/log.h"
#include "daemon/session/impl.h"
#include "daemon/session/proxy.h"

static int reply_data(struct session *s, uint32_t id, const struct proxy_result *result) {
    char label[SESSION_LABEL_MAX];

    if (result->data_is_binary && wire_codec(session_format(s))->is_text)
        return session_end(s, DISCONNECT_INAPPROPRIATE_PROTOCOL);
    if (result->data.len > session_reply_max(s)) {
        LOG_WARNING(s->worker->daemon->log, "a backend's result is larger than a client's queue",
                    LOG_STR("client", session_label(s, label)),
                    LOG_UINT("bytes", result->data.len));
        return session_error(s, id, ERROR_LIMIT_EXCEEDED);
    }
    session_reply(s, &(struct reply){ .kind = REPLY_RPC, .id = id, .rpc = { result->data } });
    return 0;
}

int session_rpc(struct session *s, uint32_t id, const struct command_rpc *c) {
    const struct config *config = s->worker->config;

    int code = rate_allow(s, RATE_RPC, NULL);
    if (code)
        return session_error(s, id, (uint32_t) code);
    if (config->rpc_ping_enabled && str_equal(c->method, config->rpc_ping_method)) {
        session_reply(s, &(struct reply){ .kind = REPLY_RPC, .id = id });
        return 0;
    }
    if (chat_serves(s->worker, c->method))
        return chat_session_call(s, id, c->method, c->data);
    const struct config_rpc *rpc = config_rpc_of(config, c->method);
    if (!rpc)
        return session_error(s, id, ERROR_METHOD_NOT_FOUND);
    if (!rpc->proxy)
        return session_error(s, id, ERROR_NOT_AVAILABLE);

    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct proxy_request request = { .kind = PROXY_RPC, .method = c->method, .data = c->data };
    struct proxy_answer answer;
    int r = session_ask_proxy(s, rpc->proxy, &request, &arena, &answer);
    if (r < 0)
        return r == -ENOMEM ? session_failed(s, id, r) : r;
    if (answer.refusal.code)
        return session_refuse(s, id, answer.refusal);
    return reply_data(s, id, &answer.result);
}
