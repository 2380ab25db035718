#include "daemon/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "async/debug.h"
#include "async/group.h"
#include "async/offload.h"
#include "async/signals.h"
#include "async/task.h"
#include "async/tls.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/memory.h"
#include "daemon/service.h"

static sigset_t our_signals(void) {
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
    sigset_t set;
    (void) sigemptyset(&set);
    for (size_t i = 0; i < ELEMENTS_OF(numbers); i++)
        (void) sigaddset(&set, numbers[i]);
    return set;
}

void serve_block_signals(void) {
    sigset_t set = our_signals();
    (void) pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void) signal(SIGPIPE, SIG_IGN);
}

/* ---- what is said ---- */

void serve_log_report(struct log *log, const struct config_report *report) {
    for (size_t i = 0; i < report->n; i++) {
        const struct config_problem *p = &report->items[i];
        log_write(log, p->is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "configuration",
                  &LOG_TEXT(p->is_error ? "error" : "warning", p->text), 1);
    }
}

static bool is_open_to_others(const struct config *c) {
    for (size_t i = 0; i < c->n_listeners; i++) {
        const char *at = c->listeners[i].address.text;
        if (!c->listeners[i].is_internal && strncmp(at, "127.", 4) != 0 &&
            strncmp(at, "[::1]", 5) != 0 && strncmp(at, "localhost:", 10) != 0 &&
            strncmp(at, "unix:", 5) != 0)
            return true;
    }
    return false;
}

static bool lets_anybody_write(const struct config *c, const struct namespace *ns) {
    return c->client.allow_anonymous_without_token && ns->publish.anonymous &&
           (ns->publish.client || ns->publish.subscriber);
}

void serve_warn_of_insecurity(struct log *log, const struct config *c) {
    const char *reach = is_open_to_others(c) ? "whoever reaches this machine" : "this machine only";

    if (c->client.insecure)
        LOG_WARNING(log, "INSECURE: client.insecure lets everybody in and do everything",
                    LOG_TEXT("open_to", reach));
    if (c->client.insecure)
        return;
    if (lets_anybody_write(c, &c->without_namespace))
        LOG_WARNING(log, "INSECURE: anybody may connect and publish",
                    LOG_TEXT("namespace", "without_namespace"), LOG_TEXT("open_to", reach));
    for (size_t i = 0; i < c->n_namespaces; i++)
        if (lets_anybody_write(c, &c->namespaces[i]))
            LOG_WARNING(log, "INSECURE: anybody may connect and publish",
                        LOG_STR("namespace", c->namespaces[i].name), LOG_TEXT("open_to", reach));
}

/* ---- a reload ---- */

struct reload {
    const struct config_source *source;
    const struct config *old;
    struct config *new;
    struct config_report report;
    const struct tls *old_tls;
    struct tls *tls;
    char *why; /* what is wrong with its files */
};

static int read_again(void *arg) {
    struct reload *r = arg;
    int result = config_reload(r->source, r->old, &r->new, &r->report);
    return result < 0 ? result : daemon_make_tls(r->new, r->old_tls, &r->tls, &r->why);
}

static int reload(struct serve *s, struct daemon *d, struct pool *pool) {
    service_reloading();
    LOG_NOTICE(s->log, "reloading");

    struct reload *again = calloc(1, sizeof *again);
    int r = again ? 0 : -ENOMEM;
    if (r == 0) {
        again->source = s->source;
        again->old = d->config;
        again->old_tls = d->tls;
        r = offload(pool, read_again, again);
        serve_log_report(s->log, &again->report);
        if (again->why)
            LOG_ERROR(s->log, "TLS", LOG_TEXT("error", again->why));
    }
    if (r == 0)
        r = daemon_reload(d, again->new, again->tls);
    if (r == 0)
        again->tls = NULL; /* the daemon's now */
    if (r == 0)
        serve_warn_of_insecurity(s->log, again->new);
    if (again) {
        config_report_finish(&again->report);
        (void) config_unref(again->new);
        (void) tls_free(again->tls);
        free(again->why);
        free(again);
    }

    if (r == 0)
        LOG_NOTICE(s->log, "reloaded");
    else if (r != -ECANCELED)
        LOG_ERROR(s->log, "reload failed, the old configuration stays", LOG_RESULT(r));
    service_ready(r == 0 ? STR("Serving") : STR("Serving; the last reload failed"));
    return r == -ECANCELED ? r : 0;
}

/* ---- signals ---- */

/* In one write, so that it does not mix with the lines of other threads. */
static void dump_tasks(struct serve *s, struct daemon *d) {
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f) {
        LOG_WARNING(s->log, "no memory for a dump of the tasks");
        return;
    }
    task_dump(f);
    if (daemon_dump(d, f) < 0)
        (void) fputs("(no memory for the tasks of the workers)\n", f);
    (void) fclose(f);
    for (size_t done = 0; done < len;) {
        ssize_t n = write(STDERR_FILENO, text + done, len - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t) n : 0;
    }
    free(text);
}

struct impatience {
    struct signals *signals;
    struct log *log;
};

/* While clients are told to go: whoever asks a second time does not want to wait for them. What was
 * acknowledged is on disk in any case. */
static int leave_at_once_if_asked_again(void *arg) {
    struct impatience *i = arg;
    for (;;) {
        int number = signals_next(i->signals);
        if (number < 0)
            return number;
        if (number != SIGTERM && number != SIGINT)
            continue;
        LOG_WARNING(i->log, "told to stop twice, leaving at once");
        _exit(128 + number);
    }
}

static void drain(struct serve *s, struct daemon *d, struct signals *signals, int number) {
    struct impatience i = { signals, s->log };
    service_stopping(STR("Telling clients to reconnect"));
    LOG_NOTICE(
            s->log, "stopping", LOG_TEXT("signal", number == SIGINT ? "SIGINT" : "SIGTERM"),
            LOG_UINT("connections", atomic_load_explicit(&d->connections, memory_order_relaxed)));
    GROUP(g);
    if (group_spawn(&g, "impatience", leave_at_once_if_asked_again, &i) < 0)
        LOG_WARNING(s->log, "a second signal will not be heard", LOG_RESULT(-ENOMEM));
    daemon_drain(d);
}

/* Until told to stop: the signal, or -errno. */
static int mind_signals(struct serve *s, struct daemon *d, struct signals *signals,
                        struct pool *pool) {
    for (;;) {
        int number = signals_next(signals), r = 0;
        if (number < 0 || number == SIGTERM || number == SIGINT)
            return number;
        if (number == SIGHUP)
            r = reload(s, d, pool);
        else if (number == SIGUSR1)
            dump_tasks(s, d);
        if (r < 0)
            return r;
    }
}

/* ---- the life ---- */

static int serve_daemon(struct serve *s, struct daemon *d, struct signals *signals,
                        struct pool *pool) {
    struct service_watch watch = { d, s->log };
    GROUP(g);
    int r = group_spawn(&g, "watchdog", service_watch, &watch);
    if (r == 0)
        r = group_spawn(&g, "memory", memory_give_back, d);
    if (r < 0)
        return r;

    service_ready(STR("Serving"));
    int number = mind_signals(s, d, signals, pool);
    if (number < 0)
        return number;
    drain(s, d, signals, number);
    return 0;
}

int serve_run(void *arg) {
    struct serve *s = arg;
    struct signals *signals = NULL;
    struct pool *pool = NULL;
    struct daemon *d = NULL;
    char *why = NULL;

    sigset_t set = our_signals();
    int r = signals_open(&set, &signals);
    if (r == 0)
        r = pool_open(&(struct pool_options){ .name = "reload", .threads = 1 }, &pool);
    if (r == 0)
        r = daemon_open(&(struct daemon_options){ .config = s->config,
                                                  .log = s->log,
                                                  .assets = s->assets,
                                                  .fds = s->fds,
                                                  .n_fds = s->n_fds },
                        &d, &why);
    if (r < 0)
        LOG_ERROR(s->log, "cannot start", LOG_TEXT("why", why ? why : ""), LOG_RESULT(r));
    else
        r = serve_daemon(s, d, signals, pool);

    d = daemon_close(d);
    pool = pool_close(pool);
    signals = signals_close(signals);
    free(why);
    if (r == 0)
        LOG_NOTICE(s->log, "stopped");
    return r;
}
