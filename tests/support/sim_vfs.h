/*
 * A disk in memory, behind a VFS of SQLite's, that loses power and fails on request.
 *
 * It behaves as Linux does at its worst. What was written sits in a cache until synced; at a power
 * cut each 512-byte sector of it that was not synced is there or not, as the seed says, and so are
 * sizes, new files and deleted ones. A sync that failed has forsaken what it should have written: a
 * later one reports success and does not write it again, unless it was changed again.
 *
 * Thread-safe. With one thread it is deterministic: one seed, one execution.
 */
#pragma once

#include <sqlite3.h>

#include "async/base.h"

struct sim_disk;

/* Registers a VFS of that name, which must be new to the process. Aborts without memory. */
struct sim_disk *sim_disk_new(const char *vfs_name, uint64_t seed);
struct sim_disk *sim_disk_free(struct sim_disk *d); /* no file is open any more; returns NULL */

/* Power is cut and comes back. Files that are open stay open but every use of them fails. */
void sim_disk_cut(struct sim_disk *d);

enum sim_operation { SIM_WRITE = 1, SIM_SYNC = 2, SIM_ANY = SIM_WRITE | SIM_SYNC };

/*
 * The operation-th write or sync from now on fails, and the times - 1 after it. error: ENOSPC
 * (writes only; a sync then fails with EIO) or EIO. Replaces what was asked before; times 0 ends
 * it.
 */
void sim_disk_fail(struct sim_disk *d, enum sim_operation which, uint64_t after, uint64_t times,
                   int error);

/* So far, failed ones included. */
uint64_t sim_disk_count(const struct sim_disk *d, enum sim_operation which);

/* Overwrites bytes of a file, durably: damage. false: no such file, or too short. */
bool sim_disk_damage(struct sim_disk *d, const char *path, size_t offset, const void *data,
                     size_t len);

/* Copies durable and cached contents of every file / puts them back: a restore from backup. */
struct sim_copy;
struct sim_copy *sim_disk_copy(struct sim_disk *d, const char *path); /* NULL: no such file */
void sim_disk_restore(struct sim_disk *d,
                      struct sim_copy *copy); /* frees copy; nobody has it open */
