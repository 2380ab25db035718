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

struct emulation_request;
struct filter_node;

struct codec {
    const char *name; /* "json", "protobuf": as proxies are told */
    bool is_text;     /* goes in WebSocket text frames, not binary ones */

    /* Behind command_next(), command_next_sub(), command_next_header(). */
    int (*next_command)(struct command_reader *r, struct command *ret);
    int (*next_sub)(struct command_reader *r, struct command_map *map,
                    struct command_subscribe *ret);
    int (*next_header)(struct command_reader *r, struct command_map *map, struct str *ret_name,
                       struct str *ret_value);

    /* Behind command_decode_connect(). */
    int (*decode_connect)(struct command_reader *r, struct command_connect *ret);

    /* `tf` of a subscribe command (protocol/tags_filter.h). Its syntax only; that it makes sense is
     * for tags_filter_check(). ret: in the arena; text may point into encoded.
     * 0, or: -EBADMSG: ret_why says more, static text. -ENOMEM. */
    int (*decode_filter)(struct bytes encoded, struct arena *a, const struct filter_node **ret,
                         const char **ret_why);

    /* Behind emulation_request_decode() (protocol/emulation.h). */
    int (*decode_emulation)(struct bytes body, struct arena *a, struct emulation_request *ret,
                            const char **ret_why);

    /* Before each message of a frame but the first (JSON: a newline; Protobuf: nothing, a
     * message begins with its length). */
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
extern const struct codec codec_protobuf;
