/* The model from inside. For model.c and timeline.c. */
#pragma once

#include "async/base.h"
#include "clients/cli/chat/model.h"
#include "protocol/buffer.h"

char *model_copy(struct str s);                    /* NULL: no memory */
MUST_CHECK int model_set(char **at, struct str s); /* a copy in place of what is there */
/* The array with room for one more. NULL: no memory, and it stays as it was. */
void *model_grow(void *items, size_t n, size_t *cap, size_t item_size);

void room_clear(struct room *r); /* without messages, as before it was opened */
