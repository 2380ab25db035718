/* subscribe, unsubscribe, disconnect, refresh: what is done to connections, on every worker. */
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/future.h"
#include "daemon/api/who.h"
#include "daemon/session/control.h"
#include "daemon/survey.h"

/* A connection that is busy does it when it can; the answer waits no longer than this. */
enum { PATIENCE_MS = 3000 };

/* ---- what can be done at once: disconnect, refresh ---- */

static bool is_spared(const struct api_params *q, struct str client) {
    for (size_t i = 0; i < q->whitelist.n; i++)
        if (str_equal(q->whitelist.items[i], client))
            return true;
    return false;
}

static int disconnect_one(struct session *s, void *arg) {
    const struct api_params *q = arg;
    struct client_text client;
    if (is_spared(q, session_client(s, &client)))
        return 0;
    if (q->disconnect.is_set)
        session_disconnect_with(s, (uint32_t) q->disconnect.code, q->disconnect.reason);
    else
        session_disconnect(s, DISCONNECT_FORCE_NO_RECONNECT);
    return 0;
}

static int refresh_one(struct session *s, void *arg) {
    const struct api_params *q = arg;
    return session_refresh_server(s, q->expired, q->expire_at, q->info.len > 0, q->info);
}

struct at_once {
    const struct api_who *who;
    struct api_params *params;
    int (*one)(struct session *s, void *arg);
};

static int at_once_here(struct worker *w, void *arg, void *part) {
    const struct at_once *a = arg;
    return api_who_each(w, a->who, a->one, a->params);
}

static int do_at_once(struct api_call *c, int (*one)(struct session *s, void *arg)) {
    CLEANUP(api_who_finish) struct api_who who = { 0 };
    int r = api_who_of(c, &who);
    if (r != 0)
        return r;
    struct at_once a = { .who = &who, .params = c->params, .one = one };
    r = survey(c->worker, &(struct survey){ .ask = at_once_here, .arg = &a });
    if (r < 0)
        return api_failed(c, r);
    buffer_append_str(c->out, STR("{}"));
    return 0;
}

int api_disconnect(struct api_call *c) {
    return do_at_once(c, disconnect_one);
}

int api_refresh(struct api_call *c) {
    return do_at_once(c, refresh_one);
}

/* ---- what takes its time: subscribe, unsubscribe ---- */

/*
 * What is to be done to each connection. Copied, counted and shared by the workers: a connection
 * may come to it after the call has been answered.
 */
struct deed {
    _Atomic uint32_t refs;
    bool is_unsubscribe;
    struct server_sub sub; /* its spans are of text */
    uint8_t text[];
};

static void deed_unref(struct deed *d) {
    if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1)
        free(d);
}

static void deed_unrefp(struct deed **d) {
    if (*d)
        deed_unref(*d);
}

static struct bytes kept(uint8_t **at, struct bytes from) {
    if (from.len == 0)
        return (struct bytes){ 0 };
    memcpy(*at, from.data, from.len);
    *at += from.len;
    return bytes_of(*at - from.len, from.len);
}

static struct str kept_text(uint8_t **at, struct str from) {
    struct bytes b = kept(at, str_bytes(from));
    return (struct str){ (const char *) b.data, b.len };
}

static struct token_override override_of(struct api_flag f) {
    return (struct token_override){ .is_set = f.is_set, .value = f.value };
}

static struct deed *deed_new(const struct api_params *q, bool is_unsubscribe) {
    struct bytes info = api_payload(q->info, q->b64info), data = api_payload(q->data, q->b64data);
    size_t len = q->channel.len + info.len + data.len + q->recover_since.epoch.len;
    struct deed *d = malloc(sizeof *d + len);
    if (!d)
        return NULL;
    uint8_t *at = d->text;
    atomic_init(&d->refs, 1);
    d->is_unsubscribe = is_unsubscribe;
    d->sub = (struct server_sub){
        .channel = kept_text(&at, q->channel),
        .info = kept(&at, info),
        .data = kept(&at, data),
        .expire_at_s = q->expire_at,
        .overrides = { .presence = override_of(q->override.presence),
                       .join_leave = override_of(q->override.join_leave),
                       .force_recovery = override_of(q->override.force_recovery),
                       .force_positioning = override_of(q->override.force_positioning),
                       .force_push_join_leave = override_of(q->override.force_push_join_leave) },
        .source = SERVER_SUB_API,
        .has_since = q->recover_since.is_set,
        .since_offset = q->recover_since.offset,
        .since_epoch = kept_text(&at, q->recover_since.epoch),
    };
    return d;
}

/* Of one worker: waits for those that were told. */
struct waiting {
    uint32_t refs; /* loop thread only: the one who waits, and errands */
    size_t left;
    int error; /* the first */
    struct future done;
};

struct doing {
    struct session_errand errand;
    struct deed *deed;
    struct waiting *waiting;
};

static void waiting_unref(struct waiting *w) {
    if (--w->refs == 0)
        free(w);
}

static void doing_ended(struct doing *d, int result) {
    struct waiting *w = d->waiting;
    if (result != 0 && w->error == 0)
        w->error = result;
    if (--w->left == 0)
        future_resolve(&w->done, 0);
    waiting_unref(w);
    deed_unref(d->deed);
    free(d);
}

static void on_errand(struct session *s, struct session_errand *e) {
    struct doing *d = CONTAINER_OF(e, struct doing, errand);
    const struct deed *deed = d->deed;
    int r = 0;

    if (deed->is_unsubscribe)
        session_unsubscribe_server(s, deed->sub.channel, UNSUBSCRIBE_SERVER,
                                   unsubscribe_reason(UNSUBSCRIBE_SERVER));
    else
        r = session_subscribe_server(s, &deed->sub);
    /* That it is subscribed is what was wanted; one that goes needs nothing. */
    if (r == ERROR_ALREADY_SUBSCRIBED || r == -ECONNABORTED || r == -ECANCELED)
        r = 0;
    doing_ended(d, r);
}

static void on_drop(struct session_errand *e) {
    doing_ended(CONTAINER_OF(e, struct doing, errand), 0);
}

struct deed_and_waiting {
    struct deed *deed;
    struct waiting *waiting;
};

static int tell_one(struct session *s, void *arg) {
    const struct deed_and_waiting *a = arg;
    struct doing *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->errand = (struct session_errand){ .run = on_errand, .drop = on_drop };
    d->deed = a->deed;
    d->waiting = a->waiting;
    atomic_fetch_add_explicit(&a->deed->refs, 1, memory_order_relaxed);
    a->waiting->refs++;
    a->waiting->left++;
    (void) session_post(s, &d->errand); /* one that is leaving has dropped it */
    return 0;
}

struct deed_for {
    const struct api_who *who;
    struct deed *deed;
};

static int deed_here(struct worker *w, void *arg, void *part) {
    const struct deed_for *a = arg;
    struct waiting *waiting = calloc(1, sizeof *waiting);
    if (!waiting)
        return -ENOMEM;
    waiting->refs = 1;
    waiting->left = 1; /* ours: not done before all were told */
    future_init(&waiting->done);

    int r = api_who_each(w, a->who, tell_one,
                         &(struct deed_and_waiting){ .deed = a->deed, .waiting = waiting });
    if (--waiting->left > 0 && r == 0)
        r = future_wait(&waiting->done);
    if (r == -ETIMEDOUT)
        r = 0; /* it will be done */
    *(int *) part = waiting->error;
    waiting_unref(waiting);
    return r;
}

static int do_in_time(struct api_call *c, bool is_unsubscribe) {
    CLEANUP(api_who_finish) struct api_who who = { 0 };
    int r = api_who_of(c, &who);
    if (r != 0)
        return r;

    size_t n = c->worker->daemon->surveys.n;
    CLEANUP(deed_unrefp) struct deed *deed = deed_new(c->params, is_unsubscribe);
    int *errors = arena_alloc(c->arena, n * sizeof *errors);
    if (!deed || !errors)
        return -ENOMEM;
    memset(errors, 0, n * sizeof *errors);
    struct deed_for arg = { .who = &who, .deed = deed };
    r = survey(c->worker,
               &(struct survey){ .ask = deed_here,
                                 .suspends = true,
                                 .within_ms = c->is_here_only ? c->patience_ms : PATIENCE_MS,
                                 .arg = &arg,
                                 .parts = errors,
                                 .part_bytes = sizeof *errors });
    for (size_t i = 0; i < n && r == 0; i++)
        r = errors[i];
    if (r != 0)
        return r < 0 ? api_failed(c, r) : r;
    buffer_append_str(c->out, STR("{}"));
    return 0;
}

int api_subscribe(struct api_call *c) {
    const struct namespace *ns = NULL;
    int r = api_namespace(c, c->params->channel, &ns);
    return r ? r : do_in_time(c, false);
}

int api_unsubscribe(struct api_call *c) {
    return do_in_time(c, true);
}
