#include "daemon/session/single.h"

#include <errno.h>
#include <stdatomic.h>

#include "async/loop.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/node/desk.h"
#include "daemon/session/hub.h"
#include "daemon/session/impl.h"
#include "daemon/survey.h"
#include "daemon/worker.h"

enum { TAG_BITS = 16 }; /* below the time: keeps apart what two nodes number in one millisecond */

static uint64_t tag_of(const struct daemon *d) {
    uint64_t tag = 0;
    for (size_t i = 0; i < TAG_BITS / 4; i++)
        tag = tag << 4 | (d->node_id[i] <= '9' ? d->node_id[i] - '0' : d->node_id[i] - 'a' + 10);
    return tag;
}

static uint64_t next_number(struct daemon *d) {
    uint64_t now = (uint64_t) loop_wall_ms(), last = atomic_load(&d->entered), next;
    do
        next = now > last ? now : last + 1;
    while (!atomic_compare_exchange_weak(&d->entered, &last, next));
    return next << TAG_BITS | tag_of(d);
}

static void hear_of(struct daemon *d, uint64_t number) {
    uint64_t heard = number >> TAG_BITS, last = atomic_load(&d->entered);
    while (heard > last && !atomic_compare_exchange_weak(&d->entered, &last, heard))
        ;
}

int single_number(struct session *s) {
    struct session_more *more = session_more(s);
    if (!more)
        return -ENOMEM;
    more->entered = next_number(s->worker->daemon);
    return 0;
}

struct newest {
    struct str user;
    uint64_t entered;
};

static int end_older(struct worker *w, void *arg, void *part) {
    const struct newest *n = arg;
    (void) part;
    HUB_FOREACH_USER (w, n->user, s) {
        if ((s->more ? s->more->entered : 0) < n->entered)
            session_disconnect(s, DISCONNECT_CONNECTION_LIMIT);
    }
    return 0;
}

void single_end_others(struct session *s, struct str user) {
    struct worker *w = s->worker;
    struct newest n = { .user = user, .entered = s->more->entered };

    int r = survey(w, &(struct survey){ .ask = end_older, .arg = &n });
    int e = node_order(w, NODE_ORDER_SINGLE, user, n.entered);
    r = r < 0 ? r : e;
    if (r < 0) /* a worker that ends takes its connections along */
        LOG_WARNING(w->daemon->log, "earlier connections of a user may have stayed",
                    LOG_STR("user", user), LOG_RESULT(r));
}

int single_serve_node(struct worker *w, const struct node_message *m, struct buffer *out) {
    struct newest n = { .user = m->name, .entered = m->number };
    if (m->name.len == 0)
        return 0;
    hear_of(w->daemon, m->number);
    return survey(w, &(struct survey){ .ask = end_older, .arg = &n });
}
