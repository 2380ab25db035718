/*
 * Files that people attach to messages: whose they are and which message has them. What is in them
 * is in blob.h's directory.
 *
 * An attachment is made by its uploader, named by at most one message, and goes with it; one that
 * no message has named for CHAT_UNSENT_MS goes as well, unless it is somebody's picture. Its file
 * goes when no attachment has it: on the writer's thread, which is also where one is added, so that
 * no file goes which somebody is about to use.
 */
#pragma once

#include "storage/chat/blob.h"
#include "storage/chat/store.h"

enum {
    CHAT_FILE_NAME_MAX = 255, /* bytes */
    CHAT_FILE_TYPE_MAX = 100,
    CHAT_UNSENT_MAX = 100, /* of one user */
    CHAT_UNSENT_MS = 24 * 60 * 60 * 1000,
};

struct chat_upload {
    struct str name; /* what it is called; shown, never a path */
    struct str type; /* of a picture its own; of the rest what the uploader says */
    uint64_t size;
    unsigned width, height;
    struct chat_blob_id file;
};

/* May they upload it, of this name, type and size? To be asked before it comes, and then again.
 * files_max_bytes: of all; 0: any. CHAT_BAD_REQUEST (name, type), CHAT_CONFLICT (unsent:
 * CHAT_UNSENT_MAX), CHAT_TOO_LONG (files: files_max_bytes). */
MUST_CHECK int chat_attachment_allow(struct chat_tx *tx, const struct chat_actor *by,
                                     const struct chat_upload *upload, uint64_t files_max_bytes);

/* Of one that is allowed. -ESTALE: the file is no longer there: it is to be put there again. */
MUST_CHECK int chat_attachment_add(struct chat_tx *tx, const struct chat_actor *by,
                                   const struct chat_upload *upload, const char *dir,
                                   struct chat_attachment *ret);

/* For those who uploaded it, or may see the message that has it, or if it is somebody's picture.
 * CHAT_NOT_FOUND. */
MUST_CHECK int chat_attachment_get(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                                   struct chat_attachment *ret, struct chat_blob_id *ret_file);

/* ---- what goes ---- */

/* Does anything wait to be removed? Of a reader. */
MUST_CHECK int chat_attachment_is_due(struct chat_tx *tx, bool *ret);

/* At most max of each: attachments that were never sent, and files that no attachment has any more.
 * The files are removed here. */
struct chat_purged {
    unsigned unsent, files;
    bool has_more;
};
MUST_CHECK int chat_attachment_purge(struct chat_tx *tx, const char *dir, unsigned max,
                                     struct chat_purged *ret);

/* A file that lies in the directory: is to be removed unless an attachment has it. Of those that a
 * crash left between its place and the commit. */
MUST_CHECK int chat_attachment_found(struct chat_tx *tx, const struct chat_blob_id *file);

struct chat_files_total {
    uint64_t attachments, bytes;
};
MUST_CHECK int chat_attachment_total(struct chat_tx *tx, struct chat_files_total *ret);
