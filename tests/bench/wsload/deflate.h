/* permessage-deflate (RFC 7692) without context taken over, as the peer must agree to. */
#ifndef WSLOAD_DEFLATE_H
#define WSLOAD_DEFLATE_H

#include "wsload.h"

#define DEFLATE_OFFER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/* Into the worker's buffer. Returns its length, or -1: not a whole compressed message. */
long deflate_inflate(struct worker *w, const uint8_t *p, size_t n);

#endif
