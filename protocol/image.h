/*
 * What picture a file is, by its first bytes: PNG, JPEG, GIF or WebP, and how large it is shown.
 * Whatever somebody calls a file, only what is here said to be a picture is ever shown as one.
 *
 * Sources: PNG (W3C) section 11.2.2, GIF89a section 18, RFC 9649 (WebP), ITU-T T.81 annex B (JPEG),
 * Exif 2.3 (orientation).
 */
#pragma once

#include "protocol/bytes.h"

enum { IMAGE_HEAD_BYTES = 65536, IMAGE_SIDE_MAX = 65535 };

struct image {
    struct str type;        /* "image/png"; static. Empty: it is none of them */
    unsigned width, height; /* as it is shown, turned as it says; 0: not known */
};

/* head: the file's beginning, at most IMAGE_HEAD_BYTES are of use. Where a JPEG's size is further
 * behind, it is not known. */
struct image image_of(struct bytes head);
