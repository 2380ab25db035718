/* Is the database here the one that the lease is of? */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/offload.h"
#include "daemon/chat/lease_impl.h"
#include "daemon/log.h"
#include "storage/chat/store.h"
#include "storage/chat/tenure.h"

enum { PATH_MAX_BYTES = 256 };

/* Files, for which the loop does not wait. So seldom that no thread is kept for it. */
static int beside(int (*look)(void *arg), void *arg) {
    struct pool *pool = NULL;
    int r = pool_open(&(struct pool_options){ .name = "chat lease", .threads = 1 }, &pool);
    if (r == 0)
        r = offload(pool, look, arg);
    pool_close(pool);
    return r;
}

/* ---- the file of one that is gone ---- */

struct leaving {
    const char *data_dir, *lock;
    bool is_left;
};

static int look_at_lock(void *arg) {
    struct leaving *a = arg;
    a->is_left = chat_store_is_left(a->data_dir, a->lock);
    return 0;
}

bool chat_lease_is_left(const struct chat_lease *l) {
    struct leaving a = { .data_dir = l->chat->config->chat.data_dir.data, .lock = l->seen.lock };
    return l->seen.result == LEASE_OTHERS && l->seen.lock[0] && !l->chat->vfs &&
           beside(look_at_lock, &a) == 0 && a.is_left;
}

/* ---- another database ---- */

struct accepting {
    const char *data_dir, *id;
    bool is_over; /* it was, and is not to be again */
};

/* DATA_DIR/chat.accept has this database's id in it: it is to be the chat. */
static int look_for_accept(void *arg) {
    struct accepting *a = arg;
    char path[PATH_MAX_BYTES], id[LEASE_ID_MAX + 1] = "";
    int n = snprintf(path, sizeof path, "%s/chat.accept", a->data_dir);

    if (n < 0 || (size_t) n >= sizeof path)
        return -ENAMETOOLONG;
    if (a->is_over)
        return unlink(path) < 0 ? -errno : 0;
    FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    size_t len = fread(id, 1, sizeof id - 1, f);
    (void) fclose(f);
    id[len] = '\0';
    id[strcspn(id, " \r\n")] = '\0';
    return strcmp(id, a->id) == 0 ? 0 : -EINVAL;
}

static int ask_accept(struct chat_lease *l, bool is_over) {
    struct accepting a = { .data_dir = l->chat->config->chat.data_dir.data,
                           .id = l->id,
                           .is_over = is_over };

    return l->chat->vfs ? -ENOENT : beside(look_for_accept, &a);
}

static void refuse(struct chat_lease *l) {
    const char *dir = l->chat->config->chat.data_dir.data;
    bool is_stale = l->seen.result == LEASE_STALE;
    char key[LEASE_WHY_MAX];

    atomic_fetch_add(&l->refused, 1);
    (void) snprintf(l->told, sizeof l->told, "echo %s >%s/chat.accept", l->id, dir);
    (void) snprintf(key, sizeof key, "%s %d %s", l->id, is_stale, l->seen.id);
    if (!lease_is_new(l, key))
        return;
    LOG_ERROR(lease_log(l),
              is_stale ? "this node does not keep the chat: its chat.db is an old copy of the one "
                         "that the nodes had last"
                       : "this node does not keep the chat: its chat.db is another one than the "
                         "nodes had last",
              LOG_TEXT("database", l->id), LOG_UINT("changes", chat_store_changes(l->chat->store)),
              LOG_UINT("generation", l->generation), LOG_TEXT("had_last", l->seen.id),
              LOG_UINT("had_changes", l->seen.changes),
              LOG_UINT("had_generation", l->seen.generation),
              LOG_TEXT("to_keep_this_one_instead", l->told));
}

/* ---- this one ---- */

struct reading {
    struct chat_work work;
    uint64_t generation;
};

static int run_get(struct chat_work *w, struct chat_tx *tx) {
    return chat_tenure_get(tx, &CONTAINER_OF(w, struct reading, work)->generation);
}

static int run_put(struct chat_work *w, struct chat_tx *tx) {
    return chat_tenure_put(tx, CONTAINER_OF(w, struct reading, work)->generation);
}

static int read_database(struct chat_lease *l) {
    struct reading q = { .work = CHAT_WORK(run_get) };
    int r = chat_store_read(l->chat->store, &q.work);
    chat_work_finish(&q.work);
    l->generation = q.generation;
    (void) snprintf(l->id, sizeof l->id, "%s", chat_store_epoch(l->chat->store));
    return r;
}

/* First into the database: one that Redis has never heard of is not old. */
static int raise_generation(struct chat_lease *l, uint64_t above) {
    struct reading q = { .work = CHAT_WORK(run_put) };
    q.generation = (l->generation > above ? l->generation : above) + 1;
    SHIELD(INT64_MAX / 2);
    int r = chat_store_write(l->chat->store, &q.work);
    chat_work_finish(&q.work);
    if (r == 0)
        l->generation = q.generation;
    return r;
}

int chat_lease_prove(struct chat_lease *l) {
    bool accepts = false;
    int r = read_database(l);
    if (r == 0)
        r = chat_lease_take(l, false);
    if (r == 0 && (l->seen.result == LEASE_OTHER_THING || l->seen.result == LEASE_STALE)) {
        accepts = ask_accept(l, false) == 0;
        if (!accepts) {
            refuse(l);
            l->refused_by = l->seen;
            lease_set_state(l, CHAT_LEASE_REFUSED);
            return 0;
        }
        LOG_NOTICE(lease_log(l), "chat.accept says that this database is the chat from now on",
                   LOG_TEXT("database", l->id), LOG_TEXT("had_last", l->seen.id));
        r = chat_lease_take(l, true);
    }
    if (r < 0 || l->seen.result != LEASE_OURS)
        return r;
    r = raise_generation(l, l->seen.generation);
    if (r == 0)
        r = chat_lease_take(l, false);
    if (r == 0 && accepts && ask_accept(l, true) < 0)
        LOG_WARNING(lease_log(l), "chat.accept cannot be removed: do so");
    return r < 0 ? r : l->seen.result == LEASE_OURS;
}
