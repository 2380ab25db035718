/* The wall clock, on loops and on threads that have none. */
#pragma once

#include <stdint.h>

/* ms since 1970. On a loop's thread the loop's own, so that simulated time rules simulated lanes.
 */
int64_t clock_wall_ms(void);

/* ns, monotonic, real even in a simulation: for measuring only. */
uint64_t clock_ticks_ns(void);
