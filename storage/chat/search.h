/*
 * Finding messages by what is said in them, newest first. How much is looked at for one search is
 * bounded (chat_limits.search_work_us): past that it answers with what it has, and where to go on.
 */
#pragma once

#include "storage/chat/message.h"
#include "storage/chat/search_words.h"

enum chat_search_has { CHAT_HAS_ANY = 0, CHAT_HAS_FILE = 1, CHAT_HAS_LINK = 2 };

enum { CHAT_SEARCH_LIMIT = 20, CHAT_SEARCH_LIMIT_MAX = 50 };

struct chat_search {
    struct str q;                /* search_words.h; may be empty where room, from or has is given */
    struct str room;             /* id; empty: all that the asker is in */
    struct str from;             /* id of a user; empty: anybody */
    int64_t before_ms, after_ms; /* exclusive; 0: any time */
    enum chat_search_has has;
    size_t limit;      /* 0: CHAT_SEARCH_LIMIT; at most CHAT_SEARCH_LIMIT_MAX */
    struct str cursor; /* of the page before; empty: the newest */
};

struct chat_search_hit {
    struct chat_message message;
    struct chat_snippet_part *parts;
    size_t parts_n;
};

struct chat_search_result {
    struct chat_search_hit *hits; /* newest first */
    size_t n;
    bool has_more;   /* ask again with the cursor of `below` */
    bool is_partial; /* it was the work that ended, not the page: below may be older ones, or none
                      */
    int64_t below;   /* where the next page begins: chat_search_cursor() */
};

/*
 * CHAT_BAD_REQUEST (q: nothing is asked for; cursor), CHAT_TOO_LONG (q), CHAT_NOT_FOUND (room). A
 * `from` that nobody has finds nothing.
 */
MUST_CHECK int chat_search(struct chat_tx *tx, const struct chat_actor *by,
                           const struct chat_search *search, struct chat_search_result *ret);

/* below: of a result, or the key of a hit's message: of what is behind that one. */
enum { CHAT_SEARCH_CURSOR_MAX = 24 };
struct str chat_search_cursor(int64_t below, char buf[CHAT_SEARCH_CURSOR_MAX]);
