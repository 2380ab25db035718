#include "tests/unit/storage/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct keep keep_ten = { .history_size = 10, .history_ttl_ms = 60000 };
const struct keep keep_none = { 0 };

static const char *const files[] = { "history.db",     "history.db-wal", "history.db-shm",
                                     "history.mark",   "history.lock",   "archive.db",
                                     "archive.db-wal", "archive.db-shm" };

static void *must(void *memory) {
    if (!memory)
        abort();
    return memory;
}

static void set_node(struct world *w, const struct address *address, const char *node_id) {
    w->redis_shard = (struct redis_shard_options){ .addresses = { *address }, .n_addresses = 1 };
    w->redis_options = (struct redis_options){ .shards = &w->redis_shard,
                                               .n_shards = 1,
                                               .node_id = str_of(node_id),
                                               .node_name = str_of(node_id) };
    w->options.redis = &w->redis_options;
}

struct world *world_beside(struct world *first, const char *node_id) {
    struct world *w = must(calloc(1, sizeof *w));
    w->is_real = true;
    w->options.kind = ENGINE_REDIS;
    w->inbox = first->inbox;
    set_node(w, redis_process_address(first->redis), node_id);
    return w;
}

struct world *world_new(enum engine_kind kind, bool is_real) {
    struct world *w = must(calloc(1, sizeof *w));
    w->is_real = is_real;
    w->seed = 1;
    w->options.kind = kind;
    if (kind == ENGINE_REDIS) {
        w->is_real = true;
        if (redis_process_start(&(struct redis_process_options){ 0 }, &w->redis) < 0)
            abort(); /* it has said why */
        set_node(w, redis_process_address(w->redis), "one");
    }
    if (kind != ENGINE_SQLITE)
        return w;
    if (is_real) {
        (void) snprintf(w->directory, sizeof w->directory, "/tmp/parley-storage-XXXXXX");
        must(mkdtemp(w->directory));
        w->options.data_dir = w->directory;
    } else {
        w->disk = sim_disk_new("parley-sim", w->seed);
        w->options.vfs = "parley-sim";
        w->options.data_dir = "disk";
    }
    return w;
}

struct world *world_free(struct world *w) {
    if (w->disk)
        sim_disk_free(w->disk);
    redis_process_free(w->redis);
    if (w->directory[0]) {
        char path[128];
        for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
            (void) snprintf(path, sizeof path, "%s/%s", w->directory, files[i]);
            (void) unlink(path);
        }
        (void) rmdir(w->directory);
    }
    free(w->why);
    free(w->listener.heard);
    free(w);
    return NULL;
}

void world_fail(struct world *w, const char *file, int line, const char *text) {
    if (!w->failure[0])
        (void) snprintf(w->failure, sizeof w->failure, "%s:%d: %s", file, line, text);
}

/* ---- listening ---- */

static void hear(struct engine_sink *sink, struct publication *p) {
    struct listener *l = CONTAINER_OF(sink, struct listener, sink);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        struct publication **heard = reallocarray(l->heard, l->cap, sizeof *heard);
        if (!heard) /* the one that fails, in stories about memory */
            heard = must(reallocarray(l->heard, l->cap, sizeof *heard));
        l->heard = heard;
    }
    l->heard[l->n++] = publication_ref(p);
}

void listener_clear(struct listener *l) {
    while (l->n > 0)
        publication_unref(l->heard[--l->n]);
}

static const char *items_text(struct publication *const *items, size_t n, char buf[static 256]) {
    size_t at = 0;
    buf[0] = 0;
    for (size_t i = 0; i < n && at < 200; i++)
        at += (size_t) snprintf(buf + at, 256 - at, "%s%llu=%.*s", i ? " " : "",
                                (unsigned long long) items[i]->position.offset,
                                (int) items[i]->data.len, (const char *) items[i]->data.data);
    return buf;
}

const char *listener_text(const struct listener *l, char buf[static 256]) {
    return items_text(l->heard, l->n, buf);
}

const char *page_text(const struct page *p, char buf[static 256]) {
    return items_text(p->items, p->n, buf);
}

const char *keys_text(struct publication *const *items, size_t n, char buf[static 256]) {
    size_t at = 0;
    buf[0] = 0;
    for (size_t i = 0; i < n && at < 200; i++) {
        const struct publication *p = items[i];
        at += (size_t) snprintf(buf + at, 256 - at, "%s%.*s%s%.*s", i ? " " : "", (int) p->key.len,
                                p->key.data, p->is_removed ? "!" : "=", (int) p->data.len,
                                (const char *) p->data.data);
    }
    return buf;
}

/* ---- running ---- */

int world_open(struct world *w) {
    free(TAKE(w->why));
    int r = engine_open(&w->options, &w->engine, &w->why);
    if (r < 0)
        return r;
    w->listener.sink.inbox = w->inbox;
    w->listener.sink.deliver = hear;
    r = engine_add_sink(w->engine, &w->listener.sink);
    if (r < 0)
        w->engine = engine_close(w->engine);
    return r;
}

void world_close(struct world *w) {
    if (!w->engine)
        return;
    engine_remove_sink(w->engine, &w->listener.sink);
    w->engine = engine_close(w->engine);
}

static int run_closed(void *arg) {
    struct world *w = arg;
    w->inbox = inbox_open(loop_current());
    int r = w->story(w);
    world_close(w);
    w->inbox = inbox_close(w->inbox);
    listener_clear(&w->listener);
    return r;
}

static int run_open(void *arg) {
    struct world *w = arg;
    w->inbox = inbox_open(loop_current());
    int r = world_open(w);
    if (r == 0)
        r = w->story(w);
    else
        world_fail(w, __FILE__, __LINE__, w->why ? w->why : "engine_open() == 0");
    world_close(w);
    w->inbox = inbox_close(w->inbox);
    listener_clear(&w->listener);
    return r;
}

static void run(struct world *w, story_fn *story, task_fn *fn) {
    struct loop_options o = { .is_simulated = !w->is_real, .seed = w->seed };
    w->story = story;
    int r = loop_run(&o, fn, w);
    if (r < 0)
        world_fail(w, __FILE__, __LINE__, "the story ended with 0");
}

void world_run(struct world *w, story_fn *story) {
    run(w, story, run_open);
}

void world_run_closed(struct world *w, story_fn *story) {
    run(w, story, run_closed);
}

/* ---- publishing ---- */

struct publication *a_publication(struct str channel, const char *data) {
    struct publication_parts parts = { .channel = channel, .data = bytes_of(data, strlen(data)) };
    struct publication *p = publication_new(&parts);
    return p ? p : must(publication_new(&parts));
}

static void attempt_done(struct publish_request *request) {
    struct attempt *a = CONTAINER_OF(request, struct attempt, request);
    if (a->order)
        a->place = (*a->order)++;
    (void) future_resolve(&a->done, 0);
}

void attempt_start_with(struct world *w, struct attempt *a, struct publish_request request) {
    int *order = a->order;
    *a = (struct attempt){ .request = request, .order = order };
    a->request.inbox = w->inbox;
    a->request.done = attempt_done;
    future_init(&a->done);
    engine_publish(w->engine, &a->request);
}

void attempt_start(struct world *w, struct attempt *a, const char *channel, const char *data,
                   struct keep keep) {
    attempt_start_with(w, a,
                       (struct publish_request){
                               .publication = a_publication(str_of(channel), data), .keep = keep });
}

int world_publish_with(struct world *w, struct attempt *a, struct publish_request request) {
    attempt_start_with(w, a, request);
    return attempt_wait(a);
}

int attempt_wait(struct attempt *a) {
    int r = future_wait(&a->done);
    return r < 0 ? r : a->request.result;
}

int world_publish(struct world *w, const char *channel, const char *data, struct keep keep,
                  struct position *ret) {
    struct attempt a = { 0 };
    attempt_start(w, &a, channel, data, keep);
    int r = attempt_wait(&a);
    if (ret)
        *ret = a.request.position;
    return r;
}

int world_publish_times(struct world *w, const char *channel, int times, struct keep keep) {
    char data[16];
    int r = 0;
    for (int i = 1; r == 0 && i <= times; i++) {
        (void) snprintf(data, sizeof data, "%d", i);
        r = world_publish(w, channel, data, keep, NULL);
    }
    return r;
}

int world_history(struct world *w, const char *channel, struct keep keep, struct page *ret) {
    struct history_query q = { .channel = str_of(channel), .keep = keep, .limit = UINT32_MAX };
    return engine_history(w->engine, &q, ret);
}

static void ignore(struct engine_sink *sink, struct publication *p) {
    (void) sink;
    (void) p;
}

/* A publish of what is heard here is answered after everything before it was heard. */
static void settle_redis(struct world *w) {
    struct engine_sink sink = { .inbox = w->inbox, .deliver = ignore };
    if (engine_add_sink(w->engine, &sink) < 0)
        abort();
    if (engine_attach(w->engine, &sink, STR("settling")) < 0 ||
        world_publish(w, "settling", "x", keep_none, NULL) < 0)
        abort();
    engine_detach(w->engine, &sink, STR("settling"));
    engine_remove_sink(w->engine, &sink);
}

void world_settle(struct world *w) {
    if (w->options.kind == ENGINE_REDIS)
        settle_redis(w);
    else
        (void) task_sleep(50);
}

enum { PATIENCE_MS = 30000 };

bool world_await(struct world *w, size_t n) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS; w->listener.n < n;)
        if (loop_now() > until_ms || task_sleep(1) < 0)
            return false;
    return true;
}

static void run_cut(story_fn *story, uint64_t seed, char ret_failure[static WORLD_FAILURE_MAX]) {
    struct world *w = world_new(ENGINE_SQLITE, false);
    sim_disk_free(w->disk);
    w->disk = sim_disk_new("parley-sim", seed * 7919);
    w->seed = seed;
    world_run_closed(w, story);
    if (w->failure[0])
        (void) snprintf(ret_failure, WORLD_FAILURE_MAX, "seed %llu: %s", (unsigned long long) seed,
                        w->failure);
    world_free(w);
}

void world_run_cuts(story_fn *story, uint64_t last, char ret_failure[static WORLD_FAILURE_MAX]) {
    unsigned long long first = 1, until = last;
    const char *seeds = getenv("PARLEY_SEEDS");
    if (seeds && sscanf(seeds, "%llu-%llu", &first, &until) == 1)
        until = first;
    ret_failure[0] = '\0';
    for (uint64_t seed = first; seed <= until && !ret_failure[0]; seed++)
        run_cut(story, seed, ret_failure);
}
