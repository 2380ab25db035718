/* What keys do. */
#include <errno.h>

#include "async/loop.h"
#include "clients/cli/chat/app.h"

static void show_nth(struct app *a, size_t n) {
    if (n < a->model.n_rooms)
        app_show(a, a->model.rooms[n]);
}

static void show_next(struct app *a, bool is_forward) {
    const struct model *m = &a->model;

    for (size_t i = 0; i < m->n_rooms; i++) {
        if (m->rooms[i] != a->room)
            continue;
        app_show(a, m->rooms[(i + (is_forward ? 1 : m->n_rooms - 1)) % m->n_rooms]);
        return;
    }
    show_nth(a, 0);
}

static void show_active(struct app *a) {
    struct room *r = model_next_active(&a->model, a->room);
    if (r)
        app_show(a, r);
    else
        app_notice(a, "nothing is unread");
}

static void enter(struct app *a) {
    CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;

    if (a->editor.n == 0 || editor_text(&a->editor, &line) < 0)
        return;
    buffer_append_byte(&line, 0);
    if (buffer_error(&line) < 0)
        return;
    const char *text = (const char *) line.data;
    editor_remember(&a->editor, text);
    editor_clear(&a->editor);
    /* Two slashes begin a message with one. */
    if (text[0] == '/' && text[1] != '/')
        app_command(a, str_of(text));
    else
        app_send(a, str_of(text[0] == '/' ? text + 1 : text));
}

static void control(struct app *a, wchar_t letter) {
    struct editor *e = &a->editor;

    switch (letter) {
    case L'A':
        editor_move(e, EDITOR_HOME);
        return;
    case L'E':
        editor_move(e, EDITOR_END);
        return;
    case L'B':
        editor_move(e, EDITOR_LEFT);
        return;
    case L'F':
        editor_move(e, EDITOR_RIGHT);
        return;
    case L'K':
        editor_cut(e, EDITOR_END);
        return;
    case L'U':
        editor_cut(e, EDITOR_HOME);
        return;
    case L'W':
        editor_cut(e, EDITOR_WORD_LEFT);
        return;
    case L'Y':
        editor_yank(e);
        return;
    case L'L':
        screen_redraw(a->screen);
        return;
    case L'N':
        show_next(a, true);
        return;
    case L'P':
        show_next(a, false);
        return;
    case L'C':
        if (e->n)
            editor_clear(e);
        else
            app_notice(a, "Ctrl-D or /quit ends this");
        return;
    case L'D':
        if (e->n)
            editor_erase(e, EDITOR_RIGHT);
        else
            app_end(a, EX_OK, "");
        return;
    case L'X':
        app_edit_elsewhere(a);
        return;
    default:
        return;
    }
}

static void alt(struct app *a, wchar_t c) {
    if (c >= L'1' && c <= L'9')
        show_nth(a, (size_t) (c - L'1'));
    else if (c == L'a' || c == L'A')
        show_active(a);
    else if (c == L'b')
        editor_move(&a->editor, EDITOR_WORD_LEFT);
    else if (c == L'f')
        editor_move(&a->editor, EDITOR_WORD_RIGHT);
    else if (c == L'd')
        editor_cut(&a->editor, EDITOR_WORD_RIGHT);
    else if (c == L'e')
        app_edit_elsewhere(a);
}

static void escape(struct app *a) {
    if (a->pager.is_open) {
        a->pager.is_open = false;
        a->view.scroll = 0;
    } else if (a->reply_to) {
        a->reply_to = 0;
        app_notice(a, "no reply");
    } else {
        a->view.scroll = 0;
        if (a->room)
            a->room->line_seq = UINT64_MAX;
    }
    app_mark_read(a);
}

static void named(struct app *a, const struct key *key) {
    struct editor *e = &a->editor;

    switch (key->name) {
    case NAMED_ENTER:
        if (key->is_alt)
            (void) editor_insert(e, L'\n');
        else
            enter(a);
        return;
    case NAMED_TAB:
        app_complete(a);
        return;
    case NAMED_ESCAPE:
        escape(a);
        return;
    case NAMED_BACKSPACE:
        if (key->is_alt)
            editor_cut(e, EDITOR_WORD_LEFT);
        else
            editor_erase(e, EDITOR_LEFT);
        return;
    case NAMED_DELETE:
        editor_erase(e, EDITOR_RIGHT);
        return;
    case NAMED_LEFT:
        if (key->is_alt)
            show_next(a, false);
        else
            editor_move(e, EDITOR_LEFT);
        return;
    case NAMED_RIGHT:
        if (key->is_alt)
            show_next(a, true);
        else
            editor_move(e, EDITOR_RIGHT);
        return;
    case NAMED_UP:
        if (key->is_alt)
            show_next(a, false);
        else
            editor_older(e);
        return;
    case NAMED_DOWN:
        if (key->is_alt)
            show_next(a, true);
        else
            editor_newer(e);
        return;
    case NAMED_HOME:
        editor_move(e, EDITOR_HOME);
        return;
    case NAMED_END:
        if (e->n == 0 || e->cursor == e->n) {
            a->view.scroll = 0;
            app_mark_read(a);
        }
        editor_move(e, EDITOR_END);
        return;
    case NAMED_PAGE_UP:
        app_scroll(a, true);
        return;
    case NAMED_PAGE_DOWN:
        app_scroll(a, false);
        return;
    default:
        return;
    }
}

void app_key(struct app *a, struct key key) {
    a->typed_ms = loop_now();
    a->view.notice[0] = '\0';
    if (key.kind != KEY_IS_NAMED || key.name != NAMED_TAB)
        a->completion.is_on = false;
    switch (key.kind) {
    case KEY_IS_CHARACTER:
        if (!editor_insert(&a->editor, key.c)) {
            if (key.is_pasted) /* once is enough for all that there is no room for */
                app_notice(a, "that is longer than a message may be: its end is missing");
            else
                screen_bell(a->screen);
        } else if (a->editor.text[0] != L'/')
            app_typing(a);
        break;
    case KEY_IS_CONTROL:
        control(a, key.c);
        break;
    case KEY_IS_ALT:
        alt(a, key.c);
        break;
    case KEY_IS_NAMED:
        named(a, &key);
        break;
    case KEY_IS_RESIZE: /* it has been: screen_resize() */
    case KEY_IS_UNKNOWN:
    case KEY_IS_NONE:
    default:
        break;
    }
    app_mark_read(a);
    app_dirty(a);
}
