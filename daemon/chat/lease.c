#include "daemon/chat/lease.h"

#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/task.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/lease_impl.h"
#include "daemon/chat/notice.h"
#include "daemon/chat/own.h"
#include "daemon/chat/remote.h"
#include "daemon/log.h"
#include "daemon/worker_thread.h"
#include "storage/chat/store.h"

/* ---- letting go ---- */

/* Whoever is in it leaves; then the lock goes, then the lease: in this order nobody else can have
 * begun. */
static void let_go(struct chat_lease *l) {
    struct chat *c = l->chat;
    bool was_here = chat_is_here(c);

    SHIELD(INT64_MAX / 2);
    chat_own_stop(c);
    if (was_here && lease_clock_ms() < l->until_ms)
        (void) chat_notice_seen(c);
    chat_own_close(c);
    l->id[0] = '\0';
    atomic_store(&l->generation_here, 0);
    lease_set_state(l, CHAT_LEASE_ELSEWHERE);
    chat_lease_give_back(l);
}

static void lose(struct chat_lease *l, const char *why) {
    bool was_here = chat_is_here(l->chat);
    chat_store_set_until(l->chat->store,
                         lease_clock_ms()); /* at once, whatever else there is to do */
    atomic_fetch_add(&l->lost, was_here);
    if (was_here)
        LOG_WARNING(lease_log(l), "this node does not keep the chat any more",
                    LOG_TEXT("why", why));
    let_go(l);
}

/* ---- taking it ---- */

static int begin(struct chat_lease *l) {
    struct auth *auth = l->chat->daemon->auth;
    int r = auth_look(auth);
    if (r == 0)
        r = chat_own_start(l->chat);
    if (r < 0)
        return r;
    chat_remote_hint(l->chat->remote, NULL);
    chat_own_let_in(l->chat);
    lease_set_state(l, CHAT_LEASE_HERE);
    l->said[0] = '\0';
    atomic_store(&l->generation_here, l->generation);
    atomic_fetch_add(&l->taken, 1);
    LOG_NOTICE(lease_log(l), "this node keeps the chat", LOG_TEXT("database", l->id),
               LOG_UINT("generation", l->generation));
    if (auth_listens(auth))
        auth_say_setup_link(auth);
    r = chat_lease_take(l, false); /* so that others hear of it now */
    return r == -ECANCELED ? r : 0;
}

/* One of an earlier version says so only if it is asked. */
static bool is_kept_by_another(struct chat_lease *l) {
    if (l->seen.id[0] || chat_remote_has_other(l->worker) <= 0)
        return false;
    if (lease_is_new(l, "another"))
        LOG_WARNING(lease_log(l), "another node keeps the chat, and has no lease: this one waits");
    return true;
}

static void wait_for_lock(struct chat_lease *l) {
    lease_set_state(l, CHAT_LEASE_WAITS);
    if (lease_is_new(l, "waits"))
        LOG_WARNING(lease_log(l),
                    "this node has the lease of the chat, and waits for the lock on chat.db, "
                    "which another process still has",
                    LOG_TEXT("data_dir", l->chat->config->chat.data_dir.data));
}

/* The lease is ours; now the file. Or the other way round, if it is the file of one that is gone.
 */
static int open_database(struct chat_lease *l, char **ret_why) {
    int r = chat_own_open(l->chat, ret_why);
    if (r == -EBUSY) {
        if (l->until_ms != 0)
            wait_for_lock(l);
        free(*ret_why);
        *ret_why = NULL;
        return 0;
    }
    if (r < 0) {
        lease_set_state(l, CHAT_LEASE_FAILED);
        chat_lease_give_back(l);
        return r;
    }
    chat_store_set_until(l->chat->store, l->until_ms);
    r = chat_lease_prove(l);
    if (r > 0)
        r = begin(l);
    if (!chat_is_here(l->chat)) {
        enum chat_lease_state state = lease_state(l);
        let_go(l);
        if (state == CHAT_LEASE_REFUSED)
            lease_set_state(l, state);
    }
    return r;
}

/* May it be that ours is still the wrong one? */
static bool is_still_refused(struct chat_lease *l) {
    const struct lease *was = &l->refused_by;
    return lease_state(l) == CHAT_LEASE_REFUSED && loop_now() < l->again_ms &&
           strcmp(was->id, l->seen.id) == 0 && was->generation == l->seen.generation &&
           was->changes == l->seen.changes;
}

/* Is it somebody's? If nobody's, and this node may, it is taken. */
static int try_to_take(struct chat_lease *l, char **ret_why) {
    bool may = l->chat->config->chat.owner, is_left = false;
    int r = 0;

    if (lease_state(l) != CHAT_LEASE_WAITS || !may) {
        r = chat_lease_ask(l, LEASE_LOOK, false);
        if (r < 0)
            return r;
        chat_lease_tell_remote(l);
        is_left = may && chat_lease_is_left(l);
        if (!may || (l->seen.result == LEASE_OTHERS && !is_left) || is_still_refused(l))
            return 0;
        if (lease_state(l) == CHAT_LEASE_FAILED && loop_now() < l->again_ms)
            return 0;
        if (is_kept_by_another(l))
            return 0;
    }
    if (!is_left) {
        r = chat_lease_take(l, false);
        if (r < 0)
            return r;
        chat_lease_tell_remote(l);
        if (l->seen.result != LEASE_OURS) {
            if (lease_state(l) == CHAT_LEASE_WAITS)
                lease_set_state(l, CHAT_LEASE_ELSEWHERE);
            return 0;
        }
    }
    r = open_database(l, ret_why);
    if (is_left && chat_is_here(l->chat))
        LOG_NOTICE(lease_log(l),
                   "the lease of the chat was taken before its time: whoever had it has "
                   "let go of this very file");
    l->again_ms = loop_now() + (lease_state(l) == CHAT_LEASE_REFUSED ? CHAT_LEASE_REFUSED_MS
                                                                     : CHAT_LEASE_AGAIN_MS);
    return r;
}

/* ---- having it ---- */

static int keep(struct chat_lease *l) {
    int r = chat_lease_take(l, false);
    if (r == -ECANCELED)
        return r;
    if (r == 0 && l->seen.result != LEASE_OURS)
        lose(l, l->seen.result == LEASE_OTHERS ? "another node has the lease"
                                               : "the nodes have another database");
    else if (r < 0 && lease_clock_ms() >= l->until_ms)
        lose(l, "Redis did not answer in the lease's time");
    return r;
}

static int64_t pause_ms(const struct chat_lease *l, int result) {
    if (result < 0 || lease_state(l) == CHAT_LEASE_WAITS)
        return CHAT_LEASE_RETRY_MS;
    if (lease_state(l) == CHAT_LEASE_HERE)
        return l->told_address == atomic_load(&l->address) ? lease_ttl_ms(l) / CHAT_LEASE_PARTS
                                                           : CHAT_LEASE_RETRY_MS;
    bool ends_soon = l->seen.result == LEASE_OTHERS && l->seen.left_ms < CHAT_LEASE_LOOK_MS;
    return ends_soon ? l->seen.left_ms + 1 : CHAT_LEASE_LOOK_MS;
}

static int lease_task(void *arg) {
    struct chat_lease *l = arg;
    int r = 0;

    while (task_sleep(pause_ms(l, r)) == 0) {
        char *why = NULL;
        bool is_here = chat_is_here(l->chat);
        r = is_here ? keep(l) : try_to_take(l, &why);
        if (r == -ECANCELED)
            break;
        if (!is_here && r < 0 && lease_is_new(l, why ? why : strerror(-r)))
            LOG_WARNING(lease_log(l), "this node does not keep the chat",
                        LOG_TEXT("why", why ? why : "Redis"), LOG_RESULT(r));
        free(why);
        struct auth *auth = l->chat->daemon->auth;
        if (chat_is_here(l->chat) && auth_listens(auth))
            auth_say_setup_link(auth);
    }
    return 0;
}

/* ---- beginning and end ---- */

int chat_lease_new(struct chat *c, struct chat_lease **ret) {
    struct chat_lease *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->chat = c;
    loop_random_hex(l->token, CHAT_LEASE_TOKEN_SIZE - 1);
    *ret = l;
    return 0;
}

struct chat_lease *chat_lease_free(struct chat_lease *l) {
    if (l)
        free(atomic_load(&l->address));
    free(l);
    return NULL;
}

int chat_lease_start(struct chat_lease *l, char **ret_why) {
    l->worker = &l->chat->daemon->threads[0].worker;
    group_init(&l->tasks);
    int r = chat_remote_start(l->chat->remote);
    if (r < 0)
        return r;
    r = try_to_take(l, ret_why);
    if (r < 0 && (r == -ENOMEM || r == -ECANCELED || lease_state(l) == CHAT_LEASE_FAILED))
        return r;
    free(*ret_why);
    *ret_why = NULL;
    return group_spawn(&l->tasks, "chat lease", lease_task, l);
}

void chat_lease_stop(struct chat_lease *l) {
    if (!l->worker)
        return;
    group_finish(&l->tasks);
    chat_remote_stop(l->chat->remote);
    let_go(l);
    l->worker = NULL;
}

const char *chat_lease_token(const struct chat_lease *l) {
    return l->token;
}

void chat_lease_stats(const struct chat_lease *l, struct chat_lease_stats *ret) {
    *ret = (struct chat_lease_stats){ .state = lease_state(l),
                                      .taken = atomic_load(&l->taken),
                                      .lost = atomic_load(&l->lost),
                                      .refused = atomic_load(&l->refused),
                                      .errors = atomic_load(&l->errors),
                                      .generation = atomic_load(&l->generation_here) };
}

const char *chat_lease_word(enum chat_lease_state state) {
    static const char *const words[] = { [CHAT_LEASE_ELSEWHERE] = "elsewhere",
                                         [CHAT_LEASE_WAITS] = "waits for the lock on chat.db",
                                         [CHAT_LEASE_HERE] = "here",
                                         [CHAT_LEASE_REFUSED] = "another database",
                                         [CHAT_LEASE_FAILED] = "chat.db cannot be opened" };
    return words[state];
}
