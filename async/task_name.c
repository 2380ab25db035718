/* The names of a loop's tasks: thousands of tasks have the same few, so each text is kept once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/task_impl.h"

enum {
    NAMES_MAX = 4096, /* a program that makes up a name for each task gets no further */
    SLOTS_MIN = 64,   /* a power of two */
};

struct task_names {
    char *texts[NAMES_MAX]; /* at most TASK_NAME_SIZE bytes each; [0] is never used */
    unsigned n;             /* texts[1, n) are there */
    unsigned n_slots;       /* at least twice as many as names */
    uint16_t *slots;        /* which text; 0: free */
};

static uint32_t hash_of(const char *name) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (int i = 0; i < TASK_NAME_SIZE - 1 && name[i]; i++)
        hash = (hash ^ (uint8_t) name[i]) * 16777619u;
    return hash;
}

/* The name's slot, or the free one where it would be. */
static uint16_t *find(const struct task_names *all, const char *name) {
    for (uint32_t i = hash_of(name);; i++) {
        uint16_t *slot = &all->slots[i & (all->n_slots - 1)];
        if (*slot == 0 || strncmp(all->texts[*slot], name, TASK_NAME_SIZE - 1) == 0)
            return slot;
    }
}

static bool make_slots(struct task_names *all, unsigned n) {
    uint16_t *slots = calloc(n, sizeof *slots);
    if (!slots)
        return false;
    free(all->slots);
    all->slots = slots;
    all->n_slots = n;
    for (unsigned i = 1; i < all->n; i++)
        *find(all, all->texts[i]) = (uint16_t) i;
    return true;
}

static struct task_names *names_of(struct loop *l) {
    if (l->names)
        return l->names;
    struct task_names *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->n = 1;
    if (!make_slots(all, SLOTS_MIN)) {
        free(all);
        return NULL;
    }
    return l->names = all;
}

uint16_t task_name_of(struct loop *l, const char *name) {
    struct task_names *all = names_of(l);
    if (!all)
        return 0;
    uint16_t *slot = find(all, name);
    if (*slot)
        return *slot;
    if (all->n == NAMES_MAX)
        return 0;
    if (2 * (all->n + 1) > all->n_slots) {
        if (!make_slots(all, 2 * all->n_slots))
            return 0;
        slot = find(all, name);
    }
    char *text = strndup(name, TASK_NAME_SIZE - 1);
    if (!text)
        return 0;
    all->texts[all->n] = text;
    return *slot = (uint16_t) all->n++;
}

const char *task_name(const struct task *t) {
    const struct task_names *all = loop_of_thread ? loop_of_thread->names : NULL;
    return all && t->name ? all->texts[t->name] : "task";
}

void task_names_finish(struct loop *l) {
    if (!l->names)
        return;
    for (unsigned i = 1; i < l->names->n; i++)
        free(l->names->texts[i]);
    free(l->names->slots);
    free(l->names);
    l->names = NULL;
}
