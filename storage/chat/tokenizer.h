/*
 * How texts are cut into what is searched for: the FTS5 tokenizer "parley".
 *
 * Words are those of SQLite's unicode61: letters and digits, without case and diacritics. Chinese,
 * Japanese and Korean are written without spaces between words, or with spaces that say little: a
 * run of such characters becomes its pairs, and the last character alone; in the index each pair's
 * first character stands beside it, in the same place. So every part of a run is found again: two
 * characters or more as a phrase of pairs, and one as itself. In a query a run has no last one
 * alone at its end, since in the text it may go on.
 */
#pragma once

#include <sqlite3.h>

#include "protocol/bytes.h"

/* On every connection that touches a table with tokenize = 'parley'. 0, -ENOMEM, -EIO: no FTS5. */
MUST_CHECK int chat_tokenizer_register(sqlite3 *db);

/* The tokenizer by itself, of a connection that it is registered on. Zeroed: not open. */
struct chat_cutter {
    fts5_tokenizer tokenizer;
    Fts5Tokenizer *instance;
};
MUST_CHECK int chat_cutter_open(sqlite3 *db, struct chat_cutter *ret); /* -ENOMEM, -EIO */
void chat_cutter_close(struct chat_cutter *c);

/* Calls take for each token, in order, but for those beside others: what was made of it, and where
 * in the text it lies. take: 0 to go on, or a negative errno, which is returned. is_query: as is
 * said above. */
typedef int chat_token_fn(void *arg, struct str token, size_t start, size_t end);
MUST_CHECK int chat_cutter_cut(const struct chat_cutter *c, struct str text, bool is_query,
                               chat_token_fn *take, void *arg);

/* One character of text, which is not empty; bytes that are no UTF-8 are characters of one byte.
 * ret_is_paired: is it one of those that are taken in pairs? */
size_t chat_tokenizer_character(struct bytes text, bool *ret_is_paired);
