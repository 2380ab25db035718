/*
 * A Redis process: data, a log of what wrote it, and the lines of its clients. Commands are run one
 * after the other, in the order in which they arrived, some time after that.
 *
 * Private to the model: redis_model.h is what tests use.
 */
#pragma once

#include "async/event.h"
#include "async/list.h"
#include "async/loop.h"
#include "async/stream.h"
#include "tests/support/redis_model/database.h"
#include "tests/support/redis_model/log.h"
#include "tests/support/redis_model/redis_model.h"

enum { RUN_ID_LEN = 40 };

struct model_line;

/* A command that has arrived. */
struct request {
    struct request *next;
    struct model_line *line; /* NULL: it has left */
    struct blob *argv;
    size_t n;
};

struct model_process {
    struct link link;
    struct redis_model *model;
    char run_id[RUN_ID_LEN + 1];
    char replication_id[RUN_ID_LEN + 1], former_id[RUN_ID_LEN + 1]; /* of the data's history */
    struct database database;
    struct log log;
    struct list lines;
    struct request *first, **end;
    struct timer work;
    int64_t loading_until_ms;
    bool is_dead;
    bool is_replica; /* was demoted */
    bool is_doomed;  /* another is master: what is written here will be gone */
    uint64_t commands;
};

/* A client's connection, from this end. */
struct model_line {
    struct link link;
    struct model_process *process;
    const void *owner;
    struct stream *stream;
    struct buffer in, out;
    struct event has_output;
    struct blob *channels, *patterns; /* subscribed */
    size_t n_channels, n_patterns;
    unsigned id;
    bool is_known; /* authenticated, or no password is asked for */
    bool is_cut;
};

/* With the first n records of that log (NULL: of none). Aborts without memory. */
struct model_process *process_new(struct redis_model *m, const struct log *log, size_t n);
void process_continue(struct model_process *p, const struct model_process *as); /* it is that one */
void process_kill(struct model_process *p); /* its lines break */
void process_free(struct model_process *p); /* no line of it is left */
void process_take(struct model_process *p, struct request *r);
void process_forget(struct model_process *p, const struct model_line *l);
void process_log_lost(struct model_process *p,
                      size_t from); /* its records from there on are gone */

/* A command of a line that has to do with lines; false: it is one for the database. */
bool line_execute(struct model_line *l, const struct bytes *argv, size_t n, struct buffer *out);
int64_t process_publish(void *process, struct bytes channel, struct bytes payload);

/* The task of a line, which it frees. */
SUSPENDS int line_run(void *line);
void line_cut(struct model_line *l); /* what is under way in it is lost */
bool line_is_subscribed(const struct model_line *l);
void request_free(struct request *r);
