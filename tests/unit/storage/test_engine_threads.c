/*
 * One engine, several workers: each a real loop on a thread of its own, publishing, reading,
 * attaching and detaching side by side. What TSan is for; and the promise that who attaches first
 * and then reads misses nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/storage/world.h"

enum { WORKERS = 3, PUBLISHES = 400, PIPELINED = 8, HEARD_MAX = 8192 };

static const struct keep keep_all = { .history_size = 100000, .history_ttl_ms = 86400000 };

struct worker {
    struct engine *engine;
    pthread_t thread;
    unsigned number;
    char failure[256];
    _Atomic bool *is_over; /* all have published */
    _Atomic unsigned *publishing, *running;

    struct inbox *inbox;
    struct engine_sink sink;
    uint64_t heard[HEARD_MAX]; /* offsets, since attached */
    size_t n;
    unsigned rounds;
};

#define EXPECT(w, condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            if (!(w)->failure[0])                                                                  \
                (void) snprintf((w)->failure, sizeof(w)->failure, "%s:%d: %s", __FILE__, __LINE__, \
                                #condition);                                                       \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)

static void hear(struct engine_sink *sink, struct publication *p) {
    struct worker *w = CONTAINER_OF(sink, struct worker, sink);
    if (p->position.offset > 0 && w->n < HEARD_MAX)
        w->heard[w->n++] = p->position.offset;
}

struct shot {
    struct publish_request request;
    struct future done;
};

static void shot_done(struct publish_request *request) {
    struct shot *s = CONTAINER_OF(request, struct shot, request);
    (void) future_resolve(&s->done, 0);
}

static int publish_all(void *arg) {
    struct worker *w = arg;
    struct shot *shots = calloc(PIPELINED, sizeof *shots);
    uint64_t last = 0;
    int r = 0;
    for (int i = 0; r == 0 && i < PUBLISHES / PIPELINED; i++) {
        for (int k = 0; k < PIPELINED; k++) {
            shots[k].request =
                    (struct publish_request){ .publication = a_publication(STR("a"), "data"),
                                              .keep = keep_all,
                                              .inbox = w->inbox,
                                              .done = shot_done };
            future_init(&shots[k].done);
            engine_publish(w->engine, &shots[k].request);
        }
        for (int k = 0; k < PIPELINED; k++) {
            r = r < 0 ? r : future_wait(&shots[k].done);
            /* in the order they were sent */
            if (r == 0 && (shots[k].request.result < 0 || shots[k].request.position.offset <= last))
                r = -EIO;
            last = shots[k].request.position.offset;
        }
    }
    free(shots);
    if (atomic_fetch_sub(w->publishing, 1) == 1)
        atomic_store(w->is_over, true);
    EXPECT(w, r == 0);
    return 0;
}

struct marker {
    struct post post;
    struct future passed;
};

static void marker_passed(struct post *post) {
    struct marker *m = CONTAINER_OF(post, struct marker, post);
    (void) future_resolve(&m->passed, 0);
}

/* What is in the inbox is run: it may take more than a turn. */
static int pass_inbox(struct worker *w) {
    struct marker m = { .post.run = marker_passed };
    future_init(&m.passed);
    inbox_post(w->inbox, &m.post);
    return future_wait(&m.passed);
}

/* Everything after the page, without a gap, was heard up to where the engine says it is. */
static int follow(struct worker *w) {
    w->n = 0;
    EXPECT(w, engine_attach(w->engine, &w->sink, STR("a")) == 0);
    struct history_query q = { .channel = STR("a"), .keep = keep_all, .limit = 5, .reverse = true };
    struct page page;
    EXPECT(w, engine_history(w->engine, &q, &page) == 0);
    uint64_t top = page.top.offset, newest = page.n > 0 ? page.items[0]->position.offset : 0;
    page_finish(&page);
    EXPECT(w, newest == top);

    for (int i = 0; i < 3; i++) {
        struct position at;
        EXPECT(w, task_sleep(1) == 0);
        EXPECT(w, engine_position(w->engine, STR("a"), keep_all, &at) == 0);
        EXPECT(w, pass_inbox(w) == 0);
        uint64_t next = top + 1;
        for (size_t k = 0; k < w->n; k++) {
            if (w->heard[k] < next)
                continue;
            EXPECT(w, w->heard[k] == next);
            next++;
        }
        EXPECT(w, next > at.offset);
    }
    engine_detach(w->engine, &w->sink, STR("a"));
    w->rounds++;
    return 0;
}

static int watch_presence(struct worker *w) {
    char client[16];
    size_t clients, users;
    struct presence all;
    (void) snprintf(client, sizeof client, "%u", w->number);
    struct client_info info = { .user = STR("ada"), .client = str_of(client) };
    EXPECT(w, engine_presence_set(w->engine, STR("a"), &info, 1000) == 0);
    EXPECT(w, engine_presence_stats(w->engine, STR("a"), &clients, &users) == 0);
    EXPECT(w, clients >= 1 && users == 1);
    EXPECT(w, engine_presence(w->engine, STR("a"), &all) == 0);
    presence_finish(&all);
    EXPECT(w, engine_presence_remove(w->engine, STR("a"), str_of(client)) == 0);
    return 0;
}

static int work(void *arg) {
    struct worker *w = arg;
    w->inbox = inbox_open(loop_current());
    w->sink = (struct engine_sink){ .inbox = w->inbox, .deliver = hear };
    EXPECT(w, engine_add_sink(w->engine, &w->sink) == 0);
    int r = 0;
    {
        GROUP(g);
        r = group_spawn(&g, "publish", publish_all, w);
        while (r == 0 && !atomic_load(w->is_over)) {
            r = follow(w);
            if (r == 0)
                r = watch_presence(w);
        }
        int joined = group_wait(&g);
        r = r < 0 ? r : joined;
    }
    engine_remove_sink(w->engine, &w->sink);
    w->inbox = inbox_close(w->inbox);
    return r;
}

static void *run_worker(void *arg) {
    struct worker *w = arg;
    int r = loop_run(NULL, work, w);
    if (r < 0 && !w->failure[0])
        (void) snprintf(w->failure, sizeof w->failure, "the loop ended with %d", r);
    atomic_fetch_sub(w->running, 1);
    return NULL;
}

static int workers_story(struct world *world) {
    struct worker *workers = calloc(WORKERS, sizeof *workers);
    _Atomic bool is_over = false;
    _Atomic unsigned publishing = WORKERS, running = WORKERS;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].engine = world->engine;
        workers[i].number = i;
        workers[i].is_over = &is_over;
        workers[i].publishing = &publishing;
        workers[i].running = &running;
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0)
            abort();
    }
    while (atomic_load(&running) > 0) /* an engine may live on this loop */
        (void) task_sleep(1);
    unsigned rounds = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].failure[0])
            world_fail(world, __FILE__, __LINE__, workers[i].failure);
        rounds += workers[i].rounds;
    }
    free(workers);

    struct engine_stats stats;
    engine_stats(world->engine, &stats);
    CHECK(world, stats.publishes == WORKERS * PUBLISHES && rounds > 0);
    struct page page;
    CHECK(world, world_history(world, "a", keep_all, &page) == 0);
    size_t n = page.n;
    bool is_dense = true;
    for (size_t i = 0; i < n; i++)
        is_dense = is_dense && page.items[i]->position.offset == i + 1;
    page_finish(&page);
    CHECK(world, n == WORKERS * PUBLISHES && is_dense);
    return 0;
}

static void workers_share_an_engine(void **state) {
    struct world *w = *state;
    world_run(w, workers_story);
    assert_string_equal(w->failure, "");
}

static int begin_memory(void **state) {
    *state = world_new(ENGINE_MEMORY, true);
    return 0;
}

static int begin_sqlite(void **state) {
    *state = world_new(ENGINE_SQLITE, true);
    return 0;
}

static int begin_redis(void **state) {
    *state = world_new(ENGINE_REDIS, true);
    return 0;
}

static int end(void **state) {
    *state = world_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        { "workers_share_an_engine (memory)", workers_share_an_engine, begin_memory, end, NULL },
        { "workers_share_an_engine (sqlite)", workers_share_an_engine, begin_sqlite, end, NULL },
        { "workers_share_an_engine (redis)", workers_share_an_engine, begin_redis, end, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
