/* POST /files: a body becomes an attachment that its uploader may name in a message. */
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/offload.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/files.h"
#include "daemon/chat/own.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/keys/rate.h"
#include "daemon/log.h"
#include "daemon/transport/transport.h"
#include "daemon/worker.h"
#include "protocol/image.h"
#include "storage/chat/attachment.h"

struct upload {
    struct http_exchange *x;
    struct chat_files *files;
    struct chat *chat;
    struct auth_who who;
    struct chat_work work;
    struct buffer name;
    struct chat_upload what;
    struct chat_blob_writer *writer;
    uint8_t *piece; /* FILES_PIECE_BYTES */
    size_t piece_len;
    struct chat_attachment made;
};

/* ---- on a thread ---- */

static int begin_file(void *arg) {
    struct upload *u = arg;
    return chat_blob_begin(u->chat->files_dir, &u->writer);
}

static int append_piece(void *arg) {
    struct upload *u = arg;
    return chat_blob_append(u->writer, bytes_of(u->piece, u->piece_len));
}

static int commit_file(void *arg) {
    struct upload *u = arg;
    return chat_blob_commit(u->writer, &u->what.file);
}

static int end_file(void *arg) {
    struct upload *u = arg;
    u->writer = chat_blob_end(u->writer);
    return 0;
}

static void upload_finishp(struct upload **lent) {
    struct upload *u = *lent;
    if (!u)
        return;
    if (u->writer) {
        SHIELD(INT64_MAX / 2);
        if (offload(u->files->pool, end_file, u) < 0)
            (void) end_file(u); /* a full pool must leave nothing behind */
    }
    u->files->uploads--;
    chat_work_finish(&u->work);
    auth_who_finish(&u->who);
    buffer_finish(&u->name);
    free(u->piece);
    free(u);
}

/* ---- before it comes ---- */

/* What it is called: the last part of it, should a path have been given. */
static int take_name(struct upload *u) {
    int r = transport_query(u->x->request->query, STR("name"), &u->name);
    if (r <= 0)
        return r == 0 ? -EINVAL : r;
    struct str name = { (const char *) u->name.data, u->name.len };
    for (size_t i = name.len; i > 0; i--)
        if (name.data[i - 1] == '/' || name.data[i - 1] == '\\') {
            name = (struct str){ name.data + i, name.len - i };
            break;
        }
    u->what.name = name;
    return 0;
}

/* What its uploader says that it is: shown to others, and never believed. */
static void take_type(struct upload *u) {
    struct str type = { 0 };
    (void) http_head_find(&u->x->request->head, STR("Content-Type"), &type);
    size_t len = 0;
    while (len < type.len && type.data[len] != ';' && type.data[len] != ' ')
        len++;
    u->what.type = len > 0 && len <= CHAT_FILE_TYPE_MAX ? (struct str){ type.data, len }
                                                        : STR("application/octet-stream");
}

static uint64_t files_max_bytes(const struct upload *u) {
    return (uint64_t) u->x->config->chat.files_max_mib << 20;
}

static int run_allow(struct chat_work *w, struct chat_tx *tx) {
    struct upload *u = CONTAINER_OF(w, struct upload, work);
    struct chat_actor by;
    int r = chat_actor_load(tx, u->who.user.id, &by);
    struct chat_upload what = u->what;
    what.size = u->x->request->has_length ? u->x->request->content_length : 0;
    return r == 0 ? chat_attachment_allow(tx, &by, &what, files_max_bytes(u)) : r;
}

/* 1: it may come. 0: answered. */
static int admit(struct upload *u) {
    struct http_exchange *x = u->x;
    int64_t retry_ms;
    int r = auth_of_request(x, &u->who);
    if (r == CHAT_NOT_FOUND)
        return chat_files_refuse(x, 401, "not signed in", NULL);
    if (r != 0)
        return chat_files_result(x, &u->work, r);
    if (take_name(u) < 0)
        return chat_files_refuse(x, 400, "it cannot be called that", "name");
    take_type(u);
    if (!rate_allow_chat(x->worker, CHAT_RATE_WRITE, u->who.user.id, &retry_ms))
        return chat_files_refuse(x, 429, "too many requests", NULL);
    u->work = CHAT_WORK(run_allow);
    r = chat_read(u->chat, &u->work);
    return r == 0 ? 1 : chat_files_result(x, &u->work, r);
}

/* ---- while it comes ---- */

/* Fills the piece, so that few are handed to threads. *ret_is_all: that was the last one. */
static int read_piece(struct upload *u, bool *ret_is_all) {
    u->piece_len = 0;
    while (u->piece_len < FILES_PIECE_BYTES) {
        ssize_t n =
                http_exchange_read(u->x, u->piece + u->piece_len, FILES_PIECE_BYTES - u->piece_len);
        if (n < 0)
            return (int) n;
        *ret_is_all = n == 0;
        if (n == 0)
            break;
        u->piece_len += (size_t) n;
    }
    return 0;
}

static void look_at_beginning(struct upload *u) {
    struct image image = image_of(bytes_of(u->piece, u->piece_len));
    struct str *type = &u->what.type;
    static const struct str shown[] = { STR("image/png"), STR("image/jpeg"), STR("image/gif"),
                                        STR("image/webp") };
    for (size_t i = 0; i < ELEMENTS_OF(shown); i++)
        if (http_equal_nocase(*type, shown[i]))
            *type = STR("application/octet-stream"); /* that is for us to say */
    if (image.type.len > 0)
        *type = image.type;
    u->what.width = image.width;
    u->what.height = image.height;
}

static int take_body(struct upload *u) {
    bool is_all = false;
    int r = offload(u->files->pool, begin_file, u);
    while (r == 0 && !is_all) {
        r = read_piece(u, &is_all);
        if (r == 0 && u->what.size == 0)
            look_at_beginning(u);
        u->what.size += u->piece_len;
        if (r == 0 && u->piece_len > 0)
            r = offload(u->files->pool, append_piece, u);
    }
    return r == 0 ? offload(u->files->pool, commit_file, u) : r;
}

/* ---- when it has come ---- */

static int run_add(struct chat_work *w, struct chat_tx *tx) {
    struct upload *u = CONTAINER_OF(w, struct upload, work);
    struct chat_actor by;
    int r = chat_actor_load(tx, u->who.user.id, &by);
    if (r == 0) /* of what it has turned out to be */
        r = chat_attachment_allow(tx, &by, &u->what, files_max_bytes(u));
    return r == 0 ? chat_attachment_add(tx, &by, &u->what, u->chat->files_dir, &u->made) : r;
}

static int add(struct upload *u) {
    int r = -ESTALE;
    /* The same file may just be going, since nothing else had it: then it is put back. */
    for (int i = 0; r == -ESTALE && i < 3; i++) {
        if (i > 0) {
            r = offload(u->files->pool, commit_file, u);
            if (r < 0)
                return r;
        }
        chat_work_finish(&u->work);
        u->work = CHAT_WORK(run_add);
        SHIELD(INT64_MAX / 2);
        r = chat_write(u->chat, &u->work);
    }
    return r;
}

static int run_found(struct chat_work *w, struct chat_tx *tx) {
    struct upload *u = CONTAINER_OF(w, struct upload, work);
    return chat_attachment_found(tx, &u->what.file);
}

/* It is in its place, and in no attachment: if this fails, too, the next start finds it. */
static void give_up(struct upload *u) {
    struct chat_refusal why = u->work.refusal;
    SHIELD(INT64_MAX / 2);
    chat_work_finish(&u->work);
    u->work = CHAT_WORK(run_found);
    if (chat_write(u->chat, &u->work) != 0)
        LOG_WARNING(u->chat->daemon->log, "a file of the chat is left behind");
    u->work.refusal = why;
}

static int answer(struct upload *u) {
    struct http_exchange *x = u->x;
    metrics_count(&x->worker->metrics, COUNT_CHAT_UPLOADS);
    metrics_add(&x->worker->metrics, COUNT_CHAT_UPLOAD_BYTES, u->what.size);
    x->status = 201;
    x->content_type = STR("application/json");
    buffer_append_str(&x->out, STR("{\"attachment\":"));
    chat_put_attachment(&x->out, &u->made);
    buffer_append_byte(&x->out, '}');
    return 0;
}

int chat_upload_serve(struct http_exchange *x, struct chat_files *f) {
    if (http_exchange_rest(x).len > 0)
        return chat_files_refuse(x, 404, "there is none", NULL);
    if (f->uploads >= worker_share(x->worker, x->config->chat.uploads_max)) {
        metrics_count(&x->worker->metrics, COUNT_CHAT_UPLOADS_LIMIT);
        http_exchange_header(x, STR("Retry-After"), STR("1"));
        return chat_files_refuse(x, 503, "too many uploads", NULL);
    }
    CLEANUP(upload_finishp) struct upload *u = calloc(1, sizeof *u);
    if (!u)
        return -ENOMEM;
    *u = (struct upload){ .x = x, .files = f, .chat = x->worker->daemon->chat };
    f->uploads++;
    u->piece = malloc(FILES_PIECE_BYTES);
    if (!u->piece)
        return -ENOMEM;

    DEADLINE(time, x->config->chat.upload_timeout_ms);
    int r = admit(u);
    if (r <= 0)
        return r;
    r = take_body(u);
    if (r == 0) {
        r = add(u);
        if (r != 0)
            give_up(u);
    }
    if (r != 0)
        metrics_count(&x->worker->metrics, COUNT_CHAT_UPLOADS_FAILED);
    return r == 0 ? answer(u) : chat_files_result(x, &u->work, r);
}
