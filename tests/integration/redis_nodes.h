/* One or two nodes on a Redis of their own, for stories about what they share. */
#pragma once

#include "storage/node.h"
#include "tests/unit/storage/world.h"

enum { PATIENCE_MS = 30000 };

extern struct world *world; /* of the test that runs: Redis is there, its node in stories */

int begin_redis(void **state);
int end_redis(void **state);

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin_redis, end_redis)

/* One inline command over a line of its own, and how its reply begins. Blocks, shortly. */
const char *tell(struct world *w, const char *command);

typedef int pair_fn(struct world *a, struct world *b);
void run_both(pair_fn *story);    /* asserts that it is true: node "one", node "two" */
void run_one(story_fn *story);    /* node "one" */
void run_closed(story_fn *story); /* the story opens its nodes */

bool hears(struct world *w, const char *expected); /* listener_text() */

/* Notes signals, "FROM:TEXT " each. */
struct listening {
    struct engine_ear ear;
    char text[256];
    int missed;
};

void listening_init(struct listening *l, struct world *w);
SUSPENDS bool await_text(const struct listening *l, const char *text);
SUSPENDS bool await_missed(const struct listening *l);
