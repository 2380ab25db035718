/* sync, user.*, presence.set: who is here, and what they are in. */
#include <stdatomic.h>

#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/event.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/method.h"
#include "daemon/chat/page.h"
#include "daemon/chat/presence.h"
#include "daemon/chat/typing.h"
#include "storage/chat/setting.h"
#include "storage/chat/sync.h"
#include "storage/chat/user.h"

/* All of a sync is one reply, whatever others have made its asker a member of. */
enum {
    SYNC_USERS_BYTES = 256 * 1024, /* the rest of them: user.get */
    SYNC_ROOMS_BYTES = 256 * 1024, /* then in short: room.open has the rest */
    SYNC_SHORT_BYTES = 512 * 1024, /* then none any more: their own events name them */
};

void chat_put_limits(struct buffer *out, const struct chat_limits *l) {
    out_key(out, "limits");
    out_open(out, '{');
    out_uint(out, "text_bytes", l->text_max_bytes);
    out_uint(out, "meta_bytes", l->meta_max_bytes);
    out_uint(out, "rooms", l->rooms_max_per_user);
    out_uint(out, "members", l->members_max);
    out_uint(out, "reactions", l->reactions_max);
    out_uint(out, "pins", l->pins_max);
    out_uint(out, "attachments", l->attachments_max);
    out_uint(out, "page", l->page_max);
    out_uint(out, "upload_bytes", l->upload_max_bytes);
    out_int_if(out, "edit_window_ms", l->edit_window_ms);
    out_uint(out, "typing_every_ms", CHAT_TYPING_EVERY_MS);
    out_uint(out, "typing_lasts_ms", CHAT_TYPING_LASTS_MS);
    out_close(out, '}');
}

/* As many as fit into a reply with everything else. Are all of them in? */
static bool put_users(struct buffer *out, const struct chat_users *all) {
    size_t i = 0, from = out->len;

    out_key(out, "users");
    out_open(out, '[');
    for (; i < all->n && out->len - from <= SYNC_USERS_BYTES; i++) {
        out_next(out);
        chat_put_user(out, &all->items[i]);
    }
    out_close(out, ']');
    return i == all->n && !all->has_more;
}

/* The last written to come first. Are all of them in? */
static bool put_rooms(struct buffer *out, const struct chat_rooms *all) {
    size_t i = 0, from = out->len;

    out_key(out, "rooms");
    out_open(out, '[');
    for (; i < all->n && out->len - from <= SYNC_SHORT_BYTES; i++) {
        struct chat_room room = all->items[i];
        if (out->len - from > SYNC_ROOMS_BYTES) {
            room.topic = (struct str){ 0 };
            room.others.n = room.kind == CHAT_ROOM_DIRECT ? room.others.n : 0;
        }
        out_next(out);
        chat_put_room(out, &room, true);
    }
    out_close(out, ']');
    return i == all->n;
}

int chat_run_sync(struct chat_call *c, struct chat_tx *tx) {
    struct chat_sync s;
    struct chat_settings settings;

    int r = chat_sync(tx, &c->by, &s);
    if (r == 0)
        r = chat_settings_get(tx, &settings);
    if (r != 0)
        return r;
    out_key(&c->out, "me");
    chat_put_user(&c->out, &s.me);
    out_key(&c->out, "team");
    out_open(&c->out, '{');
    out_text(&c->out, "name", settings.name);
    out_close(&c->out, '}');
    bool is_all = put_users(&c->out, &s.users);
    out_flag_if(&c->out, "more", !is_all);
    bool has_all_rooms = put_rooms(&c->out, &s.rooms);
    out_flag_if(&c->out, "more_rooms", !has_all_rooms);
    out_text(&c->out, "epoch", str_of(chat_tx_epoch(tx)));
    chat_put_limits(&c->out, chat_tx_limits(tx));
    return chat_presence_put(c->chat, tx, &c->by, &c->out);
}

int chat_run_user_get(struct chat_call *c, struct chat_tx *tx) {
    struct chat_users all;
    int r;

    if (chat_has(c, FIELD_IDS))
        r = chat_users_get(tx, &c->by, c->in.ids.items, c->in.ids.n, &all);
    else
        r = chat_users_find(tx, &c->by, c->in.q, c->in.after_text, chat_limit_of(c, tx), &all);
    if (r != 0)
        return r;
    out_key(&c->out, "users");
    chat_put_users(&c->out, &all);
    out_flag_if(&c->out, "more", all.has_more);
    return 0;
}

/* ---- what one says of oneself ---- */

static int put_changed(struct chat_call *c, struct chat_tx *tx, const struct chat_user *user) {
    out_key(&c->out, "user");
    chat_put_user(&c->out, user);
    return event_order(tx, &(struct chat_order){ .kind = ORDER_USER, .user = user->id });
}

int chat_run_user_update(struct chat_call *c, struct chat_tx *tx) {
    struct chat_user_change change = { .name = chat_if_given(c, FIELD_NAME, &c->in.name),
                                       .avatar = chat_if_given(c, FIELD_AVATAR, &c->in.avatar) };
    struct chat_user user;

    int r = chat_user_update(tx, &c->by, &change, &user);
    return r == 0 ? put_changed(c, tx, &user) : r;
}

int chat_run_presence_set(struct chat_call *c, struct chat_tx *tx) {
    const struct chat_status *s = &c->in.status;
    struct chat_user user;

    int r = chat_user_set_status(tx, &c->by, s->emoji, s->text, s->until, &user);
    return r == 0 ? put_changed(c, tx, &user) : r;
}
