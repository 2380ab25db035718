#include "daemon/chat/part.h"

#include <errno.h>
#include <stdlib.h>

#include "async/group.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/event.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/node/desk.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/survey.h"
#include "daemon/worker.h"
#include "storage/chat/types.h"

/* One of those who part, while it lasts. */
struct parting {
    struct session_errand errand;
    size_t channel_len;
    char channel[CHAT_CHANNEL_MAX];
};

static void on_errand(struct session *s, struct session_errand *e) {
    struct parting *p = CONTAINER_OF(e, struct parting, errand);
    session_unsubscribe_server(s, (struct str){ p->channel, p->channel_len }, UNSUBSCRIBE_SERVER,
                               (struct str){ 0 });
    free(p);
}

static void on_drop(struct session_errand *e) {
    free(CONTAINER_OF(e, struct parting, errand));
}

struct part_task {
    struct worker *worker;
    uint8_t room_len, user_len;
    char room[CHAT_ID_MAX], user[CHAT_ID_MAX];
};

static int part_here(struct worker *w, void *arg, void *part) {
    const struct part_task *t = arg;
    int r = 0;

    if (t->room_len == 0) {
        HUB_FOREACH_USER (w, ((struct str){ t->user, t->user_len }), s)
            session_disconnect(s, DISCONNECT_PERMISSION_DENIED);
        return 0;
    }
    HUB_FOREACH_USER (w, ((struct str){ t->user, t->user_len }), s) {
        struct parting *p = calloc(1, sizeof *p);
        if (!p) {
            r = -ENOMEM;
            continue;
        }
        p->errand = (struct session_errand){ .run = on_errand, .drop = on_drop };
        p->channel_len = chat_room_channel((struct str){ t->room, t->room_len }, p->channel).len;
        (void) session_post(s, &p->errand); /* one that is leaving has dropped it */
    }
    return r;
}

static void fill(struct part_task *t, struct worker *w, struct str room, struct str user) {
    t->worker = w;
    t->room_len = (uint8_t) room.len;
    t->user_len = (uint8_t) user.len;
    if (room.len)
        memcpy(t->room, room.data, room.len);
    memcpy(t->user, user.data, user.len);
}

int chat_part_here(struct worker *w, struct str room, struct str user) {
    struct part_task t = { 0 };

    /* Before anybody is looked for: who comes meanwhile sees it, and looks again. */
    atomic_fetch_add(&w->daemon->chat->parted, 1);
    if (room.len == 0)
        auth_count_ending(w->daemon);
    fill(&t, w, room, user);
    return survey(w, &(struct survey){ .ask = part_here, .arg = &t });
}

/* The other nodes do the same: their names for it are "user\nroom". */
static int order_others(const struct part_task *t) {
    char name[2 * CHAT_ID_MAX + 1];
    size_t n = t->user_len;

    memcpy(name, t->user, n);
    name[n++] = '\n';
    memcpy(name + n, t->room, t->room_len);
    return node_order(t->worker, NODE_ORDER_CHAT_PART, (struct str){ name, n + t->room_len }, 0);
}

static int part_task(void *arg) {
    struct part_task *t = arg;
    int r = survey(t->worker, &(struct survey){ .ask = part_here, .arg = t });
    int e = order_others(t);
    r = r < 0 ? r : e;
    if (r < 0) /* a worker that ends takes its connections along */
        LOG_WARNING(t->worker->daemon->log, "who left the chat may still hear of it",
                    LOG_STR("user", ((struct str){ t->user, t->user_len })), LOG_RESULT(r));
    return 0;
}

/* room: empty: all of it. */
static void begin(struct worker *w, struct group *tasks, struct str room, struct str user) {
    void *data;

    int r = group_spawn_with(tasks, "chat part", part_task, sizeof(struct part_task), &data);
    if (r < 0) {
        LOG_WARNING(w->daemon->log, "who left the chat may still hear of it", LOG_STR("user", user),
                    LOG_RESULT(r));
        return;
    }
    fill(data, w, room, user);
}

void chat_part(struct worker *w, struct group *tasks, struct str room, struct str user) {
    /* Before anybody is looked for: who subscribes meanwhile sees it, and looks again. */
    atomic_fetch_add(&w->daemon->chat->parted, 1);
    begin(w, tasks, room, user);
}

void chat_end(struct worker *w, struct group *tasks, struct str user) {
    auth_count_ending(w->daemon);
    begin(w, tasks, (struct str){ 0 }, user);
}
