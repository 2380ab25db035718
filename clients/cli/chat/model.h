/*
 * What the terminal client knows: users, rooms, and of rooms that were opened their newest
 * messages without a hole.
 *
 * Pure: what the server says goes in, what there is to show and to ask comes out. Strings are the
 * model's own. A timeline is a run of seqs up to the newest message, and knows by `ver` whether an
 * event follows the last one; if not, model_event() says so, and the caller asks room.sync.
 */
#pragma once

#include "clients/cli/chat/objects.h"

enum { MODEL_CLIENT_ID_LEN = 22, MODEL_TYPING_MAX = 8, MODEL_TYPING_MS = 6000 };

struct user {
    char *id, *login, *name;
};

enum message_state { MESSAGE_SENT, MESSAGE_SENDING, MESSAGE_FAILED };

struct message {
    uint64_t seq; /* 0: not sent yet */
    uint64_t ver;
    int64_t at_ms;
    char *user, *text;
    char *reply_user, *reply_text; /* NULL: no reply */
    uint64_t reply_seq;
    char *files, *reactions; /* each on one line; NULL: none */
    char client_id[MODEL_CLIENT_ID_LEN + 1];
    enum message_state state;
    char *why; /* of a failure */
    bool is_deleted, is_edited, is_pinned;
};

struct room {
    char *id, *kind, *name, *topic;
    char *peer; /* the user's id of a direct room; NULL otherwise */
    uint64_t last_seq, read_seq;
    int64_t last_at_ms;
    uint32_t unread, mentions;
    bool is_member, is_muted;

    /* the timeline; messages that are being sent stand behind the others */
    struct message *messages;
    size_t n, cap;
    uint64_t ver;      /* up to here everything is in it; 0: it is not open */
    uint64_t seen_ver; /* the largest that was heard of */
    bool has_before;
    uint64_t line_seq; /* what follows was new when one came here; UINT64_MAX: no line */
    struct {
        char *user;
        int64_t until_ms;
    } typing[MODEL_TYPING_MAX];
};

struct model {
    struct user *users;
    size_t n_users, users_cap;
    struct room *
            *rooms; /* in the order that they are shown in; places stay while nothing is added */
    size_t n_rooms, rooms_cap;
    char *me;
};

void model_init(struct model *m);
void model_finish(struct model *m);

/* All of these: 0, or -ENOMEM: what is there is whole, but not all of it is new. */
MUST_CHECK int model_sync(struct model *m, const struct chat_object *answer); /* of `sync` */
MUST_CHECK int model_put_user(struct model *m, const struct user_object *user);
MUST_CHECK int model_put_room(struct model *m, const struct room_object *room, struct room **ret);
void model_remove_room(struct model *m, const struct room *room);

struct room *model_room(const struct model *m, struct str id); /* NULL: it is not known */
const struct user *model_user(const struct model *m, struct str id);
const struct user *model_user_by_login(const struct model *m, struct str login);
const char *model_user_label(const struct model *m, const char *id); /* name to be shown */
const char *model_room_label(const struct model *m, const struct room *r);

/* By its id; its name (with # nothing else) or the login of its peer, if it is a direct one (with @
 * nothing else); its peer's name; or a beginning; in this order. NULL: none, or several. */
struct room *model_find_room(const struct model *m, struct str text);

/* The room that wants to be looked at first after this one: mentions, then direct rooms, then
 * unread ones. NULL: none. */
struct room *model_next_active(const struct model *m, const struct room *after);

/* ---- timelines ---- */

/* Of room.open: the timeline begins anew. */
MUST_CHECK int room_open(struct model *m, struct room *r, const struct chat_object *answer);
/* Of message.history before what is there. */
MUST_CHECK int room_prepend(struct room *r, const struct chat_object *answer);

enum { ROOM_IS_WHOLE = 0, ROOM_ASK_AGAIN = 1, ROOM_OPEN_ANEW = 2 };
/* Of room.sync: what to do next, or -ENOMEM. */
MUST_CHECK int room_synced(struct model *m, struct room *r, const struct chat_object *answer);

/* An event of room:ID. ROOM_IS_WHOLE; ROOM_ASK_AGAIN: something was missed, room.sync since r->ver
 * tells; -ENOMEM. */
MUST_CHECK int room_event(struct model *m, struct room *r, const struct chat_object *event,
                          int64_t now_ms);

/* An event of user:#ID. 1: a room was added or is gone (ret_room: the one that is gone, no longer
 * to be used but compared); 0; -ENOMEM. */
MUST_CHECK int model_event(struct model *m, const struct chat_object *event,
                           const struct room **ret_gone);

/* A message on its way. The id is the caller's: MODEL_CLIENT_ID_LEN characters. NULL: no memory. */
struct message *room_send(struct model *m, struct room *r, const char *client_id, const char *text,
                          uint64_t reply_seq, int64_t now_ms);
/* It was answered; what the event has brought already is not there twice. */
MUST_CHECK int room_sent(struct room *r, struct str client_id, const struct chat_object *answer);
void room_send_failed(struct room *r, struct str client_id, struct str why);
void room_discard(struct room *r, size_t index); /* one that failed */

struct message *room_message(const struct room *r, uint64_t seq); /* NULL: not in the timeline */
const struct message *room_last_of(const struct room *r, const char *user); /* sent, not deleted */

bool room_forget_typing(struct room *r, int64_t now_ms); /* whose time is over; was there any? */
