/*
 * Scopes in time. Inside a deadline's scope every suspending call of the task fails with -ETIMEDOUT
 * once it has passed; the nearest of nested ones wins. Inside a shield cancellation and outer
 * deadlines wait outside, for at most the shield's time; after it calls fail with what waited
 * (-ECANCELED) or -ETIMEDOUT.
 */
#pragma once

#include "async/base.h"

struct deadline {
    struct deadline *outer; /* private, all */
    int64_t at_ms;
    bool is_shield;
    bool has_passed;
};

struct deadline *deadline_enter(struct deadline *d, int64_t in_ms);
struct deadline *shield_enter(struct deadline *d, int64_t at_most_ms);
void deadline_leave(struct deadline *d);        /* scopes are left inside out */
bool deadline_passed(const struct deadline *d); /* was it mine that ended the wait? */

#define DEADLINE(d, ms)                                                                            \
    struct deadline d CLEANUP(deadline_leave);                                                     \
    deadline_enter(&d, (ms))

#define SHIELD_NAME_(line) shield_at_##line
#define SHIELD_SCOPE_(line, ms)                                                                    \
    struct deadline SHIELD_NAME_(line) CLEANUP(deadline_leave);                                    \
    shield_enter(&SHIELD_NAME_(line), (ms))
#define SHIELD_LINE_(line, ms) SHIELD_SCOPE_(line, ms)
#define SHIELD(ms)             SHIELD_LINE_(__LINE__, ms)
