/* The end of logins, for those who are connected by them. */
#include "async/group.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/event.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/node/desk.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/session/login.h"
#include "daemon/session/subscription.h"
#include "daemon/survey.h"
#include "daemon/worker.h"
#include "protocol/reply.h"

uint64_t auth_endings(const struct daemon *d) {
    return d->chat ? atomic_load_explicit(&d->chat->endings, memory_order_acquire) : 0;
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
        session_disconnect(s, DISCONNECT_INVALID_TOKEN);
    }
    return 0;
}

void auth_count_ending(struct daemon *d) {
    if (d->chat)
        atomic_fetch_add_explicit(&d->chat->endings, 1, memory_order_acq_rel);
}

void auth_end_here(struct worker *w, const struct auth_ending *e) {
    struct auth_ending copy = *e;
    auth_count_ending(w->daemon);
    int r = survey(w, &(struct survey){ .ask = end_here, .arg = &copy });
    if (r < 0) /* a worker that ends takes its connections along */
        LOG_WARNING(w->daemon->log, "connections of a login that has ended may go on",
                    LOG_STR("user", e->user), LOG_RESULT(r));
}

/* The other nodes do the same: their names for it are "user\nlogin\nexcept". */
void auth_end(struct worker *w, const struct auth_ending *e) {
    CLEANUP(buffer_finish) struct buffer name = BUFFER_INIT;

    auth_end_here(w, e);
    buffer_append_str(&name, e->user);
    buffer_append_byte(&name, '\n');
    buffer_append_str(&name, e->login);
    buffer_append_byte(&name, '\n');
    buffer_append_str(&name, e->except);
    int r = buffer_error(&name);
    if (r == 0)
        r = node_order(w, NODE_ORDER_CHAT_SIGN_OUT,
                       (struct str){ (const char *) name.data, name.len }, 0);
    if (r < 0)
        LOG_WARNING(w->daemon->log, "connections of a login that has ended may go on",
                    LOG_STR("user", e->user), LOG_RESULT(r));
}

struct end_task {
    struct worker *worker;
    uint8_t user_len;
    char user[CHAT_ID_MAX];
};

static int end_task(void *arg) {
    const struct end_task *t = arg;
    auth_end(t->worker, &(struct auth_ending){ .user = { t->user, t->user_len } });
    return 0;
}

void auth_end_later(struct worker *w, struct group *tasks, struct str user) {
    void *data;
    int r = group_spawn_with(tasks, "chat logins", end_task, sizeof(struct end_task), &data);
    if (r < 0) {
        LOG_WARNING(w->daemon->log, "connections of a login that has ended may go on",
                    LOG_STR("user", user), LOG_RESULT(r));
        return;
    }
    struct end_task *t = data;
    t->worker = w;
    t->user_len = (uint8_t) user.len;
    memcpy(t->user, user.data, user.len);
}
