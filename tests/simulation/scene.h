/*
 * One simulated world: a daemon of several workers over a disk that lies, or two daemons over a
 * Redis that fails, and the clients that use them. Everything in it is drawn from one seed.
 */
#pragma once

#include "async/event.h"
#include "async/group.h"
#include "daemon/daemon.h"
#include "storage/engine.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/maps.h"

enum {
    SCENE_WORKERS_MAX = 3,
    SCENE_NODES_MAX = 2,
    SCENE_PUBLISHERS_MAX = 4,
    SCENE_SUBSCRIBERS_MAX = 6
};

enum { SCENE_PAYLOAD_MAX = 512 };

enum channel_mode {
    CHANNEL_STREAM,   /* "sim:N": everything since then, or told */
    CHANNEL_CACHE,    /* "cch:N": the newest, always */
    CHANNEL_MAP,      /* "map:N": keys with values, and a stream of changes */
    CHANNEL_LIVE_MAP, /* "eph:N": the same in memory, without a stream */
};

static inline bool channel_is_map(uint8_t mode) {
    return mode >= CHANNEL_MAP;
}

/* What the seed says. */
struct script {
    uint64_t seed;
    enum engine_kind engine;
    unsigned nodes, workers, channels, publishers, subscribers;
    uint32_t history_size;
    uint32_t queue_max_bytes; /* of a connection */
    unsigned crashes;         /* of a whole daemon */
    bool has_cuts;            /* connections break */
    bool has_slow_readers;
    bool has_disk_faults;
    bool has_reloads;   /* the history grows and shrinks */
    bool delta_publish; /* everything may go out as patches */
    int64_t ttl_ms;     /* of the history; of positions twice that; 0: longer than any scene */
    uint8_t modes[LEDGER_CHANNELS_MAX]; /* enum channel_mode */
    uint32_t keys;                      /* of a map */
    int64_t duration_ms;                /* of the publishing */

    /* Of Redis. */
    bool keeps_epochs;  /* and never loses anything */
    bool has_losses;    /* crashes and failovers that lose what was written last, FLUSHALL */
    bool has_restarts;  /* and failovers that lose nothing */
    bool has_bad_lines; /* that break, before and after a command is run */
    bool has_pauses;    /* it answers nobody */
    bool has_refusals;  /* it is full, or loads its data for long */
    bool has_splits;    /* nodes are cut off from it */
    int64_t wait_ms;    /* publishes wait for it; 0: they fail at once */
};

/* engine: a value of enum engine_kind, or below 0: the seed's choice of those without a server. */
void script_draw(uint64_t seed, int engine, struct script *ret);
/* Nothing happens by which a stream could have a hole or end. */
bool script_is_quiet(const struct script *s);
uint64_t script_more(uint64_t *state, uint64_t bound); /* numbers of its own: below bound */

struct peer {
    struct scene *scene;
    unsigned index;
    uint32_t channel;
    struct scene_node *node; /* which it is, or was last, connected to */
    struct stream *stream;   /* our end while connected */
    uint64_t offset;         /* subscriber: has seen everything up to here */
    char epoch[EPOCH_SIZE];
    bool has_position, is_subscribed;

    bool is_application; /* publisher: inside the daemon, as the API is */
    bool is_protobuf;
    bool is_server_side; /* subscriber: the server subscribes it */
    bool is_by_api;      /* for now: after it has connected; else in its connect */
    char subs[96];       /* of its connect */
    bool has_delta;
    uint32_t filter; /* subscriber: of the ledger's tags, bits; 0: everything */
    uint8_t base[SCENE_PAYLOAD_MAX];
    size_t base_len;
    bool has_base;        /* subscriber with delta: was given something */
    struct map_view *map; /* of a subscriber to a map */
};

struct recorder; /* sees what is distributed */
struct redis_model;

/* A daemon. */
struct scene_node {
    struct scene *scene;
    unsigned index;
    unsigned life; /* how often it was started */
    bool is_up;
    bool is_cut_off; /* from Redis */
    struct daemon *daemon;
    struct engine *engine;
    struct recorder *recorder;
};

struct scene {
    struct script script;
    struct ledger ledger;
    bool is_verbose;
    unsigned run; /* of this seed in this process */

    struct sim_disk *disk;
    char vfs[48];
    struct redis_model *redis;
    struct event changed; /* a daemon came or went, or a subscriber moved */
    struct scene_node nodes[SCENE_NODES_MAX];

    struct peer publishers[SCENE_PUBLISHERS_MAX], subscribers[SCENE_SUBSCRIBERS_MAX];
    struct map_log maps[LEDGER_CHANNELS_MAX];
    uint32_t map_keys[LEDGER_CHANNELS_MAX][SCENE_KEYS_MAX]; /* what they hold, at the end */
    uint64_t map_tops[LEDGER_CHANNELS_MAX];
    bool is_publishing_over, is_over;
    uint64_t crashes, cuts, faults, reloads, redis_faults;
    uint64_t digest; /* of everything that subscribers saw, in order, with its time */
};

void scene_channel_name(const struct scene *s, uint32_t channel, char name[static 16]);

/* What a message says; its length. Alike, but not the same, and not all of it ASCII. */
size_t scene_payload(uint32_t id, char payload[static SCENE_PAYLOAD_MAX]);
uint32_t scene_message_id(struct bytes payload); /* UINT32_MAX: none */
struct keep scene_keep(const struct scene *s);
void scene_note(struct scene *s, uint64_t what); /* into the digest */
__attribute__((format(printf, 2, 3))) void scene_say(const struct scene *s, const char *format,
                                                     ...);

/* Some node that is up; NULL: none is. */
struct scene_node *scene_some_node(struct scene *s);

struct client;
struct config;

/* config.c */
MUST_CHECK int scene_config(const struct scene *s, uint32_t history_size, struct config **ret);

/* redis.c: the Redis that nodes share, and what goes wrong with it. */
struct engine_options;
MUST_CHECK int redis_begin(struct scene *s);
SUSPENDS void redis_end(struct scene *s);
/* Of a node: for daemon_options. */
SUSPENDS MUST_CHECK int redis_open_engine(void *scene_node, struct daemon *d,
                                          const struct engine_options *o, struct engine **ret);
void redis_disturb(struct scene *s);      /* one thing, or none */
bool redis_disturb_last(struct scene *s); /* has something happened? */
void redis_heal(struct scene *s);
void redis_cut_off(struct scene_node *n, bool is_cut_off);

/* peers.c */
SUSPENDS MUST_CHECK int peer_reach(struct peer *p, struct client **ret); /* a connection */
SUSPENDS void peer_leave(struct peer *p, struct client **c);
SUSPENDS int peer_pause(struct peer *p, int64_t ms); /* -ECANCELED: the scene is over, too */
bool scene_chance(unsigned percent);

/* application.c: what the application has the daemon do to a client's session. False: there is
 * none. */
bool application_subscribes(struct peer *p, struct client *c);
bool application_unsubscribes(struct peer *p, struct client *c);

SUSPENDS int publisher_run(void *peer);  /* publishers.c */
SUSPENDS int subscriber_run(void *peer); /* subscribers.c */
struct ledger_view peer_view(const struct peer *p);

/* Runs a whole execution. The fault, empty if there was none, is in s->ledger.fault. 0, or -errno
 * of the harness. */
MUST_CHECK int scene_run(struct scene *s);
