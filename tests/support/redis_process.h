/*
 * Real redis-servers and Sentinels for tests: each on a free port of the loopback, in a directory
 * of its own, ended with the test whatever happens to it. Calls block; processes are signalled by
 * pid.
 */
#pragma once

#include "async/base.h"
#include "async/stream.h"

struct redis_process;

struct redis_process_options {
    const char *config; /* lines of redis.conf, after the support's own; or NULL */
    bool is_sentinel;   /* config: its "sentinel monitor ..." */
    bool is_tls;        /* the port is a TLS port; config names certificate, key and CA */
};

/* Returns when it says that it is ready. -ENOENT: there is no redis-server here; -ECHILD: it ended,
 * its log is on stderr; -ETIMEDOUT. */
MUST_CHECK int redis_process_start(const struct redis_process_options *o,
                                   struct redis_process **ret);

/* Ends it (SIGKILL) and removes its directory. Takes NULL; returns NULL. */
struct redis_process *redis_process_free(struct redis_process *p);

void redis_process_kill(struct redis_process *p); /* SIGKILL, and waits for its end */
void redis_process_end(struct redis_process *p);  /* SIGTERM: saves as it is configured to */
MUST_CHECK int redis_process_again(struct redis_process *p); /* after those: same port, same data */
void redis_process_freeze(struct redis_process *p);          /* SIGSTOP */
void redis_process_thaw(struct redis_process *p);

uint16_t redis_process_port(const struct redis_process *p);
const struct address *redis_process_address(const struct redis_process *p);
const char *redis_process_directory(const struct redis_process *p);
