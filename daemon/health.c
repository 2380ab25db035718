#include "daemon/health.h"

#include <errno.h>
#include <string.h>

#include "daemon/probe.h"
#include "protocol/json.h"
#include "storage/engine.h"

static const char *state_of(const struct health *h) {
    if (h->is_stopping)
        return "stopping";
    if (h->workers_alive < h->workers)
        return "stuck";
    if (h->engine_stats && !h->engine_stats->writable)
        return "read-only";
    if (h->delivery && h->delivery->error)
        return "undelivered";
    return "ok";
}

/* What became of a publication of our own. */
static void write_delivery(const struct probe_result *d, struct buffer *out) {
    buffer_printf(out, ",\"delivery\":{\"ok\":%s", d->error ? "false" : "true");
    if (d->error == -ETIMEDOUT && d->missing)
        buffer_printf(out, ",\"error\":\"it did not reach %zu of the workers in time\"",
                      d->missing);
    else if (d->error == -ETIMEDOUT)
        buffer_append_str(out, STR(",\"error\":\"the engine did not answer in time\""));
    else if (d->error) {
        char why[96];
        buffer_printf(out, ",\"error\":\"%s\"", strerror_r(-d->error, why, sizeof why));
    }
    buffer_printf(out, ",\"took_ms\":%lld.%03lld}", (long long) (d->took_us / 1000),
                  (long long) (d->took_us % 1000));
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
        if (h->engine_stats->problem[0]) {
            buffer_append_str(out, STR(",\"problem\":"));
            json_append_string(out, str_of(h->engine_stats->problem));
        }
        if (!is_writable && h->engine_stats->last_error) {
            char why[96];
            int error = h->engine_stats->last_error;
            buffer_printf(out, ",\"error\":\"%s\"",
                          strerror_r(error < 0 ? -error : error, why, sizeof why));
        }
        buffer_append_byte(out, '}');
    }
    if (h->chat)
        buffer_printf(out, ",\"chat\":\"%s\"", h->chat);
    if (h->delivery)
        write_delivery(h->delivery, out);
    buffer_append_str(out, STR("}\n"));
    return strcmp(state, "ok") == 0 ? 200 : 503;
}
