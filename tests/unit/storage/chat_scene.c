#include "tests/unit/storage/chat_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/member.h"
#include "storage/chat/schema.h"
#include "storage/sqlite/database.h"

int chat_scene_setup(void **state) {
    char path[128];
    struct chat_scene *s = calloc(1, sizeof *s);
    (void) snprintf(s->dir, sizeof s->dir, "/tmp/parley-chat-XXXXXX");
    if (!mkdtemp(s->dir))
        return -1;
    (void) snprintf(path, sizeof path, "%s/chat.db", s->dir);
    s->limits = (struct chat_limits){ .text_max_bytes = 16384,
                                      .meta_max_bytes = 4096,
                                      .rooms_max_per_user = 10000,
                                      .members_max = 10000,
                                      .reactions_max = 50,
                                      .pins_max = 100,
                                      .page_max = 100,
                                      .attachments_max = 10,
                                      .mentions_max = 50,
                                      .revisions_max = 50,
                                      .users_max = 5000,
                                      .search_work_us = 3600000000 };
    s->work = CHAT_WORK(NULL);
    s->tx = (struct chat_tx){ .connection = &s->connection,
                              .work = &s->work,
                              .limits = &s->limits,
                              .epoch = "scene",
                              .now_ms = 1000000 };
    int r = connection_open(&s->connection, path, NULL, true);
    if (r == 0)
        r = database_run(s->connection.db, "PRAGMA synchronous = OFF"); /* nobody pulls a plug */
    if (r == 0)
        r = chat_schema_migrate(s->connection.db, "scene");
    *state = s;
    return r;
}

int chat_scene_teardown(void **state) {
    struct chat_scene *s = *state;
    char command[128];
    chat_work_finish(&s->work);
    arena_finish(&s->tx.own);
    connection_close(&s->connection);
    (void) snprintf(command, sizeof command, "rm -r %s", s->dir);
    free(s);
    return system(command);
}

struct chat_tx *scene_tx(struct chat_scene *s) {
    chat_work_finish(&s->work);
    s->work = CHAT_WORK(NULL);
    return &s->tx;
}

struct chat_actor scene_user(struct chat_scene *s, const char *id, enum chat_role role) {
    struct chat_user user;
    struct chat_user_new new = { .id = str_of(id), .name = str_of(id), .role = role };
    assert_int_equal(chat_user_add(scene_tx(s), &new, &user), 0);
    return scene_actor(s, id);
}

struct chat_actor scene_actor(struct chat_scene *s, const char *id) {
    struct chat_actor actor;
    assert_int_equal(chat_actor_load(scene_tx(s), str_of(id), &actor), 0);
    return actor;
}

void scene_room(struct chat_scene *s, const char *owner, enum chat_room_kind kind, const char *name,
                char *ret) {
    struct chat_actor by = scene_actor(s, owner);
    struct chat_room_new new = { .kind = kind, .name = str_of(name) };
    struct chat_room room;
    bool is_new;
    assert_int_equal(chat_room_create(&s->tx, &by, &new, &room, &is_new), 0);
    memcpy(ret, room.id.data, room.id.len);
    ret[room.id.len] = 0;
}

void scene_join(struct chat_scene *s, const char *room, const char *owner, const char *user) {
    struct chat_actor by = scene_actor(s, owner);
    struct chat_member member;
    struct chat_change change;
    assert_int_equal(chat_member_add(&s->tx, &by, str_of(room), str_of(user), &member, &change), 0);
}

uint64_t scene_send(struct chat_scene *s, const char *user, const char *room, const char *text,
                    const char *attachment) {
    struct chat_actor by = scene_actor(s, user);
    struct str id = str_of(attachment);
    struct chat_send send = { .room = str_of(room),
                              .text = str_of(text),
                              .attachments = &id,
                              .attachments_n = attachment ? 1 : 0 };
    struct chat_message m;
    bool is_duplicate;
    assert_int_equal(chat_message_send(&s->tx, &by, &send, &m, &is_duplicate), 0);
    return m.seq;
}

void scene_edit(struct chat_scene *s, const char *user, const char *room, uint64_t seq,
                const char *text) {
    struct chat_actor by = scene_actor(s, user);
    struct chat_message m;
    struct chat_change change;
    assert_int_equal(
            chat_message_edit(&s->tx, &by, str_of(room), seq, str_of(text), 0, &m, &change), 0);
}

void scene_delete(struct chat_scene *s, const char *user, const char *room, uint64_t seq) {
    struct chat_actor by = scene_actor(s, user);
    struct chat_message m;
    struct chat_change change;
    assert_int_equal(chat_message_delete(&s->tx, &by, str_of(room), seq, STR(""), &m, &change), 0);
}
