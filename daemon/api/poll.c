/* shared_poll_publish: a new value for those who look at a key, before the backend is asked again.
 */
#include <errno.h>

#include "daemon/api/impl.h"
#include "daemon/map/poll.h"

int api_shared_poll_publish(struct api_call *c) {
    const struct api_params *q = c->params;
    const struct namespace *ns = NULL;
    struct bytes data = api_payload(q->data, q->b64data);

    int r = api_namespace(c, q->channel, &ns);
    if (r)
        return r;
    if (ns->type != SUBSCRIPTION_POLL)
        return api_error(c, ERROR_BAD_REQUEST, "channel is not polled");
    if (!ns->poll.publish_enabled || ns->poll.mode != POLL_VERSIONED)
        return api_error(c, ERROR_NOT_AVAILABLE,
                         "the namespace needs shared_poll.publish_enabled and the versioned mode");
    if (!data.data)
        return api_error(c, ERROR_BAD_REQUEST, "data is missing");
    if (q->epoch.len > POLL_EPOCH_MAX)
        return api_error(c, ERROR_BAD_REQUEST, "epoch must be at most %d bytes", POLL_EPOCH_MAX);
    r = poll_publish(c->worker, q->channel, ns,
                     &(struct poll_value){ .key = q->key, .data = data, .version = q->version },
                     q->epoch);
    if (r < 0)
        return api_failed(c, r);
    buffer_append_str(c->out, STR("{}"));
    return 0;
}
