/*
 * In Redis' place: an engine in memory that several daemons of one loop share, each through an
 * engine of its own (daemon_options.open_engine), with signals between them. What goes wrong
 * between nodes is done here on purpose.
 */
#pragma once

#include "storage/engine.h"
#include "storage/node.h"

struct bus;
struct daemon;

SUSPENDS MUST_CHECK int bus_open(struct bus **ret);
SUSPENDS struct bus *bus_close(
        struct bus *b); /* all daemons are closed. Takes NULL; returns NULL */

/* As of daemon_options.open_engine; bus: the bus. */
int bus_open_engine(void *bus, struct daemon *d, const struct engine_options *o,
                    struct engine **ret);

/* From now on nothing that is sent to the node arrives; it is still known. Or again. */
void bus_silence(struct bus *b, const struct daemon *d, bool is_silent);

/* The node is known no longer, as if it had not been heard of for long; it hears nothing. */
void bus_bury(struct bus *b, const struct daemon *d);

/* From now on every node is told of the nodes of this moment, whoever comes and goes. */
void bus_freeze_lists(struct bus *b);

/* Nothing of the others arrives at the node, and what it sends is refused. Or again: then it is
 * told so. */
void bus_break(struct bus *b, const struct daemon *d, bool is_broken);

/* A signal of nobody's making, from one who need not exist. */
MUST_CHECK int bus_forge(struct bus *b, struct str from, const struct daemon *to,
                         struct bytes message);

/* What was sent last, by whomever; good until the next is. */
struct bytes bus_last(const struct bus *b);
