/*
 * The state of one connected client above its transport: who it is, what it is subscribed to, what
 * it waits for. Embedded in a connection, which reads for it and hands it one message after
 * another. Loop thread only.
 */
#pragma once

#include "daemon/outbox.h"
#include "daemon/session/client_id.h"
#include "daemon/session/subscriptions.h"
#include "daemon/wheel.h"
#include "daemon/wire.h"
#include "protocol/client_info.h"
#include "protocol/codes.h"
#include "storage/table.h"

struct channel;
struct command;
struct command_connect;
struct command_reader;
struct publishes;
struct session_more;
struct worker;

enum { CLOSE_REASON_MAX = 123 }; /* what a close frame holds */

/* What is known of who the client is, from a successful connect on. One allocation; a refresh makes
 * another, of the same user. Of those of whom nothing is known there is one for all. */
struct identity {
    uint32_t issued_at_s; /* of the token; 0: unknown. Unix time, good until 2106 */
    uint32_t info_len, meta_len;
    uint16_t user_len, token_id_len;
    uint8_t name_len, version_len;
    bool has_token; /* it came, or was refreshed, by one */
    char text[];    /* user, conn_info, meta, token's id, library's name, its version */
};

enum session_state {
    SESSION_NEW, /* nothing said yet */
    SESSION_CONNECTED,
    SESSION_REFUSED, /* connect was answered with an error: useless from now on */
    SESSION_CLOSING, /* session_disconnect() was called, or the peer has gone */
};

/* How a connection is told that we are there, and shows that it is. */
enum session_pings {
    PINGS_COMMAND,   /* the empty reply, answered by the empty command */
    PINGS_FRAME,     /* WebSocket's own, answered by the peer's WebSocket */
    PINGS_ONE_WAY,   /* the empty message; nobody answers */
    PINGS_BOTH_WAYS, /* the empty message for the client, and WebSocket's own for its answer */
};

/* Most of what an idle connection costs is here: what few sessions have is in struct
 * session_more. */
struct session {
    struct outbox outbox; /* first: what fan-out touches */
    struct worker *worker;
    const struct identity *identity; /* NULL before connect */
    struct publishes *publishes;     /* under way; NULL: none */
    struct session_more *more;       /* NULL: nothing */
    union subscriptions subs;        /* session_sub() */

    struct client_id client;
    uint32_t connected_at_s; /* Unix time; from a successful connect on */
    uint32_t place;          /* in worker.hub, and number in worker.wheel */
    struct wheel_entry tick; /* the earliest of these and those of session_more; 0: not wanted */
    uint32_t ping_at, pong_by, deadline, presence_at;

    uint16_t n_subs;     /* the configuration's limit, 32768, fits */
    uint16_t ping_every; /* ticks, as the connect reply said, whatever a reload says since; 0: never
                          */
    uint16_t close_code;
    uint16_t
            heard_code; /* of the peer's close frame; the connection's, as what stands at the end */
    unsigned state : 2; /* enum session_state */
    unsigned pings : 2; /* enum session_pings */
    unsigned format : 4; /* enum wire_format */
    bool is_pong_due : 1;
    bool expires : 1;    /* of the identity: deadline is the end of its grace */
    bool is_waiting : 1; /* for room in the outbox or for a backend: no command is read meanwhile */
    bool answers_pings : 1;       /* as the connect reply said */
    bool is_in_hub : 1;           /* connected: others find it */
    bool is_presence_due : 1;     /* in worker.presence_due */
    bool is_user_counted : 1;     /* for the limit of a user's connections */
    bool is_server_refreshed : 1; /* its expiry is not the client's to move */
    bool runs_errands : 1;
    bool is_announced : 1; /* webhooks are to hear of its end */
    bool is_in_chat : 1;   /* its user is one of the chat's, and counted as connected */
    bool is_at_work : 1;   /* its task is in a command or an errand, or suspended in one */

    /* The connection's own, here where there is room for them: see transport/connection.h. */
    bool is_tls : 1;        /* the handshake of TLS comes first; then: the stream is encrypted */
    bool is_internal : 1;   /* from a listener that serves operators, not clients */
    bool is_over_limit : 1; /* to be told 503 */
    bool is_websocket : 1;  /* else: a streamed answer */
    bool has_begun : 1;     /* session_init() */
    bool has_heard_close : 1;
    bool has_closed_too : 1; /* heard after we had decided to end it */
    bool awaits_close : 1;   /* a goodbye was said, and the peer can be understood */
};

_Static_assert(sizeof(struct session) <= 152, "an idle session has grown");

/* s: zeroed, but for what is the connection's own. In the connection's task. -ENOMEM: then it needs
 * no session_finish(). */
MUST_CHECK int session_init(struct session *s, struct worker *w, struct stream *stream,
                            enum wire_format format);

/* Leaves every channel, tells others, forgets. The outbox must have been drained. */
SUSPENDS void session_leave(struct session *s);
void session_finish(struct session *s);

/*
 * One message's payload: all commands in it, in order. Suspends while storage works; commands after
 * a publish wait for its reply only if they are no publishes. 0, or -ECONNABORTED:
 * session_disconnect() was called; -ECANCELED, -ETIMEDOUT, -ENOMEM.
 */
SUSPENDS MUST_CHECK int session_handle(struct session *s, struct bytes message);

/* A connect request without a command around it, as unidirectional transports begin: reader has
 * decoded it. As session_handle(). */
SUSPENDS MUST_CHECK int session_handle_connect(struct session *s, struct command_reader *reader,
                                               const struct command_connect *c);

/* A WebSocket's own pong came; one that nobody asked for means nothing (RFC 6455 section 5.5.3). */
void session_heard_pong(struct session *s);

/* The client is told this code, and soon gone. Any time; only the first call counts. */
void session_disconnect(struct session *s, uint32_t code);

void publish_ops_finish(struct worker *w); /* gives back what publishes leave for the next ones */

void session_tick(struct session *s);     /* the wheel's */
void session_schedule(struct session *s); /* after one of the ticks was changed */

/* Sends. */
void session_reply(struct session *s, const struct reply *r);
void session_push(struct session *s, const struct push *p);

/* Its entry in channel's array is now at index. */
void session_subscriber_moved(struct session *s, struct channel *c, uint32_t index);

/* It missed something in the channel: unsubscribed with a push that makes the client come back
 * (2500), or where the server had subscribed it disconnected for the same purpose (3010). */
void session_lost(struct session *s, struct channel *c);

/* What its publications, joins and presence say of it; chan_info is left empty. Spans of the
 * identity and of text, which is the caller's. */
struct client_info session_info(const struct session *s, struct client_text *text);

static inline struct str session_user(const struct session *s) {
    return (struct str){ s->identity->text, s->identity->user_len };
}

/* Put into text, which is the caller's. */
static inline struct str session_client(const struct session *s, struct client_text *text) {
    return client_id_text(&s->client, text);
}

/* i < n_subs. Good until subscriptions are added or removed. */
static inline struct subscription *session_sub(struct session *s, unsigned i) {
    return s->n_subs == 1 ? &s->subs.one : &s->subs.many[i];
}

static inline enum wire_format session_format(const struct session *s) {
    return (enum wire_format) s->format;
}

static inline struct outbox *session_outbox(struct session *s) {
    return &s->outbox;
}
