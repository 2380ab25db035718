#include "daemon/chat/event.h"

#include <assert.h>
#include <errno.h>

#include "daemon/chat/json_out.h"

/* No channel is called so. */
#define ORDER_CHANNEL STR("!")

static struct str channel_of(struct str prefix, struct str id, char *buf) {
    assert(prefix.len + id.len <= CHAT_CHANNEL_MAX);
    memcpy(buf, prefix.data, prefix.len);
    if (id.len)
        memcpy(buf + prefix.len, id.data, id.len);
    return (struct str){ buf, prefix.len + id.len };
}

struct str chat_room_channel(struct str room, char buf[static CHAT_CHANNEL_MAX]) {
    return channel_of(STR("room:"), room, buf);
}

struct str chat_user_channel(struct str user, char buf[static CHAT_CHANNEL_MAX]) {
    return channel_of(STR("user:#"), user, buf);
}

void event_begin(struct buffer *e, const char *type, uint64_t ver) {
    out_open(e, '{');
    out_text(e, "type", str_of(type));
    if (ver != 0)
        out_uint(e, "ver", ver);
}

static int emit(struct chat_tx *tx, struct str channel, struct buffer *e, uint64_t ver,
                unsigned flags) {
    out_close(e, '}');
    int r = buffer_error(e);
    if (r == 0)
        r = chat_tx_emit(tx, channel, buffer_bytes(e), ver, flags);
    buffer_finish(e);
    return r;
}

int event_to_room(struct chat_tx *tx, struct str room, struct buffer *e, uint64_t ver) {
    char channel[CHAT_CHANNEL_MAX];
    return emit(tx, chat_room_channel(room, channel), e, ver, 0);
}

int event_to_room_live(struct chat_tx *tx, struct str room, struct buffer *e) {
    char channel[CHAT_CHANNEL_MAX];
    return emit(tx, chat_room_channel(room, channel), e, 0, CHAT_EMIT_UNKEPT);
}

int event_to_user(struct chat_tx *tx, struct str user, struct buffer *e) {
    char channel[CHAT_CHANNEL_MAX];
    return emit(tx, chat_user_channel(user, channel), e, 0, CHAT_EMIT_UNKEPT);
}

/* ---- orders ---- */

struct head {
    int64_t room_key;
    uint8_t kind, room_len, user_len;
};

int event_order(struct chat_tx *tx, const struct chat_order *o) {
    uint8_t data[sizeof(struct head) + 2 * CHAT_ID_MAX];
    struct head head = { .room_key = o->room_key,
                         .kind = (uint8_t) o->kind,
                         .room_len = (uint8_t) o->room.len,
                         .user_len = (uint8_t) o->user.len };

    assert(o->room.len <= CHAT_ID_MAX && o->user.len <= CHAT_ID_MAX);
    memcpy(data, &head, sizeof head);
    if (o->room.len)
        memcpy(data + sizeof head, o->room.data, o->room.len);
    if (o->user.len)
        memcpy(data + sizeof head + o->room.len, o->user.data, o->user.len);
    return chat_tx_emit(tx, ORDER_CHANNEL, bytes_of(data, sizeof head + o->room.len + o->user.len),
                        0, CHAT_EMIT_UNKEPT);
}

bool event_read_order(const struct chat_event *e, struct chat_order *ret) {
    struct head head;
    const char *text = (const char *) e->data.data + sizeof head;

    if (!str_equal(e->channel, ORDER_CHANNEL))
        return false;
    memcpy(&head, e->data.data, sizeof head);
    *ret = (struct chat_order){ .kind = (enum chat_order_kind) head.kind,
                                .room_key = head.room_key,
                                .room = { text, head.room_len },
                                .user = { text + head.room_len, head.user_len } };
    return true;
}
