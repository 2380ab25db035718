#include "storage/sqlite/writer.h"

#include <errno.h>

#include "storage/clock.h"

enum {
    QUEUE_MAX = 65536,
    GROUP_MAX = 1024,
    ERRANDS_MAX = 1024,
    PATIENCE_MAX_NS = 1000000,
    EVENTS_PER_GROUP = 1024,
    ANSWERS_AT_ONCE = 32, /* handed to one loop together */
    WATCH_NS = 100000,
    WATCHES_MISSED_MAX = 6,
    ONCE_MAX = 1000000,
    MAP_KEYS_MAX = 100000,
};

static const size_t QUEUE_MAX_BYTES = (size_t) 64 << 20;
static const size_t GROUP_MAX_BYTES = (size_t) 8 << 20; /* a commit stays short */

static void kick(void *arg) {
    struct writer *w = arg;
    lane_kick(w->lane);
}

void writer_init(struct writer *w, const struct engine_options *o, struct tops *tops,
                 struct engine *engine) {
    w->tops = tops;
    w->engine = engine;
    w->distribution = &engine->distribution;
    w->once_max = o->idempotency_max ? o->idempotency_max : ONCE_MAX;
    w->map_keys_max = o->map_keys_max ? o->map_keys_max : MAP_KEYS_MAX;
    w->events_max = o->events_max ? o->events_max : EVENTS_MAX;
    w->denials_max = o->denials_max ? o->denials_max : DENIALS_MAX;
    pthread_mutex_init(&w->events_mutex, NULL);
    w->last_event = &w->first_event;
    w->group_max = o->group_max ? o->group_max : GROUP_MAX;
    publish_queue_init(&w->queue, o->queue_max ? o->queue_max : QUEUE_MAX,
                       o->queue_max_bytes ? o->queue_max_bytes : QUEUE_MAX_BYTES);
    errands_init(&w->errands, ERRANDS_MAX);
    wal_init(&w->wal, o->wal_pages, kick, w);
    atomic_init(&w->due_ms, INT64_MAX);
    buffer_init(&w->extra, 0);
}

void writer_finish(struct writer *w) {
    publish_queue_finish(&w->queue);
    errands_finish(&w->errands);
    wal_finish(&w->wal);
    pthread_mutex_destroy(&w->events_mutex);
    delivery_reserve_finish(&w->reserve);
    buffer_finish(&w->extra);
}

void writer_stats(struct writer *w, struct engine_stats *ret) {
    ret->last_error = atomic_load(&w->last_error);
    ret->writable = ret->last_error == 0;
    ret->publishes = atomic_load(&w->publishes);
    ret->commits = atomic_load(&w->commits);
    ret->commit_errors = atomic_load(&w->commit_errors);
    ret->group_largest = atomic_load(&w->group_largest);
    ret->commit_ns = atomic_load(&w->commit_ns);
    ret->trimmed = atomic_load(&w->trimmed);
    ret->events = atomic_load(&w->events);
    ret->events_rejected = atomic_load(&w->events_rejected);
    publish_queue_stats(&w->queue, &ret->queued, &ret->rejected);
    for (size_t i = 0; i <= ENGINE_GROUP_BOUNDS; i++)
        ret->group_sizes[i] = atomic_load(&w->group_sizes[i]);
    for (size_t i = 0; i <= ENGINE_COMMIT_BOUNDS; i++)
        ret->commit_times[i] = atomic_load(&w->commit_times[i]);
    ret->wal_bytes = atomic_load(&w->wal.bytes);
    ret->wal_bytes_largest = atomic_load(&w->wal.bytes_largest);
    ret->checkpoints = atomic_load(&w->wal.checkpoints);
    ret->checkpoints_kept = atomic_load(&w->wal.kept);
    ret->checkpoints_failed = atomic_load(&w->wal.failed);
    ret->checkpoint_ns = atomic_load(&w->wal.ns);
    ret->checkpoint_longest_ns = atomic_load(&w->wal.longest_ns);
}

/* ---- a group ---- */

static bool is_kept(const struct publish_request *request) {
    return !publish_is_rejected(request) && !keep_is_nothing(&request->keep);
}

/* How long those that were just answered are waited for. */
static uint64_t patience(const struct writer *w) {
    uint64_t ns = w->last_group < 2 ? 0 : w->last_commit_ns / 8;
    return ns < PATIENCE_MAX_NS ? ns : PATIENCE_MAX_NS;
}

/* What is committed together. */
struct group {
    struct publish_run run;
    size_t n_kept;
    bool is_begun; /* its transaction: with the first that is to be kept */
    uint64_t began_ns, waited_ns;
};

static int begin_group(struct writer *w, struct group *g) {
    if (g->is_begun)
        return 0;
    g->is_begun = true;
    g->began_ns = clock_ticks_ns();
    return transaction_begin(w);
}

static int stage(struct writer *w, struct publish_request *request) {
    struct top *top = tops_pin(w->tops, request->hash, request->publication->channel);
    if (!top)
        return -ENOMEM;
    request->place = top;
    int r = transaction_stage(w, top);
    if (r < 0)
        return r;
    return publish_is_plain(request)
                   ? transaction_append(w, top, request->publication, &request->keep)
                   : transaction_publish(w, top, request);
}

static int stage_all(struct writer *w, struct group *g, struct publish_request *first) {
    int r = distribution_reserve(w->distribution, &w->reserve, g->run.n);
    for (struct publish_request *q = first; r == 0 && q; q = q->next) {
        if (!is_kept(q))
            continue;
        g->n_kept++;
        r = begin_group(w, g);
        if (r == 0)
            r = stage(w, q);
    }
    return r;
}

/* Of those that were answered after the last group. Only on a thread of its own: a simulated lane
 * would hold up those it waits for. */
static bool await_the_rest(struct writer *w, struct group *g) {
    size_t expected = w->last_group < w->group_max ? w->last_group : w->group_max;
    uint64_t patience_ns = patience(w);
    if (!g->run.first || g->run.n >= expected || g->waited_ns >= patience_ns || loop_current())
        return false;
    uint64_t began_ns = clock_ticks_ns();
    bool is_any = publish_queue_await(&w->queue, expected - g->run.n, patience_ns - g->waited_ns);
    g->waited_ns += clock_ticks_ns() - began_ns;
    return is_any;
}

/* What comes while the first are being written is committed with them. */
static int stage_what_comes(struct writer *w, struct group *g) {
    int r = 0;
    do {
        struct publish_request *more;
        while (r == 0 &&
               (more = publish_queue_take(&w->queue, w->group_max, GROUP_MAX_BYTES, &g->run)))
            r = stage_all(w, g, more);
    } while (r == 0 && await_the_rest(w, g));
    return r;
}

static void note_result(struct writer *w, const struct group *g, size_t n, int r) {
    atomic_store(&w->last_error, r);
    if (r < 0) {
        atomic_fetch_add(&w->commit_errors, 1);
        return;
    }
    atomic_fetch_add(&w->commits, 1);
    atomic_fetch_add(&w->publishes, n);
    w->last_group = n;
    w->last_commit_ns = clock_ticks_ns() - g->began_ns - g->waited_ns;
    atomic_fetch_add(&w->group_sizes[engine_group_bucket(n)], 1);
    atomic_fetch_add(&w->commit_times[engine_commit_bucket(w->last_commit_ns)], 1);
    atomic_fetch_add(&w->commit_ns, w->last_commit_ns);
    if (n > atomic_load(&w->group_largest))
        atomic_store(&w->group_largest, n); /* this thread alone writes it */
}

static int commit_group(struct writer *w, struct group *g, struct event_request *events, int r) {
    if (events && r == 0)
        r = begin_group(w, g);
    if (events && r == 0)
        r = transaction_add_events(w, events);
    if (!g->is_begun)
        return r;
    r = transaction_end(w, r);
    note_result(w, g, g->n_kept - w->staged_nothing, r);
    return r;
}

static void distribute_locked(struct writer *w, struct top *top, struct publication *p) {
    distribution_send_reserved(w->distribution, &w->reserve, top->entry.hash, p, &w->wakes);
    top->offset = p->position.offset;
    top->generation = top->stored.generation;
}

void writer_distribute(struct writer *w, struct top *top, struct publication *p) {
    tops_lock(w->tops, top);
    distribute_locked(w, top, p);
    tops_unlock(w->tops, top);
}

/* What was committed; lets go of its place. */
static int distribute_kept(struct writer *w, struct publish_request *request) {
    struct top *top = request->place;
    tops_lock(w->tops, top);
    if (!publish_did_nothing(request) && request->staged_error == 0) {
        struct publication *p = publish_out(request);
        request->position = p->position;
        distribute_locked(w, top, p);
    }
    tops_unlock_unpin(w->tops, top);
    return request->staged_error;
}

static int distribute_unkept(struct writer *w, struct publish_request *request) {
    if (!publish_is_plain(request))
        return engine_publish_unkept(w->engine, request, request->hash);
    distribution_send_reserved(w->distribution, &w->reserve, request->hash, request->publication,
                               &w->wakes);
    return 0;
}

static void forget_results(struct publish_request *request) {
    request->position = (struct position){ 0 };
    request->is_duplicate = request->is_stale = false;
    request->suppression = MAP_NOT_SUPPRESSED;
}

/* r: what became of the commit. */
static int conclude(struct writer *w, struct publish_request *request, int r) {
    if (publish_is_rejected(request)) {
        forget_results(request);
        return -ENOBUFS;
    }
    if (!is_kept(request))
        return distribute_unkept(w, request);
    if (r == 0)
        return distribute_kept(w, request);
    forget_results(request);
    if (request->place)
        tops_unpin(w->tops, request->place);
    return r;
}

/* The first ones, up to another inbox. So few that their loop begins while the rest are concluded.
 * After it they are their owners' again, who may free them at any moment. Returns the rest. */
static struct publish_request *answer_some(struct writer *w, struct publish_request *first, int r) {
    uint16_t lines[ANSWERS_AT_ONCE];
    struct publish_request *last = NULL, *rest = first;
    size_t n = 0;
    while (n < ANSWERS_AT_ONCE && rest && rest->inbox == first->inbox) {
        lines[n++] = (uint16_t) publish_queue_line(rest->hash);
        rest->result = conclude(w, rest, r);
        last = rest;
        rest = rest->next;
    }
    last->next = NULL;
    engine_answer_all(first, &w->wakes);
    wakes_send(&w->wakes);
    while (n > 0)
        publish_queue_answered(&w->queue, lines[--n]);
    return rest;
}

static void answer_events(struct writer *w, struct event_request *events, int r) {
    while (events) {
        struct event_request *next = events->next;
        if (r == 0)
            atomic_fetch_add(&w->events_rejected, events->dropped);
        else
            events->dropped = 0;
        engine_event_answer(events, r);
        events = next;
    }
}

static bool serve_next_group(struct writer *w) {
    struct group g = { 0 };
    struct event_request *events = writer_take_events(w, EVENTS_PER_GROUP);
    int r = stage_what_comes(w, &g);
    if (!g.run.first && !events)
        return false;
    r = commit_group(w, &g, events, r);
    struct publish_request *rest = g.run.first;
    while (rest)
        rest = answer_some(w, rest, r);
    answer_events(w, events, r);
    return true;
}

/* ---- orders ---- */

struct order {
    struct errand errand;
    bool changes;
    order_fn *run;
    void *arg;
    int result;
};

static void run_order(struct errand *errand, void *where) {
    struct order *o = CONTAINER_OF(errand, struct order, errand);
    struct writer *w = where;
    int r = o->changes ? transaction_begin(w) : 0;
    if (r == 0)
        r = o->run(w, o->arg);
    o->result = o->changes ? transaction_end(w, r) : r;
}

int writer_order(struct writer *w, bool changes, order_fn *run, void *arg) {
    struct order o = { .errand.run = run_order, .changes = changes, .run = run, .arg = arg };
    int r = errand_send(&w->errands, &o.errand, kick, w);
    return r < 0 ? r : o.result;
}

/* ---- the thread ---- */

/* Room in the log comes from checkpoints, which else only follow commits. */
static void probe(struct writer *w) {
    wal_make_room(&w->wal);
    int r = transaction_begin(w);
    if (r == 0)
        r = statement_run(w->statements[STATEMENT_PROBE]);
    r = transaction_end(w, r);
    if (r == 0)
        atomic_store(&w->last_error, 0);
}

/* They publish again sooner than a thread that sleeps could be woken; if they do not, the next
 * watches are left out, ever more of them. */
static void watch_for_the_answered(struct writer *w) {
    if (!w->has_answered || loop_current())
        return;
    w->has_answered = false;
    if (w->watches_to_skip > 0) {
        w->watches_to_skip--;
    } else if (publish_queue_watch(&w->queue, WATCH_NS)) {
        w->watches_missed = 0;
    } else {
        if (w->watches_missed < WATCHES_MISSED_MAX)
            w->watches_missed++;
        w->watches_to_skip = (1u << w->watches_missed) - 1;
    }
}

void writer_run(void *arg) {
    struct writer *w = arg;
    watch_for_the_answered(w);
    bool has_more = w->has_answered = serve_next_group(w);

    while (errand_run_next(&w->errands, w))
        ;
    if (!w->db)
        return; /* it could not be opened */
    wal_care(&w->wal);
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
