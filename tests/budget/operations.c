#include "tests/budget/operations.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 32, PING_MS = 25000, SLICE_MS = 1000 };

const char operations_config[] =
        "http_server: {listen: ['unix:" STAGE_SOCKET "']}\n"
        "http_api: {key: budget}\n"
        "client: {allow_anonymous_connect_without_token: true,\n"
        "         allowed_origins: ['https://chat.example.org']}\n"
        "channel:\n"
        "  namespaces:\n"
        "    - {name: live, allow_subscribe_for_client: true, allow_publish_for_client: true,\n"
        "       allow_subscribe_for_anonymous: true, allow_publish_for_anonymous: true}\n"
        "    - {name: kept, allow_subscribe_for_client: true, allow_publish_for_client: true,\n"
        "       allow_subscribe_for_anonymous: true, allow_publish_for_anonymous: true,\n"
        "       history_size: 10, history_ttl: 600s, force_recovery: true}\n";

/* As a browser asks. */
static const char upgrade[] =
        "GET /connection/websocket HTTP/1.1\r\n"
        "Host: chat.example.org\r\n"
        "Connection: Upgrade\r\n"
        "Pragma: no-cache\r\n"
        "Cache-Control: no-cache\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/120.0.0.0 Safari/537.36\r\n"
        "Upgrade: websocket\r\n"
        "Origin: https://chat.example.org\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Accept-Encoding: gzip, deflate, br\r\n"
        "Accept-Language: en-GB,en;q=0.9\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/* Of 128 bytes, with a mark to be counted by. */
#define MARK "a message of the budget"
static const char payload[] =
        "{\"text\":\"" MARK ", about as long as most that people say\",\"from\":\"anna\","
        "\"sent_at\":1700000000000,\"reply_to\":12345}";
_Static_assert(sizeof payload - 1 == 128, "as it says");

#define EXPECT(condition) STORY_EXPECT(s->world, condition)

static struct client *publisher_of(struct stage *s) {
    return &s->clients[STAGE_CLIENTS];
}

/* ---- connections ---- */

static int be_let_in(struct stage *s, struct client *c, const char *token) {
    EXPECT(client_reach(c) == 0);
    client_prepare_text(s, upgrade);
    if (c->is_protobuf)
        client_prepare_text(s, "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n");
    client_prepare_text(s, "\r\n");
    EXPECT(client_say(s, c) == 0);
    stage_work(s, 1);
    EXPECT(client_hear(s, c) > 0 && stage_heard(s, "HTTP/1.1 101 ") == 1);

    client_prepare(s, c,
                   &(struct command){ .kind = COMMAND_CONNECT,
                                      .id = 1,
                                      .connect = { .token = str_of(token), .name = STR("js") } });
    EXPECT(client_say(s, c) == 0);
    stage_work(s, 1);
    EXPECT(client_hear(s, c) > 0 && stage_heard(s, PARLEY_VERSION) == 1);
    return 0;
}

static int subscribe(struct stage *s, struct client *c, const char *channel) {
    client_prepare(s, c,
                   &(struct command){ .kind = COMMAND_SUBSCRIBE,
                                      .id = 2,
                                      .subscribe = { .channel = str_of(channel) } });
    EXPECT(client_say(s, c) == 0);
    stage_work(s, 1);
    EXPECT(client_hear(s, c) > 0 && stage_heard(s, "error") == 0);
    EXPECT(c->is_protobuf || stage_heard(s, "{\"id\":2,\"subscribe\":{") == 1);
    return 0;
}

static int say_goodbye(struct stage *s, struct client *c) {
    client_prepare_frame(s, FRAME_CLOSE, bytes_of("\x03\xe8", 2));
    EXPECT(client_say(s, c) == 0);
    stage_work(s, 1);
    EXPECT(client_hear(s, c) > 0 && stage_heard(s, "\x88\x02\x03\xe8") == 1);
    client_leave(c);
    return 0;
}

static int connect_and_leave(struct stage *s, const char *token, bool counts_coming) {
    struct client *c = &s->clients[1];
    bool is_counted = s->is_counted;

    s->is_counted = is_counted && counts_coming;
    int r = be_let_in(s, c, token);
    if (r == 0)
        r = subscribe(s, c, "live:lobby");
    s->is_counted = is_counted && !counts_coming;
    if (r == 0)
        r = say_goodbye(s, c);
    s->is_counted = is_counted;
    return r;
}

/* Somebody is there already. */
static int begin_connections(struct stage *s) {
    int r = be_let_in(s, &s->clients[0], NULL);
    return r < 0 ? r : subscribe(s, &s->clients[0], "live:lobby");
}

static int step_connection(struct stage *s) {
    return connect_and_leave(s, NULL, true);
}

static int step_token(struct stage *s) {
    return connect_and_leave(s,
                             world_token(s->world, "{\"sub\":\"anna\",\"exp\":%lld}",
                                         (long long) world_now_s() + 3600),
                             true);
}

static int step_goodbye(struct stage *s) {
    return connect_and_leave(s, NULL, false);
}

/* ---- nothing, and next to nothing ---- */

static int step_turn(struct stage *s) {
    stage_work(s, 1);
    return 0;
}

/* A pong that nobody has asked for is read, and means nothing. */
static int step_wake(struct stage *s) {
    client_prepare_frame(s, FRAME_PONG, bytes_of(NULL, 0));
    EXPECT(client_say(s, &s->clients[0]) == 0);
    stage_work(s, 1);
    EXPECT(client_hear(s, &s->clients[0]) == 0);
    return 0;
}

/* ---- publications ---- */

static int begin_channel(struct stage *s, size_t subscribers, const char *channel,
                         bool is_protobuf) {
    int r = be_let_in(s, publisher_of(s), NULL);
    for (size_t i = 0; r == 0 && i < subscribers; i++) {
        s->clients[i].is_protobuf = is_protobuf;
        r = be_let_in(s, &s->clients[i], NULL);
        if (r == 0)
            r = subscribe(s, &s->clients[i], channel);
    }
    return r;
}

/* All have heard the same: what is too much to search for each is searched for the first. */
static int all_have_heard(struct stage *s, size_t subscribers, size_t messages) {
    size_t first = client_hear(s, &s->clients[0]);
    EXPECT(stage_heard(s, MARK) == messages);
    for (size_t i = 1; i < subscribers; i++)
        EXPECT(client_hear(s, &s->clients[i]) == first);
    return 0;
}

static int publish(struct stage *s, size_t subscribers, const char *channel, unsigned messages) {
    for (unsigned i = 0; i < messages; i++)
        client_prepare(s, publisher_of(s),
                       &(struct command){ .kind = COMMAND_PUBLISH,
                                          .id = i + 1,
                                          .publish = { .channel = str_of(channel),
                                                       .data = str_bytes(str_of(payload)) } });
    EXPECT(client_say(s, publisher_of(s)) == 0);
    stage_work(s, 1);
    EXPECT(client_hear(s, publisher_of(s)) > 0 && stage_heard(s, "\"publish\":{}") == messages);
    return all_have_heard(s, subscribers, messages);
}

static int begin_many(struct stage *s) {
    return begin_channel(s, STAGE_CLIENTS, "live:lobby", false);
}

static int begin_many_kept(struct stage *s) {
    return begin_channel(s, STAGE_CLIENTS, "kept:lobby", false);
}

static int begin_many_protobuf(struct stage *s) {
    return begin_channel(s, STAGE_CLIENTS, "live:lobby", true);
}

static int begin_one(struct stage *s) {
    return begin_channel(s, 1, "live:lobby", false);
}

static int begin_one_kept(struct stage *s) {
    return begin_channel(s, 1, "kept:lobby", false);
}

static int step_many(struct stage *s) {
    return publish(s, STAGE_CLIENTS, "live:lobby", 1);
}

static int step_many_kept(struct stage *s) {
    return publish(s, STAGE_CLIENTS, "kept:lobby", 1);
}

static int step_batch(struct stage *s) {
    return publish(s, STAGE_CLIENTS, "live:lobby", BATCH);
}

static int step_one(struct stage *s) {
    return publish(s, 1, "live:lobby", 1);
}

static int step_one_kept(struct stage *s) {
    return publish(s, 1, "kept:lobby", 1);
}

/* The application's connection is its client's, who keeps it. */
static int begin_api(struct stage *s) {
    int r = begin_channel(s, 1, "live:lobby", false);
    client_leave(publisher_of(s));
    stage_work(s, 1);
    EXPECT(r == 0 && client_reach(publisher_of(s)) == 0);
    return 0;
}

static int step_api(struct stage *s) {
    struct buffer body = BUFFER_INIT;
    buffer_printf(&body, "{\"channel\":\"live:lobby\",\"data\":%s}", payload);
    buffer_printf(&s->out,
                  "POST /api/publish HTTP/1.1\r\n"
                  "Host: chat.example.org\r\n"
                  "User-Agent: application/1.0\r\n"
                  "Accept: */*\r\n"
                  "Content-Type: application/json\r\n"
                  "X-API-Key: budget\r\n"
                  "Content-Length: %zu\r\n\r\n",
                  body.len);
    buffer_append_bytes(&s->out, buffer_bytes(&body));
    buffer_finish(&body);
    EXPECT(client_say(s, publisher_of(s)) == 0);
    stage_work(s, 1);
    EXPECT(client_hear(s, publisher_of(s)) > 0 && stage_heard(s, "HTTP/1.1 200 ") == 1 &&
           stage_heard(s, "{\"result\":{}}") == 1);
    return all_have_heard(s, 1, 1);
}

/* ---- pings ---- */

/* One interval, in which each has one ping and answers it. */
static int step_pings(struct stage *s) {
    size_t pings = 0;
    for (int passed_ms = 0; passed_ms < PING_MS; passed_ms += SLICE_MS) {
        stage_work(s, SLICE_MS);
        for (size_t i = 0; i < STAGE_CLIENTS; i++) {
            if (client_hear(s, &s->clients[i]) == 0)
                continue;
            EXPECT(stage_heard(s, "{}") == 1);
            client_prepare_frame(s, FRAME_TEXT, bytes_of("{}", 2));
            EXPECT(client_say(s, &s->clients[i]) == 0);
            pings++;
        }
    }
    EXPECT(pings == STAGE_CLIENTS);
    return 0;
}

static int begin_pings(struct stage *s) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < STAGE_CLIENTS; i++)
        r = be_let_in(s, &s->clients[i], NULL);
    return r;
}

/* ---- the table ---- */

const struct operation operations[] = {
    { "turn", 500, 1, begin_connections, step_turn,
      "a turn of the loop in which nothing happens; is taken off all that follow" },
    { "wake", 500, 1, begin_connections, step_wake,
      "a dormant connection is woken, reads a frame that means nothing, goes dormant" },
    { "ping", 1, STAGE_CLIENTS, begin_pings, step_pings,
      "a ping to one of 1,000 connections, and its pong" },
    { "delivery", 16, STAGE_CLIENTS, begin_many, step_many,
      "a lone message to one of 1,000 subscribers; JSON, no history" },
    { "delivery-protobuf", 16, STAGE_CLIENTS, begin_many_protobuf, step_many,
      "the same to subscribers with Protobuf" },
    { "delivery-kept", 16, STAGE_CLIENTS, begin_many_kept, step_many_kept,
      "the same of a channel with history, whose subscribers have positions" },
    { "delivery-batch", 4, STAGE_CLIENTS, begin_many, step_batch,
      "32 messages that are published together, to one of 1,000 subscribers" },
    { "publish", 500, 1, begin_one, step_one,
      "a client's publish: parsed, answered, delivered to one subscriber; no history" },
    { "publish-kept", 500, 1, begin_one_kept, step_one_kept,
      "the same into a full history of the memory engine" },
    { "publish-api", 500, 1, begin_api, step_api,
      "a publish by the server API, over a connection that is kept, to one subscriber" },
    { "connection", 200, 1, begin_connections, step_connection,
      "accepted, upgraded as for a browser, connected without a token, subscribed" },
    { "connection-token", 200, 1, begin_connections, step_token, "the same with a token (HS256)" },
    { "goodbye", 200, 1, begin_connections, step_goodbye,
      "such a connection's end, with WebSocket's goodbye" },
    { 0 },
};
