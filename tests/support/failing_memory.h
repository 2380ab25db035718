/*
 * The n-th allocation of a program's own code fails. For programs that link parley-failing-memory,
 * which has the linker put it in front of the allocator (--wrap); what libraries allocate does not
 * come by.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* They stand beside functions of the C library, so they cannot hang from a struct. */
extern uint64_t fails_in; /* this many allocations from now; 0: none is to fail */
extern bool has_failed;
