/* Objects of the chat as docs/chat-protocol.md has them. */
#include "daemon/chat/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/base.h"
#include "protocol/json.h"

static void is_json(struct buffer *out, const char *json) {
    assert_int_equal(buffer_error(out), 0);
    assert_true(json_is_valid(buffer_bytes(out), NULL));
    buffer_append_byte(out, '\0');
    assert_string_equal((const char *) out->data, json);
    buffer_finish(out);
}

static void a_user_has_what_is_known(void **state) {
    struct buffer out = BUFFER_INIT;
    struct chat_user u = { .id = STR("u1"), .name = STR("Ann \"A\""), .role = CHAT_MEMBER };

    chat_put_user(&out, &u);
    is_json(&out, "{\"id\":\"u1\",\"name\":\"Ann \\\"A\\\"\",\"role\":\"member\"}");

    u.login = STR("ann");
    u.role = CHAT_OWNER;
    u.avatar = STR("f1");
    u.status_emoji = STR("x");
    u.status_until = 9;
    u.last_seen_at = 5;
    u.is_bot = true;
    u.deactivated_at = 3;
    chat_put_user(&out, &u);
    is_json(&out, "{\"id\":\"u1\",\"login\":\"ann\",\"name\":\"Ann \\\"A\\\"\",\"role\":\"owner\","
                  "\"avatar\":\"f1\",\"status\":{\"emoji\":\"x\",\"text\":\"\",\"until\":9},"
                  "\"last_seen\":5,\"bot\":true,\"deactivated\":true}");
}

static void a_room_has_what_it_is_to_its_member_only_for_them(void **state) {
    struct buffer out = BUFFER_INIT;
    struct chat_room r = { .id = STR("r"),
                           .kind = CHAT_ROOM_PUBLIC,
                           .name = STR("N"),
                           .slug = STR("n"),
                           .ver = 4,
                           .last_seq = 3,
                           .last_at = 2,
                           .members_n = 1,
                           .slow_s = 5,
                           .receipts = true,
                           .mine = { .role = CHAT_ROOM_MOD, .read_seq = 1, .unread = 2 } };
#define COMMON                                                                                     \
    "{\"id\":\"r\",\"kind\":\"public\",\"name\":\"N\",\"slug\":\"n\",\"topic\":\"\",\"ver\":4,"    \
    "\"last_seq\":3,\"last_at\":2,\"members_n\":1,\"slow_s\":5,\"receipts\":true"
    chat_put_room(&out, &r, false);
    is_json(&out, COMMON "}");
    chat_put_room(&out, &r, true);
    is_json(&out, COMMON ",\"role\":\"mod\",\"read_seq\":1,\"unread\":2,\"mentions\":0,"
                         "\"notify\":\"all\"}");
    r.mine.role = CHAT_NO_MEMBER;
    chat_put_room(&out, &r, true);
    is_json(&out, COMMON "}");
}

static void the_peer_of_a_direct_room_is_for_its_member_only(void **state) {
    struct buffer out = BUFFER_INIT;
    struct chat_user peer = { .id = STR("u2"), .name = STR("B"), .role = CHAT_MEMBER };
    struct chat_room r = { .id = STR("d"),
                           .kind = CHAT_ROOM_DIRECT,
                           .others = { .items = &peer, .n = 1 },
                           .mine = { .role = CHAT_ROOM_MEMBER } };

    chat_put_room(&out, &r, false);
    assert_int_equal(buffer_error(&out), 0);
    buffer_append_byte(&out, '\0');
    assert_null(strstr((const char *) out.data, "peer"));
    buffer_reset(&out);
    chat_put_room(&out, &r, true);
    buffer_append_byte(&out, '\0');
    assert_non_null(strstr((const char *) out.data, "\"peer\":{\"id\":\"u2\","));
    buffer_finish(&out);
}

static void a_message_has_all_of_it(void **state) {
    struct buffer out = BUFFER_INIT;
    struct str users[] = { STR("u1"), STR("u2") };
    struct chat_reaction reaction = { .emoji = STR("+1"), .n = 2, .users = users, .users_n = 2 };
    struct chat_attachment file = { .id = STR("f"),
                                    .name = STR("a.png"),
                                    .type = STR("image/png"),
                                    .size = 9,
                                    .width = 3,
                                    .height = 4 };
    struct chat_message m = { .room = STR("r"),
                              .user = STR("u1"),
                              .seq = 2,
                              .ver = 5,
                              .at = 7,
                              .text = STR("hi\n"),
                              .client_id = STR("c"),
                              .reply_to = { .seq = 1, .user = STR("u2"), .text = STR("?") },
                              .attachments = &file,
                              .attachments_n = 1,
                              .mentions = users + 1,
                              .mentions_n = 1,
                              .mentions_all = true,
                              .reactions = { &reaction, 1 },
                              .edited_at = 8,
                              .pinned_at = 9,
                              .meta = { (const uint8_t *) "{\"x\":1}", 7 } };

    chat_put_message(&out, &m);
    is_json(&out, "{\"room\":\"r\",\"seq\":2,\"ver\":5,\"user\":\"u1\",\"at\":7,\"text\":\"hi\\n\","
                  "\"client_id\":\"c\",\"reply_to\":{\"seq\":1,\"user\":\"u2\",\"text\":\"?\"},"
                  "\"attachments\":[{\"id\":\"f\",\"name\":\"a.png\",\"type\":\"image/png\","
                  "\"size\":9,\"width\":3,\"height\":4}],\"mentions\":[\"u2\"],"
                  "\"mentions_all\":true,\"reactions\":[{\"emoji\":\"+1\",\"n\":2,"
                  "\"users\":[\"u1\",\"u2\"]}],\"edited_at\":8,\"pinned\":true,"
                  "\"meta\":{\"x\":1}}");
}

static void nothing_is_said_of_a_deleted_message_but_who_and_when(void **state) {
    struct buffer out = BUFFER_INIT;
    struct chat_message m = { .room = STR("r"),
                              .user = STR("u1"),
                              .seq = 2,
                              .ver = 6,
                              .at = 7,
                              .deleted_at = 9,
                              .text = STR("old"),
                              .deleted_by = STR("u3"),
                              .reason = STR("spam") };

    chat_put_message(&out, &m);
    is_json(&out, "{\"room\":\"r\",\"seq\":2,\"ver\":6,\"user\":\"u1\",\"at\":7,\"deleted\":true,"
                  "\"deleted_by\":\"u3\",\"reason\":\"spam\"}");
}

static void words_and_numbers_go_both_ways(void **state) {
    enum chat_role role;
    enum chat_room_kind kind;
    enum chat_member_role member;
    enum chat_notify level;

    for (unsigned i = CHAT_GUEST; i <= CHAT_OWNER; i++) {
        assert_true(chat_role_of(str_of(chat_role_word((enum chat_role) i)), &role));
        assert_int_equal(role, i);
    }
    for (unsigned i = CHAT_ROOM_PUBLIC; i <= CHAT_ROOM_GROUP; i++) {
        assert_true(chat_room_kind_of(str_of(chat_room_kind_word((enum chat_room_kind) i)), &kind));
        assert_int_equal(kind, i);
    }
    for (unsigned i = CHAT_ROOM_GUEST; i <= CHAT_ROOM_OWNER; i++) {
        assert_true(chat_member_role_of(str_of(chat_member_role_word((enum chat_member_role) i)),
                                        &member));
        assert_int_equal(member, i);
    }
    for (unsigned i = CHAT_NOTIFY_ALL; i <= CHAT_NOTIFY_NONE; i++) {
        assert_true(chat_notify_of(str_of(chat_notify_word((enum chat_notify) i)), &level));
        assert_int_equal(level, i);
    }
    assert_false(chat_role_of(STR(""), &role));
    assert_false(chat_role_of(STR("god"), &role));
    assert_false(chat_member_role_of(STR("admin"), &member));
    assert_false(chat_room_kind_of(STR("secret"), &kind));
    assert_false(chat_notify_of(STR("some"), &level));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_has_what_is_known),
        cmocka_unit_test(a_room_has_what_it_is_to_its_member_only_for_them),
        cmocka_unit_test(the_peer_of_a_direct_room_is_for_its_member_only),
        cmocka_unit_test(a_message_has_all_of_it),
        cmocka_unit_test(nothing_is_said_of_a_deleted_message_but_who_and_when),
        cmocka_unit_test(words_and_numbers_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
