/* What servers and this machine have used: CPU, memory, from /proc. */
#ifndef WSLOAD_ACCOUNT_H
#define WSLOAD_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct account {
    double user, sys,
            total; /* seconds of the servers' CPU; total has nanoseconds, the others ticks */
    uint64_t pss_kb, rss_kb;
    double server_core_busy, client_core_busy, stolen; /* seconds */
    uint64_t slab_kb, tcp_mem_pages;
};

/* Of all of --server-pid. with_memory: memory, too, which takes longer. */
void account_take(struct account *ret, bool with_memory);
double own_cpu(void); /* seconds */

#endif
