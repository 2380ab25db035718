/* The session from inside: the commands, one file per kind of them. For session*.c and
 * subscription.c only. */
#pragma once

#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/permission.h"
#include "daemon/session.h"
#include "daemon/subscription.h"
#include "daemon/worker.h"
#include "protocol/command.h"
#include "protocol/reply.h"

/* Handlers: 0: done, whatever was answered. < 0: session_handle() returns it; -ECONNABORTED after
 * session_disconnect(). */
SUSPENDS MUST_CHECK int session_connect(struct session *s, uint32_t id,
                                        const struct command_connect *c);
SUSPENDS MUST_CHECK int session_refresh(struct session *s, uint32_t id, const struct command_refresh *c);
SUSPENDS MUST_CHECK int session_publish(struct session *s, uint32_t id,
                                        const struct command_publish *c);
SUSPENDS MUST_CHECK int session_presence(struct session *s, uint32_t id,
                                         const struct command_presence *c);
SUSPENDS MUST_CHECK int session_presence_stats(struct session *s, uint32_t id,
                                               const struct command_presence *c);
SUSPENDS MUST_CHECK int session_history(struct session *s, uint32_t id,
                                        const struct command_history *c);
SUSPENDS MUST_CHECK int session_unsubscribe(struct session *s, uint32_t id,
                                            const struct command_unsubscribe *c);

/* Waits for the replies of all publishes under way. */
SUSPENDS MUST_CHECK int publishes_wait(struct session *s);
void publishes_forget(struct session *s); /* the session goes; they go on without it */

/* An error reply; 0. */
int session_error(struct session *s, uint32_t id, uint32_t code);

/* The largest reply that is always good to send: before a command that may have a big one
 * session_handle() waits until little else is in the outbox. */
size_t session_reply_max(const struct session *s);

/* session_disconnect(); -ECONNABORTED. */
int session_end(struct session *s, uint32_t code);

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
