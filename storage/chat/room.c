#include "storage/chat/room.h"

#include <errno.h>
#include <stdio.h>

#include "storage/chat/audit.h"
#include "storage/chat/check.h"
#include "storage/chat/member_row.h"
#include "storage/chat/room_row.h"
#include "storage/chat/user_row.h"

enum { GROUP_USERS_MAX = 50, SLOW_S_MAX = 86400, RETAIN_D_MAX = 36500 };

int chat_room_get(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                  enum chat_action action, struct chat_room *ret) {
    int r = chat_room_check(tx, by, id, action, ret);
    return r != 0 ? r : room_fill(tx, by->key, ret);
}

/* ---- making ---- */

/* Besides the maker, each once. */
struct guests {
    struct {
        int64_t key;
        enum chat_role role;
    } items[GROUP_USERS_MAX];
    size_t n;
};

static int find_guests(struct chat_tx *tx, const struct chat_actor *by,
                       const struct chat_room_new *new, struct guests *ret) {
    if (new->users_n > GROUP_USERS_MAX)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "users", GROUP_USERS_MAX);
    for (size_t i = 0; i < new->users_n; i++) {
        int64_t key;
        enum chat_role role;
        int r = chat_user_active(tx, new->users[i], &key, &role);
        if (r == 0)
            r = chat_user_check_known(tx, by, key);
        if (r != 0)
            return r;
        bool is_known = key == by->key;
        for (size_t k = 0; k < ret->n; k++)
            is_known = is_known || ret->items[k].key == key;
        if (is_known)
            continue;
        ret->items[ret->n].key = key;
        ret->items[ret->n++].role = role;
    }
    return 0;
}

/* Of public rooms only: that one is taken already would tell of a room that nobody is to know. */
static int check_slug(struct chat_tx *tx, enum chat_room_kind kind, struct str slug) {
    if (slug.len == 0)
        return 0;
    return kind == CHAT_ROOM_PUBLIC ? chat_check_slug(tx, slug)
                                    : chat_refuse(tx, CHAT_BAD_REQUEST, "slug", 0);
}

static int check_new(struct chat_tx *tx, const struct chat_actor *by,
                     const struct chat_room_new *new) {
    static const enum chat_team_action actions[] = {
        [CHAT_ROOM_PUBLIC] = CHAT_TEAM_CREATE_PUBLIC,
        [CHAT_ROOM_PRIVATE] = CHAT_TEAM_CREATE_PRIVATE,
        [CHAT_ROOM_DIRECT] = CHAT_TEAM_CREATE_DIRECT,
        [CHAT_ROOM_GROUP] = CHAT_TEAM_CREATE_DIRECT,
    };
    if (new->kind < CHAT_ROOM_PUBLIC || new->kind > CHAT_ROOM_GROUP)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "kind", 0);
    if (!chat_team_permission(actions[new->kind], by->role))
        return CHAT_DENIED;
    bool has_name = new->kind == CHAT_ROOM_PUBLIC || new->kind == CHAT_ROOM_PRIVATE;
    bool is_direct = new->kind == CHAT_ROOM_DIRECT;
    int r = chat_check_line(tx, "name", new->name, has_name, is_direct ? 0 : CHAT_NAME_MAX);
    if (r == 0)
        r = chat_check_line(tx, "topic", new->topic, 0, is_direct ? 0 : CHAT_TOPIC_MAX);
    if (r == 0)
        r = check_slug(tx, new->kind, new->slug);
    if (r == 0 && is_direct && new->users_n != 1)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "users", 1);
    return r;
}

static int check_slug_is_free(struct chat_tx *tx, struct str slug, int64_t but) {
    int64_t key;
    int r = slug.len == 0 ? 0 : FETCH(tx, &key, "SELECT key FROM room WHERE slug = ?1", TEXT(slug));
    return r > 0 && key != but ? chat_refuse(tx, CHAT_CONFLICT, "slug", 0) : r < 0 ? r : 0;
}

static int insert(struct chat_tx *tx, const struct chat_actor *by, const struct chat_room_new *new,
                  struct str dm_key, struct chat_room *ret) {
    char id[CHAT_NEW_ID];
    chat_make_id(id, sizeof id);
    int r = RUN(tx,
                "INSERT INTO room(id, kind, name, slug, topic, dm_key, ver, set_ver, created_by,"
                " created_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 1, ?7, ?8, ?8)",
                TEXT(((struct str){ .data = id, .len = sizeof id })), NUMBER(new->kind),
                TEXT(new->name), TEXT_OR_NULL(new->slug), TEXT(new->topic), TEXT_OR_NULL(dm_key),
                NUMBER(by->key), NUMBER(chat_tx_now_ms(tx)));
    return r < 0 ? r : room_load_by_key(tx, chat_inserted(tx), by->key, ret);
}

static int make(struct chat_tx *tx, const struct chat_actor *by, const struct chat_room_new *new,
                const struct guests *guests, struct str dm_key, struct chat_room *ret) {
    bool is_owned = new->kind == CHAT_ROOM_PUBLIC || new->kind == CHAT_ROOM_PRIVATE;
    int r = insert(tx, by, new, dm_key, ret);
    if (r == 0)
        r = member_enter(tx, ret, by->key, by->role, is_owned ? CHAT_ROOM_OWNER : CHAT_ROOM_MEMBER);
    for (size_t i = 0; r == 0 && i < guests->n; i++)
        r = member_enter(tx, ret, guests->items[i].key, guests->items[i].role, CHAT_ROOM_MEMBER);
    if (r == 0)
        r = room_load_by_key(tx, ret->key, by->key, ret);
    if (r == 0 && is_owned)
        r = chat_audit_add(tx, by->key, "room.create", ret->key, 0, new->name);
    return r != 0 ? r : room_fill(tx, by->key, ret);
}

static int make_direct(struct chat_tx *tx, const struct chat_actor *by,
                       const struct chat_room_new *new, const struct guests *guests,
                       struct chat_room *ret, bool *ret_is_new) {
    int64_t a = by->key, b = guests->n > 0 ? guests->items[0].key : by->key, key;
    char text[48];
    int n = snprintf(text, sizeof text, "%lld:%lld", (long long) (a < b ? a : b),
                     (long long) (a < b ? b : a));
    struct str dm_key = { .data = text, .len = (size_t) n };
    int r = FETCH(tx, &key, "SELECT key FROM room WHERE dm_key = ?1", TEXT(dm_key));
    if (r < 0)
        return r;
    *ret_is_new = r == 0;
    if (r == 0)
        return make(tx, by, new, guests, dm_key, ret);
    r = room_load_by_key(tx, key, by->key, ret);
    return r != 0 ? r : room_fill(tx, by->key, ret);
}

int chat_room_create(struct chat_tx *tx, const struct chat_actor *by,
                     const struct chat_room_new *new, struct chat_room *ret, bool *ret_is_new) {
    struct guests guests = { .n = 0 };
    int r = check_new(tx, by, new);
    if (r == 0)
        r = find_guests(tx, by, new, &guests);
    if (r == 0)
        r = check_slug_is_free(tx, new->slug, 0);
    if (r == 0 && new->kind == CHAT_ROOM_DIRECT)
        return make_direct(tx, by, new, &guests, ret, ret_is_new);
    if (r == 0 && new->kind == CHAT_ROOM_GROUP && guests.n == 0)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "users", GROUP_USERS_MAX);
    *ret_is_new = true;
    return r != 0 ? r : make(tx, by, new, &guests, (struct str){ 0 }, ret);
}

/* ---- changing ---- */

static int check_change(struct chat_tx *tx, const struct chat_actor *by,
                        const struct chat_room *room, const struct chat_room_change *change) {
    bool is_named = room->kind != CHAT_ROOM_GROUP;
    int r = 0;
    if (change->name)
        r = chat_check_line(tx, "name", *change->name, is_named, CHAT_NAME_MAX);
    if (r == 0 && change->topic)
        r = chat_check_line(tx, "topic", *change->topic, 0, CHAT_TOPIC_MAX);
    if (r == 0 && change->slug)
        r = check_slug(tx, room->kind, *change->slug);
    if (r == 0 && change->slug)
        r = check_slug_is_free(tx, *change->slug, room->key);
    if (r == 0 && change->slow_s && *change->slow_s > SLOW_S_MAX)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "slow_s", SLOW_S_MAX);
    if (r == 0 && change->retain_d && *change->retain_d > RETAIN_D_MAX)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "retain_d", RETAIN_D_MAX);
    if (r == 0 && change->retain_d)
        r = room_may(room, by, CHAT_ACT_RETAIN);
    return r;
}

/* Puts what is to be changed into the room. false: it is like that already. */
static bool apply(const struct chat_room_change *c, struct chat_room *room) {
    struct chat_room was = *room;
    room->name = c->name ? *c->name : room->name;
    room->slug = c->slug ? *c->slug : room->slug;
    room->topic = c->topic ? *c->topic : room->topic;
    room->slow_s = c->slow_s ? *c->slow_s : room->slow_s;
    room->retain_d = c->retain_d ? *c->retain_d : room->retain_d;
    room->receipts = c->receipts ? *c->receipts : room->receipts;
    return !str_equal(was.name, room->name) || !str_equal(was.slug, room->slug) ||
           !str_equal(was.topic, room->topic) || was.slow_s != room->slow_s ||
           was.retain_d != room->retain_d || was.receipts != room->receipts;
}

static int write_settings(struct chat_tx *tx, struct chat_room *room) {
    room->ver++;
    return RUN(tx,
               "UPDATE room SET name = ?2, slug = ?3, topic = ?4, slow_s = ?5, retain_d = ?6,"
               " receipts = ?7, archived_at = ?8, ver = ?9, set_ver = ?9 WHERE key = ?1",
               NUMBER(room->key), TEXT(room->name), TEXT_OR_NULL(room->slug), TEXT(room->topic),
               NUMBER(room->slow_s), NUMBER(room->retain_d), NUMBER(room->receipts),
               NUMBER(room->archived_at), NUMBER((int64_t) room->ver));
}

int chat_room_update(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                     const struct chat_room_change *change, struct chat_room *ret,
                     struct chat_change *ret_change) {
    int r = room_load(tx, by, id, CHAT_ACT_UPDATE, ret);
    if (r == 0)
        r = check_change(tx, by, ret, change);
    if (r != 0)
        return r;
    bool is_changed = apply(change, ret);
    if (is_changed)
        r = write_settings(tx, ret);
    if (r == 0 && is_changed)
        r = chat_audit_add(tx, by->key, "room.update", ret->key, 0, ret->name);
    if (r == 0)
        r = room_load_by_key(tx, ret->key, by->key, ret);
    *ret_change = (struct chat_change){ .ver = ret->ver, .is_changed = is_changed };
    return r != 0 ? r : room_fill(tx, by->key, ret);
}

int chat_room_archive(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                      bool is_archived, struct chat_room *ret, struct chat_change *ret_change) {
    int r = room_load(tx, by, id, CHAT_ACT_ARCHIVE, ret);
    if (r != 0)
        return r;
    bool is_changed = is_archived != (ret->archived_at > 0);
    if (is_changed) {
        ret->archived_at = is_archived ? chat_tx_now_ms(tx) : 0;
        r = write_settings(tx, ret);
    }
    if (r == 0 && is_changed)
        r = chat_audit_add(tx, by->key, is_archived ? "room.archive" : "room.unarchive", ret->key,
                           0, (struct str){ 0 });
    *ret_change = (struct chat_change){ .ver = ret->ver, .is_changed = is_changed };
    return r != 0 ? r : room_fill(tx, by->key, ret);
}

/* ---- finding ---- */

static int read_list(struct chat_tx *tx, struct rows *rows, int r, size_t limit,
                     struct chat_rooms *ret) {
    struct arena_list list = { 0 };
    while (r == 0 && (r = rows_next(rows)) > 0) {
        if (list.n == limit) {
            ret->has_more = true;
            r = 0;
            break;
        }
        struct chat_room *room = arena_list_add(chat_tx_arena(tx), &list, sizeof *room);
        r = room ? room_row_read(rows, room) : -ENOMEM;
    }
    rows_end(rows);
    ret->items = list.items;
    ret->n = list.n;
    return r;
}

int chat_room_list(struct chat_tx *tx, const struct chat_actor *by, struct str q, struct str after,
                   size_t limit, struct chat_rooms *ret) {
    int64_t after_key = 0;
    *ret = (struct chat_rooms){ 0 };
    if (!chat_team_permission(CHAT_TEAM_LIST_ROOMS, by->role))
        return CHAT_DENIED;
    int r = after.len == 0 ? 1
                           : FETCH(tx, &after_key,
                                   "SELECT key FROM room WHERE id = ?1 AND kind = 1", TEXT(after));
    if (r <= 0)
        return r < 0 ? r : CHAT_NOT_FOUND;
    limit = chat_page_limit(tx, limit);
    struct str words;
    r = chat_like_beginning(tx, q, &words);
    if (r < 0)
        return r;
    struct rows rows;
    r = QUERY(tx, &rows,
              "SELECT " ROOM_COLUMNS ROOM_AND_MINE
              "WHERE r.kind = 1 AND (?2 = 0 OR (r.name COLLATE NOCASE, r.key) >"
              " (SELECT name COLLATE NOCASE, key FROM room WHERE key = ?2))"
              " AND (r.name LIKE ?3 ESCAPE '\\' OR r.name LIKE '% ' || ?3 ESCAPE '\\'"
              " OR r.slug LIKE '%' || ?3 ESCAPE '\\')"
              " ORDER BY r.name COLLATE NOCASE, r.key LIMIT ?4",
              NUMBER(by->key), NUMBER(after_key), TEXT(words), NUMBER((int64_t) limit + 1));
    r = read_list(tx, &rows, r, limit, ret);
    for (size_t i = 0; r == 0 && i < ret->n; i++)
        r = room_fill(tx, by->key, &ret->items[i]);
    return r;
}
