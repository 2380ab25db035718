/* What lines of an export say of rows. For storage/chat/transfer*.c only. */
#pragma once

/* Numbers of types.h as words, and back. The words are those of docs/chat-protocol.md. */
#define WORD_OF_ROLE(x)                                                                            \
    "CASE " x " WHEN 1 THEN 'guest' WHEN 2 THEN 'member' WHEN 3 THEN 'admin' ELSE 'owner' END"
#define ROLE_OF_WORD(x)                                                                            \
    "CASE " x " WHEN 'guest' THEN 1 WHEN 'member' THEN 2 WHEN 'admin' THEN 3 WHEN 'owner' THEN 4 " \
    "END"
#define WORD_OF_KIND(x)                                                                            \
    "CASE " x " WHEN 1 THEN 'public' WHEN 2 THEN 'private' WHEN 3 THEN 'direct' ELSE 'group' END"
#define KIND_OF_WORD(x)                                                                            \
    "CASE " x " WHEN 'public' THEN 1 WHEN 'private' THEN 2 WHEN 'direct' THEN 3 WHEN 'group' "     \
    "THEN 4 END"
#define WORD_OF_MEMBER(x)                                                                          \
    "CASE " x " WHEN 0 THEN 'gone' WHEN 1 THEN 'guest' WHEN 2 THEN 'member' WHEN 3 THEN 'mod' "    \
    "ELSE 'owner' END"
#define MEMBER_OF_WORD(x)                                                                          \
    "CASE " x " WHEN 'gone' THEN 0 WHEN 'guest' THEN 1 WHEN 'member' THEN 2 WHEN 'mod' THEN 3 "    \
    "WHEN 'owner' THEN 4 END"

#define USER_ID(key) "(SELECT id FROM user WHERE key = " key ")"
#define ROOM_ID(key) "(SELECT id FROM room WHERE key = " key ")"

/* Of the line that is ?1. */
#define IN(member)        "json_extract(?1, '$." member "')"
#define IN_OR(member, or) "coalesce(" IN(member) ", " or ")"
#define IN_USER(member)   "(SELECT key FROM user WHERE id = " IN(member) ")"
#define IN_ROOM(member)   "(SELECT key FROM room WHERE id = " IN(member) ")"
