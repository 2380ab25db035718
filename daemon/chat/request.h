/*
 * What calls of the chat ask for, decoded: the members of all methods together, of which each
 * method takes some. Pure.
 *
 * A member of the wrong type, too long or out of its range is refused by its name; members that no
 * table names are ignored, null stands for absence. Which of them a method needs is the table's of
 * methods (method.h).
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/bytes.h"
#include "storage/chat/error.h"

/* One bit each, in chat_request.has. */
enum chat_field {
    FIELD_AFTER,
    FIELD_AROUND,
    FIELD_ATTACHMENTS,
    FIELD_AVATAR,
    FIELD_BEFORE,
    FIELD_CLIENT_ID,
    FIELD_CODE,
    FIELD_CURSOR,
    FIELD_DEACTIVATED,
    FIELD_EMOJI,
    FIELD_EXPIRES_AT,
    FIELD_FROM,
    FIELD_GUESTS,
    FIELD_HAS,
    FIELD_ID,
    FIELD_IDS,
    FIELD_IF_VER,
    FIELD_KIND,
    FIELD_LEVEL,
    FIELD_LIMIT,
    FIELD_META,
    FIELD_NAME,
    FIELD_PASSWORD,
    FIELD_Q,
    FIELD_REASON,
    FIELD_RECEIPTS,
    FIELD_REGISTRATION,
    FIELD_REPLY_TO,
    FIELD_RETAIN_D,
    FIELD_ROLE,
    FIELD_ROOM,
    FIELD_SEQ,
    FIELD_SINCE,
    FIELD_SLOW_S,
    FIELD_SLUG,
    FIELD_STATUS,
    FIELD_TEXT,
    FIELD_TOPIC,
    FIELD_UNTIL,
    FIELD_URL,
    FIELD_USER,
    FIELD_USERS,
    FIELD_USES,
    CHAT_FIELDS,
};
_Static_assert(CHAT_FIELDS <= 64, "a bit for each");

#define HAS(field) (UINT64_C(1) << (field))

struct chat_texts {
    struct str *items;
    size_t n;
};

struct chat_status {
    bool is_cleared; /* it was null */
    struct str emoji, text;
    int64_t until;
};

/* Spans are of the request's bytes or of the arena. What is absent is zero. */
struct chat_request {
    uint64_t has; /* HAS(): given, and not null (of status: null counts) */
    struct str avatar, client_id, code, cursor, emoji, from, has_what, id, kind, level, name,
            password, q, reason, registration, role, room, slug, text, topic, url, user;
    struct chat_texts attachments, ids, users;
    struct bytes meta; /* an object, on one line */
    struct chat_status status;
    uint64_t seq, since, reply_to, if_ver, around;
    bool around_unread;    /* "unread" in place of a number */
    uint64_t before;       /* a seq, a time, an entry's number */
    uint64_t after;        /* the same; */
    struct str after_text; /* or what a page ended with, as it was given */
    int64_t until, expires_at;
    uint32_t limit, uses, slow_s, retain_d;
    bool guests, deactivated, receipts;
};

/*
 * data: empty stands for an object without members. 0; CHAT_BAD_REQUEST or CHAT_TOO_LONG: *ret_why
 * says which member, and of the latter how long it may be (field NULL: it is no object at all);
 * -ENOMEM.
 */
MUST_CHECK int chat_request_decode(struct bytes data, uint64_t text_max, struct arena *a,
                                   struct chat_request *ret, struct chat_refusal *ret_why);

const char *chat_field_name(enum chat_field field);
