#include "storage/sqlite/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct mark_file {
    char *path; /* a VFS keeps the pointer */
    sqlite3_file *file;
};

int mark_open(const char *path, const char *vfs_name, struct mark_file **ret) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    if (!vfs)
        return -EINVAL;
    struct mark_file *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    f->path = strdup(path);
    f->file = calloc(1, (size_t) vfs->szOsFile);
    if (!f->path || !f->file) {
        mark_close(f);
        return -ENOMEM;
    }
    /* A kind of file that no VFS locks, and whose directory entry its first sync makes durable. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL, out = 0;
    if (vfs->xOpen(vfs, f->path, f->file, flags, &out) != SQLITE_OK) {
        f->file->pMethods = NULL;
        mark_close(f);
        return -EIO;
    }
    *ret = f;
    return 0;
}

struct mark_file *mark_close(struct mark_file *f) {
    if (!f)
        return NULL;
    if (f->file && f->file->pMethods)
        (void) f->file->pMethods->xClose(f->file);
    free(f->file);
    free(f->path);
    free(f);
    return NULL;
}

int mark_read(struct mark_file *f, struct mark *ret) {
    char text[MARK_SIZE + 1] = { 0 };
    sqlite3_int64 size = 0;
    if (f->file->pMethods->xFileSize(f->file, &size) != SQLITE_OK)
        return -EIO;
    if (size != MARK_SIZE)
        return -ENODATA;
    if (f->file->pMethods->xRead(f->file, text, MARK_SIZE, 0) != SQLITE_OK)
        return -EIO;

    struct mark m = { 0 };
    int end = 0;
    if (sscanf(text, "parley mark 1 %10s %20" SCNu64 " %16" SCNx64 " .%n", m.epoch_base, &m.last_id,
               &m.identity, &end) != 3 ||
        end == 0)
        return -ENODATA;
    *ret = m;
    return 0;
}

int mark_write(struct mark_file *f, const struct mark *m, bool is_synced) {
    char text[MARK_SIZE + 1];
    int n = snprintf(text, sizeof text, "parley mark 1 %s %" PRIu64 " %" PRIx64 " .", m->epoch_base,
                     m->last_id, m->identity);
    memset(text + n, ' ', MARK_SIZE - (size_t) n);
    text[MARK_SIZE - 1] = '\n';
    const struct sqlite3_io_methods *io = f->file->pMethods;
    if (io->xWrite(f->file, text, MARK_SIZE, 0) != SQLITE_OK)
        return -EIO;
    return is_synced && io->xSync(f->file, SQLITE_SYNC_NORMAL) != SQLITE_OK ? -EIO : 0;
}

uint64_t mark_identity(const char *path) {
    struct statx st;
    if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &st) < 0)
        return 0;
    uint64_t identity = st.stx_ino * UINT64_C(0x9e3779b97f4a7c15);
    if (st.stx_mask & STATX_BTIME)
        identity ^= (uint64_t) st.stx_btime.tv_sec * 1000000000u + st.stx_btime.tv_nsec;
    return identity ? identity : 1;
}
