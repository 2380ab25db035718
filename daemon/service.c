#include "daemon/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "async/task.h"
#include "daemon/daemon.h"
#include "daemon/log.h"

enum { STATUS_MS = 10000, BEATS_PER_LIMIT = 2 };

int service_take_sockets(int *ret_fds, size_t cap) {
    int n = sd_listen_fds(true);
    if (n < 0)
        return n;
    if ((size_t) n > cap)
        return -E2BIG;
    for (int i = 0; i < n; i++) {
        if (sd_is_socket(SD_LISTEN_FDS_START + i, AF_UNSPEC, SOCK_STREAM, true) <= 0)
            return -EINVAL;
        ret_fds[i] = SD_LISTEN_FDS_START + i;
    }
    return n;
}

void service_ready(struct str status) {
    (void) sd_notifyf(false, "READY=1\nSTATUS=%.*s", (int) status.len, status.data);
}

void service_reloading(void) {
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    (void) sd_notifyf(false,
                      "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reading the configuration",
                      (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000);
}

void service_stopping(struct str status) {
    (void) sd_notifyf(false, "STOPPING=1\nSTATUS=%.*s", (int) status.len, status.data);
}

int service_watch(void *arg) {
    struct service_watch *w = arg;
    uint64_t limit_us = 0;
    bool was_alive = true;

    if (!getenv("NOTIFY_SOCKET"))
        return 0;
    bool has_watchdog = sd_watchdog_enabled(false, &limit_us) > 0 && limit_us > 0;
    int64_t limit_ms = has_watchdog ? (int64_t) (limit_us / 1000) : STATUS_MS;
    int64_t beat_ms = limit_ms / BEATS_PER_LIMIT;
    if (beat_ms > STATUS_MS)
        beat_ms = STATUS_MS;
    if (beat_ms < 1)
        beat_ms = 1;

    for (;;) {
        bool is_alive = daemon_is_alive(w->daemon, limit_ms);
        uint32_t connections = atomic_load_explicit(&w->daemon->connections, memory_order_relaxed);
        if (is_alive)
            (void) sd_notifyf(false, "%sSTATUS=%s%u connections",
                              has_watchdog ? "WATCHDOG=1\n" : "",
                              w->daemon->is_stopping ? "Stopping, " : "", connections);
        else if (was_alive)
            LOG_ERROR(w->log, "a worker does not turn any more",
                      LOG_INT("for_more_than_ms", limit_ms));
        was_alive = is_alive;

        int r = task_sleep(beat_ms);
        if (r < 0)
            return r;
    }
}
