/* A database that a benchmark begins without. */
#pragma once

#include <stdio.h>
#include <unistd.h>

#include "async/base.h"

/* Removes what an engine has left in the directory. */
static inline void database_files_clear(const char *directory) {
    static const char *const files[] = { "history.db", "history.db-wal", "history.db-shm",
                                         "history.mark", "history.lock" };
    char path[256];
    for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
        (void) snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        (void) unlink(path);
    }
}
