#include "storage/chat/attachment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/query.h"
#include "tests/unit/storage/chat_scene.h"

static char dir[96], den[CHAT_ID_MAX + 1], hall[CHAT_ID_MAX + 1];

static int set_up(void **state) {
    int r = chat_scene_setup(state);
    if (r != 0)
        return r;
    struct chat_scene *s = *state;
    (void) snprintf(dir, sizeof dir, "%s/files", s->dir);
    (void) scene_user(s, "ann", CHAT_OWNER);
    (void) scene_user(s, "bob", CHAT_MEMBER);
    (void) scene_user(s, "cat", CHAT_MEMBER);
    (void) scene_user(s, "dan", CHAT_GUEST);
    scene_room(s, "ann", CHAT_ROOM_PRIVATE, "den", den);
    scene_room(s, "ann", CHAT_ROOM_PUBLIC, "hall", hall);
    scene_join(s, den, "ann", "bob");
    return chat_blob_open_dir(dir);
}

static struct chat_blob_id put(const char *content) {
    struct chat_blob_writer *w;
    struct chat_blob_id id;
    assert_int_equal(chat_blob_begin(dir, &w), 0);
    assert_int_equal(chat_blob_append(w, str_bytes(str_of(content))), 0);
    assert_int_equal(chat_blob_commit(w, &id), 0);
    chat_blob_end(w);
    return id;
}

static struct chat_upload upload_of(const char *content, const char *name) {
    return (struct chat_upload){ .name = str_of(name),
                                 .type = STR("text/plain"),
                                 .size = strlen(content),
                                 .file = put(content) };
}

/* ret: its id. */
static void upload(struct chat_scene *s, const char *user, const char *content, char *ret) {
    struct chat_upload u = upload_of(content, "notes.txt");
    struct chat_actor by = scene_actor(s, user);
    struct chat_attachment made;
    assert_int_equal(chat_attachment_add(&s->tx, &by, &u, dir, &made), 0);
    memcpy(ret, made.id.data, made.id.len);
    ret[made.id.len] = 0;
}

static int get(struct chat_scene *s, const char *user, const char *id) {
    struct chat_actor by = scene_actor(s, user);
    struct chat_attachment found;
    struct chat_blob_id file;
    return chat_attachment_get(&s->tx, &by, str_of(id), &found, &file);
}

static struct chat_purged purge(struct chat_scene *s) {
    struct chat_purged purged;
    assert_int_equal(chat_attachment_purge(scene_tx(s), dir, 100, &purged), 0);
    return purged;
}

static void one_that_is_not_sent_is_its_uploaders(void **state) {
    char id[CHAT_ID_MAX + 1];
    upload(*state, "bob", "draft", id);
    assert_int_equal(get(*state, "bob", id), 0);
    assert_int_equal(get(*state, "ann", id), CHAT_NOT_FOUND);
    assert_int_equal(get(*state, "cat", id), CHAT_NOT_FOUND);
}

static void one_that_is_sent_is_for_who_may_see_the_message(void **state) {
    struct chat_scene *s = *state;
    char id[CHAT_ID_MAX + 1];
    upload(s, "bob", "plan", id);
    (void) scene_send(s, "bob", den, "", id);
    assert_int_equal(get(s, "ann", id), 0);
    assert_int_equal(get(s, "cat", id), CHAT_NOT_FOUND);
    upload(s, "ann", "flyer", id);
    (void) scene_send(s, "ann", hall, "look", id);
    assert_int_equal(get(s, "cat", id), 0);              /* a public room */
    assert_int_equal(get(s, "dan", id), CHAT_NOT_FOUND); /* guests see none but theirs */
    assert_int_equal(get(s, "ann", "nosuch"), CHAT_NOT_FOUND);
    assert_int_equal(get(s, "ann", "../../chat.db"), CHAT_NOT_FOUND);
}

static int set_avatar(struct chat_scene *s, const char *who, const char *id) {
    struct chat_actor by = scene_actor(s, who);
    struct str avatar = str_of(id);
    struct chat_user user;
    return chat_user_update(&s->tx, &by, &(struct chat_user_change){ .avatar = &avatar }, &user);
}

static void upload_picture(struct chat_scene *s, const char *user, uint64_t size, char *ret) {
    struct chat_upload u = upload_of("face", "face.png");
    u.type = STR("image/png");
    u.size = size;
    struct chat_actor by = scene_actor(s, user);
    struct chat_attachment made;
    assert_int_equal(chat_attachment_add(&s->tx, &by, &u, dir, &made), 0);
    memcpy(ret, made.id.data, made.id.len);
    ret[made.id.len] = 0;
}

static void somebodys_picture_is_their_own_and_a_picture(void **state) {
    struct chat_scene *s = *state;
    char id[CHAT_ID_MAX + 1];
    upload_picture(s, "ann", 4, id);
    assert_int_equal(set_avatar(s, "bob", id), CHAT_BAD_REQUEST); /* another's */
    assert_int_equal(get(s, "dan", id), CHAT_NOT_FOUND);
    (void) scene_send(s, "ann", den, "", id);
    assert_int_equal(set_avatar(s, "ann", id), CHAT_BAD_REQUEST); /* in a room's message */
    upload(s, "bob", "no picture", id);
    assert_int_equal(set_avatar(s, "bob", id), CHAT_BAD_REQUEST);
    assert_int_equal(set_avatar(s, "bob", "nosuch"), CHAT_BAD_REQUEST);
    upload_picture(s, "bob", CHAT_AVATAR_MAX_BYTES + 1, id);
    assert_int_equal(set_avatar(s, "bob", id), CHAT_TOO_LONG);
    upload_picture(s, "bob", CHAT_AVATAR_MAX_BYTES, id);
    assert_int_equal(set_avatar(s, "bob", id), 0);
    assert_int_equal(set_avatar(s, "bob", ""), 0);
    assert_int_equal(get(s, "dan", id), CHAT_NOT_FOUND);
}

static void somebodys_picture_is_for_all(void **state) {
    struct chat_scene *s = *state;
    char id[CHAT_ID_MAX + 1];
    upload_picture(s, "bob", 4, id);
    assert_int_equal(set_avatar(s, "bob", id), 0);
    assert_int_equal(get(s, "dan", id), 0);
    s->tx.now_ms += CHAT_UNSENT_MS + 1;
    assert_int_equal(purge(s).unsent, 0);
    assert_int_equal(get(s, "dan", id), 0);
}

static void what_others_call_their_picture_opens_nothing(void **state) {
    struct chat_scene *s = *state;
    char id[CHAT_ID_MAX + 1];
    upload(s, "ann", "plan", id);
    (void) scene_send(s, "ann", den, "secret", id);
    struct str avatar = str_of(id);
    assert_int_equal(chat_run(&s->tx, "UPDATE user SET avatar = ?1 WHERE id = 'cat'",
                              SQL_VALUES(TEXT(avatar))),
                     0);
    assert_int_equal(get(s, "cat", id), CHAT_NOT_FOUND);
    char draft[CHAT_ID_MAX + 1];
    upload(s, "bob", "draft", draft);
    assert_int_equal(chat_run(&s->tx, "UPDATE user SET avatar = ?1 WHERE id = 'cat'",
                              SQL_VALUES(TEXT(str_of(draft)))),
                     0);
    assert_int_equal(get(s, "cat", draft), CHAT_NOT_FOUND);
    s->tx.now_ms += CHAT_UNSENT_MS + 1;
    assert_int_equal(purge(s).unsent, 1); /* nobody else's picture keeps it */
}

static void what_it_is_called_is_no_path_and_no_header(void **state) {
    struct chat_scene *s = *state;
    static const char *const bad[] = { "",
                                       ".",
                                       "..",
                                       "a/b",
                                       "a\\b",
                                       "a\nb",
                                       "a\x7f",
                                       "\xff\xfe.txt",
                                       "\xe2\x80\xaegpj.exe",
                                       "a\xc2\x9b.txt" };
    struct chat_actor by = scene_actor(s, "ann");
    for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
        struct chat_upload u = upload_of("x", bad[i]);
        assert_int_equal(chat_attachment_allow(&s->tx, &by, &u, 0), CHAT_BAD_REQUEST);
        assert_string_equal(s->work.refusal.field, "name");
    }
    static const char *const bad_types[] = { "", "text", "/", "text/", "text/a b", "a/b\r\nX: y" };
    for (size_t i = 0; i < ELEMENTS_OF(bad_types); i++) {
        struct chat_upload u = upload_of("x", "x");
        u.type = str_of(bad_types[i]);
        assert_int_equal(chat_attachment_allow(&s->tx, &by, &u, 0), CHAT_BAD_REQUEST);
        assert_string_equal(s->work.refusal.field, "type");
    }
    struct chat_upload u = upload_of("x", "Rechnung für Ärzte — 2026 (final).pdf");
    assert_int_equal(chat_attachment_allow(&s->tx, &by, &u, 0), 0);
}

static void a_file_that_went_meanwhile_is_noticed(void **state) {
    struct chat_scene *s = *state;
    struct chat_upload u = upload_of("gone", "x");
    struct chat_actor by = scene_actor(s, "ann");
    struct chat_attachment made;
    assert_int_equal(chat_blob_remove(dir, &u.file), 0);
    assert_int_equal(chat_attachment_add(&s->tx, &by, &u, dir, &made), -ESTALE);
    u.file = put("gone");
    assert_int_equal(chat_attachment_add(&s->tx, &by, &u, dir, &made), 0);
}

static void what_no_message_names_within_a_day_goes(void **state) {
    struct chat_scene *s = *state;
    char sent[CHAT_ID_MAX + 1], unsent[CHAT_ID_MAX + 1];
    bool is_due;
    upload(s, "bob", "sent", sent);
    upload(s, "bob", "unsent", unsent);
    (void) scene_send(s, "bob", den, "", sent);
    struct chat_blob_id sent_file = put("sent"), unsent_file = put("unsent");

    s->tx.now_ms += CHAT_UNSENT_MS;
    assert_int_equal(chat_attachment_is_due(scene_tx(s), &is_due), 0);
    assert_false(is_due);
    assert_int_equal(purge(s).unsent, 0);
    s->tx.now_ms++;
    assert_int_equal(chat_attachment_is_due(scene_tx(s), &is_due), 0);
    assert_true(is_due);
    struct chat_purged purged = purge(s);
    assert_int_equal(purged.unsent, 1);
    assert_int_equal(purged.files, 1);
    assert_int_equal(get(s, "bob", unsent), CHAT_NOT_FOUND);
    assert_false(chat_blob_exists(dir, &unsent_file));
    assert_int_equal(get(s, "bob", sent), 0);
    assert_true(chat_blob_exists(dir, &sent_file));
    assert_int_equal(chat_attachment_is_due(scene_tx(s), &is_due), 0);
    assert_false(is_due);
}

static void a_file_goes_with_the_last_message_that_has_it(void **state) {
    struct chat_scene *s = *state;
    char one[CHAT_ID_MAX + 1], other[CHAT_ID_MAX + 1];
    upload(s, "ann", "shared", one);
    upload(s, "bob", "shared", other);
    struct chat_blob_id file = put("shared");
    uint64_t first = scene_send(s, "ann", den, "", one),
             second = scene_send(s, "bob", den, "", other);

    scene_delete(s, "ann", den, first);
    assert_int_equal(get(s, "ann", one), CHAT_NOT_FOUND);
    assert_int_equal(purge(s).files, 0);
    assert_true(chat_blob_exists(dir, &file));
    assert_int_equal(get(s, "ann", other), 0);

    scene_delete(s, "bob", den, second);
    assert_int_equal(purge(s).files, 1);
    assert_false(chat_blob_exists(dir, &file));
}

static void what_a_crash_left_goes_and_nothing_else(void **state) {
    struct chat_scene *s = *state;
    char id[CHAT_ID_MAX + 1];
    upload(s, "ann", "kept", id);
    struct chat_blob_id kept = put("kept"), orphan = put("orphan");
    assert_int_equal(chat_attachment_found(scene_tx(s), &kept), 0);
    assert_int_equal(chat_attachment_found(scene_tx(s), &orphan), 0);
    assert_int_equal(purge(s).files, 1);
    assert_true(chat_blob_exists(dir, &kept));
    assert_false(chat_blob_exists(dir, &orphan));
}

static int allow(struct chat_scene *s, uint64_t size, uint64_t files_max_bytes) {
    struct chat_actor by = scene_actor(s, "ann");
    struct chat_upload u = { .name = STR("x"), .type = STR("a/b"), .size = size };
    return chat_attachment_allow(&s->tx, &by, &u, files_max_bytes);
}

static void there_is_only_so_much_room(void **state) {
    struct chat_scene *s = *state;
    char id[CHAT_ID_MAX + 1];
    upload(s, "ann", "12345", id);
    assert_int_equal(allow(s, 5, 10), 0);
    assert_int_equal(allow(s, 6, 10), CHAT_TOO_LONG);
    assert_int_equal(allow(s, 6, 0), 0);
    for (int i = 1; i < CHAT_UNSENT_MAX; i++)
        upload(s, "ann", "12345", id);
    assert_int_equal(allow(s, 1, 0), CHAT_CONFLICT);
    (void) scene_send(s, "ann", den, "", id);
    assert_int_equal(allow(s, 1, 0), 0);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, chat_scene_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCENE(one_that_is_not_sent_is_its_uploaders),
        IN_SCENE(one_that_is_sent_is_for_who_may_see_the_message),
        IN_SCENE(somebodys_picture_is_their_own_and_a_picture),
        IN_SCENE(somebodys_picture_is_for_all),
        IN_SCENE(what_it_is_called_is_no_path_and_no_header),
        IN_SCENE(what_others_call_their_picture_opens_nothing),
        IN_SCENE(a_file_that_went_meanwhile_is_noticed),
        IN_SCENE(what_no_message_names_within_a_day_goes),
        IN_SCENE(a_file_goes_with_the_last_message_that_has_it),
        IN_SCENE(what_a_crash_left_goes_and_nothing_else),
        IN_SCENE(there_is_only_so_much_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
