#include "daemon/batch.h"

#include <stdlib.h>

/* Sanitizers see a batch touched after its end only if it was really freed. */
#ifdef PARLEY_SANITIZED
enum { SPARE_MAX = 0 };
#else
enum { SPARE_MAX = 256 };
#endif
enum { SPARE_MAX_BYTES = 4096 }; /* of one: a megabyte in all */

struct batch *batch_new(struct batch_pool *pool) {
    struct batch *b = pool ? pool->spare : NULL;
    if (b) {
        pool->spare = b->next;
        pool->n--;
        b->refs = 1;
        return b;
    }
    b = malloc(sizeof *b); /* calloc() has no cache of its own before glibc 2.41 */
    if (b)
        *b = (struct batch){ .refs = 1, .pool = pool };
    return b;
}

static void batch_free(struct batch *b) {
    buffer_finish(&b->bytes);
    free(b);
}

struct batch *batch_unref(struct batch *b) {
    if (!b || --b->refs > 0)
        return NULL;
    struct batch_pool *pool = b->pool;
    if (!pool || pool->n == SPARE_MAX || b->bytes.cap > SPARE_MAX_BYTES) {
        batch_free(b);
        return NULL;
    }
    buffer_reset(&b->bytes);
    b->next = pool->spare;
    pool->spare = b;
    pool->n++;
    return NULL;
}

void batch_pool_finish(struct batch_pool *pool) {
    while (pool->spare) {
        struct batch *b = pool->spare;
        pool->spare = b->next;
        batch_free(b);
    }
    pool->n = 0;
}
