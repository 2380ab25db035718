#include "daemon/chat/remote.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/task.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/online.h"
#include "daemon/chat/own.h"
#include "daemon/chat/remote_message.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/node/desk.h"
#include "daemon/worker_thread.h"
#include "storage/chat/error.h"

struct chat_remote {
    struct chat *chat;
    pthread_mutex_t lock;
    char owner[NODE_ID_LEN + 1]; /* empty: not known */
    bool has_hint;
    struct chat_remote_owner hint;

    /* the first worker's */
    struct worker *worker;
    struct group tasks;
};

int chat_remote_new(struct chat *c, struct chat_remote **ret) {
    struct chat_remote *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->chat = c;
    (void) pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    return 0;
}

struct chat_remote *chat_remote_free(struct chat_remote *r) {
    if (!r)
        return NULL;
    (void) pthread_mutex_destroy(&r->lock);
    free(r);
    return NULL;
}

/* ---- the owner ---- */

static void set_owner(struct chat_remote *r, struct str id) {
    (void) pthread_mutex_lock(&r->lock);
    if (id.len <= NODE_ID_LEN) {
        if (id.len)
            memcpy(r->owner, id.data, id.len);
        r->owner[id.len] = '\0';
    }
    (void) pthread_mutex_unlock(&r->lock);
}

static bool get_owner(struct chat_remote *r, char ret[static NODE_ID_LEN + 1]) {
    (void) pthread_mutex_lock(&r->lock);
    memcpy(ret, r->owner, sizeof r->owner);
    (void) pthread_mutex_unlock(&r->lock);
    return ret[0] != '\0';
}

/* It does not answer, or is it no longer; unless another one has been found meanwhile. */
static void lose_owner(struct chat_remote *r, const char *id) {
    (void) pthread_mutex_lock(&r->lock);
    bool was = strcmp(r->owner, id) == 0;
    if (was)
        r->owner[0] = '\0';
    (void) pthread_mutex_unlock(&r->lock);
    if (was)
        LOG_WARNING(r->chat->daemon->log, "the node that keeps the chat cannot be reached",
                    LOG_TEXT("node", id));
}

/* ret: the first that keeps it; empty: none has said so. */
static int look_for_owner(struct worker *w, char ret[static NODE_ID_LEN + 1]) {
    CLEANUP(node_answers_finish) struct node_answers all = { 0 };
    int r = node_survey(w, &(struct node_question){ .kind = NODE_ASK_CHAT, .name = CHAT_ASK_WHO },
                        &all);
    ret[0] = '\0';
    for (size_t i = 0; r == 0 && i < all.n; i++) {
        struct str id = all.items[i].id;
        if (all.items[i].result != NODE_DONE || id.len > NODE_ID_LEN)
            continue;
        memcpy(ret, id.data, id.len);
        ret[id.len] = '\0';
        break;
    }
    return r;
}

int chat_remote_has_other(struct worker *w) {
    char id[NODE_ID_LEN + 1];
    int r = look_for_owner(w, id);
    return r < 0 ? r : id[0] != '\0';
}

/* ---- what its lease says ---- */

void chat_remote_hint(struct chat_remote *r, const struct chat_remote_owner *o) {
    (void) pthread_mutex_lock(&r->lock);
    if (o ? strcmp(r->owner, o->id) != 0 : r->has_hint) /* looked for anew */
        r->owner[0] = '\0';
    r->has_hint = o;
    if (o)
        r->hint = *o;
    (void) pthread_mutex_unlock(&r->lock);
}

bool chat_remote_hinted(struct chat_remote *r, struct chat_remote_owner *ret) {
    (void) pthread_mutex_lock(&r->lock);
    bool has = r->has_hint;
    if (has)
        *ret = r->hint;
    (void) pthread_mutex_unlock(&r->lock);
    return has;
}

/* The lease of one that was killed goes on for a while. */
static int look_at_hint(struct chat_remote *r, char ret[static NODE_ID_LEN + 1]) {
    CLEANUP(node_answers_finish) struct node_answers all = { 0 };
    char id[NODE_ID_LEN + 1] = "";

    ret[0] = '\0';
    (void) pthread_mutex_lock(&r->lock);
    if (r->has_hint)
        (void) snprintf(id, sizeof id, "%s", r->hint.id);
    (void) pthread_mutex_unlock(&r->lock);
    int e = node_ask(r->worker, str_of(id),
                     &(struct node_question){ .kind = NODE_ASK_CHAT,
                                              .name = CHAT_ASK_WHO,
                                              .within_ms = CHAT_OWNER_ANSWER_MS },
                     &all);
    if (e == 0 && all.n > 0 && all.items[0].result == NODE_DONE)
        memcpy(ret, id, sizeof id);
    return e == -ENOENT ? 0 : e;
}

/* ---- asking ---- */

static void away(struct chat_answer *ret) {
    chat_refuse_call(ret, CHAT_OWNER_AWAY, NULL);
}

int chat_remote_call(struct worker *w, const struct chat_asked *asked, struct chat_answer *ret) {
    CLEANUP(node_answers_finish) struct node_answers all = { 0 };
    CLEANUP(buffer_finish) struct buffer body = BUFFER_INIT;
    struct chat_remote *remote = w->daemon->chat->remote;
    char owner[NODE_ID_LEN + 1];

    if (!remote || !get_owner(remote, owner)) {
        away(ret);
        return 0;
    }
    chat_asked_encode(asked, &body);
    int r = buffer_error(&body);
    if (r == 0)
        r = node_ask(w, str_of(owner),
                     &(struct node_question){ .kind = NODE_ASK_CHAT,
                                              .name = asked->method,
                                              .body = buffer_bytes(&body) },
                     &all);
    if (r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM)
        return r;
    int result = r < 0 || all.n == 0 ? NODE_UNREACHED : all.items[0].result;
    if (result == NODE_DONE && chat_answer_decode(all.items[0].body, ret) == 0)
        return 0;
    if (result == NODE_GONE || result == NODE_UNREACHED || result == NODE_UNANSWERED ||
        result == NODE_DOES_NOT_KNOW) /* one that is only slow is found again */
        lose_owner(remote, owner);
    chat_answer_finish(ret);
    *ret = (struct chat_answer){ 0 };
    away(ret);
    return 0;
}

/* ---- looking, and telling who is here ---- */

static int tell_online(struct chat_remote *remote) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    CLEANUP(buffer_finish) struct buffer ids = BUFFER_INIT;
    CLEANUP(chat_answer_finish) struct chat_answer answer = { 0 };
    struct chat_online_user *all = NULL;
    size_t n = 0;

    int r = chat_online_list(remote->chat->online, &arena, &all, &n);
    for (size_t i = 0; i < n; i++) {
        buffer_append_str(&ids, all[i].id);
        buffer_append_byte(&ids, '\0');
    }
    if (r == 0)
        r = buffer_error(&ids);
    if (r < 0)
        return r;
    return chat_remote_call(
            remote->worker,
            &(struct chat_asked){ .method = CHAT_ASK_ONLINE, .data = buffer_bytes(&ids) }, &answer);
}

static bool has_hint(struct chat_remote *r) {
    (void) pthread_mutex_lock(&r->lock);
    bool has = r->has_hint;
    (void) pthread_mutex_unlock(&r->lock);
    return has;
}

static int look_task(void *arg) {
    struct chat_remote *remote = arg;
    char owner[NODE_ID_LEN + 1];
    int64_t told_ms = loop_now() - CHAT_ONLINE_EVERY_MS;
    int r = 0;

    while (r != -ECANCELED) {
        bool is_hinted = has_hint(remote);
        if (chat_is_here(remote->chat)) {
            owner[0] = '\0';
        } else if (!get_owner(remote, owner)) {
            r = is_hinted ? look_at_hint(remote, owner) : look_for_owner(remote->worker, owner);
            if (r == 0 && owner[0]) {
                LOG_INFO(remote->chat->daemon->log, "another node keeps the chat",
                         LOG_TEXT("node", owner));
                set_owner(remote, str_of(owner));
                told_ms = loop_now() - CHAT_ONLINE_EVERY_MS;
            }
        }
        if (r == 0 && owner[0] && loop_now() - told_ms >= CHAT_ONLINE_EVERY_MS) {
            told_ms = loop_now();
            r = tell_online(remote);
        }
        if (r != -ECANCELED)
            r = task_sleep(is_hinted && !owner[0] ? CHAT_OWNER_HINT_MS : CHAT_OWNER_LOOK_MS);
    }
    return 0;
}

int chat_remote_start(struct chat_remote *r) {
    r->worker = &r->chat->daemon->threads[0].worker;
    group_init(&r->tasks);
    int e = group_spawn(&r->tasks, "chat owner", look_task, r);
    if (e < 0)
        r->worker = NULL;
    return e;
}

void chat_remote_stop(struct chat_remote *r) {
    if (!r->worker)
        return;
    group_finish(&r->tasks);
    r->worker = NULL;
}
