/*
 * Asking the operator's backend: what it says decides about clients. One request over HTTP, under
 * the proxy's own limit of requests at a time, and the answer made into what the client gets.
 */
#pragma once

#include "daemon/backend/proxy_message.h"

struct config;
struct config_proxy;
struct forwarded;
struct proxies;
struct worker;

enum {
    PROXY_RESPONSE_MAX = 1024 * 1024, /* bytes; more: as no answer */
    PROXY_WAITING_MAX = 4096,         /* requests that wait for others of the same proxy */
    PROXY_PROLONG_S = 60,             /* by which failed refreshes prolong what expires */
};

/* A worker's share of the limits of a configuration's proxies. A reference of c is taken. -ENOMEM.
 */
MUST_CHECK int proxies_new(const struct worker *w, struct config *c, struct proxies **ret);
struct proxies *proxies_unref(struct proxies *p); /* takes NULL; returns NULL */

/*
 * Asks, and waits for the answer.
 *
 * to: of worker.config, taken from there in this very turn. request: is_binary and whether meta is
 * sent are the proxy's to say. headers: what it may hand on; or NULL. What ret points to lives in
 * the arena.
 *
 * 0: ret->refusal, or ret->result. Without a usable answer, which is logged, has_failed is set and
 * the refusal is error 100, or what the configuration says of the HTTP status. < 0: -ECANCELED,
 * -ETIMEDOUT (a deadline of the caller's): the wait was cut short. -ENOMEM.
 */
SUSPENDS MUST_CHECK int proxy_ask(struct worker *w, const struct config_proxy *to,
                                  const struct proxy_request *request,
                                  const struct forwarded *headers, struct arena *a,
                                  struct proxy_answer *ret);

/* For /metrics: requests under way and waiting now. */
void proxies_count(const struct proxies *p, size_t *ret_running, size_t *ret_waiting);
