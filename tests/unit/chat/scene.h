/*
 * A chat.db in memory and a transaction on it, so that a test calls the functions of storage/chat/
 * as a work's run() does, on a clock of its own.
 *
 *     int r = TRY(s, chat_pin_add(&s->tx, &ann, room, 1, &change));
 *
 * is what a work with that call in it would have been: undone unless it is 0.
 */
#pragma once

#include "storage/chat/member.h"
#include "storage/chat/message.h"
#include "storage/chat/outbox.h"
#include "storage/chat/query.h"
#include "storage/chat/room.h"
#include "storage/chat/tx_impl.h"

struct scene {
    struct connection connection;
    struct chat_limits limits;
    struct outbox outbox;
    struct chat_work work; /* its arena: of all results, until scene_free() or scene_forget() */
    struct chat_tx tx;
};

struct scene *scene_new(void); /* aborts where it cannot */
struct scene *scene_new_on(const char *path, const char *vfs);
struct scene *scene_free(struct scene *s);                             /* returns NULL */
void scene_forget(struct scene *s);                                    /* frees all results */
void scene_reopen(struct scene *s, const char *path, const char *vfs); /* as a restart does */

void scene_begin(struct scene *s);
int scene_end(struct scene *s, int r); /* returns r */
#define TRY(s, call) (scene_begin(s), scene_end((s), (call)))

/* What must work, or the program aborts. The id is the name, and borrowed. */
struct chat_actor scene_user(struct scene *s, const char *id, enum chat_role role);
struct str scene_room(struct scene *s, const struct chat_actor *by, enum chat_room_kind kind,
                      const char *name);
void scene_join(struct scene *s, struct str room, const struct chat_actor *user,
                enum chat_member_role role);

/* chat_message_send() with nothing but a text; client_id may be NULL. The seq, 0 if it was refused:
 * then *ret_refused says by what (which may be NULL). */
uint64_t scene_send(struct scene *s, const struct chat_actor *by, struct str room, const char *text,
                    int *ret_refused);
int scene_number(struct scene *s, const char *sql); /* one */
