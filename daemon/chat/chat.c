#include "daemon/chat/chat.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/chat/notice.h"
#include "daemon/chat/online.h"
#include "daemon/chat/pump.h"
#include "daemon/chat/typing.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker_thread.h"
#include "storage/chat/store.h"

bool chat_is_user_id(struct str user) {
    if (user.len == 0 || user.len > CHAT_ID_MAX)
        return false;
    for (size_t i = 0; i < user.len; i++)
        if (user.data[i] <= ' ' || user.data[i] >= 0x7f || user.data[i] == ',' ||
            user.data[i] == '#')
            return false;
    return true;
}

void chat_tell(struct worker *w, struct str channel, struct bytes data) {
    struct publication *p = publication_new(&(struct publication_parts){
            .kind = PUBLICATION_DATA, .channel = channel, .data = data, .is_json_line = true });
    int r = p ? engine_broadcast(w->daemon->engine, p) : -ENOMEM;
    if (r < 0)
        LOG_WARNING(w->daemon->log, "a live event of the chat was lost",
                    LOG_STR("channel", channel), LOG_RESULT(r));
    publication_unref(p);
}

/* ---- beginning and end ---- */

static int open_store(struct chat *c, const char *vfs, char **ret_why) {
    const struct config *config = c->daemon->config;
    const struct config_chat *chat = &config->chat;
    struct chat_store_options o = {
        .data_dir = config->data_dir.data,
        .vfs = vfs,
        .queue_max = chat->queue_max,
        .limits = { .text_max_bytes = chat->text_max_bytes,
                    .rooms_max_per_user = chat->rooms_max,
                    .members_max = chat->members_max,
                    .reactions_max = chat->reactions_max,
                    .pins_max = chat->pins_max,
                    .page_max = chat->page_max,
                    .edit_window_ms = chat->edit_window_ms },
    };
    return chat_store_open(&o, &c->store, ret_why);
}

int chat_open(struct daemon *d, const char *vfs, struct chat **ret, char **ret_why) {
    if (!d->config->chat.enabled)
        return 0;
    struct chat *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->daemon = d;
    int r = chat_online_new(&c->online);
    if (r == 0)
        r = chat_typing_new(&c->typing);
    if (r == 0)
        r = chat_notices_new(c, &c->notices);
    if (r == 0)
        r = chat_pump_new(c, &c->pump);
    if (r == 0)
        r = open_store(c, vfs, ret_why);
    if (r < 0) {
        chat_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

static int start_here(struct worker_thread *t, void *arg) {
    struct chat *c = arg;
    return chat_pump_start(c->pump);
}

static int stop_here(struct worker_thread *t, void *arg) {
    struct chat *c = arg;
    chat_pump_stop(c->pump);
    return 0;
}

static int ask_first(struct chat *c, int (*run)(struct worker_thread *t, void *arg)) {
    struct chore chore;
    chore_send(&chore, &c->daemon->threads[0], run, c);
    return chore_wait(&chore);
}

int chat_start(struct chat *c) {
    if (!c)
        return 0;
    int r = ask_first(c, start_here);
    c->has_started = r == 0;
    return r;
}

void chat_stop(struct chat *c) {
    if (!c || !c->has_started)
        return;
    c->has_started = false;
    (void) ask_first(c, stop_here);
    (void) chat_notice_seen(c);
}

struct chat *chat_close(struct chat *c) {
    if (!c)
        return NULL;
    c->store = chat_store_close(c->store);
    c->pump = chat_pump_free(c->pump);
    c->notices = chat_notices_free(c->notices);
    c->typing = chat_typing_free(c->typing);
    c->online = chat_online_free(c->online);
    free(c);
    return NULL;
}
