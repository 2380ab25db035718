/*
 * What is on the screen: a room's timeline in lines, made of the model. Pure but for the locale's
 * widths and the time zone.
 */
#pragma once

#include "clients/cli/chat/editor.h"
#include "clients/cli/chat/model.h"
#include "clients/cli/chat/text.h"

enum { VIEW_STATE_MAX = 160, VIEW_NOTICE_MAX = 256, VIEW_NICK_COLUMNS = 12 };

/* Lines of the program's own (help, hits, lists) in the timeline's place. */
struct pager {
    char title[VIEW_STATE_MAX];
    struct buffer text; /* NUL-terminated when it is shown */
    bool is_open;
};

struct view {
    const struct model *model;
    const struct room *room; /* NULL: none */
    const struct editor *editor;
    const struct pager *pager;
    size_t scroll;                /* lines from the bottom */
    char state[VIEW_STATE_MAX];   /* of the connection; empty: all is well */
    char notice[VIEW_NOTICE_MAX]; /* of the last command; empty: none */
};

enum line_kind {
    LINE_TEXT,
    LINE_DAY,  /* text: the date */
    LINE_READ, /* what follows is new */
    LINE_NOTE, /* a quote, reactions, files, or a state */
};

struct line {
    enum line_kind kind;
    const struct message *message; /* NULL: of a day, or of a pager */
    bool is_first;                 /* of its message: time stands before it */
    bool has_nick;                 /* and who it is of */
    const wchar_t *text;
    size_t n;
};

struct lines {
    struct line *items; /* all in the arena */
    size_t n;
    bool has_beginning; /* the timeline's first message is among them */
};

/*
 * The last lines of what is to be shown, oldest first: at least `wanted` of them if there are so
 * many. columns: of the text. scratch: TEXT_LINE_MAX + 1 characters. 0, -ENOMEM.
 */
MUST_CHECK int view_lines(const struct view *v, unsigned columns, size_t wanted, wchar_t *scratch,
                          struct arena *a, struct lines *ret);

/* Rooms with something unread, those that want it most first: "3:anna(2!) 1:general(7)". */
MUST_CHECK int view_hotlist(const struct view *v, struct buffer *out);

/* "anna types", "anna and ben type"; empty if nobody does. */
MUST_CHECK int view_typing(const struct view *v, struct buffer *out);
