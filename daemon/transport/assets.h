/*
 * The files of the web page, linked into the executable.
 *
 * clients/web builds them and defines web_assets(); the daemon is handed the table and serves it.
 * Nothing here is copied or freed: every span points into the program.
 */
#pragma once

#include "protocol/bytes.h"

/* One file, in every form it is kept in. A client that accepts none of the encodings gets raw. */
struct asset {
    struct str path;         /* as requested: "/" or "/app-4ZK2.js" */
    struct str content_type; /* the value of Content-Type */
    struct str etag;   /* with its quotes; of the raw bytes, so a strong one fits only raw (RFC 9110
                          §8.8.3) */
    bool is_immutable; /* the name changes with the content: may be cached for ever */
    struct bytes raw;
    struct bytes gzip;   /* len 0: kept raw only */
    struct bytes brotli; /* len 0: kept raw only */
};

/* Sorted by path, bytewise. n is 0 in a build without the page. */
struct asset_table {
    const struct asset *items;
    size_t n;
};

struct asset_table web_assets(void);
