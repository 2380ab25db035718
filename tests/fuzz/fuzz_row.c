/* What a damaged database may hold in place of a publication's columns. */
#include <assert.h>
#include <errno.h>

#include "storage/row.h"
#include "tests/fuzz/fuzz.h"

/* What was accepted says the same when it is written again. */
static void check_again(const struct publication *p) {
    struct buffer extra = BUFFER_INIT;
    row_encode_extra(p, false, &extra);
    assert(buffer_error(&extra) == 0);
    struct publication *again;
    int r = row_decode(&(struct row){ .channel = p->channel, .extra = buffer_bytes(&extra) },
                       &again);
    assert(r == 0 && again->n_tags == p->n_tags && again->has_info == p->has_info);
    assert(again->is_removed == p->is_removed && again->wants_delta == p->wants_delta);
    assert(str_equal(again->key, p->key) && str_equal(again->info.user, p->info.user));
    assert(again->version == p->version && (p->key.len == 0 || again->score == p->score));
    publication_unref(again);
    buffer_finish(&extra);
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct publication *p;
    int r = row_decode(&(struct row){ .channel = STR("x"), .extra = bytes_of(data, size) }, &p);
    assert(r == 0 || r == -EBADMSG || r == -ENOMEM);
    if (r < 0)
        return 0;
    check_again(p);
    publication_unref(p);
    return 0;
}
