#include "daemon/batch.h"

#include <stdlib.h>

struct batch *batch_new(void) {
    struct batch *b = calloc(1, sizeof *b);
    if (b)
        b->refs = 1;
    return b;
}

struct batch *batch_unref(struct batch *b) {
    if (b && --b->refs == 0) {
        buffer_finish(&b->bytes);
        free(b);
    }
    return NULL;
}
