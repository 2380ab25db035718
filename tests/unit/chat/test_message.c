/* Messages: sent once, edited, deleted, read in pages. */
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
#include "tests/unit/chat/scene.h"

#define assert_str(s, expected)                                                                    \
    do {                                                                                           \
        struct str is_ = (s);                                                                      \
        char text_[512];                                                                           \
        (void) snprintf(text_, sizeof text_, "%.*s", (int) is_.len, is_.data ? is_.data : "");     \
        assert_string_equal(text_, expected);                                                      \
    } while (0)

struct test {
    struct scene *s;
    struct chat_actor ann, ben, gus;
    struct str room;
};

static int set_up(void **state) {
    struct test *t = calloc(1, sizeof *t);
    t->s = scene_new();
    t->ann = scene_user(t->s, "ann", CHAT_MEMBER);
    t->ben = scene_user(t->s, "ben", CHAT_MEMBER);
    t->gus = scene_user(t->s, "gus", CHAT_GUEST);
    t->room = scene_room(t->s, &t->ann, CHAT_ROOM_PUBLIC, "Lobby");
    scene_join(t->s, t->room, &t->ben, CHAT_ROOM_MEMBER);
    *state = t;
    return 0;
}

static int tear_down(void **state) {
    struct test *t = *state;
    scene_free(t->s);
    free(t);
    return 0;
}

static struct chat_message get(struct test *t, uint64_t seq) {
    struct chat_message m;
    assert_int_equal(TRY(t->s, chat_message_get(&t->s->tx, &t->ann, t->room, seq, &m)), 0);
    return m;
}

static int send_with(struct test *t, const struct chat_actor *by, struct chat_send send,
                     struct chat_message *ret, bool *ret_is_duplicate) {
    send.room = send.room.len > 0 ? send.room : t->room;
    return TRY(t->s, chat_message_send(&t->s->tx, by, &send, ret, ret_is_duplicate));
}

static int edit(struct test *t, const struct chat_actor *by, uint64_t seq, const char *text,
                uint64_t if_ver, struct chat_change *ret) {
    struct chat_message m;
    return TRY(t->s, chat_message_edit(&t->s->tx, by, t->room, seq, str_of(text), if_ver, &m, ret));
}

static int delete (struct test *t, const struct chat_actor *by, uint64_t seq,
                   struct chat_change *ret) {
    struct chat_message m;
    return TRY(t->s, chat_message_delete(&t->s->tx, by, t->room, seq, STR("no"), &m, ret));
}

/* ---- sending ---- */

static void messages_are_numbered_one_after_the_other(void **state) {
    struct test *t = *state;
    struct str other = scene_room(t->s, &t->ann, CHAT_ROOM_PRIVATE, "Other");
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "one", NULL), 1);
    assert_int_equal(scene_send(t->s, &t->ann, other, "else", NULL), 1);
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "two", NULL), 2);
    struct chat_message m = get(t, 2);
    assert_str(m.text, "two");
    assert_str(m.user, "ben");
    assert_int_equal(m.at, t->s->tx.now_ms);
    struct chat_room room;
    assert_int_equal(TRY(t->s, chat_room_get(&t->s->tx, &t->ann, t->room, CHAT_ACT_READ, &room)),
                     0);
    assert_int_equal(room.last_seq, 2);
    assert_int_equal(room.ver, m.ver);
}

static void a_refused_message_takes_no_number(void **state) {
    struct test *t = *state;
    int why;
    struct chat_message m;
    bool is_duplicate;
    struct str nothing = STR("no such file");
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "", &why), 0);
    assert_int_equal(why, CHAT_BAD_REQUEST);
    /* Found out after the message was written. */
    struct chat_send send = { .text = STR("x"), .attachments = &nothing, .attachments_n = 1 };
    assert_int_equal(send_with(t, &t->ann, send, &m, &is_duplicate), CHAT_BAD_REQUEST);
    assert_string_equal(t->s->work.refusal.field, "attachments");
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "one", NULL), 1);
}

static void what_was_sent_twice_is_there_once(void **state) {
    struct test *t = *state;
    struct chat_message first, again;
    bool is_duplicate;
    struct chat_send send = { .text = STR("hello"), .client_id = STR("c1") };
    assert_int_equal(send_with(t, &t->ann, send, &first, &is_duplicate), 0);
    assert_false(is_duplicate);
    send.text = STR("something else");
    assert_int_equal(send_with(t, &t->ann, send, &again, &is_duplicate), 0);
    assert_true(is_duplicate);
    assert_int_equal(again.seq, first.seq);
    assert_str(again.text, "hello");
    /* The id is the author's own. */
    assert_int_equal(send_with(t, &t->ben, send, &again, &is_duplicate), 0);
    assert_false(is_duplicate);
    assert_int_equal(again.seq, 2);
}

static void a_repeated_message_is_known_even_when_it_would_be_refused_now(void **state) {
    struct test *t = *state;
    struct chat_message m;
    struct chat_room room;
    struct chat_change change;
    bool is_duplicate;
    struct chat_send send = { .text = STR("hello"), .client_id = STR("c1") };
    assert_int_equal(send_with(t, &t->ben, send, &m, &is_duplicate), 0);
    assert_int_equal(
            TRY(t->s, chat_ban(&t->s->tx, &t->ann, t->room, STR("ben"), 0, STR(""), &change)), 0);
    assert_int_equal(delete (t, &t->ann, 1, &change), 0);
    assert_int_equal(
            TRY(t->s, chat_room_archive(&t->s->tx, &t->ann, t->room, true, &room, &change)), 0);
    assert_int_equal(send_with(t, &t->ben, send, &m, &is_duplicate), 0);
    assert_true(is_duplicate && m.seq == 1 && m.deleted_at > 0);
    send.client_id = STR("c2");
    assert_int_equal(send_with(t, &t->ben, send, &m, &is_duplicate), CHAT_BANNED);
}

static void a_client_id_belongs_to_one_room(void **state) {
    struct test *t = *state;
    struct chat_message m;
    bool is_duplicate;
    struct chat_send send = { .text = STR("hello"), .client_id = STR("c1") };
    assert_int_equal(send_with(t, &t->ann, send, &m, &is_duplicate), 0);
    send.room = scene_room(t->s, &t->ann, CHAT_ROOM_PUBLIC, "Other");
    assert_int_equal(send_with(t, &t->ann, send, &m, &is_duplicate), CHAT_CONFLICT);
}

static void texts_have_a_limit_and_are_utf8(void **state) {
    struct test *t = *state;
    char text[70000];
    int why;
    memset(text, 'x', sizeof text);
    text[16384] = 0;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, text, NULL), 1);
    text[16384] = 'x';
    text[16385] = 0;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, text, &why), 0);
    assert_int_equal(why, CHAT_TOO_LONG);
    assert_int_equal(t->s->work.refusal.max, 16384);
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "\xff", &why), 0);
    assert_int_equal(why, CHAT_BAD_REQUEST);
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "a\x01", &why), 0);
    assert_int_equal(why, CHAT_BAD_REQUEST);
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "tab\tline\n\xf0\x9f\x8c\x8d", NULL), 2);
}

static void a_reply_quotes_what_it_answers(void **state) {
    struct test *t = *state;
    struct chat_message m;
    struct chat_change change;
    bool is_duplicate;
    char longer[400];
    memset(longer, 'a', 399);
    longer[399] = 0;
    assert_int_equal(scene_send(t->s, &t->ben, t->room, longer, NULL), 1);
    struct chat_send send = { .text = STR("yes"), .reply_to = 1 };
    assert_int_equal(send_with(t, &t->ann, send, &m, &is_duplicate), 0);
    assert_int_equal(m.reply_to.seq, 1);
    assert_str(m.reply_to.user, "ben");
    assert_int_equal(m.reply_to.text.len, CHAT_QUOTE_BYTES);
    /* What is deleted is not to be read in quotes either. */
    assert_int_equal(delete (t, &t->ben, 1, &change), 0);
    m = get(t, 2);
    assert_int_equal(m.reply_to.seq, 1);
    assert_int_equal(m.reply_to.text.len, 0);
    send.reply_to = 99;
    assert_int_equal(send_with(t, &t->ann, send, &m, &is_duplicate), CHAT_BAD_REQUEST);
}

static void time_does_not_go_back_within_a_room(void **state) {
    struct test *t = *state;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "one", NULL), 1);
    t->s->tx.now_ms -= 500;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "two", NULL), 2);
    assert_int_equal(get(t, 2).at, get(t, 1).at);
}

/* ---- editing ---- */

static void an_edit_keeps_what_was_there_before(void **state) {
    struct test *t = *state;
    struct chat_change change;
    struct chat_revisions revisions;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "helo", NULL), 1);
    uint64_t ver = get(t, 1).ver;
    t->s->tx.now_ms += 10;
    assert_int_equal(edit(t, &t->ann, 1, "hello", ver, &change), 0);
    assert_true(change.is_changed && change.ver == ver + 1);
    t->s->tx.now_ms += 10;
    assert_int_equal(edit(t, &t->ann, 1, "hello!", 0, &change), 0);
    struct chat_message m = get(t, 1);
    assert_str(m.text, "hello!");
    assert_int_equal(m.edited_at, t->s->tx.now_ms);
    assert_int_equal(m.ver, ver + 2);
    assert_int_equal(TRY(t->s, chat_message_revisions(&t->s->tx, &t->ben, t->room, 1, &revisions)),
                     0);
    assert_int_equal(revisions.n, 3);
    assert_str(revisions.items[0].text, "helo");
    assert_str(revisions.items[1].text, "hello");
    assert_str(revisions.items[2].text, "hello!");
    assert_int_equal(revisions.items[1].at, m.edited_at - 10);
}

static void only_so_many_earlier_texts_are_kept(void **state) {
    struct test *t = *state;
    struct chat_change change;
    struct chat_revisions revisions;
    char text[16];
    t->s->limits.revisions_max = 3;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "0", NULL), 1);
    for (int i = 1; i < 9; i++) {
        (void) snprintf(text, sizeof text, "%d", i);
        assert_int_equal(edit(t, &t->ann, 1, text, 0, &change), 0);
    }
    assert_int_equal(TRY(t->s, chat_message_revisions(&t->s->tx, &t->ann, t->room, 1, &revisions)),
                     0);
    assert_int_equal(revisions.n, 4);
    assert_str(revisions.items[0].text, "5");
}

static void edits_are_refused_with_a_reason(void **state) {
    struct test *t = *state;
    struct chat_change change;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), 1);
    assert_int_equal(edit(t, &t->ben, 1, "y", 0, &change), CHAT_DENIED);
    assert_int_equal(edit(t, &t->ann, 2, "y", 0, &change), CHAT_NOT_FOUND);
    assert_int_equal(edit(t, &t->ann, 1, "y", 99, &change), CHAT_CONFLICT);
    assert_int_equal(edit(t, &t->ann, 1, "", 0, &change), CHAT_BAD_REQUEST);
    assert_int_equal(edit(t, &t->ann, 1, "x", 0, &change), 0);
    assert_false(change.is_changed);
    t->s->limits.edit_window_ms = 1000;
    t->s->tx.now_ms += 1001;
    assert_int_equal(edit(t, &t->ann, 1, "y", 0, &change), CHAT_EDIT_WINDOW);
    assert_int_equal(delete (t, &t->ann, 1, &change), 0);
    assert_int_equal(edit(t, &t->ann, 1, "y", 0, &change), CHAT_GONE);
}

/* ---- deleting ---- */

static int found(struct test *t, const char *word) {
    int64_t n = 0;
    assert_int_equal(FETCH(&t->s->tx, &n,
                           "SELECT count(*) FROM message_fts WHERE message_fts MATCH ?1",
                           TEXT(str_of(word))),
                     1);
    return (int) n;
}

static void a_deleted_message_leaves_a_stub_and_nothing_else(void **state) {
    struct test *t = *state;
    struct chat_change change;
    struct chat_reactions reactions;
    struct chat_revisions revisions;
    struct chat_message m;
    bool is_duplicate;
    struct str file = STR("f1");
    assert_int_equal(RUN(&t->s->tx,
                         "INSERT INTO attachment(id, user, name, type, size, sha256, created_at)"
                         " VALUES (?1, ?2, 'a.txt', 'text/plain', 3, x'0102', 1)",
                         TEXT(file), NUMBER(t->ann.key)),
                     0);
    struct chat_send send = { .text = STR("secret @ben"),
                              .client_id = STR("c"),
                              .attachments = &file,
                              .attachments_n = 1,
                              .meta = bytes_of("{}", 2) };
    assert_int_equal(send_with(t, &t->ann, send, &m, &is_duplicate), 0);
    assert_int_equal(m.attachments_n, 1);
    assert_str(m.attachments[0].name, "a.txt");
    assert_int_equal(m.mentions_n, 1);
    assert_int_equal(found(t, "secret"), 1);
    assert_int_equal(found(t, "hasfile"), 1);
    assert_int_equal(edit(t, &t->ann, 1, "secreter @ben", 0, &change), 0);
    assert_int_equal(found(t, "secret"), 0);
    assert_int_equal(found(t, "secreter"), 1);
    assert_int_equal(TRY(t->s, chat_reaction_add(&t->s->tx, &t->ben, t->room, 1, STR("+1"),
                                                 &reactions, &change)),
                     0);
    assert_int_equal(TRY(t->s, chat_pin_add(&t->s->tx, &t->ben, t->room, 1, &change)), 0);

    t->s->tx.now_ms += 5;
    assert_int_equal(delete (t, &t->ann, 1, &change), 0);
    assert_true(change.is_changed);
    m = get(t, 1);
    assert_int_equal(m.deleted_at, t->s->tx.now_ms);
    assert_str(m.deleted_by, "ann");
    assert_str(m.reason, "no");
    assert_int_equal(m.text.len + m.meta.len + m.attachments_n + m.mentions_n + m.reactions.n, 0);
    assert_int_equal(m.pinned_at + m.edited_at, 0);
    assert_int_equal(found(t, "secreter"), 0);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM revision"), 0);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM reaction"), 0);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM mention"), 0);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM attachment"), 0);
    assert_int_equal(scene_number(t->s, "SELECT count(*) FROM attachment_gone WHERE id = 'f1'"), 1);
    assert_int_equal(scene_number(t->s, "SELECT pins_n FROM room"), 0);
    assert_int_equal(TRY(t->s, chat_message_revisions(&t->s->tx, &t->ann, t->room, 1, &revisions)),
                     CHAT_GONE);
    assert_int_equal(TRY(t->s, chat_reaction_add(&t->s->tx, &t->ben, t->room, 1, STR("+1"),
                                                 &reactions, &change)),
                     CHAT_GONE);
    assert_int_equal(delete (t, &t->ann, 1, &change), 0);
    assert_false(change.is_changed);
}

static void others_messages_are_deleted_by_who_keeps_order(void **state) {
    struct test *t = *state;
    struct chat_change change;
    assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), 1);
    assert_int_equal(scene_send(t->s, &t->ben, t->room, "y", NULL), 2);
    assert_int_equal(delete (t, &t->ben, 1, &change), CHAT_DENIED);
    assert_int_equal(delete (t, &t->ann, 2, &change), 0);
    assert_str(get(t, 2).deleted_by, "ann");
    assert_int_equal(
            scene_number(t->s, "SELECT count(*) FROM audit WHERE action = 'message.delete'"), 1);
}

static void a_file_is_sent_once_and_by_who_uploaded_it(void **state) {
    struct test *t = *state;
    struct chat_message m;
    bool is_duplicate;
    struct str files[] = { STR("f1"), STR("f2") };
    for (int i = 0; i < 2; i++)
        assert_int_equal(RUN(&t->s->tx,
                             "INSERT INTO attachment(id, user, name, type, size, created_at)"
                             " VALUES (?1, ?2, ?1, 'text/plain', 3, 1)",
                             TEXT(files[i]), NUMBER(t->ann.key)),
                         0);
    struct chat_send send = { .attachments = files, .attachments_n = 2 };
    assert_int_equal(send_with(t, &t->ben, send, &m, &is_duplicate), CHAT_BAD_REQUEST);
    assert_int_equal(send_with(t, &t->ann, send, &m, &is_duplicate), 0);
    assert_str(m.attachments[1].id, "f2");
    assert_int_equal(send_with(t, &t->ann, send, &m, &is_duplicate), CHAT_BAD_REQUEST);
}

/* ---- pages ---- */

static void check_page(struct test *t, struct chat_span span, uint64_t first, uint64_t last,
                       bool has_before, bool has_after) {
    struct chat_messages page;
    assert_int_equal(TRY(t->s, chat_message_history(&t->s->tx, &t->ben, t->room, &span, &page)), 0);
    assert_int_equal(page.n, last + 1 - first);
    for (size_t i = 0; i < page.n; i++)
        assert_int_equal(page.items[i].seq, first + i);
    assert_int_equal(page.has_before, has_before);
    assert_int_equal(page.has_after, has_after);
}

static void history_is_read_from_any_place(void **state) {
    struct test *t = *state;
    check_page(t, (struct chat_span){ 0 }, 1, 0, false, false);
    for (int i = 0; i < 20; i++)
        assert_int_equal(scene_send(t->s, &t->ann, t->room, "x", NULL), i + 1);
    check_page(t, (struct chat_span){ .limit = 5 }, 16, 20, true, false);
    check_page(t, (struct chat_span){ .limit = 5, .before = 16 }, 11, 15, true, true);
    check_page(t, (struct chat_span){ .limit = 5, .before = 6 }, 1, 5, false, true);
    check_page(t, (struct chat_span){ .limit = 5, .before = 1 }, 1, 0, false, true);
    check_page(t, (struct chat_span){ .limit = 5, .after = 3, .is_after = true }, 4, 8, true, true);
    check_page(t, (struct chat_span){ .limit = 5, .after = 0, .is_after = true }, 1, 5, false,
               true);
    check_page(t, (struct chat_span){ .limit = 5, .after = 15, .is_after = true }, 16, 20, true,
               false);
    check_page(t, (struct chat_span){ .limit = 5, .after = 20, .is_after = true }, 21, 20, true,
               false);
    check_page(t, (struct chat_span){ .limit = 6, .around = 10 }, 7, 12, true, true);
    check_page(t, (struct chat_span){ .limit = 6, .around = 1 }, 1, 6, false, true);
    check_page(t, (struct chat_span){ .limit = 6, .around = 20 }, 15, 20, true, false);
    check_page(t, (struct chat_span){ .limit = 6, .around_unread = true }, 1, 6, false, true);
    check_page(t, (struct chat_span){ 0 }, 1, 20, false, false);
}

static void a_room_opens_at_the_first_unread_message(void **state) {
    struct test *t = *state;
    struct chat_unread unread;
    for (int i = 0; i < 10; i++)
        assert_int_equal(scene_send(t->s, i == 5 ? &t->ben : &t->ann, t->room, "x", NULL), i + 1);
    assert_int_equal(TRY(t->s, chat_read_mark(&t->s->tx, &t->ben, t->room, 5, &unread, NULL)), 0);
    /* The sixth is ben's own. */
    check_page(t, (struct chat_span){ .limit = 4, .around_unread = true }, 5, 8, true, true);
    struct chat_room room;
    struct chat_messages page;
    struct chat_span span = { .limit = 4 };
    assert_int_equal(TRY(t->s, chat_room_open(&t->s->tx, &t->ben, t->room, &span, &room, &page)),
                     0);
    assert_int_equal(room.mine.unread, 4);
    assert_int_equal(room.mine.read_seq, 5);
    assert_int_equal(page.items[3].seq, room.last_seq);
}

int main(void) {
#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORY(messages_are_numbered_one_after_the_other),
        STORY(a_refused_message_takes_no_number),
        STORY(what_was_sent_twice_is_there_once),
        STORY(a_repeated_message_is_known_even_when_it_would_be_refused_now),
        STORY(a_client_id_belongs_to_one_room),
        STORY(texts_have_a_limit_and_are_utf8),
        STORY(a_reply_quotes_what_it_answers),
        STORY(time_does_not_go_back_within_a_room),
        STORY(an_edit_keeps_what_was_there_before),
        STORY(only_so_many_earlier_texts_are_kept),
        STORY(edits_are_refused_with_a_reason),
        STORY(a_deleted_message_leaves_a_stub_and_nothing_else),
        STORY(others_messages_are_deleted_by_who_keeps_order),
        STORY(a_file_is_sent_once_and_by_who_uploaded_it),
        STORY(history_is_read_from_any_place),
        STORY(a_room_opens_at_the_first_unread_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
