/* A daemon's life under an operator: from the first configuration over signals to the last goodbye.
 */
#pragma once

#include "daemon/config/load.h"
#include "daemon/transport/assets.h"

struct log;

struct serve {
    const struct config_source *source; /* read again by a reload. Borrowed */
    struct config *config;              /* the first; borrowed */
    struct log *log;                    /* borrowed */
    struct asset_table assets;
    const int *fds; /* listening sockets that were handed in; owned from here on */
    size_t n_fds;
};

/* To be called before any thread exists: the signals serve_run() waits for reach nobody else. */
void serve_block_signals(void);

/*
 * The root task (arg: struct serve). SIGTERM, SIGINT: drain and leave; once more: leave at once.
 * SIGHUP: reload. SIGUSR1: the tasks, to standard error. 0 after a drain; else why it could not
 * start (errors of daemon_open()), which has been logged.
 */
SUSPENDS int serve_run(void *arg);

/* Logs what a configuration lets anybody do. */
void serve_warn_of_insecurity(struct log *log, const struct config *c);
void serve_log_report(struct log *log, const struct config_report *report);
