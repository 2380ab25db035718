/*
 * Thousands of clients in one loop, led by orders on standard input (orders.h): followers that
 * subscribe and keep their positions, publishers that keep a ledger, callers that ask and time the
 * answers, and a probe that finds out for how long the server answers nobody.
 */
#pragma once

#include "protocol/codec.h"
#include "tests/bench/storm/figures.h"
#include "tests/bench/storm/ledger.h"
#include "tests/bench/storm/link.h"

struct client;
struct storm;

/* What kind of client it is. */
struct role {
    void (*connected)(struct client *c);
    void (*replied)(struct client *c, const struct reply *r); /* to all but connect */
    void (*pushed)(struct client *c, const struct push *p);   /* NULL: nothing is expected */
    void (*lost)(struct client *c);  /* it is closed; it may client_retry() */
    void (*again)(struct client *c); /* of client_retry(), if connected */
};

struct client {
    struct link link; /* first */
    struct storm *storm;
    const struct role *role;
    uint32_t index; /* among its kind */
    uint32_t last_id;
    uint64_t began_ns; /* when it last began to connect */
    struct client *next_retry;
    uint64_t retry_ns; /* 0: none */
    bool is_connected; /* the server has let it in */
    void *part;        /* what its role keeps */
};

/* What is counted between two reports. */
struct counts {
    uint64_t connected;
    uint64_t retries; /* connects that had to be tried again */
    uint64_t lost;    /* clients that the server let go */
    uint64_t put_off; /* temporary errors */
    uint64_t recovered, unrecovered;
    uint64_t restored;     /* publications that recoveries brought */
    uint64_t delivered;    /* publications that came by themselves */
    uint64_t announced;    /* joins and leaves */
    uint64_t resubscribed; /* told to, by the server */
};

struct crowd; /* followers.h */
struct press; /* publishers.h */
struct desk;  /* callers.h */

struct storm {
    int poll;
    struct sockaddr_in server;
    const char *path;
    bool has_users;      /* each client brings a token, of a user of its own */
    unsigned generation; /* source addresses change with it */
    struct ledger ledger;
    struct counts counts;
    char why_lost[96]; /* the last one */
    struct client *first_retry, *last_retry;
    struct arena arena; /* of the reply at hand */
    struct crowd *crowd;
    struct press *press;
    struct desk *desk;
};

void client_init(struct client *c, struct storm *s, const struct role *role, uint32_t index);
void client_finish(struct client *c);

void client_connect(struct client *c); /* what fails at once is tried again */
void client_close(struct client *c);
void client_retry(struct client *c); /* in a moment: to connect, or role->again() */
uint32_t client_append(struct client *c, struct command *command, struct buffer *out); /* its id */
void client_send(struct client *c, struct buffer *commands); /* empties it */

/* Runs the retries that are due. When the next one is; UINT64_MAX: none. */
uint64_t storm_run_retries(struct storm *s, uint64_t now);
