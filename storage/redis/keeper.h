/*
 * Keeps one line up: finds the server, connects, greets, serves until it breaks, pauses, and again.
 * Embedded in a server, which has one for commands and one for subscriptions.
 */
#pragma once

#include "async/event.h"
#include "storage/redis/line.h"

struct group;
struct redis_keeper;

/* What the two kinds of lines do differently. All of the keeper's task. */
struct redis_keeper_kind {
    const char *name; /* for messages: "commands" */
    SUSPENDS int (*greet)(struct redis_keeper *k, struct redis_line *l);
    void (*up)(struct redis_keeper *k, struct redis_line *l);
    SUSPENDS task_fn *listen; /* a task: takes what the line says */
    SUSPENDS task_fn *watch;  /* a task: ends when too much time has passed */
    void (*down)(struct redis_keeper *k, int error); /* the line is still there */
};

struct redis_keeper {
    const struct redis_keeper_kind *kind; /* set by the owner */
    struct redis_server *server;

    struct redis_line *line;           /* up */
    struct group *serving;             /* the tasks of the line that is up */
    struct address address;            /* of the newest attempt */
    char identity[REDIS_IDENTITY_MAX]; /* of the process that the line is, or was last, to */
    struct redis_why why;              /* of the newest attempt, or of the end of the line */
    struct redis_why told;             /* the operator has been told so; empty: that it is well */
    int error;                         /* of the same */
    int end_error;                     /* somebody ended the line */
    int64_t pause_ms;
    struct event hurry; /* no pause now */
    uint64_t connects, errors, breaks;
};

SUSPENDS int redis_keeper_run(void *keeper); /* a task */

/* The line, if there is one, ends with this error. Never suspends. */
__attribute__((format(printf, 3, 4))) void redis_keeper_end(struct redis_keeper *k, int error,
                                                            const char *format, ...);
