/* What a client asks of a shared poll: which keys it tracks. */
#pragma once

#include <stdint.h>

struct command_sub_refresh;
struct session;

/* sub_refresh of the types track and untrack, of a channel that the session is subscribed to. 0:
 * answered; or as session_refuse(). Does not suspend. */
int poll_refresh(struct session *s, uint32_t id, const struct command_sub_refresh *c);
