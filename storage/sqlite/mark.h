/*
 * history.mark: how far this database had come when it was last seen, and which file it was.
 *
 * A database put back from a copy has forgotten what came after the copy was made, and would number
 * other publications with the same offsets. So a line beside it is rewritten after each commit: the
 * epoch, the last publication's id, and the identity (inode and birth time) of the file. A database
 * that is behind its mark, or another file, or has no mark at all, gets a new epoch when it is
 * opened.
 *
 * It is not synced, except when made: after a loss of power it may be behind, which is harmless.
 * Who restores file contents in place, mark included, must delete history.mark.
 */
#pragma once

#include <sqlite3.h>

#include "storage/engine_impl.h"

enum { MARK_SIZE = 128 };

struct mark {
    char epoch_base[EPOCH_BASE_SIZE];
    uint64_t last_id;
    uint64_t identity; /* of the file; 0: unknown */
};

struct mark_file; /* opened through the database's VFS, so that simulations crash it too */

MUST_CHECK int mark_open(const char *path, const char *vfs, struct mark_file **ret);
struct mark_file *mark_close(struct mark_file *f); /* takes NULL; returns NULL */

MUST_CHECK int mark_read(struct mark_file *f,
                         struct mark *ret); /* -ENODATA: none, or damaged. -EIO */
MUST_CHECK int mark_write(struct mark_file *f, const struct mark *m, bool is_synced);

uint64_t mark_identity(const char *path); /* of a file of the system's; 0: unknown */
