#include "daemon/publish.h"

#include <errno.h>

#include "async/loop.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "protocol/json.h"

bool publish_accepts(const struct namespace *ns, struct bytes data) {
    struct json j;

    switch (ns->data_format) {
    case DATA_BINARY:
        return true;
    case DATA_JSON:
        return data.len > 0 && json_is_valid(data, NULL);
    case DATA_JSON_OBJECT:
        json_init(&j, data);
        return json_peek(&j) == JSON_IS_OBJECT && json_is_valid(data, NULL);
    case DATA_NOT_EMPTY:
    default:
        return data.len > 0;
    }
}

bool namespace_is_map(const struct namespace *ns) {
    return ns->type == SUBSCRIPTION_MAP || ns->type == SUBSCRIPTION_MAP_CLIENTS ||
           ns->type == SUBSCRIPTION_MAP_USERS;
}

void publish_map_terms(const struct namespace *ns, struct publish_terms *terms) {
    const struct config_map *m = &ns->map;

    terms->map.is_map = true;
    terms->map.keys_max = m->keys_max;
    terms->map.key_ttl_ms = m->mode == MAP_PERSISTENT ? 0 : m->key_ttl_ms;
    if (m->mode == MAP_RECOVERABLE || m->mode == MAP_PERSISTENT)
        terms->keep = (struct keep){ .history_size = m->stream_size,
                                     .history_ttl_ms = m->stream_ttl_ms,
                                     .meta_ttl_ms = m->meta_ttl_ms };
}

struct keep publish_keep_of(const struct namespace *ns) {
    struct publish_terms terms = { .keep = ns->keep };

    if (namespace_is_map(ns))
        publish_map_terms(ns, &terms);
    return terms.keep;
}

static void publish_done(struct publish_request *request) {
    struct publish *p = CONTAINER_OF(request, struct publish, request);
    struct worker *w = p->worker;

    w->publishes_running--;
    metrics_count(&w->metrics, request->result < 0 ? COUNT_PUBLISH_FAILED : COUNT_PUBLISHED);
    if (request->result >= 0)
        metrics_observe(&w->metrics, TIME_PUBLISH, (uint64_t) (loop_now_us() - p->started_us));
    p->done(p);
}

int publish_start(struct publish *p, struct worker *w, const struct namespace *ns,
                  const struct publication_parts *parts) {
    return publish_start_on(p, w, ns, parts, &(struct publish_terms){ 0 });
}

int publish_start_on(struct publish *p, struct worker *w, const struct namespace *ns,
                     const struct publication_parts *parts, const struct publish_terms *terms) {
    struct publication *publication = publication_new(parts);
    if (!publication) {
        publication_unref(terms->map.stream);
        return -ENOMEM;
    }
    /* Looked at once, not by each worker and for each wire format. */
    publication->is_json_line = parts->is_json_line || (json_is_valid(parts->data, NULL) &&
                                                        !json_has_newline(parts->data));
    publication->wants_delta |= ns->delta_publish;
    struct keep keep = terms->map.is_map      ? terms->keep
                       : terms->skips_history ? (struct keep){ 0 }
                                              : ns->keep;

    p->worker = w;
    p->started_us = loop_now_us();
    p->request = (struct publish_request){
        .publication = publication,
        .keep = keep,
        .idempotency_key = terms->idempotency_key,
        .version = terms->version,
        .version_epoch = terms->version_epoch,
        .map = terms->map,
        .inbox = w->inbox,
        .done = publish_done,
    };
    w->publishes_running++;
    engine_publish(w->daemon->engine, &p->request);
    return 0;
}
