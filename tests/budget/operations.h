/* What has a budget. */
#pragma once

#include "tests/budget/stage.h"

/*
 * A run is begun once, then its step is taken as often as is asked for. A step says and hears, lets
 * the daemon work in between by stage_work(), and fails unless exactly `each` operations have been
 * done by what the clients have heard.
 */
struct operation {
    const char *name;
    unsigned steps; /* to take at a time: enough to show what comes only now and then */
    unsigned each;  /* operations in a step */
    int (*begin)(struct stage *s);
    int (*step)(struct stage *s);
    const char *what; /* for the table; one line */
};

extern const struct operation operations[]; /* ends with a NULL name */

/* What the daemon is told for all of them. */
extern const char operations_config[];
