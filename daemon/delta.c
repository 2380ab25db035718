#include "daemon/delta.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/wire_page.h"
#include "protocol/fossil.h"
#include "protocol/utf8.h"

struct delta_base *delta_base_new(struct publication *p) {
    struct delta_base *b = p ? malloc(sizeof *b) : NULL;
    if (!b)
        return NULL;
    *b = (struct delta_base){ .refs = 1,
                              .is_utf8 = utf8_is_valid(p->data),
                              .publication = publication_ref(p) };
    return b;
}

struct delta_base *delta_base_unref(struct delta_base *b) {
    if (b && --b->refs == 0) {
        fossil_index_free(b->index);
        publication_unref(b->publication);
        free(b);
    }
    return NULL;
}

/* From one to the other: 0; -EMSGSIZE: the whole is as good; -ENOMEM. Between keys of a map there
 * are none, and what is no text makes no text. */
static int make_patch(struct delta_base *from, const struct delta_base *to, bool is_text,
                      struct buffer *out) {
    if (is_text && !(from->is_utf8 && to->is_utf8))
        return -EMSGSIZE;
    if (!str_equal(from->publication->key, to->publication->key))
        return -EMSGSIZE;
    if (!from->index)
        from->index = fossil_index_new(from->publication->data);
    return from->index ? fossil_encode(from->index, to->publication->data, is_text, out) : -ENOMEM;
}

/* For a subscriber with delta. */
static int whole_of(const struct publication *p, bool is_text, struct wire_publication *ret) {
    int r = wire_publication_of(p, is_text, ret);
    if (r < 0)
        return r;
    ret->data = p->data; /* a string may hold newlines */
    ret->data_is_string = p->data.len > 0;
    return 0;
}

/* ---- live ---- */

void delta_fan_begin(struct delta_fan *f, struct publication *p) {
    f->publication = p;
    f->target = delta_base_new(p);
    f->n_patches = f->n_frames = 0;
    buffer_reset(&f->bytes);
}

void delta_fan_end(struct delta_fan *f) {
    enum { BYTES_KEPT = 65536 };

    for (int i = 0; i < WIRE_FORMATS; i++)
        f->batches[i] = batch_unref(f->batches[i]);
    f->target = delta_base_unref(f->target);
    f->publication = NULL;
    if (f->bytes.cap > BYTES_KEPT)
        buffer_finish(&f->bytes);
}

void delta_fan_finish(struct delta_fan *f) {
    buffer_finish(&f->bytes);
}

/* The patch on base; NULL: the whole is as good, or there are too many already. */
static const struct delta_patch *find_patch(struct delta_fan *f, struct delta_base *base,
                                            bool is_text) {
    if (!base || !f->target || !f->publication->wants_delta)
        return NULL;
    for (size_t i = 0; i < f->n_patches; i++)
        if (f->patches[i].base == base && f->patches[i].is_text == is_text)
            return f->patches[i].result == 0 ? &f->patches[i] : NULL;
    if (f->n_patches == DELTA_PATCHES_MAX)
        return NULL;

    struct delta_patch *p = &f->patches[f->n_patches++];
    *p = (struct delta_patch){ .base = base, .is_text = is_text, .from = (uint32_t) f->bytes.len };
    p->result = make_patch(base, f->target, is_text, &f->bytes);
    p->to = (uint32_t) f->bytes.len;
    return p->result == 0 ? p : NULL;
}

static int append_frame(struct delta_fan *f, struct wire *w, enum wire_format format,
                        const struct delta_patch *patch, struct delta_span *ret) {
    struct push push = { .kind = PUSH_PUBLICATION, .channel = f->publication->channel };

    int r = whole_of(f->publication, wire_codec(format)->is_text, &push.publication);
    if (r < 0)
        return r;
    if (patch) {
        push.publication.data =
                bytes_of(f->bytes.data + patch->from, (size_t) (patch->to - patch->from));
        push.publication.is_delta = true;
    }
    if (!f->batches[format])
        f->batches[format] = batch_new(NULL);
    struct batch *b = f->batches[format];
    if (!b)
        return -ENOMEM;
    ret->batch = b;
    ret->from = (uint32_t) b->bytes.len;
    r = wire_append_push(w, format, &push, &b->bytes);
    ret->to = (uint32_t) b->bytes.len;
    return r;
}

int delta_fan_frame(struct delta_fan *f, struct wire *w, enum wire_format format,
                    struct delta_base *base, struct delta_span *ret) {
    const struct delta_patch *patch = find_patch(f, base, wire_codec(format)->is_text);
    const struct delta_base *on = patch ? base : NULL;

    for (size_t i = 0; i < f->n_frames; i++) {
        const struct delta_frame *known = &f->frames[i];
        if (known->format == format && known->base == on) {
            *ret = (struct delta_span){ f->batches[format], known->from, known->to };
            return 0;
        }
    }
    assert(f->n_frames < DELTA_FRAMES_MAX);
    int r = append_frame(f, w, format, patch, ret);
    if (r == 0)
        f->frames[f->n_frames++] = (struct delta_frame){
            .base = on, .from = ret->from, .to = ret->to, .format = (uint8_t) format
        };
    return r;
}

/* ---- in a reply ---- */

/* Bytes that patches are made for in one reply, which is for one client and made in one go: about
 * three milliseconds. What follows is whole. */
enum { CHAIN_BYTES_MAX = 256 * 1024 };

struct chain {
    size_t bytes; /* patches were tried for */
    bool is_text;
    struct arena *arena;
    struct delta_base *last;
    struct buffer patch;
};

static int chain_add(struct chain *c, struct publication *p, struct wire_publication *ret) {
    int r = whole_of(p, c->is_text, ret);
    if (r < 0)
        return r;
    struct delta_base *base = delta_base_new(p);
    if (!base)
        return -ENOMEM;
    buffer_reset(&c->patch);
    bool may_be_patch = c->last && p->wants_delta && c->bytes + p->data.len <= CHAIN_BYTES_MAX;
    c->bytes += may_be_patch ? p->data.len : 0;
    if (may_be_patch && make_patch(c->last, base, c->is_text, &c->patch) == 0) {
        void *copy = arena_alloc(c->arena, c->patch.len);
        if (copy) {
            memcpy(copy, c->patch.data, c->patch.len);
            ret->data = bytes_of(copy, c->patch.len);
            ret->is_delta = true;
        }
    }
    delta_base_unref(c->last);
    c->last = base;
    return 0;
}

int delta_chain(const struct wire_page *page, struct arena *a, struct wire_publications *ret) {
    struct chain c = { .is_text = page->is_text, .arena = a };
    size_t n = page->n_page + page->n_live;
    int r = 0;

    if (n == 0) {
        *ret = (struct wire_publications){ 0 };
        return 0;
    }
    struct wire_publication *items = arena_alloc(a, n * sizeof *items);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++)
        r = chain_add(&c, wire_page_at(page, i), &items[i]);
    delta_base_unref(c.last);
    buffer_finish(&c.patch);
    if (r < 0)
        return r;
    *ret = wire_publications_of(items, n);
    return 0;
}
