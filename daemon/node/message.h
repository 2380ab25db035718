/*
 * What nodes say to each other, as bytes: questions, their answers, and orders, which have none.
 * Pure.
 *
 * In a cluster that is being upgraded nodes of several versions talk. Fields are only added (see
 * node.proto) and those that are not known are skipped; a kind that is not known is the receiver's
 * to count. What an older node would misunderstand raises NODE_VERSION, and it drops it.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/buffer.h"

enum { NODE_VERSION = 1 };

enum node_kind {
    NODE_ANSWER = 1,
    NODE_ASK_API = 2,       /* a method (name) of the server API, its parameters: for who is here */
    NODE_ASK_EMULATION = 3, /* what a client sent (body), for a session (name) */
    NODE_ORDER_SINGLE = 4,  /* connections of a user (name) that came before `number` end */
    NODE_ORDER_HELLO = 5,   /* a node has come: name, and its version in the body */
    NODE_ORDER_GOODBYE = 6, /* it goes */
    NODE_ASK_CHAT = 7,      /* a method (name) of the chat, by whom and for what (body) */
    NODE_ORDER_CHAT_PART = 8,     /* a user is no longer in a room, or in the chat (name) */
    NODE_ORDER_CHAT_SIGN_OUT = 9, /* logins of a user have ended (name) */
};

enum node_result {
    NODE_DONE = 0, /* above: an error code of the server API, the body says why */
    NODE_DOES_NOT_KNOW = -1,
    NODE_FAILED = -2,
    NODE_TOO_LARGE = -3, /* the answer would be */
    /* of the asker, never sent */
    NODE_UNANSWERED = -100,
    NODE_GONE = -101,      /* it left, and its connections with it */
    NODE_UNREACHED = -102, /* the question could not be sent */
};

struct node_message {
    uint32_t kind; /* enum node_kind, or of a later version */
    uint64_t id;   /* 0: an order */
    uint32_t within_ms;
    int32_t result;
    struct str name;
    struct bytes body;
    uint64_t number;
};

/* Appends it; what goes wrong is remembered by out. */
void node_message_encode(const struct node_message *m, struct buffer *out);

/* Its spans are of the arena. 0; -EBADMSG; -EPROTONOSUPPORT: of a later version; -ENOMEM. */
MUST_CHECK int node_message_decode(struct bytes in, struct arena *a, struct node_message *ret);
