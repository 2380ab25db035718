#include "clients/cli/chat/chat.h"

#include <stdlib.h>
#include <string.h>

static bool is_called(const struct cli_options *o, const char *name, size_t least, size_t most) {
    return o->n_arguments > 0 && strcmp(o->arguments[0], name) == 0 && o->n_arguments >= least &&
           o->n_arguments <= most;
}

static int usage(void) {
    cli_say("chat [login | logout | rooms | read ROOM | send ROOM [TEXT...]]");
    return EX_USAGE;
}

int cli_chat(const struct cli_options *given) {
    struct cli_options o = *given;
    char token[CLI_TOKEN_MAX];

    if (is_called(&o, "login", 1, 1))
        return chat_login(&o);
    if (is_called(&o, "logout", 1, 1))
        return chat_logout(&o);
    bool is_pipe = is_called(&o, "send", 2, SIZE_MAX) || is_called(&o, "read", 2, 2) ||
                   is_called(&o, "rooms", 1, 1);
    if (o.n_arguments > 0 && !is_pipe)
        return usage();
    if (!o.token || !*o.token) {
        if (login_find(&o.url, token) < 0) {
            cli_say("not signed in to %s: `parley chat login` first", o.url.address.text);
            return EX_NOPERM;
        }
        o.token = token;
    }
    return is_pipe ? chat_pipe(&o) : chat_full_screen(&o);
}
