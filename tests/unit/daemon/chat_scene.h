/* People who talk with a daemon about the chat, in a world: what they ask, and what they hear. */
#pragma once

#include "storage/chat/types.h"
#include "tests/support/world.h"

enum { CHAT_PEOPLE = 8, CHAT_HEARD = 256, CHAT_NAMES = 10, CHAT_LINE = 64 * 1024 };

struct chat_person {
    struct peer *peer;
    char *heard[CHAT_HEARD]; /* pushes that nobody asked for yet, oldest first */
    size_t n_heard;
    char *rest; /* of a message with several lines */
};

struct chat_scene {
    struct world *world;
    struct chat_person people[CHAT_PEOPLE];  /* 'a' to 'h'; users of these names */
    char names[CHAT_NAMES][CHAT_ID_MAX + 1]; /* $0 to $9: ids of rooms */
    unsigned last_id;
    uint64_t has_done, has_refused; /* methods, by their places in chat_methods() */
    char line[CHAT_LINE];
};

struct chat_scene *chat_scene_new(struct world *w);       /* NULL: no memory */
struct chat_scene *chat_scene_free(struct chat_scene *s); /* returns NULL */

/* In chat.db, as if by a sign-in: before they connect. */
SUSPENDS bool chat_scene_user(struct chat_scene *s, char who, enum chat_role role);
SUSPENDS bool chat_scene_connect(struct chat_scene *s, char who);

/*
 * who asks method of data, in which ' stands for " and $N for what was kept by that name; the
 * result is as the pattern says (with them as well; '*' for any run of characters), "$N=PATTERN"
 * keeps the room's id of it, an invite's code, or the first id; "!CODE MESSAGE": it is refused so.
 * False: it was otherwise, the world has noted it.
 */
SUSPENDS bool chat_scene_asks(struct chat_scene *s, char who, const char *method, const char *data,
                              const char *pattern, const char *file, int line);
#define ASKS(scene, who, method, data, pattern)                                                    \
    do {                                                                                           \
        if (!chat_scene_asks((scene), (who), (method), (data), (pattern), __FILE__, __LINE__))     \
            return -EBADMSG;                                                                       \
    } while (0)

/* The same of any command, whose reply is as the pattern says behind {"id":N,. */
SUSPENDS bool chat_scene_says(struct chat_scene *s, char who, const char *command,
                              const char *pattern, const char *file, int line);
#define SAYS(scene, who, command, pattern)                                                         \
    do {                                                                                           \
        if (!chat_scene_says((scene), (who), (command), (pattern), __FILE__, __LINE__))            \
            return -EBADMSG;                                                                       \
    } while (0)

/* A push that is as the pattern says has come, or comes; others stay. */
SUSPENDS bool chat_scene_hears(struct chat_scene *s, char who, const char *pattern,
                               const char *file, int line);
#define HEARS_PUSH(scene, who, pattern)                                                            \
    do {                                                                                           \
        if (!chat_scene_hears((scene), (who), (pattern), __FILE__, __LINE__))                      \
            return -EBADMSG;                                                                       \
    } while (0)

/* How many pushes have come that are as the pattern says, after all that is on its way has. They
 * go.
 */
SUSPENDS size_t chat_scene_count(struct chat_scene *s, char who, const char *pattern);
