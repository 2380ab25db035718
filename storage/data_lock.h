/*
 * The lock of a data file: a file beside it, which one process has at a time. Before the data is
 * opened. Blocking; any thread.
 */
#pragma once

#include "async/base.h"

/* A sentence for the operator, in *why unless there is one; the caller's, to be freed. Returns r.
 */
__attribute__((format(printf, 3, 4))) int explain(char **why, int r, const char *format, ...);

/*
 * Let go by data_lock_release(), or with the process, however it ends. lock_path: is made if it is
 * not there. data_path: what it is the lock of, for the sentence.
 *
 * 0, or with a sentence in *why: -EBUSY: another process has it. Others: the system's.
 */
MUST_CHECK int data_lock_take(const char *lock_path, const char *data_path, int *ret_fd,
                              char **why);
/*
 * Which file it is, of all that there are: of one machine, until that is started anew. A copy's is
 * another. Empty: that cannot be known, as there is no boot id, neither the kernel's below /proc
 * nor, where that is not to be seen, BOOT_ID of the environment.
 */
enum { DATA_LOCK_NAME_SIZE = 80 };
void data_lock_name(int fd, char ret[static DATA_LOCK_NAME_SIZE]);
/* It is the one of that name, and nobody has it. */
bool data_lock_is_left(const char *lock_path, const char *name);

int data_lock_release(int fd); /* -1: was not taken; returns -1 */
