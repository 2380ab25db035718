/* Connections of the chat's users by their logins. */
#pragma once

#include "daemon/session/credentials.h"
#include "daemon/session/session.h"

/* What connects by a login has instead of a token's `jti`: this and the login's id. */
#define SESSION_LOGIN_PREFIX STR("plt_")

/* The id of the login that it came by; empty: by none. */
struct str session_login(const struct session *s);

/* Is it the token of a login, and the chat on? */
bool session_is_login_token(const struct session *s, struct str token);

/* As session_verify(), of a login's token; spans are in the arena. */
SUSPENDS MUST_CHECK int session_verify_login(struct session *s, struct str token, struct arena *a,
                                             struct credentials *ret);

/* A connection that stays is a use of its login, which is noted now and then. */
void session_set_keeping(struct session *s);         /* when it is next */
SUSPENDS void session_keep_login(struct session *s); /* now; in an errand */

/* The cookie that came with the HTTP request, for as long as the session is not connected. */
struct str session_login_cookie(const struct session *s);
void session_forget_login_cookie(struct session *s);
