#include "async/context.h"

#ifndef PARLEY_UCONTEXT

#include <errno.h>
#include <string.h>

/* What the assembly pops, lowest address first. */
#ifdef __x86_64__
struct saved {
    void *r15, *r14, *r13, *r12, *rbx;
    void *frame;
    void *pc;
};
#else
struct saved {
    void *frame;
    void *pc;
    void *x19_to_x28[10];
    double d8_to_d15[8];
};
#endif

void *context_make(void *low, size_t bytes, void (*entry)(void)) {
    uintptr_t top = ((uintptr_t) low + bytes) & ~(uintptr_t) 15;
    /* A return address of 0 above a frame pointer of 0 is where debuggers stop; it also puts the
     * stack where a function expects it at its first instruction. */
    void **last = (void **) top;
    *--last = NULL;
#ifndef __x86_64__
    *--last = NULL;
#endif
    struct saved *s = (struct saved *) (void *) last - 1;
    memset(s, 0, sizeof *s);
    s->pc = (void *) (uintptr_t) entry;
    return s;
}

void *context_of_thread(void) {
    errno = 0;
    return NULL;
}

void context_free_thread(void *context) {
    (void) context;
}

bool context_frame(void *context, void **ret_pc, void **ret_frame) {
    const struct saved *s = context;
    *ret_pc = s->pc;
    *ret_frame = s->frame;
    return true;
}

#endif
