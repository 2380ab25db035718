/* One request below /auth/ on its way, as the files auth_*.c that answer them share it. */
#pragma once

#include "daemon/chat/auth.h"
#include "daemon/chat/auth_request.h"
#include "daemon/chat/password.h"
#include "daemon/transport/http_exchange.h"
#include "daemon/transport/visitor.h"
#include "storage/chat/invite.h"
#include "storage/chat/setting.h"

/* In the exchange's arena. The works hold what they found until the answer has been written. */
struct auth_call {
    struct http_exchange *x;
    struct worker *worker;
    struct auth *auth;
    struct auth_request asked;
    char address_text[VISITOR_ADDRESS_MAX];
    struct str address;    /* whose attempts they are */
    struct chat_work work; /* each is one's own: see auth_read(), auth_write() */
    struct auth_who who;   /* auth_identify() */

    /* what works take and give */
    struct chat_account account;
    struct chat_account_new new;
    struct chat_arrival arrival;
    struct chat_login login;
    struct chat_logins logins;
    struct chat_invite invite;
    struct chat_settings settings;
    struct str password_before;       /* what the password was kept as, when it was checked */
    char password[PASSWORD_TEXT_MAX]; /* what a new one is kept as */
    char token[SECRET_TEXT_MAX];
    uint8_t token_hash[SECRET_HASH_SIZE];
};

/* Each of what follows returns 0: go on; 1: the answer has been written; < 0: as http_endpoint's
 * serve(). */

/* An error as JSON. field may be NULL. Returns 1. */
int auth_refuse(struct auth_call *c, int status, const char *message, const char *field);
/* What a work was refused with, or could not be done for. 0 stays 0. */
int auth_result(struct auth_call *c, int r);

#define AUTH_CALL_OF(work_) CONTAINER_OF((work_), struct auth_call, work)
/* Runs it; what an earlier one gave is gone then. The result as of auth_result(). */
SUSPENDS MUST_CHECK int auth_read(struct auth_call *c,
                                  int (*run)(struct chat_work *, struct chat_tx *));
SUSPENDS MUST_CHECK int auth_write(struct auth_call *c,
                                   int (*run)(struct chat_work *, struct chat_tx *));

/* c->who; else 401. */
SUSPENDS MUST_CHECK int auth_identify(struct auth_call *c);

/* An attempt of the address, and of the login if it is not empty; else 429. */
int auth_take_attempt(struct auth_call *c, struct str login);
void auth_give_attempt_back(struct auth_call *c, struct str login);

/* c->password of what was typed; 503 if too many are at it. */
SUSPENDS MUST_CHECK int auth_hash_password(struct auth_call *c, struct str typed);
/* Is it the password that is kept as this? 0; -EKEYREJECTED: no, and it took as long; 1; other. */
SUSPENDS MUST_CHECK int auth_check_password(struct auth_call *c, struct str kept, struct str typed);

/* What is wrong with a new account; 400. */
int auth_check_new(struct auth_call *c);

/* In a work's run(): a login for c->arrival.user, by c->token_hash. */
MUST_CHECK int auth_add_login(struct auth_call *c, struct chat_tx *tx);

/* {user, room?, token?}, and the cookie where none was asked for. Returns 1. */
int auth_answer_signed_in(struct auth_call *c, const struct chat_user *user, struct str room);
void auth_set_cookie(struct auth_call *c, struct str token); /* empty: it goes */
int auth_answer_nothing(struct auth_call *c);                /* {}; returns 1 */

/* ---- what is answered (auth_in.c, auth_own.c) ---- */

SUSPENDS int auth_setup(struct auth_call *c);
SUSPENDS int auth_login(struct auth_call *c);
SUSPENDS int auth_register(struct auth_call *c);
SUSPENDS int auth_accept(struct auth_call *c);
SUSPENDS int auth_state(struct auth_call *c);
SUSPENDS int auth_invite(struct auth_call *c);
SUSPENDS int auth_logout(struct auth_call *c);
SUSPENDS int auth_password(struct auth_call *c);
SUSPENDS int auth_sessions(struct auth_call *c);
SUSPENDS int auth_revoke(struct auth_call *c);
