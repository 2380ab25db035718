/*
 * The line that is typed: its characters, the cursor, what was cut, and the lines before it.
 *
 * Pure. Line breaks may be in it (Alt-Enter).
 */
#pragma once

#include <wchar.h>

#include "protocol/buffer.h"

enum { EDITOR_MAX = 16384, EDITOR_HISTORY_MAX = 100 };

struct editor {
    wchar_t *text;
    size_t n, cap, cursor;
    wchar_t *cut; /* for editor_yank() */
    size_t cut_n;
    char *history[EDITOR_HISTORY_MAX]; /* oldest first */
    size_t history_n;
    size_t history_at; /* which one is shown; history_n: none */
};

void editor_finish(struct editor *e); /* frees; zeroed is an empty editor */

bool editor_insert(struct editor *e, wchar_t c);     /* false: it is full, or there is no memory */
bool editor_set(struct editor *e, const char *text); /* UTF-8; the cursor goes to its end */
void editor_clear(struct editor *e);
int editor_text(const struct editor *e, struct buffer *out); /* as UTF-8. 0, -ENOMEM */

enum editor_move {
    EDITOR_LEFT,
    EDITOR_RIGHT,
    EDITOR_WORD_LEFT,
    EDITOR_WORD_RIGHT,
    EDITOR_HOME,
    EDITOR_END,
};

void editor_move(struct editor *e, enum editor_move move);
void editor_erase(struct editor *e, enum editor_move to); /* from the cursor to there */
void editor_cut(struct editor *e, enum editor_move to);   /* the same, and remembered */
void editor_yank(struct editor *e);

/* The lines before; what is typed now comes back behind the newest. */
void editor_remember(struct editor *e, const char *line);
void editor_older(struct editor *e);
void editor_newer(struct editor *e);

/* Puts text in place of the characters from `from` to the cursor. */
bool editor_replace(struct editor *e, size_t from, const char *text);
