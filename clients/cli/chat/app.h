/* The full-screen client from inside: what its files share. For clients/cli/chat/ only. */
#pragma once

#include "async/event.h"
#include "clients/cli/chat/screen.h"
#include "clients/cli/chat/search.h"
#include "clients/cli/chat/uplink.h"
#include "clients/cli/cli.h"

enum { APP_PAGE = 100, APP_WHY_MAX = 256 };

struct app {
    const struct cli_options *options;
    struct model model;
    struct uplink *uplink;
    struct screen *screen;
    struct screen_size size;
    struct editor editor;
    struct pager pager;
    struct search search;
    struct view view;
    struct room *room; /* that is shown; NULL: none yet */
    uint64_t reply_to; /* seq that the next message answers; 0: none */
    struct event is_dirty, is_over;
    bool is_away; /* another program has the terminal */
    enum uplink_state state;
    int64_t retry_at_ms;
    int64_t typed_ms;       /* when a key came last */
    int64_t typing_said_ms; /* when the room was told of it */
    bool asks_history;
    struct {
        size_t from; /* of the word in the line */
        size_t n;    /* of which possibility is next */
        char word[64];
        bool is_on;
    } completion;
    int exit_code;
    char why[APP_WHY_MAX]; /* of the end; empty: it was wanted */
};

void app_dirty(struct app *a); /* draws soon */
__attribute__((format(printf, 2, 3))) void app_notice(struct app *a, const char *format, ...);
void app_end(struct app *a, int exit_code, const char *why);

/* ---- asking (ask.c) ---- */

/* What an answer is of; freed behind the callback. */
struct pending {
    struct app *app;
    void (*done)(struct app *a, const struct pending *p, const struct chat_object *answer);
    char room[65];
    char client_id[MODEL_CLIENT_ID_LEN + 1];
    struct chat_pending_error {
        uint32_t code; /* 0: the connection went */
        bool is_temporary;
        char text[APP_WHY_MAX]; /* for people */
    } error;                    /* if answer is NULL */
};

/* An object of arguments that is being written. */
struct arguments {
    struct buffer json;
};

void arguments_begin(struct arguments *g);
void arguments_text(struct arguments *g, const char *name, struct str value);
void arguments_number(struct arguments *g, const char *name, uint64_t value);
void arguments_room(struct arguments *g, const struct room *r);

/* Sends; the arguments are finished whatever happens. What goes wrong at once is a notice, and
 * false; then done is not called. done NULL: errors become notices, answers are ignored. */
bool app_ask(struct app *a, const char *method, struct arguments *g, const struct room *r,
             const char *client_id,
             void (*done)(struct app *a, const struct pending *p,
                          const struct chat_object *answer));

/* "slow_mode;retry_ms=4200" for people. */
void app_explain(struct str message, uint32_t code, char *ret, size_t cap);

/* ---- rooms (rooms.c) ---- */

void app_online(struct app *a);
void app_push(void *app, const struct push *push);
void app_show(struct app *a, struct room *r); /* it becomes the one that is shown */
void app_scroll(struct app *a, bool up);
void app_mark_read(struct app *a); /* if somebody looks at it */
void app_send(struct app *a, struct str text);
void app_retry(struct app *a);
void app_typing(struct app *a);

/* ---- what is typed ---- */

SUSPENDS void app_key(struct app *a, struct key key);      /* keys.c */
SUSPENDS void app_command(struct app *a, struct str line); /* commands.c; begins with a slash */
void app_search(struct app *a, struct str words);          /* find.c; empty: further */
void app_complete(struct app *a);                          /* complete.c */
const char *app_command_name(size_t i);                    /* NULL: there is none */
SUSPENDS void app_edit_elsewhere(struct app *a);           /* by $EDITOR; external.c */
void pager_begin(struct pager *p, const char *title);
void pager_show(struct app *a); /* what was put into its text */
