/*
 * The engine on Redis from inside.
 *
 * Everything but what is marked otherwise belongs to the loop that opened the engine. Other loops
 * hand over (remote.h); what they are answered goes back by their inboxes.
 *
 * Keys and channels, P being the prefix: P.meta.CH, a hash of epoch e, top offset s, generation g,
 * version v and its epoch w; P.stream.CH, entries OFFSET-TIME of one field p, a publication
 * (message.h); of a map also what it keeps k, P.map.CH, a hash of values by key (map.lua),
 * P.map_order.CH, P.map_times.CH, and of all of them P.maps_due; P.once.KEYLENGTH.KEY.CH;
 * P.presence.CH, P.presence_until.CH, P.presence_users.CH; P.run, P.generation; P.denials; P.nodes,
 * P.node_infos; P.lease.NAME, P.owned.NAME; P.occupied and P.occupied_* (occupants.lua).
 * Distributed: P.c.CH, and between nodes P.signal, P.signal.ID, P.fence.ID, P.occupied.
 */
#pragma once

#include "async/group.h"
#include "protocol/buffer.h"
#include "storage/engine_impl.h"
#include "storage/occupants.h"
#include "storage/redis/options.h"
#include "storage/redis/server.h"
#include "storage/redis/stats.h"

struct occupants;
struct redis_engine;
struct redisReply;

enum script {
    SCRIPT_GREET,
    SCRIPT_PUBLISH,
    SCRIPT_ONCE,
    SCRIPT_READ,
    SCRIPT_PRESENCE_SET,
    SCRIPT_PRESENCE_REMOVE,
    SCRIPT_PRESENCE_READ,
    SCRIPT_DENIAL_PUT,
    SCRIPT_MAP,
    SCRIPT_MAP_READ,
    SCRIPT_MAP_DUE,
    SCRIPT_BEAT,
    SCRIPT_LEASE,
    SCRIPT_OCCUPY,
    SCRIPT_OCCUPANTS,
    SCRIPTS
};

enum { SHA_SIZE = 41 /* in hex, terminator included */ };

/* ---- one server, and what was asked of it, in order ---- */

struct op;

struct op_class {
    /* Puts the command together. Runs again when Redis had forgotten the scripts, or its data. */
    int (*send)(struct op *op);
    /* reply: of no error, borrowed. What it says is kept for finish. */
    int (*replied)(struct op *op, const struct redisReply *reply);
    /* Its turn has come: those before it are finished. Frees. */
    void (*finish)(struct op *op, int error);
};

/* A command whose answers keep the order of the questions. Zeroed but for its maker's fields. */
struct op {
    struct redis_command command;
    const struct op_class *class;
    struct op *next;
    struct shard *shard;
    uint64_t fence; /* is not answered before what was distributed before it is here. 0: no need */
    int error;
    uint8_t tries;
    bool is_ordered; /* the maker's: it must not come after what was asked for later */
    bool is_sent, is_replied, is_refused; /* refused: to be sent again */
};

struct shard {
    struct redis_engine *engine;
    unsigned index;
    struct redis_server *server;
    char name[REDIS_NAME_MAX];
    struct redis_server_stats stats; /* of the last tick; under the engine's nodes_mutex */
    bool is_up;
    char identity[REDIS_IDENTITY_MAX];
    char generation[EPOCH_SIZE];
    char generation_told[EPOCH_SIZE]; /* the nodes' ears know that whatever was before may be gone
                                       */
    char shas[SCRIPTS][SHA_SIZE];
    struct op *first, **end;
    size_t n_ops;
    struct post post; /* advances and sends the fence, at the end of the turn's posts */
    bool is_posted;

    /* Scripts are loaded anew and the generation asked for, while nothing else is sent. */
    bool is_renewing;
    struct redis_command renewals[SCRIPTS], identification;

    uint64_t fence, fence_seen; /* the last that was wanted; that has come back */
    bool is_fence_wanted;
    int64_t fence_at_ms; /* since when the oldest is waited for */

    struct occupants *occupants; /* or NULL */
};

struct ear_slot;

/* Publishes to be answered by one post. */
struct answers {
    struct inbox *inbox;
    struct publish_request *first, *last;
};

enum { ANSWERS_MAX = 16 };

/* For engine_stats(), which any thread asks. */
struct redis_counts {
    _Atomic uint64_t publishes, reads, duplicates, stale, rejected, queued, denials_refused;
    _Atomic uint64_t messages_refused;
    _Atomic int last_error;
    _Atomic unsigned down;     /* shards */
    _Atomic int64_t failed_ms; /* when last_error was */
};

struct redis_engine {
    struct engine engine;    /* first */
    struct engine *inner;    /* of events */
    struct archive *archive; /* or NULL */
    bool is_archive_behind;  /* it could not be written when last looked at */
    struct inbox *inbox;
    struct group tasks;
    struct buffer scratch; /* of the command that is being put together */
    struct buffer text;    /* of the message that is being encoded */
    char *prefix, *pubsub_prefix, *node_id, *node_name;
    int64_t patience_ms; /* of whoever waits for a line */
    int64_t node_ttl_ms;
    size_t queue_max, queue_max_bytes, denials_max, reply_max_bytes;
    bool keeps_epochs, is_closing;
    uint64_t epochs; /* made so far */
    struct redis_counts counts;
    void (*warn)(void *arg, const char *text);
    void *warn_arg;
    struct shard shards[REDIS_SHARDS_MAX];
    unsigned n_shards;

    /* Publishes handed over, of all threads. */
    pthread_mutex_t queue_mutex;
    struct publish_request *queue_first, **queue_end;
    bool is_queue_posted;
    struct post queue_post;

    struct op *spare_ops; /* publish.c's */
    size_t n_spare_ops;

    struct list attachings; /* that wait for a task */
    unsigned n_attaching;

    bool has_maps; /* somebody here has to do with some: their keys' times are looked after */
    bool is_expiring[REDIS_SHARDS_MAX]; /* they are being asked for */

    /* Readings under way, by what they ask for. */
    struct table readings;
    struct answers answers[ANSWERS_MAX];
    size_t n_answers;
    struct post answers_post;
    bool is_answers_posted;

    /* node.c; under the mutex: what any thread reads. */
    pthread_mutex_t nodes_mutex;
    struct buffer nodes; /* the newest reply */
    int64_t nodes_at_ms;
    char problem[ENGINE_PROBLEM_MAX];
    int64_t started_ms, beat_at_ms;
    bool is_beating;
    struct ear_slot *ears[ENGINE_SINKS_MAX];
};

static inline struct redis_engine *redis_of(struct engine *e) {
    return CONTAINER_OF(e, struct redis_engine, engine);
}

/* shard.c */
unsigned shard_of_channel(struct str channel, unsigned n_shards); /* the same on every node */
struct shard *shard_for(struct redis_engine *re, struct str channel);
void op_start(struct op *op, struct shard *s, bool wants_fence); /* never calls finish inside */
void op_done(struct redis_command *c, int error, const struct redisReply *reply);
void shard_post(struct shard *s);
void shard_resume(struct shard *s); /* sends again what was refused or held back */
void shard_came_up(struct shard *s);
void shard_fence_seen(struct shard *s, uint64_t fence);
void shard_release_fences(struct shard *s); /* what was distributed is lost, or not for us */
int redis_reply_error(const struct redisReply *reply);

/* script.c */
SUSPENDS int script_greet(void *arg, struct redis_server *server, struct str identity);
void script_renew(struct shard *s);
void script_tell_generation(struct shard *s); /* if it is another one */
void epoch_make(struct redis_engine *re, char ret[static EPOCH_SIZE]);

/* ---- putting commands together ---- */

enum { ARGS_MAX = 32, NUMBER_MAX = 24 };

/* Spans of a command. What is made for it lies in the engine's scratch, which does not move. */
struct args {
    struct redis_engine *engine;
    struct bytes v[ARGS_MAX];
    size_t n;
};

/* size: of all that is made, at most. -ENOMEM. */
MUST_CHECK int args_begin(struct args *a, struct redis_engine *re, size_t size);
void args_script(struct args *a, struct shard *s, enum script script, uint64_t n_keys);
void args_add(struct args *a, struct bytes b);
void args_str(struct args *a, struct str s);
void args_number(struct args *a, uint64_t n);
void args_name(struct args *a, const char *prefix, const char *kind, struct str name);
void args_send(struct args *a, struct op *op);

static inline size_t args_size(const struct redis_engine *re, size_t names, size_t name_len) {
    return names * (strlen(re->prefix) + 40 + name_len) + ARGS_MAX * NUMBER_MAX;
}

/* ---- the calls, file by file ---- */

/* publish.c */
void redis_publish(struct engine *e, struct publish_request *request, uint64_t hash);
bool redis_is_behind(struct engine *e, uint64_t hash);
int redis_broadcast(struct engine *e, uint64_t hash, struct publication *p);
void publish_init(struct redis_engine *re);
void publish_drain(struct redis_engine *re); /* what was handed over and not begun */
void publish_answer(struct redis_engine *re, struct publish_request *request);
void publish_flush(struct redis_engine *re);
void publish_end(struct redis_engine *re);
void publish_count(struct redis_engine *re, const struct publish_request *request); /* finished */
uint64_t redis_ttl(int64_t ms); /* as Redis takes them */
void args_once(struct args *a, const struct publish_request *request);
bool request_wants_fence(struct redis_engine *re, const struct publish_request *request);

/* map.c */
void map_change(struct redis_engine *re, struct publish_request *request, bool is_expiry);

/* map_read.c */
int redis_map_read(struct engine *e, const struct map_query *q, struct map_page *ret);
int redis_map_count(struct engine *e, struct str channel, uint64_t *ret);
int redis_map_clear(struct engine *e, struct str channel, const struct keep *keep);

/* map_expire.c */
void map_expire(struct redis_engine *re); /* with each tick */

/* archive.c */
SUSPENDS int archive_begin(struct redis_engine *re, const struct engine_options *o, char **ret_why);
void archive_add(struct redis_engine *re, const struct publish_request *request); /* finished */
void archive_care(struct redis_engine *re); /* with each tick */

/* read.c */
int redis_history(struct engine *e, const struct history_query *q, struct page *ret);
int redis_position(struct engine *e, struct str channel, struct keep keep, struct position *ret);
int redis_history_remove(struct engine *e, struct str channel);
void read_init(struct redis_engine *re);

/* subscribe.c */
int redis_attach(struct engine *e, uint64_t hash, struct str channel);
void redis_detach(struct engine *e, uint64_t hash, struct str channel);

/* presence.c */
int redis_presence_set(struct engine *e, struct str channel, const struct client_info *info,
                       int64_t ttl_ms);
int redis_presence_remove(struct engine *e, struct str channel, struct str client);
int redis_presence(struct engine *e, struct str channel, struct presence *ret);
int redis_presence_stats(struct engine *e, struct str channel, size_t *ret_clients,
                         size_t *ret_users);

/* denial.c */
int redis_denial_put(struct engine *e, const struct denial *d);
int redis_denial_remove(struct engine *e, enum denial_kind kind, struct str key);
int redis_denials(struct engine *e, struct denials *ret);

/* lease.c */
int redis_lease(struct engine *e, const struct lease_claim *c, struct lease *ret);

/* node.c */
void node_beat(struct redis_engine *re);
SUSPENDS void node_leave(struct redis_engine *re);
void node_hear(struct redis_engine *re, struct bytes payload);
void node_missed(struct redis_engine *re);
int redis_nodes(struct engine *e, struct nodes *ret);
int redis_signal(struct engine *e, struct str to, struct bytes message);
int redis_listen(struct engine *e, struct engine_ear *ear);
void redis_unlisten(struct engine *e, struct engine_ear *ear);

/* occupants.c */
int redis_occupants_open(struct engine *e, struct engine_teller *t);
int redis_occupants_change(struct engine *e, struct str channel, bool is_occupied);
void redis_occupants_told(struct engine *e, unsigned place);
SUSPENDS void redis_occupants_close(struct engine *e);
void occupants_tend(struct shard *s);    /* with each tick */
void occupants_came_up(struct shard *s); /* what was asked for before may be lost */
void occupants_hear(struct shard *s, struct bytes payload);
void occupants_free(struct shard *s);
