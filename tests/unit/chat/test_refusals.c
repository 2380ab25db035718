/*
 * Every function that names a room, called by who is not in it: of closed rooms they learn nothing,
 * not even that there is one; of public ones what is everybody's. And every one that needs a role,
 * called by a member without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/moderation.h"
#include "storage/chat/pin.h"
#include "storage/chat/reaction.h"
#include "storage/chat/read.h"
#include "storage/chat/sync.h"
#include "tests/unit/chat/scene.h"

/* One call of each; the message is ann's, and the other one is dan. */
struct call {
    struct scene *s;
    const struct chat_actor *by;
    struct str room;
    uint64_t seq;
};

static int do_get(struct call *c) {
    struct chat_room room;
    return chat_room_get(&c->s->tx, c->by, c->room, CHAT_ACT_READ, &room);
}
static int do_open(struct call *c) {
    struct chat_room room;
    struct chat_messages page;
    struct chat_span span = { 0 };
    return chat_room_open(&c->s->tx, c->by, c->room, &span, &room, &page);
}
static int do_update(struct call *c) {
    struct chat_room room;
    struct chat_change change;
    struct str topic = STR("new");
    struct chat_room_change what = { .topic = &topic };
    return chat_room_update(&c->s->tx, c->by, c->room, &what, &room, &change);
}
static int do_retain(struct call *c) {
    struct chat_room room;
    struct chat_change change;
    unsigned days = 7;
    struct chat_room_change what = { .retain_d = &days };
    return chat_room_update(&c->s->tx, c->by, c->room, &what, &room, &change);
}
static int do_archive(struct call *c) {
    struct chat_room room;
    struct chat_change change;
    return chat_room_archive(&c->s->tx, c->by, c->room, true, &room, &change);
}
static int do_add(struct call *c) {
    struct chat_member member;
    struct chat_change change;
    return chat_member_add(&c->s->tx, c->by, c->room, STR("eve"), &member, &change);
}
static int do_remove(struct call *c) {
    struct chat_change change;
    return chat_member_remove(&c->s->tx, c->by, c->room, STR("dan"), &change);
}
static int do_role(struct call *c) {
    struct chat_member member;
    struct chat_change change;
    return chat_member_update(&c->s->tx, c->by, c->room, STR("dan"), CHAT_ROOM_MOD, &member,
                              &change);
}
static int do_join(struct call *c) {
    struct chat_room room;
    struct chat_member member;
    struct chat_change change;
    return chat_member_join(&c->s->tx, c->by, c->room, &room, &member, &change);
}
static int do_leave(struct call *c) {
    struct chat_member heir;
    struct chat_change change;
    return chat_member_leave(&c->s->tx, c->by, c->room, &heir, &change);
}
static int do_list(struct call *c) {
    struct chat_members members;
    return chat_member_list(&c->s->tx, c->by, c->room, (struct str){ 0 }, 0, &members);
}
static int do_notify(struct call *c) {
    return chat_notify_set(&c->s->tx, c->by, c->room, CHAT_NOTIFY_NONE);
}
static int do_send(struct call *c) {
    struct chat_message m;
    bool is_duplicate;
    struct chat_send send = { .room = c->room, .text = STR("x") };
    return chat_message_send(&c->s->tx, c->by, &send, &m, &is_duplicate);
}
static int do_edit(struct call *c) {
    struct chat_message m;
    struct chat_change change;
    return chat_message_edit(&c->s->tx, c->by, c->room, c->seq, STR("y"), 0, &m, &change);
}
static int do_delete(struct call *c) {
    struct chat_message m;
    struct chat_change change;
    return chat_message_delete(&c->s->tx, c->by, c->room, c->seq, STR(""), &m, &change);
}
static int do_message(struct call *c) {
    struct chat_message m;
    return chat_message_get(&c->s->tx, c->by, c->room, c->seq, &m);
}
static int do_revisions(struct call *c) {
    struct chat_revisions revisions;
    return chat_message_revisions(&c->s->tx, c->by, c->room, c->seq, &revisions);
}
static int do_history(struct call *c) {
    struct chat_messages page;
    struct chat_span span = { 0 };
    return chat_message_history(&c->s->tx, c->by, c->room, &span, &page);
}
static int do_react(struct call *c) {
    struct chat_reactions reactions;
    struct chat_change change;
    return chat_reaction_add(&c->s->tx, c->by, c->room, c->seq, STR("+1"), &reactions, &change);
}
static int do_unreact(struct call *c) {
    struct chat_reactions reactions;
    struct chat_change change;
    return chat_reaction_remove(&c->s->tx, c->by, c->room, c->seq, STR("+1"), &reactions, &change);
}
static int do_pin(struct call *c) {
    struct chat_change change;
    return chat_pin_add(&c->s->tx, c->by, c->room, c->seq, &change);
}
static int do_unpin(struct call *c) {
    struct chat_change change;
    return chat_pin_remove(&c->s->tx, c->by, c->room, c->seq, &change);
}
static int do_pins(struct call *c) {
    struct chat_messages page;
    return chat_pin_list(&c->s->tx, c->by, c->room, &page);
}
static int do_mark(struct call *c) {
    struct chat_unread unread;
    return chat_read_mark(&c->s->tx, c->by, c->room, 1, &unread, NULL);
}
static int do_mark_unread(struct call *c) {
    struct chat_unread unread;
    return chat_read_mark_unread(&c->s->tx, c->by, c->room, 1, &unread);
}
static int do_sync(struct call *c) {
    struct chat_room_sync sync;
    return chat_room_sync(&c->s->tx, c->by, c->room, 0, 0, &sync);
}
static int do_kick(struct call *c) {
    struct chat_change change;
    return chat_kick(&c->s->tx, c->by, c->room, STR("dan"), STR(""), &change);
}
static int do_ban(struct call *c) {
    struct chat_change change;
    return chat_ban(&c->s->tx, c->by, c->room, STR("dan"), 0, STR(""), &change);
}
static int do_unban(struct call *c) {
    struct chat_change change;
    return chat_unban(&c->s->tx, c->by, c->room, STR("dan"), &change);
}
static int do_mute(struct call *c) {
    struct chat_change change;
    return chat_mute(&c->s->tx, c->by, c->room, STR("dan"), INT64_MAX, STR(""), &change);
}
static int do_bans(struct call *c) {
    struct chat_bans bans;
    return chat_bans_list(&c->s->tx, c->by, c->room, &bans);
}

/* What a member of the team who is not in a public room gets, and an admin; what a plain member of
 * a public room gets, and its guest. */
static const struct {
    const char *name;
    int (*run)(struct call *c);
    int outsider, admin, member, guest;
} calls[] = {
    { "get", do_get, 0, 0, 0, 0 },
    { "open", do_open, 0, 0, 0, 0 },
    { "update", do_update, 404, 0, 103, 103 },
    { "retain", do_retain, 404, 0, 103, 103 },
    { "archive", do_archive, 404, 0, 103, 103 },
    { "add", do_add, 404, 0, 0, 103 },
    { "remove", do_remove, 404, 0, 103, 103 },
    { "role", do_role, 404, 0, 103, 103 },
    { "join", do_join, 0, 0, 0, 0 },
    { "leave", do_leave, 404, 404, 0, 0 },
    { "list", do_list, 0, 0, 0, 0 },
    { "notify", do_notify, 404, 404, 0, 0 },
    { "send", do_send, 404, 404, 0, 0 },
    { "edit", do_edit, 404, 404, 103, 103 },
    { "delete", do_delete, 404, 0, 103, 103 },
    { "message", do_message, 0, 0, 0, 0 },
    { "revisions", do_revisions, 0, 0, 0, 0 },
    { "history", do_history, 0, 0, 0, 0 },
    { "react", do_react, 404, 404, 0, 0 },
    { "unreact", do_unreact, 404, 404, 0, 0 },
    { "pin", do_pin, 404, 0, 0, 103 },
    { "unpin", do_unpin, 404, 0, 0, 103 },
    { "pins", do_pins, 0, 0, 0, 0 },
    { "mark", do_mark, 404, 404, 0, 0 },
    { "mark unread", do_mark_unread, 404, 404, 0, 0 },
    { "sync", do_sync, 404, 404, 0, 0 },
    { "kick", do_kick, 404, 0, 103, 103 },
    { "ban", do_ban, 404, 0, 103, 103 },
    { "unban", do_unban, 404, 0, 103, 103 },
    { "mute", do_mute, 404, 0, 103, 103 },
    { "bans", do_bans, 404, 0, 103, 103 },
};

/* Undone in any case, so that each finds the same. */
static void check(struct scene *s, const struct chat_actor *by, struct str room, size_t i,
                  int expected) {
    struct call c = { .s = s, .by = by, .room = room, .seq = 1 };
    scene_begin(s);
    int r = calls[i].run(&c);
    scene_end(s, CHAT_CONFLICT);
    if (r != expected)
        print_message("%s by %.*s\n", calls[i].name, (int) by->id.len, by->id.data);
    assert_int_equal(r, expected);
}

struct test {
    struct scene *s;
    struct chat_actor ann, ben, dan, eve, gus, adm;
};

static int set_up(void **state) {
    struct test *t = calloc(1, sizeof *t);
    t->s = scene_new();
    t->ann = scene_user(t->s, "ann", CHAT_MEMBER);
    t->ben = scene_user(t->s, "ben", CHAT_MEMBER);
    t->dan = scene_user(t->s, "dan", CHAT_MEMBER);
    t->eve = scene_user(t->s, "eve", CHAT_MEMBER);
    t->gus = scene_user(t->s, "gus", CHAT_GUEST);
    t->adm = scene_user(t->s, "adm", CHAT_ADMIN);
    *state = t;
    return 0;
}

static int tear_down(void **state) {
    struct test *t = *state;
    scene_free(t->s);
    free(t);
    return 0;
}

static struct str make(struct test *t, enum chat_room_kind kind) {
    bool is_direct = kind == CHAT_ROOM_DIRECT || kind == CHAT_ROOM_GROUP;
    struct chat_room room;
    bool is_new;
    struct str others[] = { t->dan.id };
    struct chat_room_new new = {
        .kind = kind, .name = is_direct ? STR("") : STR("R"), .users = others, .users_n = 1
    };
    assert_int_equal(TRY(t->s, chat_room_create(&t->s->tx, &t->ann, &new, &room, &is_new)), 0);
    assert_int_equal(scene_send(t->s, &t->ann, room.id, "secret", NULL), 1);
    return room.id;
}

static void who_is_not_in_a_closed_room_learns_nothing_of_it(void **state) {
    struct test *t = *state;
    for (int kind = CHAT_ROOM_PRIVATE; kind <= CHAT_ROOM_GROUP; kind++) {
        struct str room = make(t, (enum chat_room_kind) kind);
        for (size_t i = 0; i < ELEMENTS_OF(calls); i++) {
            check(t->s, &t->ben, room, i, CHAT_NOT_FOUND);
            check(t->s, &t->gus, room, i, CHAT_NOT_FOUND);
            check(t->s, &t->adm, room, i, CHAT_NOT_FOUND);
        }
    }
}

static void who_has_left_a_closed_room_learns_nothing_more_of_it(void **state) {
    struct test *t = *state;
    struct str room = make(t, CHAT_ROOM_PRIVATE);
    struct chat_member heir;
    struct chat_change change;
    scene_join(t->s, room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(TRY(t->s, chat_member_leave(&t->s->tx, &t->ben, room, &heir, &change)), 0);
    for (size_t i = 0; i < ELEMENTS_OF(calls); i++)
        check(t->s, &t->ben, room, i, CHAT_NOT_FOUND);
}

static void a_room_that_is_not_there_is_refused_alike(void **state) {
    struct test *t = *state;
    for (size_t i = 0; i < ELEMENTS_OF(calls); i++)
        check(t->s, &t->ben, STR("nothing"), i, CHAT_NOT_FOUND);
}

static void who_is_not_in_a_public_room_reads_it_and_no_more(void **state) {
    struct test *t = *state;
    struct str room = make(t, CHAT_ROOM_PUBLIC);
    for (size_t i = 0; i < ELEMENTS_OF(calls); i++) {
        check(t->s, &t->ben, room, i, calls[i].outsider);
        check(t->s, &t->adm, room, i, calls[i].admin);
        check(t->s, &t->gus, room, i, CHAT_NOT_FOUND);
    }
}

static void a_member_without_a_role_is_refused_what_needs_one(void **state) {
    struct test *t = *state;
    for (int kind = CHAT_ROOM_PUBLIC; kind <= CHAT_ROOM_PRIVATE; kind++) {
        struct str room = make(t, (enum chat_room_kind) kind);
        scene_join(t->s, room, &t->ben, CHAT_ROOM_MEMBER);
        scene_join(t->s, room, &t->gus, CHAT_ROOM_MEMBER);
        for (size_t i = 0; i < ELEMENTS_OF(calls); i++) {
            check(t->s, &t->ben, room, i, calls[i].member);
            check(t->s, &t->gus, room, i, calls[i].guest);
            check(t->s, &t->ann, room, i, 0); /* the owner */
        }
    }
}

static void an_archived_room_is_read_and_left_but_not_changed(void **state) {
    struct test *t = *state;
    struct str room = make(t, CHAT_ROOM_PUBLIC);
    struct chat_room got;
    struct chat_change change;
    scene_join(t->s, room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(TRY(t->s, chat_room_archive(&t->s->tx, &t->ann, room, true, &got, &change)),
                     0);
    static int (*const allowed[])(struct call *) = {
        do_get,     do_open,      do_archive, do_leave, do_list, do_notify,
        do_message, do_revisions, do_history, do_pins,  do_mark, do_mark_unread,
        do_sync,    do_ban,       do_unban,   do_mute,  do_bans
    };
    for (size_t i = 0; i < ELEMENTS_OF(calls); i++) {
        bool is_allowed = false;
        for (size_t k = 0; k < ELEMENTS_OF(allowed); k++)
            is_allowed = is_allowed || allowed[k] == calls[i].run;
        check(t->s, &t->ann, room, i, is_allowed ? 0 : CHAT_ARCHIVED);
    }
}

int main(void) {
#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORY(who_is_not_in_a_closed_room_learns_nothing_of_it),
        STORY(who_has_left_a_closed_room_learns_nothing_more_of_it),
        STORY(a_room_that_is_not_there_is_refused_alike),
        STORY(who_is_not_in_a_public_room_reads_it_and_no_more),
        STORY(a_member_without_a_role_is_refused_what_needs_one),
        STORY(an_archived_room_is_read_and_left_but_not_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
