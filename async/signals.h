/*
 * Signals as an iterator: nothing runs in signal context.
 */
#pragma once

#include <signal.h>

#include "async/base.h"

struct signals;

/*
 * From now on the signals of the set go to signals_next() instead of their handlers. They are
 * blocked in the calling thread: open before other threads are started, which inherit that (those
 * of async/ block everything), or a signal may reach one of them in the old way. set: copied.
 * -ENOMEM, -EMFILE, -ENFILE.
 */
MUST_CHECK int signals_open(const sigset_t *set, struct signals **ret);

/* Iterator: the number of a signal (> 0), or -errno. The same signal coming twice before it is
 * asked for counts once. One task at a time. */
SUSPENDS MUST_CHECK int signals_next(struct signals *s);

/* Puts the thread's mask back; a signal that came and was not asked for does then what it did
 * before. Who waits in signals_next() gets -EBADF. Takes NULL; returns NULL. */
struct signals *signals_close(struct signals *s);
