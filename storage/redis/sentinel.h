/*
 * Sentinels: who is master now, and hearing at once of a switch. Embedded in a server.
 *
 * They are asked in turn, from the one that answered last; those they name are learned. None is
 * believed for long: whoever connects to the master looks at its role.
 */
#pragma once

#include "storage/redis/line.h"

enum { REDIS_SENTINELS_MAX = 32 };

struct redis_sentinels {
    struct redis_line_options options; /* set by the owner */
    struct str master_name;
    int64_t connect_timeout_ms, io_timeout_ms, keepalive_ms;
    void (*switched)(void *arg); /* ask again: the master may be another */
    void *arg;

    struct address addresses[REDIS_SENTINELS_MAX];
    size_t n;
    size_t newest;         /* answered last */
    struct address master; /* as last heard */
    struct redis_why why;  /* of the watching line */
    char said[128];        /* private */
};

/* 0; -ENOENT: a Sentinel does not know the name; -ENOTCONN: none answers; -ENOMEM, -ECANCELED,
 * -ETIMEDOUT. */
SUSPENDS MUST_CHECK int redis_sentinels_master(struct redis_sentinels *s, struct redis_why *why,
                                               struct address *ret);

/* A task: keeps a line to a Sentinel that says when the master changes. */
SUSPENDS int redis_sentinels_watch(void *sentinels);
