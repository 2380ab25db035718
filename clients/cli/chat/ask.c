/* Asking the server: arguments, answers, and errors in words. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clients/cli/chat/app.h"
#include "protocol/json.h"

/* ---- arguments ---- */

void arguments_begin(struct arguments *g) {
    g->json = BUFFER_INIT;
    buffer_append_byte(&g->json, '{');
}

static void put_name(struct arguments *g, const char *name) {
    buffer_printf(&g->json, "%s\"%s\":", g->json.len > 1 ? "," : "", name);
}

void arguments_text(struct arguments *g, const char *name, struct str value) {
    put_name(g, name);
    json_append_string(&g->json, value);
}

void arguments_number(struct arguments *g, const char *name, uint64_t value) {
    put_name(g, name);
    buffer_append_uint(&g->json, value);
}

void arguments_room(struct arguments *g, const struct room *r) {
    arguments_text(g, "room", str_of(r->id));
}

/* ---- errors ---- */

static const struct {
    const char *word, *text;
} words[] = {
    { "not_found", "there is no such thing, or not for you" },
    { "conflict", "somebody else was faster, or the name is taken" },
    { "deleted", "the message was deleted" },
    { "too_long", "that is too long" },
    { "archived", "the room is archived" },
    { "slow_mode", "slow mode" },
    { "muted", "you are muted here" },
    { "banned", "you are banned here" },
    { "edit_window", "it is too old to be edited" },
    { "storage", "the server cannot store anything now" },
    { "owner_away", "the chat cannot be reached from this server now" },
    { "permission denied", "you may not do that" },
    { "too many requests", "too fast" },
};

static uint64_t number_behind(struct str message, const char *name) {
    size_t len = strlen(name);

    for (size_t i = 0; i + len < message.len; i++) {
        if (memcmp(message.data + i, name, len) != 0)
            continue;
        uint64_t n = 0;
        for (i += len; i < message.len && message.data[i] >= '0' && message.data[i] <= '9'; i++)
            n = n * 10 + (uint64_t) (message.data[i] - '0');
        return n;
    }
    return 0;
}

void app_explain(struct str message, uint32_t code, char *ret, size_t cap) {
    uint64_t retry_ms = number_behind(message, "retry_ms=");

    for (size_t i = 0; i < ELEMENTS_OF(words); i++) {
        if (!str_starts_with(message, str_of(words[i].word)))
            continue;
        if (retry_ms)
            (void) snprintf(ret, cap, "%s: again in %" PRIu64 " s", words[i].text,
                            (retry_ms + 999) / 1000);
        else
            (void) snprintf(ret, cap, "%s", words[i].text);
        return;
    }
    (void) snprintf(ret, cap, "%.*s (%" PRIu32 ")", (int) message.len, message.data, code);
}

/* ---- questions ---- */

static void answered(void *arg, void *what, const struct reply *reply) {
    struct app *a = arg;
    struct pending *p = what;
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct chat_object answer = { 0 };
    bool is_good = false;

    if (!reply) {
        (void) snprintf(p->error.text, sizeof p->error.text, "the connection went");
        p->error.is_temporary = true;
    } else if (reply->kind == REPLY_ERROR) {
        p->error.code = reply->error.code;
        p->error.is_temporary = reply->error.is_temporary;
        app_explain(reply->error.message, reply->error.code, p->error.text, sizeof p->error.text);
    } else if (reply->kind == REPLY_RPC && reply->rpc.data.len &&
               chat_object_decode(reply->rpc.data, &arena, &answer) < 0) {
        p->error.code = UINT32_MAX;
        (void) snprintf(p->error.text, sizeof p->error.text, "the answer is not understood");
    } else {
        is_good = true;
    }
    if (p->done)
        p->done(a, p, is_good ? &answer : NULL);
    else if (!is_good && reply)
        app_notice(a, "%s", p->error.text);
    free(p);
    app_dirty(a);
}

bool app_ask(struct app *a, const char *method, struct arguments *g, const struct room *r,
             const char *client_id,
             void (*done)(struct app *a, const struct pending *p,
                          const struct chat_object *answer)) {
    struct pending *p = calloc(1, sizeof *p);

    buffer_append_byte(&g->json, '}');
    int e = p ? buffer_error(&g->json) : -ENOMEM;
    if (e == 0) {
        p->done = done;
        (void) snprintf(p->room, sizeof p->room, "%s", r ? r->id : "");
        (void) snprintf(p->client_id, sizeof p->client_id, "%s", client_id ? client_id : "");
        e = uplink_rpc(a->uplink, method, buffer_bytes(&g->json), answered, p);
    }
    buffer_finish(&g->json);
    if (e == 0)
        return true;
    free(p);
    app_notice(a, "%s", e == -ENOTCONN ? "not connected" : strerror(-e));
    return false;
}
