#include "daemon/chat/encode.h"

#include "async/base.h"
#include "daemon/chat/json_out.h"

/* ---- words ---- */

static const char *const ROLES[] = {
    [CHAT_GUEST] = "guest", [CHAT_MEMBER] = "member", [CHAT_ADMIN] = "admin", [CHAT_OWNER] = "owner"
};
static const char *const ROOM_KINDS[] = { [CHAT_ROOM_PUBLIC] = "public",
                                          [CHAT_ROOM_PRIVATE] = "private",
                                          [CHAT_ROOM_DIRECT] = "direct",
                                          [CHAT_ROOM_GROUP] = "group" };
static const char *const MEMBER_ROLES[] = { [CHAT_ROOM_GUEST] = "guest",
                                            [CHAT_ROOM_MEMBER] = "member",
                                            [CHAT_ROOM_MOD] = "mod",
                                            [CHAT_ROOM_OWNER] = "owner" };
static const char *const NOTIFY[] = {
    [CHAT_NOTIFY_ALL] = "all", [CHAT_NOTIFY_MENTIONS] = "mentions", [CHAT_NOTIFY_NONE] = "none"
};

static const char *word_of(const char *const *words, size_t n, unsigned number) {
    return number < n ? words[number] : NULL;
}

static bool number_of(const char *const *words, size_t n, struct str word, unsigned *ret) {
    for (unsigned i = 0; i < n; i++) {
        if (words[i] && str_equal(word, str_of(words[i]))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

const char *chat_role_word(enum chat_role role) {
    return word_of(ROLES, ELEMENTS_OF(ROLES), role);
}

const char *chat_room_kind_word(enum chat_room_kind kind) {
    return word_of(ROOM_KINDS, ELEMENTS_OF(ROOM_KINDS), kind);
}

const char *chat_member_role_word(enum chat_member_role role) {
    return word_of(MEMBER_ROLES, ELEMENTS_OF(MEMBER_ROLES), role);
}

const char *chat_notify_word(enum chat_notify level) {
    return word_of(NOTIFY, ELEMENTS_OF(NOTIFY), level);
}

bool chat_role_of(struct str word, enum chat_role *ret) {
    return number_of(ROLES, ELEMENTS_OF(ROLES), word, ret);
}

bool chat_room_kind_of(struct str word, enum chat_room_kind *ret) {
    return number_of(ROOM_KINDS, ELEMENTS_OF(ROOM_KINDS), word, ret);
}

bool chat_member_role_of(struct str word, enum chat_member_role *ret) {
    return number_of(MEMBER_ROLES, ELEMENTS_OF(MEMBER_ROLES), word, ret);
}

bool chat_notify_of(struct str word, enum chat_notify *ret) {
    return number_of(NOTIFY, ELEMENTS_OF(NOTIFY), word, ret);
}

/* ---- users ---- */

void chat_put_user(struct buffer *out, const struct chat_user *u) {
    out_open(out, '{');
    out_text(out, "id", u->id);
    out_text_if(out, "login", u->login);
    out_text(out, "name", u->name);
    out_text_if(out, "role", str_of(chat_role_word(u->role)));
    out_text_if(out, "avatar", u->avatar);
    if (u->status_emoji.len + u->status_text.len > 0) {
        out_key(out, "status");
        out_open(out, '{');
        out_text(out, "emoji", u->status_emoji);
        out_text(out, "text", u->status_text);
        out_int_if(out, "until", u->status_until);
        out_close(out, '}');
    }
    out_int_if(out, "last_seen", u->last_seen_at);
    out_flag_if(out, "bot", u->is_bot);
    out_flag_if(out, "deactivated", u->deactivated_at != 0);
    out_close(out, '}');
}

void chat_put_users(struct buffer *out, const struct chat_users *all) {
    out_open(out, '[');
    for (size_t i = 0; i < all->n; i++) {
        out_next(out);
        chat_put_user(out, &all->items[i]);
    }
    out_close(out, ']');
}

void chat_put_members(struct buffer *out, const struct chat_members *all) {
    out_open(out, '[');
    for (size_t i = 0; i < all->n; i++) {
        const struct chat_member *m = &all->items[i];
        out_next(out);
        out_open(out, '{');
        out_key(out, "user");
        chat_put_user(out, &m->user);
        out_text_if(out, "role", str_of(chat_member_role_word(m->role)));
        out_int_if(out, "muted_until", m->muted_until);
        out_close(out, '}');
    }
    out_close(out, ']');
}

/* ---- rooms ---- */

static void put_mine(struct buffer *out, const struct chat_membership *m) {
    out_text_if(out, "role", str_of(chat_member_role_word(m->role)));
    out_uint(out, "read_seq", m->read_seq);
    out_uint(out, "unread", m->unread);
    out_uint(out, "mentions", m->mentions);
    out_flag_if(out, "unread_mark", m->unread_mark);
    out_text_if(out, "notify", str_of(chat_notify_word(m->notify)));
    out_int_if(out, "muted_until", m->muted_until);
}

void chat_put_room(struct buffer *out, const struct chat_room *r, bool has_mine) {
    out_open(out, '{');
    out_text(out, "id", r->id);
    out_text_if(out, "kind", str_of(chat_room_kind_word(r->kind)));
    out_text(out, "name", r->name);
    out_text_if(out, "slug", r->slug);
    out_text(out, "topic", r->topic);
    out_uint(out, "ver", r->ver);
    out_uint(out, "last_seq", r->last_seq);
    out_int(out, "last_at", r->last_at);
    out_uint(out, "members_n", r->members_n);
    out_flag_if(out, "archived", r->archived_at != 0);
    out_int_if(out, "slow_s", r->slow_s);
    out_int_if(out, "retain_d", r->retain_d);
    out_flag_if(out, "receipts", r->receipts);
    if (has_mine && r->kind == CHAT_ROOM_DIRECT && r->others.n > 0) {
        out_key(out, "peer"); /* another one for each of the two: not for events of the room */
        chat_put_user(out, &r->others.items[0]);
    } else if (r->kind == CHAT_ROOM_GROUP && r->others.n > 0) {
        out_key(out, "users");
        chat_put_users(out, &r->others);
    }
    if (has_mine && r->mine.role != CHAT_NO_MEMBER)
        put_mine(out, &r->mine);
    out_close(out, '}');
}

void chat_put_rooms(struct buffer *out, const struct chat_rooms *all) {
    out_open(out, '[');
    for (size_t i = 0; i < all->n; i++) {
        out_next(out);
        chat_put_room(out, &all->items[i], true);
    }
    out_close(out, ']');
}

/* ---- messages ---- */

void chat_put_attachment(struct buffer *out, const struct chat_attachment *a) {
    out_open(out, '{');
    out_text(out, "id", a->id);
    out_text(out, "name", a->name);
    out_text(out, "type", a->type);
    out_uint(out, "size", a->size);
    out_int_if(out, "width", a->width);
    out_int_if(out, "height", a->height);
    out_close(out, '}');
}

void chat_put_reactions(struct buffer *out, const struct chat_reactions *r) {
    out_open(out, '[');
    for (size_t i = 0; i < r->n; i++) {
        out_next(out);
        out_open(out, '{');
        out_text(out, "emoji", r->items[i].emoji);
        out_uint(out, "n", r->items[i].n);
        out_texts(out, "users", r->items[i].users, r->items[i].users_n);
        out_close(out, '}');
    }
    out_close(out, ']');
}

static void put_deleted(struct buffer *out, const struct chat_message *m) {
    out_flag_if(out, "deleted", true);
    out_text_if(out, "deleted_by", m->deleted_by);
    out_text_if(out, "reason", m->reason);
}

static void put_reply_to(struct buffer *out, const struct chat_quote *q) {
    out_key(out, "reply_to");
    out_open(out, '{');
    out_uint(out, "seq", q->seq);
    out_text_if(out, "user", q->user);
    out_text_if(out, "text", q->text);
    out_close(out, '}');
}

static void put_attachments(struct buffer *out, const struct chat_message *m) {
    out_key(out, "attachments");
    out_open(out, '[');
    for (size_t i = 0; i < m->attachments_n; i++) {
        out_next(out);
        chat_put_attachment(out, &m->attachments[i]);
    }
    out_close(out, ']');
}

static void put_content(struct buffer *out, const struct chat_message *m) {
    out_text(out, "text", m->text);
    out_text_if(out, "client_id", m->client_id);
    if (m->reply_to.seq != 0)
        put_reply_to(out, &m->reply_to);
    if (m->attachments_n > 0)
        put_attachments(out, m);
    if (m->mentions_n > 0)
        out_texts(out, "mentions", m->mentions, m->mentions_n);
    out_flag_if(out, "mentions_all", m->mentions_all);
    if (m->reactions.n > 0) {
        out_key(out, "reactions");
        chat_put_reactions(out, &m->reactions);
    }
    out_int_if(out, "edited_at", m->edited_at);
    out_flag_if(out, "pinned", m->pinned_at != 0);
    if (m->meta.len > 0) {
        out_key(out, "meta");
        buffer_append_bytes(out, m->meta);
    }
}

void chat_put_message(struct buffer *out, const struct chat_message *m) {
    out_open(out, '{');
    out_text(out, "room", m->room);
    out_uint(out, "seq", m->seq);
    out_uint(out, "ver", m->ver);
    out_text(out, "user", m->user);
    out_int(out, "at", m->at);
    if (m->deleted_at != 0)
        put_deleted(out, m);
    else
        put_content(out, m);
    out_close(out, '}');
}

void chat_put_messages(struct buffer *out, const struct chat_messages *all) {
    out_open(out, '[');
    for (size_t i = 0; i < all->n; i++) {
        out_next(out);
        chat_put_message(out, &all->items[i]);
    }
    out_close(out, ']');
}

/* ---- how far somebody has read ---- */

void chat_put_unread(struct buffer *out, const struct chat_unread *u) {
    out_uint(out, "ver", u->ver);
    out_uint(out, "last_seq", u->last_seq);
    out_int(out, "last_at", u->last_at);
    out_uint(out, "read_seq", u->read_seq);
    out_uint(out, "unread", u->unread);
    out_uint(out, "mentions", u->mentions);
    out_flag_if(out, "unread_mark", u->unread_mark);
}
