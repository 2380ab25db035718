/* What other nodes ask of the one that keeps the chat, and what it orders them. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/online.h"
#include "daemon/chat/own.h"
#include "daemon/chat/part.h"
#include "daemon/chat/remote.h"
#include "daemon/chat/remote_message.h"
#include "daemon/chat/session.h"
#include "daemon/daemon.h"
#include "daemon/node/message.h"
#include "daemon/worker.h"

/* A code of the kind that chat_admit() gives; < 0 passes. */
static int put_code(int r, struct chat_answer *ret) {
    if (r > 0)
        ret->refusal = refusal_of((uint32_t) r);
    return r < 0 ? r : 0;
}

static int admit(struct worker *w, const struct chat_asked *a, struct chat_answer *ret) {
    struct chat *c = w->daemon->chat;
    enum chat_role role = (enum chat_role) 0;

    int r = chat_admit_user(c, a->user, a->data, &role);
    if (r == 0 && role != 0)
        r = chat_online_note(c->online, a->user, role, loop_now() + CHAT_ONLINE_FOR_MS);
    buffer_append_uint(&ret->out, role);
    return put_code(r, ret);
}

static int find_login(struct worker *w, const struct chat_asked *a, struct chat_answer *ret) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT; /* outlives what is in it */
    CLEANUP(auth_who_finishp) struct auth_who *who = arena_alloc(&arena, sizeof *who);
    struct str token = { (const char *) a->data.data, a->data.len };

    if (!who)
        return -ENOMEM;
    *who = (struct auth_who){ 0 };
    int r = auth_find(w, token, who);
    if (r == 0) {
        const struct str all[] = { who->user.id, who->user.name, who->login.id };
        for (size_t i = 0; i < ELEMENTS_OF(all); i++) {
            buffer_append_str(&ret->out, all[i]);
            buffer_append_byte(&ret->out, '\0');
        }
    }
    return put_code(r == CHAT_NOT_FOUND ? DISCONNECT_INVALID_TOKEN : r, ret);
}

static int note_online(struct worker *w, const struct chat_asked *a) {
    const char *at = (const char *) a->data.data, *end = at + a->data.len;
    int r = 0;

    while (r == 0 && at < end) {
        size_t len = strnlen(at, (size_t) (end - at));
        struct str user = { at, len };
        if (chat_is_user_id(user))
            r = chat_online_note(w->daemon->chat->online, user, CHAT_GUEST,
                                 loop_now() + CHAT_ONLINE_FOR_MS);
        at += len + 1;
    }
    return r;
}

static int answer(struct worker *w, const struct chat_asked *a, struct chat_answer *ret) {
    if (str_equal(a->method, CHAT_ASK_ADMIT))
        return admit(w, a, ret);
    if (str_equal(a->method, CHAT_ASK_FOLLOW))
        return put_code(chat_check_follows(w->daemon->chat, a->user, a->room), ret);
    if (str_equal(a->method, CHAT_ASK_LOGIN))
        return find_login(w, a, ret);
    if (str_equal(a->method, CHAT_ASK_KEEP))
        return auth_keep(w, a->user, (struct str){ (const char *) a->data.data, a->data.len });
    if (str_equal(a->method, CHAT_ASK_ONLINE))
        return note_online(w, a);
    return chat_serves(w, a->method) ? chat_call(w, a, ret) : -ENOSYS;
}

int chat_serve_node(struct worker *w, const struct node_message *m, struct buffer *out) {
    CLEANUP(chat_answer_finish) struct chat_answer a = { 0 };
    struct chat_asked asked;

    if (!w->daemon->chat || !chat_is_here(w->daemon->chat))
        return NODE_DOES_NOT_KNOW;
    if (str_equal(m->name, CHAT_ASK_WHO))
        return NODE_DONE;
    int r = chat_asked_decode(m->body, &asked);
    if (r < 0)
        return r;
    asked.method = m->name;
    r = answer(w, &asked, &a);
    if (r < 0)
        return r;
    chat_answer_encode(&a, out);
    return NODE_DONE;
}

/* ---- orders ---- */

/* "first\nsecond": parts of a name, of ids, which have no such character. */
static struct str part_of(struct str *name) {
    const char *end = name->len ? memchr(name->data, '\n', name->len) : NULL;
    struct str part = { name->data, end ? (size_t) (end - name->data) : name->len };
    name->data += end ? part.len + 1 : part.len;
    name->len -= end ? part.len + 1 : part.len;
    return part;
}

int chat_serve_part(struct worker *w, const struct node_message *m, struct buffer *out) {
    struct str rest = m->name;
    struct str user = part_of(&rest), room = part_of(&rest);

    if (w->daemon->chat && user.len > 0 && user.len <= CHAT_ID_MAX && room.len <= CHAT_ID_MAX)
        return chat_part_here(w, room, user);
    return 0;
}

int chat_serve_sign_out(struct worker *w, const struct node_message *m, struct buffer *out) {
    struct str rest = m->name;
    struct auth_ending e = { .user = part_of(&rest) };

    e.login = part_of(&rest);
    e.except = part_of(&rest);
    if (w->daemon->chat && e.user.len > 0 && e.user.len <= CHAT_ID_MAX)
        auth_end_here(w, &e);
    return 0;
}
