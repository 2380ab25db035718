/*
 * The commands of one request: publishes are started one after another without waiting, other
 * commands wait for those before them (or, in parallel, for nobody), answers come in order.
 */
#pragma once

#include "async/group.h"
#include "daemon/api/body.h"
#include "daemon/api/impl.h"

struct future;

struct api_pipeline {
    struct worker *worker;
    const struct config *config;
    struct str key;                  /* who asks */
    const struct config_rate *limit; /* of commands of that key; NULL: none */
    enum api_form form;
    bool is_parallel;
    struct arena *arena;
    struct buffer *out;

    /* the answers */
    size_t answered;
    uint32_t last_error; /* of the last answer; 0: it was a result */
    int64_t retry_ms;    /* when to try again what the limit refused last */

    /* private */
    struct list ops; /* not answered yet, in order */
    size_t publishing, publishing_bytes, running;
    struct future *room;
    struct group tasks;
    struct api_call call;
    struct api_params params;
};

/* On the heap: about 1 KiB. */
void api_pipeline_init(struct api_pipeline *p, struct worker *w, const struct config *c,
                       struct arena *a, struct buffer *out);

/*
 * Takes the next command, with its parameters: JSON, or empty. Suspends until there is room for
 * it, or until it is done.
 *
 * 0, whatever the answer is. -EBADMSG: not JSON (which the caller has ruled out). -ENOMEM,
 * -ECANCELED, -ETIMEDOUT: the request cannot go on.
 */
SUSPENDS MUST_CHECK int api_pipeline_take(struct api_pipeline *p, const struct api_method *m,
                                          struct bytes params);

/* A command that cannot be: answered in its turn. 0, -ENOMEM. */
MUST_CHECK int api_pipeline_refuse(struct api_pipeline *p, uint32_t code, const char *why);

/* Until all is answered. As api_pipeline_take(). */
SUSPENDS MUST_CHECK int api_pipeline_wait(struct api_pipeline *p);

/* Ends what is under way, shielded. out, arena and the body must be there until then. */
SUSPENDS void api_pipeline_finish(struct api_pipeline *p);

/* {"code":…,"message":…} */
void api_write_error(struct buffer *out, uint32_t code, const char *why);
