/* block_user, unblock_user, revoke_token, invalidate_user_tokens. */
#include <errno.h>

#include "async/loop.h"
#include "daemon/api/impl.h"
#include "daemon/keys/denial.h"

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
    return answered(c, denial_block_user(c->worker, c->params->user, c->params->expire_at));
}

int api_unblock_user(struct api_call *c) {
    return answered(c, denial_unblock_user(c->worker, c->params->user));
}

int api_revoke_token(struct api_call *c) {
    return answered(c, denial_revoke_token(c->worker, c->params->uid, c->params->expire_at));
}

int api_invalidate_user_tokens(struct api_call *c) {
    const struct api_params *q = c->params;
    if (q->user.len == 0 && q->channel.len == 0)
        return api_error(c, ERROR_BAD_REQUEST, "user or channel is needed");
    return answered(c, denial_invalidate_tokens(c->worker, q->user, q->channel, q->issued_before,
                                                q->expire_at));
}
