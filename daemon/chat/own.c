#include "daemon/chat/own.h"

#include <errno.h>

#include "async/deadline.h"
#include "async/task.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/files.h"
#include "daemon/chat/hooks.h"
#include "daemon/chat/notice.h"
#include "daemon/chat/pump.h"
#include "daemon/daemon.h"
#include "storage/chat/store.h"

/* ---- who enters ---- */

bool chat_is_here(const struct chat *c) {
    return atomic_load(&c->is_here);
}

/* Counted before it is looked: who ends it looks the other way round. */
struct chat_store *chat_enter(struct chat *c) {
    atomic_fetch_add(&c->inside, 1);
    if (atomic_load(&c->is_here))
        return c->store;
    atomic_fetch_sub(&c->inside, 1);
    return NULL;
}

void chat_leave(struct chat *c) {
    atomic_fetch_sub(&c->inside, 1);
}

int chat_read(struct chat *c, struct chat_work *w) {
    struct chat_store *s = chat_enter(c);
    if (!s)
        return -ENOTCONN;
    int r = chat_store_read(s, w);
    chat_leave(c);
    return r;
}

int chat_write(struct chat *c, struct chat_work *w) {
    struct chat_store *s = chat_enter(c);
    if (!s)
        return -ENOTCONN;
    int r = chat_store_write(s, w);
    chat_leave(c);
    return r;
}

/* ---- beginning and end ---- */

static int open_store(struct chat *c, char **ret_why) {
    const struct config *config = c->config;
    const struct config_chat *chat = &config->chat;
    struct chat_store_options o = {
        .data_dir = chat->data_dir.data,
        .vfs = c->vfs,
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

int chat_own_open(struct chat *c, char **ret_why) {
    *ret_why = NULL;
    int r = chat_notices_new(c, &c->notices);
    if (r == 0)
        r = chat_pump_new(c, &c->pump);
    if (r == 0)
        r = open_store(c, ret_why);
    if (r == 0 && !c->vfs)
        r = chat_files_open(c, ret_why);
    if (r < 0)
        chat_own_close(c);
    return r;
}

int chat_own_start(struct chat *c) {
    group_init(&c->own_tasks);
    c->has_own_tasks = true;
    int r = chat_pump_start(c->pump);
    if (r == 0 && c->files_dir)
        r = group_spawn(&c->own_tasks, "chat purge", chat_files_purge, c);
    if (r == 0)
        r = group_spawn(&c->own_tasks, "chat webhooks", chat_hooks_deliver, c);
    return r;
}

void chat_own_let_in(struct chat *c) {
    atomic_store(&c->is_here, true);
}

void chat_own_stop(struct chat *c) {
    SHIELD(INT64_MAX / 2);
    atomic_store(&c->is_here, false);
    if (c->has_own_tasks) {
        group_finish(&c->own_tasks);
        chat_pump_stop(c->pump);
    }
    c->has_own_tasks = false;
    while (atomic_load(&c->inside) > 0) /* each waits for the store's threads, which go on */
        (void) task_sleep(1);
}

void chat_own_close(struct chat *c) {
    c->store = chat_store_close(c->store);
    c->pump = chat_pump_free(c->pump);
    c->notices = chat_notices_free(c->notices);
}
