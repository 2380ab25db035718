/* message.*: what is said, and what becomes of it. */
#include <errno.h>

#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/event.h"
#include "daemon/chat/hooks.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/method.h"
#include "daemon/chat/online.h"
#include "daemon/chat/page.h"
#include "daemon/chat/typing.h"
#include "storage/chat/member.h"
#include "storage/chat/message.h"

/* ---- events ---- */

/* message.created, .updated, .deleted. */
static int tell_message(struct chat_call *c, struct chat_tx *tx, const char *type,
                        const struct chat_message *m) {
    struct buffer e = BUFFER_INIT;

    event_begin(&e, type, m->ver);
    out_key(&e, "message");
    chat_put_message(&e, m);
    int r = event_to_room(tx, m->room, &e, m->ver);
    return r == 0 ? chat_hooks_note(c->chat, tx, type, m) : r;
}

static int tell_unread(struct chat_tx *tx, const struct chat_message *m) {
    return event_order(
            tx,
            &(struct chat_order){ .kind = ORDER_UNREAD, .room_key = m->room_key, .room = m->room });
}

/* Who is named, or has a message to themselves, may want to be called. */
static int tell_mentioned(struct chat_call *c, struct chat_tx *tx, struct str user,
                          const struct chat_message *m) {
    struct buffer e = BUFFER_INIT;

    if (str_equal(user, m->user) || !chat_online_has(c->chat->online, user))
        return 0;
    event_begin(&e, "mentioned", 0);
    out_text(&e, "room", m->room);
    out_key(&e, "message");
    chat_put_message(&e, m);
    return event_to_user(tx, user, &e);
}

static int tell_those_concerned(struct chat_call *c, struct chat_tx *tx,
                                const struct chat_message *m) {
    struct chat_room room;
    struct chat_ids all = { 0 };

    int r = chat_room_check(tx, &c->by, m->room, CHAT_ACT_SEND, &room);
    bool is_all = m->mentions_all || (r == 0 && room.kind == CHAT_ROOM_DIRECT);
    if (r == 0 && is_all)
        r = chat_member_ids(tx, m->room_key, &all);
    for (size_t i = 0; r == 0 && i < all.n; i++)
        r = tell_mentioned(c, tx, all.items[i], m);
    for (size_t i = 0; r == 0 && !is_all && i < m->mentions_n; i++)
        r = tell_mentioned(c, tx, m->mentions[i], m);
    return r;
}

/* ---- message.send ---- */

int chat_run_message_send(struct chat_call *c, struct chat_tx *tx) {
    const struct chat_request *in = &c->in;
    struct chat_send send = { .room = in->room,
                              .client_id = in->client_id,
                              .text = in->text,
                              .reply_to = in->reply_to,
                              .attachments = in->attachments.items,
                              .attachments_n = in->attachments.n,
                              .meta = in->meta };
    struct chat_message m;
    bool is_duplicate = false;

    int r = chat_message_send(tx, &c->by, &send, &m, &is_duplicate);
    if (r == 0 && !is_duplicate)
        r = tell_message(c, tx, "message.created", &m);
    if (r == 0 && !is_duplicate)
        r = tell_unread(tx, &m);
    if (r == 0 && !is_duplicate)
        r = tell_those_concerned(c, tx, &m);
    if (r != 0)
        return r;
    c->is_changed = !is_duplicate;
    out_uint(&c->out, "seq", m.seq);
    out_uint(&c->out, "ver", m.ver);
    out_int(&c->out, "at", m.at);
    out_flag_if(&c->out, "duplicate", is_duplicate);
    return 0;
}

void chat_after_message_send(struct chat_call *c) {
    if (c->is_changed)
        chat_typing_sent(c->chat->typing, c->in.room, c->user);
}

/* ---- what becomes of it ---- */

int chat_run_message_edit(struct chat_call *c, struct chat_tx *tx) {
    struct chat_message m;
    struct chat_change change;

    int r = chat_message_edit(tx, &c->by, c->in.room, c->in.seq, c->in.text, c->in.if_ver, &m,
                              &change);
    if (r == 0 && change.is_changed)
        r = tell_message(c, tx, "message.updated", &m);
    if (r == 0 && change.is_changed) /* it may mention others than before */
        r = tell_unread(tx, &m);
    if (r != 0)
        return r;
    out_uint(&c->out, "ver", m.ver);
    out_int_if(&c->out, "edited_at", m.edited_at);
    return 0;
}

int chat_run_message_delete(struct chat_call *c, struct chat_tx *tx) {
    struct chat_message m;
    struct chat_change change;

    int r = chat_message_delete(tx, &c->by, c->in.room, c->in.seq, c->in.reason, &m, &change);
    if (r == 0 && change.is_changed)
        r = tell_message(c, tx, "message.deleted", &m);
    if (r == 0 && change.is_changed) /* one less is unread */
        r = tell_unread(tx, &m);
    if (r == 0)
        out_uint(&c->out, "ver", m.ver);
    return r;
}

/* ---- reading ---- */

int chat_run_message_get(struct chat_call *c, struct chat_tx *tx) {
    struct chat_message m;

    int r = chat_message_get(tx, &c->by, c->in.room, c->in.seq, &m);
    if (r != 0)
        return r;
    out_key(&c->out, "message");
    chat_put_message(&c->out, &m);
    return 0;
}

int chat_run_message_revisions(struct chat_call *c, struct chat_tx *tx) {
    struct chat_revisions all;

    int r = chat_message_revisions(tx, &c->by, c->in.room, c->in.seq, &all);
    if (r != 0)
        return r;
    out_key(&c->out, "revisions");
    out_open(&c->out, '[');
    for (size_t i = 0; i < all.n; i++) {
        out_next(&c->out);
        out_open(&c->out, '{');
        out_int(&c->out, "at", all.items[i].at);
        out_text(&c->out, "user", all.items[i].user);
        out_text(&c->out, "text", all.items[i].text);
        out_close(&c->out, '}');
    }
    out_close(&c->out, ']');
    return 0;
}

int chat_run_message_history(struct chat_call *c, struct chat_tx *tx) {
    struct chat_messages all;
    struct chat_span span;

    int r = chat_span_of(c, tx, &span);
    if (r == 0)
        r = chat_message_history(tx, &c->by, c->in.room, &span, &all);
    return r == 0 ? chat_put_page(&c->out, &all, &span, 0) : r;
}
