/* What nodes say to each other about the chat, inside their messages: calls and their answers.
 * Pure.
 */
#pragma once

#include "daemon/chat/call.h"

/* Of who asks, the room and the data; the method is the message's name. */
void chat_asked_encode(const struct chat_asked *a, struct buffer *out);
MUST_CHECK int chat_asked_decode(struct bytes in,
                                 struct chat_asked *ret); /* spans of in. -EBADMSG */

void chat_answer_encode(const struct chat_answer *a, struct buffer *out);
/* -EBADMSG; -ENOMEM. ret: zeroed before. */
MUST_CHECK int chat_answer_decode(struct bytes in, struct chat_answer *ret);
