#include "async/context.h"

#ifdef PARLEY_UCONTEXT

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

/* The saved registers live at the top of the stack they belong to. */
void *context_make(void *low, size_t bytes, void (*entry)(void)) {
    uintptr_t top = ((uintptr_t) low + bytes - sizeof(ucontext_t)) & ~(uintptr_t) 63;
    ucontext_t *u = (ucontext_t *) top;
    (void) getcontext(u);
    u->uc_stack.ss_sp = low;
    u->uc_stack.ss_size = top - (uintptr_t) low;
    u->uc_link = NULL;
    makecontext(u, entry, 0);
    return u;
}

void *context_of_thread(void) {
    void *context = calloc(1, sizeof(ucontext_t));
    errno = context ? 0 : ENOMEM; /* an allocator of someone else's need not say so */
    return context;
}

void context_free_thread(void *context) {
    free(context);
}

void context_switch(void **from, void *to) {
    /* It would bring back the signal mask of when that context was left. */
    ucontext_t *u = to;
    (void) pthread_sigmask(SIG_SETMASK, NULL, &u->uc_sigmask);
    (void) swapcontext(*from, u);
}

bool context_frame(void *context, void **ret_pc, void **ret_frame) {
    const ucontext_t *u = context;
#if defined(__x86_64__)
    *ret_pc = (void *) u->uc_mcontext.gregs[REG_RIP];
    *ret_frame = (void *) u->uc_mcontext.gregs[REG_RBP];
    return true;
#elif defined(__aarch64__)
    *ret_pc = (void *) u->uc_mcontext.pc;
    *ret_frame = (void *) u->uc_mcontext.regs[29];
    return true;
#else
    (void) u;
    (void) ret_pc;
    (void) ret_frame;
    return false;
#endif
}

#endif
