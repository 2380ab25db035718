/* What a seed says. */
#include "tests/simulation/scene.h"

/* The scenario's own generator (splitmix64), apart from the loop's: so that drawing more inside
 * does not change it. */
uint64_t script_more(uint64_t *state, uint64_t bound) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

static void draw_maps(uint64_t *state, struct script *ret) {
    for (unsigned i = 0; i < ret->channels; i++)
        if (script_more(state, 3) == 0)
            ret->modes[i] = script_more(state, 3) == 0 ? CHANNEL_LIVE_MAP : CHANNEL_MAP;
    ret->keys = script_more(state, 2) ? SCENE_KEYS_MAX : 4 + (uint32_t) script_more(state, 12);
}

static void draw_alone(uint64_t seed, struct script *ret) {
    static const uint32_t sizes[] = { 3, 10, 60, 100000 };
    static const uint32_t queues[] = { 4096, 16384, 1 << 20 };
    uint64_t state = seed;

    *ret = (struct script){ .seed = seed, .nodes = 1 };
    ret->engine = script_more(&state, 4) == 0 ? ENGINE_MEMORY : ENGINE_SQLITE;
    ret->workers = script_more(&state, 2) ? 1 : SCENE_WORKERS_MAX;
    ret->channels = 1 + (unsigned) script_more(&state, LEDGER_CHANNELS_MAX);
    ret->publishers = 1 + (unsigned) script_more(&state, SCENE_PUBLISHERS_MAX);
    ret->subscribers = 1 + (unsigned) script_more(&state, SCENE_SUBSCRIBERS_MAX);
    ret->history_size = sizes[script_more(&state, ELEMENTS_OF(sizes))];
    ret->queue_max_bytes = queues[script_more(&state, ELEMENTS_OF(queues))];
    ret->has_cuts = script_more(&state, 3) != 0;
    ret->has_slow_readers = script_more(&state, 2);
    ret->duration_ms = 2000 + (int64_t) script_more(&state, 8000);
    ret->crashes = (unsigned) script_more(&state, 4);
    if (ret->engine == ENGINE_SQLITE)
        ret->has_disk_faults = script_more(&state, 3) == 0;
    else if (script_more(&state, 2))
        ret->crashes = 0;
    ret->has_reloads = script_more(&state, 4) == 0;
    ret->delta_publish = script_more(&state, 2);
    ret->ttl_ms = script_more(&state, 4) == 0 ? 2000 + (int64_t) script_more(&state, 4000) : 0;
    for (unsigned i = 0; i < ret->channels; i++)
        ret->modes[i] = script_more(&state, 3) == 0 ? CHANNEL_CACHE : CHANNEL_STREAM;
    draw_maps(&state, ret);
}

/* Nodes that share a Redis. */
static void draw_shared(uint64_t seed, struct script *ret) {
    static const uint32_t sizes[] = { 3, 10, 60, 100000 };
    uint64_t state = seed ^ UINT64_C(0x5265646973);

    *ret = (struct script){ .seed = seed, .engine = ENGINE_REDIS, .nodes = SCENE_NODES_MAX };
    ret->workers = script_more(&state, 2) ? 1 : 2;
    ret->channels = 1 + (unsigned) script_more(&state, LEDGER_CHANNELS_MAX);
    ret->publishers = 1 + (unsigned) script_more(&state, SCENE_PUBLISHERS_MAX);
    ret->subscribers = 1 + (unsigned) script_more(&state, SCENE_SUBSCRIBERS_MAX);
    ret->history_size = sizes[script_more(&state, ELEMENTS_OF(sizes))];
    ret->queue_max_bytes = script_more(&state, 2) ? 16384 : 1 << 20;
    ret->has_cuts = script_more(&state, 2);
    ret->has_slow_readers = script_more(&state, 3) == 0;
    ret->duration_ms = 4000 + (int64_t) script_more(&state, 12000);
    ret->crashes = script_more(&state, 2) ? (unsigned) script_more(&state, 3) : 0;
    ret->has_reloads = script_more(&state, 8) == 0;
    ret->delta_publish = script_more(&state, 2);
    ret->ttl_ms = script_more(&state, 6) == 0 ? 2000 + (int64_t) script_more(&state, 4000) : 0;
    for (unsigned i = 0; i < ret->channels; i++)
        ret->modes[i] = script_more(&state, 4) == 0 ? CHANNEL_CACHE : CHANNEL_STREAM;
    ret->has_restarts = script_more(&state, 2);
    ret->has_losses = script_more(&state, 2);
    ret->keeps_epochs = !ret->has_losses && script_more(&state, 2);
    ret->has_bad_lines = script_more(&state, 2);
    ret->has_pauses = script_more(&state, 3) == 0;
    ret->has_splits = script_more(&state, 3) == 0;
    ret->has_refusals = script_more(&state, 3) == 0;
    ret->wait_ms = script_more(&state, 2) ? 1 + (int64_t) script_more(&state, 5000) : 0;
    draw_maps(&state, ret);
}

void script_draw(uint64_t seed, int engine, struct script *ret) {
    if (engine == ENGINE_REDIS)
        draw_shared(seed, ret);
    else
        draw_alone(seed, ret);
}

bool script_is_quiet(const struct script *s) {
    return !s->crashes && !s->has_disk_faults && !s->ttl_ms && !s->has_losses && !s->has_restarts &&
           !s->has_bad_lines && !s->has_pauses && !s->has_refusals && !s->has_splits;
}
