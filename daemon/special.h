/*
 * The few subscribers of a channel who do not simply get everything as it is: those with a filter
 * by tags, and those who take patches (delta). Each publication is looked at for each of them; who
 * is not one of them pays nothing for them.
 *
 * Made with a channel's first one, freed with the channel. For channel.c. Loop thread only.
 */
#pragma once

#include "daemon/channel.h"
#include "daemon/delta.h"
#include "daemon/delta_keys.h"

struct special {
    struct subscriber subscriber;
    struct tags_filter *filter; /* NULL: everything */
    struct delta_base *base;    /* what its client has; NULL: nothing that is known of */
    uint64_t since;             /* of a map: keys->count when it came */
};

struct specials {
    uint32_t n, capacity;
    struct delta_base *newest; /* what was delivered last, if anyone takes patches */
    struct delta_keys *keys;   /* of a map; NULL: of none, or nobody takes patches */
    struct special *items;
};

struct specials *specials_free(struct specials *all); /* takes NULL; there may be none left in it */

/* Appends one; its index is all->n - 1 then. Takes the filter on success. -ENOMEM. */
MUST_CHECK int specials_add(struct specials **all, const struct subscriber *s,
                            const struct subscriber_options *options);

/* Somebody reads a map and is about to take patches of it: of what, so far. since: the last one
 * delivered. */
void specials_learn(struct specials **all, const struct table_seed *seed,
                    const struct position *since, struct publication *const *items, size_t n,
                    const struct position *at);

void specials_compare(struct specials *all, struct publication *const *items, size_t n);
void specials_begin(struct specials *all, const char *epoch); /* another stream, perhaps */

/* The last one takes its place. */
void specials_remove(struct specials *all, uint32_t index);

/*
 * Hands a publication to those it concerns, moving positions.
 * raw: by wire format, of the publication as it is.
 * fan: scratch, shared by all channels.
 */
void specials_deliver(struct channel *c, struct publication *p, struct delta_fan *fan,
                      const struct raw_frame raw[static WIRE_FORMATS]);
