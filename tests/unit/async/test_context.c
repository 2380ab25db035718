#include "async/context.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "async/annotate.h"

enum { STACK_BYTES = 64 * 1024, ROUNDS = 50 };

/* A context has no argument: what both sides share. */
struct sides {
    void *here, *there;
    struct annotated_thread thread;
    struct stack stack;
    int rounds;
    double sum;
};

static struct sides sides;

static double step(double x, int i) {
    return x * 1.01 + (double) i;
}

/* Many live values on both sides, so that registers a call must keep are in use. */
static void other_side(void) {
    annotate_back_in_task(&sides.thread, &sides.stack);
    double a = 1, b = 2, c = 3;
    long x = 11, y = 22, z = 33;
    for (;;) {
        a = step(a, sides.rounds);
        b += a;
        c += b;
        x += sides.rounds;
        y += x;
        z += y;
        sides.sum = a + b + c + (double) (x + y + z);
        sides.rounds++;
        annotate_leave_task(&sides.thread, &sides.stack, false);
        context_switch(&sides.there, sides.here);
        annotate_back_in_task(&sides.thread, &sides.stack);
    }
}

static double without_switches(void) {
    double a = 1, b = 2, c = 3;
    long x = 11, y = 22, z = 33;
    for (int i = 0; i < ROUNDS; i++) {
        a = step(a, i);
        b += a;
        c += b;
        x += i;
        y += x;
        z += y;
    }
    return a + b + c + (double) (x + y + z);
}

static void both_sides_of_a_switch_keep_their_registers(void **state) {
    (void) state;
    char *memory = aligned_alloc(4096, STACK_BYTES);
    assert_non_null(memory);
    sides = (struct sides){ .stack = { .low = memory, .bytes = STACK_BYTES } };
    annotate_thread(&sides.thread);
    annotate_stack_new(&sides.stack);
    annotate_stack_taken(&sides.stack);
    errno = 0;
    sides.here = context_of_thread();
    assert_int_equal(errno, 0);
    sides.there = context_make(memory, STACK_BYTES, other_side);

    double p = 1, q = 2, expected_p = 1, expected_q = 2;
    long k = 5, expected_k = 5;
    for (int i = 0; i < ROUNDS; i++) {
        p = step(p, i);
        q += p;
        k = k % 100003 * 31 + i;
        annotate_enter_task(&sides.thread, &sides.stack);
        context_switch(&sides.here, sides.there);
        annotate_back_in_thread(&sides.thread);
    }
    for (int i = 0; i < ROUNDS; i++) {
        expected_p = step(expected_p, i);
        expected_q += expected_p;
        expected_k = expected_k % 100003 * 31 + i;
    }
    assert_int_equal(sides.rounds, ROUNDS);
    assert_memory_equal(&p, &expected_p, sizeof p);
    assert_memory_equal(&q, &expected_q, sizeof q);
    assert_int_equal(k, expected_k);
    double sum = without_switches();
    assert_true(sides.sum - sum < 1e-6 && sum - sides.sum < 1e-6);

    void *pc = NULL, *frame = NULL;
    if (context_frame(sides.there, &pc, &frame)) {
        assert_true((uintptr_t) pc >= (uintptr_t) other_side);
        assert_in_range((uintptr_t) frame, (uintptr_t) memory, (uintptr_t) memory + STACK_BYTES);
    }
    context_free_thread(sides.here);
    annotate_abandoned(&sides.stack);
    annotate_stack_given(&sides.stack);
    annotate_stack_gone(&sides.stack);
    free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_of_a_switch_keep_their_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
