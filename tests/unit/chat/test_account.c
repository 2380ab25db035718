/* How people come in, what their logins are, and whom invites let in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storage/chat/invite.h"
#include "storage/chat/login.h"
#include "storage/chat/moderation.h"
#include "storage/chat/room.h"
#include "storage/chat/setting.h"
#include "storage/chat/user.h"
#include "tests/unit/chat/scene.h"

struct test {
    struct scene *s;
    struct chat_arrival a;
};

static int set_up(void **state) {
    struct test *t = calloc(1, sizeof *t);
    t->s = scene_new();
    t->s->tx.now_ms = 1000000;
    *state = t;
    return 0;
}

static int tear_down(void **state) {
    struct test *t = *state;
    scene_free(t->s);
    free(t);
    return 0;
}

static struct chat_account_new account(const char *login) {
    return (struct chat_account_new){ .login = str_of(login),
                                      .name = str_of(login),
                                      .password = STR("$hash$") };
}

static int own(struct test *t, const char *login) {
    struct chat_account_new new = account(login);
    return TRY(t->s, chat_account_set_up(&t->s->tx, &new, &t->a));
}

static int sign_up(struct test *t, const char *login) {
    struct chat_account_new new = account(login);
    return TRY(t->s, chat_account_register(&t->s->tx, &new, &t->a));
}

static struct chat_actor actor(struct test *t, struct str id) {
    struct chat_actor ret = { 0 };
    assert_int_equal(TRY(t->s, chat_actor_load(&t->s->tx, id, &ret)), 0);
    return ret;
}

static struct chat_actor owner(struct test *t) {
    assert_int_equal(own(t, "ada"), 0);
    return actor(t, t->a.user.id);
}

static void set(struct test *t, enum chat_registration registration, bool guests) {
    struct chat_settings settings = { .name = STR("Team"),
                                      .registration = registration,
                                      .guests = guests };
    assert_int_equal(TRY(t->s, chat_settings_put(&t->s->tx, NULL, &settings)), 0);
}

/* ---- accounts ---- */

static void there_is_one_first_owner(void **state) {
    struct test *t = *state;
    bool has = true;

    assert_int_equal(TRY(t->s, chat_account_has_owner(&t->s->tx, &has)), 0);
    assert_false(has);
    assert_int_equal(own(t, "a"), CHAT_BAD_REQUEST);
    assert_string_equal(t->s->work.refusal.field, "login");
    assert_int_equal(own(t, "ada"), 0);
    assert_int_equal(t->a.user.role, CHAT_OWNER);
    assert_int_equal(TRY(t->s, chat_account_has_owner(&t->s->tx, &has)), 0);
    assert_true(has);
    assert_int_equal(own(t, "eve"), CHAT_GONE);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM user"), 1);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM audit WHERE action = 'team.set_up'"),
                     1);
    /* The lobby is there, and theirs. */
    assert_int_equal(scene_number(t->s, "SELECT m.role FROM member m JOIN room r ON r.key = m.room"
                                        "  WHERE r.slug = 'general'"),
                     CHAT_ROOM_OWNER);
}

static void newcomers_register_only_where_that_is_open(void **state) {
    struct test *t = *state;
    (void) owner(t);

    assert_int_equal(sign_up(t, "bob"), CHAT_DENIED);
    set(t, CHAT_REGISTER_CLOSED, true);
    assert_int_equal(sign_up(t, "bob"), CHAT_DENIED);
    set(t, CHAT_REGISTER_OPEN, true);
    assert_int_equal(sign_up(t, ""), CHAT_BAD_REQUEST);
    assert_int_equal(sign_up(t, "bob"), 0);
    assert_int_equal(t->a.user.role, CHAT_MEMBER);
    assert_int_equal(t->a.n, 1); /* in the lobby */
    assert_true(t->a.rooms[0].change.is_changed);
    assert_int_equal(sign_up(t, "bob"), CHAT_CONFLICT);
    assert_string_equal(t->s->work.refusal.field, "login");
}

static void without_a_lobby_they_are_in_no_room(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t);
    struct chat_room room;
    struct chat_change change;

    set(t, CHAT_REGISTER_OPEN, true);
    struct rows rows;
    struct str lobby = { 0 };
    assert_int_equal(QUERY_ONE(&t->s->tx, &rows, "SELECT id FROM room WHERE slug = ?1",
                               TEXT(STR("general"))),
                     1);
    assert_int_equal(row_keep_text(&rows, 0, &lobby), 0);
    rows_end(&rows);
    assert_int_equal(TRY(t->s, chat_room_archive(&t->s->tx, &ada, lobby, true, &room, &change)), 0);
    assert_int_equal(sign_up(t, "bob"), 0);
    assert_int_equal(t->a.n, 0);
}

static void an_account_is_found_by_its_login_in_any_case(void **state) {
    struct test *t = *state;
    struct chat_account found;
    (void) owner(t);

    assert_int_equal(TRY(t->s, chat_account_by_login(&t->s->tx, STR("ADA"), &found)), 0);
    assert_true(str_equal(found.password, STR("$hash$")));
    assert_int_equal(TRY(t->s, chat_account_by_login(&t->s->tx, STR("eve"), &found)),
                     CHAT_NOT_FOUND);
    assert_int_equal(TRY(t->s, chat_account_by_id(&t->s->tx, t->a.user.id, &found)), 0);
    assert_int_equal(TRY(t->s, chat_account_by_id(&t->s->tx, STR("nobody"), &found)),
                     CHAT_NOT_FOUND);
    assert_int_equal(
            TRY(t->s, chat_account_set_password(&t->s->tx, found.user.key, STR("$other$"))), 0);
    assert_int_equal(TRY(t->s, chat_account_by_login(&t->s->tx, STR("ada"), &found)), 0);
    assert_true(str_equal(found.password, STR("$other$")));
    assert_int_equal(
            TRY(t->s, chat_account_set_password(&t->s->tx, found.user.key, (struct str){ 0 })), 0);
    assert_int_equal(TRY(t->s, chat_account_by_login(&t->s->tx, STR("ada"), &found)), 0);
    assert_int_equal(found.password.len, 0);
}

/* ---- logins ---- */

static const uint8_t *hash_of(uint8_t n) {
    static uint8_t hash[CHAT_LOGIN_HASH_SIZE];
    memset(hash, n, sizeof hash);
    return hash;
}

static struct chat_login sign_in(struct test *t, int64_t user, uint8_t n, int64_t expires_at) {
    struct chat_login login = { 0 };
    struct chat_login_new new = { .hash = hash_of(n),
                                  .agent = STR("Browser"),
                                  .address = STR("192.0.2.1"),
                                  .expires_at = expires_at };
    assert_int_equal(TRY(t->s, chat_login_add(&t->s->tx, user, &new, &login)), 0);
    return login;
}

static int find(struct test *t, uint8_t n, struct chat_login *ret, struct chat_user *ret_user) {
    return TRY(t->s, chat_login_find(&t->s->tx, hash_of(n), ret, ret_user));
}

static void a_login_is_its_users_until_its_time_is_over(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t);
    struct chat_login login, found;
    struct chat_user user;

    login = sign_in(t, ada.key, 1, 2000000);
    assert_int_equal(find(t, 1, &found, &user), 0);
    assert_true(str_equal(user.id, ada.id) && str_equal(found.id, login.id));
    assert_int_equal(find(t, 2, &found, &user), CHAT_NOT_FOUND);
    t->s->tx.now_ms = 1999999;
    assert_int_equal(find(t, 1, &found, &user), 0);
    /* Who comes by moves it; never back. */
    assert_int_equal(TRY(t->s, chat_login_seen(&t->s->tx, login.key, 1999999, 3000000)), 0);
    assert_int_equal(TRY(t->s, chat_login_seen(&t->s->tx, login.key, 5, 6)), 0);
    t->s->tx.now_ms = 2999999;
    assert_int_equal(find(t, 1, &found, &user), 0);
    assert_int_equal(found.last_seen_at, 1999999);
    t->s->tx.now_ms = 3000000;
    assert_int_equal(find(t, 1, &found, &user), CHAT_NOT_FOUND);

    (void) sign_in(t, ada.key, 3, 0);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM login"), 1); /* the other is gone */
    t->s->tx.now_ms = INT64_MAX / 2;
    assert_int_equal(find(t, 3, &found, &user), 0);
}

static void a_login_is_revoked_by_its_own_user(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t), bob = scene_user(t->s, "bob", CHAT_MEMBER);
    struct chat_login one = sign_in(t, ada.key, 1, 0), two = sign_in(t, ada.key, 2, 0), found;
    struct chat_logins all;
    struct chat_user user;
    unsigned n = 0;

    (void) sign_in(t, ada.key, 3, 0);
    (void) sign_in(t, bob.key, 4, 0);
    assert_int_equal(TRY(t->s, chat_login_list(&t->s->tx, ada.key, &all)), 0);
    assert_int_equal(all.n, 3);
    assert_true(str_equal(all.items[2].id, one.id)); /* newest first */
    assert_int_equal(TRY(t->s, chat_login_remove(&t->s->tx, bob.key, one.id)), CHAT_NOT_FOUND);
    assert_int_equal(TRY(t->s, chat_login_remove(&t->s->tx, ada.key, one.id)), 0);
    assert_int_equal(TRY(t->s, chat_login_remove(&t->s->tx, ada.key, one.id)), CHAT_NOT_FOUND);
    assert_int_equal(find(t, 1, &found, &user), CHAT_NOT_FOUND);
    assert_int_equal(TRY(t->s, chat_login_remove_others(&t->s->tx, ada.key, two.key)), 0);
    assert_int_equal(find(t, 2, &found, &user), 0);
    assert_int_equal(find(t, 3, &found, &user), CHAT_NOT_FOUND);
    assert_int_equal(find(t, 4, &found, &user), 0);
    assert_int_equal(TRY(t->s, chat_login_count(&t->s->tx, ada.key, &n)), 0);
    assert_int_equal(n, 1);
}

static void of_too_many_the_one_longest_unseen_goes(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t);
    struct chat_login first = sign_in(t, ada.key, 0, 0), found;
    struct chat_user user;

    for (uint8_t i = 1; i < CHAT_LOGINS_MAX; i++) {
        t->s->tx.now_ms++;
        (void) sign_in(t, ada.key, i, 0);
    }
    t->s->tx.now_ms++;
    assert_int_equal(TRY(t->s, chat_login_seen(&t->s->tx, first.key, t->s->tx.now_ms, 0)), 0);
    assert_int_equal(find(t, 1, &found, &user), 0);
    struct str unseen = found.id;
    struct chat_login last = sign_in(t, ada.key, 200, 0);
    assert_int_equal(first.pushed_out.len, 0);
    assert_true(str_equal(last.pushed_out, unseen));
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM login"), CHAT_LOGINS_MAX);
    assert_int_equal(find(t, 0, &found, &user), 0);
    assert_int_equal(find(t, 1, &found, &user), CHAT_NOT_FOUND);
    assert_int_equal(find(t, 2, &found, &user), 0);
}

static void who_is_deactivated_has_no_login(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t), bob = scene_user(t->s, "bob", CHAT_MEMBER);
    struct chat_login found;
    struct chat_user user;

    (void) sign_in(t, bob.key, 1, 0);
    assert_int_equal(TRY(t->s, chat_user_administer(&t->s->tx, &ada, bob.id, 0, 1, &user)), 0);
    assert_int_equal(find(t, 1, &found, &user), CHAT_NOT_FOUND);
    assert_int_equal(TRY(t->s, chat_user_administer(&t->s->tx, &ada, bob.id, 0, 0, &user)), 0);
    assert_int_equal(find(t, 1, &found, &user), 0);
}

/* ---- invites ---- */

static int invite(struct test *t, const struct chat_actor *by, const char *code,
                  struct chat_invite_new new) {
    struct chat_invite made;
    new.code = str_of(code);
    return TRY(t->s, chat_invite_create(&t->s->tx, by, &new, &made));
}

static int accept(struct test *t, const char *code, const char *login) {
    struct chat_account_new new = account(login);
    if (new.login.len == 0)
        new = (struct chat_account_new){ .name = STR("Guest") };
    return TRY(t->s, chat_invite_accept(&t->s->tx, str_of(code), &new, &t->a));
}

static int look(struct test *t, const char *code) {
    struct chat_invite found;
    return TRY(t->s, chat_invite_get(&t->s->tx, str_of(code), &found));
}

static void an_invite_is_good_for_so_many(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t);

    assert_int_equal(invite(t, &ada, "two", (struct chat_invite_new){ .uses = 2 }), 0);
    assert_int_equal(accept(t, "two", "bob"), 0);
    assert_int_equal(t->a.user.role, CHAT_MEMBER);
    assert_int_equal(accept(t, "two", "bob"), CHAT_CONFLICT); /* takes none */
    assert_int_equal(accept(t, "two", "x"), CHAT_BAD_REQUEST);
    assert_int_equal(accept(t, "two", "cleo"), 0);
    assert_int_equal(accept(t, "two", "dan"), CHAT_GONE);
    assert_int_equal(scene_number(t->s, "SELECT uses FROM invite"), 0);
    assert_int_equal(invite(t, &ada, "any", (struct chat_invite_new){ 0 }), 0);
    assert_int_equal(accept(t, "any", "dan"), 0);
    assert_int_equal(accept(t, "any", "eve"), 0);
    assert_int_equal(accept(t, "none", "fay"), CHAT_NOT_FOUND);
    assert_int_equal(accept(t, "", "fay"), CHAT_NOT_FOUND);
}

static void an_invite_ends(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t), bob = scene_user(t->s, "bob", CHAT_ADMIN);
    struct chat_user user;

    assert_int_equal(invite(t, &ada, "a", (struct chat_invite_new){ .expires_at = 1000000 }),
                     CHAT_BAD_REQUEST);
    assert_int_equal(invite(t, &ada, "a", (struct chat_invite_new){ .expires_at = 1000010 }), 0);
    assert_int_equal(look(t, "a"), 0);
    t->s->tx.now_ms = 1000010;
    assert_int_equal(look(t, "a"), CHAT_GONE);

    assert_int_equal(invite(t, &ada, "b", (struct chat_invite_new){ 0 }), 0);
    assert_int_equal(TRY(t->s, chat_invite_revoke(&t->s->tx, &ada, STR("b"))), 0);
    assert_int_equal(look(t, "b"), CHAT_GONE);
    assert_int_equal(TRY(t->s, chat_invite_revoke(&t->s->tx, &ada, STR("none"))), CHAT_NOT_FOUND);

    assert_int_equal(invite(t, &bob, "c", (struct chat_invite_new){ 0 }), 0);
    assert_int_equal(look(t, "c"), 0);
    assert_int_equal(TRY(t->s, chat_user_administer(&t->s->tx, &ada, bob.id, 0, 1, &user)), 0);
    assert_int_equal(look(t, "c"), CHAT_GONE); /* with who made it */
}

static void invites_are_not_everybodys_to_make(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t), bob = scene_user(t->s, "bob", CHAT_MEMBER);
    struct chat_actor gus = scene_user(t->s, "gus", CHAT_GUEST);
    struct str plans = scene_room(t->s, &ada, CHAT_ROOM_PRIVATE, "Plans");
    struct str mine = scene_room(t->s, &bob, CHAT_ROOM_PRIVATE, "Mine");
    struct chat_invites all;

    assert_int_equal(invite(t, &bob, "a", (struct chat_invite_new){ 0 }), CHAT_DENIED);
    assert_int_equal(invite(t, &gus, "a", (struct chat_invite_new){ 0 }), CHAT_DENIED);
    assert_int_equal(invite(t, &bob, "a", (struct chat_invite_new){ .room = plans }),
                     CHAT_NOT_FOUND);
    scene_join(t->s, plans, &bob, CHAT_ROOM_MEMBER);
    assert_int_equal(invite(t, &bob, "a", (struct chat_invite_new){ .room = plans }), CHAT_DENIED);
    assert_int_equal(invite(t, &bob, "mine", (struct chat_invite_new){ .room = mine }), 0);
    assert_int_equal(invite(t, &ada, "plans", (struct chat_invite_new){ .room = plans }), 0);
    assert_int_equal(invite(t, &ada, "g", (struct chat_invite_new){ .guests = true }),
                     CHAT_BAD_REQUEST); /* guests of what? */

    assert_int_equal(TRY(t->s, chat_invite_revoke(&t->s->tx, &bob, STR("plans"))), CHAT_NOT_FOUND);
    assert_int_equal(TRY(t->s, chat_invite_list(&t->s->tx, &bob, (struct str){ 0 }, &all)), 0);
    assert_int_equal(all.n, 1);
    assert_true(str_equal(all.items[0].code, STR("mine")));
    assert_int_equal(TRY(t->s, chat_invite_list(&t->s->tx, &bob, plans, &all)), CHAT_DENIED);
    assert_int_equal(TRY(t->s, chat_invite_list(&t->s->tx, &ada, (struct str){ 0 }, &all)), 0);
    assert_int_equal(all.n, 2);
    assert_int_equal(TRY(t->s, chat_invite_list(&t->s->tx, &ada, plans, &all)), 0);
    assert_int_equal(all.n, 1);
    assert_int_equal(TRY(t->s, chat_invite_revoke(&t->s->tx, &ada, STR("mine"))), CHAT_NOT_FOUND);
    assert_int_equal(TRY(t->s, chat_invite_revoke(&t->s->tx, &bob, STR("mine"))), 0);
}

static void an_invite_leads_into_its_room(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t), bob = scene_user(t->s, "bob", CHAT_MEMBER);
    struct str plans = scene_room(t->s, &ada, CHAT_ROOM_PRIVATE, "Plans");
    struct chat_room room;
    struct chat_change change;

    assert_int_equal(invite(t, &ada, "p", (struct chat_invite_new){ .room = plans, .uses = 3 }), 0);
    assert_int_equal(accept(t, "p", "cleo"), 0);
    assert_int_equal(t->a.n, 2); /* the lobby, and the room */
    assert_true(str_equal(t->a.rooms[1].id, plans));
    assert_int_equal(t->a.rooms[1].member.role, CHAT_ROOM_MEMBER);

    assert_int_equal(TRY(t->s, chat_invite_accept_by(&t->s->tx, STR("p"), &bob, &t->a)), 0);
    assert_true(t->a.n == 1 && t->a.rooms[0].change.is_changed);
    assert_int_equal(TRY(t->s, chat_invite_accept_by(&t->s->tx, STR("p"), &bob, &t->a)), 0);
    assert_true(t->a.n == 1 && !t->a.rooms[0].change.is_changed); /* they are in: takes none */
    assert_int_equal(scene_number(t->s, "SELECT uses FROM invite"), 1);

    struct chat_actor dan = scene_user(t->s, "dan", CHAT_MEMBER);
    scene_join(t->s, plans, &dan, CHAT_ROOM_MEMBER);
    assert_int_equal(
            TRY(t->s, chat_ban(&t->s->tx, &ada, plans, dan.id, 0, (struct str){ 0 }, &change)), 0);
    assert_int_equal(TRY(t->s, chat_invite_accept_by(&t->s->tx, STR("p"), &dan, &t->a)),
                     CHAT_BANNED);
    assert_int_equal(TRY(t->s, chat_room_archive(&t->s->tx, &ada, plans, true, &room, &change)), 0);
    assert_int_equal(look(t, "p"), CHAT_GONE);
}

static void guests_come_where_they_are_let_in(void **state) {
    struct test *t = *state;
    struct chat_actor ada = owner(t);
    struct str plans = scene_room(t->s, &ada, CHAT_ROOM_PRIVATE, "Plans");
    struct str other = scene_room(t->s, &ada, CHAT_ROOM_PRIVATE, "Other");

    assert_int_equal(
            invite(t, &ada, "g", (struct chat_invite_new){ .room = plans, .guests = true }), 0);
    assert_int_equal(invite(t, &ada, "m", (struct chat_invite_new){ .room = other }), 0);
    assert_int_equal(accept(t, "m", ""), CHAT_DENIED);
    assert_int_equal(accept(t, "g", ""), 0);
    assert_int_equal(t->a.user.role, CHAT_GUEST);
    assert_int_equal(t->a.user.login.len, 0);
    assert_int_equal(t->a.n, 1); /* no lobby */
    assert_int_equal(t->a.rooms[0].member.role, CHAT_ROOM_GUEST);
    struct chat_actor gus = actor(t, t->a.user.id);
    assert_int_equal(TRY(t->s, chat_invite_accept_by(&t->s->tx, STR("m"), &gus, &t->a)),
                     CHAT_DENIED);
    assert_int_equal(accept(t, "g", "cleo"), 0); /* with an account as well */
    assert_int_equal(t->a.user.role, CHAT_MEMBER);

    set(t, CHAT_REGISTER_BY_INVITE, false);
    assert_int_equal(accept(t, "g", ""), CHAT_DENIED);
    assert_int_equal(
            invite(t, &ada, "h", (struct chat_invite_new){ .room = plans, .guests = true }),
            CHAT_DENIED);
}

int main(void) {
#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORY(there_is_one_first_owner),
        STORY(newcomers_register_only_where_that_is_open),
        STORY(without_a_lobby_they_are_in_no_room),
        STORY(an_account_is_found_by_its_login_in_any_case),
        STORY(a_login_is_its_users_until_its_time_is_over),
        STORY(a_login_is_revoked_by_its_own_user),
        STORY(of_too_many_the_one_longest_unseen_goes),
        STORY(who_is_deactivated_has_no_login),
        STORY(an_invite_is_good_for_so_many),
        STORY(an_invite_ends),
        STORY(invites_are_not_everybodys_to_make),
        STORY(an_invite_leads_into_its_room),
        STORY(guests_come_where_they_are_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
