#include "tests/support/redis_model/log.h"

#include <stdlib.h>

#include "tests/support/redis_model/script.h"

static void record_finish(struct log_record *r) {
    for (size_t i = 0; i < r->n; i++)
        blob_free(&r->argv[i]);
    free(r->argv);
}

void log_truncate(struct log *l, size_t n) {
    while (l->n > n)
        record_finish(&l->records[--l->n]);
}

void log_finish(struct log *l) {
    log_truncate(l, 0);
    free(l->records);
    *l = (struct log){ 0 };
}

static struct log_record *add(struct log *l, size_t n, int64_t now_ms) {
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->records = realloc(l->records, l->cap * sizeof *l->records);
        if (!l->records)
            abort();
    }
    struct log_record *r = &l->records[l->n++];
    *r = (struct log_record){ .now_ms = now_ms, .argv = calloc(n, sizeof *r->argv), .n = n };
    if (!r->argv)
        abort();
    return r;
}

void log_append(struct log *l, const struct database *d, const struct bytes *argv, size_t n,
                int64_t now_ms) {
    struct log_record *r = add(l, n, now_ms);
    struct bytes source = { 0 };

    if (bytes_are(argv[0], "evalsha"))
        source = scripts_source(d->scripts, argv[1]);
    for (size_t i = 0; i < n; i++)
        r->argv[i] = blob_copy(argv[i]);
    if (source.data) {
        blob_set(&r->argv[0], bytes_of("EVAL", 4));
        blob_set(&r->argv[1], source);
    }
}

void log_copy(struct log *l, const struct log *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct log_record *r = &from->records[i];
        struct log_record *copy = add(l, r->n, r->now_ms);
        for (size_t k = 0; k < r->n; k++)
            copy->argv[k] = blob_copy(blob_bytes(&r->argv[k]));
    }
}

void log_arguments(const struct log_record *r, struct bytes *ret) {
    for (size_t i = 0; i < r->n; i++)
        ret[i] = blob_bytes(&r->argv[i]);
}

void log_replay(const struct log *l, struct database *d) {
    static const struct bytes flush[] = { { (const uint8_t *) "SCRIPT", 6 },
                                          { (const uint8_t *) "FLUSH", 5 } };
    struct buffer out = BUFFER_INIT;

    for (size_t i = 0; i < l->n; i++) {
        const struct log_record *r = &l->records[i];
        struct bytes *argv = calloc(r->n, sizeof *argv);
        if (!argv)
            abort();
        log_arguments(r, argv);
        (void) database_execute(d, argv, r->n, r->now_ms, &out);
        buffer_reset(&out);
        free(argv);
    }
    (void) database_execute(d, flush, 2, 0, &out);
    buffer_finish(&out);
}
