/* Rooms, and who is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/moderation.h"
#include "storage/chat/user.h"
#include "tests/unit/chat/lobby.h"

/* ---- making ---- */

static void the_maker_of_a_room_owns_it(void **state) {
    struct lobby *t = *state;
    struct chat_room room = lobby_get(t, &t->ann, t->room);
    assert_int_equal(room.mine.role, CHAT_ROOM_OWNER);
    assert_int_equal(room.members_n, 1);
    assert_int_equal(room.ver, 2); /* made, and entered */
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM audit WHERE action = 'room.create'"),
                     1);
}

static void a_direct_room_is_there_once_whoever_asks(void **state) {
    struct lobby *t = *state;
    struct chat_room first, again;
    bool is_new;
    struct chat_room_new new = { .kind = CHAT_ROOM_DIRECT, .users = &t->ben.id, .users_n = 1 };
    assert_int_equal(lobby_create(t, &t->ann, new, &first, &is_new), 0);
    assert_true(is_new);
    assert_int_equal(first.others.n, 1);
    assert_str(first.others.items[0].id, "ben");
    new.users = &t->ann.id;
    assert_int_equal(lobby_create(t, &t->ben, new, &again, &is_new), 0);
    assert_false(is_new);
    assert_true(str_equal(first.id, again.id));
    assert_str(again.others.items[0].id, "ann");
    /* With oneself: for notes. */
    assert_int_equal(lobby_create(t, &t->ann, new, &again, &is_new), 0);
    assert_true(is_new);
    assert_int_equal(again.members_n, 1);
    assert_str(again.others.items[0].id, "ann");
}

static void groups_are_made_anew_and_show_their_users(void **state) {
    struct lobby *t = *state;
    struct chat_room one, two;
    bool is_new;
    struct str users[] = { t->ben.id, t->own.id, t->ben.id, t->ann.id };
    struct chat_room_new new = { .kind = CHAT_ROOM_GROUP, .users = users, .users_n = 4 };
    assert_int_equal(lobby_create(t, &t->ann, new, &one, &is_new), 0);
    assert_int_equal(one.members_n, 3);
    assert_int_equal(one.others.n, 3);
    assert_int_equal(one.mine.role, CHAT_ROOM_MEMBER);
    assert_int_equal(lobby_create(t, &t->ann, new, &two, &is_new), 0);
    assert_false(str_equal(one.id, two.id));
    new.users_n = 0;
    assert_int_equal(lobby_create(t, &t->ann, new, &two, &is_new), CHAT_BAD_REQUEST);
}

static void bad_rooms_are_refused_with_the_field(void **state) {
    struct lobby *t = *state;
    struct chat_room room;
    bool is_new;
    struct chat_room_new new = { .kind = CHAT_ROOM_PUBLIC, .name = STR("") };
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), CHAT_BAD_REQUEST);
    assert_string_equal(t->s->work.refusal.field, "name");
    new.name =
            STR("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), 0); /* 64 characters */
    new.name = STR("a\nb");
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), CHAT_BAD_REQUEST);
    new.name = STR("R");
    new.slug = STR("Not A Slug");
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), CHAT_BAD_REQUEST);
    new.slug = STR("a-slug");
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), 0);
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), CHAT_CONFLICT);
    assert_string_equal(t->s->work.refusal.field, "slug");
    new.kind = CHAT_ROOM_PRIVATE; /* "taken" would tell of it */
    new.slug = STR("secret");
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), CHAT_BAD_REQUEST);
    assert_string_equal(t->s->work.refusal.field, "slug");
    new.slug = STR("");
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), 0);
    struct str slug = STR("secret");
    struct chat_change change;
    assert_int_equal(TRY(t->s, chat_room_update(&t->s->tx, &t->ann, room.id,
                                                &(struct chat_room_change){ .slug = &slug }, &room,
                                                &change)),
                     CHAT_BAD_REQUEST);
    new.kind = (enum chat_room_kind) 9;
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), CHAT_BAD_REQUEST);
    new.kind = CHAT_ROOM_PUBLIC;
    assert_int_equal(lobby_create(t, &t->gus, new, &room, &is_new), CHAT_DENIED);
}

static void guests_write_only_to_whom_they_know(void **state) {
    struct lobby *t = *state;
    struct chat_room room;
    bool is_new;
    struct chat_users users;
    struct chat_room_new new = { .kind = CHAT_ROOM_DIRECT, .users = &t->ben.id, .users_n = 1 };
    assert_int_equal(lobby_create(t, &t->gus, new, &room, &is_new), CHAT_NOT_FOUND);
    assert_int_equal(TRY(t->s, chat_users_get(&t->s->tx, &t->gus, &t->ben.id, 1, &users)), 0);
    assert_int_equal(users.n, 0);
    scene_join(t->s, t->room, &t->gus, CHAT_ROOM_MEMBER);
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(lobby_get(t, &t->gus, t->room).mine.role, CHAT_ROOM_GUEST);
    assert_int_equal(lobby_create(t, &t->gus, new, &room, &is_new), 0);
    assert_int_equal(TRY(t->s, chat_users_find(&t->s->tx, &t->gus, STR(""), STR(""), 0, &users)),
                     0);
    assert_int_equal(users.n, 3); /* not the team's owner */
    struct chat_members members;
    assert_int_equal(TRY(t->s, chat_users_find(&t->s->tx, &t->gus, STR(""), t->own.id, 0, &users)),
                     CHAT_NOT_FOUND);
    assert_int_equal(
            TRY(t->s, chat_member_list(&t->s->tx, &t->gus, t->room, t->own.id, 0, &members)),
            CHAT_NOT_FOUND);
    assert_int_equal(
            TRY(t->s, chat_member_list(&t->s->tx, &t->gus, t->room, t->ann.id, 0, &members)), 0);
    assert_int_equal(members.n, 2);
    /* Nor by way of a group. */
    struct chat_member member;
    struct chat_change change;
    new.kind = CHAT_ROOM_GROUP;
    assert_int_equal(lobby_create(t, &t->gus, new, &room, &is_new), 0);
    assert_int_equal(
            TRY(t->s, chat_member_add(&t->s->tx, &t->gus, room.id, STR("own"), &member, &change)),
            CHAT_NOT_FOUND);
    assert_int_equal(
            TRY(t->s, chat_member_add(&t->s->tx, &t->gus, room.id, STR("ann"), &member, &change)),
            0);
    assert_int_equal(
            TRY(t->s, chat_member_add(&t->s->tx, &t->ben, room.id, STR("own"), &member, &change)),
            0);
    assert_int_equal(TRY(t->s, chat_users_find(&t->s->tx, &t->ann, STR("be"), STR(""), 0, &users)),
                     0);
    assert_int_equal(users.n, 1);
    assert_int_equal(TRY(t->s, chat_users_find(&t->s->tx, &t->ann, STR("%"), STR(""), 0, &users)),
                     0);
    assert_int_equal(users.n, 0);
}

static void settings_change_once_and_with_a_number(void **state) {
    struct lobby *t = *state;
    struct chat_room room;
    struct chat_change change;
    struct str name = STR("Hall"), slug = STR("hall");
    unsigned slow = 5;
    struct chat_room_change what = { .name = &name, .slug = &slug, .slow_s = &slow };
    assert_int_equal(
            TRY(t->s, chat_room_update(&t->s->tx, &t->ann, t->room, &what, &room, &change)), 0);
    assert_true(change.is_changed && change.ver == 3 && room.ver == 3);
    assert_str(room.name, "Hall");
    assert_str(room.slug, "hall");
    assert_int_equal(room.slow_s, 5);
    assert_int_equal(
            TRY(t->s, chat_room_update(&t->s->tx, &t->ann, t->room, &what, &room, &change)), 0);
    assert_false(change.is_changed);
    slow = 100000;
    assert_int_equal(
            TRY(t->s, chat_room_update(&t->s->tx, &t->ann, t->room, &what, &room, &change)),
            CHAT_BAD_REQUEST);
}

static void public_rooms_are_listed_by_name(void **state) {
    struct lobby *t = *state;
    struct chat_rooms rooms;
    (void) scene_room(t->s, &t->ann, CHAT_ROOM_PUBLIC, "beta team");
    (void) scene_room(t->s, &t->ann, CHAT_ROOM_PUBLIC, "Alpha");
    struct str secret = scene_room(t->s, &t->ann, CHAT_ROOM_PRIVATE, "Aaa secret");
    assert_int_equal(TRY(t->s, chat_room_list(&t->s->tx, &t->ben, STR(""), secret, 2, &rooms)),
                     CHAT_NOT_FOUND); /* as of none */
    assert_int_equal(TRY(t->s, chat_room_list(&t->s->tx, &t->ben, STR(""), STR(""), 2, &rooms)), 0);
    assert_int_equal(rooms.n, 2);
    assert_true(rooms.has_more);
    assert_str(rooms.items[0].name, "Alpha");
    assert_str(rooms.items[1].name, "beta team");
    assert_int_equal(
            TRY(t->s, chat_room_list(&t->s->tx, &t->ben, STR(""), rooms.items[1].id, 2, &rooms)),
            0);
    assert_int_equal(rooms.n, 1);
    assert_false(rooms.has_more);
    assert_str(rooms.items[0].name, "Lobby");
    assert_int_equal(TRY(t->s, chat_room_list(&t->s->tx, &t->ben, STR("TEAM"), STR(""), 0, &rooms)),
                     0);
    assert_int_equal(rooms.n, 1);
    assert_int_equal(TRY(t->s, chat_room_list(&t->s->tx, &t->gus, STR(""), STR(""), 0, &rooms)),
                     CHAT_DENIED);
}

/* ---- members ---- */

static void the_last_owner_hands_the_room_on(void **state) {
    struct lobby *t = *state;
    struct chat_member heir;
    struct chat_change change;
    scene_join(t->s, t->room, &t->gus, CHAT_ROOM_MEMBER);
    t->s->tx.now_ms++;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(TRY(t->s, chat_member_leave(&t->s->tx, &t->ann, t->room, &heir, &change)), 0);
    assert_str(heir.user.id, "ben"); /* not the guest */
    assert_int_equal(heir.role, CHAT_ROOM_OWNER);
    assert_int_equal(change.ver, heir.ver + 1);
    assert_int_equal(TRY(t->s, chat_member_leave(&t->s->tx, &t->ben, t->room, &heir, &change)), 0);
    assert_int_equal(heir.role, CHAT_NO_MEMBER);
    assert_int_equal(lobby_get(t, &t->own, t->room).members_n, 1);
}

static void a_room_whose_owner_is_put_out_goes_on_to_another(void **state) {
    struct lobby *t = *state;
    struct chat_member heir;
    struct chat_change change;
    t->room = scene_room(t->s, &t->ann, CHAT_ROOM_PRIVATE, "Den");
    scene_join(t->s, t->room, &t->gus, CHAT_ROOM_MEMBER);
    scene_join(t->s, t->room, &t->own, CHAT_ROOM_MEMBER); /* the team's owner: above ann */
    assert_int_equal(TRY(t->s, chat_member_hand_on(&t->s->tx, t->room, &heir)), 0);
    assert_int_equal(heir.role, CHAT_NO_MEMBER);
    assert_int_equal(KICK(&t->own, "ann"), 0);
    assert_int_equal(TRY(t->s, chat_member_hand_on(&t->s->tx, t->room, &heir)), 0);
    assert_str(heir.user.id, "own"); /* not the guest */
    assert_int_equal(heir.role, CHAT_ROOM_OWNER);
    assert_int_equal(heir.ver, change.ver + 1);
    /* Groups have none. */
    bool is_new;
    struct chat_room group;
    struct chat_room_new new = { .kind = CHAT_ROOM_GROUP, .users = &t->ben.id, .users_n = 1 };
    assert_int_equal(lobby_create(t, &t->ann, new, &group, &is_new), 0);
    assert_int_equal(TRY(t->s, chat_member_hand_on(&t->s->tx, group.id, &heir)), 0);
    assert_int_equal(heir.role, CHAT_NO_MEMBER);
}

static void a_room_keeps_an_owner(void **state) {
    struct lobby *t = *state;
    struct chat_member member;
    struct chat_change change;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    struct chat_member *m = &member;
    assert_int_equal(TRY(t->s, chat_member_update(&t->s->tx, &t->ann, t->room, t->ann.id,
                                                  CHAT_ROOM_MEMBER, m, &change)),
                     CHAT_CONFLICT);
    assert_int_equal(TRY(t->s, chat_member_update(&t->s->tx, &t->ann, t->room, t->ben.id,
                                                  CHAT_ROOM_OWNER, m, &change)),
                     0);
    assert_int_equal(TRY(t->s, chat_member_update(&t->s->tx, &t->ann, t->room, t->ann.id,
                                                  CHAT_ROOM_MEMBER, m, &change)),
                     0);
    assert_int_equal(TRY(t->s, chat_member_update(&t->s->tx, &t->ann, t->room, t->ben.id,
                                                  CHAT_ROOM_MEMBER, m, &change)),
                     CHAT_DENIED);
    assert_int_equal(TRY(t->s, chat_member_update(&t->s->tx, &t->ben, t->room, t->own.id,
                                                  CHAT_ROOM_MOD, m, &change)),
                     CHAT_NOT_FOUND);
    scene_join(t->s, t->room, &t->gus, CHAT_ROOM_MEMBER);
    assert_int_equal(TRY(t->s, chat_member_update(&t->s->tx, &t->ben, t->room, t->gus.id,
                                                  CHAT_ROOM_MOD, m, &change)),
                     CHAT_BAD_REQUEST);
}

static void memberships_have_limits(void **state) {
    struct lobby *t = *state;
    struct chat_room room;
    struct chat_member member;
    struct chat_change change;
    t->s->limits.members_max = 1;
    assert_int_equal(
            TRY(t->s, chat_member_join(&t->s->tx, &t->ben, t->room, &room, &member, &change)),
            CHAT_CONFLICT);
    assert_string_equal(t->s->work.refusal.field, "members");
    t->s->limits.members_max = 10;
    t->s->limits.rooms_max_per_user = 1;
    assert_int_equal(
            TRY(t->s, chat_member_join(&t->s->tx, &t->ben, t->room, &room, &member, &change)), 0);
    bool is_new;
    struct chat_room_new new = { .kind = CHAT_ROOM_PUBLIC, .name = STR("R") };
    assert_int_equal(lobby_create(t, &t->ben, new, &room, &is_new), CHAT_CONFLICT);
    assert_string_equal(t->s->work.refusal.field, "rooms");
}

static void members_are_listed_page_by_page(void **state) {
    struct lobby *t = *state;
    struct chat_members page;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    scene_join(t->s, t->room, &t->gus, CHAT_ROOM_MEMBER);
    assert_int_equal(TRY(t->s, chat_member_list(&t->s->tx, &t->ben, t->room, STR(""), 2, &page)),
                     0);
    assert_true(page.n == 2 && page.has_more);
    struct str last = page.items[1].user.id;
    assert_int_equal(TRY(t->s, chat_member_list(&t->s->tx, &t->ben, t->room, last, 2, &page)), 0);
    assert_true(page.n == 1 && !page.has_more);
    assert_str(page.items[0].user.id, "gus");
    struct chat_ids ids;
    assert_int_equal(
            TRY(t->s, chat_member_ids(&t->s->tx, lobby_get(t, &t->ann, t->room).key, &ids)), 0);
    assert_int_equal(ids.n, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOBBY_STORY(the_maker_of_a_room_owns_it),
        LOBBY_STORY(a_direct_room_is_there_once_whoever_asks),
        LOBBY_STORY(groups_are_made_anew_and_show_their_users),
        LOBBY_STORY(bad_rooms_are_refused_with_the_field),
        LOBBY_STORY(guests_write_only_to_whom_they_know),
        LOBBY_STORY(settings_change_once_and_with_a_number),
        LOBBY_STORY(public_rooms_are_listed_by_name),
        LOBBY_STORY(the_last_owner_hands_the_room_on),
        LOBBY_STORY(a_room_whose_owner_is_put_out_goes_on_to_another),
        LOBBY_STORY(a_room_keeps_an_owner),
        LOBBY_STORY(memberships_have_limits),
        LOBBY_STORY(members_are_listed_page_by_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
