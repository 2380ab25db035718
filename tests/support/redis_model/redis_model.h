/*
 * A Redis inside a test's process: it speaks RESP2 over streams in memory, runs the shipped
 * scripts, and fails as Redis, its replicas and networks do, when it is told to and as the loop's
 * seed says.
 *
 * It is a master, with replicas and Sentinels that are not seen: redis_model_connect() reaches
 * whom they have made master. Loop thread only. For tests: without memory it aborts.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct redis_model;
struct stream;

struct redis_model_options {
    const char *password; /* NULL: none is asked for. Borrowed */
    void *arg;
    /* A command that had been run, and may have been answered, is going to be, or is, as if it had
     * never been. At the latest when anybody could see that. */
    void (*lost)(void *arg, const struct bytes *argv, size_t n);
};

/* Suspends nothing; lines are served by tasks of its own. -ENOMEM. */
MUST_CHECK int redis_model_open(const struct redis_model_options *o, struct redis_model **ret);
SUSPENDS struct redis_model *redis_model_close(struct redis_model *m); /* takes NULL */

/* A new line to the master; now and then, where there are two who think they are, to the other one.
 * owner: whose it is, for redis_model_cut(). -ECONNREFUSED: nobody is there. */
MUST_CHECK int redis_model_connect(struct redis_model *m, const void *owner, struct stream **ret);

/* Runs a command in the master, as if it came over a line. The answer is appended. False: nobody is
 * there. */
struct buffer;
bool redis_model_ask(struct redis_model *m, const char *const *words, size_t n, struct buffer *out);

/* ---- what goes wrong ---- */

/* Per 10,000 commands: lines that break before it is run, or after it, its answer lost. */
void redis_model_break_lines(struct redis_model *m, unsigned before, unsigned after);

/* The master's process ends, and for down_ms nobody is there; then it is started on its data, as it
 * was lost_writes before. */
void redis_model_crash(struct redis_model *m, size_t lost_writes, int64_t down_ms);

/*
 * A replica, as far as it had come lag_writes before, is made master. split_ms: for so long the old
 * one goes on as a second master, which some reach; then it is a replica: its lines are closed, it
 * refuses to write, and some still reach it for a while. 0: it is gone at once.
 */
void redis_model_fail_over(struct redis_model *m, size_t lag_writes, int64_t split_ms);

/* As if a replica had been master for away_ms, unseen, and the old one, its process never ended,
 * were that again: with the replica's data, which were lag_writes behind. */
void redis_model_fail_over_and_back(struct redis_model *m, size_t lag_writes, int64_t away_ms);

void redis_model_pause(struct redis_model *m, int64_t ms); /* nobody is answered */
void redis_model_fill(struct redis_model *m, int64_t ms);  /* memory is full, and nothing evicted */
/* After each start nothing is answered but that the data are being loaded. */
void redis_model_load_slowly(struct redis_model *m, int64_t ms);
void redis_model_cut_subscribers(struct redis_model *m); /* lines that are subscribed break */
void redis_model_cut(struct redis_model *m, const void *owner); /* all of an owner; NULL: all */
void redis_model_flush(struct redis_model *m);                  /* FLUSHALL, by somebody else */
void redis_model_evict(struct redis_model *m); /* some key goes, as for want of memory */
void redis_model_forget_scripts(struct redis_model *m);

/* No fault that was asked for lasts longer: who is away is there again. */
void redis_model_heal(struct redis_model *m);

struct redis_model_stats {
    uint64_t commands, writes, lost; /* run; of them, of all processes, that wrote; lost */
    uint64_t lines, cuts;            /* ever; broken */
    const char *unknown;             /* a command that is not modelled; NULL: none was asked for */
};

void redis_model_stats(const struct redis_model *m, struct redis_model_stats *ret);
