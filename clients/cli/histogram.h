/* Counts of durations, 32 buckets to an octave: quantiles within 3 %. Microseconds. */
#pragma once

#include <stdint.h>

enum { HISTOGRAM_OCTAVES = 40, HISTOGRAM_STEPS = 32 };

struct histogram {
    uint64_t counts[HISTOGRAM_OCTAVES * HISTOGRAM_STEPS];
    uint64_t n;
    uint64_t max_us;
};

void histogram_add(struct histogram *h, uint64_t us);
uint64_t histogram_quantile(const struct histogram *h, double q); /* 0 if it is empty */
