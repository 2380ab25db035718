/* Which connections a call of the server API is about. */
#pragma once

#include "daemon/api/impl.h"

struct session;
struct tags_filter;

struct api_who {
    struct str user, client, session; /* borrowed */
    bool everybody;                   /* whatever the user; client and session empty */
    struct tags_filter *labels;       /* NULL: any */
};

/* By the call's parameters. 0; ERROR_BAD_REQUEST; -ENOMEM. */
MUST_CHECK int api_who_of(struct api_call *c, struct api_who *ret);
void api_who_finish(struct api_who *who);

/* Calls f for each of w's connected sessions that is meant. f may end the session, but must not
 * suspend. Stops at the first result other than 0, and returns it. */
int api_who_each(struct worker *w, const struct api_who *who,
                 int (*f)(struct session *s, void *arg), void *arg);

/* A connection's labels: the member `labels`, an object of strings, of the meta that its token or
 * proxy gave. In the arena, or spans of the meta. -EBADMSG: there is no such object; -ENOMEM. */
MUST_CHECK int api_labels_of(const struct session *s, struct arena *a, struct tag **ret,
                             size_t *ret_n);
