/*
 * One connection of a user: the newest stays, those before it end, on whatever worker of whatever
 * node they are.
 *
 * Which is the newest is said by numbers: milliseconds of the wall clock, which never stand still
 * and are never behind a number that has been heard of from another node. So whoever comes after
 * another has been told of has the greater one, however wrong the clocks are; and of two who come
 * at once both nodes think the same.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct buffer;
struct node_message;
struct session;
struct worker;

/* Gives a session its number. Before anybody can find it. -ENOMEM. */
MUST_CHECK int single_number(struct session *s);

/* The user's earlier connections make room for this one, which is found by now, or it is ended in
 * favour of a later one. Another node that cannot be told is logged. */
SUSPENDS void single_end_others(struct session *s, struct str user);

/* Of another node's. Of node_serve_fn. */
SUSPENDS int single_serve_node(struct worker *w, const struct node_message *m, struct buffer *out);
