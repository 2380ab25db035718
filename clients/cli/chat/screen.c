#include "clients/cli/chat/screen.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "async/base.h"

enum {
    SIDE_COLUMNS = 22,
    SIDE_FROM_COLUMNS = 72, /* narrower: no list of rooms */
    TIME_COLUMNS = 6,
    NICK_FROM_COLUMNS = 60, /* narrower: nicks are cut earlier */
    NICK_COLUMNS_FEW = 6,
    ESCAPE_MS = 25, /* so long after an escape a key counts as one with Alt */
    PAIR_BAR = 1,
    PAIR_DIM,
    PAIR_ALERT,
    PAIR_LINE,
    PAIR_NICKS,
    NICKS = 12,
    NICKS_FEW = 6,
    KEY_PASTE_BEGINS = KEY_MAX + 1, /* of our own, with ncurses */
    KEY_PASTE_ENDS,
};

struct screen {
    SCREEN *terminal;
    unsigned nicks; /* colours for them; 0: none */
    bool has_colours;
    bool is_pasting;
    wchar_t scratch[TEXT_LINE_MAX + 1];
};

/* Of the 256 colours: readable on dark and on light. */
static const short nick_colours[NICKS] = { 33, 37, 71, 98, 130, 132, 136, 166, 168, 172, 31, 64 };

static void choose_colours(struct screen *s) {
    if (!has_colors() || start_color() == ERR || use_default_colors() == ERR)
        return;
    s->has_colours = true;
    bool has_many = COLORS >= 256 && COLOR_PAIRS > PAIR_NICKS + NICKS;
    s->nicks = has_many ? NICKS : NICKS_FEW;
    (void) init_pair(PAIR_BAR, COLOR_WHITE, COLOR_BLUE);
    (void) init_pair(PAIR_DIM, has_many ? 245 : COLOR_CYAN, -1);
    (void) init_pair(PAIR_ALERT, COLOR_RED, -1);
    (void) init_pair(PAIR_LINE, COLOR_MAGENTA, -1);
    for (unsigned i = 0; i < s->nicks; i++)
        (void) init_pair((short) (PAIR_NICKS + i), has_many ? nick_colours[i] : (short) (i + 1),
                         -1);
}

/* What is pasted comes between two marks (xterm's "bracketed paste"): without them each of its
 * lines would be sent, and those that begin with a slash be obeyed. */
static void ask_for_pastes(struct screen *s, bool is_wanted) {
    s->is_pasting = false;
    (void) putp(is_wanted ? "\033[?2004h" : "\033[?2004l");
    (void) fflush(stdout);
}

int screen_open(struct screen **ret) {
    struct screen *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    (void) setlocale(LC_ALL, "");
    if (MB_CUR_MAX < 4)
        (void) setlocale(LC_CTYPE, "C.UTF-8");
    s->terminal =
            isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? newterm(NULL, stdout, stdin) : NULL;
    if (!s->terminal) {
        free(s);
        return -ENOTTY;
    }
    (void) raw();
    (void) noecho();
    (void) nonl();
    (void) keypad(stdscr, TRUE);
    (void) nodelay(stdscr, TRUE);
    (void) set_escdelay(ESCAPE_MS);
    (void) define_key("\033[200~", KEY_PASTE_BEGINS);
    (void) define_key("\033[201~", KEY_PASTE_ENDS);
    ask_for_pastes(s, true);
    choose_colours(s);
    *ret = s;
    return 0;
}

struct screen *screen_close(struct screen *s) {
    if (!s)
        return NULL;
    ask_for_pastes(s, false);
    (void) endwin();
    delscreen(s->terminal);
    free(s);
    return NULL;
}

void screen_leave(struct screen *s) {
    ask_for_pastes(s, false);
    (void) def_prog_mode();
    (void) endwin();
}

void screen_return(struct screen *s) {
    (void) reset_prog_mode();
    ask_for_pastes(s, true);
    (void) clearok(stdscr, TRUE);
    (void) refresh();
}

void screen_redraw(struct screen *s) {
    (void) clearok(stdscr, TRUE);
}

void screen_resize(struct screen *s) {
    struct winsize size;

    /* Each call of resizeterm() brings a key, even one that changes nothing. */
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col &&
        is_term_resized(size.ws_row, size.ws_col))
        (void) resizeterm(size.ws_row, size.ws_col);
    (void) clearok(stdscr, TRUE);
}

void screen_bell(struct screen *s) {
    (void) beep();
}

/* ---- keys ---- */

static struct key named(enum key_name name) {
    return (struct key){ .kind = KEY_IS_NAMED, .name = name };
}

static struct key function_key(wint_t code) {
    switch (code) {
    case KEY_ENTER:
        return named(NAMED_ENTER);
    case KEY_BACKSPACE:
        return named(NAMED_BACKSPACE);
    case KEY_DC:
        return named(NAMED_DELETE);
    case KEY_LEFT:
        return named(NAMED_LEFT);
    case KEY_RIGHT:
        return named(NAMED_RIGHT);
    case KEY_UP:
        return named(NAMED_UP);
    case KEY_DOWN:
        return named(NAMED_DOWN);
    case KEY_HOME:
        return named(NAMED_HOME);
    case KEY_END:
        return named(NAMED_END);
    case KEY_PPAGE:
        return named(NAMED_PAGE_UP);
    case KEY_NPAGE:
        return named(NAMED_PAGE_DOWN);
    case KEY_RESIZE:
        return (struct key){ .kind = KEY_IS_RESIZE };
    default:
        return (struct key){ .kind = KEY_IS_UNKNOWN };
    }
}

static struct key character_key(wint_t c) {
    switch (c) {
    case '\r':
    case '\n':
        return named(NAMED_ENTER);
    case '\t':
        return named(NAMED_TAB);
    case 0x7f:
    case '\b':
        return named(NAMED_BACKSPACE);
    case 0x1b:
        return named(NAMED_ESCAPE);
    default:
        if (c < ' ')
            return (struct key){ .kind = KEY_IS_CONTROL, .c = (wchar_t) (c + '@') };
        return (struct key){ .kind = KEY_IS_CHARACTER, .c = (wchar_t) c };
    }
}

/* Text is all that a paste has: nothing in it is a key. */
static struct key pasted_key(wint_t c) {
    c = c == '\r' ? '\n' : c;
    bool is_text = c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f);
    return (struct key){ .kind = is_text ? KEY_IS_CHARACTER : KEY_IS_UNKNOWN,
                         .is_pasted = true,
                         .c = (wchar_t) c };
}

static struct key next_key(struct screen *s) {
    wint_t c;
    int kind = get_wch(&c);

    if (kind == ERR)
        return (struct key){ .kind = KEY_IS_NONE };
    if (kind == KEY_CODE_YES && (c == KEY_PASTE_BEGINS || c == KEY_PASTE_ENDS)) {
        s->is_pasting = c == KEY_PASTE_BEGINS;
        return (struct key){ .kind = KEY_IS_UNKNOWN };
    }
    if (s->is_pasting && (kind != KEY_CODE_YES || c != KEY_RESIZE))
        return kind == KEY_CODE_YES ? (struct key){ .kind = KEY_IS_UNKNOWN } : pasted_key(c);
    return kind == KEY_CODE_YES ? function_key(c) : character_key(c);
}

struct key screen_key(struct screen *s) {
    struct key key = next_key(s);

    if (key.kind != KEY_IS_NAMED || key.name != NAMED_ESCAPE)
        return key;
    struct key behind = next_key(s);
    if (behind.kind == KEY_IS_NONE)
        return key;
    if (behind.kind == KEY_IS_CHARACTER)
        behind.kind = KEY_IS_ALT;
    behind.is_alt = true;
    return behind;
}

/* ---- drawing ---- */

static attr_t dim(const struct screen *s) {
    return s->has_colours ? (attr_t) COLOR_PAIR(PAIR_DIM) : A_DIM;
}

static attr_t bar(const struct screen *s) {
    return s->has_colours ? (attr_t) COLOR_PAIR(PAIR_BAR) : A_REVERSE;
}

static attr_t alert(const struct screen *s) {
    return A_BOLD | (s->has_colours ? (attr_t) COLOR_PAIR(PAIR_ALERT) : 0);
}

static attr_t nick_attribute(const struct screen *s, const char *user) {
    unsigned hash = 5381;

    if (s->nicks == 0)
        return A_BOLD;
    for (; *user; user++)
        hash = hash * 33 + (unsigned char) *user;
    return (attr_t) COLOR_PAIR(PAIR_NICKS + (int) (hash % s->nicks)) | A_BOLD;
}

/* From (row, column), at most so many columns. Returns how many it took. */
static unsigned put(struct screen *s, unsigned row, unsigned column, unsigned columns,
                    const char *text, attr_t attributes) {
    size_t n = text_cut(str_of(text), columns, s->scratch);

    (void) attrset(attributes);
    (void) mvaddnwstr((int) row, (int) column, s->scratch, (int) n);
    (void) attrset(A_NORMAL);
    return text_width(s->scratch, n);
}

static void fill(unsigned row, unsigned column, unsigned columns, const wchar_t *with,
                 attr_t attributes) {
    (void) attrset(attributes);
    for (unsigned i = 0; i < columns; i++)
        (void) mvaddnwstr((int) row, (int) (column + i), with, 1);
    (void) attrset(A_NORMAL);
}

struct frame {
    unsigned rows, columns; /* of the terminal */
    unsigned side;          /* columns of the list of rooms, its border included */
    unsigned top, timeline; /* rows of the timeline: where it begins, how many */
    unsigned nick;          /* columns of one; 0: there are none */
    unsigned text, text_columns;
};

static struct frame frame_of(const struct view *v) {
    struct frame f = { .rows = (unsigned) LINES, .columns = (unsigned) COLS, .top = 1 };

    f.side = f.columns >= SIDE_FROM_COLUMNS ? SIDE_COLUMNS : 0;
    f.timeline = f.rows > 3 ? f.rows - 3 : 1;
    f.nick = f.columns >= NICK_FROM_COLUMNS ? VIEW_NICK_COLUMNS : NICK_COLUMNS_FEW;
    f.text = f.side + (v->pager->is_open ? 1 : TIME_COLUMNS + f.nick + 3);
    f.text_columns = f.columns > f.text + 1 ? f.columns - f.text : 1;
    return f;
}

static void draw_room(struct screen *s, const struct view *v, unsigned row, size_t i) {
    const struct room *r = v->model->rooms[i];
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
    attr_t how = r->mentions || (r->peer && r->unread) ? alert(s)
                 : r->unread && !r->is_muted           ? A_BOLD
                                                       : A_NORMAL;

    buffer_printf(&text, "%2zu %s%s", i + 1, r->peer ? "" : "#", model_room_label(v->model, r));
    buffer_append_byte(&text, 0);
    if (buffer_error(&text) < 0)
        return;
    if (r == v->room) {
        how |= A_REVERSE;
        fill(row, 0, SIDE_COLUMNS - 1, L" ", how);
    }
    char count[8] = "";
    if (r->unread)
        (void) snprintf(count, sizeof count, " %u%s", r->unread > 99 ? 99 : r->unread,
                        r->unread > 99 ? "+" : "");
    unsigned width = (unsigned) strlen(count);
    (void) put(s, row, 0, SIDE_COLUMNS - 1 - width, (char *) text.data, how);
    (void) put(s, row, SIDE_COLUMNS - 1 - width, width, count, how);
}

/* As many rooms as there is place for, the one that is shown among them. */
static void draw_side(struct screen *s, const struct view *v, const struct frame *f) {
    size_t first = 0;

    for (size_t i = 0; i < v->model->n_rooms; i++)
        if (v->model->rooms[i] == v->room && i >= f->timeline)
            first = i + 1 - f->timeline;
    for (unsigned row = 0; row < f->timeline; row++) {
        if (first + row < v->model->n_rooms)
            draw_room(s, v, f->top + row, first + row);
        (void) put(s, f->top + row, f->side - 1, 1, "│", dim(s));
    }
}

static void draw_before(struct screen *s, const struct view *v, const struct frame *f, unsigned row,
                        const struct line *line) {
    char time[8] = "";
    time_t at = (time_t) (line->message->at_ms / 1000);
    struct tm tm;

    if (line->is_first && localtime_r(&at, &tm))
        (void) strftime(time, sizeof time, "%H:%M", &tm);
    (void) put(s, row, f->side, TIME_COLUMNS, time, dim(s));
    if (line->has_nick) {
        const char *nick = model_user_label(v->model, line->message->user);
        unsigned width = text_width(s->scratch, text_cut(str_of(nick), f->nick, s->scratch));
        (void) put(s, row, f->side + TIME_COLUMNS + f->nick - width, f->nick, nick,
                   nick_attribute(s, line->message->user));
    }
    (void) put(s, row, f->text - 2, 1, "│", dim(s));
}

static void draw_line(struct screen *s, const struct view *v, const struct frame *f, unsigned row,
                      const struct line *line) {
    if (line->kind == LINE_READ || line->kind == LINE_DAY) {
        attr_t how =
                line->kind == LINE_READ && s->has_colours ? (attr_t) COLOR_PAIR(PAIR_LINE) : dim(s);
        fill(row, f->side, f->columns - f->side, L"─", how);
        if (line->kind == LINE_READ)
            (void) put(s, row, f->text, 5, " new ", how);
        (void) attrset(how);
        if (line->kind == LINE_DAY) {
            (void) mvaddnwstr((int) row, (int) f->text, L" ", 1);
            (void) addnwstr(line->text, (int) line->n);
            (void) addnwstr(L" ", 1);
        }
        (void) attrset(A_NORMAL);
        return;
    }
    attr_t how = A_NORMAL;
    if (line->message) {
        draw_before(s, v, f, row, line);
        how = line->message->state == MESSAGE_FAILED ? alert(s)
              : line->kind == LINE_NOTE              ? dim(s)
                                                     : A_NORMAL;
    }
    (void) attrset(how);
    (void) mvaddnwstr((int) row, (int) f->text, line->text, (int) line->n);
    (void) attrset(A_NORMAL);
}

static int draw_timeline(struct screen *s, const struct view *v, const struct frame *f,
                         struct screen_size *ret) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct lines lines;

    int r = view_lines(v, f->text_columns, f->timeline + v->scroll, s->scratch, &arena, &lines);
    if (r < 0)
        return r;
    size_t scroll_max = lines.n > f->timeline ? lines.n - f->timeline : 0;
    size_t scroll = v->scroll < scroll_max ? v->scroll : scroll_max;
    size_t end = lines.n - scroll;
    size_t from = end > f->timeline ? end - f->timeline : 0;
    /* Little stands at the bottom, as what is new does; pages begin at the top. */
    unsigned row = f->top + (v->pager->is_open ? 0 : f->timeline - (unsigned) (end - from));
    for (size_t i = from; i < end; i++)
        draw_line(s, v, f, row++, &lines.items[i]);
    *ret = (struct screen_size){ .rows = f->timeline,
                                 .is_at_top = lines.has_beginning && from == 0,
                                 .columns = f->text_columns,
                                 .scroll_max = scroll_max };
    return 0;
}

static void draw_top(struct screen *s, const struct view *v, const struct frame *f) {
    fill(0, 0, f->columns, L" ", bar(s));
    if (v->pager->is_open) {
        (void) put(s, 0, 1, f->columns - 1, v->pager->title, bar(s) | A_BOLD);
        return;
    }
    if (!v->room)
        return;
    unsigned used =
            put(s, 0, 1, f->columns - 1, model_room_label(v->model, v->room), bar(s) | A_BOLD);
    if (v->room->topic[0] && used + 6 < f->columns)
        (void) put(s, 0, used + 3, f->columns - used - 4, v->room->topic, bar(s));
}

static int draw_status(struct screen *s, const struct view *v, const struct frame *f) {
    CLEANUP(buffer_finish) struct buffer hot = BUFFER_INIT, typing = BUFFER_INIT;
    unsigned row = f->rows - 2, at = 1;

    fill(row, 0, f->columns, L" ", bar(s));
    int r = view_hotlist(v, &hot);
    if (r == 0)
        r = view_typing(v, &typing);
    buffer_append_byte(&hot, 0);
    buffer_append_byte(&typing, 0);
    if (r < 0 || buffer_error(&hot) < 0 || buffer_error(&typing) < 0)
        return -ENOMEM;
    const char *const parts[] = { v->notice, v->state, (char *) typing.data,
                                  v->scroll ? "-- more below, End --" : "", (char *) hot.data };
    for (size_t i = 0; i < ELEMENTS_OF(parts); i++)
        if (*parts[i] && at + 1 < f->columns)
            at += put(s, row, at, f->columns - at, parts[i], bar(s) | (i < 2 ? A_BOLD : A_NORMAL)) +
                  2;
    return 0;
}

static wchar_t shown(wchar_t c) {
    return c == L'\n' ? L'↵' : c == L'\t' ? L'→' : c < L' ' || (c >= 0x7f && c < 0xa0) ? 0xfffd : c;
}

/* The typed line; where it is too long, so much of it that the cursor is seen. */
static void draw_input(struct screen *s, const struct view *v, const struct frame *f) {
    const struct editor *e = v->editor;
    unsigned row = f->rows - 1, column = 2, width = 0, cursor;
    size_t from = e->cursor;

    (void) put(s, row, 0, 2, "> ", dim(s));
    unsigned room = f->columns > 4 ? f->columns - 4 : 1;
    while (from > 0 && width + char_width(shown(e->text[from - 1])) < room)
        width += char_width(shown(e->text[--from]));
    cursor = column + width;
    for (size_t i = from; i < e->n && column < f->columns - 1; i++) {
        wchar_t c = shown(e->text[i]);
        (void) mvaddnwstr((int) row, (int) column, &c, 1);
        column += char_width(c);
    }
    (void) move((int) row, (int) cursor);
}

int screen_draw(struct screen *s, const struct view *v, struct screen_size *ret) {
    struct frame f = frame_of(v);

    (void) erase();
    int r = draw_timeline(s, v, &f, ret);
    if (r == 0 && f.side)
        draw_side(s, v, &f);
    draw_top(s, v, &f);
    if (r == 0)
        r = draw_status(s, v, &f);
    draw_input(s, v, &f);
    (void) refresh();
    return r;
}
