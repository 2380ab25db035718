/* backup: a copy of the data directory, made beside everything else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "async/offload.h"
#include "daemon/api/impl.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/own.h"
#include "daemon/log.h"
#include "protocol/json.h"
#include "storage/chat/backup.h"
#include "storage/clock.h"

enum { PATH_BYTES = 4000, TRIES = 100 };

struct copying {
    char data_dir[PATH_BYTES], path[PATH_BYTES + 64];
    char why[BACKUP_WHY_MAX];
    struct backup_report report;
};

/* Named for the time; of two in one second the other gets a number. */
static int make(void *arg) {
    struct copying *c = arg;
    char when[32];
    time_t now = (time_t) (clock_wall_ms() / 1000);
    struct tm tm;
    (void) snprintf(c->path, sizeof c->path, "%s/backup", c->data_dir);
    if (mkdir(c->path, 0700) < 0 && errno != EEXIST) {
        (void) snprintf(c->why, sizeof c->why, "%.200s: %s", c->path, strerror(errno));
        return -errno;
    }
    (void) strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    int r = -EEXIST;
    for (int i = 0; r == -EEXIST && i < TRIES; i++) {
        int n = i == 0 ? snprintf(c->path, sizeof c->path, "%s/backup/%s", c->data_dir, when)
                       : snprintf(c->path, sizeof c->path, "%s/backup/%s.%d", c->data_dir, when, i);
        r = n < 0 || (size_t) n >= sizeof c->path
                    ? -ENAMETOOLONG
                    : backup_make(c->data_dir, c->path, &c->report, c->why);
    }
    return r;
}

static int run(struct copying *c) {
    struct pool *pool = NULL;
    int r = pool_open(&(struct pool_options){ .name = "backup", .threads = 1 }, &pool);
    if (r == 0)
        r = offload(pool, make, c);
    pool = pool_close(pool);
    return r;
}

/* The chat's, if that is apart: of what else there is then, nothing is for long. */
static struct str dir_of(const struct config *c) {
    return c->chat.enabled ? c->chat.data_dir : c->data_dir;
}

static int copy(struct api_call *call, struct copying *c) {
    struct str data_dir = dir_of(call->config);
    (void) snprintf(c->data_dir, sizeof c->data_dir, "%.*s", (int) data_dir.len, data_dir.data);
    int r = run(c);
    if (r == -ENOENT)
        return api_error(call, ERROR_NOT_AVAILABLE, "there is no database to copy");
    if (r < 0 && r != -ECANCELED && r != -ETIMEDOUT && r != -ENOMEM)
        return api_error(call, api_failed(call, r), "%s", c->why);
    if (r < 0)
        return r;
    buffer_append_str(call->out, STR("{\"path\":"));
    json_append_string(call->out, str_of(c->path));
    struct buffer members = BUFFER_INIT;
    backup_put(&members, &c->report);
    buffer_append_byte(call->out, ',');
    buffer_append_bytes(call->out, buffer_bytes(&members));
    buffer_append_byte(call->out, '}');
    r = buffer_error(&members);
    buffer_finish(&members);
    return r;
}

int api_backup(struct api_call *call) {
    struct daemon *d = call->worker->daemon;
    const struct chat *chat = d->chat;
    if (chat && chat->lease && !chat_is_here(chat))
        return api_error(call, ERROR_NOT_AVAILABLE, "another node keeps the chat: ask that one");
    if (dir_of(call->config).len == 0)
        return api_error(call, ERROR_NOT_AVAILABLE, "there is no data_dir");
    if (atomic_exchange(&d->is_copying, true))
        return api_error(call, ERROR_TOO_MANY_REQUESTS, "a copy is being made");
    struct copying *c = calloc(1, sizeof *c);
    int r = c ? copy(call, c) : -ENOMEM;
    free(c);
    atomic_store(&d->is_copying, false);
    return r;
}
