/* Files that nothing names any more, from the disk. */
#include <errno.h>
#include <stdlib.h>

#include "async/offload.h"
#include "async/task.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/files.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker_thread.h"
#include "protocol/arena.h"
#include "storage/chat/attachment.h"

struct purge {
    struct chat *chat;
    struct pool *pool;
    struct chat_work work;
    struct arena arena;
    struct arena_list there; /* struct chat_blob_id: what lies in the directory */
    size_t looked_at;        /* of them */
    bool is_due;
    struct chat_purged purged;
};

/* ---- what a crash left ---- */

static int note_file(void *arg, const struct chat_blob_id *id) {
    struct purge *p = arg;
    struct chat_blob_id *kept = arena_list_add(&p->arena, &p->there, sizeof *kept);
    if (!kept)
        return -ENOMEM;
    *kept = *id;
    return 0;
}

static int list_files(void *arg) {
    struct purge *p = arg;
    return chat_blob_each(p->chat->files_dir, note_file, p);
}

static int run_found(struct chat_work *w, struct chat_tx *tx) {
    struct purge *p = CONTAINER_OF(w, struct purge, work);
    const struct chat_blob_id *there = p->there.items;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < FILES_PURGE_MAX && p->looked_at < p->there.n; i++)
        r = chat_attachment_found(tx, &there[p->looked_at++]);
    return r;
}

static int write_by(struct purge *p, int (*run)(struct chat_work *, struct chat_tx *)) {
    chat_work_finish(&p->work);
    p->work = CHAT_WORK(run);
    return chat_store_write(p->chat->store, &p->work);
}

static int find_orphans(struct purge *p) {
    int r = offload(p->pool, list_files, p);
    while (r == 0 && p->looked_at < p->there.n)
        r = write_by(p, run_found);
    arena_finish(&p->arena);
    p->there = (struct arena_list){ 0 };
    return r;
}

/* ---- now and then ---- */

static int run_is_due(struct chat_work *w, struct chat_tx *tx) {
    struct purge *p = CONTAINER_OF(w, struct purge, work);
    return chat_attachment_is_due(tx, &p->is_due);
}

static int run_purge(struct chat_work *w, struct chat_tx *tx) {
    struct purge *p = CONTAINER_OF(w, struct purge, work);
    return chat_attachment_purge(tx, p->chat->files_dir, FILES_PURGE_MAX, &p->purged);
}

static int purge_now(struct purge *p) {
    chat_work_finish(&p->work);
    p->work = CHAT_WORK(run_is_due);
    int r = chat_store_read(p->chat->store, &p->work);
    if (r != 0 || !p->is_due)
        return r;
    do {
        r = write_by(p, run_purge);
        if (r == 0)
            metrics_add(&p->chat->daemon->threads[0].worker.metrics, COUNT_CHAT_FILES_PURGED,
                        p->purged.files);
    } while (r == 0 && p->purged.has_more);
    return r;
}

static int purge_for_ever(struct purge *p) {
    int r = find_orphans(p);
    for (;;) {
        if (r == -ECANCELED)
            return r;
        if (r != 0)
            LOG_WARNING(p->chat->daemon->log, "files of the chat are not removed", LOG_RESULT(r));
        r = task_sleep(FILES_PURGE_MS);
        if (r == 0)
            r = purge_now(p);
    }
}

int chat_files_purge(void *arg) {
    struct chat *c = arg;
    struct purge *p = calloc(1, sizeof *p);
    int r = p ? 0 : -ENOMEM;
    if (r == 0) {
        p->chat = c;
        r = pool_open(&(struct pool_options){ .name = "purge", .threads = 1 }, &p->pool);
    }
    if (r == 0)
        r = purge_for_ever(p);
    if (p) {
        chat_work_finish(&p->work);
        arena_finish(&p->arena);
        p->pool = pool_close(p->pool);
    }
    free(p);
    return r;
}
