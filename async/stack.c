#include "async/stack.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "async/annotate.h"

enum {
    SLOTS_PER_CHUNK = 32,
    CANARY_WORDS = 8,
    PAINTED_MAX =
            64 * 1024, /* more is not looked at: sanitizers' stacks are large and mostly unused */
    KEPT_WARM = 8,     /* idle stacks that always keep their memory */
    /* Each protected page splits a mapping, of which a process has 65,530 by default; past this
     * many stacks a canary has to do. Counted per loop: with many loops, divide. */
    PROTECTED_MAX = 8192,
};

static const int MADVISE_GUARD_INSTALL = 102; /* Linux 6.13; not in Debian 12's headers */
static const uint64_t PAINT = 0xa5a5a5a5a5a5a5a5u;

struct chunk {
    struct chunk *next;
    char *memory;
    struct stack stacks[SLOTS_PER_CHUNK];
};

struct stack_pool {
    size_t slot_bytes, page_bytes;
    bool paints;
    bool has_guard_install, was_tried;
    size_t guarded_by_mprotect;
    struct chunk *chunks;
    size_t count;        /* stacks there are */
    struct stack **idle; /* the last is taken first */
    size_t idle_count;
    size_t idle_min; /* since the last trim: those below were never needed */
    size_t cold;     /* idle[0, cold) hold no memory */
};

struct stack_pool *stack_pool_new(size_t slot_bytes, bool paints) {
    struct stack_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->page_bytes = (size_t) sysconf(_SC_PAGESIZE);
    p->slot_bytes = (slot_bytes + p->page_bytes - 1) / p->page_bytes * p->page_bytes;
    p->paints = paints;
    return p;
}

struct stack_pool *stack_pool_free(struct stack_pool *p) {
    if (!p)
        return NULL;
    assert(p->idle_count == p->count);
    for (struct chunk *c = p->chunks, *next; c; c = next) {
        next = c->next;
        for (size_t i = 0; i < SLOTS_PER_CHUNK; i++)
            annotate_stack_gone(&c->stacks[i]);
        (void) munmap(c->memory, p->slot_bytes * SLOTS_PER_CHUNK);
        free(c);
    }
    free(p->idle);
    free(p);
    return NULL;
}

static bool guard(struct stack_pool *p, char *page) {
    if (!p->was_tried || p->has_guard_install) {
        p->has_guard_install = madvise(page, p->page_bytes, MADVISE_GUARD_INSTALL) == 0;
        p->was_tried = true;
        if (p->has_guard_install)
            return true;
    }
    if (p->guarded_by_mprotect >= PROTECTED_MAX || mprotect(page, p->page_bytes, PROT_NONE) < 0)
        return false;
    p->guarded_by_mprotect++;
    return true;
}

static int grow(struct stack_pool *p) {
    struct stack **idle = realloc(p->idle, (p->count + SLOTS_PER_CHUNK) * sizeof(struct stack *));
    if (!idle)
        return -ENOMEM;
    p->idle = idle;

    struct chunk *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    size_t bytes = p->slot_bytes * SLOTS_PER_CHUNK;
    c->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (c->memory == MAP_FAILED) {
        free(c);
        return -ENOMEM;
    }
    /* With huge pages "always", the first touch of one stack would cost 2 MiB. */
    (void) madvise(c->memory, bytes, MADV_NOHUGEPAGE);
    c->next = p->chunks;
    p->chunks = c;

    for (size_t i = SLOTS_PER_CHUNK; i-- > 0;) {
        struct stack *s = &c->stacks[i];
        char *slot = c->memory + i * p->slot_bytes;
        s->is_guarded = guard(p, slot);
        s->low = slot + p->page_bytes;
        s->bytes = p->slot_bytes - p->page_bytes;
        annotate_stack_new(s);
        p->idle[p->idle_count++] = s;
    }
    /* Fresh slots hold no memory yet; they went on top of what was there: nothing, or we'd not be
     * here. */
    p->cold = p->idle_count;
    p->count += SLOTS_PER_CHUNK;
    return 0;
}

static size_t painted_bytes(const struct stack *s) {
    return s->bytes - CANARY_WORDS * sizeof(uint64_t) < PAINTED_MAX
                   ? s->bytes - CANARY_WORDS * sizeof(uint64_t)
                   : PAINTED_MAX;
}

NOT_ADDRESS_SANITIZED static void paint(struct stack *s, size_t depth) {
    char *high = s->low + s->bytes;
    for (uint64_t *w = (uint64_t *) (void *) (high - depth); w < (uint64_t *) (void *) high; w++)
        *(volatile uint64_t *) w = PAINT;
    s->is_painted = true;
}

/* How deep the paint is scratched. */
NOT_ADDRESS_SANITIZED static size_t depth_used(const struct stack *s) {
    const char *high = s->low + s->bytes;
    const uint64_t *w = (const uint64_t *) (const void *) (high - painted_bytes(s));
    while ((const char *) w < high && *w == PAINT)
        w++;
    return (size_t) (high - (const char *) w);
}

/* Memory that was never touched reads as zero; reading it costs no page. */
NOT_ADDRESS_SANITIZED static bool is_canary_alive(const struct stack *s) {
    const uint64_t *w = (const uint64_t *) (const void *) s->low;
    for (size_t i = 0; i < CANARY_WORDS; i++)
        if (w[i] != 0)
            return false;
    return true;
}

struct stack *stack_take(struct stack_pool *p) {
    if (p->idle_count == 0 && grow(p) < 0)
        return NULL;
    struct stack *s = p->idle[--p->idle_count];
    if (p->cold > p->idle_count)
        p->cold = p->idle_count;
    if (p->idle_min > p->idle_count)
        p->idle_min = p->idle_count;
    if (p->paints && !s->is_painted) {
        annotate_stack_as_memory(s);
        paint(s, painted_bytes(s));
    }
    annotate_stack_taken(s);
    return s;
}

void stack_give(struct stack_pool *p, struct stack *s) {
    annotate_stack_given(s);
    if (!s->is_guarded && !is_canary_alive(s)) {
        (void) fputs("async: a task ran over the end of its stack\n", stderr);
        abort();
    }
    if (p->paints) {
        annotate_stack_as_memory(s);
        s->used = depth_used(s);
        paint(s, s->used);
    }
    p->idle[p->idle_count++] = s;
}

bool stack_pool_trim(struct stack_pool *p) {
    size_t unneeded = p->idle_min > KEPT_WARM ? p->idle_min - KEPT_WARM : 0;
    for (; p->cold < unneeded; p->cold++) {
        struct stack *s = p->idle[p->cold];
        (void) madvise(s->low, s->bytes, MADV_DONTNEED);
        s->is_painted = false;
    }
    p->idle_min = p->idle_count;
    return p->idle_count > KEPT_WARM && p->cold < p->idle_count - KEPT_WARM;
}

void stack_pool_stats(const struct stack_pool *p, struct stack_stats *ret) {
    *ret = (struct stack_stats){
        .slot_bytes = p->slot_bytes,
        .in_use = p->count - p->idle_count,
        .idle = p->idle_count,
        .given_back = p->cold,
    };
}
