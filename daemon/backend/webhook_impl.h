/* Webhooks from inside: backend/webhook.c collects events and hands them to the engine;
 * backend/webhook_text.c words them; backend/webhook_endpoint.c delivers them. What channels
 * events are of where nodes share an engine is seen to by backend/webhook_cluster.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "async/inbox.h"
#include "async/loop.h"
#include "daemon/backend/outbound.h"
#include "daemon/backend/webhook.h"
#include "daemon/config/config.h"
#include "daemon/occupancy.h"
#include "protocol/buffer.h"
#include "storage/event.h"

enum webhook_event {
    WEBHOOK_CONNECT,
    WEBHOOK_DISCONNECT,
    WEBHOOK_OCCUPIED,
    WEBHOOK_VACATED,
    WEBHOOK_EVENTS
};

enum { WEBHOOK_ID_MAX = 48 };

/* An event for one endpoint on its way to the engine. One allocation. */
struct pending_event;

enum { WEBHOOK_GROUP_MAX = 512 }; /* handed to the engine together */

struct endpoint;
struct webhook_cluster;

struct webhooks {
    struct daemon *daemon;
    struct occupancy *occupancy;
    char run_id[17]; /* ids of events begin with it */
    _Atomic uint64_t last_id;
    _Atomic uint32_t wanted; /* bits: some endpoint wants it */
    _Atomic int64_t vacated_delay_ms;
    _Atomic uint64_t events, dropped, delivered, requests, failed, store_errors, waiting;

    /* any thread */
    pthread_mutex_t mutex;
    struct config *config; /* a reference: whose endpoints there are */
    struct pending_event *first, **last;
    size_t n_pending;
    uint64_t n_taken, n_stored; /* ever; of them by the engine */
    bool is_posted;
    struct post post; /* to the main loop */

    /* main loop */
    struct event_request request;
    struct event_item items[WEBHOOK_GROUP_MAX];
    struct pending_event *flying; /* in request */
    bool is_flying, is_closing;
    struct timer retry, vacating;
    struct outbound outbound;
    struct endpoint **endpoints;
    size_t n_endpoints;
    struct webhook_cluster *cluster; /* NULL: channels are this node's. Set before any is told */
};

/* ---- backend/webhook.c ---- */

/* What one event is to all endpoints. */
struct happening {
    enum webhook_event event;
    bool is_end, is_of_cluster; /* of the cluster: it stands for itself */
    int64_t time_ms;            /* 0: now */
    struct str subject;
    struct str channel; /* empty: it is not about one */
    struct buffer payload, end;
};

void happening_finish(struct happening *h);
void webhook_post(struct webhooks *w); /* the main loop is to look. Any thread */
/* Any thread. false: nobody will hear of it. */
bool webhook_happen(struct webhooks *w, const struct happening *h);
/* h: of a channel; its texts are made here. number: of webhook_write_channel(). */
bool webhook_happen_to_channel(struct webhooks *w, struct happening *h, const char *id,
                               uint64_t number);

/* ---- backend/webhook_cluster.c: main loop, but for _changed() ---- */

/* Before workers hear of the configuration. -ENOMEM. */
MUST_CHECK int webhook_cluster_configure(struct webhooks *w, const struct config *c);
SUSPENDS void webhook_cluster_close(struct webhooks *w); /* freed with w */
bool webhook_cluster_changed(struct webhooks *w, struct str channel, bool is_occupied);
void webhook_cluster_stored(struct webhooks *w); /* some events are */
uint64_t webhook_cluster_dropped(const struct webhooks *w);

/* ---- backend/webhook_text.c ---- */

const char *webhook_event_name(enum webhook_event e);
bool webhook_wants(const struct config_webhook *hook, enum webhook_event e);
bool webhook_wants_namespace(const struct config_webhook *hook, const struct namespace *ns);

/* Members of the event's object, all but its time. */
void webhook_write_client(struct buffer *out, const char *id, enum webhook_event e,
                          const struct session *s);
/* Of a client whose end nobody saw. */
void webhook_write_lost(struct buffer *out, const char *id, const struct session *s);
/* number: of two events of one channel the later has the greater one. 0: it is not told. */
void webhook_write_channel(struct buffer *out, const char *id, enum webhook_event e,
                           struct str channel, uint64_t number);

/* The body of a request. */
struct webhook_item {
    int64_t time_ms;
    struct bytes members;
};
void webhook_write_body(struct buffer *out, struct str endpoint, const struct webhook_item *items,
                        size_t n);

/* "t=SECONDS,v1=HEX": the time and HMAC-SHA256 of "SECONDS.BODY". -ENOMEM. */
enum { WEBHOOK_SIGNATURE_MAX = 128 };
MUST_CHECK int webhook_sign(struct str secret, int64_t now_s, struct bytes body,
                            char ret[static WEBHOOK_SIGNATURE_MAX]);

/* ---- backend/webhook_endpoint.c: main loop ---- */

/* c: hook's, a reference is taken. -ENOMEM. */
MUST_CHECK int endpoint_new(struct webhooks *w, struct config *c, const struct config_webhook *hook,
                            struct endpoint **ret);
MUST_CHECK int endpoint_begin(struct endpoint *e);            /* -ENOMEM */
SUSPENDS struct endpoint *endpoint_close(struct endpoint *e); /* takes NULL; returns NULL */
void endpoint_wake(struct endpoint *e);                       /* there may be something new */
