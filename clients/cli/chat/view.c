#include "clients/cli/chat/view.h"

#include <errno.h>
#include <time.h>

#include "async/base.h"

enum { GROUP_MS = 5 * 60 * 1000, DATE_MAX = 64, QUOTE_COLUMNS = 60, COUNT_MAX = 100 };

struct maker {
    const struct view *view;
    unsigned columns;
    wchar_t *scratch;
    struct arena *arena;
    struct arena_list lines;
};

static struct line *add_line(struct maker *k, enum line_kind kind, const struct message *m,
                             size_t n) {
    wchar_t *text = n ? arena_alloc(k->arena, n * sizeof *text) : NULL;
    struct line *line = n && !text ? NULL : arena_list_add(k->arena, &k->lines, sizeof *line);

    if (!line)
        return NULL;
    if (n)
        wmemcpy(text, k->scratch, n);
    *line = (struct line){ .kind = kind, .message = m, .text = text, .n = n };
    return line;
}

static int add_text(struct maker *k, enum line_kind kind, const struct message *m, struct str text,
                    bool has_nick) {
    struct wrap wrap = { .text = text, .columns = k->columns };
    bool is_first = kind == LINE_TEXT;
    int n;

    while ((n = wrap_next(&wrap, k->scratch)) >= 0) {
        struct line *line = add_line(k, kind, m, (size_t) n);
        if (!line)
            return -ENOMEM;
        line->is_first = is_first;
        line->has_nick = is_first && has_nick;
        is_first = false;
    }
    return 0;
}

static int add_note(struct maker *k, const struct message *m, const char *before,
                    const char *text) {
    CLEANUP(buffer_finish) struct buffer note = BUFFER_INIT;

    buffer_printf(&note, "%s%s", before, text);
    int r = buffer_error(&note);
    return r < 0 ? r
                 : add_text(k, LINE_NOTE, m, (struct str){ (char *) note.data, note.len }, false);
}

static int add_quote(struct maker *k, const struct message *m) {
    CLEANUP(buffer_finish) struct buffer quote = BUFFER_INIT;

    if (!m->reply_text)
        return 0;
    buffer_printf(&quote, "> %s: %s", model_user_label(k->view->model, m->reply_user),
                  m->reply_text);
    int r = buffer_error(&quote);
    if (r < 0)
        return r;
    unsigned columns = k->columns < QUOTE_COLUMNS ? k->columns : QUOTE_COLUMNS;
    size_t n = text_cut((struct str){ (char *) quote.data, quote.len }, columns, k->scratch);
    return add_line(k, LINE_NOTE, m, n) ? 0 : -ENOMEM;
}

static bool date_of(int64_t ms, struct tm *ret) {
    time_t s = (time_t) (ms / 1000);
    return localtime_r(&s, ret) != NULL;
}

static bool is_other_day(const struct message *a, const struct message *b) {
    struct tm one, other;
    return !a || !date_of(a->at_ms, &one) || !date_of(b->at_ms, &other) ||
           one.tm_yday != other.tm_yday || one.tm_year != other.tm_year;
}

static int add_day(struct maker *k, const struct message *m) {
    char date[DATE_MAX];
    struct tm tm;

    size_t len = date_of(m->at_ms, &tm) ? strftime(date, sizeof date, "%A, %-d %B %Y", &tm) : 0;
    size_t n = text_cut((struct str){ date, len }, k->columns, k->scratch);
    return add_line(k, LINE_DAY, NULL, n) ? 0 : -ENOMEM;
}

static int add_body(struct maker *k, const struct message *m, bool has_nick) {
    if (m->is_deleted) {
        int r = add_text(k, LINE_NOTE, m, STR("deleted"), false);
        if (r == 0) {
            struct line *lines = k->lines.items;
            lines[k->lines.n - 1].is_first = true;
            lines[k->lines.n - 1].has_nick = has_nick;
        }
        return r;
    }
    return add_text(k, LINE_TEXT, m, str_of(m->text), has_nick);
}

static int add_message(struct maker *k, const struct message *before, const struct message *m) {
    bool is_new_day = is_other_day(before, m);
    bool has_line = k->view->room->line_seq != UINT64_MAX &&
                    (!before || before->seq <= k->view->room->line_seq) &&
                    m->seq > k->view->room->line_seq;
    bool is_grouped = !is_new_day && !has_line && strcmp(before->user, m->user) == 0 &&
                      m->at_ms - before->at_ms < GROUP_MS && !m->reply_text;

    int r = is_new_day ? add_day(k, m) : 0;
    if (r == 0 && has_line)
        r = add_line(k, LINE_READ, NULL, 0) ? 0 : -ENOMEM;
    if (r == 0)
        r = add_quote(k, m);
    if (r == 0)
        r = add_body(k, m, !is_grouped);
    if (r == 0 && m->is_edited && !m->is_deleted)
        r = add_note(k, m, "", "(edited)");
    if (r == 0 && m->files)
        r = add_note(k, m, "file: ", m->files);
    if (r == 0 && m->reactions)
        r = add_note(k, m, "", m->reactions);
    if (r == 0 && m->state == MESSAGE_SENDING)
        r = add_note(k, m, "", "sending ...");
    if (r == 0 && m->state == MESSAGE_FAILED)
        r = add_note(k, m, "NOT SENT, /retry or /discard: ", m->why ? m->why : "");
    return r;
}

/* At least so many lines a message has. */
static size_t least_lines(const struct message *m, unsigned columns) {
    size_t bytes = strlen(m->text);
    return 1 + bytes / (columns * 4); /* of at most 4 bytes a column */
}

int view_lines(const struct view *v, unsigned columns, size_t wanted, wchar_t *scratch,
               struct arena *a, struct lines *ret) {
    struct maker k = { .view = v, .columns = columns, .scratch = scratch, .arena = a };
    const struct room *room = v->room;
    int r = 0;

    if (v->pager && v->pager->is_open) {
        r = add_text(&k, LINE_TEXT, NULL, str_of((const char *) v->pager->text.data), false);
        *ret = (struct lines){ k.lines.items, k.lines.n, false };
        return r;
    }
    size_t from = room ? room->n : 0, at_least = 0;
    while (from > 0 && at_least < wanted)
        at_least += least_lines(&room->messages[--from], columns);
    for (size_t i = from; room && i < room->n && r == 0; i++)
        r = add_message(&k, i > 0 ? &room->messages[i - 1] : NULL, &room->messages[i]);
    *ret = (struct lines){ k.lines.items, k.lines.n, from == 0 };
    return r;
}

/* ---- the status bar ---- */

int view_hotlist(const struct view *v, struct buffer *out) {
    const struct model *m = v->model;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < m->n_rooms; i++) {
            const struct room *r = m->rooms[i];
            bool is_urgent = r->mentions > 0 || (r->peer && r->unread > 0);
            if (r == v->room || (r->unread == 0 && r->mentions == 0) || is_urgent != (pass == 0) ||
                r->is_muted)
                continue;
            buffer_printf(out, "%s%zu:%s(%u%s%s)", out->len ? " " : "", i + 1,
                          model_room_label(m, r), r->unread < COUNT_MAX ? r->unread : 99,
                          r->unread < COUNT_MAX ? "" : "+", r->mentions ? "!" : "");
        }
    }
    return buffer_error(out);
}

int view_typing(const struct view *v, struct buffer *out) {
    unsigned n = 0;

    for (size_t i = 0; v->room && i < MODEL_TYPING_MAX; i++)
        if (v->room->typing[i].user)
            buffer_printf(out, "%s%s", n++ ? ", " : "",
                          model_user_label(v->model, v->room->typing[i].user));
    if (n)
        buffer_append_str(out, n == 1 ? STR(" types") : STR(" type"));
    return buffer_error(out);
}
