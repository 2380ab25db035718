#include "clients/cli/chat/objects.h"

#include "protocol/json_fields.h"

/* ---- lists ---- */

/* The members of each object of an array are decoded by a table into items of one size. */
static void decode_list(struct json *j, struct arena *a, struct json_table t, size_t item_size,
                        const void **ret_items, size_t *ret_n) {
    struct arena_list list = { 0 };

    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        void *item = json_list_add(j, a, &list, item_size);
        if (!item)
            return;
        json_decode_object(j, a, t, item);
    }
    *ret_items = list.items;
    *ret_n = list.n;
}

#define DECODE_LIST(name, table, type)                                                             \
    static void name(struct json *j, struct arena *a, void *at) {                                  \
        type *list = at;                                                                           \
        const void *items = NULL;                                                                  \
        decode_list(j, a, table, sizeof *list->items, &items, &list->n);                           \
        list->items = items;                                                                       \
    }

/* ---- users ---- */

static const struct json_field user_fields[] = {
    JSON_FIELD(struct user_object, id),
    JSON_FIELD(struct user_object, login),
    JSON_FIELD(struct user_object, name),
    JSON_FIELD(struct user_object, role),
};

/* Where only who it is matters, an id stands for the object. */
static void decode_user(struct json *j, struct arena *a, void *at) {
    struct user_object *user = at;

    if (json_peek(j) == JSON_IS_STRING)
        json_text(j, a, &user->id);
    else
        json_decode_object(j, a, JSON_TABLE(user_fields), user);
}

static void decode_users(struct json *j, struct arena *a, void *at) {
    struct user_list *ret = at;
    struct arena_list list = { 0 };

    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        struct user_object *user = json_list_add(j, a, &list, sizeof *user);
        if (!user)
            return;
        decode_user(j, a, user);
    }
    ret->items = list.items;
    ret->n = list.n;
}

/* {user, role}: a user with its role in the room. */
static void decode_member(struct json *j, struct arena *a, struct user_object *ret) {
    struct json_string name;
    struct str role = { 0 };

    if (!json_enter_object(j))
        return;
    while (json_member(j, &name)) {
        if (json_is(name, STR("user")))
            decode_user(j, a, ret);
        else if (json_is(name, STR("role")))
            json_field_text(j, a, &role);
        else
            json_skip(j);
    }
    ret->role = role;
}

static void decode_members(struct json *j, struct arena *a, void *at) {
    struct chat_object *object = at;
    struct arena_list list = { 0 };

    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        struct user_object *member = json_list_add(j, a, &list, sizeof *member);
        if (!member)
            return;
        decode_member(j, a, member);
    }
    object->members = (struct user_list){ list.items, list.n };
}

/* ---- rooms ---- */

static const struct json_field room_fields[] = {
    JSON_FIELD(struct room_object, id),
    JSON_FIELD(struct room_object, kind),
    JSON_FIELD(struct room_object, name),
    JSON_FIELD(struct room_object, slug),
    JSON_FIELD(struct room_object, topic),
    JSON_FIELD(struct room_object, role),
    JSON_FIELD(struct room_object, notify),
    JSON_FIELD_BY(struct room_object, peer, "peer", decode_user, NULL),
    JSON_FIELD_BY(struct room_object, users, "users", decode_users, NULL),
    JSON_FIELD(struct room_object, ver),
    JSON_FIELD(struct room_object, last_seq),
    JSON_FIELD(struct room_object, read_seq),
    JSON_FIELD_NAMED(struct room_object, last_at_ms, "last_at"),
    JSON_FIELD(struct room_object, unread),
    JSON_FIELD(struct room_object, mentions),
    JSON_FIELD(struct room_object, members_n),
};

static void decode_room(struct json *j, struct arena *a, void *at) {
    struct room_object *room = at;

    if (json_peek(j) == JSON_IS_STRING)
        json_text(j, a, &room->id);
    else
        json_decode_object(j, a, JSON_TABLE(room_fields), room);
}

DECODE_LIST(decode_rooms, JSON_TABLE(room_fields), struct room_list)

/* ---- messages ---- */

static const struct json_field reaction_fields[] = {
    JSON_FIELD(struct reaction_object, emoji),
    JSON_FIELD(struct reaction_object, n),
};

DECODE_LIST(decode_reactions, JSON_TABLE(reaction_fields), struct reaction_list)

static const struct json_field attachment_fields[] = {
    JSON_FIELD(struct attachment_object, id),
    JSON_FIELD(struct attachment_object, name),
    JSON_FIELD_NAMED(struct attachment_object, size_bytes, "size"),
};

DECODE_LIST(decode_attachments, JSON_TABLE(attachment_fields), struct attachment_list)

static const struct json_field reply_fields[] = {
    JSON_FIELD_NAMED(struct message_object, reply_to.seq, "seq"),
    JSON_FIELD_NAMED(struct message_object, reply_to.user, "user"),
    JSON_FIELD_NAMED(struct message_object, reply_to.text, "text"),
};

static void decode_reply(struct json *j, struct arena *a, void *at) {
    json_decode_object(j, a, JSON_TABLE(reply_fields), at);
}

static const struct json_field message_fields[] = {
    JSON_FIELD(struct message_object, room),
    JSON_FIELD(struct message_object, seq),
    JSON_FIELD(struct message_object, ver),
    JSON_FIELD(struct message_object, user),
    JSON_FIELD_NAMED(struct message_object, at_ms, "at"),
    JSON_FIELD(struct message_object, text),
    JSON_FIELD(struct message_object, client_id),
    JSON_FIELD_NAMED(struct message_object, edited_at_ms, "edited_at"),
    JSON_FIELD_NAMED(struct message_object, is_deleted, "deleted"),
    JSON_FIELD_NAMED(struct message_object, is_pinned, "pinned"),
    JSON_WHOLE_BY("reply_to", decode_reply, NULL),
    JSON_FIELD_BY(struct message_object, reactions, "reactions", decode_reactions, NULL),
    JSON_FIELD_BY(struct message_object, attachments, "attachments", decode_attachments, NULL),
};

static void decode_message(struct json *j, struct arena *a, void *at) {
    json_decode_object(j, a, JSON_TABLE(message_fields), at);
}

DECODE_LIST(decode_messages, JSON_TABLE(message_fields), struct message_list)

/* {message, snippet}: what was found, without where in it. */
static void decode_hits(struct json *j, struct arena *a, void *at) {
    struct message_list *ret = at;
    struct arena_list list = { 0 };
    struct json_string name;

    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        struct message_object *message = json_list_add(j, a, &list, sizeof *message);
        if (!message || !json_enter_object(j))
            return;
        while (json_member(j, &name))
            if (json_is(name, STR("message")))
                decode_message(j, a, message);
            else
                json_skip(j);
    }
    ret->items = list.items;
    ret->n = list.n;
}

/* ---- all of it ---- */

static void decode_unread(struct json *j, struct arena *a, void *at) {
    struct chat_object *object = at;

    (void) a;
    object->has_unread = json_uint32(j, &object->unread);
}

static const struct json_field error_fields[] = {
    JSON_FIELD_NAMED(struct chat_object, error.message, "message"),
};

static void decode_error(struct json *j, struct arena *a, void *at) {
    json_decode_object(j, a, JSON_TABLE(error_fields), at);
}

static const struct json_field object_fields[] = {
    JSON_FIELD(struct chat_object, type),
    JSON_FIELD_BY(struct chat_object, me, "me", decode_user, NULL),
    JSON_FIELD_BY(struct chat_object, user, "user", decode_user, NULL),
    JSON_FIELD_BY(struct chat_object, room, "room", decode_room, NULL),
    JSON_FIELD_BY(struct chat_object, message, "message", decode_message, NULL),
    JSON_FIELD_BY(struct chat_object, users, "users", decode_users, NULL),
    JSON_WHOLE_BY("members", decode_members, NULL),
    JSON_FIELD_BY(struct chat_object, rooms, "rooms", decode_rooms, NULL),
    JSON_FIELD_BY(struct chat_object, messages, "messages", decode_messages, NULL),
    JSON_FIELD_BY(struct chat_object, messages, "hits", decode_hits, NULL),
    JSON_FIELD_BY(struct chat_object, reactions, "reactions", decode_reactions, NULL),
    JSON_FIELD(struct chat_object, url),
    JSON_FIELD(struct chat_object, token),
    JSON_FIELD(struct chat_object, cursor),
    JSON_FIELD(struct chat_object, ver),
    JSON_FIELD(struct chat_object, seq),
    JSON_FIELD(struct chat_object, last_seq),
    JSON_FIELD(struct chat_object, read_seq),
    JSON_FIELD_NAMED(struct chat_object, at_ms, "at"),
    JSON_FIELD_NAMED(struct chat_object, last_at_ms, "last_at"),
    JSON_WHOLE_BY("unread", decode_unread, NULL),
    JSON_FIELD(struct chat_object, mentions),
    JSON_FIELD(struct chat_object, has_before),
    JSON_FIELD_NAMED(struct chat_object, has_more, "more"),
    JSON_FIELD_NAMED(struct chat_object, is_reset, "reset"),
    JSON_FIELD_NAMED(struct chat_object, is_partial, "partial"),
    JSON_WHOLE_BY("error", decode_error, NULL),
};

int chat_object_decode(struct bytes json, struct arena *a, struct chat_object *ret) {
    struct chat_object object = { 0 };
    struct json j;

    json_init(&j, json);
    json_decode_object(&j, a, JSON_TABLE(object_fields), &object);
    json_end(&j);
    int r = json_result(&j);
    if (r == 0)
        *ret = object;
    return r;
}
