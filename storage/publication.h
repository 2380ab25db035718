/*
 * What is published in a channel: immutable once handed to the engine, shared by reference between
 * threads, freed with its last reference. One allocation holds it and everything it points to.
 */
#pragma once

#include <stdatomic.h>

#include "async/base.h"
#include "protocol/bytes.h"
#include "protocol/client_info.h"

enum { EPOCH_SIZE = 24 }; /* bytes, terminator included */

/* A place in a channel's stream. Offsets count from 1; 0 is "before the first". */
struct position {
    uint64_t offset;
    char epoch[EPOCH_SIZE];
};

enum publication_kind { PUBLICATION_DATA, PUBLICATION_JOIN, PUBLICATION_LEAVE };

struct publication {
    _Atomic uint32_t refs;
    enum publication_kind kind;
    bool has_info;            /* info is set: a client published, joined or left */
    struct position position; /* set by the engine before anyone else sees it; offset 0: not kept */
    int64_t time_ms;          /* wall clock, set by the engine */
    uint64_t hash;            /* of the channel's name by engine_seed(); set by the engine as it is
                                 handed to workers */
    struct str channel;
    struct bytes data; /* the very bytes that were published */
    struct client_info info;
    const struct tag *tags;
    size_t n_tags;
    bool is_json_line; /* data is known to be JSON of one line; if not it may be anything */
    bool wants_delta;  /* the publisher asked for deltas to those who take them */
    bool is_removed;   /* of a map: the key is gone */
    struct str key;    /* of a map; empty: not of one */
    int64_t score;     /* of a map: its place where it is ordered */
    uint64_t version;  /* the application's; 0: none */
};

/* What to make one of; everything is copied. */
struct publication_parts {
    enum publication_kind kind;
    struct str channel;
    struct bytes data;
    const struct client_info *info; /* or NULL */
    const struct tag *tags;
    size_t n_tags;
    bool is_json_line; /* of data, if it is known */
    bool wants_delta;
    bool is_removed;
    struct str key;
    int64_t score;
    uint64_t version;
};

/* NULL: no memory. The caller owns the one reference. */
struct publication *publication_new(const struct publication_parts *parts);
struct publication *publication_ref(struct publication *p); /* any thread; returns p */
struct publication *publication_unref(
        struct publication *p); /* any thread; takes NULL; returns NULL */

size_t publication_size(const struct publication *p); /* bytes of memory it takes */
