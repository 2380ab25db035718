/* parley backup, restore: copies of a server's data directory. */
#include <errno.h>
#include <stdio.h>

#include "clients/cli/cli.h"
#include "storage/chat/backup.h"

static int exit_code_of(int r) {
    switch (r) {
    case -ENOENT:
        return EX_NOINPUT;
    case -EEXIST:
    case -ENOSPC:
        return EX_CANTCREAT;
    case -EBUSY:
        return EX_TEMPFAIL;
    case -EBADMSG:
    case -EPROTONOSUPPORT:
        return EX_DATAERR;
    case -EACCES:
    case -EPERM:
        return EX_NOPERM;
    default:
        return EX_OSERR;
    }
}

static int say(const struct cli_options *o, int r, const char *why, const char *what,
               const struct backup_report *report) {
    if (r < 0) {
        cli_say("%s", why);
        return exit_code_of(r);
    }
    struct buffer out = BUFFER_INIT;
    backup_put(&out, report);
    if (o->is_json)
        printf("{%.*s}\n", (int) out.len, (const char *) out.data);
    else
        printf("%s: %lld messages of %lld users in %lld rooms, %lld files; %lld publications in "
               "%lld channels\n",
               what, (long long) report->messages, (long long) report->users,
               (long long) report->rooms, (long long) report->files,
               (long long) report->publications, (long long) report->channels);
    int code = buffer_error(&out) < 0 ? EX_OSERR : EX_OK;
    buffer_finish(&out);
    return code;
}

static bool has_data_dir(const struct cli_options *o) {
    if (!o->data_dir)
        cli_say("--data-dir DIR says where the server's data are");
    return o->data_dir;
}

int cli_backup(const struct cli_options *o) {
    char why[BACKUP_WHY_MAX] = "";
    struct backup_report report;
    if (!has_data_dir(o))
        return EX_USAGE;
    int r = backup_make(o->data_dir, o->arguments[0], &report, why);
    return say(o, r, why, "copied, and looked through", &report);
}

int cli_restore(const struct cli_options *o) {
    char why[BACKUP_WHY_MAX] = "";
    struct backup_report report;
    if (!has_data_dir(o))
        return EX_USAGE;
    int r = backup_restore(o->arguments[0], o->data_dir, o->is_forced, &report, why);
    return say(o, r, why, "looked through, and put back", &report);
}
