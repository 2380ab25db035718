#include "daemon/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config/config.h"

enum { REPEATS = 64 };

/* One message and how often it came lately. Two that share a place push each other out. */
struct repeat {
    const char *message;
    int64_t since_ms;
    uint32_t count;
    uint32_t suppressed;
};

struct log {
    pthread_mutex_t lock;
    struct log_options options;
    _Atomic uint32_t level;
    enum log_format format; /* never auto */
    struct repeat repeats[REPEATS];
    char line[LOG_LINE_MAX];
    size_t len;
};

/* The stream to the journal is named by device and inode. */
bool log_is_journal(int fd) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

static enum log_format format_of(const struct log *l, uint32_t format) {
    if (format != LOG_FORMAT_AUTO)
        return format;
    return log_is_journal(l->options.fd) ? LOG_FORMAT_SYSTEMD : LOG_FORMAT_TEXT;
}

int log_open(const struct log_options *o, struct log **ret) {
    struct log *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    if (pthread_mutex_init(&l->lock, NULL) != 0) {
        free(l);
        return -ENOMEM;
    }
    l->options = *o;
    atomic_store(&l->level, o->level);
    l->format = format_of(l, o->format);
    *ret = l;
    return 0;
}

struct log *log_close(struct log *l) {
    if (l) {
        (void) pthread_mutex_destroy(&l->lock);
        free(l);
    }
    return NULL;
}

void log_set(struct log *l, uint32_t level, uint32_t format) {
    (void) pthread_mutex_lock(&l->lock);
    atomic_store(&l->level, level);
    l->format = format_of(l, format);
    (void) pthread_mutex_unlock(&l->lock);
}

bool log_wants(const struct log *l, enum log_level level) {
    return l && level <= atomic_load_explicit(&l->level, memory_order_relaxed);
}

/* ---- a line, put together in the log's own memory: task stacks are small ---- */

/* Room for the newline, and for what closes JSON, always stays. */
static void add(struct log *l, const char *data, size_t len) {
    size_t room = LOG_LINE_MAX - 8 - l->len;
    if (len > room)
        len = room;
    memcpy(l->line + l->len, data, len);
    l->len += len;
}

static void add_text(struct log *l, const char *text) {
    add(l, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void add_format(struct log *l, const char *format,
                                                             ...) {
    char small[64];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    add(l, small, len < 0 ? 0 : (size_t) len < sizeof small ? (size_t) len : sizeof small - 1);
}

/* Whatever peers put into a name cannot begin a new line or paint the terminal. */
static void add_escaped(struct log *l, struct str s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char) s.data[i];
        if (c == '"' || c == '\\') {
            char pair[2] = { '\\', (char) c };
            add(l, pair, 2);
        } else if (c < 0x20 || c == 0x7f) {
            if (LOG_LINE_MAX - 8 - l->len < 6)
                return;
            add_format(l, "\\u%04x", c);
        } else {
            add(l, (const char *) &s.data[i], 1);
        }
    }
}

static bool is_plain(struct str s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char) s.data[i];
        if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f)
            return false;
    }
    return s.len > 0;
}

static void add_quoted(struct log *l, struct str s) {
    add_text(l, "\"");
    add_escaped(l, s);
    add_text(l, "\"");
}

static void add_value(struct log *l, const struct log_field *f, bool is_json) {
    char buf[96];
    struct str text = f->value.text;

    switch ((enum log_kind) f->kind) {
    case LOG_KIND_INT:
        add_format(l, "%lld", (long long) f->value.number);
        return;
    case LOG_KIND_UINT:
        add_format(l, "%llu", (unsigned long long) f->value.unsigned_number);
        return;
    case LOG_KIND_ERRNO:
        text = str_of(strerror_r((int) (f->value.number < 0 ? -f->value.number : f->value.number),
                                 buf, sizeof buf));
        break;
    case LOG_KIND_STR:
    case LOG_KIND_NONE:
    default:
        break;
    }
    if (is_json || !is_plain(text))
        add_quoted(l, text);
    else
        add(l, text.data, text.len);
}

static const char *level_name(enum log_level level) {
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARNING:
        return "warning";
    case LOG_LEVEL_NOTICE:
        return "notice";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
    default:
        return "debug";
    }
}

static void add_time(struct log *l, bool is_utc) {
    char text[40];
    struct timespec now;
    struct tm parts;
    (void) clock_gettime(CLOCK_REALTIME, &now);
    if (is_utc) {
        (void) gmtime_r(&now.tv_sec, &parts);
        (void) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    } else {
        (void) localtime_r(&now.tv_sec, &parts);
        (void) strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    }
    add_text(l, text);
    add_format(l, ".%03ld", now.tv_nsec / 1000000);
}

static void add_fields(struct log *l, const struct log_field *fields, size_t n, bool is_json,
                       const char *before_first) {
    const char *before = before_first;
    for (size_t i = 0; i < n; i++) {
        if (fields[i].kind == LOG_KIND_NONE)
            continue;
        add_text(l, is_json ? "," : before);
        before = " ";
        add_text(l, is_json ? "\"" : "");
        add_text(l, fields[i].key);
        add_text(l, is_json ? "\":" : "=");
        add_value(l, &fields[i], is_json);
    }
}

static void make_line(struct log *l, enum log_level level, const char *message,
                      const struct log_field *fields, size_t n) {
    l->len = 0;
    switch (l->format) {
    case LOG_FORMAT_JSON:
        add_text(l, "{\"time\":\"");
        add_time(l, true);
        add_text(l, "Z\",\"level\":\"");
        add_text(l, level_name(level));
        add_text(l, "\",\"message\":");
        add_quoted(l, str_of(message));
        add_fields(l, fields, n, true, "");
        break;
    case LOG_FORMAT_SYSTEMD:
        add_format(l, "<%d>", (int) level);
        add_text(l, message);
        add_fields(l, fields, n, false, " ");
        break;
    case LOG_FORMAT_TEXT:
    case LOG_FORMAT_AUTO:
    default:
        add_time(l, false);
        add_format(l, " %-7s  ", level_name(level));
        add_text(l, message);
        add_fields(l, fields, n, false, "  ");
        break;
    }
    /* A line that was cut may have lost a quote; JSON must stay JSON. */
    bool was_cut = l->len == LOG_LINE_MAX - 8;
    if (l->format == LOG_FORMAT_JSON) {
        if (was_cut) {
            l->len = 0;
            add_text(l, "{\"level\":\"");
            add_text(l, level_name(level));
            add_text(l, "\",\"message\":");
            add_quoted(l, str_of(message));
            add_text(l, ",\"cut\":true");
        }
        add_text(l, "}");
    }
    l->line[l->len++] = '\n';
}

static void write_line(struct log *l) {
    if (l->options.write) {
        l->options.write(l->options.arg, l->line, l->len);
        return;
    }
    ssize_t r;
    do
        r = write(l->options.fd, l->line, l->len);
    while (r < 0 && errno == EINTR);
    /* Nobody is left to be told when this fails. */
}

static int64_t monotonic_ms(void) {
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* May this message be written now? *ret_suppressed: how many were not since the last that was. */
static bool may_pass(struct log *l, const char *message, uint32_t *ret_suppressed) {
    *ret_suppressed = 0;
    if (l->options.has_no_limit)
        return true;

    struct repeat *r = &l->repeats[((uintptr_t) message >> 3) % REPEATS];
    int64_t now_ms = monotonic_ms();
    if (r->message != message) {
        *r = (struct repeat){ .message = message, .since_ms = now_ms };
    } else if (now_ms - r->since_ms >= LOG_WINDOW_MS) {
        r->since_ms = now_ms;
        r->count = 0;
    }
    if (++r->count > LOG_BURST) {
        r->suppressed++;
        return false;
    }
    *ret_suppressed = r->suppressed;
    r->suppressed = 0;
    return true;
}

void log_write(struct log *l, enum log_level level, const char *message,
               const struct log_field *fields, size_t n) {
    if (!log_wants(l, level))
        return;

    int kept_errno = errno;
    (void) pthread_mutex_lock(&l->lock);
    uint32_t suppressed;
    if (may_pass(l, message, &suppressed)) {
        if (suppressed > 0) {
            struct log_field with[2] = { LOG_TEXT("of", message),
                                         LOG_UINT("suppressed", suppressed) };
            make_line(l, level, "lines held back", with, 2);
            write_line(l);
        }
        make_line(l, level, message, fields, n);
        write_line(l);
    }
    (void) pthread_mutex_unlock(&l->lock);
    errno = kept_errno;
}
