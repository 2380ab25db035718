/* invite.*: links by which others come in. */
#include "async/loop.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/auth_event.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/method.h"
#include "daemon/daemon.h"
#include "storage/chat/invite.h"

static const struct auth *auth_of(const struct chat_call *c) {
    return c->chat->daemon->auth;
}

int chat_run_invite_create(struct chat_call *c, struct chat_tx *tx) {
    uint8_t random[AUTH_CODE_BYTES];
    char code[SECRET_TEXT_MAX];
    struct chat_invite invite;

    loop_random(random, sizeof random);
    secret_write(STR(""), bytes_of(random, sizeof random), code);
    int r = chat_invite_create(tx, &c->by,
                               &(struct chat_invite_new){ .code = str_of(code),
                                                          .room = c->in.room,
                                                          .guests = c->in.guests,
                                                          .uses = c->in.uses,
                                                          .expires_at = c->in.expires_at },
                               &invite);
    if (r != 0)
        return r;
    auth_put_invite_members(&c->out, auth_of(c), &invite);
    return 0;
}

int chat_run_invite_list(struct chat_call *c, struct chat_tx *tx) {
    struct chat_invites all;

    int r = chat_invite_list(tx, &c->by, c->in.room, &all);
    if (r != 0)
        return r;
    out_key(&c->out, "invites");
    out_open(&c->out, '[');
    for (size_t i = 0; i < all.n; i++) {
        out_next(&c->out);
        out_open(&c->out, '{');
        auth_put_invite_members(&c->out, auth_of(c), &all.items[i]);
        out_close(&c->out, '}');
    }
    out_close(&c->out, ']');
    return 0;
}

int chat_run_invite_revoke(struct chat_call *c, struct chat_tx *tx) {
    return chat_invite_revoke(tx, &c->by, c->in.code);
}
