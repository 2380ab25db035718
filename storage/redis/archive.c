/* The archive beside Redis: of what this node published, in namespaces that are durable. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/redis/redis_impl.h"

/* The data directory is made, and this process's own, since the engine inside is open. */
int archive_begin(struct redis_engine *re, const struct engine_options *o, char **ret_why) {
    if (!o->redis->archives)
        return 0;
    if (!o->data_dir) {
        *ret_why = strdup("an archive needs a data directory");
        return -EINVAL;
    }
    struct archive_options ao = { .data_dir = o->data_dir,
                                  .vfs = o->vfs,
                                  .queue_max_bytes = o->redis->archive_queue_size };
    return archive_open(&ao, &re->archive, ret_why);
}

/* What this node has kept. Nobody else has the publication: others, and this node as well, make
 * theirs of what is distributed. */
void archive_add(struct redis_engine *re, const struct publish_request *request) {
    if (!re->archive || request->result < 0 || !request->keep.is_durable ||
        keep_is_nothing(&request->keep) || request->is_duplicate || request->is_stale)
        return;
    request->publication->position = request->position;
    archive_put(re->archive, request->publication);
}

void archive_care(struct redis_engine *re) {
    struct archive_stats stats;
    char text[160];
    if (!re->archive)
        return;
    archive_stats(re->archive, &stats);
    archive_tick(re->archive);
    bool is_behind = stats.last_error < 0;
    if (is_behind == re->is_archive_behind)
        return;
    re->is_archive_behind = is_behind;
    if (is_behind)
        (void) snprintf(text, sizeof text, "archive.db cannot be written: %s",
                        strerror(-stats.last_error));
    else
        (void) snprintf(text, sizeof text, "archive.db is written again");
    if (re->warn)
        re->warn(re->warn_arg, text);
}
