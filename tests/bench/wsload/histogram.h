/*
 * Log-linear histogram of nanoseconds: 64 buckets per power of two, so quantiles are off by less
 * than 1.6 %. Adding costs a shift and an increment; nothing is allocated.
 */
#ifndef WSLOAD_HISTOGRAM_H
#define WSLOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BITS = 6, HISTOGRAM_N = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS };

struct histogram {
    uint64_t n, max, sum;
    uint64_t counts[HISTOGRAM_N];
};

static inline void histogram_add(struct histogram *h, uint64_t v) {
    unsigned i = (unsigned) v;
    if (v >= 1u << HISTOGRAM_BITS) {
        unsigned e = 63u - (unsigned) __builtin_clzll(v);
        i = ((e - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS) +
            (unsigned) ((v >> (e - HISTOGRAM_BITS)) & ((1u << HISTOGRAM_BITS) - 1));
    }
    h->counts[i]++;
    h->n++;
    h->sum += v;
    if (v > h->max)
        h->max = v;
}

double histogram_us(const struct histogram *h, double q); /* a quantile, in microseconds */
void histogram_merge(struct histogram *h, const struct histogram *other);

#endif
