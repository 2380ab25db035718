#include "daemon/batch.h"

#include <stdlib.h>

struct batch *batch_new(void) {
    struct batch *b = malloc(sizeof *b); /* calloc() has no cache of its own before glibc 2.41 */
    if (b)
        *b = (struct batch){ .refs = 1 };
    return b;
}

struct batch *batch_unref(struct batch *b) {
    if (b && --b->refs == 0) {
        buffer_finish(&b->bytes);
        free(b);
    }
    return NULL;
}
