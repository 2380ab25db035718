#include "async/signals.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "async/stream.h"

struct signals {
    struct stream *stream; /* of a signalfd: waiting, waking and closing are a stream's */
    sigset_t ours;         /* that were not blocked before */
};

int signals_open(const sigset_t *set, struct signals **ret) {
    struct signals *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
    int r = fd < 0 ? -errno : stream_from_fd(fd, &s->stream);
    if (r < 0) {
        if (fd >= 0)
            (void) close(fd);
        free(s);
        return r;
    }
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, set, &before);
    sigemptyset(&s->ours);
    for (int n = 1; n < NSIG; n++)
        if (sigismember(set, n) == 1 && sigismember(&before, n) == 0)
            sigaddset(&s->ours, n);
    *ret = s;
    return 0;
}

SUSPENDS int signals_next(struct signals *s) {
    struct signalfd_siginfo info;
    ssize_t n = stream_read(s->stream, &info, sizeof info);
    if (n < 0)
        return (int) n;
    return n == sizeof info ? (int) info.ssi_signo : -EIO;
}

struct signals *signals_close(struct signals *s) {
    if (!s)
        return NULL;
    stream_close(s->stream);
    pthread_sigmask(SIG_UNBLOCK, &s->ours, NULL);
    free(s);
    return NULL;
}
