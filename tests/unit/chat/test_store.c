/* What only the store does: groups, the outbox, restarts, disks that fail. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/chat/user.h"
#include "storage/sqlite/database.h"
#include "tests/unit/chat/house.h"

static void run(void **state, int (*story)(struct house *h)) {
    struct house *h = *state;
    house_run(h, story);
    assert_string_equal(h->failure, "");
}

static int set_up(void **state) {
    *state = house_new(false);
    return 0;
}

static int set_up_real(void **state) {
    *state = house_new(true);
    return 0;
}

static int tear_down(void **state) {
    house_free(*state);
    return 0;
}

/* ---- restarts ---- */

static int restart_story(struct house *h) {
    char room[CHAT_ID_MAX + 1], text[128];
    char epoch[16];
    struct house_send one = { .user = "u0", .room = room, .client_id = "a", .text = "x" };
    struct house_send two = { .user = "u1", .room = room, .client_id = "a", .text = "y" };
    CHECK(h, house_furnish(h, room) == 0);
    CHECK(h, house_send(h, &one) == 0 && one.seq == 1);
    (void) snprintf(epoch, sizeof epoch, "%s", chat_store_epoch(h->store));
    CHECK(h, house_restart(h) == 0);
    CHECK(h, strcmp(epoch, chat_store_epoch(h->store)) == 0);
    CHECK(h, house_send(h, &two) == 0 && two.seq == 2 && two.ver == one.ver + 1);
    CHECK(h, house_send(h, &one) == 0 && one.is_duplicate && one.seq == 1);
    CHECK(h, house_history(h, room, text, sizeof text) == 0);
    CHECK(h, strcmp(text, "1=x 2=y") == 0);
    return 0;
}

static void messages_and_numbers_survive_a_restart(void **state) {
    run(state, restart_story);
}

/* ---- groups ---- */

enum { CROWD = 40 };

struct sender {
    struct house *h;
    struct house_send send;
    int result;
};

static int send_task(void *arg) {
    struct sender *s = arg;
    s->result = house_send(s->h, &s->send);
    return 0;
}

/* All at once; every third one is refused after it has written. */
static int crowd(struct house *h, char *room, struct sender all[static CROWD]) {
    GROUP(g);
    for (int i = 0; i < CROWD; i++) {
        all[i] = (struct sender){ .h = h };
        (void) snprintf(all[i].send.id, sizeof all[i].send.id, "c%d", i);
        all[i].send.user = i % 2 ? "u1" : "u2";
        all[i].send.room = room;
        all[i].send.client_id = all[i].send.text = all[i].send.id;
        all[i].send.refuse = i % 3 == 2 ? CHAT_CONFLICT : 0;
        CHECK(h, group_spawn(&g, "sender", send_task, &all[i]) == 0);
    }
    return group_wait_all(&g);
}

static int group_story(struct house *h) {
    static struct sender all[CROWD];
    char room[CHAT_ID_MAX + 1];
    struct chat_store_stats before, after;
    CHECK(h, house_furnish(h, room) == 0);
    chat_store_stats(h->store, &before);
    CHECK(h, crowd(h, room, all) == 0);
    chat_store_stats(h->store, &after);
    CHECK(h, after.commits - before.commits < CROWD / 4);
    CHECK(h, after.group_largest > 1 && after.group_largest <= 16);
    uint64_t seq = 0;
    for (int i = 0; i < CROWD; i++) {
        CHECK(h, all[i].result == (i % 3 == 2 ? CHAT_CONFLICT : 0));
        if (all[i].result == 0)
            CHECK(h, all[i].send.seq == ++seq); /* those that were refused left no hole */
    }
    house_settle(h);
    CHECK(h, h->heard_n == seq);
    for (size_t i = 0; i < h->heard_n; i++) {
        char expected[32];
        (void) snprintf(expected, sizeof expected, "room:%zu", i + 1);
        CHECK(h, strcmp(h->heard[i], expected) == 0);
    }
    return 0;
}

static void works_that_queue_share_commits_and_the_refused_leave_nothing(void **state) {
    struct house *h = *state;
    h->options.group_max = 16;
    run(state, group_story);
}

static int full_story(struct house *h) {
    static struct sender all[CROWD];
    char room[CHAT_ID_MAX + 1];
    struct chat_store_stats stats;
    int n_full = 0;
    CHECK(h, house_furnish(h, room) == 0);
    CHECK(h, crowd(h, room, all) == 0);
    for (int i = 0; i < CROWD; i++)
        n_full += all[i].result == -ENOBUFS;
    chat_store_stats(h->store, &stats);
    CHECK(h, n_full > 0 && n_full < CROWD && stats.rejected == (uint64_t) n_full);
    return 0;
}

static void a_full_queue_refuses_at_once(void **state) {
    struct house *h = *state;
    h->options.queue_max = 8;
    run(state, full_story);
}

/* ---- the outbox ---- */

static int send_some(struct house *h, const char *room, int from, int to, unsigned flags) {
    for (int i = from; i <= to; i++) {
        struct house_send s = { .user = "u0", .room = room, .text = "x", .flags = flags };
        CHECK(h, house_send(h, &s) == 0 && s.seq == (uint64_t) i);
    }
    return 0;
}

static int outbox_story(struct house *h) {
    char room[CHAT_ID_MAX + 1];
    struct chat_store_stats stats;
    CHECK(h, house_furnish(h, room) == 0);
    CHECK(h, send_some(h, room, 1, 3, 0) == 0);
    h->keeps_silent = true;
    CHECK(h, send_some(h, room, 4, 5, 0) == 0);
    CHECK(h, send_some(h, room, 6, 6, CHAT_EMIT_UNKEPT) == 0);
    house_settle(h);
    CHECK(h, h->heard_n == 6 && h->heard_ids[5] == 0);
    chat_store_stats(h->store, &stats);
    CHECK(h, stats.outbox == 2 && stats.events_out == 2);

    /* What was not published comes again after a restart, in its order and under its id. */
    int64_t fourth = h->heard_ids[3];
    h->heard_n = 0;
    h->keeps_silent = false;
    CHECK(h, house_restart(h) == 0);
    house_settle(h);
    CHECK(h, h->heard_n == 2 && h->heard_ids[0] == fourth);
    CHECK(h, strcmp(h->heard[0], "room:4") == 0 && strcmp(h->heard[1], "room:5") == 0);
    CHECK(h, house_restart(h) == 0);
    house_settle(h);
    CHECK(h, h->heard_n == 2);
    chat_store_stats(h->store, &stats);
    CHECK(h, stats.outbox == 0);
    return 0;
}

static void events_come_again_until_they_are_published(void **state) {
    run(state, outbox_story);
}

static int backlog_story(struct house *h) {
    char room[CHAT_ID_MAX + 1];
    struct chat_store_stats stats;
    CHECK(h, house_furnish(h, room) == 0);
    h->keeps_silent = true;
    CHECK(h, send_some(h, room, 1, 20, 0) == 0);
    house_settle(h);
    chat_store_stats(h->store, &stats);
    CHECK(h, h->heard_n == 4 && stats.events_out == 4 && stats.outbox == 20);
    /* As some are published others come, without a gap and in their order. */
    h->keeps_silent = false;
    chat_store_published(h->store, h->heard_ids, 4);
    house_settle(h);
    CHECK(h, send_some(h, room, 21, 22, 0) == 0);
    house_settle(h);
    CHECK(h, h->heard_n == 22);
    for (size_t i = 0; i < 22; i++)
        CHECK(h, atoi(h->heard[i] + 5) == (int) i + 1);
    chat_store_tick(h->store);
    house_settle(h);
    chat_store_stats(h->store, &stats);
    CHECK(h, stats.outbox == 0 && stats.events_out == 0);
    return 0;
}

static void a_slow_publisher_is_handed_no_more_than_it_can_hold(void **state) {
    struct house *h = *state;
    h->options.events_out_max = 4;
    run(state, backlog_story);
}

/* ---- disks that fail ---- */

static int failing_story(struct house *h) {
    char room[CHAT_ID_MAX + 1], text[256];
    struct chat_store_stats stats;
    CHECK(h, house_furnish(h, room) == 0);
    CHECK(h, send_some(h, room, 1, 2, 0) == 0);
    chat_store_tick(h->store); /* the outbox is empty then */
    house_settle(h);
    struct house_send s = { .user = "u0", .room = room, .client_id = "c", .text = "y" };
    sim_disk_fail(h->disk, SIM_WRITE, 1, 1, ENOSPC);
    CHECK(h, house_send(h, &s) == -ENOSPC);
    sim_disk_fail(h->disk, SIM_SYNC, 1, 1, EIO);
    CHECK(h, house_send(h, &s) == -EIO);
    chat_store_stats(h->store, &stats);
    CHECK(h, stats.last_error == -EIO && stats.commit_errors == 2);
    /* Who is refused wrote nothing, and so nobody knows yet whether the disk works again. */
    struct house_send nobody = { .user = "nobody", .room = room, .text = "y" };
    CHECK(h, house_send(h, &nobody) == CHAT_NOT_FOUND);
    chat_store_stats(h->store, &stats);
    CHECK(h, stats.last_error == -EIO);
    house_settle(h);
    CHECK(h, h->heard_n == 2); /* nobody has seen it */
    chat_store_tick(h->store);
    house_settle(h);
    chat_store_stats(h->store, &stats);
    CHECK(h, stats.last_error == 0);
    CHECK(h, house_send(h, &s) == 0 && s.seq == 3 && !s.is_duplicate);
    CHECK(h, house_history(h, room, text, sizeof text) == 0);
    CHECK(h, strcmp(text, "1=x 2=x 3=y") == 0);
    house_settle(h);
    CHECK(h, h->heard_n == 3 && strcmp(h->heard[2], "room:3") == 0);
    return 0;
}

static void a_failed_commit_leaves_nothing_and_the_next_one_is_tried(void **state) {
    run(state, failing_story);
}

/* The n-th write or sync fails, for every n: what was acknowledged is there. */
static int every_story(struct house *h) {
    char room[CHAT_ID_MAX + 1], text[4096], expected[4096];
    size_t n = 0;
    int failed = 0;
    CHECK(h, house_furnish(h, room) == 0);
    for (uint64_t after = 1; after < 40; after++) {
        struct house_send s = { .user = "u0", .room = room };
        (void) snprintf(s.id, sizeof s.id, "m%d", (int) after);
        s.client_id = s.text = s.id;
        sim_disk_fail(h->disk, SIM_ANY, after, 1, EIO);
        int r = house_send(h, &s);
        sim_disk_fail(h->disk, SIM_ANY, 1, 0, EIO);
        CHECK(h, r == 0 || r == -EIO);
        failed += r < 0;
        if (r < 0)
            CHECK(h, house_send(h, &s) == 0 && !s.is_duplicate);
        n += (size_t) snprintf(expected + n, sizeof expected - n, "%s%llu=%s", n ? " " : "",
                               (unsigned long long) s.seq, s.id);
        CHECK(h, s.seq == after);
    }
    CHECK(h, failed > 3);
    CHECK(h, house_restart(h) == 0);
    CHECK(h, house_history(h, room, text, sizeof text) == 0);
    CHECK(h, strcmp(text, expected) == 0);
    return 0;
}

static void whichever_write_fails_the_message_is_sent_whole_or_not_at_all(void **state) {
    run(state, every_story);
}

/* ---- copies put back ---- */

static int copy_story(struct house *h) {
    char room[CHAT_ID_MAX + 1], epoch[16];
    CHECK(h, house_furnish(h, room) == 0);
    CHECK(h, house_restart(h) == 0);
    (void) snprintf(epoch, sizeof epoch, "%s", chat_store_epoch(h->store));
    house_close(h);
    struct sim_copy *copy = sim_disk_copy(h->disk, "disk/chat.db");
    CHECK(h, copy && house_open(h) == 0);
    CHECK(h, send_some(h, room, 1, 3, 0) == 0);
    house_close(h);
    sim_disk_restore(h->disk, copy);
    CHECK(h, house_open(h) == 0);
    /* The same numbers will be given to other messages: so they are of another epoch. */
    CHECK(h, strcmp(epoch, chat_store_epoch(h->store)) != 0);
    (void) snprintf(epoch, sizeof epoch, "%s", chat_store_epoch(h->store));
    CHECK(h, send_some(h, room, 1, 1, 0) == 0);
    CHECK(h, house_restart(h) == 0);
    CHECK(h, strcmp(epoch, chat_store_epoch(h->store)) == 0);
    return 0;
}

static void a_database_put_back_from_a_copy_has_another_epoch(void **state) {
    run(state, copy_story);
}

static int damaged_story(struct house *h) {
    house_close(h);
    CHECK(h, sim_disk_damage(h->disk, "disk/chat.db", 0, "not a database", 14));
    CHECK(h, house_open(h) == -EBADMSG);
    CHECK(h, h->why && strstr(h->why, "disk/chat.db is damaged"));
    return 0;
}

static void a_damaged_database_is_refused_with_a_sentence(void **state) {
    run(state, damaged_story);
}

/* ---- what was deleted ---- */

struct deletion {
    struct chat_work work;
    const char *room;
    uint64_t seq;
};

static int run_deletion(struct chat_work *work, struct chat_tx *tx) {
    struct deletion *d = CONTAINER_OF(work, struct deletion, work);
    struct chat_actor by;
    struct chat_message m;
    struct chat_change change;
    int r = chat_actor_load(tx, STR("u0"), &by);
    return r != 0 ? r : chat_message_delete(tx, &by, str_of(d->room), d->seq, STR(""), &m, &change);
}

static bool file_has(const char *path, const char *word) {
    FILE *f = fopen(path, "re");
    char window[64] = "";
    size_t len = strlen(word), n = 0;
    bool has = false;
    for (int c; f && !has && (c = fgetc(f)) != EOF;) {
        if (n == len)
            memmove(window, window + 1, --n);
        window[n++] = (char) c;
        has = n == len && memcmp(window, word, len) == 0;
    }
    if (f)
        (void) fclose(f);
    return has;
}

static int deleted_story(struct house *h) {
    char room[CHAT_ID_MAX + 1], path[128];
    CHECK(h, house_furnish(h, room) == 0);
    (void) snprintf(path, sizeof path, "%s/chat.db", h->directory);
    struct house_send s = { .user = "u0", .room = room, .text = "zqxwvsecret kjhgfsecret" };
    CHECK(h, house_send(h, &s) == 0);
    CHECK(h, send_some(h, room, 2, 20, 0) == 0);
    CHECK(h, house_restart(h) == 0);
    CHECK(h, file_has(path, "qxwvsecret") && file_has(path, "jhgfsecret"));
    struct deletion d = { .work = CHAT_WORK(run_deletion), .room = room, .seq = 1 };
    CHECK(h, chat_store_write(h->store, &d.work) == 0);
    chat_work_finish(&d.work);
    for (int i = 0; i < 3; i++) {
        chat_store_tick(h->store);
        house_settle(h);
    }
    house_close(h);
    CHECK(h, !file_has(path, "qxwvsecret") && !file_has(path, "jhgfsecret"));
    return 0;
}

static void a_deleted_text_is_nowhere_in_the_file(void **state) {
    run(state, deleted_story);
}

/* ---- real files ---- */

static int real_story(struct house *h) {
    static struct sender all[CROWD];
    char room[CHAT_ID_MAX + 1], path[128], text[1024];
    int64_t vacuum = 0, secure = 0;
    CHECK(h, house_furnish(h, room) == 0);
    CHECK(h, crowd(h, room, all) == 0);
    struct chat_store *second;
    char *why;
    CHECK(h, chat_store_open(&h->options, &second, &why) == -EBUSY);
    CHECK(h, strstr(why, "in use by another process") != NULL);
    free(why);
    CHECK(h, house_restart(h) == 0);
    CHECK(h, house_history(h, room, text, sizeof text) == 0 && strstr(text, "27=") != NULL);
    house_close(h);
    sqlite3 *db;
    (void) snprintf(path, sizeof path, "%s/chat.db", h->directory);
    CHECK(h, database_open(path, NULL, DATABASE_SECRETS_WRITER, &db) == 0);
    CHECK(h, database_number(db, "PRAGMA auto_vacuum", &vacuum) == 0 && vacuum == 2);
    CHECK(h, database_number(db, "PRAGMA secure_delete", &secure) == 0 && secure == 1);
    database_close(db);
    return 0;
}

static void it_works_on_threads_and_files(void **state) {
    run(state, real_story);
}

int main(void) {
#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORY(messages_and_numbers_survive_a_restart),
        STORY(works_that_queue_share_commits_and_the_refused_leave_nothing),
        STORY(a_full_queue_refuses_at_once),
        STORY(events_come_again_until_they_are_published),
        STORY(a_slow_publisher_is_handed_no_more_than_it_can_hold),
        STORY(a_failed_commit_leaves_nothing_and_the_next_one_is_tried),
        STORY(whichever_write_fails_the_message_is_sent_whole_or_not_at_all),
        STORY(a_database_put_back_from_a_copy_has_another_epoch),
        STORY(a_damaged_database_is_refused_with_a_sentence),
        cmocka_unit_test_setup_teardown(a_deleted_text_is_nowhere_in_the_file, set_up_real,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_works_on_threads_and_files, set_up_real, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
