#include "storage/presence.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct user {
    struct table_entry entry;
    size_t clients;
    size_t name_len;
    char name[];
};

/* A client in a channel. The spans of info point behind it. */
struct member {
    struct table_entry entry;
    struct client_info info;
    int64_t gone_at_ms;
    struct user *user;
};

/* A channel with somebody in it. */
struct room {
    struct table_entry entry;
    struct table members;
    struct table users;
    int64_t soonest_ms; /* nobody is gone before */
    size_t name_len;
    char name[];
};

static struct bytes room_key(const struct table_entry *e) {
    const struct room *room = (const struct room *) e;
    return bytes_of(room->name, room->name_len);
}

static struct bytes member_key(const struct table_entry *e) {
    return str_bytes(((const struct member *) e)->info.client);
}

static struct bytes user_key(const struct table_entry *e) {
    const struct user *u = (const struct user *) e;
    return bytes_of(u->name, u->name_len);
}

static struct member *member_of(struct table_entry *e) {
    return CONTAINER_OF(e, struct member, entry);
}

/* ---- copies of client_info ---- */

static size_t info_size(const struct client_info *i) {
    return i->user.len + i->client.len + i->conn_info.len + i->chan_info.len;
}

static struct bytes copied(char **at, struct bytes b) {
    struct bytes copy = bytes_of(*at, b.len);
    if (b.len > 0)
        memcpy(*at, b.data, b.len);
    *at += b.len;
    return copy;
}

static struct str copied_str(char **at, struct str s) {
    return (struct str){ .data = (const char *) copied(at, str_bytes(s)).data, .len = s.len };
}

static void info_copy(struct client_info *to, const struct client_info *from, char **at) {
    to->user = copied_str(at, from->user);
    to->client = copied_str(at, from->client);
    to->conn_info = copied(at, from->conn_info);
    to->chan_info = copied(at, from->chan_info);
}

static bool info_equal(const struct client_info *a, const struct client_info *b) {
    return str_equal(a->user, b->user) && str_equal(a->client, b->client) &&
           bytes_equal(a->conn_info, b->conn_info) && bytes_equal(a->chan_info, b->chan_info);
}

/* ---- rooms ---- */

static struct room *room_new(struct presence_shard *shard, struct str channel) {
    struct room *room = malloc(sizeof *room + channel.len);
    if (!room)
        return NULL;
    *room = (struct room){ .soonest_ms = INT64_MAX, .name_len = channel.len };
    memcpy(room->name, channel.data, channel.len);
    table_init(&room->members, &shard->channels.seed, member_key);
    table_init(&room->users, &shard->channels.seed, user_key);
    if (table_add(&shard->channels, &room->entry) < 0) {
        free(room);
        return NULL;
    }
    return room;
}

static void room_free_if_empty(struct presence_shard *shard, struct room *room) {
    if (table_size(&room->members) > 0)
        return;
    assert(table_size(&room->users) == 0);
    table_remove(&shard->channels, &room->entry);
    table_finish(&room->members);
    table_finish(&room->users);
    free(room);
}

static struct room *room_find(struct presence_shard *shard, struct str channel) {
    struct table_entry *e = table_find(&shard->channels, str_bytes(channel));
    return e ? CONTAINER_OF(e, struct room, entry) : NULL;
}

static void member_free(struct room *room, struct member *m) {
    table_remove(&room->members, &m->entry);
    if (--m->user->clients == 0) {
        table_remove(&room->users, &m->user->entry);
        free(m->user);
    }
    free(m);
}

static struct user *user_get(struct room *room, struct str name) {
    struct table_entry *e = table_find(&room->users, str_bytes(name));
    if (e)
        return CONTAINER_OF(e, struct user, entry);
    struct user *u = malloc(sizeof *u + name.len);
    if (!u)
        return NULL;
    *u = (struct user){ .name_len = name.len };
    if (name.len > 0)
        memcpy(u->name, name.data, name.len);
    if (table_add(&room->users, &u->entry) < 0) {
        free(u);
        return NULL;
    }
    return u;
}

static struct member *member_new(struct room *room, const struct client_info *info) {
    struct member *m = malloc(sizeof *m + info_size(info));
    if (!m)
        return NULL;
    *m = (struct member){ 0 };
    char *at = (char *) (m + 1);
    info_copy(&m->info, info, &at);
    m->user = user_get(room, info->user);
    if (m->user && table_add(&room->members, &m->entry) == 0) {
        m->user->clients++;
        return m;
    }
    if (m->user && m->user->clients == 0) {
        table_remove(&room->users, &m->user->entry);
        free(m->user);
    }
    free(m);
    return NULL;
}

/* Walks only when somebody may be gone. The room may be freed. true: it is still there. */
static bool room_expire(struct presence_shard *shard, struct room *room, int64_t now_ms) {
    if (now_ms < room->soonest_ms)
        return true;
    room->soonest_ms = INT64_MAX;
    TABLE_FOREACH (&room->members, e) {
        struct member *m = member_of(e);
        if (m->gone_at_ms <= now_ms)
            member_free(room, m);
        else if (m->gone_at_ms < room->soonest_ms)
            room->soonest_ms = m->gone_at_ms;
    }
    bool is_left = table_size(&room->members) > 0;
    room_free_if_empty(shard, room);
    return is_left;
}

/* ---- the store ---- */

static struct presence_shard *lock_shard(struct presence_store *s, struct str channel) {
    uint64_t hash = table_hash(&s->shards[0].channels.seed, str_bytes(channel));
    struct presence_shard *shard = &s->shards[hash >> 60];
    pthread_mutex_lock(&shard->mutex);
    return shard;
}

_Static_assert(PRESENCE_SHARDS == 1 << (64 - 60), "four bits choose a shard");

void presence_store_init(struct presence_store *s, const struct table_seed *seed) {
    for (size_t i = 0; i < PRESENCE_SHARDS; i++) {
        pthread_mutex_init(&s->shards[i].mutex, NULL);
        table_init(&s->shards[i].channels, seed, room_key);
    }
    s->next_sweep = 0;
}

void presence_store_finish(struct presence_store *s) {
    for (size_t i = 0; i < PRESENCE_SHARDS; i++) {
        TABLE_FOREACH (&s->shards[i].channels, e)
            (void) room_expire(&s->shards[i], CONTAINER_OF(e, struct room, entry), INT64_MAX);
        table_finish(&s->shards[i].channels);
        pthread_mutex_destroy(&s->shards[i].mutex);
    }
}

static int room_set(struct room *room, const struct client_info *info, int64_t gone_at_ms) {
    struct table_entry *e = table_find(&room->members, str_bytes(info->client));
    struct member *m = e ? member_of(e) : NULL;
    if (m && !info_equal(&m->info, info)) {
        member_free(room, m);
        m = NULL;
    }
    if (!m)
        m = member_new(room, info);
    if (!m)
        return -ENOMEM;
    m->gone_at_ms = gone_at_ms;
    if (gone_at_ms < room->soonest_ms)
        room->soonest_ms = gone_at_ms;
    return 0;
}

int presence_store_set(struct presence_store *s, int64_t now_ms, struct str channel,
                       const struct client_info *info, int64_t ttl_ms) {
    int r = -ENOMEM;
    struct presence_shard *shard = lock_shard(s, channel);
    struct room *room = room_find(shard, channel);
    if (!room)
        room = room_new(shard, channel);
    if (room) {
        r = room_set(room, info, now_ms + ttl_ms);
        room_free_if_empty(shard, room);
    }
    pthread_mutex_unlock(&shard->mutex);
    return r;
}

void presence_store_remove(struct presence_store *s, struct str channel, struct str client) {
    struct presence_shard *shard = lock_shard(s, channel);
    struct room *room = room_find(shard, channel);
    struct table_entry *e = room ? table_find(&room->members, str_bytes(client)) : NULL;
    if (e) {
        member_free(room, member_of(e));
        room_free_if_empty(shard, room);
    }
    pthread_mutex_unlock(&shard->mutex);
}

static int room_read(const struct room *room, struct presence *ret) {
    size_t n = table_size(&room->members);
    size_t size = n * sizeof(struct client_info);
    TABLE_FOREACH (&room->members, e)
        size += info_size(&member_of(e)->info);

    struct client_info *items = malloc(size);
    if (!items)
        return -ENOMEM;
    char *at = (char *) (items + n);
    size_t i = 0;
    TABLE_FOREACH (&room->members, e)
        info_copy(&items[i++], &member_of(e)->info, &at);
    *ret = (struct presence){ .items = items, .n = n, .memory = items };
    return 0;
}

int presence_store_read(struct presence_store *s, int64_t now_ms, struct str channel,
                        struct presence *ret) {
    int r = 0;
    struct presence_shard *shard = lock_shard(s, channel);
    struct room *room = room_find(shard, channel);
    if (room && room_expire(shard, room, now_ms))
        r = room_read(room, ret);
    else
        *ret = (struct presence){ 0 };
    pthread_mutex_unlock(&shard->mutex);
    return r;
}

void presence_store_count(struct presence_store *s, int64_t now_ms, struct str channel,
                          size_t *ret_clients, size_t *ret_users) {
    struct presence_shard *shard = lock_shard(s, channel);
    struct room *room = room_find(shard, channel);
    bool is_there = room && room_expire(shard, room, now_ms);
    *ret_clients = is_there ? table_size(&room->members) : 0;
    *ret_users = is_there ? table_size(&room->users) : 0;
    pthread_mutex_unlock(&shard->mutex);
}

void presence_store_sweep(struct presence_store *s, int64_t now_ms) {
    struct presence_shard *shard = &s->shards[s->next_sweep++ % PRESENCE_SHARDS];
    pthread_mutex_lock(&shard->mutex);
    TABLE_FOREACH (&shard->channels, e)
        (void) room_expire(shard, CONTAINER_OF(e, struct room, entry), now_ms);
    pthread_mutex_unlock(&shard->mutex);
}

void presence_finish(struct presence *p) {
    free(p->memory);
    *p = (struct presence){ 0 };
}
