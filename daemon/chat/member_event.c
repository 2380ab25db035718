#include "daemon/chat/member_event.h"

#include "daemon/chat/encode.h"
#include "daemon/chat/event.h"
#include "daemon/chat/json_out.h"
#include "storage/chat/user.h"

static int tell_room(struct chat_tx *tx, const char *type, struct str room, struct str user) {
    struct buffer e = BUFFER_INIT;
    struct chat_actor by;
    struct chat_room as_seen;

    int r = chat_actor_load(tx, user, &by);
    if (r > 0) /* deactivated: nobody is there to hear it */
        return 0;
    if (r == 0)
        r = chat_room_get(tx, &by, room, CHAT_ACT_FOLLOW, &as_seen);
    if (r != 0)
        return r < 0 ? r : 0;
    event_begin(&e, type, 0);
    out_key(&e, "room");
    chat_put_room(&e, &as_seen, true);
    return event_to_user(tx, user, &e);
}

int event_room_added(struct chat_tx *tx, struct str room, struct str user) {
    return tell_room(tx, "room.added", room, user);
}

int event_room_updated(struct chat_tx *tx, struct str room, struct str user) {
    return tell_room(tx, "room.updated", room, user);
}

static int tell_member(struct chat_tx *tx, const char *type, struct str room,
                       const struct chat_member *member, struct str by, uint64_t ver) {
    struct buffer e = BUFFER_INIT;

    event_begin(&e, type, ver);
    out_key(&e, "user");
    chat_put_user(&e, &member->user);
    out_text(&e, "role", str_of(chat_member_role_word(member->role)));
    out_int_if(&e, "muted_until", member->muted_until);
    if (!str_equal(by, member->user.id))
        out_text_if(&e, "by", by);
    return event_to_room(tx, room, &e, ver);
}

int event_member_added(struct chat_tx *tx, struct str room, const struct chat_member *member,
                       struct str by, const struct chat_change *change) {
    if (!change->is_changed)
        return 0;
    int r = tell_member(tx, "member.added", room, member, by, change->ver);
    return r == 0 ? event_room_added(tx, room, member->user.id) : r;
}

int event_member_updated(struct chat_tx *tx, struct str room, const struct chat_member *member,
                         struct str by, const struct chat_change *change) {
    return change->is_changed ? tell_member(tx, "member.updated", room, member, by, change->ver)
                              : 0;
}

static int tell_room_removed(struct chat_tx *tx, struct str room, struct str user,
                             const char *reason) {
    struct buffer e = BUFFER_INIT;

    event_begin(&e, "room.removed", 0);
    out_text(&e, "room", room);
    out_text(&e, "reason", str_of(reason));
    return event_to_user(tx, user, &e);
}

int event_member_removed(struct chat_tx *tx, struct str room, struct str user, struct str by,
                         const char *reason, const struct chat_change *change) {
    struct buffer e = BUFFER_INIT;

    if (!change->is_changed)
        return 0;
    event_begin(&e, "member.removed", change->ver);
    out_text(&e, "user", user);
    if (!str_equal(by, user))
        out_text_if(&e, "by", by);
    out_text(&e, "reason", str_of(reason));
    int r = event_to_room(tx, room, &e, change->ver);
    if (r == 0)
        r = tell_room_removed(tx, room, user, reason);
    return r == 0 ? event_order(
                            tx,
                            &(struct chat_order){ .kind = ORDER_PART, .room = room, .user = user })
                  : r;
}
