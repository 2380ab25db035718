/* block_user, unblock_user, revoke_token, invalidate_user_tokens. */
#include <errno.h>
#include <string.h>

#include "async/loop.h"
#include "daemon/api/impl.h"
#include "daemon/keys/denial.h"
#include "protocol/json.h"

static int answered(struct api_call *c, int r) {
    switch (r) {
    case 0:
        buffer_append_str(c->out, STR("{}"));
        return 0;
    case -EINVAL:
        return api_error(c, ERROR_BAD_REQUEST, "expire_at has passed");
    case -EMSGSIZE:
        return api_error(c, ERROR_BAD_REQUEST, "a name is too long");
    case -ENOSPC:
        return api_error(c, ERROR_LIMIT_EXCEEDED, "too many are denied already");
    default:
        return api_failed(c, r);
    }
}

int api_block_user(struct api_call *c) {
    return answered(c, denial_block_user(c->worker, c->params->user, c->params->expire_at,
                                         c->is_here_only));
}

int api_unblock_user(struct api_call *c) {
    return answered(c, denial_unblock_user(c->worker, c->params->user, c->is_here_only));
}

int api_revoke_token(struct api_call *c) {
    return answered(c, denial_revoke_token(c->worker, c->params->uid, c->params->expire_at,
                                           c->is_here_only));
}

/* For the other nodes the time is said: their clocks are others. */
static int say_when(struct api_call *c, int64_t before_s) {
    const struct api_params *q = c->params;
    struct buffer text CLEANUP(buffer_finish) = BUFFER_INIT;

    buffer_append_str(&text, STR("{\"user\":"));
    json_append_string(&text, q->user);
    buffer_append_str(&text, STR(",\"channel\":"));
    json_append_string(&text, q->channel);
    buffer_printf(&text, ",\"issued_before\":%lld,\"expire_at\":%lld}", (long long) before_s,
                  (long long) q->expire_at);
    uint8_t *sent = buffer_error(&text) == 0 ? arena_alloc(c->arena, text.len) : NULL;
    if (!sent)
        return -ENOMEM;
    memcpy(sent, text.data, text.len);
    c->sent = bytes_of(sent, text.len);
    return 0;
}

int api_invalidate_user_tokens(struct api_call *c) {
    const struct api_params *q = c->params;
    int64_t before_s = q->issued_before > 0 ? q->issued_before : loop_wall_ms() / 1000;
    if (q->user.len == 0 && q->channel.len == 0)
        return api_error(c, ERROR_BAD_REQUEST, "user or channel is needed");
    int r = c->is_here_only ? 0 : say_when(c, before_s);
    if (r == 0)
        r = denial_invalidate_tokens(c->worker, q->user, q->channel, before_s, q->expire_at,
                                     c->is_here_only);
    return answered(c, r);
}
