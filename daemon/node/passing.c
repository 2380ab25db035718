/* Who is there: the engine's list, and what nodes said since it was made. */
#include <errno.h>
#include <stdlib.h>

#include "async/loop.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/node/desk_impl.h"

static void drop(struct node_desk *n, struct passing *p) {
    list_remove(&p->link);
    n->n_passing--;
    free(p);
}

/* By then the engine's list knows. Locked, as all below. */
static void forget_old(struct node_desk *n) {
    int64_t before_ms = loop_now() - n->ttl_ms;
    LIST_FOREACH_SAFE (&n->passing, k, after) {
        struct passing *p = CONTAINER_OF(k, struct passing, link);
        if (p->at_ms > before_ms)
            return;
        drop(n, p);
    }
}

static struct passing *find(struct node_desk *n, struct str id) {
    LIST_FOREACH (&n->passing, k) {
        struct passing *p = CONTAINER_OF(k, struct passing, link);
        if (str_equal(p->id, id))
            return p;
    }
    return NULL;
}

static struct str put(char **at, struct str from) {
    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return (struct str){ *at - from.len, from.len };
}

void node_take_passing(struct node_desk *n, struct str from, const struct node_message *m) {
    struct str version = { (const char *) m->body.data, m->body.len };
    struct passing *p = malloc(sizeof *p + from.len + m->name.len + version.len);
    if (!p) {
        node_count(&n->counts.dropped);
        return;
    }
    char *at = p->text;
    *p = (struct passing){ .at_ms = loop_now(),
                           .has_gone = m->kind == NODE_ORDER_GOODBYE,
                           .id = put(&at, from),
                           .name = put(&at, m->name),
                           .version = put(&at, version) };
    (void) pthread_mutex_lock(&n->lock);
    forget_old(n);
    struct passing *before = find(n, from);
    if (before)
        drop(n, before);
    if (n->n_passing == NODE_PASSING_MAX)
        drop(n, CONTAINER_OF(list_first(&n->passing), struct passing, link));
    list_append(&n->passing, &p->link);
    n->n_passing++;
    (void) pthread_mutex_unlock(&n->lock);
}

void node_forget_passing(struct node_desk *n) {
    struct link *k;
    while ((k = list_first(&n->passing)))
        drop(n, CONTAINER_OF(k, struct passing, link));
}

static struct str kept(struct arena *a, struct str from) {
    char *to = arena_alloc(a, from.len ? from.len : 1);
    if (to && from.len)
        memcpy(to, from.data, from.len);
    return (struct str){ to, to ? from.len : 0 };
}

static int add(struct arena *a, struct str id, struct str name, struct str version,
               struct node_answer *ret) {
    *ret = (struct node_answer){ .id = kept(a, id),
                                 .name = kept(a, name),
                                 .version = kept(a, version) };
    return ret->id.data && ret->name.data && ret->version.data ? 0 : -ENOMEM;
}

static bool is_listed(const struct nodes *all, struct str id) {
    for (size_t i = 0; i < all->n; i++)
        if (str_equal(all->items[i].id, id))
            return true;
    return false;
}

static int merge(struct node_desk *n, const struct nodes *listed, struct arena *a,
                 struct node_answer *items, size_t *ret_n) {
    size_t count = 0;
    int r = 0;
    forget_old(n);
    for (size_t i = 0; i < listed->n && r == 0; i++) {
        const struct node *node = &listed->items[i];
        const struct passing *p = find(n, node->id);
        if (!p || !p->has_gone)
            r = add(a, node->id, node->name, node->version, &items[count++]);
    }
    LIST_FOREACH (&n->passing, k) {
        const struct passing *p = CONTAINER_OF(k, struct passing, link);
        if (r == 0 && !p->has_gone && !is_listed(listed, p->id))
            r = add(a, p->id, p->name, p->version, &items[count++]);
    }
    *ret_n = count;
    return r;
}

int node_list(struct node_desk *n, struct arena *a, struct node_answer **ret, size_t *ret_n) {
    struct nodes listed = { 0 };
    size_t count = 0;
    int r = engine_nodes(n->daemon->engine, &listed);
    if (r < 0)
        return r;
    struct node_answer *items = arena_alloc(a, (listed.n + NODE_PASSING_MAX) * sizeof *items);
    (void) pthread_mutex_lock(&n->lock);
    r = items ? merge(n, &listed, a, items, &count) : -ENOMEM;
    (void) pthread_mutex_unlock(&n->lock);
    nodes_finish(&listed);
    if (r == 0) {
        *ret = items;
        *ret_n = count;
    }
    return r;
}
