#include "daemon/chat/lease.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/offload.h"
#include "async/task.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/notice.h"
#include "daemon/chat/own.h"
#include "daemon/chat/remote.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker_thread.h"
#include "storage/chat/store.h"
#include "storage/chat/tenure.h"
#include "storage/lease.h"

enum { WHY_MAX = 200, PATH_MAX_BYTES = 256 };

struct chat_lease {
    struct chat *chat;
    char token[CHAT_LEASE_TOKEN_SIZE];
    _Atomic(char *) address; /* NULL: not known yet */

    /* the task's */
    struct worker *worker; /* NULL: not started */
    struct group tasks;
    struct lease seen; /* the newest answer */
    char told[LEASE_TOLD_MAX + 1];
    const char *told_address;  /* what others have been told */
    char id[LEASE_ID_MAX + 1]; /* of the database, while it is open; else empty */
    uint64_t generation;
    int64_t until_ms; /* of our clock: it is ours for so long; 0: it is not */
    int64_t again_ms; /* of loop_now(): not tried before */
    struct lease refused_by;
    char said[WHY_MAX]; /* last, about why it is not here */

    /* any thread's to read */
    _Atomic int state;
    _Atomic uint64_t taken, lost, refused, errors, generation_here;
};

static int64_t clock_ms(void) {
    return loop_now_us() / 1000;
}

static int64_t ttl_ms(const struct chat_lease *l) {
    return l->chat->config->chat.lease_ttl_ms;
}

static struct log *log_of(const struct chat_lease *l) {
    return l->chat->daemon->log;
}

static enum chat_lease_state state_of(const struct chat_lease *l) {
    return (enum chat_lease_state) atomic_load(&l->state);
}

static void set_state(struct chat_lease *l, enum chat_lease_state state) {
    atomic_store(&l->state, (int) state);
}

/* ---- asking Redis ---- */

static void write_told(struct chat_lease *l, bool is_here) {
    const char *address = atomic_load(&l->address);
    l->told_address = address;
    (void) snprintf(l->told, sizeof l->told, "%s\n%s\n%s\n%s", is_here ? "here" : "waits",
                    l->chat->daemon->node_name, address ? address : "", l->token);
}

/* What is kept here is let go in time, whatever Redis does. */
static int64_t patience_ms(const struct chat_lease *l, enum lease_call call) {
    int64_t left_ms = l->until_ms - clock_ms();
    if (call != LEASE_TAKE || !chat_is_here(l->chat) || left_ms > CHAT_LEASE_ASK_MS)
        return CHAT_LEASE_ASK_MS;
    return left_ms > CHAT_LEASE_RETRY_MS ? left_ms : CHAT_LEASE_RETRY_MS;
}

static int ask(struct chat_lease *l, enum lease_call call, bool accepts) {
    struct lease_claim claim = { .call = call,
                                 .name = STR("chat"),
                                 .holder = str_of(l->chat->daemon->node_id),
                                 .ttl_ms = ttl_ms(l),
                                 .id = str_of(l->id),
                                 .generation = l->generation,
                                 .accepts = accepts };
    write_told(l, chat_is_here(l->chat));
    claim.told = str_of(l->told);
    if (l->id[0])
        claim.changes = chat_store_changes(l->chat->store);
    DEADLINE(patience, patience_ms(l, call));
    int r = engine_lease(l->chat->daemon->engine, &claim, &l->seen);
    if (r < 0 && r != -ECANCELED)
        atomic_fetch_add(&l->errors, 1);
    return r;
}

/* Ours from before it was asked for: so nobody else can have it earlier than we think. */
static int take(struct chat_lease *l, bool accepts) {
    int64_t asked_ms = clock_ms();
    int r = ask(l, LEASE_TAKE, accepts);
    if (r == 0 && l->seen.result != LEASE_OURS)
        l->until_ms = 0;
    if (r == 0 && l->seen.result == LEASE_OURS) {
        l->until_ms = asked_ms + ttl_ms(l) - ttl_ms(l) / CHAT_LEASE_PARTS;
        if (l->chat->store)
            chat_store_set_until(l->chat->store, l->until_ms);
    }
    return r;
}

static void give_back(struct chat_lease *l) {
    if (l->until_ms == 0)
        return;
    l->until_ms = 0;
    SHIELD(CHAT_LEASE_ASK_MS);
    if (ask(l, LEASE_GIVE, false) < 0) {
        /* It ends by itself. */
    }
}

/* ---- whose it is ---- */

static struct str line_of(struct str *text) {
    const char *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
    struct str line = { text->data, end ? (size_t) (end - text->data) : text->len };
    text->data += end ? line.len + 1 : line.len;
    text->len -= end ? line.len + 1 : line.len;
    return line;
}

static void copy_text(char *to, size_t size, struct str from) {
    size_t len = from.len < size ? from.len : 0;
    if (len)
        memcpy(to, from.data, len);
    to[len] = '\0';
}

/* What is asked and passed on goes to whoever keeps it now, as the newest answer says. */
static void tell_remote(struct chat_lease *l) {
    struct chat_remote_owner *o = calloc(1, sizeof *o);
    struct str rest = str_of(l->seen.told);

    if (!o)
        return; /* the next turn does */
    bool is_there = l->seen.result == LEASE_OTHERS && str_equal(line_of(&rest), STR("here"));
    copy_text(o->name, sizeof o->name, line_of(&rest));
    copy_text(o->address, sizeof o->address, line_of(&rest));
    copy_text(o->token, sizeof o->token, line_of(&rest));
    copy_text(o->id, sizeof o->id, str_of(l->seen.holder));
    chat_remote_hint(l->chat->remote, is_there ? o : NULL);
    free(o);
}

/* Once, until there is something else to be said. */
static bool is_new(struct chat_lease *l, const char *text) {
    if (strncmp(l->said, text, sizeof l->said - 1) == 0)
        return false;
    (void) snprintf(l->said, sizeof l->said, "%s", text);
    return true;
}

/* ---- letting go ---- */

/* Whoever is in it leaves; then the lock goes, then the lease: in this order nobody else can have
 * begun. */
static void let_go(struct chat_lease *l) {
    struct chat *c = l->chat;
    bool was_here = chat_is_here(c);

    SHIELD(INT64_MAX / 2);
    chat_own_stop(c);
    if (was_here && clock_ms() < l->until_ms)
        (void) chat_notice_seen(c);
    chat_own_close(c);
    l->id[0] = '\0';
    atomic_store(&l->generation_here, 0);
    set_state(l, CHAT_LEASE_ELSEWHERE);
    give_back(l);
}

static void lose(struct chat_lease *l, const char *why) {
    bool was_here = chat_is_here(l->chat);
    chat_store_set_until(l->chat->store, clock_ms()); /* at once, whatever else there is to do */
    atomic_fetch_add(&l->lost, was_here);
    if (was_here)
        LOG_WARNING(log_of(l), "this node does not keep the chat any more", LOG_TEXT("why", why));
    let_go(l);
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
    struct pool *pool = NULL;

    if (l->chat->vfs)
        return -ENOENT;
    int r = pool_open(&(struct pool_options){ .name = "accept", .threads = 1 }, &pool);
    if (r == 0)
        r = offload(pool, look_for_accept, &a);
    pool_close(pool);
    return r;
}

static void refuse(struct chat_lease *l) {
    const char *dir = l->chat->config->chat.data_dir.data;
    bool is_stale = l->seen.result == LEASE_STALE;
    char key[WHY_MAX];

    atomic_fetch_add(&l->refused, 1);
    (void) snprintf(l->told, sizeof l->told, "echo %s >%s/chat.accept", l->id, dir);
    (void) snprintf(key, sizeof key, "%s %d %s", l->id, is_stale, l->seen.id);
    if (!is_new(l, key))
        return;
    LOG_ERROR(log_of(l),
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

/* ---- taking it ---- */

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

/* The store is open, and nobody in it. 1: it is to be kept here. 0: refused, or lost meanwhile. */
static int prove(struct chat_lease *l) {
    bool accepts = false;
    int r = read_database(l);
    if (r == 0)
        r = take(l, false);
    if (r == 0 && (l->seen.result == LEASE_OTHER_THING || l->seen.result == LEASE_STALE)) {
        accepts = ask_accept(l, false) == 0;
        if (!accepts) {
            refuse(l);
            l->refused_by = l->seen;
            set_state(l, CHAT_LEASE_REFUSED);
            return 0;
        }
        LOG_NOTICE(log_of(l), "chat.accept says that this database is the chat from now on",
                   LOG_TEXT("database", l->id), LOG_TEXT("had_last", l->seen.id));
        r = take(l, true);
    }
    if (r < 0 || l->seen.result != LEASE_OURS)
        return r;
    r = raise_generation(l, l->seen.generation);
    if (r == 0)
        r = take(l, false);
    if (r == 0 && accepts && ask_accept(l, true) < 0)
        LOG_WARNING(log_of(l), "chat.accept cannot be removed: do so");
    return r < 0 ? r : l->seen.result == LEASE_OURS;
}

static int begin(struct chat_lease *l) {
    struct auth *auth = l->chat->daemon->auth;
    int r = auth_look(auth);
    if (r == 0)
        r = chat_own_start(l->chat);
    if (r < 0)
        return r;
    chat_remote_hint(l->chat->remote, NULL);
    chat_own_let_in(l->chat);
    set_state(l, CHAT_LEASE_HERE);
    l->said[0] = '\0';
    atomic_store(&l->generation_here, l->generation);
    atomic_fetch_add(&l->taken, 1);
    LOG_NOTICE(log_of(l), "this node keeps the chat", LOG_TEXT("database", l->id),
               LOG_UINT("generation", l->generation));
    if (auth_listens(auth))
        auth_say_setup_link(auth);
    r = take(l, false); /* so that others hear of it now */
    return r == -ECANCELED ? r : 0;
}

/* One of an earlier version says so only if it is asked. */
static bool is_kept_by_another(struct chat_lease *l) {
    if (l->seen.id[0] || chat_remote_has_other(l->worker) <= 0)
        return false;
    if (is_new(l, "another"))
        LOG_WARNING(log_of(l), "another node keeps the chat, and has no lease: this one waits");
    return true;
}

/* The lease is ours; now the file. */
static int open_database(struct chat_lease *l, char **ret_why) {
    int r = chat_own_open(l->chat, ret_why);
    if (r == -EBUSY) {
        set_state(l, CHAT_LEASE_WAITS);
        if (is_new(l, "waits"))
            LOG_WARNING(log_of(l),
                        "this node has the lease of the chat, and waits for the lock on chat.db, "
                        "which another process still has",
                        LOG_TEXT("data_dir", l->chat->config->chat.data_dir.data));
        free(*ret_why);
        *ret_why = NULL;
        return 0;
    }
    if (r < 0) {
        set_state(l, CHAT_LEASE_FAILED);
        give_back(l);
        return r;
    }
    chat_store_set_until(l->chat->store, l->until_ms);
    r = prove(l);
    if (r > 0)
        r = begin(l);
    if (!chat_is_here(l->chat)) {
        enum chat_lease_state state = state_of(l);
        let_go(l);
        if (state == CHAT_LEASE_REFUSED)
            set_state(l, state);
    }
    return r;
}

/* May it be that ours is still the wrong one? */
static bool is_still_refused(struct chat_lease *l) {
    const struct lease *was = &l->refused_by;
    return state_of(l) == CHAT_LEASE_REFUSED && loop_now() < l->again_ms &&
           strcmp(was->id, l->seen.id) == 0 && was->generation == l->seen.generation &&
           was->changes == l->seen.changes;
}

/* Is it somebody's? If nobody's, and this node may, it is taken. */
static int try_to_take(struct chat_lease *l, char **ret_why) {
    bool may = l->chat->config->chat.owner;
    int r = 0;

    if (state_of(l) != CHAT_LEASE_WAITS || !may) {
        r = ask(l, LEASE_LOOK, false);
        if (r < 0)
            return r;
        tell_remote(l);
        if (!may || l->seen.result == LEASE_OTHERS || is_still_refused(l))
            return 0;
        if (state_of(l) == CHAT_LEASE_FAILED && loop_now() < l->again_ms)
            return 0;
        if (is_kept_by_another(l))
            return 0;
    }
    r = take(l, false);
    if (r < 0)
        return r;
    tell_remote(l);
    if (l->seen.result != LEASE_OURS) {
        if (state_of(l) == CHAT_LEASE_WAITS)
            set_state(l, CHAT_LEASE_ELSEWHERE);
        return 0;
    }
    r = open_database(l, ret_why);
    l->again_ms = loop_now() +
                  (state_of(l) == CHAT_LEASE_REFUSED ? CHAT_LEASE_REFUSED_MS : CHAT_LEASE_AGAIN_MS);
    return r;
}

/* ---- having it ---- */

static int keep(struct chat_lease *l) {
    int r = take(l, false);
    if (r == -ECANCELED)
        return r;
    if (r == 0 && l->seen.result != LEASE_OURS)
        lose(l, l->seen.result == LEASE_OTHERS ? "another node has the lease"
                                               : "the nodes have another database");
    else if (r < 0 && clock_ms() >= l->until_ms)
        lose(l, "Redis did not answer in the lease's time");
    return r;
}

static int64_t pause_ms(const struct chat_lease *l, int result) {
    if (result < 0 || state_of(l) == CHAT_LEASE_WAITS)
        return CHAT_LEASE_RETRY_MS;
    if (state_of(l) == CHAT_LEASE_HERE)
        return l->told_address == atomic_load(&l->address) ? ttl_ms(l) / CHAT_LEASE_PARTS
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
        if (!is_here && r < 0 && is_new(l, why ? why : strerror(-r)))
            LOG_WARNING(log_of(l), "this node does not keep the chat",
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
    static const char digits[] = "0123456789abcdef";
    uint8_t random[CHAT_LEASE_TOKEN_SIZE - 1];
    struct chat_lease *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->chat = c;
    loop_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        l->token[i] = digits[random[i] & 15];
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
    if (r < 0 && (r == -ENOMEM || r == -ECANCELED || state_of(l) == CHAT_LEASE_FAILED))
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

/* chat.address, or the first that it listens at, by the host's name where that is all of its own.
 */
void chat_lease_listens(struct chat_lease *l) {
    const struct daemon *d = l->chat->daemon;
    struct str said = l->chat->config->chat.address;
    const char *text = d->n_addresses ? d->addresses[0].text : "unix:";
    const char *port = strrchr(text, ':');
    char host[NODE_NAME_MAX + 1] = "", *address = NULL;
    bool is_any = strncmp(text, "0.0.0.0:", 8) == 0 || strncmp(text, "[::]:", 5) == 0;

    if (is_any)
        (void) gethostname(host, sizeof host - 1);
    if (said.len > 0)
        address = strndup(said.data, said.len);
    else if (strncmp(text, "unix:", 5) == 0)
        address = strdup("");
    else if (asprintf(&address, "%s://%s%s", l->chat->config->http.tls_enabled ? "https" : "http",
                      is_any ? host : text, is_any ? port : "") < 0)
        address = NULL;
    atomic_store(&l->address, address);
}

const char *chat_lease_token(const struct chat_lease *l) {
    return l->token;
}

void chat_lease_stats(const struct chat_lease *l, struct chat_lease_stats *ret) {
    *ret = (struct chat_lease_stats){ .state = state_of(l),
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
