/*
 * Telling ASan, TSan and Valgrind about stacks and switches. Nothing of it is left in other builds.
 */
#pragma once

#include "async/base.h"
#include "async/stack.h"

#if defined(__SANITIZE_ADDRESS__)
#define ANNOTATE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ANNOTATE_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define ANNOTATE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ANNOTATE_TSAN 1
#endif
#endif

#ifdef ANNOTATE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef ANNOTATE_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef PARLEY_VALGRIND
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#endif

/* For reading what lies on stacks without asking whether some frame owns it. */
#ifdef ANNOTATE_ASAN
#define NOT_ADDRESS_SANITIZED __attribute__((no_sanitize_address))
#else
#define NOT_ADDRESS_SANITIZED
#endif

/* The thread's own stack, which tasks return to. */
struct annotated_thread {
#ifdef ANNOTATE_ASAN
    const void *low;
    size_t bytes;
    void *fake_stack;
#endif
#ifdef ANNOTATE_TSAN
    void *fiber;
#endif
    char unused;
};

static inline void annotate_thread(struct annotated_thread *m) {
    (void) m;
#ifdef ANNOTATE_TSAN
    m->fiber = __tsan_get_current_fiber();
#endif
}

static inline void annotate_stack_new(struct stack *s) {
    (void) s;
#ifdef PARLEY_VALGRIND
    s->valgrind_id = VALGRIND_STACK_REGISTER(s->low, s->low + s->bytes);
#endif
}

static inline void annotate_stack_gone(struct stack *s) {
    (void) s;
#ifdef PARLEY_VALGRIND
    VALGRIND_STACK_DEREGISTER(s->valgrind_id);
#endif
#ifdef ANNOTATE_ASAN
    __asan_unpoison_memory_region(s->low, s->bytes);
#endif
}

static inline void annotate_stack_taken(struct stack *s) {
    (void) s;
#ifdef ANNOTATE_TSAN
    s->fiber = __tsan_create_fiber(0);
#endif
}

static inline void annotate_stack_given(struct stack *s) {
    (void) s;
#ifdef ANNOTATE_TSAN
    __tsan_destroy_fiber(s->fiber);
    s->fiber = NULL;
#endif
#ifdef ANNOTATE_ASAN
    /* The outermost frames never return, so nobody else takes their marks away. */
    size_t top = s->bytes < 8192 ? s->bytes : 8192;
    __asan_unpoison_memory_region(s->low + s->bytes - top, top);
    s->fake_stack = NULL;
#endif
}

/* It is going to be read and written as mere memory. */
static inline void annotate_stack_as_memory(struct stack *s) {
    (void) s;
#ifdef PARLEY_VALGRIND
    VALGRIND_MAKE_MEM_DEFINED(s->low, s->bytes);
#endif
}

/* Its task was parked on it and will never go on. */
static inline void annotate_abandoned(struct stack *s) {
    (void) s;
#ifdef ANNOTATE_ASAN
    __asan_unpoison_memory_region(s->low, s->bytes);
#endif
}

/* TSan keeps a stack of calls per fiber: nothing may return between telling it of a switch and
 * switching. */
#define IN_PLACE __attribute__((always_inline))

/* Around a switch from the thread to a task ... */
IN_PLACE static inline void annotate_enter_task(struct annotated_thread *m, struct stack *s) {
    (void) m;
    (void) s;
#ifdef ANNOTATE_ASAN
    __sanitizer_start_switch_fiber(&m->fake_stack, s->low, s->bytes);
#endif
#ifdef ANNOTATE_TSAN
    __tsan_switch_to_fiber(s->fiber, 0);
#endif
}

IN_PLACE static inline void annotate_back_in_thread(struct annotated_thread *m) {
    (void) m;
#ifdef ANNOTATE_ASAN
    __sanitizer_finish_switch_fiber(m->fake_stack, NULL, NULL);
#endif
}

/* ... and back. */
IN_PLACE static inline void annotate_leave_task(struct annotated_thread *m, struct stack *s,
                                                bool for_good) {
    (void) m;
    (void) s;
    (void) for_good;
#ifdef ANNOTATE_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &s->fake_stack, m->low, m->bytes);
#endif
#ifdef ANNOTATE_TSAN
    __tsan_switch_to_fiber(m->fiber, 0);
#endif
}

IN_PLACE static inline void annotate_back_in_task(struct annotated_thread *m, struct stack *s) {
    (void) m;
    (void) s;
#ifdef ANNOTATE_ASAN
    __sanitizer_finish_switch_fiber(s->fake_stack, &m->low, &m->bytes);
#endif
}
