#include "async/thread.h"

#include <signal.h>
#include <stdio.h>

int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg) {
    char short_name[16];
    (void) snprintf(short_name, sizeof short_name, "%s", name);

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited by the thread */
    pthread_t thread;
    int r = pthread_create(&thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return -r;
    (void) pthread_setname_np(thread, short_name);
    if (ret)
        *ret = thread;
    else
        (void) pthread_detach(thread);
    return 0;
}
