#include "daemon/chat/notice.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/task.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/event.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/online.h"
#include "daemon/chat/presence.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker.h"
#include "storage/chat/member.h"
#include "storage/chat/read.h"
#include "storage/chat/user.h"
#include "storage/table.h"

enum { SUBJECTS_PER_READ = 16, TELL_AT_ONCE = 64, USERS_MAX = 16, SEEN_PER_WORK = 200 };

/* What is wanted of it. */
enum want { WANT_UNREAD = 1, WANT_ROOM = 2, WANT_USER = 4 };

struct whom {
    uint8_t len;
    char id[CHAT_ID_MAX];
};

/* A room, or a user, that there is something to tell of. */
struct subject {
    struct table_entry in_table;
    int64_t room_key;
    int64_t told_at;
    int64_t due_at;               /* with something wanted */
    unsigned wants;               /* of all who are concerned */
    struct whom users[USERS_MAX]; /* with n: of whom WANT_UNREAD; more: of all */
    uint8_t n;
    uint8_t len;
    char id[1 + CHAT_ID_MAX]; /* 'r' or 'u', and the id */
};

struct chat_notices {
    struct chat *chat;
    struct worker *worker;
    struct group *tasks;
    struct table subjects;
    struct timer due;
    int64_t due_at; /* 0: the timer is not set */
    bool is_telling, is_stopping, is_noting_seen;
    int64_t seen_at;
    struct chat_presence *presence;
};

static struct bytes key_of(const struct table_entry *e) {
    const struct subject *s = CONTAINER_OF(e, struct subject, in_table);
    return bytes_of(s->id, s->len);
}

static struct str id_of(const struct subject *s) {
    return (struct str){ s->id + 1, s->len - 1u };
}

static bool is_wanted(const struct subject *s) {
    return s->wants != 0 || s->n > 0;
}

/* ---- one read: what is to be told to whom ---- */

struct told {
    struct str user;
    struct bytes data;
};

struct looking {
    struct chat_work work;
    struct chat *chat;
    struct subject subjects[SUBJECTS_PER_READ]; /* as they were noted */
    size_t n;
    struct arena_list told; /* struct told */
};

static int keep(struct looking *l, struct str user, struct buffer *e) {
    struct arena *a = &l->work.arena;
    struct told *t = NULL;
    char *id = NULL;
    uint8_t *data = NULL;

    out_close(e, '}');
    if (buffer_error(e) == 0) {
        t = arena_list_add(a, &l->told, sizeof *t);
        id = t ? arena_alloc(a, user.len) : NULL;
        data = id ? arena_alloc(a, e->len) : NULL;
    }
    if (data) {
        memcpy(id, user.data, user.len);
        memcpy(data, e->data, e->len);
        *t = (struct told){ { id, user.len }, bytes_of(data, e->len) };
    }
    buffer_finish(e);
    return data ? 0 : -ENOMEM;
}

static int look_unread(struct looking *l, struct chat_tx *tx, struct str room, struct str user) {
    struct chat_unread u;
    struct buffer e = BUFFER_INIT;

    int r = chat_read_state(tx, room, user, &u);
    if (r != 0)
        return r < 0 ? r : 0; /* not in it any more */
    event_begin(&e, "unread.changed", 0);
    out_text(&e, "room", room);
    chat_put_unread(&e, &u);
    return keep(l, user, &e);
}

static int look_room(struct looking *l, struct chat_tx *tx, struct str room, struct str user) {
    struct chat_actor by;
    struct chat_room as_seen;
    struct buffer e = BUFFER_INIT;

    int r = chat_actor_load(tx, user, &by);
    if (r == 0)
        r = chat_room_get(tx, &by, room, CHAT_ACT_FOLLOW, &as_seen);
    if (r != 0)
        return r < 0 ? r : 0;
    event_begin(&e, "room.updated", 0);
    out_key(&e, "room");
    chat_put_room(&e, &as_seen, true);
    return keep(l, user, &e);
}

static int look_at_member(struct looking *l, struct chat_tx *tx, const struct subject *s,
                          unsigned wants, struct str user) {
    int r = 0;
    if (!chat_online_has(l->chat->online, user))
        return 0;
    if (wants & WANT_ROOM)
        r = look_room(l, tx, id_of(s), user);
    if (r == 0 && wants & WANT_UNREAD)
        r = look_unread(l, tx, id_of(s), user);
    return r;
}

static int look_at_room(struct looking *l, struct chat_tx *tx, const struct subject *s) {
    struct chat_ids all = { 0 };
    int r = 0;

    if (s->wants)
        r = chat_member_ids(tx, s->room_key, &all);
    for (size_t i = 0; r == 0 && i < all.n; i++)
        r = look_at_member(l, tx, s, s->wants, all.items[i]);
    for (size_t i = 0; r == 0 && !(s->wants & WANT_UNREAD) && i < s->n; i++)
        r = look_at_member(l, tx, s, WANT_UNREAD, (struct str){ s->users[i].id, s->users[i].len });
    return r;
}

/* Guests know those with whom they share a room; others know everybody. */
static int may_know(struct chat_tx *tx, const struct chat_online_user *who, struct str user) {
    struct chat_actor by;
    struct chat_users known;

    if (chat_team_permission(CHAT_TEAM_SEE_ALL_USERS, who->role))
        return 1;
    int r = chat_actor_load(tx, who->id, &by);
    if (r == 0)
        r = chat_users_get(tx, &by, &user, 1, &known);
    return r < 0 ? r : r == 0 && known.n > 0;
}

static int look_at_user(struct looking *l, struct chat_tx *tx, const struct subject *s) {
    struct chat_online_user *all = NULL;
    struct chat_user user;
    size_t n = 0;

    int r = chat_user_get(tx, id_of(s), &user);
    if (r != 0)
        return r < 0 ? r : 0;
    chat_online_set_role(l->chat->online, user.id, user.role);
    r = chat_online_list(l->chat->online, &l->work.arena, &all, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct buffer e = BUFFER_INIT;
        r = may_know(tx, &all[i], user.id);
        if (r <= 0)
            continue;
        event_begin(&e, "user.updated", 0);
        out_key(&e, "user");
        chat_put_user(&e, &user);
        r = keep(l, all[i].id, &e);
    }
    return r < 0 ? r : 0;
}

static int look(struct chat_work *w, struct chat_tx *tx) {
    struct looking *l = CONTAINER_OF(w, struct looking, work);
    int r = 0;

    for (size_t i = 0; r == 0 && i < l->n; i++)
        r = l->subjects[i].wants & WANT_USER ? look_at_user(l, tx, &l->subjects[i])
                                             : look_at_room(l, tx, &l->subjects[i]);
    return r;
}

/* ---- the worker's ---- */

/* What is due, and has not been told within the time, goes into the read. When the next is due. */
static int64_t take(struct chat_notices *n, struct looking *l) {
    int64_t now = loop_now(), next = INT64_MAX;

    l->n = 0;
    TABLE_FOREACH (&n->subjects, e) {
        struct subject *s = CONTAINER_OF(e, struct subject, in_table);
        bool is = is_wanted(s);
        int64_t due = is ? s->due_at : s->told_at + CHAT_NOTICE_EVERY_MS;
        if (due > now || (is && l->n == SUBJECTS_PER_READ)) {
            if (is)
                next = due < next ? due : next;
        } else if (is) {
            l->subjects[l->n++] = *s;
            s->wants = 0;
            s->n = 0;
            s->told_at = now;
        } else {
            table_remove(&n->subjects, e);
            free(s);
        }
    }
    return next;
}

static struct subject *find(struct chat_notices *n, struct bytes key) {
    struct table_entry *e = table_find(&n->subjects, key);
    return e ? CONTAINER_OF(e, struct subject, in_table) : NULL;
}

/* It could not be looked up: once more, then. */
static void put_back(struct chat_notices *n, const struct looking *l) {
    for (size_t i = 0; i < l->n; i++) {
        const struct subject *was = &l->subjects[i];
        struct subject *s = find(n, bytes_of(was->id, was->len));
        if (!s)
            continue;
        if (!is_wanted(s))
            s->due_at = s->told_at + CHAT_NOTICE_EVERY_MS;
        s->wants |= was->wants | (was->n > 0 ? WANT_UNREAD : 0);
    }
}

static void tell(struct chat_notices *n, const struct looking *l) {
    const struct told *all = l->told.items;
    char channel[CHAT_CHANNEL_MAX];

    for (size_t i = 0; i < l->told.n; i++) {
        chat_tell(n->worker, chat_user_channel(all[i].user, channel), all[i].data);
        if (i % TELL_AT_ONCE == TELL_AT_ONCE - 1 && task_yield() < 0)
            return;
    }
}

static void wait_until(struct chat_notices *n, int64_t at) {
    if (n->is_stopping || at == INT64_MAX)
        return;
    if (n->due_at != 0 && n->due_at <= at)
        return;
    int64_t in = at - loop_now();
    if (timer_set(&n->due, in > 0 ? in : 0) == 0)
        n->due_at = at > 0 ? at : 1;
    else
        LOG_WARNING(n->worker->daemon->log, "notices of the chat wait for the next one",
                    LOG_RESULT(-ENOMEM));
}

static int tell_task(void *arg) {
    struct chat_notices *n = arg;
    struct looking *l = calloc(1, sizeof *l);
    int64_t next = loop_now() + CHAT_NOTICE_EVERY_MS;
    int r = l ? 0 : -ENOMEM;

    while (r == 0) {
        l->work = CHAT_WORK(look);
        l->chat = n->chat;
        l->told = (struct arena_list){ 0 };
        next = take(n, l);
        if (l->n == 0)
            break;
        r = chat_store_read(n->chat->store, &l->work);
        if (r == 0)
            tell(n, l);
        else
            put_back(n, l);
        chat_work_finish(&l->work);
    }
    if (r != 0 && r != -ECANCELED)
        LOG_WARNING(n->worker->daemon->log, "notices of the chat could not be looked up",
                    LOG_RESULT(r));
    free(l);
    n->is_telling = false;
    wait_until(n, r == 0 ? next : loop_now() + CHAT_NOTICE_EVERY_MS);
    return 0;
}

static void on_due(struct timer *t) {
    struct chat_notices *n = CONTAINER_OF(t, struct chat_notices, due);

    n->due_at = 0;
    if (n->is_telling || n->is_stopping)
        return;
    n->is_telling = group_spawn(n->tasks, "chat notices", tell_task, n) == 0;
    if (!n->is_telling)
        wait_until(n, loop_now() + CHAT_NOTICE_EVERY_MS);
}

static struct subject *add(struct chat_notices *n, struct bytes key) {
    struct subject *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    memcpy(s->id, key.data, key.len);
    s->len = (uint8_t) key.len;
    s->told_at = loop_now() - CHAT_NOTICE_EVERY_MS;
    if (table_add(&n->subjects, &s->in_table) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

static void add_whom(struct subject *s, struct str user) {
    for (size_t i = 0; i < s->n; i++)
        if (str_equal((struct str){ s->users[i].id, s->users[i].len }, user))
            return;
    if (s->n == USERS_MAX) {
        s->wants |= WANT_UNREAD;
        return;
    }
    s->users[s->n].len = (uint8_t) user.len;
    memcpy(s->users[s->n++].id, user.data, user.len);
}

/* Of a message those are not told who are just reading it: whoever has the room open says at once
 * that it is read, and would hear first that there is one unread, then that there is none. */
static int64_t due_of(const struct subject *s, const struct chat_order *o) {
    bool is_message = o->kind == ORDER_UNREAD && o->user.len == 0;
    int64_t may = s->told_at + CHAT_NOTICE_EVERY_MS;
    int64_t due = loop_now() + (is_message ? CHAT_NOTICE_READING_MS : 0);
    return due > may ? due : may;
}

void chat_notice_note(struct chat_notices *n, const struct chat_order *o) {
    char key[1 + CHAT_ID_MAX];
    struct str id = o->kind == ORDER_USER ? o->user : o->room;

    assert(id.len <= CHAT_ID_MAX && o->user.len <= CHAT_ID_MAX);
    key[0] = o->kind == ORDER_USER ? 'u' : 'r';
    memcpy(key + 1, id.data, id.len);
    struct subject *s = find(n, bytes_of(key, 1 + id.len));
    if (!s)
        s = add(n, bytes_of(key, 1 + id.len));
    if (!s)
        return;           /* they hear of it with the next one, or when they come again */
    if (o->room_key != 0) /* what concerns one user does not have it */
        s->room_key = o->room_key;
    if (!is_wanted(s))
        s->due_at = due_of(s, o);
    if (o->kind == ORDER_USER)
        s->wants |= WANT_USER;
    else if (o->kind == ORDER_ROOM)
        s->wants |= WANT_ROOM;
    else if (o->user.len == 0)
        s->wants |= WANT_UNREAD;
    else
        add_whom(s, o->user);
    if (!n->is_telling)
        wait_until(n, s->due_at);
}

/* ---- last_seen ---- */

struct seeing {
    struct chat_work work;
    const struct chat_online_user *users;
    size_t n;
};

static int write_seen(struct chat_work *w, struct chat_tx *tx) {
    const struct seeing *s = CONTAINER_OF(w, struct seeing, work);
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->n; i++) {
        const struct chat_online_user *u = &s->users[i];
        r = chat_user_seen(tx, u->id, u->seen_at ? u->seen_at : chat_tx_now_ms(tx));
        if (r > 0)
            r = 0; /* gone meanwhile */
    }
    return r;
}

/* So many at a time that others who write do not wait for long. */
int chat_notice_seen(struct chat *c) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct chat_online_user *all = NULL;
    size_t n = 0, done = 0;

    int r = chat_online_take_seen(c->online, &arena, &all, &n);
    while (r == 0 && done < n) {
        struct seeing s = { .work = CHAT_WORK(write_seen),
                            .users = all + done,
                            .n = n - done < SEEN_PER_WORK ? n - done : SEEN_PER_WORK };
        SHIELD(INT64_MAX / 2); /* the work has it until then */
        r = chat_store_write(c->store, &s.work);
        chat_work_finish(&s.work);
        done += s.n;
    }
    if (r < 0)
        LOG_WARNING(c->daemon->log, "who was here of late is not noted", LOG_RESULT(r));
    return r;
}

static int seen_task(void *arg) {
    struct chat_notices *n = arg;
    (void) chat_notice_seen(n->chat);
    n->is_noting_seen = false;
    return 0;
}

void chat_notice_tick(struct chat_notices *n) {
    chat_presence_tick(n->presence, n->worker, n->tasks);
    if (n->is_noting_seen || loop_now() - n->seen_at < CHAT_SEEN_EVERY_MS)
        return;
    n->seen_at = loop_now();
    n->is_noting_seen = group_spawn(n->tasks, "chat seen", seen_task, n) == 0;
}

/* ---- beginning and end ---- */

int chat_notices_new(struct chat *c, struct chat_notices **ret) {
    struct table_seed seed;
    struct chat_notices *n = calloc(1, sizeof *n);
    if (!n)
        return -ENOMEM;
    n->chat = c;
    n->due.run = on_due;
    if (chat_presence_new(c, &n->presence) < 0) {
        free(n);
        return -ENOMEM;
    }
    loop_random(&seed, sizeof seed);
    table_init(&n->subjects, &seed, key_of);
    *ret = n;
    return 0;
}

struct chat_notices *chat_notices_free(struct chat_notices *n) {
    if (!n)
        return NULL;
    TABLE_FOREACH (&n->subjects, e) {
        table_remove(&n->subjects, e);
        free(CONTAINER_OF(e, struct subject, in_table));
    }
    table_finish(&n->subjects);
    n->presence = chat_presence_free(n->presence);
    free(n);
    return NULL;
}

void chat_notice_start(struct chat_notices *n, struct worker *w, struct group *tasks) {
    n->worker = w;
    n->tasks = tasks;
    n->seen_at = loop_now();
}

void chat_notice_stop(struct chat_notices *n) {
    n->is_stopping = true;
    timer_clear(&n->due);
}
