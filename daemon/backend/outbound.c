#include "daemon/backend/outbound.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "async/offload.h"
#include "async/tls.h"

struct outbound_client {
    struct link link; /* outbound.clients */
    struct http_client *http;
    bool trusts_anyone;
    size_t ca_file_len;
    char ca_file[];
};

void outbound_init(struct outbound *o, const struct http_client_options *options) {
    memset(o, 0, sizeof *o);
    mutex_init(&o->opening);
    o->options = options;
}

void outbound_finish(struct outbound *o) {
    struct link *k;
    while ((k = list_pop(&o->clients)) != NULL) {
        struct outbound_client *c = CONTAINER_OF(k, struct outbound_client, link);
        http_client_close(c->http);
        free(c);
    }
    o->pool = pool_close(o->pool);
}

static struct http_client *find(const struct outbound *o, struct str ca_file, bool trusts_anyone) {
    LIST_FOREACH (&o->clients, k) {
        const struct outbound_client *c = CONTAINER_OF(k, struct outbound_client, link);
        if (c->trusts_anyone == trusts_anyone &&
            str_equal((struct str){ c->ca_file, c->ca_file_len }, ca_file))
            return c->http;
    }
    return NULL;
}

struct loading {
    struct tls_client_options options;
    struct tls *tls;
    char *why;
};

static int load(void *arg) {
    struct loading *l = arg;
    return tls_client_new(&l->options, &l->tls, &l->why);
}

/* Holds o->opening. */
static SUSPENDS int open_http(struct outbound *o, const struct tls_client_options *trust,
                              struct http_client_options options, struct http_client **ret,
                              char **ret_why) {
    /* No sockets, no certificates. */
    if (options.respond || loop_is_simulated(loop_current()))
        return http_client_open(&options, ret);

    struct loading loading = { .options = *trust };
    int r = o->pool ? 0
                    : pool_open(&(struct pool_options){ .name = "certificates", .threads = 1 },
                                &o->pool);
    if (r == 0)
        r = offload(o->pool, load, &loading);
    if (r == 0) {
        options.tls = loading.tls;
        r = http_client_open(&options, ret);
    }
    tls_free(loading.tls);
    if (r < 0 && ret_why)
        *ret_why = loading.why;
    else
        free(loading.why);
    return r;
}

static struct http_client_options template_of(const struct outbound *o) {
    return o->options ? *o->options : (struct http_client_options){ 0 };
}

int outbound_open(struct outbound *o, bool refuses_private, size_t running_max,
                  struct http_client **ret) {
    struct http_client_options options = template_of(o);
    options.refuses_private = refuses_private;
    options.running_max = running_max;
    int r = mutex_lock(&o->opening);
    if (r < 0)
        return r;
    struct mutex *held CLEANUP(mutex_unlockp) = &o->opening;
    return open_http(o, &(struct tls_client_options){ 0 }, options, ret, NULL);
}

int outbound_client(struct outbound *o, struct str ca_file, bool trusts_anyone,
                    struct http_client **ret, char **ret_why) {
    if (ret_why)
        *ret_why = NULL;
    struct http_client *http = find(o, ca_file, trusts_anyone);
    if (http) {
        *ret = http;
        return 0;
    }
    int r = mutex_lock(&o->opening);
    if (r < 0)
        return r;
    struct mutex *held CLEANUP(mutex_unlockp) = &o->opening;
    http = find(o, ca_file, trusts_anyone); /* somebody was faster */
    if (http) {
        *ret = http;
        return 0;
    }
    struct outbound_client *c = calloc(1, sizeof *c + ca_file.len + 1);
    if (!c)
        return -ENOMEM;
    c->trusts_anyone = trusts_anyone;
    c->ca_file_len = ca_file.len;
    if (ca_file.len)
        memcpy(c->ca_file, ca_file.data, ca_file.len);
    r = open_http(o,
                  &(struct tls_client_options){ .ca_file = ca_file.len ? c->ca_file : NULL,
                                                .trusts_anyone = trusts_anyone },
                  template_of(o), &c->http, ret_why);
    if (r < 0) {
        free(c);
        return r;
    }
    list_append(&o->clients, &c->link);
    *ret = c->http;
    return 0;
}
