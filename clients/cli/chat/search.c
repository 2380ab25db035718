#include "clients/cli/chat/search.h"

#include <string.h>

static bool keep(char *to, size_t max, struct str from) {
    if (from.len > max)
        return false;
    if (from.len)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return true;
}

bool search_begin(struct search *s, struct str words) {
    if (!keep(s->words, SEARCH_WORDS_MAX, words))
        return false;
    s->cursor[0] = '\0';
    s->looks = 0;
    s->is_further = false;
    return true;
}

bool search_go_on(struct search *s) {
    s->looks = 0;
    s->is_further = true;
    return search_has_more(s);
}

bool search_has_more(const struct search *s) {
    return s->cursor[0] != '\0';
}

void search_asked(struct search *s) {
    s->looks++;
    s->n_asked++;
}

/* Answers come in the order of the questions: only the last one's is wanted. */
enum search_step search_answered(struct search *s, const struct chat_object *answer) {
    if (--s->n_asked > 0)
        return SEARCH_OLD;
    if (!answer)
        return SEARCH_NONE;
    if (!keep(s->cursor, SEARCH_CURSOR_MAX, answer->cursor))
        s->cursor[0] = '\0';
    if (answer->messages.n > 0)
        return SEARCH_SHOW;
    return answer->is_partial && search_has_more(s) && s->looks < SEARCH_LOOKS_MAX ? SEARCH_AGAIN
                                                                                   : SEARCH_NONE;
}
