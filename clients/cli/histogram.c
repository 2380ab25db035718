#include "clients/cli/histogram.h"

static unsigned bucket_of(uint64_t us) {
    if (us < HISTOGRAM_STEPS)
        return (unsigned) us;
    unsigned octave = 63 - (unsigned) __builtin_clzll(us) - 4; /* from 1: [32, 64) */
    if (octave >= HISTOGRAM_OCTAVES)
        return HISTOGRAM_OCTAVES * HISTOGRAM_STEPS - 1;
    return octave * HISTOGRAM_STEPS + (unsigned) (us >> (octave - 1)) - HISTOGRAM_STEPS;
}

static uint64_t top_of(unsigned bucket) {
    unsigned octave = bucket / HISTOGRAM_STEPS, step = bucket % HISTOGRAM_STEPS;
    if (octave == 0)
        return step;
    return ((uint64_t) (step + HISTOGRAM_STEPS + 1) << (octave - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t us) {
    h->counts[bucket_of(us)]++;
    h->n++;
    if (us > h->max_us)
        h->max_us = us;
}

uint64_t histogram_quantile(const struct histogram *h, double q) {
    uint64_t wanted = (uint64_t) ((double) h->n * q), seen = 0;

    if (h->n == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_OCTAVES * HISTOGRAM_STEPS - 1; i++) {
        seen += h->counts[i];
        if (seen > wanted)
            return top_of(i) < h->max_us ? top_of(i) : h->max_us;
    }
    return h->max_us; /* the last bucket has no top */
}
