#include "tests/bench/storm/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void figures_add(struct figures *f, uint64_t ns) {
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 1024;
        uint64_t *items = reallocarray(f->items_ns, cap, sizeof *items);
        if (!items)
            give_up("figures", 0);
        f->items_ns = items;
        f->cap = cap;
    }
    f->items_ns[f->n++] = ns;
}

void figures_reset(struct figures *f) {
    f->n = 0;
}

void figures_finish(struct figures *f) {
    free(f->items_ns);
    *f = (struct figures){ 0 };
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

uint64_t figures_quantile_ns(struct figures *f, double q) {
    if (f->n == 0)
        return 0;
    qsort(f->items_ns, f->n, sizeof *f->items_ns, compare);
    size_t i = (size_t) (q * (double) f->n);
    return f->items_ns[i < f->n ? i : f->n - 1];
}

uint64_t now_ns(void) {
    struct timespec t;
    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

_Noreturn void give_up(const char *what, int error) {
    (void) fprintf(stderr, "storm: %s: %s\n", what, error ? strerror(error) : "no memory");
    exit(2);
}
