/* What must hold of any codec, whatever bytes it is given: for the fuzz targets. */
#pragma once

#include "protocol/codec.h"

/* The bytes as a frame of commands; what is decoded, encoded, decoded and encoded again must be the
 * same bytes. */
void check_commands(const struct codec *codec, struct bytes frame);

/* The bytes as a client reads them from a server; likewise. */
void check_replies(const struct codec *codec, struct bytes frame);
