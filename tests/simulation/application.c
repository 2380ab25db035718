/* What the application has the daemon do to its clients, as the server API would. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/client.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/worker_thread.h"
#include "tests/simulation/scene.h"

struct deed {
    struct session_errand errand;
    struct server_sub sub;
    char channel[16];
    char epoch[EPOCH_SIZE];
};

static struct session *session_of(struct peer *p, struct client *c) {
    const struct scene_node *n = p->node;
    struct daemon *d = n ? n->daemon : NULL;
    for (size_t i = 0; d && n->is_up && i < d->n_workers; i++) {
        struct session *s = hub_find_client(&d->threads[i].worker, client_result(c)->client);
        if (s)
            return s;
    }
    return NULL;
}

static void subscribe(struct session *s, struct session_errand *e) {
    struct deed *d = CONTAINER_OF(e, struct deed, errand);
    /* An application that cannot subscribe its client has it come again. */
    if (session_subscribe_server(s, &d->sub) != 0)
        session_disconnect(s, DISCONNECT_FORCE_RECONNECT);
    free(d);
}

static void unsubscribe(struct session *s, struct session_errand *e) {
    struct deed *d = CONTAINER_OF(e, struct deed, errand);
    session_unsubscribe_server(s, str_of(d->channel), UNSUBSCRIBE_SERVER, (struct str){ 0 });
    free(d);
}

static void drop(struct session_errand *e) {
    free(CONTAINER_OF(e, struct deed, errand));
}

static bool post(struct peer *p, struct client *c,
                 void (*run)(struct session *s, struct session_errand *e)) {
    struct session *s = session_of(p, c);
    struct deed *d = s ? calloc(1, sizeof *d) : NULL;

    if (!d)
        return false;
    scene_channel_name(p->scene, p->channel, d->channel);
    memcpy(d->epoch, p->epoch, sizeof d->epoch);
    d->errand = (struct session_errand){ .run = run, .drop = drop };
    d->sub = (struct server_sub){ .channel = str_of(d->channel),
                                  .source = SERVER_SUB_API,
                                  .has_since = p->has_position,
                                  .since_offset = p->offset,
                                  .since_epoch = str_of(d->epoch) };
    return session_post(s, &d->errand) == 0;
}

bool application_subscribes(struct peer *p, struct client *c) {
    return post(p, c, subscribe);
}

bool application_unsubscribes(struct peer *p, struct client *c) {
    return post(p, c, unsubscribe);
}
