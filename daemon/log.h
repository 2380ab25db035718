/*
 * The daemon's log: one line per event, a fixed message and fields.
 *
 *   LOG_WARNING(log, "client reads too slowly", LOG_STR("client", id), LOG_UINT("queued_bytes",
 * n));
 *
 * becomes, by format,
 *   text     2026-01-31 12:00:00.123 warning  client reads too slowly  client=0b2c
 * queued_bytes=1048577 systemd  <4>client reads too slowly client=0b2c queued_bytes=1048577 json
 * {"time":"…","level":"warning","message":"client reads too slowly","client":"0b2c",…}
 *
 * Any thread. A line is one write(2). The same message more than LOG_BURST times within
 * LOG_WINDOW_MS is held back and counted; before the next one that passes a line of its own says
 * how many were. Never fails, never suspends; a line past LOG_LINE_MAX is cut.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct log;

enum { LOG_LINE_MAX = 4096, LOG_BURST = 20, LOG_WINDOW_MS = 5000 };

/* The numbers are syslog's. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

struct log_options {
    int fd;            /* where to; not owned */
    uint32_t level;    /* enum log_level: what is less urgent is dropped */
    uint32_t format;   /* enum log_format of config.h; auto: systemd's if fd is the journal's socket
                          ($JOURNAL_STREAM), else text */
    bool has_no_limit; /* repeated lines all pass: tests */
    void (*write)(void *arg, const char *line,
                  size_t len); /* instead of fd, called locked; NULL: fd */
    void *arg;
};

MUST_CHECK int log_open(const struct log_options *o, struct log **ret); /* -ENOMEM */
struct log *log_close(struct log *l);                         /* takes NULL; returns NULL */
void log_set(struct log *l, uint32_t level, uint32_t format); /* a reload */

bool log_is_journal(int fd); /* does it lead to systemd's journal? */

enum log_kind { LOG_KIND_NONE, LOG_KIND_STR, LOG_KIND_INT, LOG_KIND_UINT, LOG_KIND_ERRNO };

struct log_field {
    const char *key;
    uint8_t kind; /* enum log_kind */
    union {
        struct str text;
        int64_t number;
        uint64_t unsigned_number;
    } value;
};

#define LOG_STR(key_, str_)                                                                        \
    (struct log_field) {                                                                           \
        .key = (key_), .kind = LOG_KIND_STR, .value.text = (str_)                                  \
    }
#define LOG_TEXT(key_, terminated_) LOG_STR(key_, str_of(terminated_))
#define LOG_INT(key_, number_)                                                                     \
    (struct log_field) {                                                                           \
        .key = (key_), .kind = LOG_KIND_INT, .value.number = (number_)                             \
    }
#define LOG_UINT(key_, number_)                                                                    \
    (struct log_field) {                                                                           \
        .key = (key_), .kind = LOG_KIND_UINT, .value.unsigned_number = (number_)                   \
    }
/* A result: 0 or -errno; written as its words. The key is "error". */
#define LOG_RESULT(result_)                                                                        \
    (struct log_field) {                                                                           \
        .key = "error", .kind = LOG_KIND_ERRNO, .value.number = (result_)                          \
    }

bool log_wants(const struct log *l, enum log_level level); /* is it worth making the fields? */

/* log may be NULL: nothing is written. message: static text, without variable parts. */
void log_write(struct log *l, enum log_level level, const char *message,
               const struct log_field *fields, size_t n);

#define LOG_AT_(log_, level_, message_, ...)                                                       \
    log_write((log_), (level_), (message_), (const struct log_field[]){ { 0 }, ##__VA_ARGS__ },    \
              ELEMENTS_OF(((const struct log_field[]){ { 0 }, ##__VA_ARGS__ })))

#define LOG_ERROR(log_, message_, ...)   LOG_AT_(log_, LOG_LEVEL_ERROR, message_, ##__VA_ARGS__)
#define LOG_WARNING(log_, message_, ...) LOG_AT_(log_, LOG_LEVEL_WARNING, message_, ##__VA_ARGS__)
#define LOG_NOTICE(log_, message_, ...)  LOG_AT_(log_, LOG_LEVEL_NOTICE, message_, ##__VA_ARGS__)
#define LOG_INFO(log_, message_, ...)    LOG_AT_(log_, LOG_LEVEL_INFO, message_, ##__VA_ARGS__)
#define LOG_DEBUG(log_, message_, ...)   LOG_AT_(log_, LOG_LEVEL_DEBUG, message_, ##__VA_ARGS__)
