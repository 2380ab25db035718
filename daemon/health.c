#include "daemon/health.h"

#include <string.h>

#include "storage/engine.h"

static const char *state_of(const struct health *h) {
    if (h->is_stopping)
        return "stopping";
    if (h->workers_alive < h->workers)
        return "stuck";
    if (h->engine_stats && !h->engine_stats->writable)
        return "read-only";
    return "ok";
}

int health_write(const struct health *h, struct buffer *out) {
    const char *state = state_of(h);

    buffer_printf(out, "{\"status\":\"%s\",\"version\":\"%s\",\"uptime_s\":%lld", state,
                  h->version ? h->version : "", (long long) (h->uptime_ms / 1000));
    buffer_printf(out, ",\"workers\":{\"configured\":%zu,\"alive\":%zu}", h->workers,
                  h->workers_alive);
    if (h->engine_stats) {
        bool is_writable = h->engine_stats->writable;
        buffer_printf(out, ",\"engine\":{\"type\":\"%s\",\"writable\":%s",
                      h->engine ? h->engine : "", is_writable ? "true" : "false");
        if (!is_writable && h->engine_stats->last_error) {
            char why[96];
            int error = h->engine_stats->last_error;
            buffer_printf(out, ",\"error\":\"%s\"",
                          strerror_r(error < 0 ? -error : error, why, sizeof why));
        }
        buffer_append_byte(out, '}');
    }
    buffer_append_str(out, STR("}\n"));
    return strcmp(state, "ok") == 0 ? 200 : 503;
}
