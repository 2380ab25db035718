/* What the files backup*.c share. */
#pragma once

#include <limits.h>

#include "storage/chat/backup.h"

#define BACKUP_MANIFEST "manifest.json"

struct backup_path {
    char text[PATH_MAX];
};

/* Writes why; returns code. */
__attribute__((format(printf, 3, 4))) int backup_explain(char *ret_why, int code,
                                                         const char *format, ...);
MUST_CHECK int backup_join(const char *dir, const char *name, struct backup_path *ret);
MUST_CHECK int backup_sync_dir(const char *dir);
/* Written, synced, in its place. */
MUST_CHECK int backup_write_file(const char *dir, const char *name, struct bytes content);
/* To a new file, synced. */
MUST_CHECK int backup_copy_file(const char *from, const char *to);
bool backup_has(const char *dir, const char *name);

/* Names of the databases, NULL last. */
extern const char *const backup_databases[];

/* Counts and checks what lies in dir: databases and files. */
MUST_CHECK int backup_examine(const char *dir, struct backup_report *ret, char *ret_why);
