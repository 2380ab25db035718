/* Copies and exports: what comes back is what was there. */
#include "storage/chat/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/buffer.h"
#include "storage/chat/attachment.h"
#include "storage/chat/moderation.h"
#include "storage/chat/pin.h"
#include "storage/chat/query.h"
#include "storage/chat/reaction.h"
#include "storage/chat/search.h"
#include "storage/chat/transfer.h"
#include "storage/sqlite/database.h"
#include "tests/unit/storage/chat_scene.h"

static char files[96], other[96], copy[96], den[CHAT_ID_MAX + 1], picture[CHAT_ID_MAX + 1];
static char why[TRANSFER_WHY_MAX];

static void upload(struct chat_scene *s, const char *user, const char *content, char *ret) {
    struct chat_upload u = { .name = STR("Bild 1.png"),
                             .type = STR("image/png"),
                             .size = strlen(content),
                             .width = 4,
                             .height = 3 };
    struct chat_blob_writer *w;
    struct chat_attachment made;
    assert_int_equal(chat_blob_begin(files, &w), 0);
    assert_int_equal(chat_blob_append(w, str_bytes(str_of(content))), 0);
    assert_int_equal(chat_blob_commit(w, &u.file), 0);
    chat_blob_end(w);
    struct chat_actor by = scene_actor(s, user);
    assert_int_equal(chat_attachment_add(&s->tx, &by, &u, files, &made), 0);
    memcpy(ret, made.id.data, made.id.len);
    ret[made.id.len] = 0;
}

/* A bit of everything. */
static void populate(struct chat_scene *s) {
    char hall[CHAT_ID_MAX + 1];
    struct chat_reactions reactions;
    struct chat_change change;
    struct chat_room room;
    struct chat_message m;
    bool is_new;

    (void) scene_user(s, "ann", CHAT_OWNER);
    (void) scene_user(s, "bob", CHAT_MEMBER);
    (void) scene_user(s, "cat", CHAT_GUEST);
    assert_int_equal(RUN(&s->tx,
                         "UPDATE user SET login = 'ann', password = '$argon2id$x'"
                         " WHERE id = ?1",
                         TEXT(STR("ann"))),
                     0);
    assert_int_equal(
            RUN(&s->tx, "INSERT INTO setting VALUES ('name', ?1)", TEXT(STR("Team \"1\""))), 0);
    scene_room(s, "ann", CHAT_ROOM_PRIVATE, "den", den);
    scene_room(s, "ann", CHAT_ROOM_PUBLIC, "hall ☕", hall);
    scene_join(s, den, "ann", "bob");
    scene_join(s, den, "ann", "cat");
    struct chat_actor bob = scene_actor(s, "bob");
    struct str ann_id = STR("ann");
    struct chat_room_new direct = { .kind = CHAT_ROOM_DIRECT, .users = &ann_id, .users_n = 1 };
    assert_int_equal(chat_room_create(&s->tx, &bob, &direct, &room, &is_new), 0);

    s->tx.now_ms += 1000;
    (void) scene_send(s, "ann", den, "first\nwith \"quotes\" and 上海", NULL);
    (void) scene_send(s, "bob", den, "@ann second https://example.org", NULL);
    (void) scene_send(s, "bob", den, "to be edited", NULL);
    (void) scene_send(s, "bob", den, "to be deleted", NULL);
    (void) scene_send(s, "ann", hall, "@all welcome", NULL);
    scene_edit(s, "bob", den, 3, "edited needle");
    scene_edit(s, "bob", den, 3, "edited needle twice");
    scene_delete(s, "bob", den, 4);
    upload(s, "bob", "a picture", picture);
    (void) scene_send(s, "bob", den, "", picture);
    upload(s, "ann", "not sent yet", picture);

    bob = scene_actor(s, "bob");
    struct chat_send send = { .room = str_of(den),
                              .client_id = STR("c-1"),
                              .text = STR("reply"),
                              .reply_to = 1,
                              .meta = str_bytes(
                                      STR("{\"k\":[1,null],\"n\":null,\"o\":{\"p\":null}}")) };
    assert_int_equal(chat_message_send(&s->tx, &bob, &send, &m, &is_new), 0);
    assert_int_equal(chat_reaction_add(&s->tx, &bob, str_of(den), 1, STR("👍"), &reactions, &change),
                     0);
    struct chat_actor ann = scene_actor(s, "ann");
    assert_int_equal(chat_pin_add(&s->tx, &ann, str_of(den), 1, &change), 0);
    assert_int_equal(chat_ban(&s->tx, &ann, str_of(den), STR("cat"), 0, STR("spam"), &change), 0);
}

static int set_up(void **state) {
    int r = chat_scene_setup(state);
    if (r != 0)
        return r;
    struct chat_scene *s = *state;
    (void) snprintf(files, sizeof files, "%s/files", s->dir);
    (void) snprintf(other, sizeof other, "%s/other", s->dir);
    (void) snprintf(copy, sizeof copy, "%s/copy", s->dir);
    r = chat_blob_open_dir(files);
    if (r == 0)
        populate(s);
    return r;
}

/* ---- lines ---- */

struct lines {
    struct buffer text;
    size_t at;
};

static int put_line(void *arg, struct str line) {
    struct lines *l = arg;
    assert_null(memchr(line.data, '\n', line.len));
    buffer_append_str(&l->text, line);
    buffer_append_byte(&l->text, '\n');
    return 0;
}

static int take_line(void *arg, struct str *ret) {
    struct lines *l = arg;
    if (l->at == l->text.len)
        return 0;
    const uint8_t *from = l->text.data + l->at;
    size_t len = (size_t) ((const uint8_t *) memchr(from, '\n', l->text.len - l->at) - from);
    *ret = (struct str){ (const char *) from, len };
    l->at += len + 1;
    return 1;
}

static struct lines exported(const char *dir, bool has_secrets) {
    struct lines l = { .text = BUFFER_INIT };
    int r = transfer_export(dir, has_secrets, put_line, &l, why);
    if (r < 0)
        fail_msg("%s", why);
    return l;
}

static bool says(const struct lines *l, const char *what) {
    return memmem(l->text.data, l->text.len, what, strlen(what));
}

static int imported(const char *dir, struct lines *l, size_t *ret_lines) {
    return transfer_import(dir, take_line, l, ret_lines, why);
}

static void what_is_exported_and_imported_is_exported_as_the_same(void **state) {
    struct chat_scene *s = *state;
    struct lines before = exported(s->dir, true), after;
    size_t n;
    if (imported(other, &before, &n) < 0)
        fail_msg("%s", why);
    after = exported(other, true);
    buffer_append_byte(&before.text, 0);
    buffer_append_byte(&after.text, 0);
    assert_string_equal((const char *) before.text.data, (const char *) after.text.data);
    assert_true(says(&before, "\"reason\":\"spam\"") &&
                says(&before, "\"direct\":[\"ann\",\"bob\"]"));
    assert_true(says(&before, "\"text\":\"edited needle\"") && says(&before, "\"mentions_all\":1"));
    assert_true(says(&before, "\"meta\":{\"k\":[1,null],\"n\":null,\"o\":{\"p\":null}}}"));
    assert_true(says(&before, "\"emoji\":\"👍\""));
    assert_false(says(&before, "to be deleted"));
    buffer_finish(&before.text);
    buffer_finish(&after.text);
}

static void what_is_imported_is_searched_and_counted(void **state) {
    struct chat_scene *s = *state;
    struct lines l = exported(s->dir, false);
    struct chat_search_result found;
    struct chat_room room;
    char path[128];
    size_t n;
    assert_false(says(&l, "argon2id"));
    assert_int_equal(imported(other, &l, &n), 0);
    buffer_finish(&l.text);

    chat_work_finish(&s->work);
    connection_close(&s->connection);
    (void) snprintf(path, sizeof path, "%s/chat.db", other);
    assert_int_equal(connection_open(&s->connection, path, NULL, true), 0);
    struct chat_actor ann = scene_actor(s, "ann");
    assert_int_equal(chat_search(&s->tx, &ann, &(struct chat_search){ .q = STR("needle") }, &found),
                     0);
    assert_int_equal(found.n, 1);
    assert_int_equal(
            chat_search(&s->tx, &ann, &(struct chat_search){ .has = CHAT_HAS_FILE }, &found), 0);
    assert_int_equal(found.n, 1);
    assert_int_equal(
            chat_search(&s->tx, &ann, &(struct chat_search){ .has = CHAT_HAS_LINK }, &found), 0);
    assert_int_equal(found.n, 1);
    assert_int_equal(chat_room_get(&s->tx, &ann, str_of(den), CHAT_ACT_READ, &room), 0);
    assert_int_equal(room.pins_n, 1);
    assert_int_equal(room.members_n, 2);
    assert_int_equal(room.last_seq, 6);
    /* And it goes on. */
    assert_int_equal(scene_send(s, "ann", den, "needle again", NULL), 7);
}

static void a_line_that_is_none_imports_nothing(void **state) {
    struct chat_scene *s = *state;
    static const struct {
        const char *lines, *why;
    } bad[] = {
        { "", "line 1: this is no export of a chat, or of a newer version" },
        { "{\"type\":\"user\"}\n", "line 1: this is no export of a chat, or of a newer version" },
        { "{\"type\":\"chat\",\"format\":1}\n{\"type\":\"x\"}\n",
          "line 2: it has no type that is known" },
        { "{\"type\":\"chat\",\"format\":1}\nno JSON\n", "line 2: malformed JSON" },
        { "{\"type\":\"chat\",\"format\":1}\n{\"type\":\"user\",\"id\":\"a\"}\n",
          "line 2: NOT NULL constraint failed: user.name" },
        { "{\"type\":\"chat\",\"format\":1}\n{\"type\":\"user\",\"id\":\"a\",\"name\":\"A\","
          "\"role\":\"king\",\"created_at\":1}\n",
          "line 2: NOT NULL constraint failed: user.role" },
        { "{\"type\":\"chat\",\"format\":1}\n{\"type\":\"message\",\"room\":\"nosuch\",\"seq\":1,"
          "\"ver\":1,\"user\":\"a\",\"at\":1}\n",
          "line 2: NOT NULL constraint failed: message.room" },
    };
    size_t n;
    for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
        struct lines l = { .text = BUFFER_INIT };
        buffer_append_str(&l.text, str_of(bad[i].lines));
        assert_int_equal(imported(other, &l, &n), -EBADMSG);
        assert_string_equal(why, bad[i].why);
        buffer_finish(&l.text);
    }
    struct lines l = exported(s->dir, false);
    assert_int_equal(imported(other, &l, &n), 0); /* nothing was left by those */
    l.at = 0;
    assert_int_equal(imported(other, &l, &n), -EEXIST);
    buffer_finish(&l.text);
}

/* ---- copies ---- */

static struct backup_report made(struct chat_scene *s) {
    struct backup_report report;
    if (backup_make(s->dir, copy, &report, why) < 0)
        fail_msg("%s", why);
    return report;
}

static void a_copy_has_all_of_it_and_is_put_back(void **state) {
    struct chat_scene *s = *state;
    struct backup_report report = made(s), again;
    assert_int_equal(report.users, 3);
    assert_int_equal(report.rooms, 3);
    assert_int_equal(report.messages, 7);
    assert_int_equal(report.attachments, 2);
    assert_int_equal(report.files, 2);
    assert_int_equal(report.files_bytes, strlen("a picture") + strlen("not sent yet"));
    assert_int_equal(backup_verify(copy, &again, why), 0);
    assert_memory_equal(&report, &again, sizeof report);

    if (backup_restore(copy, other, false, &again, why) < 0)
        fail_msg("%s", why);
    struct lines before = exported(s->dir, true), after = exported(other, true);
    assert_true(bytes_equal(buffer_bytes(&before.text), buffer_bytes(&after.text)));
    buffer_finish(&before.text);
    buffer_finish(&after.text);
    /* A copy of what was put back is whole, too. */
    (void) snprintf(copy, sizeof copy, "%s/copy2", s->dir);
    assert_int_equal(backup_make(other, copy, &again, why), 0);
    assert_int_equal(again.files, 2);
}

static void what_goes_on_meanwhile_is_in_it_or_not_but_nothing_is_torn(void **state) {
    struct chat_scene *s = *state;
    char id[CHAT_ID_MAX + 1];
    assert_int_equal(database_run(s->connection.db, "BEGIN"), 0); /* a writer under way */
    (void) scene_send(s, "ann", den, "not committed", NULL);
    struct backup_report report = made(s);
    assert_int_equal(report.messages, 7);
    assert_int_equal(database_run(s->connection.db, "COMMIT"), 0);
    upload(s, "ann", "after the copy", id);
    assert_int_equal(backup_verify(copy, &report, why), 0);
}

static void damage_is_found(void **state) {
    struct chat_scene *s = *state;
    struct backup_report report = made(s);
    char path[256], command[512];

    (void) snprintf(command, sizeof command,
                    "for f in $(find %s/files -type f | head -1); do cp $f $f.new && printf x "
                    ">>$f.new && mv $f.new $f; done",
                    copy);
    assert_int_equal(system(command), 0);
    assert_int_equal(backup_verify(copy, &report, why), -EBADMSG);
    assert_non_null(strstr(why, "the file of attachment"));
    assert_int_equal(backup_restore(copy, other, false, &report, why), -EBADMSG);
    assert_int_equal(access(other, F_OK), -1);

    (void) snprintf(command, sizeof command, "rm -r %s/files/*", copy);
    assert_int_equal(system(command), 0);
    assert_int_equal(backup_verify(copy, &report, why), -ENOENT);

    (void) snprintf(path, sizeof path, "%s/chat.db", copy);
    int fd = open(path, O_WRONLY);
    char garbage[2000];
    memset(garbage, 0x5a, sizeof garbage);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, 3 * 4096 + 50), sizeof garbage);
    (void) close(fd);
    assert_true(backup_verify(copy, &report, why) < 0);

    (void) snprintf(path, sizeof path, "%s/manifest.json", copy);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(backup_verify(copy, &report, why), -ENOENT);
    assert_non_null(strstr(why, "is no copy"));
}

/* A command of the shell, in the copy's directory. */
static void in_copy(const char *what) {
    char command[512];
    (void) snprintf(command, sizeof command, "cd %s && %s", copy, what);
    assert_int_equal(system(command), 0);
}

static void change_copy(const char *sql) {
    char path[256];
    sqlite3 *db;
    (void) snprintf(path, sizeof path, "%s/chat.db", copy);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void other_files_than_were_copied_are_not_put_back(void **state) {
    struct chat_scene *s = *state;
    struct backup_report report = made(s);
    in_copy("mv chat.db away");
    assert_int_equal(backup_restore(copy, other, false, &report, why), -EBADMSG);
    assert_non_null(strstr(why, "its users are others than manifest.json says"));
    in_copy("printf x >chat.db");
    assert_true(backup_restore(copy, other, false, &report, why) < 0);
    in_copy("rm chat.db");
    change_copy("CREATE TABLE user(id)");
    assert_int_equal(backup_restore(copy, other, false, &report, why), -EBADMSG);
    assert_non_null(strstr(why, "is no database of a chat"));
    in_copy("cp away chat.db");
    change_copy("PRAGMA user_version = 1000");
    assert_int_equal(backup_restore(copy, other, false, &report, why), -EPROTONOSUPPORT);
    in_copy("cp away chat.db");
    change_copy("INSERT INTO user(id, name, role, created_at) VALUES ('eve', 'Eve', 4, 0)");
    assert_int_equal(backup_restore(copy, other, false, &report, why), -EBADMSG);
    assert_int_equal(access(other, F_OK), -1);
    in_copy("mv away chat.db");
    assert_int_equal(backup_restore(copy, other, false, &report, why), 0);
}

static void an_index_that_is_not_the_messages_is_found(void **state) {
    struct chat_scene *s = *state;
    struct backup_report report;
    assert_int_equal(
            RUN(&s->tx, "UPDATE message SET body = 'other words' WHERE seq = ?1", NUMBER(1)), 0);
    assert_true(backup_make(s->dir, copy, &report, why) < 0);
    assert_non_null(strstr(why, "the index of words is not that of the messages"));
    assert_int_equal(backup_verify(copy, &report, why), -ENOENT); /* it has no manifest */
}

static void what_is_there_is_not_overwritten(void **state) {
    struct chat_scene *s = *state;
    struct backup_report report = made(s);
    char path[256];
    assert_int_equal(backup_make(s->dir, copy, &report, why), -EEXIST);
    assert_int_equal(backup_restore(copy, other, false, &report, why), 0);
    assert_int_equal(backup_restore(copy, other, false, &report, why), -EEXIST);
    (void) snprintf(path, sizeof path, "%s/chat.accept", other);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void) close(fd);
    assert_int_equal(backup_restore(copy, other, true, &report, why), 0);
    (void) snprintf(path, sizeof path, "%s/before-restore.1/chat.db", other);
    assert_int_equal(access(path, F_OK), 0);
    /* What was said of that one goes with it. */
    (void) snprintf(path, sizeof path, "%s/before-restore.1/chat.accept", other);
    assert_int_equal(access(path, F_OK), 0);
    (void) snprintf(path, sizeof path, "%s/chat.accept", other);
    assert_int_equal(access(path, F_OK), -1);
    struct lines after = exported(other, true);
    assert_true(says(&after, "edited needle twice"));
    buffer_finish(&after.text);
}

static void a_directory_that_a_daemon_has_is_left_alone(void **state) {
    struct chat_scene *s = *state;
    struct backup_report report = made(s);
    char path[256];
    assert_int_equal(backup_restore(copy, other, false, &report, why), 0);
    (void) snprintf(path, sizeof path, "%s/chat.lock", other);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(backup_restore(copy, other, true, &report, why), -EBUSY);
    struct lines l = exported(s->dir, false);
    size_t n;
    assert_int_equal(imported(other, &l, &n), -EBUSY);
    buffer_finish(&l.text);
    (void) close(fd);
}

static void there_is_nothing_to_copy_where_nothing_is(void **state) {
    struct chat_scene *s = *state;
    struct backup_report report;
    char empty[128];
    (void) snprintf(empty, sizeof empty, "%s/nothing", s->dir);
    assert_int_equal(backup_make(empty, copy, &report, why), -ENOENT);
    assert_int_equal(backup_verify(empty, &report, why), -ENOENT);
    assert_int_equal(transfer_export(empty, false, put_line, NULL, why), -ENOENT);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, chat_scene_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCENE(what_is_exported_and_imported_is_exported_as_the_same),
        IN_SCENE(what_is_imported_is_searched_and_counted),
        IN_SCENE(a_line_that_is_none_imports_nothing),
        IN_SCENE(a_copy_has_all_of_it_and_is_put_back),
        IN_SCENE(what_goes_on_meanwhile_is_in_it_or_not_but_nothing_is_torn),
        IN_SCENE(damage_is_found),
        IN_SCENE(other_files_than_were_copied_are_not_put_back),
        IN_SCENE(an_index_that_is_not_the_messages_is_found),
        IN_SCENE(what_is_there_is_not_overwritten),
        IN_SCENE(a_directory_that_a_daemon_has_is_left_alone),
        IN_SCENE(there_is_nothing_to_copy_where_nothing_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
