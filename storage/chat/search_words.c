#include "storage/chat/search_words.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/utf8.h"

/* ---- what is written ---- */

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0;
}

static struct str cut_front(struct str s, size_t n) {
    return (struct str){ s.data + n, s.len - n };
}

/* The next term of *rest, without its quotes and its asterisk. false: no more. */
static bool next_term(struct str *rest, struct chat_search_term *ret) {
    while (rest->len > 0 && is_space(rest->data[0]))
        *rest = cut_front(*rest, 1);
    if (rest->len == 0)
        return false;

    bool is_quoted = rest->data[0] == '"';
    if (is_quoted)
        *rest = cut_front(*rest, 1);
    size_t len = 0;
    while (len < rest->len && rest->data[len] != '"' && rest->data[len] != 0 &&
           (is_quoted || !is_space(rest->data[len])))
        len++;
    *ret = (struct chat_search_term){ .text = { rest->data, len } };
    bool is_closed = is_quoted && len < rest->len && rest->data[len] == '"';
    *rest = cut_front(*rest, len + is_closed);
    if (is_closed && rest->len > 0 && rest->data[0] == '*') {
        ret->is_beginning = true;
        *rest = cut_front(*rest, 1);
    } else if (!is_quoted && len > 0 && ret->text.data[len - 1] == '*') {
        ret->is_beginning = true;
    } else if (!is_closed) { /* as far as it is written */
        struct str behind = *rest;
        while (behind.len > 0 && is_space(behind.data[0]))
            behind = cut_front(behind, 1);
        ret->is_beginning = behind.len == 0;
    }
    return true;
}

struct cutting {
    struct arena *arena;
    struct arena_list tokens;
};

static int keep_token(void *arg, struct str token, size_t start, size_t end) {
    struct cutting *c = arg;
    struct str *kept = arena_list_add(c->arena, &c->tokens, sizeof *kept);
    char *text = arena_alloc(c->arena, token.len);
    if (!kept || !text)
        return -ENOMEM;
    memcpy(text, token.data, token.len);
    *kept = (struct str){ text, token.len };
    return 0;
}

/* One character, and of those taken in pairs? */
static bool is_single(struct str token) {
    bool is_paired;
    return chat_tokenizer_character(str_bytes(token), &is_paired) == token.len && is_paired;
}

/* One letter begins so many words that all there is would have to be read. */
static bool is_letter(struct str token) {
    bool is_paired;
    return chat_tokenizer_character(str_bytes(token), &is_paired) == token.len && !is_paired;
}

/* Its first characters, of which none are paired: as many as the index has. */
static struct str cut_token(struct str token) {
    size_t len = 0;
    bool is_paired;
    for (int i = 0; i < CHAT_BEGINNING_MAX && len < token.len; i++)
        len += chat_tokenizer_character(str_bytes(cut_front(token, len)), &is_paired);
    return (struct str){ token.data, len };
}

/* Of what is taken in pairs nothing is longer than what stands in the index. */
static bool is_beginning_of_word(const struct chat_search_term *t) {
    bool is_paired;
    (void) chat_tokenizer_character(str_bytes(t->tokens[t->tokens_n - 1]), &is_paired);
    return t->is_beginning && !is_paired;
}

static bool is_long(const struct chat_search_term *t) {
    struct str last = t->tokens[t->tokens_n - 1];
    return is_beginning_of_word(t) && cut_token(last).len < last.len;
}

static int cut_term(const struct chat_cutter *c, struct arena *a, struct chat_search_term *t) {
    struct cutting cutting = { .arena = a };
    int r = chat_cutter_cut(c, t->text, true, keep_token, &cutting);
    if (r < 0)
        return r;
    t->tokens = cutting.tokens.items;
    t->tokens_n = cutting.tokens.n;
    if (t->tokens_n > 0 && is_single(t->tokens[t->tokens_n - 1]))
        t->is_beginning = true; /* in the index it begins a pair */
    else if (t->tokens_n > 0 && is_letter(t->tokens[t->tokens_n - 1]))
        t->is_beginning = false;
    return 0;
}

int chat_search_words_parse(const struct chat_cutter *c, struct str text, struct arena *a,
                            struct chat_search_words *ret) {
    struct chat_search_words w = { 0 };
    struct chat_search_term term;

    if (text.len > CHAT_SEARCH_BYTES_MAX)
        return -EMSGSIZE;
    w.terms = arena_alloc(a, CHAT_SEARCH_TERMS_MAX * sizeof *w.terms);
    if (!w.terms)
        return -ENOMEM;
    while (next_term(&text, &term)) {
        w.has_any = true;
        int r = cut_term(c, a, &term);
        if (r < 0)
            return r;
        if (term.tokens_n == 0)
            continue;
        if (w.n == CHAT_SEARCH_TERMS_MAX)
            return -EMSGSIZE;
        w.terms[w.n++] = term;
        w.has_long = w.has_long || is_long(&term);
    }
    *ret = w;
    return 0;
}

/* A phrase of what the tokenizer made of it, which it makes the same of again; no '"' is in that.
 */
static void append_term(const struct chat_search_term *t, bool is_cut, struct buffer *out) {
    for (size_t i = 0; i < t->tokens_n; i++) {
        bool is_last = i + 1 == t->tokens_n;
        buffer_append_str(out, i > 0 ? STR(" + \"") : STR("\""));
        buffer_append_str(out, is_last && is_cut && is_beginning_of_word(t)
                                       ? cut_token(t->tokens[i])
                                       : t->tokens[i]);
        buffer_append_byte(out, '"');
    }
    if (is_beginning_of_word(t))
        buffer_append_str(out, STR(" *"));
}

void chat_search_words_expression(const struct chat_search_words *w, bool is_cut,
                                  struct buffer *out) {
    for (size_t i = 0; i < w->n; i++) {
        if (i > 0)
            buffer_append_str(out, STR(" AND "));
        append_term(&w->terms[i], is_cut, out);
    }
}

/* ---- where a text has it ---- */

struct token {
    struct str text;
    size_t start, end;
};

static int keep_place(void *arg, struct str token, size_t start, size_t end) {
    struct cutting *c = arg;
    struct token *t = arena_list_add(c->arena, &c->tokens, sizeof *t);
    char *text = arena_alloc(c->arena, token.len);
    if (!t || !text)
        return -ENOMEM;
    memcpy(text, token.data, token.len);
    *t = (struct token){ { text, token.len }, start, end };
    return 0;
}

static bool is_at(const struct chat_search_term *t, const struct token *at, size_t left) {
    if (left < t->tokens_n)
        return false;
    for (size_t i = 0; i + 1 < t->tokens_n; i++)
        if (!str_equal(t->tokens[i], at[i].text))
            return false;
    struct str wanted = t->tokens[t->tokens_n - 1], there = at[t->tokens_n - 1].text;
    return t->is_beginning ? str_starts_with(there, wanted) : str_equal(there, wanted);
}

struct place {
    size_t start, end;
};

/* Of a pair that a single character begins only that is what was found; of a word all. */
static struct place place_of(const struct chat_search_term *t, const struct token *at) {
    struct str wanted = t->tokens[t->tokens_n - 1];
    const struct token *last = &at[t->tokens_n - 1];
    bool is_half = t->is_beginning && is_single(wanted);
    return (struct place){ at->start, is_half ? last->start + wanted.len : last->end };
}

static int by_start(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static int find_places(const struct chat_search_words *w, const struct cutting *c,
                       struct arena_list *ret, bool *ret_has_all) {
    const struct token *tokens = c->tokens.items;
    *ret_has_all = true;
    for (size_t i = 0; i < w->n; i++) {
        size_t before = ret->n;
        for (size_t at = 0; at < c->tokens.n; at++) {
            if (!is_at(&w->terms[i], &tokens[at], c->tokens.n - at))
                continue;
            struct place *p = arena_list_add(c->arena, ret, sizeof *p);
            if (!p)
                return -ENOMEM;
            *p = place_of(&w->terms[i], &tokens[at]);
        }
        *ret_has_all = *ret_has_all && ret->n > before;
    }
    if (ret->n > 0)
        qsort(ret->items, ret->n, sizeof(struct place), by_start);
    return 0;
}

static bool is_ascii(struct str s) {
    for (size_t i = 0; i < s.len; i++)
        if ((uint8_t) s.data[i] >= 0x80)
            return false;
    return true;
}

/* token: lower case. */
static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c;
}

static bool has_letters(struct str text, struct str token) {
    for (size_t at = 0; at + token.len <= text.len; at++) {
        size_t i = 0;
        while (i < token.len && lower(text.data[at + i]) == token.data[i])
            i++;
        if (i == token.len)
            return true;
    }
    return false;
}

/* A cheap look that most texts without them do not pass. Of others than ASCII it says nothing. */
static bool may_be_in(const struct chat_search_words *w, struct str text) {
    if (!is_ascii(text))
        return true;
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->terms[i].tokens_n; k++)
            if (!has_letters(text, w->terms[i].tokens[k]))
                return false;
    return true;
}

int chat_search_words_are_in(const struct chat_cutter *c, const struct chat_search_words *w,
                             struct str text, bool *ret) {
    struct arena temporary = ARENA_INIT;
    struct cutting cutting = { .arena = &temporary };
    struct arena_list places = { 0 };
    if (!may_be_in(w, text)) {
        *ret = false;
        return 0;
    }
    int r = chat_cutter_cut(c, text, false, keep_place, &cutting);
    if (r == 0)
        r = find_places(w, &cutting, &places, ret);
    arena_finish(&temporary);
    return r;
}

/* ---- the part of it that is shown ---- */

enum { BEFORE_BYTES = CHAT_SNIPPET_BYTES / 4, WORD_BYTES = 24 };

/* Between characters, and where there are words at the beginning of one. */
static size_t begin_near(struct str text, size_t first) {
    if (first <= BEFORE_BYTES)
        return 0;
    size_t at = first - BEFORE_BYTES;
    for (size_t i = at; i < at + WORD_BYTES && i < first; i++)
        if (is_space(text.data[i]))
            return i + 1;
    while (at < first && ((uint8_t) text.data[at] & 0xc0) == 0x80)
        at++;
    return at;
}

struct shown {
    struct arena *arena;
    struct str text;
    struct arena_list parts;
    bool has_failed;
};

static void show(struct shown *s, struct str text, bool is_hit) {
    if (text.len == 0)
        return;
    struct chat_snippet_part *p = arena_list_add(s->arena, &s->parts, sizeof *p);
    if (p)
        *p = (struct chat_snippet_part){ text, is_hit };
    else
        s->has_failed = true;
}

static void show_range(struct shown *s, size_t from, size_t to, bool is_hit) {
    show(s, (struct str){ s->text.data + from, to - from }, is_hit);
}

static void show_places(struct shown *s, const struct place *places, size_t n) {
    size_t at = begin_near(s->text, n > 0 ? places[0].start : 0);
    struct str rest = cut_front(s->text, at);
    size_t end = at + utf8_truncate(rest, CHAT_SNIPPET_BYTES).len;

    if (at > 0)
        show(s, STR("…"), false);
    for (size_t i = 0; i < n && places[i].start < end;) {
        struct place p = places[i++];
        while (i < n && places[i].start <= p.end) { /* run together */
            p.end = places[i].end > p.end ? places[i].end : p.end;
            i++;
        }
        p.end = p.end < end ? p.end : end;
        show_range(s, at, p.start, false);
        show_range(s, p.start, p.end, true);
        at = p.end;
    }
    show_range(s, at, end, false);
    if (end < s->text.len)
        show(s, STR("…"), false);
}

static int make_snippet(const struct chat_cutter *c, const struct chat_search_words *w,
                        struct str text, struct arena *temporary, struct shown *s,
                        bool *ret_is_hit) {
    struct cutting cutting = { .arena = temporary };
    struct arena_list places = { 0 };
    bool has_all = true;
    int r = w->n > 0 ? chat_cutter_cut(c, text, false, keep_place, &cutting) : 0;
    if (r == 0)
        r = find_places(w, &cutting, &places, &has_all);
    if (r < 0)
        return r;
    if (ret_is_hit)
        *ret_is_hit = has_all;
    show_places(s, places.items, places.n);
    return s->has_failed ? -ENOMEM : 0;
}

int chat_search_snippet(const struct chat_cutter *c, const struct chat_search_words *w,
                        struct str text, struct arena *a, struct chat_snippet_part **ret,
                        size_t *ret_n, bool *ret_is_hit) {
    struct arena temporary = ARENA_INIT;
    struct shown s = { .arena = a, .text = text };
    int r = make_snippet(c, w, text, &temporary, &s, ret_is_hit);
    arena_finish(&temporary);
    if (r < 0)
        return r;
    *ret = s.parts.items;
    *ret_n = s.parts.n;
    return 0;
}
