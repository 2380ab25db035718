/* Tab: what could be meant by the word before the cursor; again: the next of it. */
#include <stdio.h>
#include <strings.h>

#include "clients/cli/chat/app.h"

struct completing {
    const char *word; /* without its sign */
    size_t skip;      /* so many that fit are passed over */
};

static bool fits(struct completing *s, const char *candidate) {
    if (strncasecmp(candidate, s->word, strlen(s->word)) != 0)
        return false;
    return s->skip-- == 0;
}

static bool find_command(struct completing *s, struct buffer *out) {
    const char *name;

    for (size_t i = 0; (name = app_command_name(i)); i++)
        if (fits(s, name)) {
            buffer_printf(out, "/%s ", name);
            return true;
        }
    return false;
}

static bool find_user(struct completing *s, const struct model *m, const char *sign,
                      struct buffer *out) {
    for (size_t i = 0; i < m->n_users; i++)
        if (m->users[i].login[0] && fits(s, m->users[i].login)) {
            buffer_printf(out, "%s%s ", sign, m->users[i].login);
            return true;
        }
    return false;
}

static bool find_room(struct completing *s, const struct model *m, const char *sign,
                      struct buffer *out) {
    for (size_t i = 0; i < m->n_rooms; i++)
        if (!m->rooms[i]->peer && fits(s, model_room_label(m, m->rooms[i]))) {
            buffer_printf(out, "%s%s ", sign, model_room_label(m, m->rooms[i]));
            return true;
        }
    return false;
}

static bool find(const struct app *a, struct completing *s, struct buffer *out) {
    const char *word = a->completion.word;
    bool is_command = word[0] == '/' && a->completion.from == 0;
    bool has_sign = is_command || word[0] == '@' || word[0] == '#';

    s->word = word + has_sign;
    if (is_command)
        return find_command(s, out);
    if (word[0] == '@')
        return find_user(s, &a->model, "@", out);
    if (word[0] == '#')
        return find_room(s, &a->model, "#", out);
    return *s->word && (find_user(s, &a->model, a->completion.from == 0 ? "@" : "", out) ||
                        find_room(s, &a->model, "", out));
}

/* The word before the cursor, if it is short enough to be a name. */
static bool begin(struct app *a) {
    struct editor before = a->editor;
    CLEANUP(buffer_finish) struct buffer word = BUFFER_INIT;
    size_t from = before.cursor;

    while (from > 0 && before.text[from - 1] != L' ' && before.text[from - 1] != L'\n')
        from--;
    before.text += from;
    before.n = before.cursor - from;
    if (before.n == 0 || editor_text(&before, &word) < 0 || word.len >= sizeof a->completion.word)
        return false;
    memcpy(a->completion.word, word.data, word.len);
    a->completion.word[word.len] = '\0';
    a->completion.from = from;
    a->completion.n = 0;
    a->completion.is_on = true;
    return true;
}

void app_complete(struct app *a) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;

    if (!a->completion.is_on && !begin(a))
        return;
    struct completing s = { .skip = a->completion.n++ };
    bool is_found = find(a, &s, &text);
    if (!is_found && a->completion.n > 1) { /* from the beginning */
        a->completion.n = 1;
        s = (struct completing){ .skip = 0 };
        is_found = find(a, &s, &text);
    }
    buffer_append_byte(&text, 0);
    if (!is_found || buffer_error(&text) < 0) {
        a->completion.is_on = false;
        screen_bell(a->screen);
        return;
    }
    (void) editor_replace(&a->editor, a->completion.from, (char *) text.data);
}
