/*
 * Does one kind of operation, again and again, for tests/budget/run to count the instructions.
 *
 *     budget OPERATION   in a directory of its own, under callgrind with --instr-atstart=no
 *                        --collect-atstart=no: dumps "once" and "twice" are of so many steps and of
 *                        twice as many
 *     budget --list      the operations
 *     budget --about     what the figures depend on: compiler, machine, libc
 *
 * The shipped daemon runs as it is, on virtual time and with seeded randomness, so that the same
 * program executes the same instructions every time. Listener, sockets and poll are real (Unix
 * sockets, on which nothing is ever late); what the kernel does is not counted. The program is
 * compiled and linked as parleyd is, of the same libraries.
 */
#include <errno.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <valgrind/callgrind.h>

#include "tests/budget/operations.h"

static int take_steps(struct stage *s, const struct operation *o, unsigned steps) {
    int r = 0;
    for (unsigned i = 0; r == 0 && i < steps; i++)
        r = o->step(s);
    return r;
}

/* Before anything is counted it is done as often: caches, pools and tables have what they need. */
static int run(struct stage *s, const struct operation *o) {
    int r = o->begin(s);
    if (r == 0)
        r = take_steps(s, o, o->steps);
    if (r < 0)
        return r;

    CALLGRIND_START_INSTRUMENTATION;
    s->is_counted = true;
    r = take_steps(s, o, o->steps);
    CALLGRIND_DUMP_STATS_AT("once");
    uint64_t works = s->works;
    if (r == 0)
        r = take_steps(s, o, 2 * o->steps);
    CALLGRIND_DUMP_STATS_AT("twice");
    s->is_counted = false;
    CALLGRIND_STOP_INSTRUMENTATION;
    if (r == 0)
        (void) printf("%u %llu\n", o->steps * o->each, (unsigned long long) works);
    return r;
}

static int story(struct world *w, void *arg) {
    static struct stage stage;
    int r = stage_open(&stage, w);
    if (r == 0)
        r = run(&stage, arg);
    stage_close(&stage);
    return r;
}

/* A connection is two descriptors here. */
static void raise_limits(void) {
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &l);
    }
}

int main(int argc, char **argv) {
    static const struct world_options world = { .config = operations_config, .listens = true };
    const char *wanted = argc == 2 ? argv[1] : "";

    if (strcmp(wanted, "--about") == 0) {
        (void) printf("gcc %d, %s, glibc %s\n", __GNUC__,
#if defined(__clang__)
                      "not gcc at all",
#elif defined(__x86_64__)
                      "x86-64",
#else
                      "not x86-64",
#endif
                      gnu_get_libc_version());
        return 0;
    }
    for (const struct operation *o = operations; o->name; o++) {
        if (strcmp(wanted, "--list") == 0)
            (void) printf("%s\t%s\n", o->name, o->what);
        if (strcmp(wanted, o->name) == 0) {
            raise_limits();
            return world_run(&world, story, (void *) (uintptr_t) o) ? 1 : 0;
        }
    }
    if (strcmp(wanted, "--list") == 0)
        return 0;
    (void) fprintf(stderr, "usage: budget OPERATION | --list | --about\n");
    return 64;
}
