#include "async/http_names.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "async/resolve.h"
#include "async/task_impl.h"

/* One host and port. Freed when nobody asks for it any more and it is not in the list. */
struct name {
    struct link link; /* in the order of use, the last used last */
    struct http_names *owner;
    struct address_parts parts;
    struct event changed; /* a look-up has ended */
    bool is_looking;
    unsigned asking;
    struct endpoint *all; /* NULL: unknown */
    size_t n;
    int error;              /* of the last look-up; 0: all is what it found */
    int64_t at_ms, good_ms; /* of the last look-up, and of the last good one */
};

void http_names_init(struct http_names *n) {
    memset(n, 0, sizeof *n);
    group_init(&n->lookups);
    n->look_up = resolve;
}

static void name_free(struct name *name) {
    free(name->all);
    free(name);
}

void http_names_finish(struct http_names *n) {
    struct link *k;
    group_finish(&n->lookups);
    while ((k = list_pop(&n->names)) != NULL)
        name_free(CONTAINER_OF(k, struct name, link));
}

/* ---- looking up ---- */

static int look_up(void *arg) {
    struct name *name = arg;
    struct endpoint *all = NULL;
    size_t n = 0;

    int r = name->owner->look_up(&name->parts, &all, &n);
    name->is_looking = false;
    name->at_ms = loop_now();
    name->error = r;
    if (r == 0) {
        free(name->all);
        name->all = all;
        name->n = n;
        name->good_ms = name->at_ms;
    }
    event_set(&name->changed);
    return 0;
}

static bool is_usable(const struct name *name) {
    return name->all && loop_now() - name->good_ms < HTTP_NAMES_STALE_MS;
}

/* Is it time to ask the name servers? */
static bool is_due(const struct name *name) {
    if (name->is_looking)
        return false;
    int64_t age_ms = loop_now() - name->at_ms;
    return name->at_ms == 0 || age_ms >= (name->error ? HTTP_NAMES_RETRY_MS : HTTP_NAMES_FRESH_MS);
}

static int begin(struct http_names *n, struct name *name) {
    name->is_looking = true;
    event_clear(&name->changed);
    int r = group_spawn(&n->lookups, "look-up", look_up, name);
    if (r < 0)
        name->is_looking = false;
    return r;
}

/* ---- the list ---- */

static struct name *find(struct http_names *n, const char *host, const char *port) {
    LIST_FOREACH (&n->names, k) {
        struct name *name = CONTAINER_OF(k, struct name, link);
        if (strcmp(name->parts.host, host) == 0 && strcmp(name->parts.port, port) == 0)
            return name;
    }
    return NULL;
}

static void make_room(struct http_names *n) {
    if (n->n < HTTP_NAMES_MAX)
        return;
    LIST_FOREACH_SAFE (&n->names, k, after) {
        struct name *name = CONTAINER_OF(k, struct name, link);
        if (name->is_looking || name->asking)
            continue;
        list_remove(k);
        n->n--;
        name_free(name);
        return;
    }
}

static struct name *add(struct http_names *n, const char *host, const char *port) {
    make_room(n);
    struct name *name = calloc(1, sizeof *name);
    if (!name)
        return NULL;
    name->owner = n;
    (void) snprintf(name->parts.host, sizeof name->parts.host, "%s", host);
    (void) snprintf(name->parts.port, sizeof name->parts.port, "%s", port);
    event_init(&name->changed);
    list_append(&n->names, &name->link);
    n->n++;
    return name;
}

static void write_all(const struct name *name, char *buf, size_t cap) {
    size_t len = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < name->n; i++) {
        char host[ADDRESS_TEXT_MAX];
        const struct endpoint *e = &name->all[i];
        if (getnameinfo((const struct sockaddr *) &e->sa, e->len, host, sizeof host, NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        bool is_v6 = e->sa.ss_family == AF_INET6;
        int added = snprintf(buf + len, cap - len, "%s%s%s%s", len ? "," : "", is_v6 ? "[" : "",
                             host, is_v6 ? "]" : "");
        if (added < 0 || (size_t) added >= cap - len) {
            buf[len] = '\0';
            return;
        }
        len += (size_t) added;
    }
}

int http_names_get(struct http_names *n, const char *host, const char *port, char *buf,
                   size_t cap) {
    if (strlen(host) >= sizeof((struct address_parts *) 0)->host ||
        strlen(port) >= sizeof((struct address_parts *) 0)->port)
        return -ENOENT;
    struct name *name = find(n, host, port);
    if (!name)
        name = add(n, host, port);
    if (!name)
        return -ENOMEM;
    list_remove(&name->link);
    list_append(&n->names, &name->link);

    int r = is_due(name) ? begin(n, name) : 0;
    /* What is known serves while something newer is looked for. */
    name->asking++;
    while (r == 0 && !is_usable(name) && name->is_looking)
        r = event_wait(&name->changed);
    name->asking--;
    if (r == 0 && !is_usable(name))
        r = name->error ? name->error : -ENOENT;
    if (r == 0)
        write_all(name, buf, cap);
    return r;
}
