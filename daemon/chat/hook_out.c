/* What goes out: each webhook's events one after another, until each has been taken. */
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/http_client.h"
#include "async/task.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/hooks.h"
#include "daemon/chat/json_out.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker_thread.h"
#include "protocol/hmac.h"
#include "storage/chat/webhook.h"

enum {
    LOOK_MS = 300,
    RETRY_FIRST_MS = 1000,
    RETRY_LAST_MS = 5 * 60 * 1000,
    DELIVERIES_MAX = 64,   /* webhooks at once */
    ANSWER_MAX = 64 * 1024 /* of which nothing is read */
};

/* ---- into the queue ---- */

int chat_hooks_note(struct chat *c, struct chat_tx *tx, const char *type,
                    const struct chat_message *m) {
    struct buffer data = BUFFER_INIT;
    unsigned dropped = 0;
    bool has_any = false;

    int r = chat_webhook_has(tx, m->room_key, &has_any);
    if (r < 0 || !has_any)
        return r;
    out_open(&data, '{');
    out_text(&data, "type", str_of(type));
    out_text(&data, "room", m->room);
    out_key(&data, "message");
    chat_put_message(&data, m);
    out_close(&data, '}');
    r = buffer_error(&data);
    if (r == 0)
        r = chat_webhook_note(tx, m->room_key, buffer_bytes(&data), &dropped);
    buffer_finish(&data);
    if (dropped > 0)
        atomic_fetch_add_explicit(&c->hooks_dropped, dropped, memory_order_relaxed);
    return r;
}

/* ---- what delivers ---- */

/* One that was not taken waits, and keeps no place from others meanwhile. */
struct rest {
    int64_t key, until;
    unsigned failures; /* one after another */
};

struct hooks {
    struct chat *chat;
    struct worker *worker;
    struct http_client *http; /* NULL: nothing was due yet */
    struct group deliveries;
    int64_t busy[DELIVERIES_MAX]; /* keys of the webhooks that are being delivered; 0: free */
    int64_t last;                 /* the key that was last begun: the next ones come after it */
    struct rest *rests;
    size_t n_rests, rests_cap;
};

struct delivery {
    struct hooks *hooks;
    int64_t *busy; /* its place there */
    int64_t key, event;
    struct chat_work work;
    struct chat_webhook_dues dues;
    struct buffer body;
    unsigned failures;
};

/* ---- those that wait ---- */

static struct rest *find_rest(struct hooks *h, int64_t key) {
    for (size_t i = 0; i < h->n_rests; i++)
        if (h->rests[i].key == key)
            return &h->rests[i];
    return NULL;
}

static void end_rest(struct hooks *h, struct rest *rest) {
    if (rest)
        *rest = h->rests[--h->n_rests];
}

static int64_t pause_ms(unsigned failures) {
    int64_t ms = failures < 16 ? (int64_t) RETRY_FIRST_MS << (failures - 1) : RETRY_LAST_MS;
    return ms < RETRY_LAST_MS ? ms : RETRY_LAST_MS;
}

static int let_rest(struct hooks *h, int64_t key, unsigned failures) {
    struct rest *rest = find_rest(h, key);
    if (!rest && h->n_rests == h->rests_cap) {
        size_t cap = h->rests_cap ? 2 * h->rests_cap : 16;
        struct rest *rests = reallocarray(h->rests, cap, sizeof *rests);
        if (!rests)
            return -ENOMEM;
        h->rests = rests;
        h->rests_cap = cap;
    }
    rest = rest ? rest : &h->rests[h->n_rests++];
    *rest = (struct rest){ key, loop_now() + pause_ms(failures), failures };
    return 0;
}

/* Of webhooks that are gone, or have nothing to deliver any more. */
static void forget_rests(struct hooks *h, const struct chat_webhook_dues *dues) {
    for (size_t i = h->n_rests; i-- > 0;) {
        bool is_due = false;
        for (size_t k = 0; k < dues->n && !is_due; k++)
            is_due = dues->items[k].hook.key == h->rests[i].key;
        if (!is_due)
            end_rest(h, &h->rests[i]);
    }
}

/* ---- one webhook ---- */

static int run_due(struct chat_work *w, struct chat_tx *tx) {
    struct delivery *d = CONTAINER_OF(w, struct delivery, work);
    return chat_webhook_due(tx, d->key, &d->dues);
}

static int run_done(struct chat_work *w, struct chat_tx *tx) {
    struct delivery *d = CONTAINER_OF(w, struct delivery, work);
    return chat_webhook_done(tx, d->event);
}

static int find_due(struct delivery *d) {
    chat_work_finish(&d->work);
    d->work = CHAT_WORK(run_due);
    d->dues = (struct chat_webhook_dues){ 0 };
    return chat_store_read(d->hooks->chat->store, &d->work);
}

/* {"id": "17", ...}: the number by which whoever gets it twice knows it. */
static int write_body(struct delivery *d, const struct chat_webhook_due *due) {
    buffer_reset(&d->body);
    buffer_printf(&d->body, "{\"id\":\"%lld\",", (long long) due->event);
    buffer_append(&d->body, due->data.data + 1, due->data.len - 1);
    return buffer_error(&d->body);
}

/* 0: it was taken. */
static int post(struct delivery *d, const struct chat_webhook_due *due) {
    char signature[sizeof "sha256=" + HMAC_SHA256_HEX_SIZE] = "sha256=",
                                      url[CHAT_WEBHOOK_URL_MAX + 1];
    struct http_result answer = { 0 };
    struct bytes body = buffer_bytes(&d->body);
    int r = hmac_sha256_hex(str_bytes(due->hook.secret), &body, 1,
                            signature + sizeof "sha256=" - 1);
    if (r < 0)
        return r;
    memcpy(url, due->hook.url.data, due->hook.url.len);
    url[due->hook.url.len] = 0;
    struct http_field fields[] = { { "Content-Type", "application/json" },
                                   { "X-Parley-Signature", signature } };
    r = http_client_call(d->hooks->http,
                         &(struct http_call){
                                 .url = url,
                                 .fields = fields,
                                 .n_fields = ELEMENTS_OF(fields),
                                 .body = body.data,
                                 .body_len = body.len,
                                 .has_body = true,
                                 .timeout_ms = d->hooks->worker->config->chat.webhook_timeout_ms,
                                 .response_max = ANSWER_MAX,
                         },
                         &answer);
    if (r == 0 && (answer.status < 200 || answer.status > 299))
        r = -EPROTO;
    if (r < 0 && r != -ECANCELED && d->failures == 0)
        LOG_WARNING(d->hooks->chat->daemon->log, "a webhook of the chat is not answered",
                    LOG_STR("webhook", due->hook.id), LOG_TEXT("why", answer.why),
                    LOG_INT("status", answer.status), LOG_RESULT(r));
    http_result_finish(&answer);
    return r;
}

static int note_done(struct delivery *d, int64_t event) {
    SHIELD(INT64_MAX / 2);
    chat_work_finish(&d->work);
    d->work = CHAT_WORK(run_done);
    d->event = event;
    return chat_store_write(d->hooks->chat->store, &d->work);
}

/* 1: go on; 0: nothing waits, or it was not taken. */
static int deliver_next(struct delivery *d) {
    struct metrics *m = &d->hooks->worker->metrics;
    int r = find_due(d);
    if (r != 0)
        return r;
    if (d->dues.n == 0)
        return 0;
    r = write_body(d, &d->dues.items[0]);
    if (r == 0)
        r = post(d, &d->dues.items[0]);
    if (r == -ECANCELED)
        return r;
    if (r == 0) {
        metrics_count(m, COUNT_CHAT_HOOKS_OUT);
        d->failures = 0;
        end_rest(d->hooks, find_rest(d->hooks, d->key));
        r = note_done(d, d->dues.items[0].event);
        return r == 0 ? 1 : r;
    }
    metrics_count(m, COUNT_CHAT_HOOKS_FAILED);
    if (r == -EACCES)
        metrics_count(m, COUNT_CHAT_HOOKS_PRIVATE);
    if (let_rest(d->hooks, d->key, ++d->failures) == 0)
        return 0;
    r = task_sleep(pause_ms(d->failures)); /* without memory it keeps its place */
    return r == 0 ? 1 : r;
}

static int deliver(void *arg) {
    struct delivery *d = arg;
    int r;
    while ((r = deliver_next(d)) > 0)
        continue;
    if (r < 0 && r != -ECANCELED)
        LOG_WARNING(d->hooks->chat->daemon->log, "webhooks of the chat", LOG_RESULT(r));
    *d->busy = 0;
    chat_work_finish(&d->work);
    buffer_finish(&d->body);
    return 0;
}

/* ---- all of them ---- */

struct looking {
    struct chat_work work;
    struct chat_webhook_dues dues;
};

static int run_look(struct chat_work *w, struct chat_tx *tx) {
    struct looking *l = CONTAINER_OF(w, struct looking, work);
    return chat_webhook_due(tx, 0, &l->dues);
}

static int begin(struct hooks *h, int64_t key) {
    const struct rest *rest = find_rest(h, key);
    unsigned failures = rest ? rest->failures : 0;
    int64_t *place = NULL;
    void *data;
    if (rest && rest->until > loop_now())
        return 0;
    for (size_t i = 0; i < DELIVERIES_MAX; i++) {
        if (h->busy[i] == key)
            return 0;
        if (h->busy[i] == 0)
            place = &h->busy[i];
    }
    if (!place) /* when one of them is done */
        return 0;
    int r = group_spawn_with(&h->deliveries, "chat webhook", deliver, sizeof(struct delivery),
                             &data);
    if (r < 0)
        return r;
    *place = h->last = key;
    *(struct delivery *) data =
            (struct delivery){ .hooks = h, .busy = place, .key = key, .failures = failures };
    return 0;
}

static int look(struct hooks *h) {
    struct looking l = { .work = CHAT_WORK(run_look) };
    int r = chat_store_read(h->chat->store, &l.work);
    int64_t last = h->last;
    if (r == 0 && l.dues.n > 0 && !h->http)
        r = outbound_open(&h->worker->outbound, !h->worker->config->chat.webhook_private,
                          DELIVERIES_MAX, &h->http);
    for (int pass = 0; pass < 2; pass++) /* those after the last one, then those before */
        for (size_t i = 0; r == 0 && i < l.dues.n; i++)
            if ((l.dues.items[i].hook.key > last) == (pass == 0))
                r = begin(h, l.dues.items[i].hook.key);
    if (r == 0)
        forget_rests(h, &l.dues);
    chat_work_finish(&l.work);
    metrics_add(&h->worker->metrics, COUNT_CHAT_HOOKS_DROPPED,
                atomic_exchange_explicit(&h->chat->hooks_dropped, 0, memory_order_relaxed));
    return r;
}

int chat_hooks_deliver(void *arg) {
    struct chat *c = arg;
    struct hooks *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->chat = c;
    h->worker = &c->daemon->threads[0].worker;
    group_init(&h->deliveries);
    int r = 0;
    while (r == 0 && (r = task_sleep(LOOK_MS)) == 0) {
        r = look(h);
        if (r != 0 && r != -ECANCELED) {
            LOG_WARNING(c->daemon->log, "webhooks of the chat", LOG_RESULT(r));
            r = 0;
        }
    }
    group_finish(&h->deliveries);
    h->http = http_client_close(h->http);
    free(h->rests);
    free(h);
    return r;
}
