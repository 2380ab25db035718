/*
 * A Redis that does what a test tells it to: the other end of memory streams, which a server of
 * storage/redis/server.h is given as its connections. One to a test; a Sentinel where asked as one.
 */
#pragma once

#include "async/group.h"
#include "async/list.h"
#include "async/stream.h"
#include "protocol/buffer.h"

struct redis_script;

enum { SCRIPT_TIMES_MAX = 64, SCRIPT_WORDS_MAX = 600 };

struct script_line {
    struct link link;
    struct redis_script *script;
    struct stream *stream;
    struct address address; /* that was connected to */
    struct buffer out;
    bool is_subscribing; /* has subscribed */
    bool is_closing;     /* when what it has to say is said */
    unsigned commands;   /* heard */
};

struct redis_script {
    /* Set by the test. A hook may answer into l->out, and says so by true. */
    bool (*hook)(struct script_line *l, const struct bytes *words, size_t n);
    void *arg;
    int connect_error;      /* < 0: nobody is there */
    bool hangs;             /* connecting takes for ever */
    bool is_mute;           /* answers nothing */
    size_t chunk;           /* writes so many bytes at a time, with a pause; 0: as they come */
    size_t capacity;        /* of a stream; 0: 64 KiB */
    const char *role;       /* NULL: master */
    const char *run_id;     /* NULL: one */
    const char *auth_error; /* what AUTH is answered with; NULL: as the password is */
    const char *password;
    const char *master_host, *master_port; /* a Sentinel says */

    struct group tasks;
    struct list lines;
    unsigned attempts;
    int64_t times[SCRIPT_TIMES_MAX]; /* of attempts to connect */
    struct buffer heard;             /* all commands but the greeting's, a line each */
    size_t widest;                   /* the longest SUBSCRIBE, in words */
};

SUSPENDS int redis_script_connect(void *script, const struct address *a, const struct tls *tls,
                                  struct stream **ret); /* redis_server_options.connect */
SUSPENDS void redis_script_finish(struct redis_script *s);

/* Breaks all lines, or those that (do not) subscribe. */
void redis_script_cut(struct redis_script *s);
struct script_line *redis_script_line(struct redis_script *s, bool is_subscribing);

/* Raw bytes, out of turn. */
SUSPENDS int redis_script_say(struct script_line *l, const char *text);
bool script_word_is(struct bytes word, const char *text);
