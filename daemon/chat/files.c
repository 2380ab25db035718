#include "daemon/chat/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/offload.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/own.h"
#include "daemon/chat/pass.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/transport/connection.h"
#include "daemon/worker.h"
#include "protocol/json.h"
#include "storage/chat/blob.h"

enum { THREADS = 2 };

bool chat_files_is_served(const struct connection *conn, const struct config *c) {
    return !conn->session.is_internal && conn->session.worker->daemon->chat;
}

size_t chat_files_body_max(const struct config *c) {
    return c->chat.upload_max_bytes;
}

/* ---- answers ---- */

int chat_files_refuse(struct http_exchange *x, int status, const char *message, const char *field) {
    x->status = status;
    x->content_type = STR("application/json");
    buffer_reset(&x->out);
    buffer_printf(&x->out, "{\"error\":{\"code\":%d,\"message\":", status);
    json_append_string(&x->out, str_of(message));
    if (field) {
        buffer_append_str(&x->out, STR(",\"field\":"));
        json_append_string(&x->out, str_of(field));
    }
    buffer_append_str(&x->out, STR("}}"));
    return 0;
}

int chat_files_result(struct http_exchange *x, const struct chat_work *w, int r) {
    const char *field = w->refusal.field;
    switch (r) {
    case CHAT_NOT_FOUND:
        return chat_files_refuse(x, 404, "there is none", NULL);
    case CHAT_DENIED:
        return chat_files_refuse(x, 403, "it is not allowed", NULL);
    case CHAT_BAD_REQUEST:
        return chat_files_refuse(x, 400, "it cannot be that", field);
    case CHAT_TOO_LONG:
        metrics_count(&x->worker->metrics, COUNT_CHAT_UPLOADS_FULL);
        return chat_files_refuse(x, 413, "there is no more room for files", field);
    case CHAT_CONFLICT:
        metrics_count(&x->worker->metrics, COUNT_CHAT_UPLOADS_FULL);
        return chat_files_refuse(x, 429, "too many files that no message has", field);
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return chat_files_refuse(x, 507, "the disk is full", NULL);
    case -ENOTCONN:
        http_exchange_header(x, STR("Retry-After"), STR("1"));
        return chat_files_refuse(x, 503, "the node that keeps the chat is away", NULL);
    case -ECANCELED:
    case -ETIMEDOUT:
    case -EPIPE:
    case -EMSGSIZE:
    case -EBADMSG:
        return r; /* the connection's */
    default:
        LOG_WARNING(x->worker->daemon->log, "files of the chat", LOG_RESULT(r));
        return chat_files_refuse(x, 503, "temporary: the disk", NULL);
    }
}

/* ---- the daemon's ---- */

static int open_dir(void *arg) {
    return chat_blob_open_dir(arg);
}

int chat_files_open(struct chat *c, char **ret_why) {
    struct pool *pool = NULL;
    struct str data_dir = c->config->chat.data_dir;
    if (!c->files_dir &&
        asprintf(&c->files_dir, "%.*s/files", (int) data_dir.len, data_dir.data) < 0) {
        c->files_dir = NULL;
        return -ENOMEM;
    }
    int r = pool_open(&(struct pool_options){ .name = "files", .threads = 1 }, &pool);
    if (r == 0)
        r = offload(pool, open_dir, c->files_dir);
    pool = pool_close(pool);
    if (r < 0 && ret_why && asprintf(ret_why, "%s: %s", c->files_dir, strerror(-r)) < 0)
        *ret_why = NULL;
    return r;
}

/* ---- a worker's ---- */

static int files_of(struct worker *w, struct chat_files **ret) {
    if (!w->chat_files) {
        struct chat_files *f = calloc(1, sizeof *f);
        int r = f ? pool_open(&(struct pool_options){ .name = "files", .threads = THREADS },
                              &f->pool)
                  : -ENOMEM;
        if (r < 0) {
            free(f);
            return r;
        }
        w->chat_files = f;
    }
    *ret = w->chat_files;
    return 0;
}

struct chat_files *chat_files_free(struct chat_files *f) {
    if (f)
        f->pool = pool_close(f->pool);
    free(f);
    return NULL;
}

int chat_files_serve(struct http_exchange *x) {
    struct chat_files *f;
    if (!chat_is_here(x->worker->daemon->chat))
        return chat_pass(x);
    if (!x->worker->daemon->chat->files_dir)
        return chat_files_refuse(x, 503, "there are no files", NULL);
    int r = auth_admits(x);
    if (r <= 0)
        return r;
    r = files_of(x->worker, &f);
    if (r < 0)
        return r;
    return str_equal(x->request->method, STR("POST")) ? chat_upload_serve(x, f)
                                                      : chat_download_serve(x, f);
}
