/* The team of chat_store. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/chat/member.h"
#include "storage/chat/sync.h"
#include "storage/chat/user.h"
#include "tests/bench/chat_bench.h"

enum { USERS_OF_COMMIT = 50 };

struct furnish {
    struct chat_work work;
    struct bench *b;
    unsigned first; /* users */
};

const char *bench_room_of(const struct bench *b, unsigned user, unsigned place) {
    return b->rooms[(user + place) % ROOMS];
}

static int run_rooms(struct chat_work *work, struct chat_tx *tx) {
    struct bench *b = CONTAINER_OF(work, struct furnish, work)->b;
    struct chat_user owner;
    struct chat_actor by;
    struct chat_user_new new = { .id = STR("owner"), .name = STR("Owner"), .role = CHAT_OWNER };
    int r = chat_user_add(tx, &new, &owner);
    if (r == 0)
        r = chat_actor_load(tx, owner.id, &by);
    for (int i = 0; r == 0 && i < ROOMS; i++) {
        char name[32];
        struct chat_room room;
        bool is_new;
        int n = snprintf(name, sizeof name, "Room %d", i);
        struct chat_room_new what = { .kind = i % 4 ? CHAT_ROOM_PUBLIC : CHAT_ROOM_PRIVATE,
                                      .name = { .data = name, .len = (size_t) n } };
        r = chat_room_create(tx, &by, &what, &room, &is_new);
        if (r == 0)
            (void) snprintf(b->rooms[i], sizeof b->rooms[i], "%.*s", (int) room.id.len,
                            room.id.data);
    }
    return r;
}

static int enter(struct chat_tx *tx, const char *room_id, int64_t user_key) {
    struct chat_actor owner;
    struct chat_room room;
    struct chat_member member;
    struct chat_change change;
    int r = chat_actor_load(tx, STR("owner"), &owner);
    if (r == 0)
        r = chat_room_check(tx, &owner, str_of(room_id), CHAT_ACT_READ, &room);
    return r != 0 ? r : chat_member_put(tx, room.key, user_key, CHAT_ROOM_MEMBER, &member, &change);
}

static int add_user(struct chat_tx *tx, const char *id, int64_t *ret_key) {
    struct chat_user user;
    struct chat_actor by;
    struct chat_user_new new = { .id = str_of(id), .login = str_of(id), .name = str_of(id) };
    int r = chat_user_add(tx, &new, &user);
    if (r == 0)
        r = chat_actor_load(tx, str_of(id), &by);
    if (r == 0)
        *ret_key = by.key;
    return r;
}

static int run_users(struct chat_work *work, struct chat_tx *tx) {
    const struct furnish *f = CONTAINER_OF(work, struct furnish, work);
    int r = 0;
    for (unsigned i = f->first; r == 0 && i < f->first + USERS_OF_COMMIT; i++) {
        char id[USER_ID_MAX];
        int64_t key;
        (void) snprintf(id, sizeof id, "user%u", i);
        r = add_user(tx, id, &key);
        for (unsigned k = 0; r == 0 && k < ROOMS_OF_USER; k++)
            r = enter(tx, bench_room_of(f->b, i, k), key);
    }
    return r;
}

static int run_newcomer(struct chat_work *work, struct chat_tx *tx) {
    const struct furnish *f = CONTAINER_OF(work, struct furnish, work);
    int64_t key;
    int r = add_user(tx, "newcomer", &key);
    for (int i = ROOMS - QUIET_ROOMS; r == 0 && i < ROOMS; i++)
        r = enter(tx, f->b->rooms[i], key);
    return r;
}

static int write_once(struct furnish *f, int (*run)(struct chat_work *, struct chat_tx *)) {
    f->work = CHAT_WORK(run);
    int r = chat_store_write(f->b->store, &f->work);
    chat_work_finish(&f->work);
    return r;
}

int bench_furnish(struct bench *b) {
    struct furnish *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    f->b = b;
    int r = write_once(f, run_rooms);
    for (; r == 0 && f->first < USERS; f->first += USERS_OF_COMMIT)
        r = write_once(f, run_users);
    if (r == 0)
        r = write_once(f, run_newcomer);
    free(f);
    return r;
}

struct listing {
    struct chat_work work;
    struct bench *b;
    uint64_t n;
};

static int run_list(struct chat_work *work, struct chat_tx *tx) {
    struct listing *l = CONTAINER_OF(work, struct listing, work);
    struct chat_actor by;
    struct chat_sync sync;
    int r = chat_actor_load(tx, STR("owner"), &by);
    if (r == 0)
        r = chat_sync(tx, &by, &sync);
    for (size_t i = 0; r == 0 && i < sync.rooms.n; i++) {
        const struct chat_room *room = &sync.rooms.items[i];
        char name[32];
        (void) snprintf(name, sizeof name, "%.*s", (int) room->name.len, room->name.data);
        (void) snprintf(l->b->rooms[atoi(name + 5)], CHAT_ID_MAX + 1, "%.*s", (int) room->id.len,
                        room->id.data);
        l->n += room->last_seq;
    }
    return r;
}

int bench_find_team(struct bench *b, uint64_t *ret_n) {
    struct listing l = { .work = CHAT_WORK(run_list), .b = b };
    int r = chat_store_read(b->store, &l.work);
    chat_work_finish(&l.work);
    *ret_n = l.n;
    return r;
}
