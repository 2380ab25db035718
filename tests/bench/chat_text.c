#include "tests/bench/chat_text.h"

#include <stdbool.h>

static const char consonants[] = "bcdfghklmnprstvwzjqx", vowels[] = "aeiou";

enum {
    SYLLABLES = 100,      /* a consonant and a vowel each */
    COMPANIONS = 2000,    /* words that follow others */
    COMPANION_CHANCE = 4, /* one in so many */
    CHARACTERS = 3000,
};

/* xorshift64*: of no use but for this. */
uint64_t chat_text_random(struct chat_text *t) {
    t->state ^= t->state >> 12;
    t->state ^= t->state << 25;
    t->state ^= t->state >> 27;
    return t->state * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t chat_text_below(struct chat_text *t, uint64_t n) {
    return (chat_text_random(t) >> 33) % n;
}

static double chat_text_part(struct chat_text *t) {
    return (double) (chat_text_random(t) >> 11) / 9007199254740992.0;
}

void chat_text_init(struct chat_text *t, uint64_t seed) {
    double sum = 0;
    t->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (unsigned i = 0; i < CHAT_VOCABULARY; i++) /* Mandelbrot's form, flatter at the top */
        t->up_to[i] = sum += 1 / (i + 2.7);
}

/* Words of one length are in an order of their own, so that beginnings say nothing of ranks. */
size_t chat_text_word(unsigned rank, char ret[CHAT_WORD_MAX]) {
    unsigned n = 1, of = SYLLABLES, place = rank;
    while (place >= of) {
        place -= of;
        of *= SYLLABLES;
        n++;
    }
    place = (unsigned) ((place * UINT64_C(7919) + 17) % of); /* a prime that does not divide `of` */
    for (unsigned i = 0; i < n; i++, place /= SYLLABLES) {
        ret[2 * i] = consonants[place % SYLLABLES / 5];
        ret[2 * i + 1] = vowels[place % 5];
    }
    ret[2 * n] = 0;
    return 2 * (size_t) n;
}

unsigned chat_text_companion(unsigned rank) {
    return (unsigned) ((rank + 1) * UINT64_C(2654435761) % COMPANIONS);
}

/* Spread over the block: neighbours in rank are none in it. */
size_t chat_text_character(unsigned rank, char ret[4]) {
    unsigned c = 0x4e00 + rank * 7 % 20000;
    ret[0] = (char) (0xe0 | c >> 12);
    ret[1] = (char) (0x80 | (c >> 6 & 0x3f));
    ret[2] = (char) (0x80 | (c & 0x3f));
    ret[3] = 0;
    return 3;
}

static unsigned choose_below(struct chat_text *t, unsigned n) {
    double wanted = chat_text_part(t) * t->up_to[n - 1];
    unsigned low = 0, high = n - 1;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (t->up_to[middle] > wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Half of them are short; few are long. */
static unsigned choose_length(struct chat_text *t) {
    unsigned kind = (unsigned) chat_text_below(t, 100);
    return (unsigned) (kind < 20   ? 1 + chat_text_below(t, 3)
                       : kind < 78 ? 4 + chat_text_below(t, 9)
                       : kind < 97 ? 10 + chat_text_below(t, 21)
                                   : 30 + chat_text_below(t, 51));
}

size_t chat_text_message(struct chat_text *t, char ret[CHAT_TEXT_MAX]) {
    unsigned words_n = choose_length(t), rank = 0;
    size_t n = 0;
    if (chat_text_below(t, 100) < CHAT_CJK_PERCENT) {
        for (unsigned i = 0; i < 2 * words_n && n + 4 < CHAT_TEXT_MAX; i++)
            n += chat_text_character(choose_below(t, CHARACTERS), ret + n);
        return n;
    }
    for (unsigned i = 0; i < words_n && n + CHAT_WORD_MAX + 1 < CHAT_TEXT_MAX; i++) {
        bool follows = i > 0 && chat_text_below(t, COMPANION_CHANCE) == 0;
        rank = follows ? chat_text_companion(rank) : choose_below(t, CHAT_VOCABULARY);
        if (i > 0)
            ret[n++] = ' ';
        n += chat_text_word(rank, ret + n);
    }
    return n;
}
