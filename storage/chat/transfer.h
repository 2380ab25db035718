/*
 * The chat as lines of JSON, and back: docs/chat-files.md says what is in them. What is exported
 * and imported again is exported as the same lines.
 *
 * Logins, invites and what waits to be published or delivered are no part of it, nor is what is in
 * files (they are known by their hashes). Everything here blocks.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

enum { TRANSFER_WHY_MAX = 512, TRANSFER_LINE_MAX = 64 * 1024 * 1024 };

/* line: without its end. 0, or < 0, which ends it and is returned. */
typedef int transfer_put_fn(void *arg, struct str line);
/* The next line, until the next call: 1; 0: no more; < 0. */
typedef int transfer_take_fn(void *arg, struct str *ret_line);

/* In one snapshot, beside a daemon that runs. has_secrets: passwords' hashes and webhooks, too. */
MUST_CHECK int transfer_export(const char *data_dir, bool has_secrets, transfer_put_fn *put,
                               void *arg, char *ret_why);

/*
 * Into a data directory without a chat, that no daemon has open; all of it, or nothing.
 * ret_why: at least TRANSFER_WHY_MAX bytes; says which line. ret_lines: how many there were.
 * -EBADMSG: a line is none. -EEXIST: there is a chat. -EBUSY.
 */
MUST_CHECK int transfer_import(const char *data_dir, transfer_take_fn *take, void *arg,
                               size_t *ret_lines, char *ret_why);
