/*
 * A store with its lanes on a loop, for stories about what only it does: groups, the outbox,
 * restarts, disks that fail. As tests/unit/storage/world.h: what a story finds untrue is kept, and
 * ends it.
 */
#pragma once

#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"
#include "storage/chat/message.h"
#include "storage/chat/store.h"
#include "tests/support/sim_vfs.h"

enum { HEARD_MAX = 4096 };

struct house {
    struct chat_store_options options;
    uint64_t seed;
    struct sim_disk *disk;
    bool is_real; /* threads and files, in directory */
    char directory[64];
    char failure[256];
    struct chat_store *store;
    char *why; /* of a failed house_open() */
    int (*story)(struct house *h);

    /* what came out, by the sink: "channel:data" */
    bool keeps_silent; /* does not say that it has published */
    char heard[HEARD_MAX][24];
    int64_t heard_ids[HEARD_MAX];
    size_t heard_n;
};

struct house *house_new(bool is_real);
struct house *house_new_seeded(uint64_t seed); /* simulated */
struct house *house_free(struct house *h);
void house_run(struct house *h, int (*story)(struct house *h)); /* with an open store */
SUSPENDS int house_open(struct house *h);
SUSPENDS void house_close(struct house *h);
SUSPENDS int house_restart(struct house *h);
SUSPENDS void house_settle(struct house *h); /* lets what is on its way arrive */
void house_fail(struct house *h, const char *file, int line, const char *text);

#define CHECK(h, condition)                                                                        \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            house_fail((h), __FILE__, __LINE__, #condition);                                       \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)

/* Users "u0" to "u3", and a public room of all of them; ret_room: CHAT_ID_MAX + 1 bytes. */
SUSPENDS int house_furnish(struct house *h, char *ret_room);

/* Sends, and emits "seq" to the channel of the room's id with the message's ver. */
struct house_send {
    struct chat_work work;
    const char *user, *room, *client_id, *text;
    unsigned flags; /* of the emit */
    int refuse;     /* 0, or what it returns after all is done */
    uint64_t seq, ver;
    bool is_duplicate;
    char id[24]; /* client_id, where it has to last */
};
SUSPENDS int house_send(struct house *h, struct house_send *s);
/* The room's messages, for comparing: their texts in their order; deleted ones "-". At most max
 * bytes. */
SUSPENDS int house_history(struct house *h, const char *room, char *ret, size_t max);
