/* Keeping order, and people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/invite.h"
#include "storage/chat/moderation.h"
#include "storage/chat/reaction.h"
#include "storage/chat/user.h"
#include "storage/chat/webhook.h"
#include "tests/unit/chat/lobby.h"

/* ---- order ---- */

static void nobody_acts_on_who_is_above_or_beside_them(void **state) {
    struct lobby *t = *state;
    struct chat_change change;
    struct chat_actor eve = scene_user(t->s, "eve", CHAT_MEMBER);
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MOD);
    scene_join(t->s, t->room, &eve, CHAT_ROOM_MOD);
    scene_join(t->s, t->room, &t->own, CHAT_ROOM_MEMBER);
    assert_int_equal(KICK(&t->ben, "ann"), CHAT_DENIED);
    assert_int_equal(KICK(&t->ben, "eve"), CHAT_DENIED);
    assert_int_equal(KICK(&t->ben, "ben"), CHAT_DENIED);
    assert_int_equal(KICK(&t->ann, "own"),
                     CHAT_DENIED); /* the team's owner, though a member here */
    assert_int_equal(KICK(&t->ben, "gus"), CHAT_NOT_FOUND);
    assert_int_equal(KICK(&t->ann, "eve"), 0);
    assert_int_equal(KICK(&t->own, "ann"), 0);
    assert_int_equal(
            scene_number(t->s, "SELECT count(*) FROM audit WHERE action = 'moderation.kick'"), 2);
}

static void who_is_banned_stays_out_until_it_is_over(void **state) {
    struct lobby *t = *state;
    struct chat_change change;
    struct chat_room room;
    struct chat_member member;
    struct chat_bans bans;
    int64_t until = t->s->tx.now_ms + 1000;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(TRY(t->s, chat_ban(&t->s->tx, &t->ann, t->room, STR("ben"), until, STR("spam"),
                                        &change)),
                     0);
    assert_true(change.is_changed);
#define JOIN() TRY(t->s, chat_member_join(&t->s->tx, &t->ben, t->room, &room, &member, &change))
    assert_int_equal(JOIN(), CHAT_BANNED);
    assert_int_equal(t->s->work.refusal.until_ms, until);
    int why;
    assert_int_equal(TRY(t->s, chat_room_get(&t->s->tx, &t->ben, t->room, CHAT_ACT_READ, &room)),
                     CHAT_BANNED);
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "x", &why), 0);
    assert_int_equal(why, CHAT_BANNED);
    assert_int_equal(
            TRY(t->s, chat_member_add(&t->s->tx, &t->ann, t->room, STR("ben"), &member, &change)),
            CHAT_BANNED);
    assert_int_equal(TRY(t->s, chat_bans_list(&t->s->tx, &t->ann, t->room, &bans)), 0);
    assert_int_equal(bans.n, 1);
    assert_str(bans.items[0].user, "ben");
    assert_str(bans.items[0].reason, "spam");
    t->s->tx.now_ms = until;
    assert_int_equal(TRY(t->s, chat_bans_list(&t->s->tx, &t->ann, t->room, &bans)), 0);
    assert_int_equal(bans.n, 0);
    assert_int_equal(JOIN(), 0);
    /* Who is not in it can be banned as well. */
    assert_int_equal(
            TRY(t->s, chat_ban(&t->s->tx, &t->ann, t->room, STR("gus"), 0, STR(""), &change)), 0);
    assert_false(change.is_changed);
    assert_int_equal(TRY(t->s, chat_unban(&t->s->tx, &t->ann, t->room, STR("gus"), &change)), 0);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM ban WHERE until = 0"), 0);
    assert_int_equal(
            TRY(t->s, chat_ban(&t->s->tx, &t->ann, t->room, STR("gus"), 5, STR(""), &change)),
            CHAT_BAD_REQUEST);
}

static int make_invite(struct lobby *t, const struct chat_actor *by, struct str code) {
    struct chat_invite invite;
    return TRY(t->s, chat_invite_create(&t->s->tx, by,
                                        &(struct chat_invite_new){ .code = code, .room = t->room },
                                        &invite));
}

static void who_is_put_out_does_not_come_back_by_their_own_link(void **state) {
    struct lobby *t = *state;
    struct chat_change change;
    struct chat_arrival arrival;
    struct chat_actor eve = scene_user(t->s, "eve", CHAT_MEMBER);
    t->room = scene_room(t->s, &t->ann, CHAT_ROOM_PRIVATE, "Den");
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MOD);
    scene_join(t->s, t->room, &eve, CHAT_ROOM_MOD);
    assert_int_equal(make_invite(t, &t->ann, STR("anns")), 0);
    assert_int_equal(make_invite(t, &t->ben, STR("bens")), 0);
    assert_int_equal(make_invite(t, &eve, STR("eves")), 0);
#define ACCEPT(code) TRY(t->s, chat_invite_accept_by(&t->s->tx, STR(code), &t->ben, &arrival))
    assert_int_equal(KICK(&t->ann, "ben"), 0);
    assert_int_equal(ACCEPT("bens"), CHAT_GONE);
    assert_int_equal(ACCEPT("eves"), 0); /* somebody else wants them in */
    assert_int_equal(
            TRY(t->s, chat_ban(&t->s->tx, &t->ann, t->room, STR("eve"), 0, STR(""), &change)), 0);
    assert_int_equal(ACCEPT("eves"), CHAT_GONE);
    assert_int_equal(make_invite(t, &t->ben, STR("bens again")), CHAT_DENIED);
    assert_int_equal(ACCEPT("anns"), 0);
}

static void a_webhook_ends_whatever_became_of_its_room_and_bot(void **state) {
    struct lobby *t = *state;
    struct chat_webhook hook[2], found;
    struct chat_member bot;
    struct chat_change change;
    struct chat_room room;
    struct str secrets[2] = { STR("0123456789012345678901234567890123456789012"),
                              STR("1123456789012345678901234567890123456789012") };
    struct chat_webhook_new new = { .kind = CHAT_WEBHOOK_IN, .room = t->room, .name = STR("CI") };
    for (int i = 0; i < 2; i++)
        assert_int_equal(TRY(t->s, chat_webhook_create(&t->s->tx, &t->ann, &new, secrets[i],
                                                       &hook[i], &bot, &change)),
                         0);
    assert_int_equal(
            TRY(t->s, chat_kick(&t->s->tx, &t->ann, t->room, hook[0].bot, STR(""), &change)), 0);
    assert_int_equal(
            TRY(t->s, chat_webhook_remove(&t->s->tx, &t->ann, hook[0].id, &found, &change)), 0);
    assert_false(change.is_changed); /* nobody is removed twice */
    assert_int_equal(
            TRY(t->s, chat_room_archive(&t->s->tx, &t->ann, t->room, true, &room, &change)), 0);
    assert_int_equal(
            TRY(t->s, chat_webhook_remove(&t->s->tx, &t->ann, hook[1].id, &found, &change)), 0);
    assert_false(change.is_changed);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM webhook"), 0);
}

static void who_is_muted_reads_only_and_leaving_does_not_help(void **state) {
    struct lobby *t = *state;
    struct chat_change change;
    struct chat_room room;
    struct chat_member member;
    struct chat_reactions all;
    struct chat_message m;
    int why;
    int64_t until = t->s->tx.now_ms + 1000;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "x", NULL), 1);
    assert_int_equal(
            TRY(t->s, chat_mute(&t->s->tx, &t->ann, t->room, STR("ben"), until, STR(""), &change)),
            0);
    assert_true(change.is_changed);
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "y", &why), 0);
    assert_int_equal(why, CHAT_MUTED);
    assert_int_equal(t->s->work.refusal.until_ms, until);
    assert_int_equal(
            TRY(t->s, chat_message_edit(&t->s->tx, &t->ben, t->room, 1, STR("y"), 0, &m, &change)),
            CHAT_MUTED);
    assert_int_equal(REACT(&t->ben, "a"), CHAT_MUTED);
    assert_int_equal(
            TRY(t->s, chat_message_delete(&t->s->tx, &t->ben, t->room, 1, STR(""), &m, &change)),
            0);
    assert_int_equal(TRY(t->s, chat_member_leave(&t->s->tx, &t->ben, t->room, &member, &change)),
                     0);
    assert_int_equal(JOIN(), 0);
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "y", &why), 0);
    assert_int_equal(why, CHAT_MUTED);
    assert_int_equal(
            TRY(t->s, chat_mute(&t->s->tx, &t->ann, t->room, STR("ben"), 0, STR(""), &change)), 0);
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "y", &why), 2);
    assert_int_equal(TRY(t->s, chat_mute(&t->s->tx, &t->ann, t->room, STR("ben"), INT64_MAX,
                                         STR(""), &change)),
                     0);
    t->s->tx.now_ms += 1000000000;
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "y", &why), 0);
}

static void slow_mode_makes_members_wait_and_mods_not(void **state) {
    struct lobby *t = *state;
    struct chat_room room;
    struct chat_change change;
    unsigned slow = 10;
    int why;
    struct chat_room_change what = { .slow_s = &slow };
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(
            TRY(t->s, chat_room_update(&t->s->tx, &t->ann, t->room, &what, &room, &change)), 0);
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "x", NULL), 1);
    t->s->tx.now_ms += 4000;
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "y", &why), 0);
    assert_int_equal(why, CHAT_SLOW_MODE);
    assert_int_equal(t->s->work.refusal.retry_ms, 6000);
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), 2);
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), 3);
    t->s->tx.now_ms += 6000;
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "y", &why), 4);
}

/* ---- people ---- */

static void people_are_made_once_and_provisioned_again(void **state) {
    struct lobby *t = *state;
    struct chat_user user;
    bool is_changed;
    struct chat_user_new new = { .id = STR("ann"), .name = STR("Ann") };
    assert_int_equal(TRY(t->s, chat_user_add(&t->s->tx, &new, &user)), CHAT_CONFLICT);
    new.id = STR("");
    new.login = STR("ann");
    assert_int_equal(TRY(t->s, chat_user_add(&t->s->tx, &new, &user)), CHAT_CONFLICT);
    assert_string_equal(t->s->work.refusal.field, "login");
    new.login = STR("Bad Login");
    assert_int_equal(TRY(t->s, chat_user_add(&t->s->tx, &new, &user)), CHAT_BAD_REQUEST);
    assert_int_equal(
            TRY(t->s, chat_user_provision(&t->s->tx, STR("app:7"), STR(""), &user, &is_changed)),
            0);
    assert_true(is_changed);
    assert_str(user.name, "app:7");
    assert_int_equal(TRY(t->s, chat_user_provision(&t->s->tx, STR("app:7"), STR("Seven"), &user,
                                                   &is_changed)),
                     0);
    assert_true(is_changed);
    assert_str(user.name, "Seven");
    assert_int_equal(TRY(t->s, chat_user_provision(&t->s->tx, STR("app:7"), STR("Seven"), &user,
                                                   &is_changed)),
                     0);
    assert_false(is_changed);
    assert_int_equal(
            TRY(t->s, chat_user_provision(&t->s->tx, STR("a,b"), STR("x"), &user, &is_changed)),
            CHAT_BAD_REQUEST);
    scene_join(t->s, t->room, &(struct chat_actor){ .key = user.key }, CHAT_ROOM_MEMBER);
}

static void a_status_ends_by_itself(void **state) {
    struct lobby *t = *state;
    struct chat_user user;
    int64_t until = t->s->tx.now_ms + 100;
    assert_int_equal(TRY(t->s, chat_user_set_status(&t->s->tx, &t->ann, STR("x"), STR("away"),
                                                    until, &user)),
                     0);
    assert_str(user.status_text, "away");
    t->s->tx.now_ms = until;
    assert_int_equal(TRY(t->s, chat_user_get(&t->s->tx, STR("ann"), &user)), 0);
    assert_int_equal(user.status_text.len + user.status_emoji.len, 0);
}

static void the_team_keeps_an_owner_and_only_owners_touch_owners(void **state) {
    struct lobby *t = *state;
    struct chat_user user;
    struct chat_actor actor;
    struct chat_actor adm = scene_user(t->s, "adm", CHAT_ADMIN);
#define ADMIN(by, who, role, off)                                                                  \
    TRY(t->s, chat_user_administer(&t->s->tx, by, STR(who), role, off, &user))
    assert_int_equal(ADMIN(&t->ann, "ben", CHAT_ADMIN, -1), CHAT_DENIED);
    assert_int_equal(ADMIN(&adm, "own", CHAT_MEMBER, -1), CHAT_DENIED);
    assert_int_equal(ADMIN(&adm, "ben", CHAT_OWNER, -1), CHAT_DENIED);
    assert_int_equal(ADMIN(&t->own, "own", CHAT_MEMBER, -1), CHAT_CONFLICT);
    assert_int_equal(ADMIN(&t->own, "own", 0, 1), CHAT_CONFLICT);
    assert_int_equal(ADMIN(&adm, "ben", CHAT_GUEST, 1), 0);
    assert_true(user.role == CHAT_GUEST && user.deactivated_at > 0);
    assert_int_equal(TRY(t->s, chat_actor_load(&t->s->tx, STR("ben"), &actor)), CHAT_DENIED);
    assert_int_equal(ADMIN(&adm, "ben", 0, 0), 0);
    assert_int_equal(TRY(t->s, chat_actor_load(&t->s->tx, STR("ben"), &actor)), 0);
    assert_int_equal(ADMIN(&t->own, "ann", CHAT_OWNER, -1), 0);
    assert_int_equal(ADMIN(&t->own, "own", CHAT_MEMBER, -1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOBBY_STORY(nobody_acts_on_who_is_above_or_beside_them),
        LOBBY_STORY(who_is_banned_stays_out_until_it_is_over),
        LOBBY_STORY(who_is_put_out_does_not_come_back_by_their_own_link),
        LOBBY_STORY(a_webhook_ends_whatever_became_of_its_room_and_bot),
        LOBBY_STORY(who_is_muted_reads_only_and_leaving_does_not_help),
        LOBBY_STORY(slow_mode_makes_members_wait_and_mods_not),
        LOBBY_STORY(people_are_made_once_and_provisioned_again),
        LOBBY_STORY(a_status_ends_by_itself),
        LOBBY_STORY(the_team_keeps_an_owner_and_only_owners_touch_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
