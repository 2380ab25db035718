/* How far members have read, what they react to, and what they are told again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/audit.h"
#include "storage/chat/moderation.h"
#include "storage/chat/pin.h"
#include "storage/chat/reaction.h"
#include "storage/chat/read.h"
#include "storage/chat/retention.h"
#include "storage/chat/setting.h"
#include "storage/chat/sync.h"
#include "tests/unit/chat/lobby.h"

/* ---- reading ---- */

static void mentions_are_of_members_and_counted_exactly(void **state) {
    struct lobby *t = *state;
    struct chat_message m;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    scene_join(t->s, t->room, &t->gus, CHAT_ROOM_MEMBER);
    static const struct {
        const char *text;
        int ben, gus;
    } said[] = {
        { "hello @ben", 1, 0 },
        { "@BEN and @gus.", 1, 1 },
        { "mail@ben is no mention", 0, 0 },
        { "@@ben neither", 0, 0 },
        { "@all (and @ben twice, @ben)", 1, 1 },
        { "@allthough", 0, 0 },
        { "@own is not here", 0, 0 },
        { "me, @ann", 0, 0 },
        { "(@ben), @ben-", 1, 0 },
        { "\xc3\xa9@ben is one word", 0, 0 },
        { "@", 0, 0 },
    };
    int ben = 0, gus = 0;
    for (size_t i = 0; i < ELEMENTS_OF(said); i++) {
        assert_int_equal(scene_send(t->s, &t->ann, t->room, said[i].text, NULL), i + 1);
        ben += said[i].ben;
        gus += said[i].gus;
        struct chat_room of_ben = lobby_get(t, &t->ben, t->room),
                         of_gus = lobby_get(t, &t->gus, t->room);
        assert_int_equal(of_ben.mine.mentions, ben);
        assert_int_equal(of_gus.mine.mentions, gus);
        assert_int_equal(of_ben.mine.unread, i + 1);
    }
    /* A guest's @all is a word like others. */
    assert_int_equal(scene_send(t->s, &t->gus, t->room, "@all", NULL), ELEMENTS_OF(said) + 1);
    assert_int_equal(lobby_get(t, &t->ben, t->room).mine.mentions, ben);
    assert_int_equal(TRY(t->s, chat_message_get(&t->s->tx, &t->ben, t->room, 2, &m)), 0);
    assert_int_equal(m.mentions_n, 2);
    assert_str(m.mentions[0], "ben");
}

static void a_text_full_of_names_is_looked_through_only_so_far(void **state) {
    struct lobby *t = *state;
    char text[2048] = "";
    size_t n = 0;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    t->s->limits.mentions_max = 5;
    /* Twenty names may be looked up; those with a stop at their end take two. */
    for (int i = 0; i < 9; i++)
        n += (size_t) snprintf(text + n, sizeof text - n, "@nobody%d. ", i);
    (void) snprintf(text + n, sizeof text - n, "@ben");
    assert_int_equal(scene_send(t->s, &t->ann, t->room, text, NULL), 1);
    assert_int_equal(lobby_get(t, &t->ben, t->room).mine.mentions, 1);
    for (int i = 0; i < 2; i++)
        n += (size_t) snprintf(text + n, sizeof text - n, "@nobody ");
    (void) snprintf(text + n, sizeof text - n, "@ben");
    assert_int_equal(scene_send(t->s, &t->ann, t->room, text, NULL), 2);
    assert_int_equal(lobby_get(t, &t->ben, t->room).mine.mentions, 1);
}

static void an_edit_or_a_deletion_takes_a_mention_away(void **state) {
    struct lobby *t = *state;
    struct chat_message m;
    struct chat_change change;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "@ben", NULL), 1);
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "@all", NULL), 2);
    assert_int_equal(lobby_get(t, &t->ben, t->room).mine.mentions, 2);
    assert_int_equal(TRY(t->s, chat_message_edit(&t->s->tx, &t->ann, t->room, 1, STR("ben"), 0, &m,
                                                 &change)),
                     0);
    assert_int_equal(lobby_get(t, &t->ben, t->room).mine.mentions, 1);
    assert_int_equal(lobby_get(t, &t->ben, t->room).mine.unread, 2);
    assert_int_equal(
            TRY(t->s, chat_message_delete(&t->s->tx, &t->ann, t->room, 2, STR(""), &m, &change)),
            0);
    assert_int_equal(lobby_get(t, &t->ben, t->room).mine.mentions, 0);
    assert_int_equal(lobby_get(t, &t->ben, t->room).mine.unread, 1);
}

static void counts_stop_at_a_hundred(void **state) {
    struct lobby *t = *state;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    for (int i = 0; i < 130; i++)
        assert_int_equal(scene_send(t->s, &t->ann, t->room, "@ben", NULL), i + 1);
    struct chat_unread unread;
    assert_int_equal(TRY(t->s, chat_read_mark(&t->s->tx, &t->ben, t->room, 29, &unread, NULL)), 0);
    assert_int_equal(unread.unread, CHAT_UNREAD_MAX);
    assert_int_equal(unread.mentions, CHAT_UNREAD_MAX);
    assert_int_equal(TRY(t->s, chat_read_mark(&t->s->tx, &t->ben, t->room, 31, &unread, NULL)), 0);
    assert_int_equal(unread.unread, 99);
    assert_int_equal(unread.mentions, 99);
}

static void what_is_read_stays_read_unless_marked_otherwise(void **state) {
    struct lobby *t = *state;
    struct chat_unread unread;
    bool is_changed;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    for (int i = 0; i < 10; i++)
        assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), i + 1);
    assert_int_equal(
            TRY(t->s, chat_read_mark(&t->s->tx, &t->ben, t->room, 8, &unread, &is_changed)), 0);
    assert_true(is_changed && unread.read_seq == 8 && unread.unread == 2);
    assert_int_equal(
            TRY(t->s, chat_read_mark(&t->s->tx, &t->ben, t->room, 3, &unread, &is_changed)), 0);
    assert_true(!is_changed && unread.read_seq == 8);
    assert_int_equal(TRY(t->s, chat_read_mark_unread(&t->s->tx, &t->ben, t->room, 5, &unread)), 0);
    assert_true(unread.unread_mark && unread.read_seq == 4 && unread.unread == 6);
    assert_int_equal(
            TRY(t->s, chat_read_mark(&t->s->tx, &t->ben, t->room, 4, &unread, &is_changed)), 0);
    assert_true(is_changed && !unread.unread_mark && unread.unread == 6);
    assert_int_equal(
            TRY(t->s, chat_read_mark(&t->s->tx, &t->ben, t->room, 999, &unread, &is_changed)), 0);
    assert_int_equal(unread.read_seq, 10);
    /* What nobody has ever said is not unread to who comes later. */
    scene_join(t->s, t->room, &t->gus, CHAT_ROOM_MEMBER);
    assert_int_equal(TRY(t->s, chat_read_state(&t->s->tx, t->room, STR("gus"), &unread)), 0);
    assert_int_equal(unread.unread, 0);
    assert_int_equal(TRY(t->s, chat_read_state(&t->s->tx, t->room, STR("own"), &unread)),
                     CHAT_NOT_FOUND);
}

/* ---- reactions and pins ---- */

static void reactions_keep_their_order_and_a_limit(void **state) {
    struct lobby *t = *state;
    struct chat_reactions all;
    struct chat_change change;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    t->s->limits.reactions_max = 2;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), 1);
#define UNREACT(who, emoji)                                                                        \
    TRY(t->s, chat_reaction_remove(&t->s->tx, who, t->room, 1, STR(emoji), &all, &change))
    assert_int_equal(REACT(&t->ben, "b"), 0);
    assert_int_equal(REACT(&t->ann, "a"), 0);
    assert_int_equal(REACT(&t->ann, "b"), 0);
    assert_true(change.is_changed);
    assert_int_equal(all.n, 2);
    assert_str(all.items[0].emoji, "b");
    assert_int_equal(all.items[0].n, 2);
    assert_str(all.items[0].users[0], "ben");
    assert_str(all.items[0].users[1], "ann");
    assert_int_equal(REACT(&t->ann, "b"), 0);
    assert_false(change.is_changed);
    assert_int_equal(REACT(&t->ann, "c"), CHAT_CONFLICT);
    assert_int_equal(UNREACT(&t->ben, "b"), 0);
    assert_true(change.is_changed);
    assert_str(all.items[0].emoji, "a");
    assert_int_equal(UNREACT(&t->ben, "b"), 0);
    assert_false(change.is_changed);
    assert_int_equal(REACT(&t->ann, ""), CHAT_BAD_REQUEST);
    assert_int_equal(REACT(&t->ann, "a b"), CHAT_BAD_REQUEST);
    /* A reaction makes nothing unread. */
    assert_int_equal(lobby_get(t, &t->ann, t->room).mine.unread, 0);
}

static void a_crowd_of_one_emoji_shows_its_first_twenty(void **state) {
    struct lobby *t = *state;
    struct chat_reactions all;
    struct chat_change change;
    char ids[30][24];
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), 1);
    for (int i = 0; i < 30; i++) {
        (void) snprintf(ids[i], sizeof ids[i], "crowd%d", i);
        struct chat_actor who = scene_user(t->s, ids[i], CHAT_MEMBER);
        scene_join(t->s, t->room, &who, CHAT_ROOM_MEMBER);
        assert_int_equal(REACT(&who, "+1"), 0);
    }
    assert_int_equal(all.items[0].n, 30);
    assert_int_equal(all.items[0].users_n, CHAT_REACTION_USERS);
    assert_str(all.items[0].users[19], "crowd19");
}

static void pins_have_a_limit_and_the_newest_comes_first(void **state) {
    struct lobby *t = *state;
    struct chat_change change;
    struct chat_messages page;
    t->s->limits.pins_max = 2;
    for (int i = 0; i < 3; i++)
        assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), i + 1);
#define PIN(seq)                                                                                   \
    (t->s->tx.now_ms++, TRY(t->s, chat_pin_add(&t->s->tx, &t->ann, t->room, seq, &change)))
    assert_int_equal(PIN(2), 0);
    assert_int_equal(PIN(1), 0);
    assert_int_equal(PIN(1), 0);
    assert_false(change.is_changed);
    assert_int_equal(PIN(3), CHAT_CONFLICT);
    assert_int_equal(TRY(t->s, chat_pin_list(&t->s->tx, &t->ann, t->room, &page)), 0);
    assert_true(page.n == 2 && page.items[0].seq == 1 && page.items[1].seq == 2);
    assert_int_equal(TRY(t->s, chat_pin_remove(&t->s->tx, &t->ann, t->room, 2, &change)), 0);
    assert_int_equal(PIN(3), 0);
    assert_int_equal(lobby_get(t, &t->ann, t->room).pins_n, 2);
}

/* ---- syncs, retention, the log ---- */

static void a_sync_has_all_rooms_with_their_counts(void **state) {
    struct lobby *t = *state;
    struct chat_sync sync;
    struct chat_room room;
    bool is_new;
    struct chat_room_new new = { .kind = CHAT_ROOM_DIRECT, .users = &t->ben.id, .users_n = 1 };
    assert_int_equal(lobby_create(t, &t->ann, new, &room, &is_new), 0);
    t->s->tx.now_ms++;
    assert_int_equal(scene_send(t->s, &t->ann, room.id, "@ben", NULL), 1);
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(TRY(t->s, chat_notify_set(&t->s->tx, &t->ben, t->room, CHAT_NOTIFY_MENTIONS)),
                     0);
    assert_int_equal(TRY(t->s, chat_sync(&t->s->tx, &t->ben, &sync)), 0);
    assert_str(sync.me.id, "ben");
    assert_int_equal(sync.users.n, 4);
    assert_int_equal(sync.rooms.n, 2);
    assert_true(str_equal(sync.rooms.items[0].id, room.id)); /* the last written to */
    assert_int_equal(sync.rooms.items[0].mine.unread, 1);
    assert_int_equal(sync.rooms.items[0].mine.mentions, 1);
    assert_str(sync.rooms.items[0].others.items[0].id, "ann");
    assert_int_equal(sync.rooms.items[1].mine.notify, CHAT_NOTIFY_MENTIONS);
}

static void a_sync_from_below_the_floor_begins_anew(void **state) {
    struct lobby *t = *state;
    struct chat_room_sync sync;
    struct chat_settings settings;
    size_t n;
    bool has_more;
    for (int i = 0; i < 5; i++)
        assert_int_equal(scene_send(t->s, &t->ann, t->room, "old", NULL), i + 1);
    uint64_t ver = lobby_get(t, &t->ann, t->room).ver;
    assert_int_equal(TRY(t->s, chat_settings_get(&t->s->tx, &settings)), 0);
    settings.retain_d = 1;
    assert_int_equal(TRY(t->s, chat_settings_put(&t->s->tx, &t->ann, &settings)), CHAT_DENIED);
    assert_int_equal(TRY(t->s, chat_settings_put(&t->s->tx, &t->own, &settings)), 0);
    t->s->tx.now_ms += 86400000;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "new", NULL), 6);
    assert_int_equal(TRY(t->s, chat_retention_run(&t->s->tx, 3, &n, &has_more)), 0);
    assert_true(n == 3 && has_more);
    assert_int_equal(TRY(t->s, chat_retention_run(&t->s->tx, 3, &n, &has_more)), 0);
    assert_true(n == 2 && !has_more);
    assert_int_equal(lobby_get(t, &t->ann, t->room).floor_seq, 5);
    assert_int_equal(TRY(t->s, chat_room_sync(&t->s->tx, &t->ann, t->room, ver - 1, 0, &sync)), 0);
    assert_true(sync.is_reset && sync.ver == ver + 1);
    assert_int_equal(TRY(t->s, chat_room_sync(&t->s->tx, &t->ann, t->room, ver, 0, &sync)), 0);
    assert_true(!sync.is_reset && sync.messages.n == 1);
    /* From the future: of a database that was put back. */
    assert_int_equal(TRY(t->s, chat_room_sync(&t->s->tx, &t->ann, t->room, ver + 9, 0, &sync)), 0);
    assert_true(sync.is_reset);
    assert_int_equal(
            scene_number(t->s, "SELECT count(*) FROM message_fts WHERE message_fts MATCH 'old'"),
            0);
}

static void the_log_is_the_admins_to_read(void **state) {
    struct lobby *t = *state;
    struct chat_audit log;
    struct chat_change change;
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    assert_int_equal(KICK(&t->ann, "ben"), 0);
    assert_int_equal(TRY(t->s, chat_audit_list(&t->s->tx, &t->ann, 0, 0, &log)), CHAT_DENIED);
    assert_int_equal(TRY(t->s, chat_audit_list(&t->s->tx, &t->own, 0, 1, &log)), 0);
    assert_true(log.n == 1 && log.has_more);
    assert_str(log.items[0].action, "moderation.kick");
    assert_str(log.items[0].user, "ann");
    assert_str(log.items[0].target, "ben");
    assert_str(log.items[0].detail, "no");
    assert_int_equal(TRY(t->s, chat_audit_list(&t->s->tx, &t->own, log.items[0].id, 5, &log)), 0);
    assert_true(log.n == 1 && !log.has_more);
    assert_str(log.items[0].action, "room.create");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOBBY_STORY(mentions_are_of_members_and_counted_exactly),
        LOBBY_STORY(a_text_full_of_names_is_looked_through_only_so_far),
        LOBBY_STORY(an_edit_or_a_deletion_takes_a_mention_away),
        LOBBY_STORY(counts_stop_at_a_hundred),
        LOBBY_STORY(what_is_read_stays_read_unless_marked_otherwise),
        LOBBY_STORY(reactions_keep_their_order_and_a_limit),
        LOBBY_STORY(a_crowd_of_one_emoji_shows_its_first_twenty),
        LOBBY_STORY(pins_have_a_limit_and_the_newest_comes_first),
        LOBBY_STORY(a_sync_has_all_rooms_with_their_counts),
        LOBBY_STORY(a_sync_from_below_the_floor_begins_anew),
        LOBBY_STORY(the_log_is_the_admins_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
