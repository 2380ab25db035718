/* The one table of methods: docs/chat-protocol.md says what they are for. */
#include <stdlib.h>

#include "daemon/chat/method.h"

#define ROOM      HAS(FIELD_ROOM)
#define ROOM_USER (HAS(FIELD_ROOM) | HAS(FIELD_USER))
#define ROOM_SEQ  (HAS(FIELD_ROOM) | HAS(FIELD_SEQ))

#define READ(name, needs, run)                                                                     \
    { name, CHAT_READS, CHAT_RATE_READ, needs, run, NULL, NULL }
#define WRITE(name, needs, run)                                                                    \
    { name, CHAT_WRITES, CHAT_RATE_WRITE, needs, run, NULL, NULL }

/* By name: it is searched by halves. */
static const struct chat_method METHODS[] = {
    READ("admin.audit", 0, chat_run_admin_audit),
    WRITE("admin.settings", 0, chat_run_admin_settings),
    READ("admin.stats", 0, chat_run_admin_stats),
    { "admin.user", CHAT_WRITES, CHAT_RATE_WRITE, HAS(FIELD_USER), chat_run_admin_user,
      chat_before_admin_user, NULL },
    READ("admin.users", 0, chat_run_admin_users),
    WRITE("invite.create", 0, chat_run_invite_create),
    READ("invite.list", 0, chat_run_invite_list),
    WRITE("invite.revoke", HAS(FIELD_CODE), chat_run_invite_revoke),
    WRITE("member.add", ROOM_USER, chat_run_member_add),
    READ("member.list", ROOM, chat_run_member_list),
    WRITE("member.remove", ROOM_USER, chat_run_member_remove),
    WRITE("member.update", ROOM_USER | HAS(FIELD_ROLE), chat_run_member_update),
    WRITE("message.delete", ROOM_SEQ, chat_run_message_delete),
    WRITE("message.edit", ROOM_SEQ | HAS(FIELD_TEXT), chat_run_message_edit),
    READ("message.get", ROOM_SEQ, chat_run_message_get),
    READ("message.history", ROOM, chat_run_message_history),
    READ("message.revisions", ROOM_SEQ, chat_run_message_revisions),
    { "message.send", CHAT_WRITES, CHAT_RATE_SEND, ROOM, chat_run_message_send, NULL,
      chat_after_message_send },
    WRITE("moderation.ban", ROOM_USER, chat_run_ban),
    READ("moderation.bans", ROOM, chat_run_bans),
    WRITE("moderation.kick", ROOM_USER, chat_run_kick),
    WRITE("moderation.mute", ROOM_USER | HAS(FIELD_UNTIL), chat_run_mute),
    WRITE("moderation.unban", ROOM_USER, chat_run_unban),
    WRITE("moderation.unmute", ROOM_USER, chat_run_unmute),
    WRITE("notify.set", ROOM | HAS(FIELD_LEVEL), chat_run_notify_set),
    WRITE("pin.add", ROOM_SEQ, chat_run_pin_add),
    READ("pin.list", ROOM, chat_run_pin_list),
    WRITE("pin.remove", ROOM_SEQ, chat_run_pin_remove),
    WRITE("presence.set", HAS(FIELD_STATUS), chat_run_presence_set),
    WRITE("reaction.add", ROOM_SEQ | HAS(FIELD_EMOJI), chat_run_reaction_add),
    WRITE("reaction.remove", ROOM_SEQ | HAS(FIELD_EMOJI), chat_run_reaction_remove),
    WRITE("read.mark", ROOM_SEQ, chat_run_read_mark),
    WRITE("read.mark_unread", ROOM_SEQ, chat_run_read_mark_unread),
    WRITE("room.archive", ROOM, chat_run_room_archive),
    WRITE("room.create", HAS(FIELD_KIND), chat_run_room_create),
    WRITE("room.join", ROOM, chat_run_room_join),
    WRITE("room.leave", ROOM, chat_run_room_leave),
    READ("room.list", 0, chat_run_room_list),
    READ("room.open", ROOM, chat_run_room_open),
    READ("room.sync", ROOM | HAS(FIELD_SINCE), chat_run_room_sync),
    WRITE("room.unarchive", ROOM, chat_run_room_unarchive),
    WRITE("room.update", ROOM, chat_run_room_update),
    { "search", CHAT_READS, CHAT_RATE_SEARCH, 0, chat_run_search, NULL },
    READ("sync", 0, chat_run_sync),
    { "typing.start", CHAT_READS, CHAT_RATE_WRITE, ROOM, chat_run_typing, NULL,
      chat_after_typing_start },
    { "typing.stop", CHAT_READS, CHAT_RATE_WRITE, ROOM, chat_run_typing, NULL,
      chat_after_typing_stop },
    READ("user.get", 0, chat_run_user_get),
    WRITE("user.update", 0, chat_run_user_update),
    WRITE("webhook.create", ROOM | HAS(FIELD_KIND) | HAS(FIELD_NAME), chat_run_webhook_create),
    READ("webhook.list", 0, chat_run_webhook_list),
    WRITE("webhook.remove", HAS(FIELD_ID), chat_run_webhook_remove),
};

const struct chat_method *chat_methods(size_t *ret_n) {
    *ret_n = sizeof METHODS / sizeof METHODS[0];
    return METHODS;
}

static int compare(const void *key, const void *element) {
    const struct str *name = key;
    struct str other = str_of(((const struct chat_method *) element)->name);
    size_t shorter = name->len < other.len ? name->len : other.len;
    int order = shorter ? memcmp(name->data, other.data, shorter) : 0;
    return order ? order : (name->len > other.len) - (name->len < other.len);
}

const struct chat_method *chat_method_of(struct str name) {
    return bsearch(&name, METHODS, sizeof METHODS / sizeof METHODS[0], sizeof METHODS[0], compare);
}
