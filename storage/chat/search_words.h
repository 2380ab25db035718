/*
 * What somebody wrote to be searched for: words, "phrases" and beginnings*, all of which have to be
 * in a message. The last word is the beginning of one, as it may still be being typed (one letter
 * alone is a word). Nothing in it is syntax of FTS5: it becomes quoted strings of the words that
 * the tokenizer knows.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/buffer.h"
#include "storage/chat/tokenizer.h"

enum {
    CHAT_SEARCH_BYTES_MAX = 1024, /* of what is written */
    CHAT_SEARCH_TERMS_MAX = 32,
    CHAT_BEGINNING_MAX = 2,   /* characters of beginnings that the index has: schema.c's prefix */
    CHAT_SNIPPET_BYTES = 240, /* about */
};

struct chat_search_term {
    struct str text; /* borrowed */
    struct str *tokens;
    size_t tokens_n;   /* at least 1 */
    bool is_beginning; /* of the last token there may be more */
};

struct chat_search_words {
    struct chat_search_term *terms; /* without those that say nothing: "!?" */
    size_t n;
    bool has_any;  /* was there anything but spaces? */
    bool has_long; /* beginnings longer than CHAT_BEGINNING_MAX */
};

/* text: borrowed as long as ret. -EMSGSIZE: too long, or too many terms. -ENOMEM, -EIO. */
MUST_CHECK int chat_search_words_parse(const struct chat_cutter *c, struct str text,
                                       struct arena *a, struct chat_search_words *ret);

/*
 * As an expression of FTS5 for one column. Nothing without terms. A beginning that the index has is
 * found in it as a word is; of a longer one FTS5 collects all there is, first. is_cut: long ones
 * are cut to what the index has: more is found, and chat_search_words_are_in() says what is meant.
 */
void chat_search_words_expression(const struct chat_search_words *w, bool is_cut,
                                  struct buffer *out);

/* Are all terms in this text? */
MUST_CHECK int chat_search_words_are_in(const struct chat_cutter *c,
                                        const struct chat_search_words *w, struct str text,
                                        bool *ret);

struct chat_snippet_part {
    struct str text;
    bool is_hit;
};

/*
 * The place in a text where it is first found, what is found in parts of their own; "…" where the
 * text goes on. Without terms: its beginning. ret: in the arena; text: borrowed as long.
 * ret_is_hit, may be NULL: are all terms in it?
 */
MUST_CHECK int chat_search_snippet(const struct chat_cutter *c, const struct chat_search_words *w,
                                   struct str text, struct arena *a, struct chat_snippet_part **ret,
                                   size_t *ret_n, bool *ret_is_hit);
