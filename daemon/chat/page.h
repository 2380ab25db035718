/*
 * Pages of messages: as long as was asked for and the configuration allows, and never more bytes
 * than a client is sent at once. What does not fit is left to the next page, which its has_before
 * or has_after promises.
 */
#pragma once

#include "daemon/chat/method.h"
#include "storage/chat/message.h"

enum { CHAT_PAGE_BYTES = 256 * 1024 };

/* What was asked for, of `before`, `after`, `around`, `limit`. 0, or CHAT_BAD_REQUEST: more than
 * one of them. */
MUST_CHECK int chat_span_of(struct chat_call *c, struct chat_tx *tx, struct chat_span *ret);

/* Of `limit`: at least 1, at most page_max; without it page_max. */
size_t chat_limit_of(const struct chat_call *c, const struct chat_tx *tx);

/* Appends the members messages, has_before, has_after. unread_after: where around_unread means:
 * the last one that was read. 0, -ENOMEM. */
MUST_CHECK int chat_put_page(struct buffer *out, const struct chat_messages *all,
                             const struct chat_span *span, uint64_t unread_after);
