/* What a run has found, for people or as one line of JSON. */
#ifndef WSLOAD_REPORT_H
#define WSLOAD_REPORT_H

#include <stdbool.h>

#include "run.h"

/* Returns whether nothing was lost or out of order. */
bool report_print(const struct results *results);

#endif
