/* A store that is to be another process's from some moment on, and whose it has been. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "storage/chat/tenure.h"
#include "tests/unit/chat/house.h"

static void run(int (*story)(struct house *h)) {
    struct house *h = house_new(false);
    house_run(h, story);
    assert_string_equal(h->failure, "");
    house_free(h);
}

static int over_story(struct house *h) {
    enum { LEFT_MS = 5000 };
    char room[CHAT_ID_MAX + 1], text[128];
    struct house_send one = { .user = "u0", .room = room, .client_id = "a", .text = "x" };
    struct house_send two = { .user = "u0", .room = room, .client_id = "b", .text = "y" };
    struct chat_store_stats stats;
    CHECK(h, house_furnish(h, room) == 0);
    uint64_t changes = chat_store_changes(h->store);
    CHECK(h, changes > 0);

    chat_store_set_until(h->store, loop_now() + LEFT_MS);
    CHECK(h, house_send(h, &one) == 0 && one.seq == 1);
    CHECK(h, chat_store_changes(h->store) == changes + 1);
    CHECK(h, task_sleep(LEFT_MS) == 0);
    CHECK(h, house_send(h, &two) == -ENOTCONN);
    CHECK(h, chat_store_changes(h->store) == changes + 1);
    CHECK(h, house_history(h, room, text, sizeof text) == 0);
    CHECK(h, strcmp(text, "1=x") == 0);
    chat_store_stats(h->store, &stats);
    CHECK(h, stats.last_error == 0); /* it is nothing that the disk did */

    chat_store_set_until(h->store, loop_now() + LEFT_MS); /* it is ours for longer */
    CHECK(h, house_send(h, &two) == 0 && two.seq == 2);
    return 0;
}

static void when_its_time_is_over_nothing_is_committed(void **state) {
    (void) state;
    run(over_story);
}

struct tenure {
    struct chat_work work;
    uint64_t generation;
};

static int run_get(struct chat_work *w, struct chat_tx *tx) {
    return chat_tenure_get(tx, &CONTAINER_OF(w, struct tenure, work)->generation);
}

static int run_put(struct chat_work *w, struct chat_tx *tx) {
    return chat_tenure_put(tx, CONTAINER_OF(w, struct tenure, work)->generation);
}

static int generation_story(struct house *h) {
    struct tenure t = { .work = CHAT_WORK(run_get), .generation = 1 };
    CHECK(h, chat_store_read(h->store, &t.work) == 0 && t.generation == 0);
    chat_work_finish(&t.work);
    t = (struct tenure){ .work = CHAT_WORK(run_put), .generation = 7 };
    CHECK(h, chat_store_write(h->store, &t.work) == 0);
    chat_work_finish(&t.work);
    uint64_t changes = chat_store_changes(h->store);
    CHECK(h, house_restart(h) == 0);
    CHECK(h, chat_store_changes(h->store) == changes);
    t = (struct tenure){ .work = CHAT_WORK(run_get) };
    CHECK(h, chat_store_read(h->store, &t.work) == 0 && t.generation == 7);
    chat_work_finish(&t.work);
    return 0;
}

static void its_generation_is_kept(void **state) {
    (void) state;
    run(generation_story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_its_time_is_over_nothing_is_committed),
        cmocka_unit_test(its_generation_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
