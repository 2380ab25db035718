#include "protocol/command.h"

#include "protocol/codec.h"

struct str command_name(enum command_kind kind) {
#define COMMAND_AS_TEXT(name, text)                                                                \
    case name:                                                                                     \
        return STR(text);

    switch (kind) {
        COMMAND_TABLE(COMMAND_AS_TEXT)
    case COMMAND_KINDS:
    default:
        return STR("unknown");
    }
}

void command_reader_init(struct command_reader *r, const struct codec *codec, struct bytes frame) {
    *r = (struct command_reader){ .codec = codec, .left = frame };
}

void command_reader_finish(struct command_reader *r) {
    arena_finish(&r->arena);
    *r = (struct command_reader){ .codec = r->codec };
}

int command_next(struct command_reader *r, struct command *ret) {
    return r->codec->next_command(r, ret);
}

int command_decode_connect(struct command_reader *r, struct command_connect *ret) {
    return r->codec->decode_connect(r, ret);
}

int command_next_sub(struct command_reader *r, struct command_map *map,
                     struct command_subscribe *ret) {
    return r->codec->next_sub(r, map, ret);
}

int command_next_header(struct command_reader *r, struct command_map *map, struct str *ret_name,
                        struct str *ret_value) {
    return r->codec->next_header(r, map, ret_name, ret_value);
}

/* The channel without which a command cannot be, or NULL if it needs none. */
static const struct str *needed_channel(const struct command *c) {
    switch (c->kind) {
    case COMMAND_SUBSCRIBE:
        return &c->subscribe.channel;
    case COMMAND_UNSUBSCRIBE:
        return &c->unsubscribe.channel;
    case COMMAND_PUBLISH:
        return &c->publish.channel;
    case COMMAND_PRESENCE:
    case COMMAND_PRESENCE_STATS:
        return &c->presence.channel;
    case COMMAND_HISTORY:
        return &c->history.channel;
    case COMMAND_SUB_REFRESH:
        return &c->sub_refresh.channel;
    case COMMAND_PONG:
    case COMMAND_CONNECT:
    case COMMAND_PING:
    case COMMAND_SEND:
    case COMMAND_RPC:
    case COMMAND_REFRESH:
    case COMMAND_KINDS:
    default:
        return NULL;
    }
}

const char *command_objection(const struct command *c) {
    if (c->kind == COMMAND_PONG)
        return c->id ? "a command has an id and nothing known to do" : NULL;
    if (c->kind == COMMAND_PING)
        return "a command is the ping of an older protocol";
    if (!c->id && c->kind != COMMAND_SEND)
        return "a command that is answered has no id";

    const struct str *channel = needed_channel(c);
    return channel && !channel->len ? "a command names no channel" : NULL;
}
