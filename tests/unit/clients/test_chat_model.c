/* The terminal client's model: what the server says, in whatever order, and what there is to show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "async/base.h"
#include "clients/cli/chat/model.h"

struct world {
    struct model model;
    struct arena arena;
};

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    *state = w;
    return w ? 0 : -1;
}

static int tear_down(void **state) {
    struct world *w = *state;
    model_finish(&w->model);
    arena_finish(&w->arena);
    free(w);
    return 0;
}

static struct chat_object said(struct world *w, const char *json) {
    struct chat_object o;
    assert_int_equal(chat_object_decode(str_bytes(str_of(json)), &w->arena, &o), 0);
    return o;
}

static void sync_with(struct world *w, const char *json) {
    struct chat_object answer = said(w, json);
    assert_int_equal(model_sync(&w->model, &answer), 0);
}

static struct room *open_general(struct world *w) {
    sync_with(w,
              "{\"me\":{\"id\":\"u1\",\"login\":\"anna\",\"name\":\"Anna\"},"
              "\"users\":[{\"id\":\"u2\",\"login\":\"ben\",\"name\":\"Ben\"}],"
              "\"rooms\":[{\"id\":\"r1\",\"kind\":\"public\",\"name\":\"general\",\"role\":"
              "\"member\",\"ver\":3,\"last_seq\":2,\"read_seq\":2,\"unread\":0,\"mentions\":0}]}");
    struct room *r = model_room(&w->model, STR("r1"));
    assert_non_null(r);
    struct chat_object answer =
            said(w, "{\"room\":{\"id\":\"r1\",\"kind\":\"public\",\"name\":\"general\",\"ver\":3,"
                    "\"last_seq\":2},\"has_before\":true,\"messages\":["
                    "{\"seq\":1,\"ver\":1,\"user\":\"u1\",\"at\":1000,\"text\":\"one\"},"
                    "{\"seq\":2,\"ver\":3,\"user\":\"u2\",\"at\":2000,\"text\":\"two\"}]}");
    assert_int_equal(room_open(&w->model, r, &answer), 0);
    return r;
}

static int event(struct world *w, struct room *r, const char *json) {
    struct chat_object o = said(w, json);
    return room_event(&w->model, r, &o, 0);
}

static void an_event_that_follows_is_applied(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_int_equal(event(w, r,
                           "{\"type\":\"message.created\",\"ver\":4,\"message\":{\"seq\":3,"
                           "\"ver\":4,\"user\":\"u2\",\"at\":3000,\"text\":\"three\"}}"),
                     ROOM_IS_WHOLE);

    assert_int_equal(r->n, 3);
    assert_string_equal(r->messages[2].text, "three");
    assert_int_equal(r->ver, 4);
}

static void an_event_behind_a_hole_is_asked_for(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_int_equal(event(w, r,
                           "{\"type\":\"message.created\",\"ver\":6,\"message\":{\"seq\":4,"
                           "\"ver\":6,\"user\":\"u2\",\"at\":3000,\"text\":\"four\"}}"),
                     ROOM_ASK_AGAIN);
    assert_int_equal(r->n, 2);

    /* What was asked for is older than what was heard of meanwhile: once more. */
    struct chat_object some = said(w, "{\"ver\":5,\"messages\":[{\"seq\":3,\"ver\":5,\"user\":"
                                      "\"u2\",\"at\":2500,\"text\":\"three\"}]}");
    assert_int_equal(room_synced(&w->model, r, &some), ROOM_ASK_AGAIN);
    struct chat_object rest = said(w, "{\"ver\":6,\"messages\":[{\"seq\":4,\"ver\":6,\"user\":"
                                      "\"u2\",\"at\":3000,\"text\":\"four\"}]}");
    assert_int_equal(room_synced(&w->model, r, &rest), ROOM_IS_WHOLE);
    assert_int_equal(r->n, 4);
    assert_string_equal(r->messages[2].text, "three");
}

static void what_is_there_already_changes_nothing(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_int_equal(event(w, r,
                           "{\"type\":\"message.updated\",\"ver\":2,\"message\":{\"seq\":2,"
                           "\"ver\":2,\"user\":\"u2\",\"at\":2000,\"text\":\"older\"}}"),
                     ROOM_IS_WHOLE);
    assert_string_equal(r->messages[1].text, "two");
}

static void what_lies_before_the_timeline_leaves_no_hole_in_it(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);
    struct chat_object page = said(
            w,
            "{\"room\":{\"id\":\"r1\",\"ver\":9,\"last_seq\":8},\"has_before\":true,\"messages\":"
            "[{\"seq\":8,\"ver\":9,\"user\":\"u2\",\"at\":2000,\"text\":\"eight\"}]}");
    assert_int_equal(room_open(&w->model, r, &page), 0);

    assert_int_equal(event(w, r,
                           "{\"type\":\"message.updated\",\"ver\":10,\"message\":{\"seq\":2,"
                           "\"ver\":10,\"user\":\"u2\",\"at\":2000,\"text\":\"edited\"}}"),
                     ROOM_IS_WHOLE);

    assert_int_equal(r->n, 1);
    assert_int_equal(r->ver, 10);
}

static void what_is_sent_stands_last_until_it_has_a_number(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_non_null(room_send(&w->model, r, "c1", "mine", 0, 5000));
    assert_int_equal(event(w, r,
                           "{\"type\":\"message.created\",\"ver\":4,\"message\":{\"seq\":3,"
                           "\"ver\":4,\"user\":\"u2\",\"at\":3000,\"text\":\"theirs\"}}"),
                     ROOM_IS_WHOLE);
    assert_string_equal(r->messages[3].text, "mine");
    assert_int_equal(r->messages[3].state, MESSAGE_SENDING);

    struct chat_object answer = said(w, "{\"seq\":4,\"ver\":5,\"at\":5001}");
    assert_int_equal(room_sent(r, STR("c1"), &answer), 0);

    assert_int_equal(r->n, 4);
    assert_int_equal(r->messages[3].seq, 4);
    assert_int_equal(r->messages[3].state, MESSAGE_SENT);
}

static void an_event_that_is_faster_than_the_answer_is_the_same_message(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_non_null(room_send(&w->model, r, "c1", "mine", 0, 5000));
    assert_int_equal(event(w, r,
                           "{\"type\":\"message.created\",\"ver\":4,\"message\":{\"seq\":3,"
                           "\"ver\":4,\"user\":\"u1\",\"at\":5001,\"text\":\"mine\","
                           "\"client_id\":\"c1\"}}"),
                     ROOM_IS_WHOLE);
    struct chat_object answer = said(w, "{\"seq\":3,\"ver\":4,\"at\":5001}");
    assert_int_equal(room_sent(r, STR("c1"), &answer), 0);

    assert_int_equal(r->n, 3);
    assert_int_equal(r->messages[2].seq, 3);
}

static void an_event_without_the_id_and_the_answer_behind_it_are_one_message(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_non_null(room_send(&w->model, r, "c1", "mine", 0, 5000));
    assert_int_equal(event(w, r,
                           "{\"type\":\"message.created\",\"ver\":4,\"message\":{\"seq\":3,"
                           "\"ver\":4,\"user\":\"u1\",\"at\":5001,\"text\":\"mine\"}}"),
                     ROOM_IS_WHOLE);
    struct chat_object answer = said(w, "{\"seq\":3,\"ver\":4,\"at\":5001}");
    assert_int_equal(room_sent(r, STR("c1"), &answer), 0);

    assert_int_equal(r->n, 3);
}

static void what_failed_can_be_put_away(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_non_null(room_send(&w->model, r, "c1", "mine", 0, 5000));
    room_send_failed(r, STR("c1"), STR("muted"));
    assert_int_equal(r->messages[2].state, MESSAGE_FAILED);
    assert_string_equal(r->messages[2].why, "muted");

    room_discard(r, 2);
    assert_int_equal(r->n, 2);
    room_discard(r, 1); /* this one was sent */
    assert_int_equal(r->n, 2);
}

static void what_is_being_sent_outlives_opening_anew(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_non_null(room_send(&w->model, r, "c1", "mine", 0, 5000));
    struct chat_object reset = said(w, "{\"reset\":true,\"ver\":900}");
    assert_int_equal(room_synced(&w->model, r, &reset), ROOM_OPEN_ANEW);
    struct chat_object page =
            said(w, "{\"room\":{\"id\":\"r1\",\"ver\":900,\"last_seq\":8},\"messages\":"
                    "[{\"seq\":8,\"ver\":900,\"user\":\"u2\",\"at\":2000,\"text\":\"eight\"}]}");
    assert_int_equal(room_open(&w->model, r, &page), 0);

    assert_int_equal(r->n, 2);
    assert_int_equal(r->messages[0].seq, 8);
    assert_string_equal(r->messages[1].text, "mine");
}

static void reactions_leave_files_alone(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_int_equal(
            event(w, r,
                  "{\"type\":\"message.created\",\"ver\":4,\"message\":{\"seq\":3,\"ver\":4,"
                  "\"user\":\"u2\",\"at\":1,\"text\":\"see\",\"attachments\":[{\"id\":\"f1\","
                  "\"name\":\"a.png\",\"size\":2048}]}}"),
            ROOM_IS_WHOLE);
    assert_int_equal(event(w, r,
                           "{\"type\":\"reaction.added\",\"ver\":5,\"seq\":3,\"emoji\":\"+\","
                           "\"user\":\"u1\",\"reactions\":[{\"emoji\":\"+\",\"n\":1}]}"),
                     ROOM_IS_WHOLE);

    assert_string_equal(r->messages[2].files, "a.png (2 KiB, /files/f1)");
    assert_string_equal(r->messages[2].reactions, "+ 1");
    assert_int_equal(event(w, r,
                           "{\"type\":\"reaction.removed\",\"ver\":6,\"seq\":3,\"emoji\":"
                           "\"+\",\"user\":\"u1\",\"reactions\":[]}"),
                     ROOM_IS_WHOLE);
    assert_null(r->messages[2].reactions);
}

static void who_types_is_forgotten_in_time_and_by_a_message(void **state) {
    struct world *w = *state;
    struct room *r = open_general(w);

    assert_int_equal(event(w, r, "{\"type\":\"typing.started\",\"user\":\"u2\"}"), 0);
    assert_int_equal(event(w, r, "{\"type\":\"typing.started\",\"user\":\"u1\"}"), 0); /* myself */
    assert_non_null(r->typing[0].user);
    assert_null(r->typing[1].user);
    assert_false(room_forget_typing(r, MODEL_TYPING_MS - 1));
    assert_true(room_forget_typing(r, MODEL_TYPING_MS));
    assert_null(r->typing[0].user);

    assert_int_equal(event(w, r, "{\"type\":\"typing.started\",\"user\":\"u2\"}"), 0);
    assert_int_equal(event(w, r,
                           "{\"type\":\"message.created\",\"ver\":4,\"message\":{\"seq\":3,"
                           "\"ver\":4,\"user\":\"u2\",\"at\":1,\"text\":\"done\"}}"),
                     0);
    assert_null(r->typing[0].user);
}

static const char *const many_rooms =
        "{\"me\":{\"id\":\"u1\",\"login\":\"anna\",\"name\":\"Anna\"},\"users\":["
        "{\"id\":\"u2\",\"login\":\"ben\",\"name\":\"Ben\"}],\"rooms\":["
        "{\"id\":\"r4\",\"kind\":\"direct\",\"peer\":{\"id\":\"u2\",\"login\":\"ben\",\"name\":"
        "\"Ben\"},"
        "\"role\":\"member\",\"last_seq\":4,\"read_seq\":2,\"unread\":2,\"mentions\":0},"
        "{\"id\":\"r2\",\"kind\":\"public\",\"name\":\"garden\",\"role\":\"member\",\"last_seq\":9,"
        "\"read_seq\":1,\"unread\":8,\"mentions\":1},"
        "{\"id\":\"r1\",\"kind\":\"public\",\"name\":\"general\",\"role\":\"member\",\"last_seq\":"
        "3,"
        "\"read_seq\":1,\"unread\":2,\"mentions\":0},"
        "{\"id\":\"r3\",\"kind\":\"private\",\"name\":\"quiet\",\"role\":\"member\",\"unread\":7,"
        "\"mentions\":0,\"notify\":\"none\"}]}";

static void the_next_room_is_the_one_that_wants_it_most(void **state) {
    struct world *w = *state;
    sync_with(w, many_rooms);
    struct room *general = model_room(&w->model, STR("r1")),
                *garden = model_room(&w->model, STR("r2")), *ben = model_room(&w->model, STR("r4"));

    assert_ptr_equal(w->model.rooms[0], garden); /* by name, those of two last */
    assert_ptr_equal(w->model.rooms[3], ben);
    assert_ptr_equal(model_next_active(&w->model, NULL), garden);
    assert_ptr_equal(model_next_active(&w->model, garden), ben);
    garden->unread = garden->mentions = ben->unread = 0;
    assert_ptr_equal(model_next_active(&w->model, ben), general);
    general->unread = 0;
    assert_null(model_next_active(&w->model, ben)); /* quiet is muted */
}

static const char rooms_alike[] =
        "{\"me\":{\"id\":\"u0\",\"name\":\"Me\"},\"rooms\":["
        "{\"id\":\"r1\",\"kind\":\"private\",\"name\":\"ops\",\"role\":\"member\"},"
        "{\"id\":\"r2\",\"kind\":\"direct\",\"name\":\"\",\"peer\":{\"id\":\"u1\",\"login\":"
        "\"eve\","
        "\"name\":\"ops\"},\"role\":\"member\"},"
        "{\"id\":\"r3\",\"kind\":\"public\",\"name\":\"eve\",\"role\":\"member\"},"
        "{\"id\":\"r4\",\"kind\":\"public\",\"name\":\"news\",\"role\":\"member\"},"
        "{\"id\":\"r5\",\"kind\":\"public\",\"name\":\"News\",\"role\":\"member\"},"
        "{\"id\":\"r6\",\"kind\":\"public\",\"name\":\"r4\",\"role\":\"member\"}]}";

static void nothing_goes_to_what_is_only_called_the_same(void **state) {
    struct world *w = *state;
    sync_with(w, rooms_alike);

    assert_string_equal(model_find_room(&w->model, STR("ops"))->id,
                        "r1");                           /* not who is called so */
    assert_null(model_find_room(&w->model, STR("eve"))); /* somebody's login, and a room */
    assert_string_equal(model_find_room(&w->model, STR("@eve"))->id, "r2");
    assert_string_equal(model_find_room(&w->model, STR("#eve"))->id, "r3");
    assert_null(model_find_room(&w->model, STR("news"))); /* which? */
    assert_string_equal(model_find_room(&w->model, STR("r4"))->id, "r4");
    assert_string_equal(model_find_room(&w->model, STR("#r4"))->id, "r6");
}

static void rooms_are_found_by_beginnings_that_are_no_others(void **state) {
    struct world *w = *state;
    sync_with(w, many_rooms);

    assert_null(model_find_room(&w->model, STR("g")));
    assert_string_equal(model_find_room(&w->model, STR("gen"))->id, "r1");
    assert_string_equal(model_find_room(&w->model, STR("#garden"))->id, "r2");
    assert_string_equal(model_find_room(&w->model, STR("@ben"))->id, "r4");
    assert_null(model_find_room(&w->model, STR("@gen")));
    assert_null(model_find_room(&w->model, STR("#ben")));
    assert_null(model_find_room(&w->model, STR("")));
}

static void unread_counts_are_the_servers(void **state) {
    struct world *w = *state;
    const struct room *gone;
    sync_with(w, many_rooms);

    struct chat_object o = said(w, "{\"type\":\"unread.changed\",\"room\":\"r2\",\"last_seq\":9,"
                                   "\"read_seq\":9,\"unread\":0,\"mentions\":0}");
    assert_int_equal(model_event(&w->model, &o, &gone), 0);
    assert_int_equal(model_room(&w->model, STR("r2"))->unread, 0);

    struct chat_object r = said(w, "{\"type\":\"room.removed\",\"room\":\"r2\"}");
    assert_int_equal(model_event(&w->model, &r, &gone), 1);
    assert_non_null(gone);
    assert_null(model_room(&w->model, STR("r2")));
}

static void what_is_no_such_json_is_refused(void **state) {
    struct world *w = *state;
    struct chat_object o;

    assert_int_not_equal(chat_object_decode(str_bytes(STR("[]")), &w->arena, &o), 0);
    assert_int_not_equal(chat_object_decode(str_bytes(STR("{\"seq\":\"x\"}")), &w->arena, &o), 0);
    assert_int_not_equal(chat_object_decode(str_bytes(STR("{} ?")), &w->arena, &o), 0);
    assert_int_equal(
            chat_object_decode(str_bytes(STR("{\"later\":[{}],\"seq\":2}")), &w->arena, &o), 0);
    assert_int_equal(o.seq, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_event_that_follows_is_applied),
        TEST(an_event_behind_a_hole_is_asked_for),
        TEST(what_is_there_already_changes_nothing),
        TEST(what_lies_before_the_timeline_leaves_no_hole_in_it),
        TEST(what_is_sent_stands_last_until_it_has_a_number),
        TEST(an_event_that_is_faster_than_the_answer_is_the_same_message),
        TEST(an_event_without_the_id_and_the_answer_behind_it_are_one_message),
        TEST(what_failed_can_be_put_away),
        TEST(what_is_being_sent_outlives_opening_anew),
        TEST(reactions_leave_files_alone),
        TEST(who_types_is_forgotten_in_time_and_by_a_message),
        TEST(the_next_room_is_the_one_that_wants_it_most),
        TEST(rooms_are_found_by_beginnings_that_are_no_others),
        TEST(nothing_goes_to_what_is_only_called_the_same),
        TEST(unread_counts_are_the_servers),
        TEST(what_is_no_such_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
