/*
 * Between the fuzzer (or the replay of a corpus) and a target: every input runs on a task's stack.
 *
 * The task lives as long as the process, in a loop on a thread of its own that blocks until there
 * is an input: making a loop for each would take a hundred times as long as most inputs do.
 */
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

#include "async/loop.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One input at a time is handed over. The fuzzer's entry takes no argument of ours: hence static.
 */
static struct handover {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const uint8_t *data;
    size_t size;
    bool is_waiting; /* an input is there and not done */
    bool has_thread;
} handover = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static int run_inputs(void *arg) {
    struct handover *h = arg;

    pthread_mutex_lock(&h->mutex);
    for (;;) {
        while (!h->is_waiting)
            pthread_cond_wait(&h->changed, &h->mutex);
        (void) fuzz_one(h->data, h->size);
        h->is_waiting = false;
        pthread_cond_broadcast(&h->changed);
    }
    return 0;
}

static void *run_loop(void *arg) {
    const struct loop_options o = { .name = "fuzz", .is_simulated = true };
    int r = loop_run(&o, run_inputs, arg);

    assert(r == 0);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct handover *h = &handover;

    pthread_mutex_lock(&h->mutex);
    if (!h->has_thread) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, run_loop, h);
        assert(r == 0);
        pthread_detach(thread);
        h->has_thread = true;
    }
    h->data = data;
    h->size = size;
    h->is_waiting = true;
    pthread_cond_broadcast(&h->changed);
    while (h->is_waiting)
        pthread_cond_wait(&h->changed, &h->mutex);
    pthread_mutex_unlock(&h->mutex);
    return 0;
}
