/* parley chat-export, chat-import: the chat as lines of JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/cli.h"
#include "storage/chat/transfer.h"

static int put(void *arg, struct str line) {
    FILE *to = arg;
    bool is_good = fwrite(line.data, 1, line.len, to) == line.len && fputc('\n', to) != EOF;
    return is_good ? 0 : -EPIPE;
}

int cli_chat_export(const struct cli_options *o) {
    char why[TRANSFER_WHY_MAX] = "";
    if (!o->data_dir) {
        cli_say("--data-dir DIR says where the server's data are");
        return EX_USAGE;
    }
    int r = transfer_export(o->data_dir, o->has_secrets, put, stdout, why);
    if (r == -EPIPE)
        return EX_IOERR;
    if (r < 0) {
        cli_say("%s", why);
        return r == -ENOENT ? EX_NOINPUT : EX_OSERR;
    }
    return EX_OK;
}

struct lines {
    FILE *from;
    char *text;
    size_t cap;
};

static int take(void *arg, struct str *ret_line) {
    struct lines *l = arg;
    errno = 0;
    ssize_t n = getline(&l->text, &l->cap, l->from);
    if (n < 0)
        return errno == ENOMEM ? -ENOMEM : ferror(l->from) ? -EIO : 0;
    if (n > TRANSFER_LINE_MAX)
        return -EMSGSIZE;
    while (n > 0 && (l->text[n - 1] == '\n' || l->text[n - 1] == '\r'))
        n--;
    *ret_line = (struct str){ l->text, (size_t) n };
    return 1;
}

int cli_chat_import(const struct cli_options *o) {
    char why[TRANSFER_WHY_MAX] = "";
    const char *name = o->arguments[0];
    size_t n = 0;
    if (!o->data_dir) {
        cli_say("--data-dir DIR says where the server's data are");
        return EX_USAGE;
    }
    struct lines lines = { .from = strcmp(name, "-") == 0 ? stdin : fopen(name, "re") };
    if (!lines.from) {
        cli_say("%s: %s", name, strerror(errno));
        return EX_NOINPUT;
    }
    int r = transfer_import(o->data_dir, take, &lines, &n, why);
    free(lines.text);
    if (lines.from != stdin)
        (void) fclose(lines.from);
    if (r < 0) {
        cli_say("%s", why);
        return r == -EBADMSG || r == -EMSGSIZE ? EX_DATAERR
               : r == -EEXIST                  ? EX_CANTCREAT
               : r == -EBUSY                   ? EX_TEMPFAIL
                                               : EX_OSERR;
    }
    if (!o->is_quiet)
        cli_say("%zu lines, all of them", n);
    return EX_OK;
}
