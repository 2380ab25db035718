/*
 * A loop with an engine and a worker's sink on it, for stories about engines.
 *
 * A story is a task function; what it CHECKs and finds untrue is kept and ends it, and the test
 * asserts afterwards that there is nothing: an assert inside a task would skip its cleanups.
 */
#pragma once

#include "async/future.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"
#include "storage/engine.h"
#include "storage/redis/options.h"
#include "tests/support/redis_process.h"
#include "tests/support/sim_vfs.h"

struct world;

typedef int story_fn(struct world *w);

/* One that listens: keeps a reference to all it was given. */
struct listener {
    struct engine_sink sink;
    struct publication **heard;
    size_t n, cap;
};

struct world {
    struct engine_options options;
    uint64_t seed;
    bool is_real;                /* real time and threads */
    struct sim_disk *disk;       /* sqlite, not real */
    char directory[64];          /* sqlite, real */
    struct redis_process *redis; /* redis: a server of its own, from its world_new() on */
    struct redis_shard_options redis_shard;
    struct redis_options redis_options;
    char failure[256];

    /* while a story runs */
    struct engine *engine;
    struct inbox *inbox;
    struct listener listener;
    story_fn *story;
    char *why; /* of a failed world_open() */
};

/* With Redis it is always real. */
struct world *world_new(enum engine_kind kind, bool is_real);
/* Another node on the server of the first one, which stays longer; engines are opened by stories.
 */
struct world *world_beside(struct world *first, const char *node_id);
struct world *world_free(struct world *w); /* returns NULL */

/* Runs the story in a loop of its own with an open engine. The disk, or directory, stays from run
 * to run. */
void world_run(struct world *w, story_fn *story);
/* The same, without an engine: the story opens it. */
void world_run_closed(struct world *w, story_fn *story);

/* As world_run_closed() with a disk of its own for each of the seeds 1 to last, or those that
 * PARLEY_SEEDS names ("7", "7-90"), until one fails. ret_failure: empty, or the seed and what it
 * said. */
enum { WORLD_FAILURE_MAX = sizeof((struct world *) 0)->failure + 32 };
void world_run_cuts(story_fn *story, uint64_t last, char ret_failure[static WORLD_FAILURE_MAX]);

SUSPENDS int world_open(struct world *w); /* engine_open()'s result; the sentence is in w->why */
SUSPENDS void world_close(struct world *w);

void world_fail(struct world *w, const char *file, int line, const char *text);

#define CHECK(w, condition)                                                                        \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            world_fail((w), __FILE__, __LINE__, #condition);                                       \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)

/* A publish and its outcome. */
struct attempt {
    struct publish_request request;
    struct future done;
    int *order; /* counts dones, or NULL */
    int place;  /* how many had been done before it */
};

extern const struct keep keep_ten, keep_none;

struct publication *a_publication(struct str channel, const char *data);
void attempt_start(struct world *w, struct attempt *a, const char *channel, const char *data,
                   struct keep keep);
SUSPENDS int attempt_wait(struct attempt *a); /* the result */

/* The same with a request of the story's making, of which it needs only what is special. */
void attempt_start_with(struct world *w, struct attempt *a, struct publish_request request);
SUSPENDS int world_publish_with(struct world *w, struct attempt *a, struct publish_request request);

/* Publishes and waits. ret may be NULL. */
SUSPENDS int world_publish(struct world *w, const char *channel, const char *data, struct keep keep,
                           struct position *ret);
SUSPENDS int world_publish_times(struct world *w, const char *channel, int times, struct keep keep);

/* "1=a 2=b", in the page's order. buf: at least 256 bytes. */
const char *page_text(const struct page *p, char buf[static 256]);
SUSPENDS int world_history(struct world *w, const char *channel, struct keep keep,
                           struct page *ret); /* all of it */

/* "k=v k!" (a removal), of what was heard or read. */
const char *keys_text(struct publication *const *items, size_t n, char buf[static 256]);

void listener_clear(struct listener *l);
const char *listener_text(const struct listener *l, char buf[static 256]);

/* Lets what is on its way arrive. */
SUSPENDS void world_settle(struct world *w);
/* Until the listener has heard so many; false: not in time. */
SUSPENDS bool world_await(struct world *w, size_t n);
