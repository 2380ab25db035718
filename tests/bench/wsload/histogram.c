#include "histogram.h"

static double middle_of(unsigned i) {
    if (i < 1u << HISTOGRAM_BITS)
        return i;
    unsigned e = (i >> HISTOGRAM_BITS) + HISTOGRAM_BITS - 1;
    uint64_t mantissa = (1u << HISTOGRAM_BITS) + (i & ((1u << HISTOGRAM_BITS) - 1));
    return (double) (mantissa << (e - HISTOGRAM_BITS)) +
           (double) (1ull << (e - HISTOGRAM_BITS)) / 2;
}

double histogram_us(const struct histogram *h, double q) {
    if (!h->n)
        return 0;
    uint64_t want = (uint64_t) (q * (double) h->n), seen = 0;
    if (want >= h->n)
        want = h->n - 1;
    for (unsigned i = 0; i < HISTOGRAM_N; i++) {
        seen += h->counts[i];
        if (seen > want) {
            double v = middle_of(i);
            return (v > (double) h->max ? (double) h->max : v) / 1e3;
        }
    }
    return (double) h->max / 1e3;
}

void histogram_merge(struct histogram *h, const struct histogram *other) {
    for (unsigned i = 0; i < HISTOGRAM_N; i++)
        h->counts[i] += other->counts[i];
    h->n += other->n;
    h->sum += other->sum;
    if (other->max > h->max)
        h->max = other->max;
}
