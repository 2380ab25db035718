/*
 * The chat on several nodes: one of them keeps chat.db (`chat.owner`), the others ask it, by
 * messages between nodes (daemon/node/desk.h), and answer error 435 while it cannot be reached.
 * What it publishes comes to all of them as every publication does.
 *
 * The owner has a chat with a store; the others one without, in which this stands.
 */
#pragma once

#include "async/base.h"
#include "daemon/chat/call.h"

struct buffer;
struct chat;
struct chat_remote;
struct node_message;
struct worker;

/* What is asked beside methods of clients, none of which begins so. */
#define CHAT_ASK_WHO STR("!who") /* do you keep it? */
#define CHAT_ASK_ADMIT                                                                             \
    STR("!admit") /* chat_admit(): data is the info; the answer the role's number */
#define CHAT_ASK_FOLLOW STR("!follow") /* chat_may_follow() */
#define CHAT_ASK_LOGIN                                                                             \
    STR("!login")                    /* whose login data is: user, name, the login's id; each ends \
                                        with a NUL */
#define CHAT_ASK_KEEP   STR("!keep") /* auth_keep(): data is the login's id */
#define CHAT_ASK_ONLINE STR("!online") /* who is connected: ids, each ends with a NUL */

enum {
    CHAT_OWNER_LOOK_MS = 1000,        /* between looks for an owner that is not known */
    CHAT_OWNER_HINT_MS = 250,         /* the same, of one whose lease is known */
    CHAT_OWNER_ANSWER_MS = 500,       /* for it to answer */
    CHAT_ONLINE_EVERY_MS = 60 * 1000, /* it is told who is connected */
    CHAT_ONLINE_FOR_MS = 180 * 1000,  /* and believes it for so long */
};

/* Who keeps it, as its lease says (lease.h). */
enum { CHAT_REMOTE_TOKEN_SIZE = 40, CHAT_REMOTE_ADDRESS_SIZE = 300, CHAT_REMOTE_NAME_SIZE = 256 };
struct chat_remote_owner {
    char id[33];
    char name[CHAT_REMOTE_NAME_SIZE];
    char address[CHAT_REMOTE_ADDRESS_SIZE]; /* http://HOST:PORT; empty: it cannot be reached */
    char token[CHAT_REMOTE_TOKEN_SIZE];
};

MUST_CHECK int chat_remote_new(struct chat *c, struct chat_remote **ret); /* -ENOMEM */
struct chat_remote *chat_remote_free(struct chat_remote *r); /* takes NULL; returns NULL */

/* On the first worker, in a task: looks for the owner, and tells it who is here. -ENOMEM. */
MUST_CHECK int chat_remote_start(struct chat_remote *r);
SUSPENDS void chat_remote_stop(struct chat_remote *r); /* takes one that was not started */

/* On the first worker. NULL: nobody else has the lease; or nobody who keeps it already. */
void chat_remote_hint(struct chat_remote *r, const struct chat_remote_owner *o);
/* Who that was. Any thread. false: NULL. ret: large. */
bool chat_remote_hinted(struct chat_remote *r, struct chat_remote_owner *ret);

/* As chat_call(), of a method or one of the above. In a task of w's. */
SUSPENDS MUST_CHECK int chat_remote_call(struct worker *w, const struct chat_asked *asked,
                                         struct chat_answer *ret);

/* Does another node keep the chat as well? Two would not know of each other's messages. In a task
 * of w's. 1, 0, or < 0: the wait was cut short, -ENOMEM. */
SUSPENDS MUST_CHECK int chat_remote_has_other(struct worker *w);

/* ---- what others ask of this node (daemon/node/kinds.c) ---- */

int chat_serve_node(struct worker *w, const struct node_message *m, struct buffer *out);
/* Orders of the owner: who parts with a room, or with the chat; whose logins have ended. */
int chat_serve_part(struct worker *w, const struct node_message *m, struct buffer *out);
int chat_serve_sign_out(struct worker *w, const struct node_message *m, struct buffer *out);
