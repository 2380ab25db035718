#include "clients/cli/chat/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clients/cli/chat/model_impl.h"

char *model_copy(struct str s) {
    char *copy = malloc(s.len + 1);

    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}

int model_set(char **at, struct str s) {
    if (*at && str_equal(str_of(*at), s))
        return 0;
    char *copy = model_copy(s);
    if (!copy)
        return -ENOMEM;
    free(*at);
    *at = copy;
    return 0;
}

void *model_grow(void *items, size_t n, size_t *cap, size_t item_size) {
    if (n < *cap)
        return items;
    size_t wanted = *cap ? *cap * 2 : 16;
    void *larger = realloc(items, wanted * item_size);
    if (larger)
        *cap = wanted;
    return larger;
}

void model_init(struct model *m) {
    *m = (struct model){ 0 };
}

static void room_free(struct room *r) {
    if (!r)
        return;
    room_clear(r);
    free(r->messages);
    free(r->id);
    free(r->kind);
    free(r->name);
    free(r->topic);
    free(r->peer);
    free(r);
}

void model_finish(struct model *m) {
    for (size_t i = 0; i < m->n_users; i++) {
        free(m->users[i].id);
        free(m->users[i].login);
        free(m->users[i].name);
    }
    for (size_t i = 0; i < m->n_rooms; i++)
        room_free(m->rooms[i]);
    free(m->users);
    free(m->rooms);
    free(m->me);
    model_init(m);
}

/* ---- users ---- */

const struct user *model_user(const struct model *m, struct str id) {
    for (size_t i = 0; i < m->n_users; i++)
        if (str_equal(str_of(m->users[i].id), id))
            return &m->users[i];
    return NULL;
}

const struct user *model_user_by_login(const struct model *m, struct str login) {
    for (size_t i = 0; i < m->n_users; i++)
        if (str_equal(str_of(m->users[i].login), login))
            return &m->users[i];
    return NULL;
}

int model_put_user(struct model *m, const struct user_object *user) {
    if (user->id.len == 0 || user->name.len == 0)
        return 0; /* an id alone says nothing new */
    struct user *u = (struct user *) (uintptr_t) model_user(m, user->id);
    if (!u) {
        struct user *users = model_grow(m->users, m->n_users, &m->users_cap, sizeof *users);
        if (!users)
            return -ENOMEM;
        m->users = users;
        u = &users[m->n_users];
        *u = (struct user){ .id = model_copy(user->id),
                            .login = model_copy(user->login),
                            .name = model_copy(user->name) };
        if (u->id && u->login && u->name) {
            m->n_users++;
            return 0;
        }
        free(u->id);
        free(u->login);
        free(u->name);
        return -ENOMEM;
    }
    int r = model_set(&u->login, user->login);
    return r < 0 ? r : model_set(&u->name, user->name);
}

static int put_users(struct model *m, const struct user_list *users) {
    int r = 0;
    for (size_t i = 0; i < users->n && r == 0; i++)
        r = model_put_user(m, &users->items[i]);
    return r;
}

const char *model_user_label(const struct model *m, const char *id) {
    const struct user *u = model_user(m, str_of(id));
    return u ? u->name : id;
}

/* ---- rooms ---- */

struct room *model_room(const struct model *m, struct str id) {
    for (size_t i = 0; i < m->n_rooms; i++)
        if (str_equal(str_of(m->rooms[i]->id), id))
            return m->rooms[i];
    return NULL;
}

static bool is_direct(const struct room *r) {
    return strcmp(r->kind, "direct") == 0;
}

const char *model_room_label(const struct model *m, const struct room *r) {
    return r->peer ? model_user_label(m, r->peer) : r->name[0] ? r->name : r->id;
}

/* Rooms by their names, then those of two or a few. */
static int compare_rooms(const struct model *m, const struct room *a, const struct room *b) {
    int kinds = is_direct(a) - is_direct(b);
    return kinds ? kinds : strcasecmp(model_room_label(m, a), model_room_label(m, b));
}

static void sort_rooms(struct model *m) {
    for (size_t i = 1; i < m->n_rooms; i++) {
        struct room *room = m->rooms[i];
        size_t at = i;
        while (at > 0 && compare_rooms(m, m->rooms[at - 1], room) > 0) {
            m->rooms[at] = m->rooms[at - 1];
            at--;
        }
        m->rooms[at] = room;
    }
}

static struct room *add_room(struct model *m, struct str id) {
    struct room **rooms = model_grow(m->rooms, m->n_rooms, &m->rooms_cap, sizeof *rooms);
    struct room *r = rooms ? calloc(1, sizeof *r) : NULL;

    if (rooms)
        m->rooms = rooms;
    if (!r)
        return NULL;
    r->id = model_copy(id);
    r->kind = model_copy(STR(""));
    r->name = model_copy(STR(""));
    r->topic = model_copy(STR(""));
    r->line_seq = UINT64_MAX;
    if (!r->id || !r->kind || !r->name || !r->topic) {
        room_free(r);
        return NULL;
    }
    rooms[m->n_rooms++] = r;
    return r;
}

/* A group has the names of who is in it. */
static int name_group(struct room *r, const struct room_object *o, const char *me) {
    CLEANUP(buffer_finish) struct buffer name = BUFFER_INIT;

    for (size_t i = 0; i < o->users.n; i++) {
        const struct user_object *u = &o->users.items[i];
        if (me && str_equal(u->id, str_of(me)))
            continue;
        if (name.len)
            buffer_append_str(&name, STR(", "));
        buffer_append_str(&name, u->name.len ? u->name : u->id);
    }
    int e = buffer_error(&name);
    return e < 0 ? e : model_set(&r->name, (struct str){ (char *) name.data, name.len });
}

int model_put_room(struct model *m, const struct room_object *o, struct room **ret) {
    struct room *r = model_room(m, o->id);
    int e = model_put_user(m, &o->peer);

    if (e == 0)
        e = put_users(m, &o->users);
    if (e == 0 && !r && !(r = add_room(m, o->id)))
        e = -ENOMEM;
    if (e == 0 && o->kind.len)
        e = model_set(&r->kind, o->kind);
    if (e == 0 && (o->name.len || o->users.n == 0))
        e = o->name.len ? model_set(&r->name, o->name) : 0;
    else if (e == 0)
        e = name_group(r, o, m->me);
    if (e == 0)
        e = model_set(&r->topic, o->topic);
    if (e == 0 && o->peer.id.len)
        e = model_set(&r->peer, o->peer.id);
    if (e < 0)
        return e;
    if (o->last_seq > r->last_seq)
        r->last_seq = o->last_seq;
    if (o->last_at_ms > r->last_at_ms)
        r->last_at_ms = o->last_at_ms;
    if (o->role.len) { /* what is the member's own comes along */
        r->is_member = true;
        r->read_seq = o->read_seq;
        r->unread = o->unread;
        r->mentions = o->mentions;
        r->is_muted = str_equal(o->notify, STR("none"));
    }
    sort_rooms(m);
    if (ret)
        *ret = r;
    return 0;
}

void model_remove_room(struct model *m, const struct room *room) {
    for (size_t i = 0; i < m->n_rooms; i++) {
        if (m->rooms[i] != room)
            continue;
        room_free(m->rooms[i]);
        m->n_rooms--;
        memmove(&m->rooms[i], &m->rooms[i + 1], (m->n_rooms - i) * sizeof *m->rooms);
        return;
    }
}

int model_sync(struct model *m, const struct chat_object *answer) {
    int r = model_set(&m->me, answer->me.id);

    if (r == 0)
        r = model_put_user(m, &answer->me);
    if (r == 0)
        r = put_users(m, &answer->users);
    for (size_t i = 0; i < m->n_rooms; i++)
        m->rooms[i]->is_member = false;
    for (size_t i = 0; i < answer->rooms.n && r == 0; i++)
        r = model_put_room(m, &answer->rooms.items[i], NULL);
    return r;
}

static bool is_beginning(struct str of, struct str text) {
    return text.len <= of.len && strncasecmp(of.data, text.data, text.len) == 0;
}

/* How well a text names a room. Whoever calls a room, or themselves, as another is called is to get
 * nothing that was meant for it: two of a kind are none. */
enum fit { FITS_NOT, IS_BEGINNING, IS_PEERS_NAME, IS_NAME, IS_ID };

static enum fit fit_of(struct str name, struct str text, enum fit if_whole) {
    if (name.len == 0 || !is_beginning(name, text))
        return FITS_NOT;
    return name.len == text.len ? if_whole : IS_BEGINNING;
}

static enum fit better(enum fit a, enum fit b) {
    return a > b ? a : b;
}

static enum fit fit_of_room(const struct model *m, const struct room *r, char sign,
                            struct str text) {
    const struct user *peer = r->peer ? model_user(m, str_of(r->peer)) : NULL;
    enum fit fit = FITS_NOT;

    if (sign != '#' && peer)
        fit = fit_of(str_of(peer->login), text, IS_NAME);
    if (sign == 0)
        fit = better(fit, fit_of(str_of(r->id), text, IS_ID));
    if (sign == 0 || (sign == '#' && !r->peer))
        fit = better(fit, fit_of(str_of(model_room_label(m, r)), text,
                                 r->peer ? IS_PEERS_NAME : IS_NAME));
    return fit;
}

struct room *model_find_room(const struct model *m, struct str text) {
    struct room *found = NULL;
    enum fit best = FITS_NOT;
    size_t n = 0;
    char sign = text.len > 0 && (text.data[0] == '#' || text.data[0] == '@') ? text.data[0] : 0;

    if (sign)
        text = (struct str){ text.data + 1, text.len - 1 };
    for (size_t i = 0; text.len > 0 && i < m->n_rooms; i++) {
        enum fit fit = fit_of_room(m, m->rooms[i], sign, text);
        if (fit == FITS_NOT || fit < best)
            continue;
        n = fit > best ? 1 : n + 1;
        best = fit;
        found = m->rooms[i];
    }
    return n == 1 ? found : NULL;
}

static int urgency(const struct room *r) {
    if (r->unread == 0 && r->mentions == 0)
        return 0;
    return r->mentions ? 3 : is_direct(r) ? 2 : r->is_muted ? 0 : 1;
}

struct room *model_next_active(const struct model *m, const struct room *after) {
    struct room *best = NULL;
    size_t from = 0;

    for (size_t i = 0; i < m->n_rooms; i++)
        if (m->rooms[i] == after)
            from = i + 1;
    for (size_t k = 0; k < m->n_rooms; k++) {
        struct room *r = m->rooms[(from + k) % m->n_rooms];
        if (r != after && urgency(r) > (best ? urgency(best) : 0))
            best = r;
    }
    return best;
}

/* ---- events of one's own channel ---- */

static int unread_changed(struct model *m, const struct chat_object *event) {
    struct room *r = model_room(m, event->room.id);

    if (!r)
        return 0;
    if (event->last_seq > r->last_seq)
        r->last_seq = event->last_seq;
    if (event->last_at_ms > r->last_at_ms)
        r->last_at_ms = event->last_at_ms;
    r->read_seq = event->read_seq;
    if (event->has_unread || event->read_seq) {
        r->unread = event->unread;
        r->mentions = event->mentions;
    }
    return 0;
}

int model_event(struct model *m, const struct chat_object *event, const struct room **ret_gone) {
    *ret_gone = NULL;
    if (str_equal(event->type, STR("unread.changed")))
        return unread_changed(m, event);
    if (str_equal(event->type, STR("user.updated")))
        return model_put_user(m, &event->user);
    if (str_equal(event->type, STR("room.added")) || str_equal(event->type, STR("room.updated"))) {
        int r = model_put_room(m, &event->room, NULL);
        return r < 0 ? r : 1;
    }
    if (str_equal(event->type, STR("room.removed"))) {
        struct room *room = model_room(m, event->room.id);
        *ret_gone = room;
        if (room)
            model_remove_room(m, room);
        return room != NULL;
    }
    return 0;
}
