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

struct special {
    struct subscriber subscriber;
    struct tags_filter *filter; /* NULL: everything */
    struct delta_base *base;    /* what its client has; NULL: nothing that is known of */
    uint64_t since;             /* of maps: keys->delivered when it came */
};

struct key_bases;

struct specials {
    uint32_t n, capacity;
    struct delta_base *newest; /* what was delivered last, if anyone takes patches */
    struct key_bases *keys;    /* of a map, likewise; NULL: nothing of a key was delivered yet */
    struct special *items;
};

/* Where a frame that was just made for everybody lies. */
struct raw_frame {
    struct batch *batch; /* NULL: there is none for the format */
    uint32_t from, to;
};

struct specials *specials_free(struct specials *all); /* takes NULL; there may be none left in it */

/* Appends one; its index is all->n - 1 then. Takes the filter on success. -ENOMEM. */
MUST_CHECK int specials_add(struct specials **all, const struct subscriber *s,
                            const struct subscriber_options *options);

/* The last one takes its place. */
void specials_remove(struct specials *all, uint32_t index);

/*
 * Hands a publication to those it concerns, moving positions.
 * raw: by wire format, of the publication as it is.
 * fan: scratch, shared by all channels.
 */
void specials_deliver(struct channel *c, struct publication *p, struct delta_fan *fan,
                      const struct raw_frame raw[static WIRE_FORMATS]);
