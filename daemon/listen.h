/* How connections come to a worker: listeners of its own, or handed over by another worker. */
#pragma once

#include "async/group.h"
#include "async/list.h"
#include "async/stream.h"

struct config_listener;
struct daemon;
struct worker_thread;

/* A worker's listeners. On its loop. */
struct acceptors {
    struct group tasks;
    struct list all;
};

void acceptors_init(struct acceptors *a);
SUSPENDS void acceptors_finish(struct acceptors *a); /* stops accepting; once more does nothing */

uint64_t acceptors_starved(const struct acceptors *a); /* times they ran out of descriptors */

/*
 * The daemon's listeners, on every worker. TCP: each worker has a socket of its own on the same
 * port, and the kernel chooses. Others: the first worker accepts and hands over in turn. fds:
 * inherited sockets, taken over. Main loop. 0, or the first error; ret_why: which listener, heap.
 */
SUSPENDS MUST_CHECK int daemon_listen(struct daemon *d, const int *fds, size_t n_fds,
                                      char **ret_why);
SUSPENDS void daemon_stop_listening(struct daemon *d);
