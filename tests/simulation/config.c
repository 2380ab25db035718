/* The daemons' configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config/load.h"
#include "protocol/buffer.h"
#include "tests/simulation/scene.h"

/* By way of a file, as the daemon gets it. */
static int load(struct bytes text, struct config **ret) {
    char path[] = "/tmp/parley-simulation-XXXXXX";
    struct config_report report = { 0 };
    int fd = mkstemp(path);

    if (fd < 0)
        return -errno;
    int r = write(fd, text.data, text.len) == (ssize_t) text.len ? 0 : -EIO;
    (void) close(fd);
    if (r == 0)
        r = config_load(&(struct config_source){ .file = path }, ret, &report);
    for (size_t i = 0; r < 0 && i < report.n; i++)
        fprintf(stderr, "%s\n", report.items[i].text);
    config_report_finish(&report);
    (void) unlink(path);
    return r;
}

static void append_namespace(const struct scene *s, uint32_t history_size, const char *name,
                             const char *more, struct buffer *text) {
    const struct keep keep = scene_keep(s);

    buffer_printf(text,
                  "{\"name\": \"%s\", \"history_size\": %u, \"history_ttl\": \"%lldms\","
                  " \"force_recovery\": true, \"presence\": true,"
                  " \"allowed_delta_types\": [\"fossil\"], \"allow_tags_filter\": true,"
                  " \"delta_publish\": %s%s",
                  name, history_size, (long long) keep.history_ttl_ms,
                  s->script.delta_publish ? "true" : "false", more);
    if (keep.meta_ttl_ms)
        buffer_printf(text, ", \"history_meta_ttl\": \"%lldms\"", (long long) keep.meta_ttl_ms);
    buffer_append_byte(text, '}');
}

static void append_map(const struct scene *s, const char *name, const char *mode,
                       struct buffer *text) {
    int64_t ttl_ms = s->script.ttl_ms ? s->script.ttl_ms : 3600 * 1000;

    buffer_printf(text,
                  ", {\"name\": \"%s\", \"subscription_type\": \"map\", \"map\": {\"mode\": \"%s\","
                  " \"key_ttl\": \"%lldms\"",
                  name, mode, (long long) ttl_ms);
    if (name[0] == 'm')
        buffer_printf(text, ", \"stream_size\": %u, \"stream_ttl\": \"%lldms\"",
                      s->script.history_size, (long long) ttl_ms);
    buffer_printf(text, "}, \"allowed_delta_types\": [\"fossil\"], \"delta_publish\": %s}",
                  s->script.delta_publish ? "true" : "false");
}

int scene_config(const struct scene *s, uint32_t history_size, struct config **ret) {
    static const char *const engines[] = { "memory", "sqlite", "redis" };
    struct buffer text = BUFFER_INIT;
    const struct script *c = &s->script;

    buffer_printf(&text,
                  "{\"workers\": %u, \"engine\": {\"type\": \"%s\"}, \"data_dir\": \"/sim\","
                  " \"client\": {\"insecure\": true, \"queue_max_size\": %u},"
                  " \"channel\": {\"namespaces\": [",
                  c->workers, engines[c->engine], c->queue_max_bytes);
    append_namespace(s, history_size, "sim", "", &text);
    buffer_append_str(&text, STR(", "));
    append_namespace(s, history_size, "cch",
                     ", \"force_recovery_mode\": \"cache\", \"auto_cache_recover\": true", &text);
    append_map(s, "map", "recoverable", &text);
    append_map(s, "eph", "ephemeral", &text);
    buffer_append_str(&text, STR("]}}"));
    int r = buffer_error(&text);
    if (r == 0)
        r = load(buffer_bytes(&text), ret);
    buffer_finish(&text);
    return r;
}
