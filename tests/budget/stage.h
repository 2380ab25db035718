/*
 * A stage: a world whose daemon listens on a Unix socket, and clients that are nothing but the
 * other ends of its connections. What the daemon does is counted; what clients do is not.
 *
 * Callgrind collects only inside stage_work(), while the one task of the test is parked: what
 * clients say, hear and check stays outside, so it may cost what it likes. What is left of the test
 * in the figures is its parking and the timer that ends it; that, with the turn of the loop around
 * it, is the operation `turn`, and the runner takes it off all the others.
 */
#pragma once

#include "async/event.h"
#include "async/loop.h"
#include "protocol/codec.h"
#include "protocol/frame.h"
#include "tests/support/world.h"

enum { STAGE_CLIENTS = 1000 };

#define STAGE_SOCKET "parleyd.sock" /* in the working directory */

struct client {
    int fd; /* below 0: not connected */
    bool is_protobuf;
};

struct stage {
    struct world *world;
    struct client clients[STAGE_CLIENTS + 2];
    struct frame_pool *frames;
    struct buffer out, text; /* what is about to be said */
    struct buffer heard;
    struct timer timer;
    struct event is_over;
    bool is_counted; /* stage_work() is to be */
    uint64_t works;  /* how often it was */
};

MUST_CHECK int stage_open(struct stage *s, struct world *w);
void stage_close(struct stage *s);

/* Lets the daemon work until nothing is left to do but waiting, then ms of virtual time pass. */
SUSPENDS void stage_work(struct stage *s, int64_t ms);

/* ---- clients: never suspend, never counted ---- */

MUST_CHECK int client_reach(struct client *c);
void client_leave(struct client *c);

/* All are said at once, by one write, with what was prepared before. */
void client_prepare(struct stage *s, const struct client *c, const struct command *command);
void client_prepare_frame(struct stage *s, enum frame_opcode opcode, struct bytes payload);
void client_prepare_text(struct stage *s, const char *text);
MUST_CHECK int client_say(struct stage *s, struct client *c);

/* Takes what has arrived, into s->heard: its bytes. */
size_t client_hear(struct stage *s, struct client *c);

/* How often a text is in what was heard last. */
size_t stage_heard(const struct stage *s, const char *text);
