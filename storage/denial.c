#include "storage/denial.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/buffer.h"

void denials_finish(struct denials *d) {
    free(d->items);
    free(d->memory);
    *d = (struct denials){ 0 };
}

static bool is_power_of_two_or_zero(size_t n) {
    return (n & (n - 1)) == 0;
}

/* The text moves as it grows: the keys are found when it is whole. */
int denials_add(struct denials *d, struct buffer *text, const struct denial *one) {
    if (is_power_of_two_or_zero(d->n)) {
        struct denial *items = reallocarray(d->items, d->n ? d->n * 2 : 1, sizeof *items);
        if (!items)
            return -ENOMEM;
        d->items = items;
    }
    buffer_append_str(text, one->key);
    int r = buffer_error(text);
    if (r < 0)
        return r;
    d->items[d->n++] = *one;
    return 0;
}

void denials_settle(struct denials *d, struct buffer *text) {
    const char *at = (const char *) text->data;
    for (size_t i = 0; i < d->n; i++) {
        d->items[i].key.data = at;
        if (at)
            at += d->items[i].key.len;
    }
    d->memory = text->data;
    *text = BUFFER_INIT;
}
