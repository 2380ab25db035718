#include "async/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "async/future.h"
#include "async/inbox.h"
#include "async/loop_impl.h"
#include "async/thread.h"

enum { ENDPOINTS_MAX = 16 };

/* Shared by the caller and its thread; freed by whoever leaves last. */
struct lookup {
    _Atomic int refs;
    struct address_parts parts;
    int error; /* the thread's, until posted */
    struct addrinfo *found;
    pthread_mutex_t lock;
    bool is_abandoned; /* under the lock: the inbox is closed */
    struct inbox *inbox;
    struct post post;
    struct future done;
};

static void lookup_unref(struct lookup *l) {
    if (atomic_fetch_sub(&l->refs, 1) > 1)
        return;
    if (l->found)
        freeaddrinfo(l->found);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static int errno_of(int eai) {
    switch (eai) {
    case 0:
        return 0;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return errno > 0 ? -errno : -EIO;
    case EAI_AGAIN:
        return -EHOSTUNREACH;
    default:
        return -ENOENT;
    }
}

static void *lookup_thread(void *arg) {
    struct lookup *l = arg;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    l->error = errno_of(getaddrinfo(l->parts.host, l->parts.port, &hints, &l->found));

    pthread_mutex_lock(&l->lock);
    if (!l->is_abandoned)
        inbox_post(l->inbox, &l->post);
    pthread_mutex_unlock(&l->lock);
    lookup_unref(l);
    return NULL;
}

static void on_done(struct post *p) {
    struct lookup *l = CONTAINER_OF(p, struct lookup, post);
    (void) future_resolve(&l->done, 0);
}

static int take_endpoints(const struct addrinfo *found, struct endpoint **ret, size_t *ret_n) {
    size_t n = 0;
    for (const struct addrinfo *a = found; a && n < ENDPOINTS_MAX; a = a->ai_next)
        n++;
    struct endpoint *all = calloc(n ? n : 1, sizeof *all);
    if (!all)
        return -ENOMEM;
    n = 0;
    for (const struct addrinfo *a = found; a && n < ENDPOINTS_MAX; a = a->ai_next)
        if (a->ai_addrlen <= sizeof all[n].sa) {
            memcpy(&all[n].sa, a->ai_addr, a->ai_addrlen);
            all[n++].len = a->ai_addrlen;
        }
    if (n == 0) {
        free(all);
        return -ENOENT;
    }
    *ret = all;
    *ret_n = n;
    return 0;
}

static SUSPENDS int look_up(struct lookup *l) {
    struct loop *loop = loop_current();
    l->inbox = inbox_open(loop);
    if (!l->inbox)
        return -ENOMEM;
    atomic_fetch_add(&l->refs, 1);
    int r = thread_start(NULL, "resolve", lookup_thread, l);
    if (r < 0) {
        lookup_unref(l);
        l->inbox = inbox_close(l->inbox);
        return r;
    }
    loop_hold(loop);
    r = future_wait(&l->done);
    loop_release(loop);

    pthread_mutex_lock(&l->lock); /* the thread is not inside inbox_post() then */
    l->is_abandoned = true;
    pthread_mutex_unlock(&l->lock);
    l->inbox = inbox_close(l->inbox);
    return r;
}

SUSPENDS int resolve(const struct address_parts *parts, struct endpoint **ret, size_t *ret_n) {
    struct endpoint number;
    int r = endpoint_of_parts(parts, false, &number);
    if (r == 0) {
        struct endpoint *one = malloc(sizeof *one);
        if (!one)
            return -ENOMEM;
        *one = number;
        *ret = one;
        *ret_n = 1;
        return 0;
    }
    if (r != -ENOENT || loop_is_simulated(loop_current()))
        return r;

    struct lookup *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (struct lookup){ .refs = 1, .parts = *parts, .post.run = on_done };
    pthread_mutex_init(&l->lock, NULL);
    future_init(&l->done);
    r = look_up(l);
    if (r == 0)
        r = l->error;
    if (r == 0)
        r = take_endpoints(l->found, ret, ret_n);
    lookup_unref(l);
    return r;
}
