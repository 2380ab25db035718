/*
 * Runs seeded executions of the shipped daemon on virtual time and says which seed fails, and how.
 *   simulation [--engine redis] [--first N] [--seeds N] [--seed N] [--verify] [--verbose]
 * Without --engine a daemon is alone, on the engine that the seed chooses; with it two share a
 * Redis. A seed is one execution: run again by --seed it is the same one (which --verify checks by
 * running each twice).
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/scene.h"

static int run(uint64_t seed, int engine, bool is_verbose, unsigned times, struct scene *ret) {
    memset(ret, 0, sizeof *ret);
    ret->run = times;
    script_draw(seed, engine, &ret->script);
    ret->is_verbose = is_verbose;
    int r = scene_run(ret);
    if (r < 0 && !ret->ledger.fault[0])
        ledger_fault(&ret->ledger, "the harness failed: %s", strerror(-r));
    return ret->ledger.fault[0] ? -1 : 0;
}

static void describe(const struct scene *s) {
    static const char *const engines[] = { "memory", "sqlite", "redis" };
    const struct script *c = &s->script;

    printf("seed %" PRIu64 ": %s, %u nodes, %u workers each, %u channels, %u publishers, %u "
           "subscribers, history %u for %lld ms; %" PRIu64 " crashes, %" PRIu64 " cuts, %" PRIu64
           " disk faults, %" PRIu64 " faults of Redis, %" PRIu64 " reloads: %" PRIu64
           " acknowledged, %" PRIu64 " refused, %" PRIu64 " seen, %" PRIu64 " recoveries, %" PRIu64
           " told of a gap, %" PRIu64 " patches, %zu held back, digest %016" PRIx64 "\n",
           c->seed, engines[c->engine], c->nodes, c->workers, c->channels, c->publishers,
           c->subscribers, c->history_size, (long long) c->ttl_ms, s->crashes, s->cuts, s->faults,
           s->redis_faults, s->reloads, s->ledger.acked, s->ledger.refused, s->ledger.seen,
           s->ledger.recovered, s->ledger.told, s->ledger.patches, s->ledger.n_skips, s->digest);
}

static int run_and_judge(uint64_t seed, int engine, bool is_verbose, bool is_verified,
                         struct scene *s) {
    int r = run(seed, engine, is_verbose, 1, s);

    if (is_verbose || r < 0)
        describe(s);
    if (r < 0) {
        printf("seed %" PRIu64 " FAILED: %s\n", seed, s->ledger.fault);
        return -1;
    }
    if (is_verified) {
        uint64_t digest = s->digest;
        ledger_finish(&s->ledger);
        if (run(seed, engine, false, 2, s) < 0 || s->digest != digest) {
            printf("seed %" PRIu64 " FAILED: its second execution differs: %016" PRIx64
                   ", not %016" PRIx64 "\n",
                   seed, s->digest, digest);
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct option options[] = { { "first", required_argument, NULL, 'f' },
                                             { "seeds", required_argument, NULL, 'n' },
                                             { "seed", required_argument, NULL, 's' },
                                             { "verify", no_argument, NULL, 'y' },
                                             { "verbose", no_argument, NULL, 'v' },
                                             { "engine", required_argument, NULL, 'e' },
                                             { 0 } };
    uint64_t first = 1, n = 100, failed = 0, acked = 0, seen = 0, recovered = 0, told = 0,
             crashes = 0, patches = 0, held_back = 0, epochs = 0;
    bool is_verbose = false, is_verified = false;
    int engine = -1;

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'f':
            first = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            n = strtoull(optarg, NULL, 10);
            break;
        case 's':
            first = strtoull(optarg, NULL, 10);
            n = 1;
            is_verbose = true;
            break;
        case 'y':
            is_verified = true;
            break;
        case 'v':
            is_verbose = true;
            break;
        case 'e':
            if (strcmp(optarg, "redis") != 0)
                return 64;
            engine = ENGINE_REDIS;
            break;
        default:
            return 64;
        }
    }

    struct scene *s = malloc(sizeof *s);
    if (!s)
        return 71;
    for (uint64_t seed = first; seed < first + n; seed++) {
        if (run_and_judge(seed, engine, is_verbose, is_verified, s) < 0)
            failed++;
        acked += s->ledger.acked;
        seen += s->ledger.seen;
        recovered += s->ledger.recovered;
        told += s->ledger.told;
        crashes += s->crashes;
        patches += s->ledger.patches;
        held_back += s->ledger.n_skips;
        for (unsigned i = 0; i < LEDGER_CHANNELS_MAX; i++)
            epochs += s->ledger.streams[i].n;
        ledger_finish(&s->ledger);
        fflush(stdout);
    }
    free(s);
    printf("%" PRIu64 " acknowledged, %" PRIu64 " seen, %" PRIu64 " recoveries, %" PRIu64
           " told of a gap, %" PRIu64 " crashes, %" PRIu64 " patches, %" PRIu64
           " times something held back, %" PRIu64 " epochs\n%" PRIu64 " passed, %" PRIu64
           " failed\n",
           acked, seen, recovered, told, crashes, patches, held_back, epochs, n - failed, failed);
    return failed ? 1 : 0;
}
