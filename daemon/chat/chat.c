#include "daemon/chat/chat.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/chat/files.h"
#include "daemon/chat/hooks.h"
#include "daemon/chat/notice.h"
#include "daemon/chat/online.h"
#include "daemon/chat/pump.h"
#include "daemon/chat/remote.h"
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
                    .upload_max_bytes = chat->upload_max_bytes,
                    .search_work_us = (uint32_t) (chat->search_work_ms * 1000),
                    .edit_window_ms = chat->edit_window_ms },
    };
    return chat_store_open(&o, &c->store, ret_why);
}

/* What only the node has that keeps it. */
static int open_own(struct chat *c, const char *vfs, char **ret_why) {
    int r = chat_notices_new(c, &c->notices);
    if (r == 0)
        r = chat_pump_new(c, &c->pump);
    if (r == 0)
        r = open_store(c, vfs, ret_why);
    return r == 0 && !vfs ? chat_files_open(c, ret_why) : r;
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
        r = d->config->chat.owner ? open_own(c, vfs, ret_why) : chat_remote_new(c, &c->remote);
    if (r < 0) {
        chat_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

static int start_own(struct worker *w, struct chat *c) {
    int has_other = chat_remote_has_other(w);

    group_init(&c->files_tasks);
    if (has_other > 0) {
        LOG_ERROR(c->daemon->log,
                  "another node keeps the chat: chat.owner must be false on all but one");
        return -EBUSY;
    }
    int r = has_other < 0 ? has_other : chat_pump_start(c->pump);
    if (r == 0 && c->files_dir)
        r = group_spawn(&c->files_tasks, "chat purge", chat_files_purge, c);
    if (r == 0)
        r = group_spawn(&c->files_tasks, "chat webhooks", chat_hooks_deliver, c);
    return r;
}

static int start_here(struct worker_thread *t, void *arg) {
    struct chat *c = arg;
    return c->remote ? chat_remote_start(c->remote) : start_own(&t->worker, c);
}

static int stop_here(struct worker_thread *t, void *arg) {
    struct chat *c = arg;
    if (c->remote) {
        chat_remote_stop(c->remote);
        return 0;
    }
    group_finish(&c->files_tasks);
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
    c->has_started = true; /* or in part: it is to be stopped */
    return ask_first(c, start_here);
}

void chat_stop(struct chat *c) {
    if (!c || !c->has_started)
        return;
    c->has_started = false;
    (void) ask_first(c, stop_here);
    if (c->store)
        (void) chat_notice_seen(c);
}

struct chat *chat_close(struct chat *c) {
    if (!c)
        return NULL;
    c->store = chat_store_close(c->store);
    c->pump = chat_pump_free(c->pump);
    c->notices = chat_notices_free(c->notices);
    c->remote = chat_remote_free(c->remote);
    c->typing = chat_typing_free(c->typing);
    c->online = chat_online_free(c->online);
    free(c->files_dir);
    free(c);
    return NULL;
}
