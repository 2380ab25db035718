/*
 * A search that may take several questions: the server ends one that takes long, with what it has
 * found by then, and a cursor to go on. While that is nothing it goes on by itself, so often.
 *
 * Pure.
 */
#pragma once

#include "clients/cli/chat/objects.h"

enum {
    SEARCH_WORDS_MAX = 1024, /* what a server takes */
    SEARCH_CURSOR_MAX = 64,
    SEARCH_LOOKS_MAX = 4, /* for one command: a server lets five a second through */
};

struct search {
    char words[SEARCH_WORDS_MAX + 1];   /* empty: nothing was looked for yet */
    char cursor[SEARCH_CURSOR_MAX + 1]; /* where it goes on; empty: at the newest, or nowhere */
    unsigned looks;                     /* of this command */
    bool is_further;                    /* not the first page */
    unsigned n_asked;                   /* answers that are on their way */
};

/* False: they are too long. */
bool search_begin(struct search *s, struct str words);
/* The same words, behind what was shown. False: there is nothing more. */
bool search_go_on(struct search *s);

enum search_step {
    SEARCH_OLD,   /* the answer is of another that was given up: nothing is to be done */
    SEARCH_AGAIN, /* ask once more, from the cursor on */
    SEARCH_SHOW,  /* there are hits */
    SEARCH_NONE,  /* there are none; search_has_more(): as far as it was looked */
};

/* Before each question. */
void search_asked(struct search *s);
/* Of each answer; NULL: an error, which is SEARCH_NONE or SEARCH_OLD, and it can go on as before.
 */
enum search_step search_answered(struct search *s, const struct chat_object *answer);

bool search_has_more(const struct search *s);
