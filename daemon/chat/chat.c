#include "daemon/chat/chat.h"

#include <errno.h>
#include <stdlib.h>

#include "async/tls.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/lease.h"
#include "daemon/chat/notice.h"
#include "daemon/chat/online.h"
#include "daemon/chat/own.h"
#include "daemon/chat/remote.h"
#include "daemon/chat/typing.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker_thread.h"
#include "storage/lease.h"

bool chat_is_user_id(struct str user) {
    if (user.len == 0 || user.len > CHAT_ID_MAX)
        return false;
    for (size_t i = 0; i < user.len; i++)
        if (user.data[i] <= ' ' || user.data[i] >= 0x7f || user.data[i] == ',' ||
            user.data[i] == '#')
            return false;
    return true;
}

void chat_tell(struct worker *w, struct str channel, struct bytes data) {
    struct publication *p = publication_new(&(struct publication_parts){
            .kind = PUBLICATION_DATA, .channel = channel, .data = data, .is_json_line = true });
    int r = p ? engine_broadcast(w->daemon->engine, p) : -ENOMEM;
    if (r < 0)
        LOG_WARNING(w->daemon->log, "a live event of the chat was lost",
                    LOG_STR("channel", channel), LOG_RESULT(r));
    publication_unref(p);
}

/* ---- beginning and end ---- */

static bool uses_tls(const struct config *c) {
    return c->http.tls_enabled || c->chat.pass_ca_file.len > 0 ||
           str_starts_with(c->chat.address, STR("https://"));
}

/* Nodes are configured alike, in this. */
static int open_pass(struct chat *c, char **ret_why) {
    struct str ca_file = c->config->chat.pass_ca_file;
    if (!uses_tls(c->config))
        return 0;
    return tls_client_new(
            &(struct tls_client_options){ .ca_file = ca_file.len ? ca_file.data : NULL },
            &c->pass_tls, ret_why);
}

int chat_open(struct daemon *d, const char *vfs, struct chat **ret, char **ret_why) {
    if (!d->config->chat.enabled)
        return 0;
    struct chat *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->daemon = d;
    c->config = config_ref(d->config);
    c->vfs = vfs;
    int r = chat_online_new(&c->online);
    if (r == 0)
        r = chat_typing_new(&c->typing);
    if (r == 0 && engine_leases(d->engine))
        r = chat_lease_new(c, &c->lease);
    if (r == 0 && c->lease)
        r = open_pass(c, ret_why);
    if (r == 0 && (c->lease || !d->config->chat.owner))
        r = chat_remote_new(c, &c->remote);
    if (r == 0 && !c->remote)
        r = chat_own_open(c, ret_why);
    if (r < 0) {
        chat_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

static int start_own(struct worker *w, struct chat *c) {
    int has_other = chat_remote_has_other(w);

    if (has_other > 0) {
        LOG_ERROR(c->daemon->log,
                  "another node keeps the chat: chat.owner must be false on all but one");
        return -EBUSY;
    }
    int r = has_other < 0 ? has_other : chat_own_start(c);
    if (r == 0)
        chat_own_let_in(c);
    return r;
}

struct starting {
    struct chat *chat;
    char *why;
};

static int start_here(struct worker_thread *t, void *arg) {
    struct starting *s = arg;
    struct chat *c = s->chat;
    if (c->lease)
        return chat_lease_start(c->lease, &s->why);
    return c->remote ? chat_remote_start(c->remote) : start_own(&t->worker, c);
}

static int stop_here(struct worker_thread *t, void *arg) {
    struct starting *s = arg;
    struct chat *c = s->chat;
    if (c->lease)
        chat_lease_stop(c->lease);
    else if (c->remote)
        chat_remote_stop(c->remote);
    else
        chat_own_stop(c);
    return 0;
}

static int ask_first(struct starting *s, int (*run)(struct worker_thread *t, void *arg)) {
    struct chore chore;
    chore_send(&chore, &s->chat->daemon->threads[0], run, s);
    return chore_wait(&chore);
}

int chat_start(struct chat *c, char **ret_why) {
    struct starting s = { .chat = c };
    if (!c)
        return 0;
    c->has_started = true; /* or in part: it is to be stopped */
    int r = ask_first(&s, start_here);
    *ret_why = s.why;
    return r;
}

void chat_listens(struct chat *c) {
    struct auth *auth = c ? c->daemon->auth : NULL;
    if (auth)
        auth_keep_url(auth);
    if (c && c->lease)
        chat_lease_listens(c->lease);
    else if (auth)
        auth_say_setup_link(auth);
}

void chat_stop(struct chat *c) {
    struct starting s = { .chat = c };
    if (!c || !c->has_started)
        return;
    c->has_started = false;
    (void) ask_first(&s, stop_here);
    if (c->store)
        (void) chat_notice_seen(c);
}

struct chat *chat_close(struct chat *c) {
    if (!c)
        return NULL;
    chat_own_close(c);
    c->lease = chat_lease_free(c->lease);
    c->remote = chat_remote_free(c->remote);
    tls_free(c->pass_tls);
    c->typing = chat_typing_free(c->typing);
    c->online = chat_online_free(c->online);
    free(c->files_dir);
    config_unref(c->config);
    free(c);
    return NULL;
}
