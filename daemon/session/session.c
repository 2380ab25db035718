#include "daemon/session/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/backend/webhook.h"
#include "daemon/chat/session.h"
#include "daemon/keeper.h"
#include "daemon/keys/rate.h"
#include "daemon/log.h"
#include "daemon/map/presence.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/session/impl.h"
#include "daemon/session/login.h"
#include "daemon/session/proxy.h"
#include "daemon/transport/forwarded.h"
#include "protocol/json.h"

enum {
    YEAR_S = 365 * 24 * 3600,
    ROOM_WAIT_MS = 4000, /* libraries give up on a command after 5 s */
};

int session_init(struct session *s, struct worker *w, struct stream *stream,
                 enum wire_format format) {
    outbox_init(&s->outbox, &w->outboxes, stream);
    s->worker = w;
    s->format = format & 15u;
    s->client = client_id_make();
    int r = hub_enter(w, s);
    if (r < 0)
        return r;
    s->deadline = wheel_tick_in(&w->wheel, w->config->client.stale_close_ms);
    session_schedule(s);
    return 0;
}

void session_leave(struct session *s) {
    struct worker *w = s->worker;

    s->state = SESSION_CLOSING; /* nothing is posted to it any more */
    keeper_forget(w, s);
    wheel_clear(&w->wheel, s->place);
    publishes_forget(s);
    session_forget_user(s);
    session_drop_errands(s);
    while (s->n_subs > 0)
        subscription_end(s, session_sub(s, s->n_subs - 1u));
}

void session_finish(struct session *s) {
    wheel_clear(&s->worker->wheel, s->place); /* one that never began has not left, either */
    hub_exit(s->worker, s);
    session_end_work(s, false);
    identity_free(s->identity);
    if (s->more) {
        rate_forget(s->more);
        forwarded_free(s->more->headers);
        session_forget_login_cookie(s);
        free(s->more->reason);
        free(s->more);
    }
    outbox_finish(&s->outbox);
}

void session_forget_user(struct session *s) {
    struct worker *w = s->worker;

    if (s->is_in_hub) {
        metrics_gauge_add(&w->metrics, GAUGE_CLIENTS, -1);
        metrics_client(&w->metrics, wire_traits(session_format(s))->transport, false);
        if (s->is_announced)
            webhooks_disconnected(w->daemon->webhooks, s);
    }
    hub_remove(w, s);
    hub_forget_session(w, s);
    chat_session_left(s);
    if (s->is_user_counted)
        user_counts_remove(w->daemon->user_counts, session_user(s));
    s->is_user_counted = false;
}

struct session_more *session_more(struct session *s) {
    if (!s->more) {
        s->more = calloc(1, sizeof *s->more);
        if (s->more)
            s->more->session = s;
    }
    return s->more;
}

struct str session_label(const struct session *s, char *buf) {
    if (s->identity)
        return session_client(s, (struct client_text *) (void *) buf);
    const char *peer = stream_peer(s->outbox.stream, buf, SESSION_LABEL_MAX);
    return str_of(peer ? peer : "");
}

/* ---- saying things ---- */

static void session_say(struct session *s, struct buffer *frame) {
    if (buffer_error(frame) < 0) {
        metrics_count(&s->worker->metrics, COUNT_OUT_OF_MEMORY);
        session_disconnect(s, DISCONNECT_SERVER_ERROR);
        return;
    }
    metrics_count(&s->worker->metrics, COUNT_MESSAGES_OUT);
    outbox_append_copy(&s->outbox, buffer_bytes(frame), bytes_of(NULL, 0));
}

void session_reply(struct session *s, const struct reply *r) {
    struct buffer *scratch = &s->worker->scratch;
    buffer_reset(scratch);
    (void) wire_append_reply(&s->worker->wire, session_format(s), r, scratch);
    session_say(s, scratch);
    if (scratch->cap > 256 * 1024)
        buffer_finish(scratch);
}

void session_push(struct session *s, const struct push *p) {
    struct buffer *scratch = &s->worker->scratch;
    buffer_reset(scratch);
    (void) wire_append_push(&s->worker->wire, session_format(s), p, scratch);
    session_say(s, scratch);
}

int session_error(struct session *s, uint32_t id, uint32_t code) {
    metrics_count_error(&s->worker->metrics, code);
    /* A client that only listens cannot be answered; its transport says it as it can. */
    if (wire_traits(session_format(s))->is_unidirectional) {
        session_disconnect(s, code);
        return 0;
    }
    session_reply(s, &(struct reply){ .kind = REPLY_ERROR,
                                      .id = id,
                                      .error = reply_error_of((enum error_code) code) });
    return 0;
}

int session_refuse(struct session *s, uint32_t id, struct refusal why) {
    /* A client that only listens cannot be answered: its transport makes the best of the code. */
    if (why.is_disconnect || wire_traits(session_format(s))->is_unidirectional) {
        session_disconnect_with(s, why.code, why.text);
        return -ECONNABORTED;
    }
    metrics_count_error(&s->worker->metrics, why.code);
    session_reply(s, &(struct reply){ .kind = REPLY_ERROR,
                                      .id = id,
                                      .error = { .code = why.code,
                                                 .message = why.text,
                                                 .is_temporary = why.is_temporary } });
    return 0;
}

void session_disconnect(struct session *s, uint32_t code) {
    if (s->state == SESSION_CLOSING)
        return;
    s->state = SESSION_CLOSING;
    s->close_code = (uint16_t) code;
    metrics_count_disconnect(&s->worker->metrics, code);
    if (log_wants(s->worker->daemon->log, LOG_LEVEL_INFO)) {
        char label[SESSION_LABEL_MAX];
        LOG_INFO(s->worker->daemon->log, "client disconnected",
                 LOG_STR("client", session_label(s, label)), LOG_UINT("code", code),
                 LOG_STR("reason", session_close_reason(s)));
    }
    task_cancel(session_task(s));
}

int session_end(struct session *s, uint32_t code) {
    session_disconnect(s, code);
    return -ECONNABORTED;
}

int session_failed(struct session *s, uint32_t id, int error) {
    if (error == -ECANCELED || error == -ETIMEDOUT || error == -ECONNABORTED)
        return error;
    if (error == -ENOMEM)
        metrics_count(&s->worker->metrics, COUNT_OUT_OF_MEMORY);
    char label[SESSION_LABEL_MAX];
    LOG_WARNING(s->worker->daemon->log, "a command failed in storage",
                LOG_STR("client", session_label(s, label)), LOG_RESULT(error));
    return session_error(s, id, ERROR_INTERNAL);
}

/* ---- commands ---- */

static int on_unknown(struct session *s) {
    return session_end(s, DISCONNECT_BAD_REQUEST);
}

void session_heard_pong(struct session *s) {
    struct worker *w = s->worker;
    if (!s->is_pong_due)
        return;

    s->is_pong_due = false;
    int64_t since = wheel_now(&w->wheel) - (int64_t) s->pong_by;
    int64_t ms = since * WHEEL_TICK_MS + w->config->client.pong_timeout_ms;
    metrics_observe(&w->metrics, TIME_PONG, ms > 0 ? (uint64_t) ms * 1000 : 0);
    s->pong_by = 0; /* the wheel comes too early for nothing and looks again */
}

static int on_pong(struct session *s) {
    if (!s->is_pong_due || s->pings != PINGS_COMMAND)
        return session_end(s, DISCONNECT_BAD_REQUEST);
    session_heard_pong(s);
    return 0;
}

static const enum metrics_method methods[COMMAND_KINDS] = {
    [COMMAND_PONG] = METHOD_PONG,
    [COMMAND_CONNECT] = METHOD_CONNECT,
    [COMMAND_SUBSCRIBE] = METHOD_SUBSCRIBE,
    [COMMAND_UNSUBSCRIBE] = METHOD_UNSUBSCRIBE,
    [COMMAND_PUBLISH] = METHOD_PUBLISH,
    [COMMAND_PRESENCE] = METHOD_PRESENCE,
    [COMMAND_PRESENCE_STATS] = METHOD_PRESENCE_STATS,
    [COMMAND_HISTORY] = METHOD_HISTORY,
    [COMMAND_PING] = METHOD_OTHER,
    [COMMAND_SEND] = METHOD_SEND,
    [COMMAND_RPC] = METHOD_RPC,
    [COMMAND_REFRESH] = METHOD_REFRESH,
    [COMMAND_SUB_REFRESH] = METHOD_SUB_REFRESH,
};

static int dispatch(struct session *s, struct command_reader *reader, const struct command *c) {
    switch (c->kind) {
    case COMMAND_PONG:
        return on_pong(s);
    case COMMAND_CONNECT:
        return session_connect(s, c->id, reader, &c->connect);
    case COMMAND_SUBSCRIBE:
        return subscription_start(s, c->id, &c->subscribe);
    case COMMAND_UNSUBSCRIBE:
        return session_unsubscribe(s, c->id, &c->unsubscribe);
    case COMMAND_PUBLISH:
        return session_publish(s, c->id, &c->publish);
    case COMMAND_PRESENCE:
        return session_presence(s, c->id, &c->presence);
    case COMMAND_PRESENCE_STATS:
        return session_presence_stats(s, c->id, &c->presence);
    case COMMAND_HISTORY:
        return session_history(s, c->id, &c->history);
    case COMMAND_SEND:
        return session_end(s, DISCONNECT_NOT_AVAILABLE);
    case COMMAND_RPC:
        return session_rpc(s, c->id, &c->rpc);
    case COMMAND_REFRESH:
        return session_refresh(s, c->id, &c->refresh);
    case COMMAND_SUB_REFRESH:
        return subscription_refresh(s, c->id, &c->sub_refresh);
    case COMMAND_PING:
    case COMMAND_KINDS:
    default:
        return on_unknown(s);
    }
}

/* Generic cell rate: rate_us is when the bucket will be full again. */
static bool is_within_rate(struct session *s) {
    const struct config_client *c = &s->worker->config->client;
    if (c->command_rate == 0)
        return true;

    int64_t each_us = 1000000 / c->command_rate, now_us = loop_now() * 1000;
    struct session_more *more = session_more(s);
    if (!more) /* without memory for a bucket there is none to run empty */
        return true;
    int64_t full_us = more->rate_us > now_us ? more->rate_us : now_us;
    uint32_t burst = c->command_burst ? c->command_burst : 1;
    if (full_us + each_us > now_us + each_us * burst)
        return false;
    more->rate_us = full_us + each_us;
    return true;
}

/* Of the limit, for replies that a client has not read when it gets the next. */
static size_t backlog_max(const struct session *s) {
    return s->outbox.set->limits.max_bytes / 8;
}

size_t session_reply_max(const struct session *s) {
    return s->outbox.set->limits.max_bytes - backlog_max(s);
}

static bool may_have_big_reply(const struct command *c) {
    return c->kind == COMMAND_SUBSCRIBE || c->kind == COMMAND_HISTORY ||
           c->kind == COMMAND_PRESENCE || c->kind == COMMAND_RPC;
}

/* Who asks for much at once gets it as fast as it reads, instead of being too slow for it. Not for
 * ever: the line of a busy channel's subscriber may never be empty. */
static int wait_for_room(struct session *s) {
    if (s->outbox.waiting <= backlog_max(s) || s->outbox.is_broken)
        return 0;

    DEADLINE(patience, ROOM_WAIT_MS);
    s->is_waiting = true;
    int r = outbox_wait(&s->outbox);
    s->is_waiting = false;
    if (r == -ETIMEDOUT && deadline_passed(&patience))
        r = 0;
    return r < 0 ? r : s->state == SESSION_CLOSING ? -ECONNABORTED : 0;
}

static int handle(struct session *s, struct command_reader *reader, const struct command *c) {
    struct worker *w = s->worker;

    metrics_count_command(&w->metrics, methods[c->kind]);
    if (!is_within_rate(s)) {
        metrics_count(&w->metrics, COUNT_RATE_LIMIT);
        return session_end(s, DISCONNECT_TOO_MANY_REQUESTS);
    }
    if ((s->state == SESSION_NEW) != (c->kind == COMMAND_CONNECT) || s->state == SESSION_REFUSED)
        return session_end(s, DISCONNECT_BAD_REQUEST);

    int room = may_have_big_reply(c) ? wait_for_room(s) : 0;
    if (room < 0)
        return room;

    /* Replies come in the order of their commands. */
    if (s->publishes && c->kind != COMMAND_PUBLISH && c->kind != COMMAND_PONG) {
        int r = publishes_wait(s);
        if (r < 0)
            return r;
    }
    return dispatch(s, reader, c);
}

static int bad_message(struct session *s, int error, const char *why) {
    if (error == -ENOMEM) {
        metrics_count(&s->worker->metrics, COUNT_OUT_OF_MEMORY);
        return session_end(s, DISCONNECT_SERVER_ERROR);
    }
    char label[SESSION_LABEL_MAX];
    LOG_INFO(s->worker->daemon->log, "bad request", LOG_STR("client", session_label(s, label)),
             LOG_TEXT("why", why ? why : ""));
    return session_end(s, DISCONNECT_BAD_REQUEST);
}

static int handle_all(struct session *s, struct bytes message) {
    CLEANUP(command_reader_finish) struct command_reader reader;
    command_reader_init(&reader, wire_codec(session_format(s)), message);
    struct command c;
    int r;

    while ((r = command_next(&reader, &c)) > 0) {
        r = handle(s, &reader, &c);
        if (r < 0)
            return r;
        if (s->state == SESSION_CLOSING)
            return -ECONNABORTED;
        if (s->state == SESSION_REFUSED) /* what came in the same frame had hoped for more */
            return 0;
    }
    return r < 0 ? bad_message(s, r, reader.why) : 0;
}

int session_handle(struct session *s, struct bytes message) {
    bool was_at_work = session_begin_work(s);
    int r = handle_all(s, message);
    session_end_work(s, was_at_work);
    if (r < 0)
        return r;
    session_run_errands(s); /* a client that never pauses has no way to keep them waiting */
    return s->state == SESSION_CLOSING ? -ECONNABORTED : 0;
}

int session_handle_connect(struct session *s, struct command_reader *reader,
                           const struct command_connect *c) {
    struct command command = { .kind = COMMAND_CONNECT, .connect = *c };
    bool was_at_work = session_begin_work(s);
    int r = handle(s, reader, &command);
    session_end_work(s, was_at_work);
    return r < 0 ? r : s->state == SESSION_CLOSING ? -ECONNABORTED : 0;
}

/* ---- time ---- */

static uint32_t earlier(uint32_t a, uint32_t b) {
    return a == 0 || (b != 0 && b < a) ? b : a;
}

void session_schedule(struct session *s) {
    uint32_t due = earlier(s->ping_at, s->pong_by);
    due = earlier(due, s->deadline);
    due = earlier(due, s->presence_at);
    if (s->more) {
        due = earlier(due, s->more->subs_expire_at);
        due = earlier(due, s->more->renew_at);
        due = earlier(due, s->more->keep_login_at);
    }
    if (due == 0 || s->state == SESSION_CLOSING)
        wheel_clear(&s->worker->wheel, s->place);
    else
        wheel_set(&s->worker->wheel, s->place, due);
}

static void ping_by_frame(struct session *s) {
    struct buffer *scratch = &s->worker->scratch;
    buffer_reset(scratch);
    wire_append_ping(&s->worker->wire, scratch);
    session_say(s, scratch);
}

/* The client waits for pings as often as it was told, and answers them if it was told to. */
static void ping(struct session *s) {
    struct worker *w = s->worker;
    int64_t pong_ms = w->config->client.pong_timeout_ms;

    if (s->pings != PINGS_FRAME)
        session_reply(s, &(struct reply){ .kind = REPLY_PING });
    if (s->pings == PINGS_FRAME || s->pings == PINGS_BOTH_WAYS)
        ping_by_frame(s);
    metrics_count(&w->metrics, COUNT_PINGS);
    if (s->answers_pings) {
        s->is_pong_due = true;
        /* A reload may have made it longer than what this client's pings leave, or nothing. */
        int64_t every_ms = (int64_t) s->ping_every * WHEEL_TICK_MS;
        if (pong_ms == 0 || pong_ms >= every_ms)
            pong_ms = every_ms - WHEEL_TICK_MS;
        s->pong_by = wheel_tick_in(&w->wheel, pong_ms);
    }
    s->ping_at = wheel_now(&w->wheel) + s->ping_every;
}

void session_tick(struct session *s) {
    struct worker *w = s->worker;
    uint32_t now = wheel_now(&w->wheel);

    if (s->state == SESSION_CLOSING)
        return;
    /* Its renewal waits behind a command for which the backend takes its time. */
    if (s->deadline && s->deadline <= now && s->is_waiting && s->more && s->more->is_renewing)
        s->deadline = wheel_tick_in(&w->wheel, 1000);
    if (s->deadline && s->deadline <= now) {
        bool is_stale = s->state != SESSION_CONNECTED;
        if (is_stale)
            metrics_count(&w->metrics, COUNT_STALE);
        session_disconnect(s, is_stale ? DISCONNECT_STALE : DISCONNECT_EXPIRED);
        return;
    }
    /* What it sends is not read meanwhile; that it reads is watched by the write timeout. */
    if (s->pong_by && s->pong_by <= now && s->is_waiting)
        s->pong_by = wheel_tick_in(&w->wheel, w->config->client.pong_timeout_ms + 1000);
    if (s->pong_by && s->pong_by <= now) {
        metrics_count(&w->metrics, COUNT_PONG_TIMEOUTS);
        session_disconnect(s, DISCONNECT_NO_PONG);
        return;
    }
    if (s->ping_at && s->ping_at <= now)
        ping(s);
    if (s->presence_at && s->presence_at <= now) {
        keeper_renew(w, s);
        map_presence_renew(s);
        s->presence_at = wheel_tick_in(&w->wheel, w->config->client.presence_update_ms);
    }
    struct session_more *more = s->more;
    if (more && more->renew_at && more->renew_at <= now) {
        more->renew_at = 0;
        more->renews_connection = true;
        session_renew(s);
    }
    if (more && more->keep_login_at && more->keep_login_at <= now) {
        session_set_keeping(s);
        more->keeps_login = true;
        session_renew(s);
    }
    if (more && more->subs_expire_at && more->subs_expire_at <= now)
        subscriptions_expire(s, now);
    session_schedule(s);
}

/* ---- small things ---- */

struct client_info session_info(const struct session *s, struct client_text *text) {
    const struct identity *i = s->identity;
    return (struct client_info){
        .user = session_user(s),
        .client = session_client(s, text),
        .conn_info = bytes_of(i->text + i->user_len, i->info_len),
    };
}

struct asker session_asker(struct session *s, struct str channel) {
    return (struct asker){ .user = session_user(s),
                           .is_subscribed = subscription_find(s, channel) };
}

uint32_t session_ttl_s(int64_t expire_at_s, int64_t now_s) {
    int64_t ttl = expire_at_s - now_s;
    return ttl < 1 ? 1 : ttl > YEAR_S ? YEAR_S : (uint32_t) ttl;
}

int session_one_line(struct arena *a, struct bytes *in) {
    struct json j;
    struct bytes line;

    if (in->len == 0)
        return 0;
    json_init(&j, *in);
    if (!json_value_line(&j, a, &line) || !json_end(&j))
        return json_result(&j);
    *in = line;
    return 0;
}

int session_fit(const struct session *s, struct arena *a, struct bytes *payload) {
    if (!wire_codec(session_format(s))->is_text)
        return 0;
    int r = session_one_line(a, payload);
    return r == -EBADMSG ? DISCONNECT_INAPPROPRIATE_PROTOCOL : r;
}

void session_subscriber_moved(struct session *s, struct channel *c, uint32_t index) {
    subscription_moved(s, c, index);
}
