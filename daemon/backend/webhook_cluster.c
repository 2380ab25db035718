/*
 * Channels of all nodes together. Each node says which are its own to the engine; what that makes
 * of the whole comes back to one of them, whose events these then are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/backend/webhook_impl.h"
#include "daemon/daemon.h"
#include "storage/occupants.h"

/* Of the queue, for clients' events: those of channels wait in Redis meanwhile. */
enum { RESERVE_PART = 4 };

struct webhook_cluster {
    struct engine_teller teller;
    struct webhooks *webhooks;
    uint64_t queue_max;
    struct {
        bool is_telling;
        uint64_t stored_at; /* w->n_stored, when its events are */
    } places[OCCUPANTS_PLACES_MAX];
};

bool webhook_cluster_changed(struct webhooks *w, struct str channel, bool is_occupied) {
    if (is_occupied) {
        bool is_wanted = false;
        pthread_mutex_lock(&w->mutex);
        const struct namespace *ns = config_namespace_of(w->config, channel);
        for (size_t i = 0; i < w->config->webhooks.n; i++) {
            const struct config_webhook *hook = &w->config->webhooks.items[i];
            is_wanted |=
                    webhook_wants_namespace(hook, ns) &&
                    (webhook_wants(hook, WEBHOOK_OCCUPIED) || webhook_wants(hook, WEBHOOK_VACATED));
        }
        pthread_mutex_unlock(&w->mutex);
        if (!is_wanted)
            return false;
    }
    int r = engine_occupants_change(w->daemon->engine, channel, is_occupied);
    if (r < 0)
        atomic_fetch_add(&w->dropped, 1);
    return r == 0;
}

static size_t teller_room(struct engine_teller *t) {
    struct webhook_cluster *c = CONTAINER_OF(t, struct webhook_cluster, teller);
    struct webhooks *w = c->webhooks;
    struct engine_stats stats;
    engine_stats(w->daemon->engine, &stats);
    uint64_t waiting = stats.events + atomic_load(&w->waiting);
    uint64_t max = c->queue_max - c->queue_max / RESERVE_PART;
    if (waiting == 0)
        return max > w->n_endpoints ? max / (w->n_endpoints ? w->n_endpoints : 1) : 1;
    return waiting < max ? (max - waiting) / (w->n_endpoints ? w->n_endpoints : 1) : 0;
}

static void teller_tell(struct engine_teller *t, unsigned place,
                        const struct occupants_event *events, size_t n) {
    struct webhook_cluster *c = CONTAINER_OF(t, struct webhook_cluster, teller);
    struct webhooks *w = c->webhooks;
    for (size_t i = 0; i < n; i++) {
        const struct occupants_event *e = &events[i];
        CLEANUP(happening_finish)
        struct happening h = { .event = e->is_occupied ? WEBHOOK_OCCUPIED : WEBHOOK_VACATED,
                               .is_end = !e->is_occupied,
                               .is_of_cluster = true,
                               .time_ms = e->time_ms,
                               .channel = e->channel };
        char id[WEBHOOK_ID_MAX];
        (void) snprintf(id, sizeof id, "%u-%" PRIx64, place + 1, e->number);
        (void) webhook_happen_to_channel(w, &h, id, e->number);
    }
    pthread_mutex_lock(&w->mutex);
    c->places[place].is_telling = true;
    c->places[place].stored_at = w->n_taken;
    pthread_mutex_unlock(&w->mutex);
    webhook_post(w); /* perhaps nobody wants them */
}

void webhook_cluster_stored(struct webhooks *w) {
    struct webhook_cluster *c = w->cluster;
    for (unsigned i = 0; i < OCCUPANTS_PLACES_MAX; i++) {
        if (!c->places[i].is_telling)
            continue;
        pthread_mutex_lock(&w->mutex);
        bool is_stored = w->n_stored >= c->places[i].stored_at;
        pthread_mutex_unlock(&w->mutex);
        if (is_stored) {
            c->places[i].is_telling = false;
            engine_occupants_told(w->daemon->engine, i);
        }
    }
}

uint64_t webhook_cluster_dropped(const struct webhooks *w) {
    return w->cluster ? atomic_load(&w->cluster->teller.dropped) : 0;
}

/* ---- life ---- */

int webhook_cluster_configure(struct webhooks *w, const struct config *c) {
    if (w->cluster) {
        atomic_store(&w->cluster->teller.vacated_delay_ms, c->webhooks.vacated_delay_ms);
        return 0;
    }
    if (!engine_has_occupants(w->daemon->engine) || !webhooks_want_channels(c))
        return 0;
    struct webhook_cluster *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    k->webhooks = w;
    k->queue_max = c->webhooks.queue_max;
    k->teller.events_max = c->webhooks.queue_max;
    k->teller.room = teller_room;
    k->teller.tell = teller_tell;
    atomic_init(&k->teller.vacated_delay_ms, c->webhooks.vacated_delay_ms);
    int r = engine_occupants_open(w->daemon->engine, &k->teller);
    if (r < 0) {
        free(k);
        return r;
    }
    w->cluster = k;
    return 0;
}

void webhook_cluster_close(struct webhooks *w) {
    if (w->cluster)
        engine_occupants_close(w->daemon->engine);
}
