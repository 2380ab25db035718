/*
 * A chat.db for tests of storage/chat/, without its store: functions on a transaction are called as
 * they are, and what they did is there at once. Its clock stands still unless it is moved.
 */
#pragma once

#include "storage/chat/message.h"
#include "storage/chat/tx_impl.h"
#include "storage/chat/user.h"

struct chat_scene {
    char dir[64]; /* of its own, removed at the end */
    struct connection connection;
    struct chat_limits limits;
    struct chat_work work;
    struct chat_tx tx;
};

/* For cmocka: state is a struct chat_scene *. */
int chat_scene_setup(void **state);
int chat_scene_teardown(void **state);

/* What was found is forgotten. */
struct chat_tx *scene_tx(struct chat_scene *s);

/* Each fails the test if it does not succeed. ids are given. */
struct chat_actor scene_user(struct chat_scene *s, const char *id, enum chat_role role);
struct chat_actor scene_actor(struct chat_scene *s, const char *id);
/* ret: its id, of at least CHAT_ID_MAX + 1 bytes. */
void scene_room(struct chat_scene *s, const char *owner, enum chat_room_kind kind, const char *name,
                char *ret);
void scene_join(struct chat_scene *s, const char *room, const char *owner, const char *user);
/* attachment: an id, or NULL. */
uint64_t scene_send(struct chat_scene *s, const char *user, const char *room, const char *text,
                    const char *attachment);
void scene_edit(struct chat_scene *s, const char *user, const char *room, uint64_t seq,
                const char *text);
void scene_delete(struct chat_scene *s, const char *user, const char *room, uint64_t seq);
