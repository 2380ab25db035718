#include "daemon/chat/session.h"

#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "daemon/chat/call.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/event.h"
#include "daemon/chat/online.h"
#include "daemon/chat/own.h"
#include "daemon/chat/remote.h"
#include "daemon/chat/welcome.h"
#include "daemon/session/control.h"
#include "daemon/session/impl.h"
#include "protocol/json.h"
#include "protocol/plain.h"
#include "storage/chat/permission.h"
#include "storage/chat/room.h"
#include "storage/chat/user.h"

/* ---- who connects ---- */

struct admitting {
    struct chat_work work;
    struct str id, name; /* what the credentials say */
    struct chat_user user;
    bool is_to_write; /* as the database does not have them so */
    bool is_new;
};

/* `name` of the credentials' info, which is JSON; empty: it says none. */
static struct str name_of(struct bytes info, struct arena *a) {
    struct json j;
    struct json_string key;
    struct str name = { 0 };

    json_init(&j, info);
    if (info.len == 0 || json_peek(&j) != JSON_IS_OBJECT || !json_enter_object(&j))
        return name;
    while (json_member(&j, &key)) {
        if (json_is(key, STR("name")) && json_peek(&j) == JSON_IS_STRING)
            json_text(&j, a, &name);
        else
            json_skip(&j);
    }
    return json_result(&j) == 0 ? name : (struct str){ 0 };
}

/* As the chat has names: of so many characters, on one line, without spaces around, and with spaces
 * for what is not seen. Empty: there is nothing of it. */
static struct str tidy(struct str name, struct arena *a) {
    enum { CHARACTERS_MAX = 64 };
    char *copy = arena_alloc(a, name.len + 1);
    size_t n = 0, end = 0, characters = 0;

    for (size_t i = 0, next = 0; copy && i < name.len && characters < CHARACTERS_MAX; i = next) {
        uint32_t c = plain_next(name, &next);
        if (c == ' ' || !plain_is_character(c)) {
            if (n > 0) {
                copy[n++] = ' ';
                characters++;
            }
            continue;
        }
        memcpy(copy + n, name.data + i, next - i);
        n += next - i;
        end = n;
        characters++;
    }
    struct str tidied = { copy, copy ? end : 0 };
    return plain_has_ink(tidied) ? tidied : (struct str){ 0 };
}

static int look_up(struct chat_work *w, struct chat_tx *tx) {
    struct admitting *a = CONTAINER_OF(w, struct admitting, work);

    int r = chat_user_get(tx, a->id, &a->user);
    a->is_new = r == CHAT_NOT_FOUND;
    a->is_to_write = a->is_new || (r == 0 && a->user.login.len == 0 && a->name.len > 0 &&
                                   !a->user.is_bot && !str_equal(a->user.name, a->name));
    return r == CHAT_NOT_FOUND ? 0 : r;
}

static int provision(struct chat_work *w, struct chat_tx *tx) {
    struct admitting *a = CONTAINER_OF(w, struct admitting, work);
    bool is_changed = false;

    int r = chat_user_provision(tx, a->id, a->name, &a->user, &is_changed);
    if (r == 0 && is_changed)
        r = event_order(tx, &(struct chat_order){ .kind = ORDER_USER, .user = a->user.id });
    if (r == 0 && is_changed && a->is_new)
        r = chat_welcome_user(tx, &a->user);
    return r;
}

static int admit(struct chat *c, struct admitting *a) {
    a->work = CHAT_WORK(look_up);
    int r = chat_read(c, &a->work);
    if (r == 0 && a->is_to_write) {
        SHIELD(INT64_MAX / 2); /* what has begun is waited for */
        chat_work_finish(&a->work);
        a->work = CHAT_WORK(provision);
        r = chat_write(c, &a->work);
    }
    return r;
}

int chat_admit_user(struct chat *c, struct str user, struct bytes info, enum chat_role *ret_role) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct admitting *a = calloc(1, sizeof *a);

    if (!a)
        return -ENOMEM;
    a->id = user;
    a->name = tidy(name_of(info, &arena), &arena);
    int r = admit(c, a);
    if (r == 0 && a->user.deactivated_at != 0)
        r = DISCONNECT_PERMISSION_DENIED;
    else if (r == 0)
        *ret_role = a->user.role;
    else if (r > 0) /* a name that cannot be: they connect, and are not of the chat */
        r = 0;
    else if (r != -ECANCELED && r != -ETIMEDOUT && r != -ENOMEM)
        r = ERROR_INTERNAL;
    chat_work_finish(&a->work);
    free(a);
    return r;
}

/* What the node that keeps the chat says of it: as the functions that ask it return. */
static int code_of(const struct chat_answer *answer) {
    return answer->refusal.code == CHAT_OWNER_AWAY ? ERROR_INTERNAL : (int) answer->refusal.code;
}

static int admit_elsewhere(struct worker *w, struct str user, struct bytes info,
                           enum chat_role *ret_role) {
    CLEANUP(chat_answer_finish) struct chat_answer answer = { 0 };

    int r = chat_remote_call(
            w, &(struct chat_asked){ .user = user, .method = CHAT_ASK_ADMIT, .data = info },
            &answer);
    if (r == 0 && answer.refusal.code == 0 && answer.out.len == 1)
        *ret_role = (enum chat_role)(answer.out.data[0] - '0');
    return r < 0 ? r : code_of(&answer);
}

int chat_admit(struct session *s, const struct credentials *who, enum chat_role *ret_role) {
    struct chat *c = s->worker->daemon->chat;

    *ret_role = (enum chat_role) 0;
    if (!c || !chat_is_user_id(who->user))
        return 0;
    return chat_is_here(c) ? chat_admit_user(c, who->user, who->info, ret_role)
                           : admit_elsewhere(s->worker, who->user, who->info, ret_role);
}

void chat_session_entered(struct session *s, enum chat_role role) {
    struct chat *c = s->worker->daemon->chat;
    if (c && role != 0) /* without memory it is not told of others */
        s->is_in_chat = chat_online_enter(c->online, session_user(s), role) == 0;
}

void chat_session_left(struct session *s) {
    if (s->is_in_chat)
        chat_online_leave(s->worker->daemon->chat->online, session_user(s), loop_wall_ms());
    s->is_in_chat = false;
}

/* ---- rooms' channels ---- */

#define ROOM_PREFIX STR("room:")

bool chat_is_room(const struct worker *w, struct str channel) {
    return w->daemon->chat && str_starts_with(channel, ROOM_PREFIX);
}

static struct str room_of(struct str channel) {
    return (struct str){ channel.data + ROOM_PREFIX.len, channel.len - ROOM_PREFIX.len };
}

struct following {
    struct chat_work work;
    struct str user, room;
};

static int check_follows(struct chat_work *w, struct chat_tx *tx) {
    struct following *f = CONTAINER_OF(w, struct following, work);
    struct chat_actor by;

    int r = chat_actor_load(tx, f->user, &by);
    return r == 0 ? chat_room_check(tx, &by, f->room, CHAT_ACT_FOLLOW, NULL) : r;
}

int chat_check_follows(struct chat *c, struct str user, struct str room) {
    struct following f = { .work = CHAT_WORK(check_follows), .user = user, .room = room };

    int r = chat_read(c, &f.work);
    chat_work_finish(&f.work);
    if (r > 0) /* the same, whether there is no such room or it is none of theirs */
        return ERROR_PERMISSION_DENIED;
    return r == 0 || r == -ECANCELED || r == -ETIMEDOUT ? r : ERROR_INTERNAL;
}

static int follows_elsewhere(struct worker *w, struct str user, struct str room) {
    CLEANUP(chat_answer_finish) struct chat_answer answer = { 0 };

    int r = chat_remote_call(
            w, &(struct chat_asked){ .user = user, .method = CHAT_ASK_FOLLOW, .room = room },
            &answer);
    return r < 0 ? r : code_of(&answer);
}

int chat_may_follow(struct session *s, struct str channel, uint64_t *ret_parted) {
    struct chat *c = s->worker->daemon->chat;
    struct str user = session_user(s);

    *ret_parted = atomic_load(&c->parted); /* before it is looked at */
    if (!chat_is_user_id(user))
        return ERROR_PERMISSION_DENIED;
    return chat_is_here(c) ? chat_check_follows(c, user, room_of(channel))
                           : follows_elsewhere(s->worker, user, room_of(channel));
}

/* Looks again whether a subscription may be. */
struct doubt {
    struct session_errand errand;
    size_t len;
    char channel[];
};

static void on_doubt(struct session *s, struct session_errand *e) {
    struct doubt *d = CONTAINER_OF(e, struct doubt, errand);
    struct str channel = { d->channel, d->len };
    uint64_t parted;

    int r = chat_may_follow(s, channel, &parted);
    if (r > 0) /* where it could not be found out the client comes again */
        session_unsubscribe_server(s, channel,
                                   r == ERROR_PERMISSION_DENIED ? UNSUBSCRIBE_SERVER
                                                                : UNSUBSCRIBE_INSUFFICIENT_STATE,
                                   (struct str){ 0 });
    free(d);
}

static void drop_doubt(struct session_errand *e) {
    free(CONTAINER_OF(e, struct doubt, errand));
}

void chat_followed(struct session *s, struct str channel, uint64_t parted) {
    if (atomic_load(&s->worker->daemon->chat->parted) == parted)
        return;
    struct doubt *d = malloc(sizeof *d + channel.len);
    if (!d) {
        session_disconnect(s, DISCONNECT_SERVER_ERROR);
        return;
    }
    d->errand = (struct session_errand){ .run = on_doubt, .drop = drop_doubt };
    d->len = channel.len;
    memcpy(d->channel, channel.data, channel.len);
    (void) session_post(s, &d->errand);
}

/* ---- calls ---- */

static int call(struct session *s, uint32_t id, const struct chat_asked *asked,
                struct chat_answer *answer) {
    s->is_waiting = true;
    int r = chat_call(s->worker, asked, answer);
    s->is_waiting = false;
    if (r < 0)
        return session_failed(s, id, r);
    if (s->state == SESSION_CLOSING)
        return -ECONNABORTED;
    if (answer->refusal.code)
        return session_refuse(s, id, answer->refusal);
    return 1;
}

int chat_session_call(struct session *s, uint32_t id, struct str method, struct bytes data) {
    CLEANUP(chat_answer_finish) struct chat_answer answer = { 0 };

    int r = call(s, id,
                 &(struct chat_asked){ .user = session_user(s), .method = method, .data = data },
                 &answer);
    if (r <= 0)
        return r;
    if (answer.out.len > session_reply_max(s))
        return session_error(s, id, ERROR_LIMIT_EXCEEDED);
    session_reply(s, &(struct reply){
                             .kind = REPLY_RPC, .id = id, .rpc = { buffer_bytes(&answer.out) } });
    return 0;
}

int chat_session_publish(struct session *s, uint32_t id, struct str channel, struct bytes data) {
    CLEANUP(chat_answer_finish) struct chat_answer answer = { 0 };

    int r = publishes_wait(s); /* replies come in the order of their commands */
    if (r == 0)
        r = call(s, id,
                 &(struct chat_asked){ .user = session_user(s),
                                       .method = STR("message.send"),
                                       .room = room_of(channel),
                                       .data = data },
                 &answer);
    if (r <= 0)
        return r;
    session_reply(s, &(struct reply){ .kind = REPLY_PUBLISH, .id = id });
    return 0;
}
