/*
 * What chat is about, as its functions take and give it. Strings are borrowed: what a function
 * gives lives in the work's arena (chat_tx_arena()) until chat_work_finish(). A string of length 0
 * is an absent one. Times are ms since 1970, 0 is never. The numbers of enums are stored: never
 * change one.
 *
 * `key` is a row's number in the database, for use inside one; `id` is what everybody else knows.
 */
#pragma once

#include "protocol/bytes.h"

enum chat_role { CHAT_GUEST = 1, CHAT_MEMBER = 2, CHAT_ADMIN = 3, CHAT_OWNER = 4 };

enum chat_room_kind {
    CHAT_ROOM_PUBLIC = 1,
    CHAT_ROOM_PRIVATE = 2,
    CHAT_ROOM_DIRECT = 3,
    CHAT_ROOM_GROUP = 4,
};

enum chat_member_role {
    CHAT_NO_MEMBER = 0, /* left, removed, or never was one */
    CHAT_ROOM_GUEST = 1,
    CHAT_ROOM_MEMBER = 2,
    CHAT_ROOM_MOD = 3,
    CHAT_ROOM_OWNER = 4,
};

enum chat_notify { CHAT_NOTIFY_ALL = 0, CHAT_NOTIFY_MENTIONS = 1, CHAT_NOTIFY_NONE = 2 };

enum {
    CHAT_ID_MAX = 64,
    CHAT_UNREAD_MAX = 100, /* counts stop there: "99+" */
    CHAT_REACTION_USERS = 20,
    CHAT_QUOTE_BYTES = 256, /* of the text that is replied to */
};

/* Who asks: loaded in the transaction that does it (user.h), so that what was revoked is. */
struct chat_actor {
    int64_t key;
    struct str id, name;
    enum chat_role role;
    bool is_bot;
};

struct chat_user {
    int64_t key;
    struct str id, login, name, avatar;
    enum chat_role role;
    struct str status_emoji, status_text;
    int64_t status_until, last_seen_at, created_at, deactivated_at;
    bool is_bot;
};

struct chat_users {
    struct chat_user *items;
    size_t n;
    bool has_more;
};

/* What a room is to one of its members. */
struct chat_membership {
    enum chat_member_role role;
    uint64_t read_seq;
    unsigned unread, mentions; /* at most CHAT_UNREAD_MAX */
    bool unread_mark;          /* marked as unread by hand */
    enum chat_notify notify;
    int64_t muted_until;
};

struct chat_room {
    int64_t key;
    struct str id, name, slug, topic;
    enum chat_room_kind kind;
    uint64_t ver, last_seq;
    uint64_t floor_seq, floor_ver; /* below: no longer kept */
    int64_t last_at, created_at, archived_at;
    unsigned members_n, pins_n;
    unsigned slow_s, retain_d; /* 0: none; for ever */
    bool receipts;
    struct chat_membership mine; /* the asker's; role CHAT_NO_MEMBER: not in it */
    struct chat_users others;    /* direct: the peer; group: all its users (the first 50) */
};

struct chat_rooms {
    struct chat_room *items;
    size_t n;
    bool has_more;
};

struct chat_member {
    struct chat_user user;
    enum chat_member_role role; /* CHAT_NO_MEMBER: of a sync, no longer one */
    int64_t muted_until;
    uint64_t ver; /* of its last change */
};

struct chat_members {
    struct chat_member *items;
    size_t n;
    bool has_more;
};

struct chat_attachment {
    struct str id, name, type;
    uint64_t size;
    unsigned width, height; /* 0: no picture */
};

struct chat_reaction {
    struct str emoji;
    unsigned n;
    struct str *users; /* ids of the first CHAT_REACTION_USERS, in the order of reacting */
    size_t users_n;
};

struct chat_reactions {
    struct chat_reaction *items; /* in the order in which they came first */
    size_t n;
};

/* The message that another replies to. */
struct chat_quote {
    uint64_t seq;          /* 0: replies to none */
    struct str user, text; /* of one deleted or no longer kept: empty */
};

struct chat_message {
    int64_t key, room_key, user_key;
    struct str room, user; /* ids */
    uint64_t seq, ver;
    int64_t at, edited_at, deleted_at, pinned_at;
    struct str text, client_id;
    struct chat_quote reply_to;
    struct chat_attachment *attachments;
    size_t attachments_n;
    struct str *mentions; /* ids of users */
    size_t mentions_n;
    bool mentions_all;
    struct chat_reactions reactions;
    struct bytes meta; /* as it came */
    unsigned flags;    /* private: message_row.h */
    /* Of a deleted one, of which nothing else is left but who and when. */
    struct str deleted_by, reason;
};

struct chat_messages {
    struct chat_message *items; /* ascending */
    size_t n;
    bool has_before, has_after;
};

/* What became of a change. One that changed nothing has no event. */
struct chat_change {
    uint64_t ver; /* the room's if nothing was changed */
    bool is_changed;
};
