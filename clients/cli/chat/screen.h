/*
 * The terminal, by ncursesw: the one file that knows it. Never suspends; one screen in a process.
 */
#pragma once

#include "clients/cli/chat/view.h"

struct screen;

/* Takes the terminal over. -ENOTTY: there is none, or it can do too little; -ENOMEM. */
MUST_CHECK int screen_open(struct screen **ret);
struct screen *screen_close(struct screen *s); /* gives it back; takes NULL; returns NULL */

struct screen_size {
    unsigned rows;     /* of the timeline */
    unsigned columns;  /* of its texts */
    bool is_at_top;    /* the timeline's first line is on the screen */
    size_t scroll_max; /* a larger one shows nothing more */
};

MUST_CHECK int screen_draw(struct screen *s, const struct view *v, struct screen_size *ret);

enum key_kind {
    KEY_IS_NONE, /* nothing more has been typed */
    KEY_IS_CHARACTER,
    KEY_IS_CONTROL, /* c: the letter, 'A' to 'Z' */
    KEY_IS_ALT,     /* c: the character with it */
    KEY_IS_NAMED,   /* name */
    KEY_IS_RESIZE,
    KEY_IS_UNKNOWN,
};

enum key_name {
    NAMED_ENTER,
    NAMED_TAB,
    NAMED_ESCAPE,
    NAMED_BACKSPACE,
    NAMED_DELETE,
    NAMED_LEFT,
    NAMED_RIGHT,
    NAMED_UP,
    NAMED_DOWN,
    NAMED_HOME,
    NAMED_END,
    NAMED_PAGE_UP,
    NAMED_PAGE_DOWN,
};

struct key {
    enum key_kind kind;
    bool is_alt;    /* of KEY_IS_NAMED */
    bool is_pasted; /* not typed: a line break in it is one, and sends nothing */
    enum key_name name;
    wchar_t c;
};

struct key screen_key(struct screen *s);
void screen_resize(struct screen *s); /* the terminal has another size */
void screen_redraw(struct screen *s); /* whatever others have written over it */
void screen_bell(struct screen *s);

/* Around a program that uses the terminal. */
void screen_leave(struct screen *s);
void screen_return(struct screen *s);
