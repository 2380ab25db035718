/*
 * Patches in place of publications, for subscribers who keep what they were last given.
 *
 * Loop thread only. What is made once is shared: a base by all who were given it last, a patch by
 * all codecs of a kind, a frame by all subscribers of a wire format who have the same base.
 */
#pragma once

#include "daemon/batch.h"
#include "daemon/wire.h"
#include "protocol/arena.h"
#include "storage/publication.h"

struct fossil_index;
struct wire_page;

/* What a client has: the publication it was given last, whole or as a patch. */
struct delta_base {
    uint32_t refs;
    bool is_utf8;
    struct publication *publication; /* a reference */
    struct fossil_index *index;      /* made when the first patch on it is; or NULL */
};

struct delta_base *delta_base_new(struct publication *p);  /* NULL: no memory, or p is NULL */
struct delta_base *delta_base_unref(struct delta_base *b); /* takes NULL; returns NULL */

static inline struct delta_base *delta_base_ref(struct delta_base *b) {
    if (b)
        b->refs++;
    return b;
}

/* A patch costs work: past this many kinds in one go a publication goes out whole. */
enum { DELTA_PATCHES_MAX = 8, DELTA_FRAMES_MAX = (DELTA_PATCHES_MAX + 1) * WIRE_FORMATS };

/* One publication on its way to those who take patches. */
struct delta_fan {
    struct publication *publication; /* borrowed; NULL: none is on its way */
    struct delta_base *target;       /* what they have afterwards; NULL: no memory for it */
    struct batch *batches[WIRE_FORMATS];

    struct delta_patch {
        const struct delta_base *base;
        bool is_text;
        int result;
        uint32_t from, to; /* in bytes */
    } patches[DELTA_PATCHES_MAX];
    size_t n_patches;
    struct buffer bytes;

    struct delta_frame {
        const struct delta_base *base; /* NULL: the whole publication */
        uint32_t from, to;             /* in the format's batch */
        uint8_t format;
    } frames[DELTA_FRAMES_MAX];
    size_t n_frames;
};

void delta_fan_begin(struct delta_fan *f, struct publication *p);
void delta_fan_end(struct delta_fan *f);    /* what was handed out is not touched */
void delta_fan_finish(struct delta_fan *f); /* takes a zeroed one */

/*
 * The framed push for a subscriber of that format who has base (or NULL): a patch if the publisher
 * wants that and it is shorter, else the whole. *ret: a span of a batch, to be appended to its
 * outbox. -ENOMEM; -EPROTOTYPE: the payload cannot be said in that format.
 */
struct delta_span {
    struct batch *batch;
    uint32_t from, to;
};

MUST_CHECK int delta_fan_frame(struct delta_fan *f, struct wire *w, enum wire_format format,
                               struct delta_base *base, struct delta_span *ret);

/*
 * The same for the publications of a reply: the first is whole, each next one a patch on the one
 * before, where that is wanted and shorter. The list's items and patches are in the arena.
 * -ENOMEM; -EPROTOTYPE: as above.
 */
MUST_CHECK int delta_chain(const struct wire_page *page, struct arena *a,
                           struct wire_publications *ret);
