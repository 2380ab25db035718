/*
 * How a client comes to follow a map: it reads the state page by page (STATE), then what changed
 * meanwhile (STREAM), and when little is left it gets the rest and its place in the channel in one
 * go (LIVE). Each page is a subscribe command of its own; between two of them the subscription is
 * held but does not exist for anyone else.
 *
 * With a stream nothing is kept meanwhile: the stream has it. Without one (ephemeral maps) what is
 * published is kept aside, with a bound. Protocol reference §15. For daemon/session/ only.
 */
#pragma once

#include "daemon/session/grant.h"

struct catch_up;
struct command_subscribe;

/* The one under way in a channel, or NULL. */
struct catch_up *catch_up_find(struct session *s, struct str channel);

/* Does the command begin anew, rather than ask for the next page? */
bool catch_up_is_begun_by(const struct command_subscribe *c);

/*
 * Begins one: g says what has been granted; everything is copied, its filter taken. The first page
 * is answered. Results as subscription_start().
 */
SUSPENDS MUST_CHECK int catch_up_begin(struct session *s, uint32_t id,
                                       const struct command_subscribe *c, struct grant *g);

/* Answers the next page. */
SUSPENDS MUST_CHECK int catch_up_go_on(struct catch_up *u, uint32_t id,
                                       const struct command_subscribe *c);

/* The subscription in that channel ends: forgets what was under way. */
void catch_up_drop(struct session *s, const struct channel *c);
