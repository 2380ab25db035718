#include "tests/unit/chat/lobby.h"

#include <stdlib.h>

int lobby_set_up(void **state) {
    struct lobby *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->s = scene_new();
    t->own = scene_user(t->s, "own", CHAT_OWNER);
    t->ann = scene_user(t->s, "ann", CHAT_MEMBER);
    t->ben = scene_user(t->s, "ben", CHAT_MEMBER);
    t->gus = scene_user(t->s, "gus", CHAT_GUEST);
    t->room = scene_room(t->s, &t->ann, CHAT_ROOM_PUBLIC, "Lobby");
    *state = t;
    return 0;
}

int lobby_tear_down(void **state) {
    struct lobby *t = *state;
    scene_free(t->s);
    free(t);
    return 0;
}

struct chat_room lobby_get(struct lobby *t, const struct chat_actor *by, struct str id) {
    struct chat_room room = { 0 };
    if (TRY(t->s, chat_room_get(&t->s->tx, by, id, CHAT_ACT_READ, &room)) != 0)
        abort();
    return room;
}

int lobby_create(struct lobby *t, const struct chat_actor *by, struct chat_room_new new,
                 struct chat_room *ret, bool *ret_is_new) {
    return TRY(t->s, chat_room_create(&t->s->tx, by, &new, ret, ret_is_new));
}
