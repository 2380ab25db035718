/* Callers ask the same thing over and over, each one question at a time, and time the answers. */
#pragma once

#include "tests/bench/storm/storm.h"

#define CALL_TABLE(X)                                                                              \
    X(CALL_PRESENCE, "presence")                                                                   \
    X(CALL_PRESENCE_STATS, "presence_stats")                                                       \
    X(CALL_FIRST, "first")     /* page of the history */                                           \
    X(CALL_LAST, "last")       /* page, newest first */                                            \
    X(CALL_PAGES, "pages")     /* one after the other; each is a round */                          \
    X(CALL_RECOVER, "recover") /* subscribe with a position `limit` behind the top, and leave */

#define CALL_AS_ENUM(name, text) name,
enum call_kind { CALL_TABLE(CALL_AS_ENUM) CALL_KINDS };
#undef CALL_AS_ENUM

struct desk {
    struct client *clients;
    void *parts; /* of the clients, private */
    uint32_t n, n_busy;
    enum call_kind kind;
    char channel[64];
    uint32_t limit;
    uint64_t items, errors, unrecovered, began_ns, ended_ns;
    struct figures times;
};

void desk_init(struct desk *d, struct storm *s, uint32_t n);
void desk_finish(struct desk *d);

void desk_connect(struct desk *d);
bool desk_is_connected(const struct desk *d);
bool desk_find(const char *name, enum call_kind *ret); /* false: no such call */
void desk_call(struct desk *d, uint32_t rounds);       /* by its settings; each caller so often */
