/* webhook.*: what comes into a room from outside, and goes out of it. */
#include <stdlib.h>

#include "async/loop.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/member_event.h"
#include "daemon/chat/method.h"
#include "protocol/secret.h"
#include "storage/chat/webhook.h"

static void put_hook(struct buffer *out, const struct chat_webhook *h) {
    out_open(out, '{');
    out_text(out, "id", h->id);
    out_text(out, "kind", h->kind == CHAT_WEBHOOK_IN ? STR("in") : STR("out"));
    out_text(out, "room", h->room);
    out_text(out, "name", h->name);
    out_text_if(out, "url", h->url);
    out_text_if(out, "user", h->bot);
    out_text_if(out, "secret", h->secret);
    out_int(out, "created_at", h->created_at);
    out_close(out, '}');
}

int chat_run_webhook_create(struct chat_call *c, struct chat_tx *tx) {
    struct chat_webhook_new new = { .room = c->in.room, .name = c->in.name, .url = c->in.url };
    uint8_t random[SECRET_RANDOM_MAX];
    char secret[SECRET_TEXT_MAX];
    struct chat_member member;
    struct chat_change change;
    struct chat_webhook hook;

    if (str_equal(c->in.kind, STR("in")))
        new.kind = CHAT_WEBHOOK_IN;
    else if (str_equal(c->in.kind, STR("out")))
        new.kind = CHAT_WEBHOOK_OUT;
    else
        return chat_refuse(tx, CHAT_BAD_REQUEST, "kind", 0);
    loop_random(random, sizeof random);
    secret_write(STR(""), bytes_of(random, sizeof random), secret);
    int r = chat_webhook_create(tx, &c->by, &new, str_of(secret), &hook, &member, &change);
    if (r == 0)
        r = event_member_added(tx, hook.room, &member, c->by.id, &change);
    if (r != 0)
        return r;
    out_key(&c->out, "webhook");
    put_hook(&c->out, &hook);
    return 0;
}

int chat_run_webhook_list(struct chat_call *c, struct chat_tx *tx) {
    struct chat_webhooks all;
    int r = chat_webhook_list(tx, &c->by, c->in.room, &all);
    if (r != 0)
        return r;
    out_key(&c->out, "webhooks");
    out_open(&c->out, '[');
    for (size_t i = 0; i < all.n; i++) {
        out_next(&c->out);
        put_hook(&c->out, &all.items[i]);
    }
    out_close(&c->out, ']');
    return 0;
}

int chat_run_webhook_remove(struct chat_call *c, struct chat_tx *tx) {
    struct chat_change change;
    struct chat_webhook hook;
    int r = chat_webhook_remove(tx, &c->by, c->in.id, &hook, &change);
    if (r == 0 && change.is_changed)
        r = event_member_removed(tx, hook.room, hook.bot, c->by.id, "removed", &change);
    return r;
}
