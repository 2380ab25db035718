#include "tests/unit/chat/scene.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/chat/schema.h"
#include "storage/chat/user.h"
#include "storage/sqlite/database.h"

static void must(bool is_so, const char *what, int r) {
    if (is_so)
        return;
    (void) fprintf(stderr, "scene: %s: %d\n", what, r);
    abort();
}

static void open_on(struct scene *s, const char *path, const char *vfs) {
    int r = connection_open(&s->connection, path, vfs, true);
    if (r == 0)
        r = chat_schema_migrate(s->connection.db, "abcdefghij");
    must(r == 0, "open", r);
}

struct scene *scene_new_on(const char *path, const char *vfs) {
    struct scene *s = calloc(1, sizeof *s);
    must(s, "memory", 0);
    open_on(s, path, vfs);
    chat_limits_default(&s->limits);
    chat_outbox_init(&s->outbox, 0);
    s->tx = (struct chat_tx){ .connection = &s->connection,
                              .work = &s->work,
                              .limits = &s->limits,
                              .epoch = "abcdefghij",
                              .outbox = &s->outbox,
                              .now_ms = 1000000 };
    return s;
}

struct scene *scene_new(void) {
    return scene_new_on(":memory:", NULL);
}

void scene_forget(struct scene *s) {
    chat_work_finish(&s->work);
}

void scene_reopen(struct scene *s, const char *path, const char *vfs) {
    connection_close(&s->connection);
    open_on(s, path, vfs);
}

/* Whole tables are read only where that is what was asked for, or where they are small. */
static bool may_scan(const char *detail) {
    static const char *const allowed[] = {
        "SCAN r",    /* retention: rooms */
        "SCAN a",    /* the log, by its id */
        "SCAN user", /* is there another owner? */
        "SCAN i",    /* all invites, for admins */
        "SCAN setting", "SCAN r USING INDEX room_public", "SCAN u USING INDEX user_name",
    };
    for (size_t i = 0; i < ELEMENTS_OF(allowed); i++)
        if (strcmp(detail, allowed[i]) == 0)
            return true;
    return strncmp(detail, "SCAN (subquery", 14) == 0 || strstr(detail, "VIRTUAL TABLE");
}

/* Of each statement that the test has run. */
static void check_plan(struct scene *s, const char *sql) {
    char text[8192];
    sqlite3_stmt *plan;
    (void) snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", sql);
    int rc = sqlite3_prepare_v2(s->connection.db, text, -1, &plan, NULL);
    must(rc == SQLITE_OK, sql, rc);
    while (sqlite3_step(plan) == SQLITE_ROW) {
        const char *detail = (const char *) sqlite3_column_text(plan, 3);
        must(!detail || strncmp(detail, "SCAN", 4) != 0 || may_scan(detail), detail, 0);
        must(!detail || !strstr(detail, "AUTOMATIC"), sql, 0);
    }
    sqlite3_finalize(plan);
}

static void check_plans(struct scene *s) {
    for (size_t i = 0; i < STATEMENTS_MAX; i++)
        if (s->connection.statements[i].sql)
            check_plan(s, s->connection.statements[i].sql);
}

struct scene *scene_free(struct scene *s) {
    check_plans(s);
    connection_close(&s->connection);
    chat_outbox_finish(&s->outbox);
    scene_forget(s);
    free(s);
    return NULL;
}

void scene_begin(struct scene *s) {
    s->work.refusal = (struct chat_refusal){ 0 };
    must(database_run(s->connection.db, "SAVEPOINT work") == 0, "savepoint", 0);
}

int scene_end(struct scene *s, int r) {
    must(r >= 0, "a function failed", r);
    int ended = 0;
    if (r != 0)
        ended = database_run(s->connection.db, "ROLLBACK TO work");
    if (ended == 0)
        ended = database_run(s->connection.db, "RELEASE work");
    must(ended == 0, "release", ended);
    return r;
}

struct chat_actor scene_user(struct scene *s, const char *id, enum chat_role role) {
    struct chat_user user;
    struct chat_actor actor = { 0 };
    struct chat_user_new new = {
        .id = str_of(id), .login = str_of(id), .name = str_of(id), .role = role
    };
    int r = TRY(s, chat_user_add(&s->tx, &new, &user));
    must(r == 0, "user", r);
    r = TRY(s, chat_actor_load(&s->tx, str_of(id), &actor));
    must(r == 0, "actor", r);
    actor.id = actor.name = str_of(id); /* not the arena's */
    return actor;
}

struct str scene_room(struct scene *s, const struct chat_actor *by, enum chat_room_kind kind,
                      const char *name) {
    struct chat_room room = { 0 };
    bool is_new;
    struct chat_room_new new = { .kind = kind, .name = str_of(name) };
    int r = TRY(s, chat_room_create(&s->tx, by, &new, &room, &is_new));
    must(r == 0, "room", r);
    return room.id;
}

void scene_join(struct scene *s, struct str room, const struct chat_actor *user,
                enum chat_member_role role) {
    struct chat_member member;
    struct chat_change change;
    int64_t key = 0;
    int r = FETCH(&s->tx, &key, "SELECT key FROM room WHERE id = ?1", TEXT(room));
    must(r == 1, "room", r);
    r = TRY(s, chat_member_put(&s->tx, key, user->key, role, &member, &change));
    must(r == 0, "join", r);
}

uint64_t scene_send(struct scene *s, const struct chat_actor *by, struct str room, const char *text,
                    int *ret_refused) {
    struct chat_send send = { .room = room, .text = str_of(text) };
    struct chat_message m = { 0 };
    bool is_duplicate;
    int r = TRY(s, chat_message_send(&s->tx, by, &send, &m, &is_duplicate));
    if (ret_refused)
        *ret_refused = r;
    return r == 0 ? m.seq : 0;
}

int scene_number(struct scene *s, const char *sql) {
    int64_t n = 0;
    int r = database_number(s->connection.db, sql, &n);
    must(r == 0, sql, r);
    return (int) n;
}
