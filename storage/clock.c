#include "storage/clock.h"

#include <time.h>

#include "async/loop.h"

int64_t clock_wall_ms(void) {
    if (loop_current())
        return loop_wall_ms();
    struct timespec now;
    (void) clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t clock_ticks_ns(void) {
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}
