/*
 * Files on the disk by what is in them: DIR/ab/cdef... is the SHA-256 of the content, so that what
 * is uploaded twice is kept once. No name that somebody gave a file is part of a path.
 *
 * A file is there whole or not at all: it is written and synced as DIR/tmp/..., then linked to its
 * place, and the directories are synced. What a killed process left in DIR/tmp,
 * chat_blob_open_dir() removes.
 *
 * Everything here blocks: for threads of a pool, and the store's.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

enum { CHAT_BLOB_ID_SIZE = 32, CHAT_BLOB_TEXT_SIZE = 2 * CHAT_BLOB_ID_SIZE + 1 };

struct chat_blob_id {
    uint8_t sha256[CHAT_BLOB_ID_SIZE];
};

/* Hexadecimal, terminated. */
void chat_blob_id_text(const struct chat_blob_id *id, char ret[CHAT_BLOB_TEXT_SIZE]);
MUST_CHECK int chat_blob_id_parse(struct str text, struct chat_blob_id *ret); /* -EINVAL */
/* Of a column that has one. false: it has not. */
MUST_CHECK bool chat_blob_id_of(struct bytes sha256, struct chat_blob_id *ret);

/* Makes the directory where it is missing, and empties its tmp. At most one process has it. -errno.
 */
MUST_CHECK int chat_blob_open_dir(const char *dir);

/* ---- writing ---- */

struct chat_blob_writer;

/* Errors of all that write are the system's: -ENOSPC, -EDQUOT, -EFBIG: there is no room. */
MUST_CHECK int chat_blob_begin(const char *dir, struct chat_blob_writer **ret);
MUST_CHECK int chat_blob_append(struct chat_blob_writer *w, struct bytes piece);
/* Synced, and in its place. May be called again, if it has been removed meanwhile. */
MUST_CHECK int chat_blob_commit(struct chat_blob_writer *w, struct chat_blob_id *ret);
/* What is not in its place is gone. Takes NULL; returns NULL. */
struct chat_blob_writer *chat_blob_end(struct chat_blob_writer *w);

/* ---- the rest ---- */

MUST_CHECK int chat_blob_open(const char *dir, const struct chat_blob_id *id,
                              int *ret_fd); /* to read; -ENOENT */
bool chat_blob_exists(const char *dir, const struct chat_blob_id *id);
MUST_CHECK int chat_blob_remove(const char *dir, const struct chat_blob_id *id); /* none: 0 */
/* Is what is in it still what its name says? -EBADMSG: no. -ENOENT. ret_size may be NULL. */
MUST_CHECK int chat_blob_check(const char *dir, const struct chat_blob_id *id, uint64_t *ret_size);

/* Calls see for each file there is, in no order, until it returns other than 0. What else lies
 * around is passed over. */
MUST_CHECK int chat_blob_each(const char *dir, int (*see)(void *arg, const struct chat_blob_id *id),
                              void *arg);
