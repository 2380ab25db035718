/*
 * The chat's objects as JSON has them (docs/chat-protocol.md), decoded into plain values.
 *
 * Spans are of the text or of the arena that was handed in. What is absent is zero; members that
 * are not known are passed over.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/bytes.h"

struct user_object {
    struct str id, login, name, role;
};

/* Lists are arrays in the arena. */
struct user_list {
    const struct user_object *items;
    size_t n;
};

struct room_object {
    struct str id, kind, name, slug, topic;
    struct str role; /* of the asker; empty: no member of it */
    struct str notify;
    struct user_object peer; /* of a direct room */
    struct user_list users;  /* of a group */
    uint64_t ver, last_seq, read_seq;
    int64_t last_at_ms;
    uint32_t unread, mentions, members_n;
};

struct room_list {
    const struct room_object *items;
    size_t n;
};

struct reaction_object {
    struct str emoji;
    uint32_t n;
};

struct reaction_list {
    const struct reaction_object *items;
    size_t n;
};

struct attachment_object {
    struct str id, name;
    uint64_t size_bytes;
};

struct attachment_list {
    const struct attachment_object *items;
    size_t n;
};

struct message_object {
    struct str room, user, text, client_id;
    uint64_t seq, ver;
    int64_t at_ms, edited_at_ms;
    bool is_deleted, is_pinned;
    struct {
        uint64_t seq;
        struct str user, text;
    } reply_to;
    struct reaction_list reactions;
    struct attachment_list attachments;
};

struct message_list {
    const struct message_object *items;
    size_t n;
};

/* What any RPC answers, and what any event says: one set of members for all of them. */
struct chat_object {
    struct str type; /* of an event */
    struct user_object me;
    struct user_object user; /* given as an id alone: only that */
    struct room_object room; /* the same */
    struct message_object message;
    struct user_list users;
    struct user_list members; /* role: in the room */
    struct room_list rooms;
    struct message_list messages; /* or the hits of a search */
    struct reaction_list reactions;
    struct str url, token;
    struct str cursor; /* of a search: where it goes on */
    uint64_t ver, seq, last_seq, read_seq;
    int64_t at_ms, last_at_ms;
    uint32_t unread, mentions;
    bool has_before, has_more, is_reset;
    bool is_partial; /* the search took too long */
    bool has_unread; /* unread and mentions were there */
    struct {
        struct str message; /* of an answer by HTTP */
    } error;
};

/* 0; -EBADMSG: it is no such JSON; -ENOMEM. */
MUST_CHECK int chat_object_decode(struct bytes json, struct arena *a, struct chat_object *ret);
