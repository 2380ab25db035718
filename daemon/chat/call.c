#include "daemon/chat/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/method.h"
#include "daemon/chat/remote.h"
#include "daemon/daemon.h"
#include "daemon/keys/rate.h"
#include "daemon/log.h"
#include "daemon/worker.h"
#include "storage/chat/user.h"

bool chat_serves(const struct worker *w, struct str method) {
    return w->daemon->chat && chat_method_of(method);
}

void chat_answer_finish(struct chat_answer *a) {
    buffer_finish(&a->out);
}

/* ---- refusals ---- */

static const char *word_of(int code) {
    switch (code) {
    case CHAT_NOT_FOUND:
        return "not_found";
    case CHAT_CONFLICT:
        return "conflict";
    case CHAT_GONE:
        return "deleted";
    case CHAT_TOO_LONG:
        return "too_long";
    case CHAT_ARCHIVED:
        return "archived";
    case CHAT_SLOW_MODE:
        return "slow_mode";
    case CHAT_MUTED:
        return "muted";
    case CHAT_BANNED:
        return "banned";
    case CHAT_EDIT_WINDOW:
        return "edit_window";
    case CHAT_STORAGE:
        return "storage";
    case CHAT_OWNER_AWAY:
        return "owner_away";
    default:
        return NULL; /* of the protocol's own table */
    }
}

static bool is_temporary(int code) {
    return code == CHAT_STORAGE || code == CHAT_OWNER_AWAY;
}

__attribute__((format(printf, 3, 4))) static size_t add(char *to, size_t at, const char *format,
                                                        ...) {
    va_list args;
    if (at >= CHAT_WHY_MAX)
        return at;
    va_start(args, format);
    int n = vsnprintf(to + at, CHAT_WHY_MAX - at, format, args);
    va_end(args);
    return at + (n > 0 ? (size_t) n : 0);
}

void chat_refuse_call(struct chat_answer *a, int code, const struct chat_refusal *why) {
    const char *word = word_of(code);
    a->refusal = refusal_of((uint32_t) code);
    struct str usual = a->refusal.text;
    size_t n =
            word ? add(a->why, 0, "%s", word) : add(a->why, 0, "%.*s", (int) usual.len, usual.data);

    if (why && why->field)
        n = add(a->why, n, ";field=%s", why->field);
    if (why && why->max > 0)
        n = add(a->why, n, ";max=%lld", (long long) why->max);
    if (why && why->retry_ms > 0)
        n = add(a->why, n, ";retry_ms=%lld", (long long) why->retry_ms);
    if (why && why->until_ms > 0 && why->until_ms < INT64_MAX)
        n = add(a->why, n, ";until=%lld", (long long) why->until_ms);
    a->refusal.text = (struct str){ a->why, n < CHAT_WHY_MAX ? n : CHAT_WHY_MAX - 1 };
    a->refusal.is_temporary |= is_temporary(code);
}

static int bad_request(struct chat_answer *a, const char *field) {
    chat_refuse_call(a, CHAT_BAD_REQUEST, &(struct chat_refusal){ .field = field });
    return 0;
}

/* ---- a call ---- */

/* On a thread of the store. */
static int run(struct chat_work *w, struct chat_tx *tx) {
    struct chat_call *c = CONTAINER_OF(w, struct chat_call, work);

    int r = chat_actor_load(tx, c->user, &c->by);
    if (r == CHAT_NOT_FOUND) /* not of the chat, or no longer */
        r = CHAT_DENIED;
    if (r == 0)
        r = c->method->run(c, tx);
    return r == 0 ? buffer_error(&c->out) : r;
}

/* A change that has begun may be done: nobody can say it was not. */
static int run_shielded(struct chat_call *c) {
    if (c->method->access == CHAT_READS)
        return chat_store_read(c->chat->store, &c->work);
    SHIELD(INT64_MAX / 2);
    return chat_store_write(c->chat->store, &c->work);
}

static void count_refusal(struct worker *w, int code) {
    struct metrics *m = &w->metrics;
    if (code == CHAT_TOO_LONG)
        metrics_count(m, COUNT_CHAT_TOO_LONG);
    else if (code == CHAT_SLOW_MODE)
        metrics_count(m, COUNT_CHAT_SLOW_MODE);
    else if (code == CHAT_CONFLICT)
        metrics_count(m, COUNT_CHAT_CONFLICT);
    else if (code == CHAT_NOT_FOUND || code == CHAT_DENIED)
        metrics_count(m, COUNT_CHAT_DENIED);
    else if (code == CHAT_STORAGE)
        metrics_count(m, COUNT_CHAT_STORAGE);
}

static int settle(struct chat_call *c, int r, struct chat_answer *ret) {
    if (r == -ECANCELED || r == -ETIMEDOUT)
        return r;
    if (r < 0) {
        LOG_WARNING(c->worker->daemon->log, "a call of the chat failed in storage",
                    LOG_TEXT("method", c->method->name), LOG_RESULT(r));
        r = CHAT_STORAGE;
    }
    if (r > 0) {
        chat_refuse_call(ret, r, r == CHAT_STORAGE ? NULL : &c->work.refusal);
        count_refusal(c->worker, r);
        return 0;
    }
    if (c->method->after)
        c->method->after(c);
    if (c->is_partial)
        metrics_count(&c->worker->metrics, COUNT_CHAT_SEARCH_PARTIAL);
    out_close(&c->out, '}');
    if (buffer_error(&c->out) < 0)
        return -ENOMEM;
    ret->out = c->out;
    c->out = BUFFER_INIT;
    return 0;
}

/* 0: it may go on. */
static int judge(struct chat_call *c, const struct chat_asked *asked, struct chat_answer *ret) {
    const struct config_chat *config = &c->worker->config->chat;
    uint64_t needs = c->method->needs;
    struct chat_refusal why;
    int64_t retry_ms;

    if (!chat_is_user_id(asked->user)) {
        chat_refuse_call(ret, CHAT_DENIED, NULL);
        return CHAT_DENIED;
    }
    if (!rate_allow_chat(c->worker, c->method->rate, asked->user, &retry_ms)) {
        chat_refuse_call(ret, ERROR_TOO_MANY_REQUESTS,
                         &(struct chat_refusal){ .retry_ms = retry_ms });
        return ERROR_TOO_MANY_REQUESTS;
    }
    int r = chat_request_decode(asked->data, config->text_max_bytes, &c->arena, &c->in, &why);
    if (r > 0) {
        chat_refuse_call(ret, r, &why);
        count_refusal(c->worker, r);
    }
    if (r != 0)
        return r;
    if (asked->room.len > 0) {
        c->in.room = asked->room;
        c->in.has |= HAS(FIELD_ROOM);
    }
    uint64_t missing = needs & ~c->in.has;
    for (unsigned i = 0; missing && i < CHAT_FIELDS; i++) {
        if (missing & HAS(i)) {
            (void) bad_request(ret, chat_field_name((enum chat_field) i));
            return CHAT_BAD_REQUEST;
        }
    }
    return 0;
}

static void chat_call_finish(struct chat_call *c) {
    chat_work_finish(&c->work);
    arena_finish(&c->arena);
    buffer_finish(&c->out);
    free(c->password);
    free(c);
}

static void chat_call_finishp(struct chat_call **c) {
    if (*c)
        chat_call_finish(*c);
}

static int call_here(struct worker *w, const struct chat_asked *asked, struct chat_answer *ret) {
    /* Of the heap: stacks are small, and the store's thread has it meanwhile. */
    CLEANUP(chat_call_finishp) struct chat_call *c = calloc(1, sizeof *c);
    int64_t started_us = loop_now_us();

    if (!c)
        return -ENOMEM;
    c->work = CHAT_WORK(run);
    c->method = chat_method_of(asked->method);
    c->chat = w->daemon->chat;
    c->worker = w;
    c->user = asked->user;
    int r = judge(c, asked, ret);
    if (r != 0)
        return r < 0 ? r : 0;
    out_open(&c->out, '{');
    r = c->method->before ? c->method->before(c) : 0;
    r = settle(c, r == 0 ? run_shielded(c) : r, ret);
    metrics_observe(&w->metrics, TIME_CHAT_CALL, (uint64_t) (loop_now_us() - started_us));
    return r;
}

int chat_call(struct worker *w, const struct chat_asked *asked, struct chat_answer *ret) {
    metrics_count(&w->metrics, COUNT_CHAT_CALLS);
    return w->daemon->chat->store ? call_here(w, asked, ret) : chat_remote_call(w, asked, ret);
}
