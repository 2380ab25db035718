/*
 * The endpoint /files: what people attach to messages, up and down (docs/chat-protocol.md). Bytes
 * are read and written in pieces, by threads of a worker's own pool; what is where says
 * storage/chat/blob.h, whose it is storage/chat/attachment.h.
 */
#pragma once

#include "daemon/transport/http_exchange.h"

struct chat;
struct chat_work;
struct pool;

enum {
    FILES_PIECE_BYTES = 65536,  /* of memory that one on its way takes */
    FILES_PURGE_MS = 10 * 1000, /* how often it is looked for what may go */
    FILES_PURGE_MAX = 200       /* files in one commit */
};

/* A worker's; made when it is first used. */
struct chat_files {
    struct pool *pool;
    size_t uploads, downloads; /* under way */
};

bool chat_files_is_served(const struct connection *conn, const struct config *c);
size_t chat_files_body_max(const struct config *c);
SUSPENDS int chat_files_serve(struct http_exchange *x);

/* Takes NULL; returns NULL. None is under way. */
struct chat_files *chat_files_free(struct chat_files *f);

/* The directory of the files, while nobody else has the database. On failure *ret_why, to be freed.
 */
SUSPENDS MUST_CHECK int chat_files_open(struct chat *c, char **ret_why);

/* ---- for the files chat/files*.c, upload.c, download.c ---- */

SUSPENDS int chat_upload_serve(struct http_exchange *x, struct chat_files *f);
SUSPENDS int chat_download_serve(struct http_exchange *x, struct chat_files *f);

/* {error: {code, message, field?}}. Returns 0. */
int chat_files_refuse(struct http_exchange *x, int status, const char *message, const char *field);
/* What a work on the store came to, if that was not 0. */
int chat_files_result(struct http_exchange *x, const struct chat_work *w, int r);

/* ---- what goes ---- */

/*
 * Removes files that nothing names any more, until it is cancelled. A task's, of any worker.
 * arg: the chat.
 */
SUSPENDS int chat_files_purge(void *arg);
