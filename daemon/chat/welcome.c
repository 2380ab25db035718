#include "daemon/chat/welcome.h"

#include "daemon/chat/auth_event.h"
#include "storage/chat/account.h"
#include "storage/chat/message.h"
#include "storage/chat/user.h"

#define WELCOME                                                                                    \
    STR("Welcome! Everybody who joins the team comes into this room first. Invite people, make "   \
        "rooms for what you do together, or write to somebody directly.")

/* It says so as a bot, which does not stay. Nobody is there yet to be told by events. */
int chat_welcome_team(struct chat_tx *tx) {
    struct chat_user_new bot = { .name = STR("Parley"), .role = CHAT_MEMBER, .is_bot = true };
    struct chat_arrival a = { 0 };
    struct chat_actor by;
    struct chat_message message;
    struct chat_member heir;
    struct chat_change change;
    bool is_duplicate;

    int r = chat_user_add(tx, &bot, &a.user);
    if (r == 0)
        r = chat_arrival_enter_lobby(tx, &a);
    if (r != 0 || a.n == 0)
        return r;
    struct chat_send send = { .room = a.rooms[0].id, .client_id = STR("welcome"), .text = WELCOME };
    r = chat_actor_load(tx, a.user.id, &by);
    if (r == 0)
        r = chat_message_send(tx, &by, &send, &message, &is_duplicate);
    return r == 0 ? chat_member_leave(tx, &by, send.room, &heir, &change) : r;
}

int chat_welcome_user(struct chat_tx *tx, const struct chat_user *user) {
    struct chat_arrival a = { .user = *user };

    int r = chat_arrival_enter_lobby(tx, &a);
    return r == 0 ? auth_emit_arrival(tx, &a) : r;
}
