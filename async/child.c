#include "async/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/future.h"
#include "async/loop_impl.h"
#include "async/stream.h"

enum {
    PATIENCE_MS = 5000,
    ASK_MS = 20,       /* without pidfds */
    FIRST_FREE_FD = 3, /* above the standard ones, which the child's are put in place of */
};

struct child {
    pid_t pid; /* reaped only here, so that the number cannot become another process's */
    int patience_ms;
    int status; /* once ended */
    struct future ended;
    struct watch watch;  /* of its pidfd: readable when it has ended */
    struct timer asking; /* where there are no pidfds (some sandboxes, Valgrind) */
    struct stream *pipe[3];
};

/* The child's ends are closed at once, ours become streams. */
struct wiring {
    posix_spawn_file_actions_t actions;
    int ours[3], theirs[3];
};

static void wiring_finish(struct wiring *w) {
    for (int i = 0; i < 3; i++) {
        if (w->ours[i] >= 0)
            (void) close(w->ours[i]);
        if (w->theirs[i] >= 0)
            (void) close(w->theirs[i]);
    }
    posix_spawn_file_actions_destroy(&w->actions);
}

/* In a process whose own standard descriptors are closed a pipe could get one of their numbers. */
static int move_up(int *fd) {
    if (*fd >= FIRST_FREE_FD)
        return 0;
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    if (moved < 0)
        return -errno;
    (void) close(*fd);
    *fd = moved;
    return 0;
}

static int wire(struct wiring *w, int i, enum child_stream kind) {
    int fds[2], r = 0;
    switch (kind) {
    case CHILD_INHERIT:
        return 0;
    case CHILD_NULL:
        return -posix_spawn_file_actions_addopen(&w->actions, i, "/dev/null",
                                                 i == 0 ? O_RDONLY : O_WRONLY, 0);
    case CHILD_MERGE:
        return i == STDERR_FILENO ? -posix_spawn_file_actions_adddup2(&w->actions, STDOUT_FILENO,
                                                                      STDERR_FILENO)
                                  : -EINVAL;
    case CHILD_PIPE:
    default:
        break;
    }
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    w->theirs[i] = fds[i == 0 ? 0 : 1];
    w->ours[i] = fds[i == 0 ? 1 : 0];
    if ((r = move_up(&w->theirs[i])) < 0 || (r = move_up(&w->ours[i])) < 0)
        return r;
    return -posix_spawn_file_actions_adddup2(&w->actions, w->theirs[i], i);
}

static int start(const struct child_options *o, struct wiring *w, pid_t *ret) {
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int r = posix_spawnattr_init(&attributes);
    if (r != 0)
        return -r;
    sigemptyset(&none);
    sigfillset(&all);
    (void) posix_spawnattr_setsigmask(&attributes, &none);
    (void) posix_spawnattr_setsigdefault(&attributes, &all);
    (void) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char *const *argv = (char *const *) (uintptr_t) o->argv;
    char *const *env = o->env ? (char *const *) (uintptr_t) o->env : environ;
    r = posix_spawnp(ret, o->argv[0], &w->actions, &attributes, argv, env);
    (void) posix_spawnattr_destroy(&attributes);
    return -r;
}

/* ---- its end ---- */

static bool child_has_ended(struct child *c) {
    siginfo_t info = { 0 };
    if (waitid(P_PID, (id_t) c->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return false;
    c->status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    (void) future_resolve(&c->ended, 0);
    return true;
}

static void child_on_end(struct watch *w, unsigned ready) {
    (void) ready;
    if (child_has_ended(CONTAINER_OF(w, struct child, watch)))
        watch_want(w, 0);
}

static void child_ask(struct timer *t) {
    struct child *c = CONTAINER_OF(t, struct child, asking);
    /* There is room for it: it is the one that was just taken out. */
    if (!child_has_ended(c))
        (void) !timer_set(t, ASK_MS);
}

static int notice_end(struct child *c) {
    int fd = (int) syscall(SYS_pidfd_open, c->pid, 0); /* close-on-exec by itself */
    if (fd < 0 && errno != ENOSYS && errno != EPERM)
        return -errno;
    watch_init(&c->watch, fd, child_on_end);
    c->asking.run = child_ask;
    if (fd < 0)
        return timer_set(&c->asking, ASK_MS);
    watch_want(&c->watch, WATCH_READ);
    return 0;
}

static void child_free(struct child *c) {
    for (int i = 0; i < 3; i++)
        stream_close(c->pipe[i]);
    free(c);
}

/* For a child that nobody will ever see. */
static void kill_at_once(pid_t pid) {
    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, NULL, 0);
}

int child_spawn(const struct child_options *o, struct child **ret) {
    struct wiring w CLEANUP(wiring_finish) = { .ours = { -1, -1, -1 }, .theirs = { -1, -1, -1 } };
    const enum child_stream kinds[3] = { o->input, o->output, o->errors };
    if (posix_spawn_file_actions_init(&w.actions) != 0)
        return -ENOMEM;
    int r = 0;
    for (int i = 0; i < 3 && r == 0; i++)
        r = wire(&w, i, kinds[i]);
    if (r == 0 && o->directory)
        r = -posix_spawn_file_actions_addchdir_np(&w.actions, o->directory);
    if (r == 0) /* also those that somebody else opened without O_CLOEXEC */
        r = -posix_spawn_file_actions_addclosefrom_np(&w.actions, FIRST_FREE_FD);
    if (r < 0)
        return r;

    struct child *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->patience_ms = o->patience_ms ? o->patience_ms : PATIENCE_MS;
    future_init(&c->ended);
    for (int i = 0; i < 3 && r == 0; i++)
        if (w.ours[i] >= 0) {
            r = stream_from_fd(w.ours[i], &c->pipe[i]);
            if (r == 0)
                w.ours[i] = -1; /* the stream's */
        }
    if (r == 0)
        r = start(o, &w, &c->pid);
    if (r < 0) {
        child_free(c);
        return r;
    }
    r = notice_end(c);
    if (r < 0) {
        kill_at_once(c->pid);
        child_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

SUSPENDS int child_wait(struct child *c, int *ret_status) {
    int r = future_wait(&c->ended);
    if (r == 0)
        *ret_status = c->status;
    return r;
}

int child_kill(struct child *c, int signal) {
    if (c->ended.is_resolved)
        return -ESRCH;
    return kill(c->pid, signal) < 0 ? -errno : 0;
}

SUSPENDS struct child *child_close(struct child *c) {
    if (!c)
        return NULL;
    for (int i = 0; i < 3; i++)
        c->pipe[i] =
                stream_close(c->pipe[i]); /* so that it does not wait for us, while we for it */
    if (child_kill(c, SIGTERM) == 0) {
        SHIELD(c->patience_ms);
        (void) !future_wait(&c->ended);
    }
    if (child_kill(c, SIGKILL) == 0) {
        SHIELD(INT64_MAX);
        (void) !future_wait(&c->ended); /* a killed process ends */
    }
    timer_clear(&c->asking);
    if (watch_fd(&c->watch) >= 0) {
        watch_want(&c->watch, 0);
        (void) close(watch_fd(&c->watch));
    }
    child_free(c);
    return NULL;
}

/* ---- about ---- */

pid_t child_pid(const struct child *c) {
    return c->pid;
}

struct stream *child_input(const struct child *c) {
    return c->pipe[STDIN_FILENO];
}

struct stream *child_output(const struct child *c) {
    return c->pipe[STDOUT_FILENO];
}

struct stream *child_errors(const struct child *c) {
    return c->pipe[STDERR_FILENO];
}

void child_end_input(struct child *c) {
    c->pipe[STDIN_FILENO] = stream_close(c->pipe[STDIN_FILENO]);
}
