/* parley chat: its parts. */
#pragma once

#include "clients/cli/cli.h"

/* Each gives the exit code, outside of any loop. o->token is set. */
int chat_full_screen(struct cli_options *o);
int chat_pipe(struct cli_options *o); /* send, read, rooms: o->arguments begin with which */
int chat_login(struct cli_options *o);
int chat_logout(const struct cli_options *o);

/* The token that was kept for a server, where none was given. ret: CLI_TOKEN_MAX. -ENOENT. */
MUST_CHECK int login_find(const struct url *server, char *ret);
MUST_CHECK int login_keep(const struct url *server, const char *token); /* NULL: forget it */
const char *login_path(char *ret, size_t cap); /* where; NULL: there is no home */
