/* A server of storage/redis/server.h, the scripted Redis it talks to, and what it told: in virtual
 * time, or in a seeded simulation. */
#pragma once

#include "storage/redis/server.h"
#include "tests/unit/async/expect.h"
#include "tests/unit/storage/redis_script.h"

struct scene {
    struct redis_script script;
    struct redis_server *server;
    struct redis_server_options options; /* for the story to change before it opens */
    struct address addresses[2];
    unsigned greetings, ups, downs, resubscribed, warnings;
    int down_error, greet_error;
    char warning[640], run_id[64];
    struct buffer messages; /* "channel=payload;" */
};

/* Runs a story, a task with the scene as its argument, and closes what it left open. seed 0: plain
 * virtual time. */
MUST_CHECK int scene_play(task_fn *story, uint64_t seed);

MUST_CHECK int scene_open(struct scene *c);        /* the server */
SUSPENDS MUST_CHECK int scene_up(struct scene *c); /* and waits for its line for commands */

/* An ECHO on its way. */
struct sent {
    struct redis_command command;
    struct scene *scene;
    bool is_done;
    int error, type;
    unsigned order, *counter;
    char text[32];
};

void send_echo(struct scene *c, struct sent *s, unsigned *counter, const char *text);
SUSPENDS MUST_CHECK int ask_echo(struct scene *c, const char *text); /* -EBADMSG: another answer */

/* Virtual time is cheap: things that must come are waited for, others get their chance. */
#define COMES(condition)                                                                           \
    do {                                                                                           \
        for (int ms_ = 0; ms_ < 60000 && !(condition); ms_ += 5)                                   \
            EXPECT_EQUAL(task_sleep(5), 0);                                                        \
        EXPECT(condition);                                                                         \
    } while (0)
