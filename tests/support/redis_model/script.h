/* Lua in the modelled Redis: EVAL, EVALSHA, SCRIPT. */
#pragma once

#include "protocol/bytes.h"

struct scripts;

struct scripts *scripts_new(void); /* aborts without memory */
struct scripts *scripts_free(struct scripts *s);

/* The source of a script that is known by its SHA1 in hexadecimal; NULL data: it is not. */
struct bytes scripts_source(const struct scripts *s, struct bytes sha);
