/*
 * What others than the client itself do to a session: the server API, proxies, emulation, denials.
 *
 * All of it on the session's worker's loop (hub.h finds sessions, on each worker its own). What may
 * take time is an errand: it runs in the connection's own task, between the client's commands,
 * never beside one and never beside another errand. So whatever an errand finds of the session
 * stays so until it suspends, and what is cancelled when the session goes is the errand as well.
 */
#pragma once

#include "daemon/session/credentials.h"
#include "daemon/session/session.h"

/* Embedded in what its maker wants to remember; the maker's again when run or drop is called, of
 * which exactly one is, once. */
struct session_errand {
    struct session_errand *next; /* private */
    /* The session is connected. In the connection's task: may suspend; -ECANCELED from a suspending
     * call means that the session goes. Ends the session, if it wants to, by session_disconnect().
     */
    void (*run)(struct session *s, struct session_errand *e);
    void (*drop)(struct session_errand *e); /* the session went before */
};

/* From any task or callback of the worker's loop. 0, or -ESHUTDOWN: the session is leaving, as one
 * without memory for the errand does; drop has been called. Never suspends. */
int session_post(struct session *s, struct session_errand *e);

/* For transports: runs what was posted. Called in the connection's task when it is entered or woken
 * (task_wake()), and before it goes dormant nothing may be left. session_handle() does it, too. */
SUSPENDS void session_run_errands(struct session *s);

/*
 * Subscribes the session, and tells the client by a push; recovered publications follow it. In an
 * errand of this session. Checks the channel's name and namespace, not permissions. 0; an error
 * code (ERROR_ALREADY_SUBSCRIBED and others); < 0: -ECANCELED, -ENOMEM, what the engine says;
 * -ECONNABORTED: the session was ended by it.
 */
SUSPENDS MUST_CHECK int session_subscribe_server(struct session *s, const struct server_sub *sub);

/* Ends subscriptions of either kind, and tells the client by a push for each. channel empty: all.
 * code: of enum unsubscribe_code or an application's. In an errand of this session. */
SUSPENDS void session_unsubscribe_server(struct session *s, struct str channel, uint32_t code,
                                         struct str reason);

/* As session_disconnect() with a reason of the caller's, which is copied and cut to what a close
 * frame holds. Any time. */
void session_disconnect_with(struct session *s, uint32_t code, struct str reason);

/* What the client is told at its end. */
struct str session_close_reason(const struct session *s);

/*
 * A new expiry (0: never) and, if has_info, new conn_info (JSON on one line); expired: the
 * connection ends (3005). The client is told by a push where the renewal is its own job. Any time
 * after connect; does not suspend. 0; -ENOMEM.
 */
MUST_CHECK int session_refresh_server(struct session *s, bool expired, int64_t expire_at_s,
                                      bool has_info, struct bytes info);

/* The same for a subscription, of which the client is told nothing; expired: as when its time had
 * run out. 0; -ENOENT; -ENOMEM. */
MUST_CHECK int session_sub_refresh_server(struct session *s, struct str channel, bool expired,
                                          int64_t expire_at_s, bool has_info, struct bytes info);

/* Kept of the connect for whoever asks for it later; empty where there is none. */
struct bytes session_meta(const struct session *s);
struct str session_token_id(const struct session *s);
int64_t session_token_issued_at_s(const struct session *s); /* 0: unknown */
int64_t session_connected_ms(const struct session *s);      /* wall clock; to the second */
bool session_has_token(const struct session *s);            /* it came by one */
struct str session_library(const struct session *s);        /* as the client says: "js" */
struct str session_library_version(const struct session *s);
