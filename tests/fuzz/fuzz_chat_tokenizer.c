/* Any bytes as a message and as what is searched for: tokens lie in the text, in order, and whoever
 * searches for a part of a run of paired characters finds it. */
#include <assert.h>

#include "storage/chat/tokenizer.h"
#include "storage/sqlite/database.h"
#include "tests/fuzz/fuzz.h"

static struct chat_cutter cutter;
static sqlite3 *db; /* kept for as long as the process, and known to whoever looks for leaks */

static void open_once(void) {
    if (cutter.instance)
        return;
    int r = database_open(":memory:", NULL, DATABASE_WRITER, &db);
    assert(r == 0 && chat_tokenizer_register(db) == 0 && chat_cutter_open(db, &cutter) == 0);
}

enum { TOKENS_MAX = 4096 };

struct tokens {
    size_t len; /* of the text */
    size_t last_start;
    size_t n;
    uint64_t sums[TOKENS_MAX]; /* of each token's bytes */
};

static int take(void *arg, struct str token, size_t start, size_t end) {
    struct tokens *t = arg;
    uint64_t sum = 1469598103934665603u;
    assert(start >= t->last_start && start < end && end <= t->len && token.len > 0);
    assert(t->n < TOKENS_MAX);
    t->last_start = start;
    for (size_t i = 0; i < token.len; i++)
        sum = (sum ^ (uint8_t) token.data[i]) * 1099511628211u;
    t->sums[t->n++] = sum;
    return 0;
}

static void cut(bool is_query, struct bytes text, struct tokens *ret) {
    *ret = (struct tokens){ .len = text.len };
    int r = chat_cutter_cut(&cutter, (struct str){ (const char *) text.data, text.len }, is_query,
                            take, ret);
    assert(r == 0);
}

static bool contains(const struct tokens *in, const struct tokens *what) {
    for (size_t at = 0; at + what->n <= in->n; at++)
        if (memcmp(in->sums + at, what->sums, what->n * sizeof what->sums[0]) == 0)
            return true;
    return false;
}

/* The first run of two or more, and each beginning of it. */
static void find_parts(struct bytes text, const struct tokens *all) {
    static struct tokens part;
    size_t from = 0, n = 0, end = 0;
    bool is_paired;
    for (size_t at = 0; at < text.len;) {
        size_t len = chat_tokenizer_character(bytes_of(text.data + at, text.len - at), &is_paired);
        if (is_paired && n++ == 0)
            from = at;
        at += len;
        if (!is_paired && n > 0)
            break;
        end = at;
        if (n > 1) {
            cut(true, bytes_of(text.data + from, end - from), &part);
            assert(part.n == n - 1 && contains(all, &part));
        }
    }
}

int fuzz_one(const uint8_t *data, size_t size) {
    static struct tokens document, query;
    struct bytes text = bytes_of(data, size > 1024 ? 1024 : size);
    open_once();
    cut(false, text, &document);
    cut(true, text, &query);
    assert(document.n <= text.len && query.n <= document.n && query.n + 1 >= document.n);
    assert(contains(&document, &query));
    find_parts(text, &document);
    return 0;
}
