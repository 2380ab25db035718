/*
 * A session's questions to the operator's backend, and what the answers mean for it. Each asks in
 * the connection's task, so that the client's commands keep their order. For daemon/session/ only.
 */
#pragma once

#include "daemon/backend/proxy.h"
#include "daemon/session/impl.h"

struct command_connect;
struct command_publish;
struct command_subscribe;
struct grant;
struct publication_parts;
struct publish_terms;

/*
 * proxy_ask() on behalf of a session: who asks and how it is connected is filled in. Meanwhile the
 * session's commands are not read, and pongs not missed. request: client and user may be set, where
 * there is no identity yet.
 */
SUSPENDS MUST_CHECK int session_ask_proxy(struct session *s, const struct config_proxy *to,
                                          struct proxy_request *request, struct arena *a,
                                          struct proxy_answer *ret);

/*
 * The questions below: 0: *why is the refusal, or with code 0 what was asked for is granted, by
 * what has been filled in (of the arena). < 0: the wait was cut short, -ENOMEM.
 */

/* Keeps those headers of the connect command that proxies forward. -ENOMEM. */
MUST_CHECK int session_keep_headers(struct session *s, const struct config *c,
                                    struct command_reader *reader,
                                    const struct command_connect *asked);

/* who: client is set; source stays CREDENTIALS_NOBODY if the backend knows nobody. */
SUSPENDS MUST_CHECK int session_proxy_connect(struct session *s, const struct config *c,
                                              struct command_reader *reader,
                                              const struct command_connect *asked, struct arena *a,
                                              struct credentials *who, struct refusal *why);

/* By the namespace's subscribe_proxy. */
SUSPENDS MUST_CHECK int session_proxy_subscribe(struct session *s,
                                                const struct command_subscribe *asked,
                                                struct arena *a, struct grant *g,
                                                struct refusal *why);

/* By the namespace's publish_proxy: what is published instead, and how. */
SUSPENDS MUST_CHECK int session_proxy_publish(struct session *s, const struct config_proxy *to,
                                              const struct command_publish *asked, struct arena *a,
                                              struct publication_parts *parts,
                                              struct publish_terms *terms, struct refusal *why);

/* ---- expiry that is the backend's to move (session/renew.c) ---- */

/* The connection's time is over, or a subscription's: the backend is asked, in an errand. */
void session_renew(struct session *s);
