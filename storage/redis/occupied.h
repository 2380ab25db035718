/*
 * The channels that have subscribers on this node, or had: what of them Redis knows, and what is to
 * be said to it, which occupants.c does. Any thread may say that a channel has changed; all else is
 * the engine's loop's.
 */
#pragma once

#include <pthread.h>

#include "async/list.h"
#include "protocol/bytes.h"
#include "storage/table.h"

/* Private, all. */
struct occupied {
    pthread_mutex_t mutex; /* of these */
    struct table channels;
    struct list changed; /* to be looked at */
    struct list flying;  /* said, and not answered yet */
};

void occupied_init(struct occupied *o, const struct table_seed *seed);
void occupied_finish(struct occupied *o);

/* Any thread. 1: there is something to be looked at. 0; -ENOMEM. */
MUST_CHECK int occupied_set(struct occupied *o, struct str channel, bool is_held);

/*
 * What is to be said, each a letter ('e' enters, 'l' leaves, 'r' returns) and the channel: good
 * until occupied_land(), which comes before the next. is_lost: Redis has other data than what was
 * said to.
 */
size_t occupied_take(struct occupied *o, bool is_lost, struct bytes *v, size_t max);
/* What was taken was heard. has_failed: nobody knows if it was. */
void occupied_land(struct occupied *o, bool has_failed);
/* All of it is to be said, under another name. */
void occupied_say_again(struct occupied *o);
bool occupied_has_changes(struct occupied *o);
