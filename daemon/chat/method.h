/*
 * A method from inside: what it needs, and what it does. To add one: its row in methods.c, a
 * function in a methods_*.c, its words in docs/chat-protocol.md.
 */
#pragma once

#include "daemon/chat/call.h"
#include "daemon/chat/request.h"
#include "daemon/config/config.h"
#include "storage/chat/store.h"
#include "storage/chat/types.h"

struct chat;
struct chat_call;

enum chat_access { CHAT_READS, CHAT_WRITES };

struct chat_method {
    const char *name;
    enum chat_access access;
    enum chat_rate rate;
    uint64_t needs; /* HAS() of the members without which it is a bad request */
    /* On a thread of the store, in a transaction: does it, and appends the result's members. 0, an
     * enum chat_error (chat_refuse()), -errno. */
    int (*run)(struct chat_call *c, struct chat_tx *tx);
    /* On the caller's loop, before the transaction; may be NULL. As run(). */
    SUSPENDS int (*before)(struct chat_call *c);
    /* On the caller's loop, when it is done; may be NULL. Does not suspend. */
    void (*after)(struct chat_call *c);
};

struct chat_call {
    struct chat_work work;
    const struct chat_method *method;
    struct chat *chat;
    struct worker *worker; /* the caller's; not to be touched by run() */
    struct str user;
    struct chat_request in;
    struct chat_actor by; /* who asks, as the transaction finds them */
    struct buffer out;    /* the result's members, without the braces */
    struct arena arena;   /* of the request; not to be touched by run() */
    char *password;       /* before()'s, on the heap: as it is to be kept */
    bool is_changed;      /* run()'s, for after() */
    bool is_partial;      /* run()'s: there was no time for all of it */
};

/* The member `limits` of what clients are to keep to. */
void chat_put_limits(struct buffer *out, const struct chat_limits *l);

/* NULL: there is none of that name. */
const struct chat_method *chat_method_of(struct str name);
const struct chat_method *chat_methods(size_t *ret_n); /* all, by name */

/* Whether a member was given. */
static inline bool chat_has(const struct chat_call *c, enum chat_field field) {
    return c->in.has & HAS(field);
}

/* NULL: it was not given, for changes of what may be left as it is. */
static inline const void *chat_if_given(const struct chat_call *c, enum chat_field field,
                                        const void *member) {
    return chat_has(c, field) ? member : NULL;
}

/* All methods' run(), by their files. */
int chat_run_sync(struct chat_call *c, struct chat_tx *tx); /* methods_team.c */
int chat_run_user_get(struct chat_call *c, struct chat_tx *tx);
int chat_run_user_update(struct chat_call *c, struct chat_tx *tx);
int chat_run_presence_set(struct chat_call *c, struct chat_tx *tx);

int chat_run_room_list(struct chat_call *c, struct chat_tx *tx); /* methods_room.c */
int chat_run_room_create(struct chat_call *c, struct chat_tx *tx);
int chat_run_room_update(struct chat_call *c, struct chat_tx *tx);
int chat_run_room_archive(struct chat_call *c, struct chat_tx *tx);
int chat_run_room_unarchive(struct chat_call *c, struct chat_tx *tx);
int chat_run_room_open(struct chat_call *c, struct chat_tx *tx);
int chat_run_room_sync(struct chat_call *c, struct chat_tx *tx);

int chat_run_invite_create(struct chat_call *c, struct chat_tx *tx); /* methods_invite.c */
int chat_run_invite_list(struct chat_call *c, struct chat_tx *tx);
int chat_run_invite_revoke(struct chat_call *c, struct chat_tx *tx);

int chat_run_member_list(struct chat_call *c, struct chat_tx *tx); /* methods_member.c */
int chat_run_member_add(struct chat_call *c, struct chat_tx *tx);
int chat_run_member_remove(struct chat_call *c, struct chat_tx *tx);
int chat_run_member_update(struct chat_call *c, struct chat_tx *tx);
int chat_run_room_join(struct chat_call *c, struct chat_tx *tx);
int chat_run_room_leave(struct chat_call *c, struct chat_tx *tx);
int chat_run_kick(struct chat_call *c, struct chat_tx *tx);
int chat_run_ban(struct chat_call *c, struct chat_tx *tx);
int chat_run_unban(struct chat_call *c, struct chat_tx *tx);
int chat_run_mute(struct chat_call *c, struct chat_tx *tx);
int chat_run_unmute(struct chat_call *c, struct chat_tx *tx);
int chat_run_bans(struct chat_call *c, struct chat_tx *tx);

int chat_run_message_send(struct chat_call *c, struct chat_tx *tx); /* methods_message.c */
void chat_after_message_send(struct chat_call *c);
int chat_run_message_edit(struct chat_call *c, struct chat_tx *tx);
int chat_run_message_delete(struct chat_call *c, struct chat_tx *tx);
int chat_run_message_get(struct chat_call *c, struct chat_tx *tx);
int chat_run_message_revisions(struct chat_call *c, struct chat_tx *tx);
int chat_run_message_history(struct chat_call *c, struct chat_tx *tx);

int chat_run_reaction_add(struct chat_call *c, struct chat_tx *tx); /* methods_mark.c */
int chat_run_reaction_remove(struct chat_call *c, struct chat_tx *tx);
int chat_run_pin_add(struct chat_call *c, struct chat_tx *tx);
int chat_run_pin_remove(struct chat_call *c, struct chat_tx *tx);
int chat_run_pin_list(struct chat_call *c, struct chat_tx *tx);
int chat_run_read_mark(struct chat_call *c, struct chat_tx *tx);
int chat_run_read_mark_unread(struct chat_call *c, struct chat_tx *tx);
int chat_run_notify_set(struct chat_call *c, struct chat_tx *tx);
int chat_run_typing(struct chat_call *c, struct chat_tx *tx);
void chat_after_typing_start(struct chat_call *c);
void chat_after_typing_stop(struct chat_call *c);

int chat_run_webhook_create(struct chat_call *c, struct chat_tx *tx); /* methods_webhook.c */
int chat_run_webhook_list(struct chat_call *c, struct chat_tx *tx);
int chat_run_webhook_remove(struct chat_call *c, struct chat_tx *tx);

int chat_run_search(struct chat_call *c, struct chat_tx *tx); /* methods_search.c */

int chat_run_admin_users(struct chat_call *c, struct chat_tx *tx); /* methods_admin.c */
int chat_run_admin_user(struct chat_call *c, struct chat_tx *tx);
SUSPENDS int chat_before_admin_user(struct chat_call *c);
int chat_run_admin_settings(struct chat_call *c, struct chat_tx *tx);
int chat_run_admin_audit(struct chat_call *c, struct chat_tx *tx);
int chat_run_admin_stats(struct chat_call *c, struct chat_tx *tx);
