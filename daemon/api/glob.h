/* Shell patterns for names, as the server API's: * and ** any run of characters, ? any one, [ab],
 * [a-z] and [!ab] one of some, {this,that} one of several, \ takes the next as it is. */
#pragma once

#include "daemon/config/pattern.h"

/* A pattern that matches whole names. 0; -ENOMEM; -EINVAL: why says what is wrong with it. */
MUST_CHECK int glob_new(struct str text, struct pattern **ret, char *why, size_t cap);
