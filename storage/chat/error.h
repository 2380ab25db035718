/*
 * What chat refuses. Functions of storage/chat/ return 0, a negative errno where something failed
 * (the disk, memory), or one of these, which are the codes of the protocol (docs/chat-protocol.md).
 * Whatever is not 0 leaves no trace in the database.
 */
#pragma once

#include <stdint.h>

enum chat_error {
    CHAT_DENIED = 103, /* role or kind of room does not allow it */
    CHAT_BAD_REQUEST = 107,
    CHAT_NOT_FOUND = 404, /* or none that the asker may know of */
    CHAT_CONFLICT = 409,
    CHAT_GONE = 410, /* the message is deleted; the invite is used or over */
    CHAT_TOO_LONG = 413,
    CHAT_ARCHIVED = 423,
    CHAT_SLOW_MODE = 429,
    CHAT_MUTED = 430,
    CHAT_BANNED = 431,
    CHAT_EDIT_WINDOW = 433,
    CHAT_STORAGE = 434,    /* what a negative errno becomes */
    CHAT_OWNER_AWAY = 435, /* never from here */
};

/* The details of a refusal, as far as its code has any: where a work's run() left them. */
struct chat_refusal {
    const char *field; /* bad request, too long, conflict: which; a literal. Else NULL */
    int64_t max;       /* too long: bytes; of lists and limits: how many */
    int64_t retry_ms;  /* slow mode */
    int64_t until_ms;  /* muted, banned; 0: for ever */
};
