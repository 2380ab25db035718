/*
 * The client's half of a connection whose transport only carries bytes to the client (HTTP
 * streaming, SSE): it posts its frames in requests of this form to `/emulation`.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/bytes.h"

struct codec;

struct emulation_request {
    struct str session; /* of the connect result; the only credential */
    struct str node;
    struct bytes data; /* a frame of commands */
};

/*
 * body: a whole request body in the codec's form; what is decoded may point into it, or into the
 * arena. A request without session or data is not decodable.
 *
 * 0, or: -EBADMSG: ret_why says more, static text. -ENOMEM.
 */
MUST_CHECK int emulation_request_decode(const struct codec *codec, struct bytes body,
                                        struct arena *a, struct emulation_request *ret,
                                        const char **ret_why);
