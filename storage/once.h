/*
 * Idempotency keys in memory: which publishes were made, until they may be made again. Not
 * thread-safe; channels are told apart by the caller's hash and their name.
 */
#pragma once

#include "storage/budget.h"
#include "storage/engine.h"
#include "storage/table.h"
#include "storage/tree.h"

struct once_table {
    struct table table;
    struct tree by_expiry;
    struct budget *budget;
};

enum { IDEMPOTENCY_TTL_DEFAULT_MS = 5 * 60 * 1000 };

void once_init(struct once_table *t, const struct table_seed *seed, struct budget *budget);
void once_finish(struct once_table *t);

/* In steps, since a publish that is done cannot fail any more: the memory first. */
struct once;
MUST_CHECK int once_new(struct once_table *t, struct str channel, struct str key,
                        struct once **ret);           /* -ENOMEM; -ENOSPC: the budget */
void once_free(struct once_table *t, struct once *o); /* one that was not added; takes NULL */

/* Where the publish of the same name went, if it was made and still counts; else NULL. */
const struct position *once_made(const struct once_table *t, const struct once *o, int64_t now_ms);

/* From now on made, until it expires. -ENOMEM: it is freed. */
MUST_CHECK int once_add(struct once_table *t, struct once *o, int64_t expires_ms);
void once_settle(struct once *o, const struct position *position);
void once_take_back(struct once_table *t, struct once *o); /* was not made after all; frees */

void once_sweep(struct once_table *t, int64_t now_ms);
