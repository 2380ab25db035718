/*
 * A world: a whole daemon and its clients inside one loop on virtual time, with streams in memory.
 * What tests of the daemon and simulations are made of.
 *
 * A story is a task; it may suspend, so it must not use cmocka's asserts: a failing one would leave
 * the task's stack. It expects by story_expect() and friends instead; the first thing that was not
 * as expected is kept with its place, and ends the story; the test function asserts that there was
 * none:
 *
 *     assert_null(world_run(&options, a_story, NULL));
 */
#pragma once

#include "async/group.h"
#include "daemon/daemon.h"
#include "protocol/buffer.h"
#include "protocol/bytes.h"

struct bus;
struct engine;
struct engine_options;
struct http_client_options;
struct peer;
struct world;

struct world_options {
    const char *config;   /* YAML over the world's own: memory engine, everything else as shipped */
    const char *data_dir; /* sqlite: where; NULL: the memory engine */
    const char *vfs;      /* sqlite: a registered VFS, or NULL */
    unsigned workers;     /* 0: as PARLEY_WORKERS says; without it one */
    bool is_real;         /* real time, a thread for each worker, TCP on the loopback */
    bool listens;         /* where the configuration says, though it is not real */
    uint64_t seed;        /* of the loop; 0: no adversity */
    size_t pipe_bytes;    /* that a stream in memory holds; 0: 64 KiB */
    int64_t epoch_ms;     /* wall clock at the start; 0: a fixed date */
    struct log *log;      /* or NULL */
    const struct http_client_options *http; /* what answers the daemon's requests; or NULL */
    struct bus *bus; /* in place of an engine of its own: tests/support/bus.h; or NULL */
    /* Likewise, as of daemon_options; or NULL. */
    int (*open_engine)(void *arg, struct daemon *d, const struct engine_options *o,
                       struct engine **ret);
    void *open_engine_arg;
};

typedef int story_fn(struct world *w, void *arg);

struct world {
    const struct world_options *options;
    struct config *config;
    struct daemon *daemon;
    struct group tasks;
    struct list peers;
    struct bus *bus;      /* one that a story has opened, closed after all daemons; or NULL */
    struct world *others; /* of world_open_another() */
    struct world *next;
    unsigned next_worker;
    char failure[2048]; /* what was not as expected; empty: nothing */
};

/* Runs a story in a fresh world. NULL, or what went wrong: in memory that the next call overwrites.
 */
const char *world_run(const struct world_options *o, story_fn *story, void *arg);

/* The daemon ends (clients are told) and is started again on the same data. */
SUSPENDS MUST_CHECK int world_restart(struct world *w);
MUST_CHECK int world_configure(struct world *w, const char *yaml); /* a reload */

/* One more daemon on the same loop, with clients of its own. It ends with the first, in which what
 * was not as expected shows, or before. NULL: the first has noted why. */
SUSPENDS struct world *world_open_another(struct world *w, const struct world_options *o);
SUSPENDS void world_close_another(struct world *w, struct world *another);

/* What the story thinks of a value. False, and the story should end, if it is not so. */
bool story_is(struct world *w, bool is_so, const char *what, const char *file, int line);
#define STORY_EXPECT(world, condition)                                                             \
    do {                                                                                           \
        if (!story_is((world), (condition), #condition, __FILE__, __LINE__))                       \
            return -EBADMSG;                                                                       \
    } while (0)

/* ---- clients ---- */

struct peer_options {
    int worker;         /* index; below 0: in turn */
    const char *origin; /* or NULL */
    bool offers_deflate;
    bool may_be_refused; /* by HTTP or by an end; of anything else the world makes a note */
};

/* A client with an open WebSocket. NULL: it was refused; the world has noted why. Closed by
 * peer_close(), at the latest with the world. */
SUSPENDS struct peer *peer_open(struct world *w, const struct peer_options *o);
SUSPENDS struct peer *peer_close(struct peer *p); /* cuts the stream; returns NULL */

/* Sends a text message: printf-like. Errors show in what is heard. */
__attribute__((format(printf, 2, 3))) SUSPENDS void peer_say(struct peer *p, const char *format,
                                                             ...);
SUSPENDS int peer_send_frame(struct peer *p, unsigned opcode, struct bytes payload);
SUSPENDS int peer_send_raw(struct peer *p, struct bytes bytes);

/*
 * The next message, good until the next call: a text; "close CODE REASON"; "end" of the stream;
 * "reset"; "nothing" came for wait_ms. Control frames other than close are "ping …" and "pong …".
 */
SUSPENDS const char *peer_hear(struct peer *p, int64_t wait_ms);

/* Whether text is as the pattern says: '*' stands for any run of characters. */
bool text_matches(const char *text, const char *pattern);

/* The next message within 30 s of virtual time is as the pattern says. */
SUSPENDS bool peer_expect(struct peer *p, const char *pattern, const char *file, int line);
#define HEARS(peer, pattern)                                                                       \
    do {                                                                                           \
        if (!peer_expect((peer), (pattern), __FILE__, __LINE__))                                   \
            return -EBADMSG;                                                                       \
    } while (0)

/* Says connect with this token (or none) and hears the reply. */
SUSPENDS bool peer_connect(struct peer *p, const char *token);

/*
 * Plays a dialogue, one line each, blanks in front ignored, with ' for ":
 *     > TEXT     the peer says it
 *     < PATTERN  the peer hears what matches
 *     + MS       time passes; nothing is read
 * In what is said, <<CLAIMS>> is a token of these claims, and NOW+S, NOW-S are numbers. In patterns
 * CLIENT is the client's id. False: something was not as expected.
 */
SUSPENDS bool peer_play(struct peer *p, const char *dialogue, const char *file, int line);
#define PLAYS(peer, dialogue)                                                                      \
    do {                                                                                           \
        if (!peer_play((peer), (dialogue), __FILE__, __LINE__))                                    \
            return -EBADMSG;                                                                       \
    } while (0)

struct world *peer_world(struct peer *p);
const char *peer_client_id(struct peer *p); /* from its connect reply */

/* A token signed with the world's secret, "secret". claims: printf-like JSON. Good until the next
 * call. */
__attribute__((format(printf, 2, 3))) const char *world_token(struct world *w, const char *claims,
                                                              ...);
int64_t world_now_s(void);
