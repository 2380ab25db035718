/* Between the fuzzer (or the replay of a corpus) and a target: every input runs on a task's stack.
 */
#include <assert.h>

#include "async/loop.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

static int run(void *arg) {
    const struct input *in = arg;

    return fuzz_one(in->data, in->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = { data, size };
    const struct loop_options o = { .name = "fuzz", .is_simulated = true };

    int r = loop_run(&o, run, &in);
    assert(r == 0);
    return r;
}
