/*
 * The n-th allocation fails, for every n: whatever was asked says so or succeeds, nothing is half
 * done, nothing leaks. SQLite's own allocations are its library's and do not come by here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/storage/world.h"

/* The linker puts these in front (--wrap), so they cannot hang from a struct. 0: none is to fail.
 */
static uint64_t fails_in;
static bool has_failed;

static bool is_the_one(void) {
    if (fails_in == 0 || --fails_in > 0)
        return false;
    has_failed = true;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size) {
    return is_the_one() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    return is_the_one() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
    return is_the_one() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
    return is_the_one() ? NULL : __real_reallocarray(p, n, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return is_the_one() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *s) {
    return is_the_one() ? NULL : __real_strdup(s);
}

/* Does it again if it was the one that failed; anything else than "no memory" is a finding. */
#define TWICE(w, call)                                                                             \
    do {                                                                                           \
        int r_ = (call);                                                                           \
        CHECK(w, r_ == 0 || r_ == -ENOMEM);                                                        \
        if (r_ < 0)                                                                                \
            CHECK(w, (call) == 0);                                                                 \
    } while (0)

static int everything_story(struct world *w) {
    static const struct client_info ada = { .user = { "ada", 3 }, .client = { "c1", 2 } };
    char data[16], text[256];
    size_t clients, users;
    struct presence all;
    struct page page;
    fails_in = w->seed;
    w->listener.sink.inbox = w->inbox;
    TWICE(w, world_open(w));
    TWICE(w, engine_attach(w->engine, &w->listener.sink, STR("a")));
    for (int i = 1; i <= 9; i++) {
        (void) snprintf(data, sizeof data, "%d", i);
        TWICE(w, world_publish(w, "a", data, keep_ten, NULL));
    }
    TWICE(w, world_publish(w, "a", "bare", keep_none, NULL));
    TWICE(w, world_publish(w, "b", "b", keep_ten, NULL));
    TWICE(w, world_history(w, "a", keep_ten, &page));
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "1=1 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9") == 0);
    struct position at;
    TWICE(w, engine_position(w->engine, STR("new"), keep_ten, &at));
    TWICE(w, engine_presence_set(w->engine, STR("a"), &ada, 1000));
    TWICE(w, engine_presence(w->engine, STR("a"), &all));
    presence_finish(&all);
    CHECK(w, engine_presence_stats(w->engine, STR("a"), &clients, &users) == 0);
    CHECK(w, clients == 1 && users == 1);
    TWICE(w, engine_history_remove(w->engine, STR("a")));
    engine_detach(w->engine, &w->listener.sink, STR("a"));
    (void) task_sleep(3000);
    listener_text(&w->listener, text);
    CHECK(w, strcmp(text, "1=1 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9 0=bare") == 0);
    fails_in = 0;
    return 0;
}

static void run_all(enum engine_kind kind) {
    uint64_t n = 1;
    for (has_failed = true; has_failed; n++) {
        struct world *w = world_new(kind, false);
        char failure[sizeof w->failure + 32] = "";
        w->seed = n;
        has_failed = false;
        world_run_closed(w, everything_story);
        fails_in = 0;
        if (w->failure[0])
            (void) snprintf(failure, sizeof failure, "allocation %llu: %s", (unsigned long long) n,
                            w->failure);
        world_free(w);
        assert_string_equal(failure, "");
    }
    assert_true(n > 30); /* it has come by here */
}

static void memory_runs_out_in_memory(void **state) {
    run_all(ENGINE_MEMORY);
}

static void memory_runs_out_in_sqlite(void **state) {
    run_all(ENGINE_SQLITE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out_in_memory),
        cmocka_unit_test(memory_runs_out_in_sqlite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
