/* A user is no longer in a room, or in the team: what becomes of their connections, on every
 * worker.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct group;
struct worker;

/* Of this node; room: empty: of all of the chat. In a task. As survey(). */
SUSPENDS MUST_CHECK int chat_part_here(struct worker *w, struct str room, struct str user);

/* Of all nodes. Begun, and not waited for; connections that are busy do it when they can. */
void chat_part(struct worker *w, struct group *tasks, struct str room, struct str user);

/* The user is deactivated: their connections end (3507). Begun, and not waited for. */
void chat_end(struct worker *w, struct group *tasks, struct str user);
