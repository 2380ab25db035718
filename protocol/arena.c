#include "protocol/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { CHUNK_SIZE = 1024, ALIGNMENT = alignof(max_align_t) };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t cap;
    alignas(ALIGNMENT) uint8_t data[];
};

void *arena_alloc(struct arena *a, size_t len) {
    if (len > SIZE_MAX / 2)
        return NULL;
    size_t rounded = (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

    struct arena_chunk *c = a->chunks;
    if (!c || rounded > c->cap - c->used) {
        size_t cap = CHUNK_SIZE - sizeof *c;
        if (cap < rounded)
            cap = rounded;

        c = malloc(sizeof *c + cap);
        if (!c)
            return NULL;
        *c = (struct arena_chunk){ .next = a->chunks, .cap = cap };
        a->chunks = c;
    }

    void *at = c->data + c->used;
    c->used += rounded;
    return at;
}

void *arena_list_add(struct arena *a, struct arena_list *l, size_t item_size) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        void *items = arena_alloc(a, cap * item_size);
        if (!items)
            return NULL;
        if (l->n)
            memcpy(items, l->items, l->n * item_size);
        l->items = items;
        l->cap = cap;
    }

    void *item = (char *) l->items + l->n++ * item_size;
    memset(item, 0, item_size);
    return item;
}

void arena_finish(struct arena *a) {
    while (a->chunks) {
        struct arena_chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
}
