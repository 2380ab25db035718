#include "daemon/chat/presence.h"

#include <errno.h>
#include <stdlib.h>

#include "async/group.h"
#include "async/task.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/event.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/online.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "storage/chat/permission.h"
#include "storage/chat/store.h"
#include "storage/chat/user.h"

enum { TELL_AT_ONCE = 64 };

struct telling {
    struct chat_work work;
    struct chat *chat;
    struct arena arena; /* news and who */
    struct chat_online_news news;
    struct chat_online_user *who; /* to be told */
    size_t n;
    struct buffer *events; /* for each of them; empty: nothing that they may know */
    struct buffer event;   /* for those who may know everybody */
};

struct chat_presence {
    struct chat *chat;
    struct worker *worker;
    struct telling telling;
    bool is_telling;
};

/* Of ids those that the asker may know, in any order; the arena is the transaction's. */
static int known_of(struct chat_tx *tx, const struct chat_actor *by, struct str **ids, size_t *n) {
    struct chat_users known = { 0 };

    if (*n == 0 || chat_team_permission(CHAT_TEAM_SEE_ALL_USERS, by->role))
        return 0;
    int r = chat_users_get(tx, by, *ids, *n, &known);
    if (r != 0)
        return r;
    struct str *kept = arena_alloc(chat_tx_arena(tx), *n * sizeof *kept);
    if (!kept)
        return -ENOMEM;
    for (size_t i = 0; i < known.n; i++)
        kept[i] = known.items[i].id;
    *ids = kept;
    *n = known.n;
    return 0;
}

int chat_presence_put(struct chat *c, struct chat_tx *tx, const struct chat_actor *by,
                      struct buffer *out) {
    struct str *ids = NULL;
    size_t n = 0;

    int r = chat_online_told(c->online, chat_tx_arena(tx), &ids, &n);
    if (r <= 0)
        return r;
    r = known_of(tx, by, &ids, &n);
    if (r == 0)
        out_texts(out, "online", ids, n);
    return r;
}

static void write_event(const struct chat_online_news *news, struct buffer *e) {
    event_begin(e, "online.changed", 0);
    if (news->kind == CHAT_ONLINE_TOO_MANY)
        out_flag_if(e, "more", true);
    else if (news->kind == CHAT_ONLINE_ALL)
        out_texts(e, "all", news->came, news->n_came);
    else {
        if (news->n_came > 0)
            out_texts(e, "on", news->came, news->n_came);
        if (news->n_gone > 0)
            out_texts(e, "off", news->gone, news->n_gone);
    }
    out_close(e, '}');
}

/* What is left of it for somebody who does not know everybody. */
static int write_for(struct telling *t, struct chat_tx *tx, struct str user, struct buffer *e) {
    struct chat_online_news news = t->news;
    struct chat_actor by;

    int r = chat_actor_load(tx, user, &by);
    if (r == 0)
        r = known_of(tx, &by, &news.came, &news.n_came);
    if (r == 0)
        r = known_of(tx, &by, &news.gone, &news.n_gone);
    if (r != 0)
        return r < 0 ? r : 0;
    if (news.kind != CHAT_ONLINE_CHANGE || news.n_came + news.n_gone > 0)
        write_event(&news, e);
    return buffer_error(e);
}

static int look(struct chat_work *w, struct chat_tx *tx) {
    struct telling *t = CONTAINER_OF(w, struct telling, work);
    int r = 0;

    for (size_t i = 0; r == 0 && i < t->n; i++)
        if (!chat_team_permission(CHAT_TEAM_SEE_ALL_USERS, t->who[i].role))
            r = write_for(t, tx, t->who[i].id, &t->events[i]);
    return r;
}

static int prepare(struct telling *t) {
    int r = chat_online_list(t->chat->online, &t->arena, &t->who, &t->n);
    bool is_for_all = true;

    if (r < 0)
        return r;
    t->events = t->n > 0 ? calloc(t->n, sizeof *t->events) : NULL;
    if (t->n > 0 && !t->events)
        return -ENOMEM;
    write_event(&t->news, &t->event);
    for (size_t i = 0; i < t->n; i++)
        is_for_all = is_for_all && chat_team_permission(CHAT_TEAM_SEE_ALL_USERS, t->who[i].role);
    t->work = CHAT_WORK(look);
    return buffer_error(&t->event) < 0 ? -ENOMEM
           : is_for_all                ? 0
                                       : chat_store_read(t->chat->store, &t->work);
}

static void tell(struct telling *t, struct worker *w) {
    char channel[CHAT_CHANNEL_MAX];

    for (size_t i = 0; i < t->n; i++) {
        const struct buffer *e = chat_team_permission(CHAT_TEAM_SEE_ALL_USERS, t->who[i].role)
                                         ? &t->event
                                         : &t->events[i];
        if (e->len > 0)
            chat_tell(w, chat_user_channel(t->who[i].id, channel), buffer_bytes(e));
        if (i % TELL_AT_ONCE == TELL_AT_ONCE - 1 && task_yield() < 0)
            return;
    }
}

static void telling_finish(struct telling *t) {
    for (size_t i = 0; t->events && i < t->n; i++)
        buffer_finish(&t->events[i]);
    free(t->events);
    buffer_finish(&t->event);
    chat_work_finish(&t->work);
    arena_finish(&t->arena);
}

static int tell_task(void *arg) {
    struct chat_presence *p = arg;

    int r = prepare(&p->telling);
    if (r == 0)
        tell(&p->telling, p->worker);
    else
        chat_online_untold(p->chat->online);
    if (r < 0 && r != -ECANCELED)
        LOG_WARNING(p->chat->daemon->log, "who came and went is told later", LOG_RESULT(r));
    telling_finish(&p->telling);
    p->is_telling = false;
    return 0;
}

void chat_presence_tick(struct chat_presence *p, struct worker *w, struct group *tasks) {
    if (p->is_telling)
        return;
    p->worker = w;
    p->telling = (struct telling){
        .chat = p->chat, .arena = ARENA_INIT, .event = BUFFER_INIT, .work = CHAT_WORK(look)
    };
    int r = chat_online_news(p->chat->online, &p->telling.arena, &p->telling.news);
    p->is_telling = r == 0 && p->telling.news.kind != CHAT_ONLINE_NOTHING &&
                    group_spawn(tasks, "chat presence", tell_task, p) == 0;
    if (p->is_telling)
        return;
    if (r == 0 && p->telling.news.kind != CHAT_ONLINE_NOTHING)
        chat_online_untold(p->chat->online);
    telling_finish(&p->telling);
}

int chat_presence_new(struct chat *c, struct chat_presence **ret) {
    struct chat_presence *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->chat = c;
    *ret = p;
    return 0;
}

struct chat_presence *chat_presence_free(struct chat_presence *p) {
    free(p);
    return NULL;
}
