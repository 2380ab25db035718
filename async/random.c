/* Randomness: the kernel's, bought in bulk; in simulated loops xoshiro256** (Blackman, Vigna 2018).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "async/loop_impl.h"

static uint64_t rotated(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

/* splitmix64: spreads a small seed over the whole state, which must not be all zero. */
void random_seed(struct random_state *r, uint64_t seed) {
    for (size_t i = 0; i < ELEMENTS_OF(r->s); i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

uint64_t random_next(struct random_state *r) {
    uint64_t *s = r->s;
    uint64_t result = rotated(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotated(s[3], 45);
    return result;
}

/* The values at the end that would favour some results are drawn again. */
uint64_t random_below(struct random_state *r, uint64_t bound) {
    assert(bound > 0);
    uint64_t unfair = -bound % bound;
    uint64_t x;
    do
        x = random_next(r);
    while (x < unfair);
    return x % bound;
}

static void fill_from_kernel(void *buf, size_t len) {
    uint8_t *at = buf;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            abort(); /* no kernel we run on lacks it; guessable secrets would be worse */
        }
        at += n;
        len -= (size_t) n;
    }
}

void loop_random(void *buf, size_t len) {
    struct loop *l = loop_of_thread;
    uint8_t *at = buf;
    if (!l) {
        fill_from_kernel(buf, len);
        return;
    }
    if (l->options.is_simulated) {
        while (len > 0) {
            uint64_t x = random_next(&l->random);
            size_t n = len < sizeof x ? len : sizeof x;
            memcpy(at, &x, n);
            at += n;
            len -= n;
        }
        return;
    }
    if (len > RANDOM_BUFFERED / 4) {
        fill_from_kernel(buf, len);
        return;
    }
    if (l->buffered_left < len) {
        fill_from_kernel(l->buffered, sizeof l->buffered);
        l->buffered_left = sizeof l->buffered;
    }
    l->buffered_left -= len;
    memcpy(buf, l->buffered + l->buffered_left, len);
    explicit_bzero(l->buffered + l->buffered_left, len); /* handed out once, kept nowhere */
}

void loop_random_hex(char *ret, size_t digits) {
    loop_random(ret, digits);
    for (size_t i = 0; i < digits; i++)
        ret[i] = "0123456789abcdef"[ret[i] & 15];
    ret[digits] = '\0';
}

uint64_t loop_random_below(uint64_t bound) {
    assert(bound > 0);
    uint64_t unfair = -bound % bound;
    uint64_t x;
    do
        loop_random(&x, sizeof x);
    while (x < unfair);
    return x % bound;
}

bool loop_is_adversary(const struct loop *l) {
    return l->options.is_simulated && l->options.seed != 0;
}

uint64_t loop_chance_below(struct loop *l, uint64_t bound) {
    return random_below(&l->chance, bound);
}
