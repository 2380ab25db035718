/* member.*, moderation.*, room.join and room.leave: who is in a room, and who is kept out. */
#include "daemon/chat/encode.h"
#include "daemon/chat/event.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/member_event.h"
#include "daemon/chat/method.h"
#include "daemon/chat/page.h"
#include "storage/chat/member_get.h"
#include "storage/chat/moderation.h"

int chat_run_member_list(struct chat_call *c, struct chat_tx *tx) {
    struct chat_members all;

    int r = chat_member_list(tx, &c->by, c->in.room, c->in.after_text, chat_limit_of(c, tx), &all);
    if (r != 0)
        return r;
    out_key(&c->out, "members");
    chat_put_members(&c->out, &all);
    out_flag_if(&c->out, "more", all.has_more);
    return 0;
}

static int put_ver(struct chat_call *c, int r, const struct chat_change *change) {
    if (r == 0)
        out_uint(&c->out, "ver", change->ver);
    return r;
}

int chat_run_member_add(struct chat_call *c, struct chat_tx *tx) {
    struct chat_member member;
    struct chat_change change;

    int r = chat_member_add(tx, &c->by, c->in.room, c->in.user, &member, &change);
    if (r == 0)
        r = event_member_added(tx, c->in.room, &member, c->by.id, &change);
    return put_ver(c, r, &change);
}

/* The room may have lost its last owner. */
static int tell_put_out(struct chat_call *c, struct chat_tx *tx, const char *reason,
                        const struct chat_change *change) {
    struct chat_member heir = { 0 };

    int r = event_member_removed(tx, c->in.room, c->in.user, c->by.id, reason, change);
    if (r == 0)
        r = chat_member_hand_on(tx, c->in.room, &heir);
    if (r == 0 && heir.role != CHAT_NO_MEMBER)
        r = event_member_updated(tx, c->in.room, &heir, c->by.id,
                                 &(struct chat_change){ .ver = heir.ver, .is_changed = true });
    return put_ver(c, r, change);
}

int chat_run_member_remove(struct chat_call *c, struct chat_tx *tx) {
    struct chat_change change;

    int r = chat_member_remove(tx, &c->by, c->in.room, c->in.user, &change);
    return r == 0 ? tell_put_out(c, tx, "removed", &change) : r;
}

int chat_run_member_update(struct chat_call *c, struct chat_tx *tx) {
    enum chat_member_role role;
    struct chat_member member;
    struct chat_change change;

    if (!chat_member_role_of(c->in.role, &role))
        return chat_refuse(tx, CHAT_BAD_REQUEST, "role", 0);
    int r = chat_member_update(tx, &c->by, c->in.room, c->in.user, role, &member, &change);
    if (r == 0)
        r = event_member_updated(tx, c->in.room, &member, c->by.id, &change);
    return put_ver(c, r, &change);
}

int chat_run_room_join(struct chat_call *c, struct chat_tx *tx) {
    struct chat_room room;
    struct chat_member member;
    struct chat_change change;

    int r = chat_member_join(tx, &c->by, c->in.room, &room, &member, &change);
    if (r == 0)
        r = event_member_added(tx, c->in.room, &member, c->by.id, &change);
    if (r != 0)
        return r;
    out_key(&c->out, "room");
    chat_put_room(&c->out, &room, true);
    return 0;
}

int chat_run_room_leave(struct chat_call *c, struct chat_tx *tx) {
    struct chat_member heir = { 0 };
    struct chat_change change;

    int r = chat_member_leave(tx, &c->by, c->in.room, &heir, &change);
    if (r == 0 && heir.role != CHAT_NO_MEMBER)
        r = event_member_updated(tx, c->in.room, &heir, c->by.id,
                                 &(struct chat_change){ .ver = heir.ver, .is_changed = true });
    return r == 0 ? event_member_removed(tx, c->in.room, c->by.id, c->by.id, "left", &change) : r;
}

/* ---- moderation ---- */

int chat_run_kick(struct chat_call *c, struct chat_tx *tx) {
    struct chat_change change;

    int r = chat_kick(tx, &c->by, c->in.room, c->in.user, c->in.reason, &change);
    return r == 0 ? tell_put_out(c, tx, "kicked", &change) : r;
}

int chat_run_ban(struct chat_call *c, struct chat_tx *tx) {
    struct chat_change change;

    int r = chat_ban(tx, &c->by, c->in.room, c->in.user, c->in.until, c->in.reason, &change);
    return r == 0 ? tell_put_out(c, tx, "banned", &change) : r;
}

int chat_run_unban(struct chat_call *c, struct chat_tx *tx) {
    struct chat_change change;

    return put_ver(c, chat_unban(tx, &c->by, c->in.room, c->in.user, &change), &change);
}

static int mute(struct chat_call *c, struct chat_tx *tx, int64_t until) {
    struct chat_member member;
    struct chat_change change;

    int r = chat_mute(tx, &c->by, c->in.room, c->in.user, until, c->in.reason, &change);
    if (r == 0)
        r = chat_member_get(tx, c->in.room, c->in.user, &member);
    if (r == 0)
        r = event_member_updated(tx, c->in.room, &member, c->by.id, &change);
    return put_ver(c, r, &change);
}

int chat_run_mute(struct chat_call *c, struct chat_tx *tx) {
    if (c->in.until == 0)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "until", 0);
    return mute(c, tx, c->in.until);
}

int chat_run_unmute(struct chat_call *c, struct chat_tx *tx) {
    return mute(c, tx, 0);
}

int chat_run_bans(struct chat_call *c, struct chat_tx *tx) {
    struct chat_bans all;

    int r = chat_bans_list(tx, &c->by, c->in.room, &all);
    if (r != 0)
        return r;
    out_key(&c->out, "bans");
    out_open(&c->out, '[');
    for (size_t i = 0; i < all.n; i++) {
        const struct chat_ban_entry *b = &all.items[i];
        out_next(&c->out);
        out_open(&c->out, '{');
        out_text(&c->out, "user", b->user);
        out_text(&c->out, "by", b->by);
        out_int_if(&c->out, "until", b->until_ms);
        out_text_if(&c->out, "reason", b->reason);
        out_close(&c->out, '}');
    }
    out_close(&c->out, ']');
    return 0;
}
