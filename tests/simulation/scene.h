/*
 * One simulated world: a daemon of several workers over a disk that lies, and the clients that use
 * it. Everything in it is drawn from one seed.
 */
#pragma once

#include "async/event.h"
#include "async/group.h"
#include "daemon/daemon.h"
#include "storage/engine.h"
#include "tests/simulation/ledger.h"

enum { SCENE_WORKERS_MAX = 3, SCENE_PUBLISHERS_MAX = 4, SCENE_SUBSCRIBERS_MAX = 6 };

/* What the seed says. */
struct script {
    uint64_t seed;
    enum engine_kind engine;
    unsigned workers, channels, publishers, subscribers;
    uint32_t history_size;
    uint32_t queue_max_bytes; /* of a connection */
    unsigned crashes;         /* of the whole daemon */
    bool has_cuts;            /* connections break */
    bool has_slow_readers;
    bool has_disk_faults;
    int64_t duration_ms; /* of the publishing */
};

void script_draw(uint64_t seed, struct script *ret);

struct peer {
    struct scene *scene;
    unsigned index;
    uint32_t channel;
    struct stream *stream; /* our end while connected */
    uint64_t offset;       /* subscriber: has seen everything up to here */
    char epoch[EPOCH_SIZE];
    bool has_position, is_subscribed;
};

struct recorder; /* sees what is distributed */

struct scene {
    struct script script;
    struct ledger ledger;
    bool is_verbose;
    unsigned run; /* of this seed in this process */

    struct sim_disk *disk;
    char vfs[48];
    bool is_up;
    struct event changed; /* the daemon came or went, or a subscriber moved */
    struct engine *engine;
    struct daemon *daemon;
    struct recorder *recorder;

    struct peer publishers[SCENE_PUBLISHERS_MAX], subscribers[SCENE_SUBSCRIBERS_MAX];
    bool is_publishing_over, is_over;
    uint64_t crashes, cuts, faults;
    uint64_t digest; /* of everything that subscribers saw, in order, with its time */
};

void scene_channel_name(uint32_t channel, char name[static 16]);
uint32_t scene_message_id(struct bytes data); /* of {"m":ID}; UINT32_MAX: none */
struct keep scene_keep(const struct scene *s);
void scene_note(struct scene *s, uint64_t what); /* into the digest */
__attribute__((format(printf, 2, 3))) void scene_say(const struct scene *s, const char *format,
                                                     ...);

/* peers.c */
SUSPENDS int publisher_run(void *peer);
SUSPENDS int subscriber_run(void *peer);

/* Runs a whole execution. The fault, empty if there was none, is in s->ledger.fault. 0, or -errno
 * of the harness. */
MUST_CHECK int scene_run(struct scene *s);
