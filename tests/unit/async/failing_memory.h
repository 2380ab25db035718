/* The n-th allocation of a program's own code fails. Include it once in a program that is linked
 * with
 * --wrap=malloc,--wrap=calloc,--wrap=realloc. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The linker puts these in front (--wrap), so they cannot hang from a struct. 0: none is to fail.
 */
static unsigned fails_in;
static bool has_failed;

static bool is_the_one(void) {
    if (fails_in == 0 || --fails_in > 0)
        return false;
    has_failed = true;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size) {
    return is_the_one() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    return is_the_one() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
    return is_the_one() ? NULL : __real_realloc(p, size);
}
