#include "clients/cli/chat/editor.h"

#include <stdlib.h>
#include <wctype.h>

#include "async/base.h"
#include "clients/cli/chat/text.h"

void editor_finish(struct editor *e) {
    for (size_t i = 0; i < e->history_n; i++)
        free(e->history[i]);
    free(e->text);
    free(e->cut);
    *e = (struct editor){ 0 };
}

static bool make_room(struct editor *e) {
    if (e->n < e->cap)
        return true;
    size_t cap = e->cap ? e->cap * 2 : 256;
    wchar_t *text = e->n < EDITOR_MAX ? realloc(e->text, cap * sizeof *text) : NULL;
    if (!text)
        return false;
    e->text = text;
    e->cap = cap;
    return true;
}

bool editor_insert(struct editor *e, wchar_t c) {
    if (!make_room(e))
        return false;
    wmemmove(&e->text[e->cursor + 1], &e->text[e->cursor], e->n - e->cursor);
    e->text[e->cursor++] = c;
    e->n++;
    return true;
}

static bool insert_text(struct editor *e, struct str s) {
    size_t len;
    wchar_t c;

    while ((len = text_next(s, &c)) > 0) {
        if (!editor_insert(e, c))
            return false;
        s = (struct str){ s.data + len, s.len - len };
    }
    return true;
}

void editor_clear(struct editor *e) {
    e->n = e->cursor = 0;
    e->history_at = e->history_n;
}

static bool show(struct editor *e, const char *text) {
    e->n = e->cursor = 0;
    return insert_text(e, str_of(text));
}

bool editor_set(struct editor *e, const char *text) {
    e->history_at = e->history_n;
    return show(e, text);
}

int editor_text(const struct editor *e, struct buffer *out) {
    for (size_t i = 0; i < e->n; i++)
        text_append(out, e->text[i]);
    return buffer_error(out);
}

/* ---- moving ---- */

static size_t target(const struct editor *e, enum editor_move move) {
    size_t at = e->cursor;

    switch (move) {
    case EDITOR_LEFT:
        while (at > 0 && char_width(e->text[--at]) == 0) { /* with what combines with it */
        }
        return at;
    case EDITOR_RIGHT:
        at += at < e->n;
        while (at < e->n && char_width(e->text[at]) == 0 && e->text[at] != L'\n')
            at++;
        return at;
    case EDITOR_WORD_LEFT:
        while (at > 0 && iswspace((wint_t) e->text[at - 1]))
            at--;
        while (at > 0 && !iswspace((wint_t) e->text[at - 1]))
            at--;
        return at;
    case EDITOR_WORD_RIGHT:
        while (at < e->n && iswspace((wint_t) e->text[at]))
            at++;
        while (at < e->n && !iswspace((wint_t) e->text[at]))
            at++;
        return at;
    case EDITOR_HOME:
        return 0;
    case EDITOR_END:
    default:
        return e->n;
    }
}

void editor_move(struct editor *e, enum editor_move move) {
    e->cursor = target(e, move);
}

static void erase(struct editor *e, size_t from, size_t to) {
    wmemmove(&e->text[from], &e->text[to], e->n - to);
    e->n -= to - from;
    e->cursor = from;
}

void editor_erase(struct editor *e, enum editor_move to) {
    size_t there = target(e, to);
    if (e->n)
        erase(e, there < e->cursor ? there : e->cursor, there < e->cursor ? e->cursor : there);
}

void editor_cut(struct editor *e, enum editor_move to) {
    size_t there = target(e, to);
    size_t from = there < e->cursor ? there : e->cursor;
    size_t n = (there < e->cursor ? e->cursor : there) - from;
    wchar_t *cut = n ? malloc(n * sizeof *cut) : NULL;

    if (!cut)
        return;
    wmemcpy(cut, &e->text[from], n);
    free(e->cut);
    e->cut = cut;
    e->cut_n = n;
    erase(e, from, from + n);
}

void editor_yank(struct editor *e) {
    for (size_t i = 0; i < e->cut_n; i++)
        if (!editor_insert(e, e->cut[i]))
            return;
}

bool editor_replace(struct editor *e, size_t from, const char *text) {
    if (e->n)
        erase(e, from, e->cursor);
    return insert_text(e, str_of(text));
}

/* ---- the lines before ---- */

void editor_remember(struct editor *e, const char *line) {
    char *copy = *line ? strdup(line) : NULL;

    if (copy && e->history_n == EDITOR_HISTORY_MAX) {
        free(e->history[0]);
        e->history_n--;
        memmove(&e->history[0], &e->history[1], e->history_n * sizeof e->history[0]);
    }
    if (copy)
        e->history[e->history_n++] = copy;
    e->history_at = e->history_n;
}

/* What was being typed is kept by being remembered. */
void editor_older(struct editor *e) {
    if (e->history_at == 0)
        return;
    size_t to = e->history_at - 1;
    if (e->history_at == e->history_n && e->n) {
        CLEANUP(buffer_finish) struct buffer now = BUFFER_INIT;
        if (editor_text(e, &now) < 0)
            return;
        buffer_append_byte(&now, 0);
        if (buffer_error(&now) < 0)
            return;
        editor_remember(e, (char *) now.data);
        to = e->history_n >= 2 ? e->history_n - 2 : 0;
    }
    e->history_at = to;
    (void) show(e, e->history[to]);
}

void editor_newer(struct editor *e) {
    if (e->history_at >= e->history_n)
        return;
    e->history_at++;
    (void) show(e, e->history_at < e->history_n ? e->history[e->history_at] : "");
}
