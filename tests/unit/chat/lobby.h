/* A team of four, the team's owner among them, and ann's public room with nobody else in it. */
#pragma once

#include <stdio.h>

#include "storage/chat/user.h"
#include "tests/unit/chat/scene.h"

struct lobby {
    struct scene *s;
    struct chat_actor own, ann, ben, gus; /* the team's owner, two members, a guest */
    struct str room;
};

int lobby_set_up(void **state);
int lobby_tear_down(void **state);
#define LOBBY_STORY(name) cmocka_unit_test_setup_teardown(name, lobby_set_up, lobby_tear_down)

struct chat_room lobby_get(struct lobby *t, const struct chat_actor *by, struct str id);
int lobby_create(struct lobby *t, const struct chat_actor *by, struct chat_room_new new,
                 struct chat_room *ret, bool *ret_is_new);

#define assert_str(s, expected)                                                                    \
    do {                                                                                           \
        struct str is_ = (s);                                                                      \
        char text_[512];                                                                           \
        (void) snprintf(text_, sizeof text_, "%.*s", (int) is_.len, is_.data ? is_.data : "");     \
        assert_string_equal(text_, expected);                                                      \
    } while (0)

#define REACT(who, emoji)                                                                          \
    TRY(t->s, chat_reaction_add(&t->s->tx, who, t->room, 1, STR(emoji), &all, &change))
#define KICK(by, who) TRY(t->s, chat_kick(&t->s->tx, by, t->room, STR(who), STR("no"), &change))
