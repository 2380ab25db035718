/*
 * One subscription on its way, whoever wants it: the client by a command, its connect, or the
 * server. What has been granted goes in; out comes what the client is told, and a place in the
 * channel.
 *
 * In three steps, so that several can become true in the same moment: prepare() may wait, and keeps
 * what is published meanwhile; settle() waits for nothing and takes the place in the channel: what
 * comes from then on follows the answer; begin() is for after the answer. Nobody else works on the
 * session meanwhile (session/control.h). For daemon/session/ only.
 */
#pragma once

#include "daemon/channel.h"
#include "daemon/session/credentials.h"
#include "daemon/session/impl.h"
#include "daemon/session/recovery.h"
#include "daemon/wire_page.h"

/* Bytes of publications that several whose answers go out as one may still recover, together; what
 * has more does not recover. */
struct grant_budget {
    size_t to_read; /* held in memory */
    size_t to_say;
};

/* Lies still from grant_prepare() to grant_finish(): the channel knows it. */
struct grant {
    struct session *session;
    struct config *config; /* the asker's reference, for as long as this lives */
    const struct namespace *ns;
    struct str channel;
    struct grant_budget *budget; /* NULL: its answer goes out alone */

    /* what was asked for */
    bool wants_positioned, wants_recoverable, wants_joins;
    bool recovers; /* since a position */
    bool rejects_unrecovered;
    bool wants_delta;
    bool is_map, has_stream;    /* of maps: map/subscribe.h says what is read and told */
    struct tags_filter *filter; /* the grant's, until the channel takes it; NULL: none */
    uint64_t since_offset;
    struct str since_epoch;

    /* what comes with it */
    struct bytes info, data;
    int64_t expire_at_s; /* 0: never */
    struct token_overrides overrides;
    bool is_server_side, is_server_refreshed;

    /* what it is given; made of the above by grant_prepare() */
    bool is_positioned, is_recoverable, has_joins, has_presence, emits_joins, has_delta;

    /* under way */
    struct channel *held; /* the subscription's, once there is one */
    bool is_settled;
    struct joiner joiner;
    struct page page;
    struct recovery_request request;
    struct recovery recovery;
    struct wire_page items; /* recovered */
    struct arena arena;     /* what is made of them */
};

/*
 * 0; -ENOMEM, -ECANCELED, -ETIMEDOUT, and what the engine says.
 */
SUSPENDS MUST_CHECK int grant_prepare(struct grant *g);

/* The steps of it, for maps: a place in the session, not in the channel's list yet; presence. */
SUSPENDS MUST_CHECK int grant_hold(struct grant *g);
SUSPENDS MUST_CHECK int grant_enter(struct grant *g);
void grant_fill_expiry(const struct grant *g, struct reply_subscribe *ret);

/*
 * Does not suspend. 0: subscribed, *ret is to be told at once (without `type`); spans and list are
 * the grant's. -ESTALE: what was published meanwhile does not go with what was read
 * (DISCONNECT_INSUFFICIENT_STATE). -ENODATA: it rejects_unrecovered, and could not be recovered
 * (ERROR_UNRECOVERABLE_POSITION). -ECONNABORTED: the session ends. -ENOMEM.
 */
MUST_CHECK int grant_settle(struct grant *g, struct reply_subscribe *ret);

/* The client has been told. Does not suspend. */
void grant_begin(struct grant *g);

/* Undoes what was not settled. Takes a zeroed one. */
SUSPENDS void grant_finish(struct grant *g);
