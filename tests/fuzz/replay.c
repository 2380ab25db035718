/* Without libFuzzer: runs a target over the files named, and those in the folders named. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path) {
    struct buffer content = BUFFER_INIT;
    FILE *f = fopen(path, "rb");
    uint8_t chunk[4096];
    size_t n;

    if (!f) {
        (void) fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buffer_append(&content, chunk, n);
    (void) fclose(f);

    /* A copy of exactly its size, so that sanitizers see a byte read past it. */
    uint8_t *exact = malloc(content.len ? content.len : 1);
    if (!exact || buffer_error(&content)) {
        (void) fprintf(stderr, "%s: out of memory\n", path);
        return 1;
    }
    if (content.len)
        memcpy(exact, content.data, content.len);
    (void) LLVMFuzzerTestOneInput(exact, content.len);
    free(exact);
    buffer_finish(&content);
    return 0;
}

int main(int argc, char **argv) {
    size_t n = 0;

    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            n++;
            if (run_file(argv[i]))
                return 1;
            continue;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            (void) snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            n++;
            if (run_file(path))
                return 1;
        }
        (void) closedir(folder);
    }
    (void) printf("%zu inputs\n", n);
    return n ? 0 : 1;
}
