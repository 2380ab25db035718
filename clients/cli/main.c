/* The client and operator's tool. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "clients/cli/cli.h"

struct start {
    const struct cli_command *command;
    struct cli_options *options;
};

static bool is_outside_loop(const struct cli_command *c) {
    return c->is_offline || c->has_own_loop;
}

static int root(void *arg) {
    struct start *start = arg;
    struct cli_options *o = start->options;

    if (!is_outside_loop(start->command)) {
        int code = cli_open_tls(o);
        if (code != EX_OK)
            return code;
    }
    int code = start->command->run(o);
    if (cli_flush() < 0 && code == EX_OK)
        code = EX_IOERR;
    o->tls = tls_free(o->tls);
    return code;
}

int main(int argc, char **argv) {
    struct cli_options options;
    struct start start = { .options = &options };
    int code;

    (void) signal(SIGPIPE, SIG_IGN);
    if (cli_parse(argc, argv, &options, &start.command, &code) < 0)
        return code;

    int r = is_outside_loop(start.command) ? root(&start) : loop_run(NULL, root, &start);
    if (r < 0) {
        cli_say("%s", strerror(-r));
        return EX_OSERR;
    }
    return r;
}
