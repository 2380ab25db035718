/*
 * How many processors this process may use at once.
 */
#pragma once

#include "protocol/bytes.h"

/* Those it may run on, and no more than the time its control groups grant it. At least 1. */
unsigned cpus_usable(void);

/*
 * The limit of control groups, version 2: the least of the group's and those around it, part of a
 * processor counted as a whole one. root: where they are mounted; own: what /proc/self/cgroup says.
 * 0: no limit, or none that can be read.
 */
unsigned cpus_of_groups(const char *root, struct str own);
