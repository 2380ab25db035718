/* GET /files/ID/NAME: what is attached, to those who may see it. Nothing of it is ever run by a
 * page. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/offload.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/byte_range.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/files.h"
#include "daemon/chat/own.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "storage/chat/attachment.h"

enum { ETAG_SIZE = CHAT_BLOB_TEXT_SIZE + 2 };

struct download {
    struct http_exchange *x;
    struct chat_files *files;
    struct chat *chat;
    struct auth_who who;
    struct chat_work work;
    struct str id;
    struct chat_attachment found;
    struct chat_blob_id file;
    char etag[ETAG_SIZE];
    struct byte_range range;
    int fd;
    uint8_t *piece;
    size_t piece_len;
};

/* ---- on a thread ---- */

static int open_file(void *arg) {
    struct download *d = arg;
    struct stat st;
    int r = chat_blob_open(d->chat->files_dir, &d->file, &d->fd);
    if (r < 0)
        return r == -ENOENT ? -EIO : r; /* it has to be there */
    return fstat(d->fd, &st) < 0 ? -errno : (uint64_t) st.st_size != d->found.size ? -EIO : 0;
}

static int read_piece(void *arg) {
    struct download *d = arg;
    size_t cap = d->range.len < FILES_PIECE_BYTES ? (size_t) d->range.len : FILES_PIECE_BYTES;
    for (d->piece_len = 0; d->piece_len < cap;) {
        ssize_t n = pread(d->fd, d->piece + d->piece_len, cap - d->piece_len,
                          (off_t) (d->range.from + d->piece_len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        d->piece_len += (size_t) n;
    }
    return 0;
}

static void download_finishp(struct download **lent) {
    struct download *d = *lent;
    if (!d)
        return;
    if (d->fd >= 0)
        (void) close(d->fd); /* of one that was read only: it does not wait */
    d->files->downloads--;
    chat_work_finish(&d->work);
    auth_who_finish(&d->who);
    free(d->piece);
    free(d);
}

/* ---- may they ---- */

static int run_get(struct chat_work *w, struct chat_tx *tx) {
    struct download *d = CONTAINER_OF(w, struct download, work);
    struct chat_actor by;
    int r = chat_actor_load(tx, d->who.user.id, &by);
    return r == 0 ? chat_attachment_get(tx, &by, d->id, &d->found, &d->file) : r;
}

/* 1: they may. 0: answered. */
static int find(struct download *d) {
    struct http_exchange *x = d->x;
    struct str rest = http_exchange_rest(x);
    const char *slash = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;

    int r = auth_of_request(x, &d->who);
    if (r == CHAT_NOT_FOUND)
        return chat_files_refuse(x, 401, "not signed in", NULL);
    if (r != 0)
        return chat_files_result(x, &d->work, r);
    d->id = slash ? (struct str){ rest.data, (size_t) (slash - rest.data) } : rest;
    if (d->id.len == 0 || d->id.len > CHAT_ID_MAX)
        return chat_files_refuse(x, 404, "there is none", NULL);
    d->work = CHAT_WORK(run_get);
    r = chat_read(d->chat, &d->work);
    return r == 0 ? 1 : chat_files_result(x, &d->work, r);
}

/* ---- what is said of it ---- */

static struct str printed(struct http_exchange *x, struct buffer *b) {
    char *kept = buffer_error(b) < 0 ? NULL : arena_alloc(&x->arena, b->len + 1);
    if (!kept)
        return (struct str){ 0 };
    memcpy(kept, b->data, b->len);
    return (struct str){ kept, b->len };
}

/* RFC 6266, RFC 8187: the name in UTF-8, escaped. */
static int add_disposition(struct download *d, bool is_shown) {
    static const char digits[] = "0123456789ABCDEF";
    CLEANUP(buffer_finish) struct buffer b = BUFFER_INIT;
    buffer_append_str(&b, is_shown ? STR("inline; filename*=UTF-8''")
                                   : STR("attachment; filename*=UTF-8''"));
    for (size_t i = 0; i < d->found.name.len; i++) {
        uint8_t c = (uint8_t) d->found.name.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        if (!is_plain) {
            buffer_append_byte(&b, '%');
            buffer_append_byte(&b, (uint8_t) digits[c >> 4]);
        }
        buffer_append_byte(&b, is_plain ? c : (uint8_t) digits[c & 15]);
    }
    struct str value = printed(d->x, &b);
    if (value.len == 0)
        return -ENOMEM;
    http_exchange_header(d->x, STR("Content-Disposition"), value);
    return 0;
}

static bool is_picture(struct str type) { /* upload.c has looked: nothing else is called that */
    return str_equal(type, STR("image/png")) || str_equal(type, STR("image/jpeg")) ||
           str_equal(type, STR("image/gif")) || str_equal(type, STR("image/webp"));
}

static void add_safety(struct http_exchange *x) {
    http_exchange_header(x, STR("X-Content-Type-Options"), STR("nosniff"));
    http_exchange_header(x, STR("Content-Security-Policy"), STR("sandbox; default-src 'none'"));
    http_exchange_header(x, STR("Cache-Control"), STR("private, max-age=31536000, immutable"));
}

static int add_content_range(struct download *d) {
    CLEANUP(buffer_finish) struct buffer b = BUFFER_INIT;
    uint64_t size = d->found.size;
    if (d->x->status == 416)
        buffer_printf(&b, "bytes */%llu", (unsigned long long) size);
    else
        buffer_printf(&b, "bytes %llu-%llu/%llu", (unsigned long long) d->range.from,
                      (unsigned long long) (d->range.from + d->range.len - 1),
                      (unsigned long long) size);
    struct str value = printed(d->x, &b);
    if (value.len == 0)
        return -ENOMEM;
    http_exchange_header(d->x, STR("Content-Range"), value);
    return 0;
}

/* ---- sending ---- */

static int send_file(struct download *d) {
    struct http_exchange *x = d->x;
    int r = http_exchange_begin(x, d->range.len);
    while (r == 0 && x->unsent > 0) {
        r = offload(d->files->pool, read_piece, d);
        if (r == 0)
            r = http_exchange_send(x, bytes_of(d->piece, d->piece_len));
        if (r == 0)
            metrics_add(&x->worker->metrics, COUNT_CHAT_DOWNLOAD_BYTES, d->piece_len);
        d->range.from += d->piece_len;
        d->range.len -= d->piece_len;
    }
    return r;
}

static int answer(struct download *d) {
    struct http_exchange *x = d->x;
    struct str etag = { d->etag, ETAG_SIZE - 1 };
    bool is_shown = is_picture(d->found.type);
    char text[CHAT_BLOB_TEXT_SIZE];

    chat_blob_id_text(&d->file, text);
    d->etag[0] = d->etag[ETAG_SIZE - 2] = '"';
    memcpy(d->etag + 1, text, CHAT_BLOB_TEXT_SIZE - 1);
    add_safety(x);
    http_exchange_header(x, STR("ETag"), etag);
    if (byte_range_is_known(&x->request->head, etag)) {
        x->status = 304;
        return http_exchange_begin(x, 0);
    }
    int r = offload(d->files->pool, open_file, d);
    if (r < 0)
        return r;

    http_exchange_header(x, STR("Accept-Ranges"), STR("bytes"));
    d->range = (struct byte_range){ 0, d->found.size };
    switch (byte_range_of(&x->request->head, etag, d->found.size, &d->range)) {
    case BYTE_RANGE_PART:
        x->status = 206;
        r = add_content_range(d);
        break;
    case BYTE_RANGE_NONE:
        x->status = 416;
        r = add_content_range(d);
        return r < 0 ? r : http_exchange_begin(x, 0);
    case BYTE_RANGE_ALL:
    default:
        break;
    }
    if (r == 0)
        r = add_disposition(d, is_shown);
    if (r < 0)
        return r;
    metrics_count(&x->worker->metrics, COUNT_CHAT_DOWNLOADS);
    x->content_type = is_shown ? d->found.type : STR("application/octet-stream");
    return send_file(d);
}

int chat_download_serve(struct http_exchange *x, struct chat_files *f) {
    if (f->downloads >= worker_share(x->worker, x->config->chat.downloads_max)) {
        metrics_count(&x->worker->metrics, COUNT_CHAT_DOWNLOADS_LIMIT);
        http_exchange_header(x, STR("Retry-After"), STR("1"));
        return chat_files_refuse(x, 503, "too many downloads", NULL);
    }
    CLEANUP(download_finishp) struct download *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    *d = (struct download){ .x = x, .files = f, .chat = x->worker->daemon->chat, .fd = -1 };
    f->downloads++;
    d->piece = malloc(FILES_PIECE_BYTES);
    if (!d->piece)
        return -ENOMEM;
    int r = find(d);
    return r <= 0 ? r : answer(d);
}
