/* room.*: what rooms there are, how they are set up, and what is in them. */
#include <errno.h>

#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/event.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/member_event.h"
#include "daemon/chat/method.h"
#include "daemon/chat/page.h"
#include "storage/chat/member.h"
#include "storage/chat/message.h"
#include "storage/chat/sync.h"

static int put_room(struct chat_call *c, const struct chat_room *room) {
    out_key(&c->out, "room");
    chat_put_room(&c->out, room, true);
    return 0;
}

int chat_run_room_list(struct chat_call *c, struct chat_tx *tx) {
    struct chat_rooms all;

    int r = chat_room_list(tx, &c->by, c->in.q, c->in.after_text, chat_limit_of(c, tx), &all);
    if (r != 0)
        return r;
    out_key(&c->out, "rooms");
    chat_put_rooms(&c->out, &all);
    out_flag_if(&c->out, "more", all.has_more);
    return 0;
}

/* ---- making and changing ---- */

int chat_run_room_create(struct chat_call *c, struct chat_tx *tx) {
    const struct chat_request *in = &c->in;
    struct chat_room_new new = { .name = in->name,
                                 .slug = in->slug,
                                 .topic = in->topic,
                                 .users = in->users.items,
                                 .users_n = in->users.n };
    struct chat_room room;
    struct chat_ids all = { 0 };
    bool is_new = false;

    if (!chat_room_kind_of(in->kind, &new.kind))
        return chat_refuse(tx, CHAT_BAD_REQUEST, "kind", 0);
    int r = chat_room_create(tx, &c->by, &new, &room, &is_new);
    if (r == 0 && is_new)
        r = chat_member_ids(tx, room.key, &all);
    for (size_t i = 0; r == 0 && i < all.n; i++)
        r = event_room_added(tx, room.id, all.items[i]);
    return r == 0 ? put_room(c, &room) : r;
}

/* Its members hear of it in the room; who has it not open, on their own channels. */
static int tell_updated(struct chat_tx *tx, const struct chat_room *room) {
    struct buffer e = BUFFER_INIT;

    event_begin(&e, "room.updated", room->ver);
    out_key(&e, "room");
    chat_put_room(&e, room, false);
    int r = event_to_room(tx, room->id, &e, room->ver);
    return r == 0 ? event_order(tx, &(struct chat_order){ .kind = ORDER_ROOM,
                                                          .room_key = room->key,
                                                          .room = room->id })
                  : r;
}

int chat_run_room_update(struct chat_call *c, struct chat_tx *tx) {
    const struct chat_request *in = &c->in;
    unsigned slow_s = in->slow_s, retain_d = in->retain_d;
    struct chat_room_change change = { .name = chat_if_given(c, FIELD_NAME, &in->name),
                                       .slug = chat_if_given(c, FIELD_SLUG, &in->slug),
                                       .topic = chat_if_given(c, FIELD_TOPIC, &in->topic),
                                       .slow_s = chat_if_given(c, FIELD_SLOW_S, &slow_s),
                                       .retain_d = chat_if_given(c, FIELD_RETAIN_D, &retain_d),
                                       .receipts =
                                               chat_if_given(c, FIELD_RECEIPTS, &in->receipts) };
    struct chat_room room;
    struct chat_change what;

    int r = chat_room_update(tx, &c->by, in->room, &change, &room, &what);
    if (r == 0 && what.is_changed)
        r = tell_updated(tx, &room);
    return r == 0 ? put_room(c, &room) : r;
}

static int archive(struct chat_call *c, struct chat_tx *tx, bool is_archived) {
    struct chat_room room;
    struct chat_change what;

    int r = chat_room_archive(tx, &c->by, c->in.room, is_archived, &room, &what);
    if (r == 0 && what.is_changed)
        r = tell_updated(tx, &room);
    return r == 0 ? put_room(c, &room) : r;
}

int chat_run_room_archive(struct chat_call *c, struct chat_tx *tx) {
    return archive(c, tx, true);
}

int chat_run_room_unarchive(struct chat_call *c, struct chat_tx *tx) {
    return archive(c, tx, false);
}

/* ---- reading ---- */

int chat_run_room_open(struct chat_call *c, struct chat_tx *tx) {
    struct chat_room room;
    struct chat_messages all;
    struct chat_span span;

    int r = chat_span_of(c, tx, &span);
    if (r == 0)
        r = chat_room_open(tx, &c->by, c->in.room, &span, &room, &all);
    if (r != 0)
        return r;
    (void) put_room(c, &room);
    r = chat_put_page(&c->out, &all, &span, room.mine.read_seq);
    out_uint(&c->out, "pins_n", room.pins_n);
    return r;
}

/* Those up to ver, which is where the messages end. */
static void put_changed_members(struct buffer *out, const struct chat_members *all, uint64_t ver) {
    out_key(out, "members");
    out_open(out, '[');
    for (size_t i = 0; i < all->n && all->items[i].ver <= ver; i++) {
        const struct chat_member *m = &all->items[i];
        out_next(out);
        out_open(out, '{');
        if (m->role == CHAT_NO_MEMBER) { /* gone: only who it was */
            out_text(out, "user", m->user.id);
        } else {
            out_key(out, "user");
            chat_put_user(out, &m->user);
            out_text(out, "role", str_of(chat_member_role_word(m->role)));
            out_int_if(out, "muted_until", m->muted_until);
        }
        out_close(out, '}');
    }
    out_close(out, ']');
}

/* As many as fit. How far that is. */
static uint64_t put_changed_messages(struct buffer *out, const struct chat_room_sync *s) {
    const struct chat_messages *all = &s->messages;
    size_t i = 0, from = out->len;

    out_key(out, "messages");
    out_open(out, '[');
    for (; i < all->n && out->len - from <= CHAT_PAGE_BYTES; i++) {
        out_next(out);
        chat_put_message(out, &all->items[i]);
    }
    out_close(out, ']');
    return i < all->n ? all->items[i - 1].ver : s->ver;
}

int chat_run_room_sync(struct chat_call *c, struct chat_tx *tx) {
    struct chat_room_sync s;

    int r = chat_room_sync(tx, &c->by, c->in.room, c->in.since, chat_limit_of(c, tx), &s);
    if (r != 0)
        return r;
    uint64_t ver = put_changed_messages(&c->out, &s);
    out_uint(&c->out, "ver", ver);
    if (s.members.n > 0)
        put_changed_members(&c->out, &s.members, ver);
    if (s.has_room)
        (void) put_room(c, &s.room);
    out_flag_if(&c->out, "more", s.has_more || ver < s.ver);
    out_flag_if(&c->out, "reset", s.is_reset);
    return 0;
}
