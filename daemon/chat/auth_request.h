/* What is asked of the endpoints below /auth/: one JSON object. Pure. */
#pragma once

#include "protocol/arena.h"
#include "protocol/bytes.h"

/* Members that are absent or null are empty or false; unknown ones are ignored. Spans are of the
 * body or of the arena; login is in lower case. */
struct auth_request {
    struct str code, login, name, password, old_password, new_password, id;
    bool others, guest, token;
};

/* An empty body is an empty object. 0; -EBADMSG: *ret_field is the member that is of another type,
 * static text, or NULL: it is no JSON object; -ENOMEM. */
MUST_CHECK int auth_request_decode(struct bytes body, struct arena *a, struct auth_request *ret,
                                   const char **ret_field);

/* Whether they may be one. The text for an error, static; NULL: it may. */
const char *auth_login_problem(struct str login);
const char *auth_password_problem(struct str password);
const char *auth_name_problem(struct str name);
