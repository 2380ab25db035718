/*
 * Leaving one stack for another. A context is a place to go on at, known by one pointer.
 *
 * Own assembly on x86-64 and aarch64 (context_*.S), ucontext elsewhere or with PARLEY_UCONTEXT.
 * Rounding modes and signal masks are the thread's, not a context's.
 */
#pragma once

#include "async/base.h"

#if !defined(PARLEY_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define PARLEY_UCONTEXT 1
#endif

/* A context that begins in entry(), which must never return, on a stack of bytes at low. */
void *context_make(void *low, size_t bytes, void (*entry)(void));

/* A context for the stack we are on, to be filled by context_switch(). NULL with errno 0: none is
 * needed. */
void *context_of_thread(void);
void context_free_thread(void *context);

/* Leaves the current stack, noting in *from where, and goes on at to. Returns when someone switches
 * back. */
void context_switch(void **from, void *to);

/* Where a context that was left goes on, for walking its frames. false: unknown here. */
bool context_frame(void *context, void **ret_pc, void **ret_frame);
