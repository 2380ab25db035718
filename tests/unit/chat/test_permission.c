/*
 * Who may do what: all of it, written out. For each action and kind of room four letters for each
 * role in the room (none, guest, member, mod, owner): the team's guests, members, admins, owners.
 * '+': may, '-': may not, '.': is told that there is no such room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/base.h"
#include "storage/chat/error.h"
#include "storage/chat/permission.h"

#define NOBODY  "---- ---- ---- ----"
#define ANYBODY "++++ ++++ ++++ ++++"
/* Of those who are in it. In public and private rooms the team's guests stay guests, and its admins
 * are owners. */
#define MEMBERS "--++ -+++ -+++ -+++"
#define MODS    "--++ --++ -+++ -+++"
#define OWNERS  "--++ --++ --++ -+++"

static const struct expected {
    enum chat_action action;
    const char *public_room, *private_room, *direct, *group;
} table[] = {
    { CHAT_ACT_READ, ".+++ " ANYBODY, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_FOLLOW, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_JOIN, ".+++ " ANYBODY, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_LEAVE, ".... " ANYBODY, ".... " ANYBODY, ".... " NOBODY, ".... " ANYBODY },
    { CHAT_ACT_SEND, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_EDIT_OWN, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_DELETE_OWN, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_DELETE_ANY, "..++ " MODS, ".... " MODS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_REACT, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_PIN, "..++ " MEMBERS, ".... " MEMBERS, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_MENTION_ALL, ".... " MEMBERS, ".... " MEMBERS, ".... " ANYBODY, ".... " ANYBODY },
    { CHAT_ACT_ADD_MEMBER, "..++ " MEMBERS, ".... " MEMBERS, ".... " NOBODY, ".... " ANYBODY },
    { CHAT_ACT_REMOVE_MEMBER, "..++ " MODS, ".... " MODS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_SET_ROLE, "..++ " OWNERS, ".... " OWNERS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_BAN, "..++ " MODS, ".... " MODS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_MUTE, "..++ " MODS, ".... " MODS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_UPDATE, "..++ " MODS, ".... " MODS, ".... " NOBODY, ".... " ANYBODY },
    { CHAT_ACT_ARCHIVE, "..++ " OWNERS, ".... " OWNERS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_INVITE, "..++ " MODS, ".... " MODS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_HOOK, "..++ " OWNERS, ".... " OWNERS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_RETAIN, "..++ " OWNERS, ".... " OWNERS, ".... " NOBODY, ".... " NOBODY },
    { CHAT_ACT_FREELY, "..++ " MODS, ".... " MODS, ".... " ANYBODY, ".... " ANYBODY },
};

static char letter(int r) {
    return r == 0 ? '+' : r == CHAT_DENIED ? '-' : r == CHAT_NOT_FOUND ? '.' : '?';
}

static void actual(enum chat_action action, enum chat_room_kind kind, char ret[static 32]) {
    size_t n = 0;
    for (int member = CHAT_NO_MEMBER; member <= CHAT_ROOM_OWNER; member++) {
        for (int team = CHAT_GUEST; team <= CHAT_OWNER; team++)
            ret[n++] = letter(chat_permission(action, kind, (enum chat_member_role) member,
                                              (enum chat_role) team));
        ret[n++] = member == CHAT_ROOM_OWNER ? 0 : ' ';
    }
}

static void check(enum chat_action action, enum chat_room_kind kind, const char *expected) {
    char is[32];
    actual(action, kind, is);
    if (strcmp(is, expected) != 0)
        (void) fprintf(stderr, "%s, kind %d\n", chat_action_name(action), (int) kind);
    assert_string_equal(is, expected);
}

static void every_action_is_allowed_to_just_those_in_the_table(void **state) {
    (void) state;
    assert_int_equal(ELEMENTS_OF(table), CHAT_ACTIONS);
    for (size_t i = 0; i < ELEMENTS_OF(table); i++) {
        assert_int_equal(table[i].action, i);
        check(table[i].action, CHAT_ROOM_PUBLIC, table[i].public_room);
        check(table[i].action, CHAT_ROOM_PRIVATE, table[i].private_room);
        check(table[i].action, CHAT_ROOM_DIRECT, table[i].direct);
        check(table[i].action, CHAT_ROOM_GROUP, table[i].group);
    }
}

static void every_action_is_refused_to_somebody(void **state) {
    (void) state;
    for (size_t i = 0; i < ELEMENTS_OF(table); i++)
        assert_true(strpbrk(table[i].public_room, "-.") != NULL);
}

static void who_is_in_no_closed_room_is_told_that_there_is_none(void **state) {
    (void) state;
    for (int action = 0; action < CHAT_ACTIONS; action++)
        for (int kind = CHAT_ROOM_PRIVATE; kind <= CHAT_ROOM_GROUP; kind++)
            for (int team = CHAT_GUEST; team <= CHAT_OWNER; team++)
                assert_int_equal(chat_permission((enum chat_action) action,
                                                 (enum chat_room_kind) kind, CHAT_NO_MEMBER,
                                                 (enum chat_role) team),
                                 CHAT_NOT_FOUND);
}

static void the_team_allows_by_role(void **state) {
    static const char *const expected[CHAT_TEAM_ACTIONS] = {
        [CHAT_TEAM_CREATE_PUBLIC] = "-+++", [CHAT_TEAM_CREATE_PRIVATE] = "-+++",
        [CHAT_TEAM_CREATE_DIRECT] = "++++", [CHAT_TEAM_LIST_ROOMS] = "-+++",
        [CHAT_TEAM_SEE_ALL_USERS] = "-+++", [CHAT_TEAM_INVITE] = "--++",
        [CHAT_TEAM_ADMIN] = "--++",
    };
    (void) state;
    for (int action = 0; action < CHAT_TEAM_ACTIONS; action++)
        for (int team = CHAT_GUEST; team <= CHAT_OWNER; team++)
            assert_int_equal(
                    chat_team_permission((enum chat_team_action) action, (enum chat_role) team),
                    expected[action][team - CHAT_GUEST] == '+');
}

static void ranks_are_by_the_room_and_then_by_the_team(void **state) {
    (void) state;
    static const struct {
        enum chat_member_role member;
        enum chat_role team;
    } ascending[] = {
        { CHAT_NO_MEMBER, CHAT_MEMBER },   { CHAT_ROOM_GUEST, CHAT_GUEST },
        { CHAT_ROOM_MEMBER, CHAT_MEMBER }, { CHAT_ROOM_MOD, CHAT_MEMBER },
        { CHAT_ROOM_OWNER, CHAT_MEMBER },  { CHAT_NO_MEMBER, CHAT_ADMIN },
        { CHAT_NO_MEMBER, CHAT_OWNER },
    };
    for (size_t i = 1; i < ELEMENTS_OF(ascending); i++)
        assert_true(chat_rank(CHAT_ROOM_PUBLIC, ascending[i].member, ascending[i].team) >
                    chat_rank(CHAT_ROOM_PUBLIC, ascending[i - 1].member, ascending[i - 1].team));
    /* A guest of the team is one in each room, whatever its list says. */
    assert_int_equal(chat_rank(CHAT_ROOM_PUBLIC, CHAT_ROOM_MOD, CHAT_GUEST),
                     chat_rank(CHAT_ROOM_PUBLIC, CHAT_ROOM_GUEST, CHAT_GUEST));
    assert_int_equal(chat_rank(CHAT_ROOM_PRIVATE, CHAT_ROOM_MEMBER, CHAT_ADMIN),
                     chat_rank(CHAT_ROOM_PUBLIC, CHAT_NO_MEMBER, CHAT_ADMIN));
    assert_int_equal(chat_rank(CHAT_ROOM_GROUP, CHAT_ROOM_MEMBER, CHAT_OWNER),
                     chat_rank(CHAT_ROOM_GROUP, CHAT_ROOM_MEMBER, CHAT_MEMBER));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_is_allowed_to_just_those_in_the_table),
        cmocka_unit_test(every_action_is_refused_to_somebody),
        cmocka_unit_test(who_is_in_no_closed_room_is_told_that_there_is_none),
        cmocka_unit_test(the_team_allows_by_role),
        cmocka_unit_test(ranks_are_by_the_room_and_then_by_the_team),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
