/*
 * A wire format of the Centrifuge protocol: turns frames into commands and replies into bytes (a
 * server's half), and the other way round (a client's). Stateless; any thread.
 *
 * Encoders append one message without what separates it from the next; what goes wrong (no memory,
 * the buffer's limit) is remembered by the buffer.
 */
#pragma once

#include "protocol/command.h"
#include "protocol/reply.h"

struct codec {
    const char *name; /* "json" */
    bool is_text;     /* goes in WebSocket text frames, not binary ones */

    /* Behind command_next(), command_next_sub(), command_next_header(). */
    int (*next_command)(struct command_reader *r, struct command *ret);
    int (*next_sub)(struct command_reader *r, struct command_map *map,
                    struct command_subscribe *ret);
    int (*next_header)(struct command_reader *r, struct command_map *map, struct str *ret_name,
                       struct str *ret_value);

    /* Before each message of a frame but the first (JSON: a newline). */
    void (*separate)(struct buffer *out);

    void (*encode_reply)(const struct reply *reply, struct buffer *out);
    /* The same bytes as of a reply that holds the push; for a channel's subscribers it is encoded
     * once and shared. */
    void (*encode_push)(const struct push *push, struct buffer *out);
    /* A push alone, as unidirectional transports have it. */
    void (*encode_bare_push)(const struct push *push, struct buffer *out);

    /* A client's half. command_connect's maps are embedded as they are encoded. */
    void (*encode_command)(const struct command *command, struct buffer *out);

    /* Takes the first message off *frame. 1, or 0: it is empty; -EBADMSG; -ENOMEM.
     * a: what is decoded may point into it. ret_why: static text, on error. */
    int (*next_reply)(struct bytes *frame, struct arena *a, struct reply *ret,
                      const char **ret_why);
};

extern const struct codec codec_json;
