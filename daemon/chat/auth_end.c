/* The end of logins, for those who are connected by them. */
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/daemon.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/session/subscription.h"
#include "daemon/survey.h"
#include "daemon/worker.h"
#include "protocol/reply.h"

uint64_t auth_endings(const struct daemon *d) {
    return d->auth ? atomic_load_explicit(&d->auth->endings, memory_order_acquire) : 0;
}

/* Where it is subscribed to its user's channel: that is what its library hands on. */
static void tell(struct session *s, struct str channel) {
    struct push push = { .kind = PUSH_PUBLICATION, .channel = channel };
    if (!subscription_find(s, channel))
        return;
    push.publication.data = str_bytes(STR("{\"type\":\"session.ended\"}"));
    session_push(s, &push);
}

static bool is_meant(const struct session *s, const struct auth_ending *e) {
    struct str login = session_login(s);
    if (e->is_user_out)
        return true;
    if (login.len == 0 || (e->except.len && str_equal(login, e->except)))
        return false;
    return e->login.len == 0 || str_equal(login, e->login);
}

static int end_here(struct worker *w, void *arg, void *part) {
    const struct auth_ending *e = arg;
    char buf[CHAT_CHANNEL_MAX];
    struct str channel = chat_user_channel(e->user, buf);

    HUB_FOREACH_USER (w, e->user, s) {
        if (!is_meant(s, e))
            continue;
        tell(s, channel);
        session_disconnect(s, e->is_user_out ? DISCONNECT_PERMISSION_DENIED
                                             : DISCONNECT_INVALID_TOKEN);
    }
    return 0;
}

void auth_end(struct worker *w, const struct auth_ending *e) {
    struct auth_ending copy = *e;
    atomic_fetch_add_explicit(&w->daemon->auth->endings, 1, memory_order_acq_rel);
    int r = survey(w, &(struct survey){ .ask = end_here, .arg = &copy });
    (void) r; /* a worker that could not be asked is ending, and its sessions with it */
}
