/* Tags filters, in both forms: whatever is decoded is a tree within its bounds. */
#include <assert.h>
#include <errno.h>

#include "protocol/codec.h"
#include "protocol/tags_filter.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_text(struct str s) {
    assert(utf8_is_valid(str_bytes(s)));
}

static size_t count(const struct filter_node *f, unsigned depth) {
    size_t n = 1;

    assert(depth <= FILTER_DEPTH_MAX);
    check_text(f->op);
    check_text(f->key);
    check_text(f->cmp);
    check_text(f->val);
    for (size_t i = 0; i < f->n_vals; i++)
        check_text(f->vals[i]);
    for (size_t i = 0; i < f->n_nodes; i++)
        n += count(&f->nodes[i], depth + 1);
    return n;
}

static void decode(const struct codec *codec, struct bytes encoded) {
    struct arena arena = ARENA_INIT;
    const struct filter_node *f;
    const char *why = NULL;

    int result = codec->decode_filter(encoded, &arena, &f, &why);
    assert(result == 0 || (result == -EBADMSG && why));
    if (result == 0)
        assert(count(f, 1) <= FILTER_NODES_MAX);
    arena_finish(&arena);
}

int fuzz_one(const uint8_t *data, size_t size) {
    decode(&codec_json, bytes_of(data, size));
    decode(&codec_protobuf, bytes_of(data, size));
    return 0;
}
