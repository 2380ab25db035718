/*
 * Copies of a data directory, and back: history.db, archive.db, chat.db and what was uploaded.
 *
 * A copy is made beside a daemon that runs: each database by SQLite (VACUUM INTO: one snapshot),
 * files as links where the file system has them, which is no copy at all as files never change. It
 * is looked through before it is called whole: integrity_check, the index of words against the
 * messages, each file against its hash. manifest.json is written last: a directory without one is
 * no copy.
 *
 * Everything here blocks: for threads of a pool, and programs without a loop.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

enum { BACKUP_WHY_MAX = 512 };

struct backup_report {
    bool has_chat, has_history, has_archive;
    int64_t users, rooms, messages, attachments;
    int64_t channels, publications; /* of history.db */
    int64_t files;                  /* different ones */
    uint64_t files_bytes, database_bytes;
};

/*
 * to: is made; must not be there. On failure what there is of it is left, without a manifest.
 * ret_why: at least BACKUP_WHY_MAX bytes; on failure a sentence.
 * -EEXIST: to is there. -ENOENT: nothing to copy. -EBADMSG: damaged. Others: the system's.
 */
MUST_CHECK int backup_make(const char *data_dir, const char *to, struct backup_report *ret,
                           char *ret_why);

/* Looks through a copy again. -ENOENT: it is none, or not whole. -EBADMSG: damaged, or other files
 * than were copied lie in it. -EPROTONOSUPPORT: of a newer version. */
MUST_CHECK int backup_verify(const char *dir, struct backup_report *ret, char *ret_why);

/*
 * Puts a copy, which is looked through before, into a data directory that nobody has open. What is
 * there is not overwritten: -EEXIST, unless is_forced, then it is moved into
 * DATA_DIR/before-restore.N. The daemon gives the databases new epochs when it opens them, so that
 * clients hear that what came after the copy is gone. -EBUSY: a daemon has it.
 */
MUST_CHECK int backup_restore(const char *dir, const char *data_dir, bool is_forced,
                              struct backup_report *ret, char *ret_why);

/* As members of a JSON object that is open. */
struct buffer;
void backup_put(struct buffer *out, const struct backup_report *r);
