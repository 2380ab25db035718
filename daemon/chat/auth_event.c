#include "daemon/chat/auth_event.h"

#include "daemon/chat/auth.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/member_event.h"

int auth_emit_arrival(struct chat_tx *tx, const struct chat_arrival *a) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < a->n; i++)
        r = event_member_added(tx, a->rooms[i].id, &a->rooms[i].member, a->user.id,
                               &a->rooms[i].change);
    return r;
}

static void put_named(struct buffer *out, const char *name, struct str id, struct str called) {
    out_key(out, name);
    out_open(out, '{');
    out_text(out, "id", id);
    out_text(out, "name", called);
    out_close(out, '}');
}

void auth_put_invite_card(struct buffer *out, const struct chat_settings *team,
                          const struct chat_invite *i) {
    out_open(out, '{');
    out_text(out, "team", team->name);
    put_named(out, "by", i->by, i->by_name);
    if (i->room.len)
        put_named(out, "room", i->room, i->room_name);
    out_int_if(out, "expires_at", i->expires_at);
    out_bool(out, "guests", i->guests && team->guests);
    out_close(out, '}');
}

void auth_put_invite_members(struct buffer *out, const struct auth *a,
                             const struct chat_invite *i) {
    struct buffer url = BUFFER_INIT;

    auth_append_link(a, "invite", i->code, &url);
    out_text(out, "code", i->code);
    out_text(out, "url", (struct str){ (const char *) url.data, url.len });
    buffer_finish(&url);
    out_text(out, "by", i->by);
    out_text_if(out, "room", i->room);
    out_bool(out, "guests", i->guests);
    if (i->uses_max) {
        out_uint(out, "uses", i->uses_max);
        out_uint(out, "uses_left", i->uses_left);
    }
    out_int(out, "created_at", i->created_at);
    out_int_if(out, "expires_at", i->expires_at);
}

void auth_put_logins(struct buffer *out, const struct chat_logins *logins, int64_t current_key) {
    out_open(out, '{');
    out_key(out, "sessions");
    out_open(out, '[');
    for (size_t i = 0; i < logins->n; i++) {
        const struct chat_login *one = &logins->items[i];
        out_next(out);
        out_open(out, '{');
        out_text(out, "id", one->id);
        out_int(out, "created_at", one->created_at);
        out_int(out, "last_seen_at", one->last_seen_at);
        out_int_if(out, "expires_at", one->expires_at);
        out_text_if(out, "agent", one->agent);
        out_text_if(out, "address", one->address);
        out_flag_if(out, "current", one->key == current_key);
        out_close(out, '}');
    }
    out_close(out, ']');
    out_close(out, '}');
}
