/* Times of one kind: kept one by one, so that what is said of them is exact. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. */
struct figures {
    uint64_t *items_ns;
    size_t n, cap;
};

void figures_add(struct figures *f, uint64_t ns);
void figures_reset(struct figures *f);
void figures_finish(struct figures *f);

/* Sorts. q: 0 the least, 1 the largest. 0 when there are none. */
uint64_t figures_quantile_ns(struct figures *f, double q);

uint64_t now_ns(void); /* monotonic */

/* Ends the program: the tool's own trouble, not the server's. */
_Noreturn void give_up(const char *what, int error);
