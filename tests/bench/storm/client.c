#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base64.h"
#include "tests/bench/storm/storm.h"

enum {
    RETRY_MS = 20,
    PER_ADDRESS = 8000, /* clients with one source address */
    GENERATIONS = 200,
    CONNECT_ID = 1,
};

/* ---- retries: all after the same time, so their queue is in order ---- */

void client_retry(struct client *c) {
    struct storm *s = c->storm;
    if (c->retry_ns)
        return;
    c->retry_ns = now_ns() + RETRY_MS * UINT64_C(1000000);
    c->next_retry = NULL;
    if (s->last_retry)
        s->last_retry->next_retry = c;
    else
        s->first_retry = c;
    s->last_retry = c;
}

uint64_t storm_run_retries(struct storm *s, uint64_t now) {
    while (s->first_retry && s->first_retry->retry_ns <= now) {
        struct client *c = s->first_retry;
        s->first_retry = c->next_retry;
        if (!s->first_retry)
            s->last_retry = NULL;
        c->retry_ns = 0;
        if (c->link.fd < 0)
            client_connect(c);
        else if (c->is_connected)
            c->role->again(c);
    }
    return s->first_retry ? s->first_retry->retry_ns : UINT64_MAX;
}

static void forget_retry(struct client *c) {
    struct storm *s = c->storm;
    struct client *before = NULL;
    for (struct client *i = s->first_retry; i; before = i, i = i->next_retry) {
        if (i != c)
            continue;
        if (before)
            before->next_retry = i->next_retry;
        else
            s->first_retry = i->next_retry;
        if (s->last_retry == i)
            s->last_retry = before;
        break;
    }
    c->retry_ns = 0;
}

/* ---- commands ---- */

uint32_t client_append(struct client *c, struct command *command, struct buffer *out) {
    command->id = ++c->last_id;
    if (out->len > 0)
        codec_json.separate(out);
    codec_json.encode_command(command, out);
    if (buffer_error(out) < 0)
        give_up("a command", 0);
    return command->id;
}

void client_send(struct client *c, struct buffer *commands) {
    if (commands->len > 0)
        link_send(&c->link, buffer_bytes(commands));
    buffer_finish(commands);
}

/* Not signed: the server is told to believe it. */
static void append_token(const struct client *c, struct buffer *out) {
    static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", signature[] = "unsigned";
    char claims[96];
    int len = snprintf(claims, sizeof claims,
                       "{\"sub\":\"user-%" PRIu32 "\",\"info\":{\"name\":\"User %" PRIu32 "\"}}",
                       c->index, c->index);
    base64_encode(BASE64_URL, bytes_of(head, sizeof head - 1), out);
    buffer_append_byte(out, '.');
    base64_encode(BASE64_URL, bytes_of(claims, (size_t) len), out);
    buffer_append_byte(out, '.');
    base64_encode(BASE64_URL, bytes_of(signature, sizeof signature - 1), out);
}

/* ---- the link ---- */

static struct client *client_of(struct link *l) {
    return (struct client *) l;
}

static void on_opened(struct link *l) {
    struct client *c = client_of(l);
    struct buffer out = BUFFER_INIT, token = BUFFER_INIT;
    if (c->storm->has_users)
        append_token(c, &token);
    struct command command = {
        .kind = COMMAND_CONNECT,
        .connect.token = { .data = (const char *) token.data, .len = token.len },
    };
    c->last_id = 0;
    (void) client_append(c, &command, &out);
    client_send(c, &out);
    buffer_finish(&token);
}

static void on_lost(struct link *l, unsigned code, const char *why) {
    struct client *c = client_of(l);
    if (c->is_connected)
        c->storm->counts.lost++;
    else
        c->storm->counts.retries++;
    (void) snprintf(c->storm->why_lost, sizeof c->storm->why_lost, "%u %s", code, why);
    c->is_connected = false;
    c->role->lost(c);
}

static void on_connect_reply(struct client *c, const struct reply *r) {
    if (r->kind == REPLY_CONNECT) {
        c->is_connected = true;
        c->storm->counts.connected++;
        c->role->connected(c);
        return;
    }
    if (r->kind != REPLY_ERROR || !r->error.is_temporary)
        ledger_fault(&c->storm->ledger, "a client was not let in: error %" PRIu32,
                     r->kind == REPLY_ERROR ? r->error.code : 0);
    c->storm->counts.put_off++;
    link_close(&c->link);
    c->role->lost(c);
}

static void on_reply(struct client *c, const struct reply *r) {
    if (r->kind == REPLY_PING)
        link_send(&c->link, bytes_of("{}", 2));
    else if (r->kind == REPLY_PUSH && c->role->pushed)
        c->role->pushed(c, &r->push);
    else if (r->kind != REPLY_PUSH && r->id == CONNECT_ID)
        on_connect_reply(c, r);
    else if (r->kind != REPLY_PUSH)
        c->role->replied(c, r);
}

static void on_received(struct link *l, struct bytes message) {
    struct client *c = client_of(l);
    struct arena *a = &c->storm->arena;
    struct reply r;
    const char *why;
    int more;
    while ((more = codec_json.next_reply(&message, a, &r, &why)) > 0) {
        on_reply(c, &r);
        arena_finish(a);
        if (l->fd < 0)
            return; /* and the message has gone with it */
    }
    arena_finish(a);
    if (more < 0)
        ledger_fault(&c->storm->ledger, "what the server sent cannot be understood: %s", why);
}

static const struct link_owner owner = { on_opened, on_received, on_lost };

/* ---- its life ---- */

void client_init(struct client *c, struct storm *s, const struct role *role, uint32_t index) {
    *c = (struct client){ .storm = s, .role = role, .index = index };
    link_init(&c->link, &owner, s->poll);
}

void client_finish(struct client *c) {
    client_close(c);
}

void client_close(struct client *c) {
    if (c->retry_ns)
        forget_retry(c);
    link_close(&c->link);
    c->is_connected = false;
}

void client_connect(struct client *c) {
    struct storm *s = c->storm;
    uint32_t from = UINT32_C(0x7f000000) | (1 + s->generation % GENERATIONS) << 8 |
                    (1 + c->index / PER_ADDRESS);
    c->began_ns = now_ns();
    int r = link_connect(&c->link, &s->server, from, s->path);
    if (r == 0)
        return;
    s->counts.retries++;
    (void) snprintf(s->why_lost, sizeof s->why_lost, "connect: %s", strerror(-r));
    client_retry(c);
}
