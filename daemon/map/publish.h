/* Keys that clients write and remove in maps. Pure, but for what it asks of the session. */
#pragma once

#include "daemon/publish.h"

struct command_publish;
struct client_text;
struct config;
struct config_proxy;
struct namespace;
struct session;

/* May the client, as far as the rules say (where a backend is asked they leave it to that)? 0, or
 * the error to answer. */
MUST_CHECK int map_publish_judge(struct session *s, const struct config *config,
                                 const struct namespace *ns, const struct command_publish *c);

/* Who else is asked; NULL: nobody. */
const struct config_proxy *map_publish_backend(const struct namespace *ns,
                                               const struct command_publish *c);

/* What is published then: the key, which may be the client's own whatever it says; then it lies in
 * *text. */
void map_publish_fill(struct session *s, const struct namespace *ns,
                      const struct command_publish *c, struct client_text *text,
                      struct publication_parts *parts, struct publish_terms *terms);
