/*
 * What people write, made up: words of a vocabulary of 50,000 that are used as often as Zipf's law
 * has it (rank 0 the most), short ones more than long ones; some come together, as words of a
 * language do. A part of the messages is Chinese, or looks like it. The same seed says the same.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    CHAT_VOCABULARY = 50000,
    CHAT_WORD_MAX = 16,
    CHAT_TEXT_MAX = 1024,
    CHAT_CJK_PERCENT = 5,
};

struct chat_text {
    uint64_t state;
    double up_to[CHAT_VOCABULARY]; /* how often this word or one before it is used; the last: all */
};

void chat_text_init(struct chat_text *t, uint64_t seed);
uint64_t chat_text_random(struct chat_text *t);
uint64_t chat_text_below(struct chat_text *t, uint64_t n);

/* The word of a rank; returns how long it is. */
size_t chat_text_word(unsigned rank, char ret[CHAT_WORD_MAX]);
/* The word that often follows it. */
unsigned chat_text_companion(unsigned rank);
/* The n-th character of Chinese; returns 3. */
size_t chat_text_character(unsigned rank, char ret[4]);

size_t chat_text_message(struct chat_text *t, char ret[CHAT_TEXT_MAX]);
