/* reaction.*, pin.*, read.*, notify.*, typing.*: what members do about messages without words. */
#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/event.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/member_event.h"
#include "daemon/chat/method.h"
#include "daemon/chat/page.h"
#include "daemon/chat/typing.h"
#include "daemon/worker.h"
#include "storage/chat/member.h"
#include "storage/chat/pin.h"
#include "storage/chat/reaction.h"
#include "storage/chat/read.h"

/* ---- reactions ---- */

static int react(struct chat_call *c, struct chat_tx *tx, const char *type, int r,
                 const struct chat_reactions *all, const struct chat_change *change) {
    struct buffer e = BUFFER_INIT;

    if (r == 0 && change->is_changed) {
        event_begin(&e, type, change->ver);
        out_uint(&e, "seq", c->in.seq);
        out_text(&e, "emoji", c->in.emoji);
        out_text(&e, "user", c->by.id);
        out_key(&e, "reactions");
        chat_put_reactions(&e, all);
        r = event_to_room(tx, c->in.room, &e, change->ver);
    }
    if (r != 0)
        return r;
    out_uint(&c->out, "ver", change->ver);
    out_key(&c->out, "reactions");
    chat_put_reactions(&c->out, all);
    return 0;
}

int chat_run_reaction_add(struct chat_call *c, struct chat_tx *tx) {
    struct chat_reactions all;
    struct chat_change change;

    int r = chat_reaction_add(tx, &c->by, c->in.room, c->in.seq, c->in.emoji, &all, &change);
    return react(c, tx, "reaction.added", r, &all, &change);
}

int chat_run_reaction_remove(struct chat_call *c, struct chat_tx *tx) {
    struct chat_reactions all;
    struct chat_change change;

    int r = chat_reaction_remove(tx, &c->by, c->in.room, c->in.seq, c->in.emoji, &all, &change);
    return react(c, tx, "reaction.removed", r, &all, &change);
}

/* ---- pins ---- */

static int pin(struct chat_call *c, struct chat_tx *tx, const char *type, int r,
               const struct chat_change *change) {
    struct buffer e = BUFFER_INIT;

    if (r == 0 && change->is_changed) {
        event_begin(&e, type, change->ver);
        out_uint(&e, "seq", c->in.seq);
        out_text(&e, "user", c->by.id);
        r = event_to_room(tx, c->in.room, &e, change->ver);
    }
    if (r == 0)
        out_uint(&c->out, "ver", change->ver);
    return r;
}

int chat_run_pin_add(struct chat_call *c, struct chat_tx *tx) {
    struct chat_change change;

    return pin(c, tx, "pin.added", chat_pin_add(tx, &c->by, c->in.room, c->in.seq, &change),
               &change);
}

int chat_run_pin_remove(struct chat_call *c, struct chat_tx *tx) {
    struct chat_change change;

    return pin(c, tx, "pin.removed", chat_pin_remove(tx, &c->by, c->in.room, c->in.seq, &change),
               &change);
}

int chat_run_pin_list(struct chat_call *c, struct chat_tx *tx) {
    struct chat_messages all;
    size_t from = c->out.len;

    int r = chat_pin_list(tx, &c->by, c->in.room, &all);
    if (r != 0)
        return r;
    out_key(&c->out, "messages");
    out_open(&c->out, '[');
    for (size_t i = 0; i < all.n; i++) {
        if (c->out.len - from > CHAT_PAGE_BYTES) { /* long ones: the older pins are left out */
            out_close(&c->out, ']');
            out_flag_if(&c->out, "more", true);
            return 0;
        }
        out_next(&c->out);
        chat_put_message(&c->out, &all.items[i]);
    }
    out_close(&c->out, ']');
    return 0;
}

/* ---- read marks ---- */

/* Their other connections hear of it as of what changes in the room. */
static int tell_own(struct chat_call *c, struct chat_tx *tx) {
    return event_order(
            tx, &(struct chat_order){ .kind = ORDER_UNREAD, .room = c->in.room, .user = c->by.id });
}

static void put_unread(struct chat_call *c, const struct chat_unread *u) {
    out_uint(&c->out, "read_seq", u->read_seq);
    out_uint(&c->out, "unread", u->unread);
    out_uint(&c->out, "mentions", u->mentions);
    out_flag_if(&c->out, "unread_mark", u->unread_mark);
}

int chat_run_read_mark(struct chat_call *c, struct chat_tx *tx) {
    struct chat_unread u;
    bool is_changed = false;

    int r = chat_read_mark(tx, &c->by, c->in.room, c->in.seq, &u, &is_changed);
    if (r == 0 && is_changed)
        r = tell_own(c, tx);
    if (r == 0 && is_changed && u.receipts) {
        struct buffer e = BUFFER_INIT;
        event_begin(&e, "read.updated", 0);
        out_text(&e, "user", c->by.id);
        out_uint(&e, "read_seq", u.read_seq);
        r = event_to_room_live(tx, c->in.room, &e);
    }
    if (r == 0)
        put_unread(c, &u);
    return r;
}

int chat_run_read_mark_unread(struct chat_call *c, struct chat_tx *tx) {
    struct chat_unread u;

    int r = chat_read_mark_unread(tx, &c->by, c->in.room, c->in.seq, &u);
    if (r == 0)
        r = tell_own(c, tx);
    if (r == 0)
        put_unread(c, &u);
    return r;
}

int chat_run_notify_set(struct chat_call *c, struct chat_tx *tx) {
    enum chat_notify level;

    if (!chat_notify_of(c->in.level, &level))
        return chat_refuse(tx, CHAT_BAD_REQUEST, "level", 0);
    int r = chat_notify_set(tx, &c->by, c->in.room, level);
    return r == 0 ? event_room_updated(tx, c->in.room, c->by.id) : r;
}

/* ---- typing ---- */

/* Who may not send has nothing to type. */
int chat_run_typing(struct chat_call *c, struct chat_tx *tx) {
    struct chat_room room;

    int r = chat_room_check(tx, &c->by, c->in.room, CHAT_ACT_SEND, &room);
    if (r == 0 && room.archived_at > 0)
        r = CHAT_ARCHIVED;
    if (r == 0 && room.mine.muted_until > chat_tx_now_ms(tx))
        r = chat_refuse_until(tx, CHAT_MUTED, room.mine.muted_until);
    return r;
}

static void tell_typing(struct chat_call *c, const char *type) {
    struct buffer e = BUFFER_INIT;
    char channel[CHAT_CHANNEL_MAX];

    event_begin(&e, type, 0);
    out_text(&e, "user", c->user);
    out_close(&e, '}');
    if (buffer_error(&e) == 0) /* nobody misses it */
        chat_tell(c->worker, chat_room_channel(c->in.room, channel), buffer_bytes(&e));
    buffer_finish(&e);
}

void chat_after_typing_start(struct chat_call *c) {
    if (chat_typing_start(c->chat->typing, c->in.room, c->user, loop_now()))
        tell_typing(c, "typing.started");
}

void chat_after_typing_stop(struct chat_call *c) {
    if (chat_typing_stop(c->chat->typing, c->in.room, c->user, loop_now()))
        tell_typing(c, "typing.stopped");
}
