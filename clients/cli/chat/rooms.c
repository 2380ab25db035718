/* Rooms: opening them, following them, and what is sent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/loop.h"
#include "clients/cli/chat/app.h"
#include "protocol/json.h"

enum {
    LOOKING_MS = 5 * 60 * 1000, /* who has typed nothing for so long is not taken to look */
    TYPING_EVERY_MS = 3000,
};

static void out_of_memory(struct app *a) {
    app_end(a, EX_OSERR, "out of memory");
}

/* ---- following ---- */

static void ask_sync(struct app *a, struct room *r);

static void opened(struct app *a, const struct pending *p, const struct chat_object *answer) {
    struct room *r = model_room(&a->model, str_of(p->room));

    if (!r)
        return;
    if (!answer) {
        app_notice(a, "%s: %s", model_room_label(&a->model, r), p->error.text);
        return;
    }
    if (room_open(&a->model, r, answer) < 0)
        return out_of_memory(a);
    if (r->seen_ver > r->ver)
        ask_sync(a, r);
    app_mark_read(a);
}

static void ask_open(struct app *a, struct room *r) {
    struct arguments g;

    arguments_begin(&g);
    arguments_room(&g, r);
    arguments_number(&g, "limit", APP_PAGE);
    (void) app_ask(a, "room.open", &g, r, NULL, opened);
}

static void synced_room(struct app *a, const struct pending *p, const struct chat_object *answer) {
    struct room *r = model_room(&a->model, str_of(p->room));

    if (!r || !answer) /* without a connection: the next one asks */
        return;
    int next = room_synced(&a->model, r, answer);
    if (next < 0)
        out_of_memory(a);
    else if (next == ROOM_OPEN_ANEW)
        ask_open(a, r);
    else if (next == ROOM_ASK_AGAIN)
        ask_sync(a, r);
    else
        app_mark_read(a);
}

static void ask_sync(struct app *a, struct room *r) {
    struct arguments g;

    arguments_begin(&g);
    arguments_room(&g, r);
    arguments_number(&g, "since", r->ver);
    (void) app_ask(a, "room.sync", &g, r, NULL, synced_room);
}

/* Its events come from now on; what was before is asked for. */
static void subscribed(void *arg, void *what, const struct reply *reply) {
    struct app *a = arg;
    struct room *r = model_room(&a->model, str_of(what));
    bool is_there = reply &&
                    (reply->kind == REPLY_SUBSCRIBE ||
                     (reply->kind == REPLY_ERROR && reply->error.code == ERROR_ALREADY_SUBSCRIBED));

    free(what);
    if (!r || !reply)
        return;
    if (!is_there) {
        app_notice(a, "%s cannot be followed", model_room_label(&a->model, r));
        return;
    }
    if (r->ver)
        ask_sync(a, r);
    else
        ask_open(a, r);
}

static void follow(struct app *a, const struct room *r) {
    CLEANUP(buffer_finish) struct buffer channel = BUFFER_INIT;
    char *id = strdup(r->id);

    buffer_printf(&channel, "room:%s", r->id);
    if (!id || buffer_error(&channel) < 0) {
        free(id);
        return out_of_memory(a);
    }
    int e = uplink_subscribe(a->uplink, (struct str){ (char *) channel.data, channel.len },
                             subscribed, id);
    if (e < 0) { /* the next connection does it */
        free(id);
        if (e != -ENOTCONN)
            app_notice(a, "%s", strerror(-e));
    }
}

/* ---- being there ---- */

static void synced(struct app *a, const struct pending *p, const struct chat_object *answer) {
    if (!answer) {
        if (p->error.code)
            app_end(a, EX_UNAVAILABLE, p->error.text);
        return;
    }
    if (model_sync(&a->model, answer) < 0)
        return out_of_memory(a);
    for (size_t i = 0; i < a->model.n_rooms; i++)
        if (a->model.rooms[i]->ver && a->model.rooms[i] != a->room)
            follow(a, a->model.rooms[i]);
    struct room *first = a->room ? a->room : model_next_active(&a->model, NULL);
    if (!first && a->model.n_rooms)
        first = a->model.rooms[0];
    if (!first)
        app_notice(a, "you are in no room: /rooms lists those that are open, /join enters one");
    else if (a->room)
        follow(a, first);
    else
        app_show(a, first);
    app_retry(a);
}

void app_online(struct app *a) {
    struct arguments g;

    arguments_begin(&g);
    (void) app_ask(a, "sync", &g, NULL, NULL, synced);
}

/* ---- events ---- */

/* How many lines there are to scroll over. */
static size_t count_lines(struct app *a) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    wchar_t *scratch = arena_alloc(&arena, (TEXT_LINE_MAX + 1) * sizeof *scratch);
    struct lines lines = { 0 };

    if (a->size.columns == 0 || !scratch ||
        view_lines(&a->view, a->size.columns, SIZE_MAX, scratch, &arena, &lines) < 0)
        return 0;
    return lines.n;
}

static void room_push(struct app *a, struct room *r, const struct chat_object *event) {
    bool is_scrolled = r == a->room && a->view.scroll > 0;
    size_t before = is_scrolled ? count_lines(a) : 0;

    int next = room_event(&a->model, r, event, loop_now());
    if (next < 0)
        return out_of_memory(a);
    if (next == ROOM_ASK_AGAIN)
        ask_sync(a, r);
    size_t after = is_scrolled ? count_lines(a) : 0;
    if (after > before)
        a->view.scroll += after - before; /* what is looked at stays where it is */
    if (r == a->room)
        app_mark_read(a);
}

static void mentioned(struct app *a, const struct chat_object *event) {
    const struct room *r = model_room(&a->model, event->room.id);
    char text[VIEW_NOTICE_MAX];

    screen_bell(a->screen);
    if (!r || r == a->room)
        return;
    (void) snprintf(text, sizeof text, "%.*s", (int) event->message.user.len,
                    event->message.user.data);
    app_notice(a, "%s in %s: %.*s", model_user_label(&a->model, text),
               model_room_label(&a->model, r), (int) event->message.text.len,
               event->message.text.data);
}

static void own_push(struct app *a, const struct chat_object *event) {
    const struct room *gone = NULL, *shown = a->room;

    if (str_equal(event->type, STR("mentioned")))
        return mentioned(a, event);
    if (str_equal(event->type, STR("session.ended")))
        return app_end(a, EX_NOPERM, "you were signed out");
    if (model_event(&a->model, event, &gone) < 0)
        return out_of_memory(a);
    if (gone && gone == shown) {
        a->room = NULL;
        a->view.room = NULL;
        app_notice(a, "you are no longer in that room");
        if (a->model.n_rooms)
            app_show(a, a->model.rooms[0]);
    }
}

void app_push(void *app, const struct push *push) {
    struct app *a = app;
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct str id = push->channel;
    struct chat_object event;

    bool is_room = str_starts_with(id, STR("room:"));
    if (is_room)
        id = (struct str){ id.data + 5, id.len - 5 };
    struct room *r = is_room ? model_room(&a->model, id) : NULL;
    if (push->kind == PUSH_UNSUBSCRIBE && r && unsubscribe_resubscribes(push->unsubscribe.code))
        follow(a, r);
    if (push->kind != PUSH_PUBLICATION ||
        chat_object_decode(push->publication.data, &arena, &event) < 0)
        return;
    if (r)
        room_push(a, r, &event);
    else if (!is_room)
        own_push(a, &event);
    app_dirty(a);
}

/* ---- looking ---- */

void app_mark_read(struct app *a) {
    struct room *r = a->room;
    struct arguments g;

    if (!r || r->ver == 0 || r->last_seq <= r->read_seq || a->view.scroll || a->pager.is_open ||
        a->is_away || loop_now() - a->typed_ms > LOOKING_MS || !uplink_is_online(a->uplink))
        return;
    r->read_seq = r->last_seq;
    r->unread = r->mentions = 0;
    arguments_begin(&g);
    arguments_room(&g, r);
    arguments_number(&g, "seq", r->read_seq);
    (void) app_ask(a, "read.mark", &g, r, NULL, NULL);
}

void app_show(struct app *a, struct room *r) {
    a->room = r;
    a->view.room = r;
    a->view.scroll = 0;
    a->reply_to = 0;
    a->pager.is_open = false;
    a->asks_history = false;
    r->line_seq = r->last_seq > r->read_seq ? r->read_seq : UINT64_MAX;
    if (r->ver == 0)
        follow(a, r);
    app_mark_read(a);
    app_dirty(a);
}

static void came_before(struct app *a, const struct pending *p, const struct chat_object *answer) {
    struct room *r = model_room(&a->model, str_of(p->room));

    a->asks_history = false;
    if (!answer)
        app_notice(a, "%s", p->error.text);
    else if (r && room_prepend(r, answer) < 0)
        out_of_memory(a);
}

static void ask_before(struct app *a) {
    struct room *r = a->room;
    struct arguments g;

    if (a->asks_history || !r->has_before || r->n == 0 || r->messages[0].seq == 0)
        return;
    arguments_begin(&g);
    arguments_room(&g, r);
    arguments_number(&g, "before", r->messages[0].seq);
    arguments_number(&g, "limit", APP_PAGE);
    a->asks_history = app_ask(a, "message.history", &g, r, NULL, came_before);
}

void app_scroll(struct app *a, bool up) {
    size_t step = a->size.rows > 2 ? a->size.rows - 2 : 1;

    if (!up) {
        a->view.scroll = a->view.scroll > step ? a->view.scroll - step : 0;
        app_mark_read(a);
        return;
    }
    a->view.scroll += step;
    if (a->pager.is_open) {
        if (a->view.scroll > a->size.scroll_max)
            a->view.scroll = a->size.scroll_max;
        return;
    }
    if (!a->room)
        return;
    size_t lines = count_lines(a);
    size_t most = lines > a->size.rows ? lines - a->size.rows : 0;
    if (a->view.scroll + step > most)
        ask_before(a);
    if (a->view.scroll > most)
        a->view.scroll = most;
}

/* ---- sending ---- */

static void sent(struct app *a, const struct pending *p, const struct chat_object *answer) {
    struct room *r = model_room(&a->model, str_of(p->room));

    if (!r)
        return;
    if (answer) {
        if (room_sent(r, str_of(p->client_id), answer) < 0)
            out_of_memory(a);
        return;
    }
    /* Without an answer it stays on its way: the next connection asks again, by the same id. */
    if (p->error.code)
        room_send_failed(r, str_of(p->client_id), str_of(p->error.text));
}

static void send_message(struct app *a, const struct room *r, const struct message *m) {
    struct arguments g;

    arguments_begin(&g);
    arguments_room(&g, r);
    arguments_text(&g, "client_id", str_of(m->client_id));
    arguments_text(&g, "text", str_of(m->text));
    if (m->reply_seq)
        arguments_number(&g, "reply_to", m->reply_seq);
    (void) app_ask(a, "message.send", &g, r, m->client_id, sent);
}

static void make_id(char *ret) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

    for (size_t i = 0; i < MODEL_CLIENT_ID_LEN; i++)
        ret[i] = digits[loop_random_below(sizeof digits - 1)];
    ret[MODEL_CLIENT_ID_LEN] = '\0';
}

void app_send(struct app *a, struct str text) {
    CLEANUP(buffer_finish) struct buffer copy = BUFFER_INIT;
    char id[MODEL_CLIENT_ID_LEN + 1];

    if (!a->room || !a->model.me) {
        app_notice(a, "there is no room to say it in: /join one");
        return;
    }
    make_id(id);
    buffer_append_str(&copy, text);
    buffer_append_byte(&copy, 0);
    struct message *m = buffer_error(&copy) == 0
                                ? room_send(&a->model, a->room, id, (char *) copy.data, a->reply_to,
                                            loop_wall_ms())
                                : NULL;
    if (!m)
        return out_of_memory(a);
    a->reply_to = 0;
    a->view.scroll = 0;
    a->room->line_seq = UINT64_MAX;
    a->typing_said_ms = 0;
    if (uplink_is_online(a->uplink))
        send_message(a, a->room, m);
    else
        app_notice(a, "it is sent as soon as there is a connection");
}

/* What has no answer, or failed: once more, under the same id. */
void app_retry(struct app *a) {
    for (size_t i = 0; i < a->model.n_rooms; i++) {
        struct room *r = a->model.rooms[i];
        for (size_t k = r->n; k-- > 0 && r->messages[k].seq == 0;)
            r->messages[k].state = MESSAGE_SENDING;
        for (size_t k = 0; k < r->n; k++)
            if (r->messages[k].seq == 0)
                send_message(a, r, &r->messages[k]);
    }
}

void app_typing(struct app *a) {
    struct arguments g;
    int64_t now = loop_now();

    if (!a->room || !uplink_is_online(a->uplink) ||
        (a->typing_said_ms && now - a->typing_said_ms < TYPING_EVERY_MS))
        return;
    a->typing_said_ms = now;
    arguments_begin(&g);
    arguments_room(&g, a->room);
    (void) app_ask(a, "typing.start", &g, a->room, NULL, NULL);
}
