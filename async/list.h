/* A circular doubly linked list of links embedded in what it holds. */
#pragma once

#include "async/base.h"

struct link {
    struct link *prev, *next; /* both NULL: in no list */
};

struct list {
    struct link head; /* zeroed counts as empty */
};

static inline void list_init(struct list *l) {
    l->head.prev = l->head.next = &l->head;
}

static inline bool list_is_empty(const struct list *l) {
    return l->head.next == NULL || l->head.next == &l->head;
}

static inline bool link_is_linked(const struct link *k) {
    return k->next != NULL;
}

static inline void list_append(struct list *l, struct link *k) {
    if (!l->head.next)
        list_init(l);
    k->prev = l->head.prev;
    k->next = &l->head;
    l->head.prev->next = k;
    l->head.prev = k;
}

static inline void list_prepend(struct list *l, struct link *k) {
    if (!l->head.next)
        list_init(l);
    k->next = l->head.next;
    k->prev = &l->head;
    l->head.next->prev = k;
    l->head.next = k;
}

/* Does nothing to one that is in no list. */
static inline void list_remove(struct link *k) {
    if (!k->next)
        return;
    k->prev->next = k->next;
    k->next->prev = k->prev;
    k->prev = k->next = NULL;
}

static inline struct link *list_first(const struct list *l) {
    return list_is_empty(l) ? NULL : l->head.next;
}

static inline struct link *list_pop(struct list *l) {
    struct link *k = list_first(l);
    if (k)
        list_remove(k);
    return k;
}

/* To the end of another. */
static inline void list_append_all(struct list *to, struct list *from) {
    if (list_is_empty(from))
        return;
    if (!to->head.next)
        list_init(to);
    from->head.next->prev = to->head.prev;
    from->head.prev->next = &to->head;
    to->head.prev->next = from->head.next;
    to->head.prev = from->head.prev;
    list_init(from);
}

#define LIST_FOREACH(list, k)                                                                      \
    for (struct link *k = list_first(list); k && k != &(list)->head; k = k->next)

/* The current one may be removed inside; others may not. */
#define LIST_FOREACH_SAFE(list, k, after)                                                          \
    for (struct link *k = list_first(list), *after = k ? k->next : NULL; k && k != &(list)->head;  \
         k = after, after = k->next)
