/*
 * What a channel has published and not handed to all its subscribers yet: framed once per wire
 * format, back to back. It goes out at the end of the turn.
 *
 * A crowd takes several turns: the run sweeps over the subscribers, round and round until each has
 * everything. What is published meanwhile joins the run, and who is come to gets all that it has
 * not had in one send: publishing faster than a crowd can be sent to makes sends longer, not more.
 * For channel.c. Loop thread only.
 */
#pragma once

#include "async/base.h"
#include "daemon/wire.h"
#include "storage/publication.h"

struct batch;
struct channel;
struct channels;
struct subscriber;

enum run_kind { RUN_NONE, RUN_STREAM, RUN_LIVE, RUN_JOINS };

/* Publications of one kind, with consecutive offsets if it is RUN_STREAM. Embedded in its channel.
 */
struct run {
    uint8_t kind;            /* enum run_kind */
    bool is_begun;           /* it is on its way */
    uint32_t count;          /* of publications */
    uint64_t first;          /* RUN_STREAM: the offset of the first */
    uint32_t cursor;         /* when begun: whoever is before it comes next, then the last one */
    uint32_t todo;           /* so many, from there on, have not had everything */
    uint32_t turned;         /* everybody has had so many when the sweep comes to the first */
    struct run_marks *marks; /* private; NULL: nobody stands in the middle */
};

/* Where the frame of one publication lies. */
struct raw_frame {
    struct batch *batch; /* NULL: there is none for the format */
    uint32_t from, to;
};

/* Whether it can be added to what there is; otherwise run_out() first. */
bool run_takes(struct channel *c, const struct publication *p, enum run_kind kind);

/* -ENOMEM: subscribers miss the publication; run_drop() then, and those with a position are told.
 * ret: where it lies, by wire format. */
MUST_CHECK int run_append(struct channel *c, const struct publication *p, enum run_kind kind,
                          struct raw_frame ret[static WIRE_FORMATS]);

/* Something else is to follow: outboxes take what there is. */
void run_out(struct channel *c);

void run_drop(struct channel *c); /* nobody gets what there is */

/* Whether s, who is about to be added, gets only what is appended from now on; then it is told from
 * where. Otherwise run_out() first. */
bool run_admits(struct channel *c, struct subscriber *s);

/* A subscriber was added at the end. */
void run_has_one_more(struct channel *c);

/*
 * A subscriber goes. The array is of blocks in which all or none have had everything, and stays so:
 * a block's last one takes the place that became free in it, and leaves its own to the next block.
 * ret_ends: where the blocks end, in ascending order.
 */
enum { RUN_BLOCKS = 3 };
void run_has_one_less(struct channel *c, uint32_t index, uint32_t ret_ends[static RUN_BLOCKS]);

/* At the end of the turn everything published goes out, as far as the outboxes' share of the turn
 * allows, and then at the end of the next ones: what is left first. Is anything left? */
void channels_flush_left(struct channels *all);
bool channels_flush(struct channels *all);
