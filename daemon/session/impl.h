/* The session from inside: the commands, one file per kind of them. For daemon/session/ only. */
#pragma once

#include "async/group.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/session/control.h"
#include "daemon/session/credentials.h"
#include "daemon/session/permission.h"
#include "daemon/session/refusal.h"
#include "daemon/session/session.h"
#include "daemon/session/subscription.h"
#include "daemon/worker.h"
#include "protocol/command.h"
#include "protocol/reply.h"

enum { SESSION_ID_LEN = 34 };

/* What few sessions have; made when the first of it is needed. */
struct session_more {
    struct forwarded *headers;      /* of its HTTP request, for proxies; NULL: none are kept */
    char *login_cookie;             /* the same, of the chat; until it is connected. NULL: none */
    struct session_errand *errands; /* a ring, its last; NULL: none */
    int64_t rate_us;                /* of the command rate: when the bucket is full again */
    uint32_t subs_expire_at;        /* the next of its subscriptions; tick, 0: none */
    uint32_t renew_at; /* when the identity expires, if that is the backend's to move; the same */
    uint32_t keep_login_at;        /* it is used: the same */
    struct session_errand renewal; /* see session/renew.c */
    bool is_renewing;              /* it is posted or under way */
    bool renews_connection, keeps_login;
    struct session *session;
    struct table_entry by_name; /* worker.hub.by_session */
    char name[SESSION_ID_LEN];  /* the session id, of emulated and unidirectional transports */
    bool has_name;
    uint8_t reason_len;
    char *reason;               /* the caller's own, of session_disconnect_with() */
    struct catch_up *catch_ups; /* map/subscribe.h */
    struct poll_sub *polls;     /* map/poll_room.h */
    uint64_t entered;    /* the how-manieth of the daemon, where users have single connections */
    uint64_t token_subs; /* of the connection token: session_subs_hash() */
    struct client_rates *rates; /* keys/rate.c's; NULL: no bucket that is not full */
    struct retired *retired;    /* identities that work under way may have spans of */
};

/* Around what may have spans of the identity while it is suspended: until it ends, what others
 * replace the identity by leaves the old one where it is. */
bool session_begin_work(struct session *s); /* was it at work already? for session_end_work() */
void session_end_work(struct session *s, bool was_at_work);

/* The connection's task, to be woken or cancelled. */
static inline struct task *session_task(struct session *s) {
    return task_of_data(s); /* it is the first member of the connection */
}

static inline struct bytes session_conn_info(const struct session *s) {
    return bytes_of(s->identity->text + s->identity->user_len, s->identity->info_len);
}

/* s->more, made if need be. NULL: no memory. */
struct session_more *session_more(struct session *s);

/* Handlers: 0: done, whatever was answered. < 0: session_handle() returns it; -ECONNABORTED after
 * session_disconnect(). reader: to walk the request's subs and headers. */
SUSPENDS MUST_CHECK int session_connect(struct session *s, uint32_t id,
                                        struct command_reader *reader,
                                        const struct command_connect *c);
SUSPENDS MUST_CHECK int session_refresh(struct session *s, uint32_t id,
                                        const struct command_refresh *c);
SUSPENDS MUST_CHECK int session_publish(struct session *s, uint32_t id,
                                        const struct command_publish *c);
SUSPENDS MUST_CHECK int session_presence(struct session *s, uint32_t id,
                                         const struct command_presence *c);
SUSPENDS MUST_CHECK int session_presence_stats(struct session *s, uint32_t id,
                                               const struct command_presence *c);
SUSPENDS MUST_CHECK int session_rpc(struct session *s, uint32_t id, const struct command_rpc *c);
SUSPENDS MUST_CHECK int session_history(struct session *s, uint32_t id,
                                        const struct command_history *c);
SUSPENDS MUST_CHECK int session_unsubscribe(struct session *s, uint32_t id,
                                            const struct command_unsubscribe *c);

/* Waits for the replies of all publishes under way. */
SUSPENDS MUST_CHECK int publishes_wait(struct session *s);
void publishes_forget(struct session *s); /* the session goes; they go on without it */

/* An error reply; 0. */
int session_error(struct session *s, uint32_t id, uint32_t code);

/* An error reply, 0; or session_disconnect_with(), -ECONNABORTED. */
int session_refuse(struct session *s, uint32_t id, struct refusal why);

/* The largest reply that is always good to send: before a command that may have a big one
 * session_handle() waits until little else is in the outbox. */
size_t session_reply_max(const struct session *s);

/* session_disconnect(); -ECONNABORTED. */
int session_end(struct session *s, uint32_t code);

/* ---- tokens (session/token.c) ---- */

/*
 * 0: *ret is what a connection's or a subscription's token says, in the arena, fit for replies.
 * > 0: an error code or a disconnect code: what it deserves. < 0: the wait was cut short.
 * channel: which the token must be for, and for this client.
 */
SUSPENDS MUST_CHECK int session_verify(struct session *s, struct str token, struct arena *a,
                                       struct credentials *ret);
SUSPENDS MUST_CHECK int session_verify_subscription(struct session *s, struct str token,
                                                    struct str channel, struct arena *a,
                                                    struct subscription_claims *ret);

/* Of the set of channels; 0: of none. In whatever order they are. */
uint64_t session_subs_hash(const struct session *s, const struct server_sub *subs, size_t n);

/* ---- server-side subscriptions (session/control.c) ---- */

/* Whether there may be one, whoever wants it. 0, or an error code. */
MUST_CHECK int server_sub_check(const struct session *s, const struct config *c, struct str channel,
                                const struct namespace **ret);
struct grant;
void server_sub_fill(const struct server_sub *sub, struct grant *g); /* its ns and config are set */

void session_drop_errands(struct session *s);

/* Nobody finds it any more, and it no longer counts as a connection of its user. */
void session_forget_user(struct session *s);

/* ---- who it is (session/connect.c) ---- */

/* NULL: no memory, or too much of something. old: of whom it is a refresh, or NULL. */
const struct identity *identity_new(const struct credentials *who, const struct identity *old);
void identity_free(const struct identity *i); /* takes NULL */

/* A refresh: info, meta and token of who; what of it is empty stays as it was. -ENOMEM. */
MUST_CHECK int session_renew_identity(struct session *s, const struct credentials *who);

/* The grace is on top of when it expires; 0: never. */
void session_set_expiry(struct session *s, int64_t expire_at_s);

/* What a failed suspending call means: storage's trouble is answered (error 100, temporary), 0; the
 * end of the task or of memory is passed on. */
int session_failed(struct session *s, uint32_t id, int error);

struct asker session_asker(struct session *s, struct str channel);

/* Whom a log line is about: the client's id, or before there is one where it comes from. buf:
 * SESSION_LABEL_MAX. */
enum { SESSION_LABEL_MAX = 128 };
struct str session_label(const struct session *s, char *buf);

/* Seconds that a token's claim leaves, capped at a year; at least 1. */
uint32_t session_ttl_s(int64_t expire_at_s, int64_t now_s);

/* Makes JSON of a token fit for one line of a reply: *in is replaced by a copy in the arena if need
 * be. -EBADMSG: it is no JSON. */
MUST_CHECK int session_one_line(struct arena *a, struct bytes *in);

/* Data for this client alone, who may read any bytes unless it speaks JSON. 0; the code
 * DISCONNECT_INAPPROPRIATE_PROTOCOL; -ENOMEM. */
MUST_CHECK int session_fit(const struct session *s, struct arena *a, struct bytes *payload);
