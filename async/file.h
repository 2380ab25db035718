/*
 * Files, read and written on a pool's threads. Every call but file_fd() suspends; -ENOBUFS,
 * -EAGAIN: the pool is full or has no thread. -ECANCELED, -ETIMEDOUT: nothing was done (once begun
 * an operation is waited for, and its result given). Other errors are those of the system calls.
 */
#pragma once

#include <sys/types.h>

#include "async/base.h"

struct file;
struct pool;

/* A whole file. ret: malloc()ed, the caller's, with a NUL after its len bytes. -EFBIG: over
 * max_bytes. */
SUSPENDS MUST_CHECK int file_read(struct pool *p, const char *path, size_t max_bytes, char **ret,
                                  size_t *ret_len);

/*
 * Replaces a whole file, or makes it: whoever looks, even after a power cut, sees the old one or
 * the new one. Written to a temporary file beside it, synced, renamed, the directory synced. mode:
 * permissions (of a new and of a replaced one), whatever the umask.
 */
SUSPENDS MUST_CHECK int file_write(struct pool *p, const char *path, const void *data, size_t len,
                                   unsigned mode);

/* flags: as of open(2). p: for all of the file's calls, borrowed until file_close(). */
SUSPENDS MUST_CHECK int file_open(struct pool *p, const char *path, int flags, unsigned mode,
                                  struct file **ret);
/* cap bytes, or fewer only before the file's end. */
SUSPENDS MUST_CHECK ssize_t file_pread(struct file *f, void *buf, size_t cap, off_t at);
SUSPENDS MUST_CHECK int file_pwrite(struct file *f, const void *buf, size_t len,
                                    off_t at);     /* all, or -errno */
SUSPENDS MUST_CHECK int file_sync(struct file *f); /* data and what finds it are on the disk */
SUSPENDS MUST_CHECK int file_size(struct file *f, off_t *ret);
SUSPENDS MUST_CHECK int file_truncate(struct file *f, off_t size);
int file_fd(const struct file *f);
SUSPENDS struct file *file_close(struct file *f); /* shielded. Takes NULL; returns NULL */
