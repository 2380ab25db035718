/*
 * The service manager's side of the daemon: sockets handed in, and what is reported back. Without
 * systemd everything here does nothing.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct daemon;
struct log;

enum { SERVICE_FDS_MAX = 31 };

/*
 * The listening sockets that the manager opened (sd_listen_fds(3)), now the caller's; children do
 * not inherit them. How many, or -EINVAL: one is no listening stream socket; -E2BIG: more than cap.
 */
MUST_CHECK int service_take_sockets(int *ret_fds, size_t cap);

void service_ready(struct str status);    /* READY=1; after a reload, too */
void service_reloading(void);             /* RELOADING=1 */
void service_stopping(struct str status); /* STOPPING=1 */

/*
 * A task (arg: struct service_watch, which outlives it): as long as every worker turns, tells the
 * manager so at half the unit's WatchdogSec, and keeps the unit's status line. A worker that is
 * stuck, or a main loop that is, stops it, and the manager restarts the service. Ends with
 * -ECANCELED; at once if there is no manager.
 */
SUSPENDS int service_watch(void *arg);

struct service_watch {
    struct daemon *daemon;
    struct log *log;
};
