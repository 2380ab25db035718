/* Threads of the runtime. Private to async/. */
#pragma once

#include <pthread.h>

#include "async/base.h"

/* A thread with every signal blocked: they belong to the loop's. thread NULL: a detached one. name:
 * at most 15 characters. 0, -EAGAIN. */
MUST_CHECK int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg);
