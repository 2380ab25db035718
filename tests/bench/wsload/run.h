/* One run: connections are set up, a warm-up passes, the load is measured, what is under way ends.
 */
#ifndef WSLOAD_RUN_H
#define WSLOAD_RUN_H

#include <stdint.h>

#include "account.h"

/* Sums over all workers. */
struct counters {
    uint64_t delivered, published, acks, frames, bytes, rx_bytes, recvs;
};

struct results {
    /* Setting up. */
    double setup_s, handshakes_s, setup_server_cpu, setup_own_cpu;
    /* The measured time alone. */
    struct counters measured;
    double measured_s, own_cpu;
    struct account before, after; /* without memory */
    /* The whole run. */
    struct account started, settled, ended; /* with memory */
    uint64_t drained, stalls;
};

void run_set_up(struct results *ret); /* connects all, or opens and closes for the whole time */
void run_measure(struct results *ret);

#endif
