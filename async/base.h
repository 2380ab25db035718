/* The few words every file of the runtime uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In front of a declaration: the call may switch to other tasks. Never call it with shared state
 * half changed; errno is void afterwards. */
#define SUSPENDS

#ifndef MUST_CHECK
#define MUST_CHECK __attribute__((warn_unused_result))
#endif

/* Runs f(&variable) when the variable's scope is left. Some variables are there for nothing else.
 */
#define CLEANUP(f) __attribute__((cleanup(f), unused))

/* Hands on what a pointer owns: its value, leaving NULL. */
#define TAKE(pointer)                                                                              \
    __extension__({                                                                                \
        __auto_type taken_ = (pointer);                                                            \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

/* By way of a number: what the pointer points to may be const, and the whole is aligned as its type is. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *) ((uintptr_t) (pointer) - offsetof(type, member)))

#define ELEMENTS_OF(array) (sizeof(array) / sizeof *(array))

/* What a task runs: 0, or why it ended (-errno). */
typedef int task_fn(void *arg);
