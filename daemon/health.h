/* The answer to GET /health: what an operator's probe wants to know, and why if the answer is no.
 */
#pragma once

#include "async/base.h"
#include "protocol/buffer.h"

struct engine_stats;
struct probe_result;

struct health {
    const char *version;
    const char *engine;
    const struct engine_stats *engine_stats;
    const struct probe_result *delivery; /* of the last probe; NULL: there was none */
    const char *chat;                    /* does this node keep it? NULL: no others might */
    size_t workers;                      /* configured */
    size_t workers_alive;                /* of them have turned lately */
    bool is_stopping;                    /* told to stop: new work should go elsewhere */
    int64_t uptime_ms;
};

/* Appends a JSON object, newline at its end. The HTTP status: 200, or 503 when publishes are
 * refused or do not arrive, a worker is stuck or the daemon is stopping. What goes wrong with out
 * is remembered by it. */
int health_write(const struct health *h, struct buffer *out);
