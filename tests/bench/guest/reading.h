/*
 * What a machine of its own says of itself: memory by owner, the kernel's caches, a process's
 * share.
 *
 * Everything comes from /proc, and means something only where nothing else runs: what grew between
 * two readings is then the connections'.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { CACHES_MAX = 256, CACHE_NAME_LEN = 32 };

/* One of the kernel's slab caches. */
struct cache {
    char name[CACHE_NAME_LEN];
    uint64_t active; /* objects in use */
    uint64_t object; /* bytes of one */
    uint64_t bytes;  /* pages it holds */
};

/* Of a process: bytes, and ticks of sysconf(_SC_CLK_TCK). */
struct share {
    uint64_t pss, rss;
    uint64_t user_ticks, system_ticks;
};

struct reading {
    double at_s; /* monotonic */
    struct share server, client;
    uint64_t kernel; /* bytes: all that is in use, and no process's memory nor a file's */
    uint64_t slab, page_tables, available;
    struct cache caches[CACHES_MAX];
    unsigned n_caches;
};

double reading_clock_s(void);

/* Bytes that could still be had; 0 where /proc does not say. */
uint64_t reading_available(void);

/* CPU seconds of a process so far. */
double reading_cpu_s(pid_t pid);

/* Bytes a process has in memory; 0: it is gone. */
uint64_t reading_rss(pid_t pid);

/* 0, or negative errno: the server is gone, or /proc is not what we know. */
int reading_take(pid_t server, struct reading *ret);

/* As members of a JSON object, without its braces. Caches of less than 256 KiB are left out. */
void reading_print(const struct reading *r, FILE *to);
