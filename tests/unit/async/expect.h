/* What a task checks: a cmocka assert would leave the task's stack for good, so a failed
 * expectation is told and ends the task with an error, which the test function asserts on. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("%s:%d: expected %s\n", __FILE__, __LINE__, #condition);                   \
            return -EBADMSG;                                                                       \
        }                                                                                          \
    } while (0)

#define EXPECT_EQUAL(left, right)                                                                  \
    do {                                                                                           \
        long long left_ = (long long) (left), right_ = (long long) (right);                        \
        if (left_ != right_) {                                                                     \
            print_error("%s:%d: %s is %lld, not %s (%lld)\n", __FILE__, __LINE__, #left, left_,    \
                        #right, right_);                                                           \
            return -EBADMSG;                                                                       \
        }                                                                                          \
    } while (0)

static inline int run_virtual(task_fn *fn, void *arg) {
    return loop_run(&(struct loop_options){ .is_simulated = true }, fn, arg);
}

static inline int run_seeded(uint64_t seed, task_fn *fn, void *arg) {
    return loop_run(
            &(struct loop_options){ .is_simulated = true, .seed = seed, .shuffle_ready = true }, fn,
            arg);
}

static inline int run_real(task_fn *fn, void *arg) {
    return loop_run(NULL, fn, arg);
}
