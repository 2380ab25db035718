/*
 * An archive of publications that are kept elsewhere: a file beside that other place, behind it by
 * a moment, which only grows. Who wants to read it opens it with SQLite.
 *
 * One lane writes. It commits as one group whatever came while it was committing the group before.
 * A group that the disk does not take is kept and tried again; meanwhile publications wait, up to a
 * bound.
 */
#pragma once

#include "async/base.h"
#include "storage/publication.h"

struct archive;

struct archive_options {
    const char *data_dir;   /* is there; the file in it is archive.db. Borrowed for the call */
    const char *vfs;        /* or NULL, for the system's. Borrowed for the call */
    size_t queue_max_bytes; /* of publications not written yet; those past it are not archived.
                               0: 64 MiB */
};

/*
 * Makes the file if it is missing. On a loop; suspends. 0, -ENOMEM, -EAGAIN; -EBADMSG: damaged or
 * not an archive; -EPROTONOSUPPORT: written by a newer version; -EIO and the like; -ECANCELED.
 * ret_why: of most failures a sentence naming the file, heap, the caller's to free; or NULL.
 */
SUSPENDS MUST_CHECK int archive_open(const struct archive_options *o, struct archive **ret,
                                     char **ret_why);

/* Writes what waits, as long as the disk takes it and for at most ten seconds; then ends. Suspends,
 * shielded. On the loop that opened it. Takes NULL; returns NULL. */
SUSPENDS struct archive *archive_close(struct archive *a);

/* Has a publication with its position written, later. Takes a reference of its own. Any thread;
 * never waits. One of a position that is there is not written again. */
void archive_put(struct archive *a, struct publication *p);

/* Tries again what could not be written. Called every second. */
void archive_tick(struct archive *a);

struct archive_stats {
    uint64_t written; /* those that were there already included */
    uint64_t commits;
    uint64_t waiting;
    int64_t lag_ms;   /* for which the oldest of them has waited */
    uint64_t dropped; /* the queue was full, there was no memory, or closing did not write them */
    uint64_t errors;  /* commits that failed */
    int last_error;   /* of the last commit; 0: it did not fail */
};

void archive_stats(struct archive *a, struct archive_stats *ret); /* any thread */
