/*
 * Child processes, their standard streams, and their end.
 */
#pragma once

#include <sys/types.h>

#include "async/base.h"

struct child;
struct stream;

enum child_stream {
    CHILD_INHERIT, /* ours */
    CHILD_NULL,    /* /dev/null */
    CHILD_PIPE,    /* a stream of ours: child_input() and so on */
    CHILD_MERGE,   /* errors only: where the output goes */
};

struct child_options {
    const char *const
            *argv; /* ends with NULL; argv[0] is looked for in PATH unless it has a slash */
    const char *const *env; /* "NAME=value", ends with NULL; or NULL: ours */
    const char *directory;  /* to start in; or NULL: ours */
    enum child_stream input, output, errors;
    int patience_ms; /* child_close(): between TERM and KILL; 0: 5000 */
};

/*
 * Starts a process with default signal handlers, no signal blocked, and no descriptor of ours but
 * the standard ones. Blocks until the program is found and begun. Everything in o is borrowed for
 * the call. -ENOENT, -EACCES, ...: what execve(2) says; -ENOMEM, -EMFILE, -EAGAIN.
 */
MUST_CHECK int child_spawn(const struct child_options *o, struct child **ret);

pid_t child_pid(const struct child *c);

/* The pipes; NULL for what is none or was ended. Borrowed: they are closed with the child. */
struct stream *child_input(const struct child *c);
struct stream *child_output(const struct child *c);
struct stream *child_errors(const struct child *c);
void child_end_input(struct child *c); /* the child reads an end */

/* Until it has ended: its exit code (0 to 255), or minus the number of the signal that ended it.
 * Any number of tasks, any number of times. 0, or -ECANCELED, -ETIMEDOUT. */
SUSPENDS MUST_CHECK int child_wait(struct child *c, int *ret_status);

MUST_CHECK int child_kill(struct child *c, int signal); /* never suspends. -ESRCH: it has ended */

/* Closes its pipes; if it has not ended asks it to (TERM), after a while makes it (KILL); waits,
 * shielded, until it has; frees. Nobody may be in child_wait(). Takes NULL; returns NULL. */
SUSPENDS struct child *child_close(struct child *c);
