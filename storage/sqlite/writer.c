#include "storage/sqlite/writer.h"

#include <errno.h>

#include "storage/clock.h"

enum {
    QUEUE_MAX = 65536,
    GROUP_MAX = 1024,
    ERRANDS_MAX = 1024,
    PATIENCE_MAX_NS = 1000000,
};

static const size_t QUEUE_MAX_BYTES = (size_t) 64 << 20;
static const size_t GROUP_MAX_BYTES = (size_t) 8 << 20; /* a commit stays short */

void writer_init(struct writer *w, const struct engine_options *o, struct tops *tops,
                 struct distribution *distribution) {
    w->tops = tops;
    w->distribution = distribution;
    w->group_max = o->group_max ? o->group_max : GROUP_MAX;
    publish_queue_init(&w->queue, o->queue_max ? o->queue_max : QUEUE_MAX,
                       o->queue_max_bytes ? o->queue_max_bytes : QUEUE_MAX_BYTES);
    errands_init(&w->errands, ERRANDS_MAX);
    atomic_init(&w->due_ms, INT64_MAX);
    buffer_init(&w->extra, 0);
}

void writer_finish(struct writer *w) {
    publish_queue_finish(&w->queue);
    errands_finish(&w->errands);
    delivery_reserve_finish(&w->reserve);
    buffer_finish(&w->extra);
}

/* ---- a group ---- */

static bool is_kept(const struct publish_request *request) {
    return !publish_is_rejected(request) && !keep_is_nothing(&request->keep);
}

static int stage_group(struct writer *w, struct publish_request *group) {
    int r = 0;
    for (struct publish_request *q = group; r == 0 && q; q = q->next) {
        if (!is_kept(q))
            continue;
        struct top *top = tops_pin(w->tops, q->hash, q->publication->channel);
        if (!top)
            return -ENOMEM;
        q->place = top;
        r = transaction_stage(w, top);
        if (r == 0)
            r = transaction_append(w, top, q);
    }
    return r;
}

static void note_result(struct writer *w, int r, size_t n, uint64_t began_ns) {
    atomic_store(&w->last_error, r);
    if (r < 0) {
        atomic_fetch_add(&w->commit_errors, 1);
        return;
    }
    atomic_fetch_add(&w->commits, 1);
    atomic_fetch_add(&w->publishes, n);
    w->last_group = n;
    w->last_commit_ns = clock_ticks_ns() - began_ns;
    atomic_fetch_add(&w->commit_ns, w->last_commit_ns);
    if (n > atomic_load(&w->group_largest))
        atomic_store(&w->group_largest, n); /* this thread alone writes it */
}

static int commit_group(struct writer *w, struct publish_request *group, size_t n_kept) {
    uint64_t began_ns = clock_ticks_ns();
    int r = transaction_begin(w);
    if (r == 0)
        r = stage_group(w, group);
    r = transaction_end(w, r);
    note_result(w, r, n_kept, began_ns);
    return r;
}

static void distribute(struct writer *w, struct publish_request *request) {
    struct publication *p = request->publication;
    struct top *top = request->place;
    if (!top) {
        distribution_send_reserved(w->distribution, &w->reserve, request->hash, p);
        return;
    }
    request->position = p->position;
    tops_lock(w->tops, top);
    distribution_send_reserved(w->distribution, &w->reserve, request->hash, p);
    top->offset = p->position.offset;
    top->generation = top->stored.generation;
    tops_unlock(w->tops, top);
}

/* After it the request is its owner's again, who may free it at any moment. */
static void answer(struct writer *w, struct publish_request *request, int r) {
    struct top *top = request->place;
    uint64_t hash = request->hash;
    if (publish_is_rejected(request))
        r = -ENOBUFS;
    else if (!is_kept(request))
        r = 0;
    if (r == 0)
        distribute(w, request);
    engine_answer(request, r);
    publish_queue_answered(&w->queue, hash);
    if (top)
        tops_unpin(w->tops, top);
}

static void serve_group(struct writer *w, struct publish_request *group, size_t n) {
    size_t n_kept = 0;
    for (struct publish_request *q = group; q; q = q->next)
        n_kept += is_kept(q);

    int r = distribution_reserve(w->distribution, &w->reserve, n);
    if (r == 0 && n_kept > 0)
        r = commit_group(w, group, n_kept);

    while (group) {
        struct publish_request *next = group->next;
        answer(w, group, r);
        group = next;
    }
}

/* ---- the thread ---- */

/* Room in the log comes from checkpoints, which else only follow commits. */
static void probe(struct writer *w) {
    (void) sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    int r = transaction_begin(w);
    if (r == 0)
        r = statement_run(w->statements[STATEMENT_PROBE]);
    r = transaction_end(w, r);
    if (r == 0)
        atomic_store(&w->last_error, 0);
}

/* Only on a thread of its own: a simulated lane would hold up those it waits for. */
static void await_the_answered(struct writer *w) {
    if (w->last_group < 2 || loop_current())
        return;
    uint64_t patience_ns = w->last_commit_ns / 8;
    publish_queue_await(&w->queue, w->last_group < w->group_max ? w->last_group : w->group_max,
                        patience_ns < PATIENCE_MAX_NS ? patience_ns : PATIENCE_MAX_NS);
}

static bool serve_next_group(struct writer *w) {
    size_t n;
    struct publish_request *group =
            publish_queue_take(&w->queue, w->group_max, GROUP_MAX_BYTES, &n);
    if (!group)
        return false;
    serve_group(w, group, n);
    return true;
}

void writer_run(void *arg) {
    struct writer *w = arg;
    if (!publish_queue_is_empty(&w->queue))
        await_the_answered(w);
    bool has_more = serve_next_group(w);

    while (errand_run_next(&w->errands, w))
        ;
    if (!w->db)
        return; /* it could not be opened */
    if (atomic_exchange(&w->wants_probe, false))
        probe(w);
    if (atomic_exchange(&w->wants_sweep, false) && writer_sweep(w)) {
        atomic_store(&w->wants_sweep, true);
        has_more = true;
    }

    if (atomic_load(&w->wants_end)) {
        while (serve_next_group(w))
            ;
        w->at_end(w->at_end_arg);
    } else if (has_more) {
        lane_kick(w->lane);
    }
}
