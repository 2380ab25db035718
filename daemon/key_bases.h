/*
 * What was delivered last of each key of a map: what patches for its subscribers are made on.
 *
 * All of them are given the same in the same order, so one entry per key serves them all: it counts
 * for those who were there when it was delivered. For special.c. Loop thread only.
 */
#pragma once

#include "daemon/delta.h"
#include "storage/table.h"

struct key_bases {
    struct table table;
    uint64_t delivered; /* how many so far: who subscribes remembers where that was */
};

struct key_bases *key_bases_new(const struct table_seed *seed); /* NULL: no memory */
struct key_bases *key_bases_free(struct key_bases *all);        /* takes NULL; returns NULL */

/* Of a subscriber who came when since were delivered; NULL: it has nothing that is known of. */
struct delta_base *key_bases_find(const struct key_bases *all, struct str key, uint64_t since);

/* It has been delivered. Of a key that was removed, or without memory (b NULL), nothing is known
 * then. */
void key_bases_delivered(struct key_bases *all, const struct publication *p, struct delta_base *b);
