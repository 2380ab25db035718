/*
 * The one place that accepts a publication, whoever it comes from.
 *
 * Whether the publisher may publish has been decided by then; what is decided here is whether the
 * data is what the namespace takes, and what is kept of it.
 */
#pragma once

#include "storage/engine.h"

struct namespace;
struct worker;

/* Embedded in what its maker wants to remember; alive until done has run. */
struct publish {
    struct publish_request request; /* result and position are valid in done */
    struct worker *worker;
    int64_t started_us;
    void (*done)(struct publish *p); /* once, on the worker's loop, never inside publish_start() */
};

/* Does the namespace take this payload (publication_data_format)? */
bool publish_accepts(const struct namespace *ns, struct bytes data);

/* What a publisher may ask for beside what the namespace says. Texts are borrowed until done. */
struct publish_terms {
    bool skips_history; /* live only: no offset */
    struct str idempotency_key;
    uint64_t version; /* 0: none */
    struct str version_epoch;
    struct keep keep;      /* of a map: in place of the namespace's */
    struct map_change map; /* map.stream: the reference is taken, whatever is returned */
};

/* Starts; publishes of one worker to one channel keep their order. -ENOMEM: not started, done never
 * runs. */
MUST_CHECK int publish_start(struct publish *p, struct worker *w, const struct namespace *ns,
                             const struct publication_parts *parts);
MUST_CHECK int publish_start_on(struct publish *p, struct worker *w, const struct namespace *ns,
                                const struct publication_parts *parts,
                                const struct publish_terms *terms);

/* Are the namespace's channels maps? */
bool namespace_is_map(const struct namespace *ns);

/* Fills in what of the terms a map's namespace says: where its keys are kept and for how long. */
void publish_map_terms(const struct namespace *ns, struct publish_terms *terms);

/* What the namespace keeps: of a map its stream of changes. */
struct keep publish_keep_of(const struct namespace *ns);
