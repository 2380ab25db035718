/* Sees what the engine distributes, as a worker of its own, and writes it into the ledger. */
#pragma once

#include "tests/simulation/scene.h"

/* Attaches to every channel, and reads what was distributed since the last recorder ended. */
SUSPENDS MUST_CHECK int recorder_open(struct scene_node *n, struct recorder **ret);
SUSPENDS struct recorder *recorder_close(struct recorder *r); /* takes NULL; returns NULL */

/* Reads what the history holds and the ledger does not. */
SUSPENDS MUST_CHECK int recorder_catch_up(struct scene_node *n);
