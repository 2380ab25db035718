/*
 * Webhooks of the chat: /hooks/SECRET, where messages come in, and the task that delivers what goes
 * out (docs/chat-protocol.md; storage/chat/webhook.h has the queue).
 */
#pragma once

#include "daemon/transport/http_exchange.h"

struct chat;
struct chat_message;
struct chat_tx;

bool chat_hooks_is_served(const struct connection *conn, const struct config *c);
size_t chat_hooks_body_max(const struct config *c);
SUSPENDS int chat_hooks_serve(struct http_exchange *x);

/* In the transaction that changed the message: to those that are to be told. */
MUST_CHECK int chat_hooks_note(struct chat *c, struct chat_tx *tx, const char *type,
                               const struct chat_message *m);

/* A task's, on the first worker: delivers until it is cancelled. arg: the chat. */
SUSPENDS int chat_hooks_deliver(void *arg);
