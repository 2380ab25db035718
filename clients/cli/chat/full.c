/* parley chat: the full-screen client. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "async/group.h"
#include "async/loop.h"
#include "async/signals.h"
#include "async/stream.h"
#include "async/task.h"
#include "clients/cli/chat/app.h"
#include "clients/cli/chat/chat.h"

enum {
    DRAW_EVERY_MS = 16,
    TICK_MS = 1000,
    STACK_BYTES = 256 * 1024, /* ncurses has frames of its own */
};

void app_dirty(struct app *a) {
    event_set(&a->is_dirty);
}

void app_notice(struct app *a, const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void) vsnprintf(a->view.notice, sizeof a->view.notice, format, args);
    va_end(args);
    app_dirty(a);
}

void app_end(struct app *a, int exit_code, const char *why) {
    a->exit_code = exit_code;
    (void) snprintf(a->why, sizeof a->why, "%s", why);
    event_set(&a->is_over);
}

/* ---- the connection ---- */

static void say_state(struct app *a) {
    int64_t left_ms = a->retry_at_ms - loop_now();

    switch (a->state) {
    case UPLINK_CONNECTING:
        (void) snprintf(a->view.state, sizeof a->view.state, "connecting ...");
        break;
    case UPLINK_OFFLINE:
        (void) snprintf(a->view.state, sizeof a->view.state, "offline, again in %" PRId64 " s",
                        left_ms > 0 ? (left_ms + 999) / 1000 : 0);
        break;
    case UPLINK_ONLINE:
    default:
        a->view.state[0] = '\0';
        break;
    }
    app_dirty(a);
}

static void on_state(void *arg, enum uplink_state state, const char *why, int64_t retry_at_ms) {
    struct app *a = arg;

    a->state = state;
    a->retry_at_ms = retry_at_ms;
    say_state(a);
    if (state == UPLINK_ONLINE)
        app_online(a);
    else if (state == UPLINK_OFFLINE && why[0])
        app_notice(a, "%s", why);
}

static int run_uplink(void *arg) {
    struct app *a = arg;
    struct client_end end;

    int r = uplink_run(a->uplink, &end);
    if (r != -ECANCELED)
        app_end(a, cli_exit_code(&end), end.why);
    return r;
}

/* ---- the terminal ---- */

static int draw(void *arg) {
    struct app *a = arg;

    for (;;) {
        int r = event_wait(&a->is_dirty);
        if (r < 0)
            return r;
        event_clear(&a->is_dirty);
        if (!a->is_away && screen_draw(a->screen, &a->view, &a->size) < 0)
            app_end(a, EX_OSERR, "out of memory");
        if (a->view.scroll > a->size.scroll_max && a->pager.is_open)
            a->view.scroll = a->size.scroll_max;
        r = task_sleep(DRAW_EVERY_MS);
        if (r < 0)
            return r;
    }
}

/* The terminal is opened anew to be waited for: that must not make what is written to it
 * non-blocking, as it would by the descriptor that was inherited. */
static int open_terminal(struct stream **ret) {
    const char *name = ttyname(STDIN_FILENO);
    int fd = name ? open(name, O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK) : -1;

    if (fd < 0)
        return -errno;
    int r = stream_from_fd(fd, ret);
    if (r < 0)
        (void) close(fd);
    return r;
}

static int read_keys(void *arg) {
    struct app *a = arg;
    struct stream *terminal = NULL;

    int r = open_terminal(&terminal);
    while (r == 0 && (r = stream_wait_readable(terminal)) == 0) {
        struct key key;
        bool has_any = false;
        while ((key = screen_key(a->screen)).kind != KEY_IS_NONE && !a->is_over.is_set) {
            has_any = true;
            app_key(a, key);
        }
        if (!has_any) /* at its end */
            r = task_sleep(DRAW_EVERY_MS);
        if (r == 0 && !has_any && !isatty(STDIN_FILENO))
            r = -EPIPE;
    }
    stream_close(terminal);
    if (r != -ECANCELED)
        app_end(a, EX_IOERR, "the terminal is gone");
    return r;
}

static int take_signals(void *arg) {
    struct app *a = arg;
    struct signals *signals = NULL;
    sigset_t set;

    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGWINCH);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGHUP);
    (void) sigaddset(&set, SIGINT);
    int r = signals_open(&set, &signals);
    while (r == 0 && (r = signals_next(signals)) > 0) {
        if (r == SIGWINCH) {
            if (!a->is_away)
                screen_resize(a->screen);
            app_dirty(a);
        } else {
            app_end(a, EX_OK, "");
        }
        r = 0;
    }
    signals_close(signals);
    return r;
}

static int tick(void *arg) {
    struct app *a = arg;

    for (;;) {
        int r = task_sleep(TICK_MS);
        if (r < 0)
            return r;
        if (a->room && room_forget_typing(a->room, loop_now()))
            app_dirty(a);
        if (a->state == UPLINK_OFFLINE)
            say_state(a);
    }
}

/* ---- all of it ---- */

static int run(void *arg) {
    static const struct {
        const char *name;
        task_fn *fn;
    } tasks[] = { { "uplink", run_uplink },
                  { "draw", draw },
                  { "keys", read_keys },
                  { "signals", take_signals },
                  { "tick", tick } };
    struct app *a = arg;
    struct client_options client = { .url = &a->options->url,
                                     .tls = a->options->tls,
                                     .token = str_of(a->options->token) };
    a->typed_ms = loop_now(); /* who starts it looks at it */
    int r = uplink_open(
            &(struct uplink_options){
                    .client = &client, .arg = a, .on_state = on_state, .on_push = app_push },
            &a->uplink);
    if (r < 0)
        return r;
    {
        GROUP(group);
        for (size_t i = 0; i < ELEMENTS_OF(tasks) && r == 0; i++)
            r = group_spawn(&group, tasks[i].name, tasks[i].fn, a);
        if (r == 0)
            r = event_wait(&a->is_over);
    }
    uplink_close(a->uplink);
    return r;
}

static void app_finish(struct app *a) {
    editor_finish(&a->editor);
    buffer_finish(&a->pager.text);
    model_finish(&a->model);
}

struct start {
    struct app *app;
    struct cli_options *options;
};

static int with_tls(void *arg) {
    struct start *start = arg;
    int code = cli_open_tls(start->options);

    if (code != EX_OK) {
        app_end(start->app, code, "");
        return 0;
    }
    int r = run(start->app);
    start->options->tls = tls_free(start->options->tls);
    return r;
}

int chat_full_screen(struct cli_options *o) {
    struct app a = { .options = o, .exit_code = EX_OK };
    struct start start = { .app = &a, .options = o };

    int r = screen_open(&a.screen);
    if (r < 0) {
        cli_say(r == -ENOTTY ? "chat wants a terminal; see `parley chat send` for pipes"
                             : "out of memory");
        return EX_USAGE;
    }
    model_init(&a.model);
    event_init(&a.is_dirty);
    event_init(&a.is_over);
    a.view = (struct view){ .model = &a.model, .editor = &a.editor, .pager = &a.pager };
    r = loop_run(&(struct loop_options){ .name = "chat", .stack_bytes = STACK_BYTES }, with_tls,
                 &start);
    a.screen = screen_close(a.screen);
    if (r < 0 && a.why[0] == '\0')
        app_end(&a, EX_OSERR, strerror(-r));
    app_finish(&a);
    if (a.why[0])
        cli_say("%s", a.why);
    return a.exit_code;
}
