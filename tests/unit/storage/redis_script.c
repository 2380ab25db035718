#include "tests/unit/storage/redis_script.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "async/loop.h"
#include "async/task.h"
#include "storage/redis/reply.h"
#include "storage/redis/server.h"

enum { CAPACITY = 64 * 1024, READ_BYTES = 4096, MUCH = 1024 * 1024 };

bool script_word_is(struct bytes word, const char *text) {
    return word.len == strlen(text) && strncasecmp((const char *) word.data, text, word.len) == 0;
}

static void say_bulk(struct buffer *out, struct bytes b) {
    redis_command_argument(out, b);
}

static void confirm(struct script_line *l, const char *kind, const struct bytes *words, size_t n) {
    for (size_t i = 1; i < n; i++) {
        buffer_printf(&l->out, "*3\r\n$%zu\r\n%s\r\n", strlen(kind), kind);
        say_bulk(&l->out, words[i]);
        buffer_printf(&l->out, ":%zu\r\n", i);
    }
}

/* ---- what it answers ---- */

static bool answer_greeting(struct script_line *l, const struct bytes *words, size_t n) {
    const struct redis_script *s = l->script;
    const char *role = s->role ? s->role : "master", *id = s->run_id ? s->run_id : "one";
    if (script_word_is(words[0], "AUTH")) {
        bool is_right = s->password && script_word_is(words[n - 1], s->password);
        if (s->auth_error)
            buffer_printf(&l->out, "-%s\r\n", s->auth_error);
        else
            buffer_printf(&l->out, is_right ? "+OK\r\n" : "-WRONGPASS invalid password\r\n");
    } else if (script_word_is(words[0], "CLIENT") || script_word_is(words[0], "SELECT")) {
        buffer_printf(&l->out, "+OK\r\n");
    } else if (script_word_is(words[0], "PING")) {
        buffer_printf(&l->out, l->is_subscribing ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
    } else if (script_word_is(words[0], "ROLE")) {
        buffer_printf(&l->out, "*3\r\n$%zu\r\n%s\r\n:0\r\n*0\r\n", strlen(role), role);
    } else if (script_word_is(words[0], "INFO")) {
        buffer_printf(&l->out, "$%zu\r\n# Server\r\nrun_id:%s\r\n\r\n", 19 + strlen(id), id);
    } else {
        return false;
    }
    return true;
}

static bool answer_sentinel(struct script_line *l, const struct bytes *words, size_t n) {
    const struct redis_script *s = l->script;
    if (!script_word_is(words[0], "SENTINEL") || n < 3)
        return false;
    if (script_word_is(words[1], "sentinels")) {
        buffer_printf(&l->out, "*1\r\n*4\r\n$2\r\nip\r\n$9\r\n127.0.0.3\r\n$4\r\nport\r\n$5\r\n"
                               "26379\r\n");
    } else if (!s->master_host) {
        buffer_printf(&l->out, "*-1\r\n");
    } else {
        buffer_printf(&l->out, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(s->master_host),
                      s->master_host, strlen(s->master_port), s->master_port);
    }
    return true;
}

static void note(struct redis_script *s, const struct bytes *words, size_t n) {
    for (size_t i = 0; i < n && s->heard.len < MUCH; i++) {
        buffer_append_bytes(&s->heard, words[i]);
        buffer_append_byte(&s->heard, i + 1 < n ? ' ' : '\n');
    }
}

static void answer(struct script_line *l, const struct bytes *words, size_t n) {
    struct redis_script *s = l->script;
    if (n == 0 || s->is_mute || (s->hook && s->hook(l, words, n)))
        return;
    if (answer_greeting(l, words, n) || answer_sentinel(l, words, n))
        return;
    note(s, words, n);
    if (script_word_is(words[0], "SUBSCRIBE")) {
        l->is_subscribing = true;
        s->widest = n > s->widest ? n : s->widest;
        confirm(l, "subscribe", words, n);
    } else if (script_word_is(words[0], "UNSUBSCRIBE")) {
        confirm(l, "unsubscribe", words, n);
    } else if (script_word_is(words[0], "ECHO") && n == 2) {
        say_bulk(&l->out, words[1]);
    } else {
        buffer_printf(&l->out, "-ERR unknown command\r\n");
    }
}

static void hear(struct script_line *l, const struct redisReply *r) {
    struct bytes words[SCRIPT_WORDS_MAX];
    size_t n = 0;
    for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements && n < SCRIPT_WORDS_MAX; i++)
        words[n++] = bytes_of(r->element[i]->str, (size_t) r->element[i]->len);
    l->commands++;
    answer(l, words, n);
}

/* ---- a line ---- */

static SUSPENDS int speak(struct script_line *l) {
    int r = 0;
    size_t at = 0;
    /* What it says while it writes belongs to it, too. */
    while (r == 0 && at < l->out.len) {
        size_t n = l->out.len - at;
        bool is_cut = l->script->chunk > 0 && n > l->script->chunk;
        if (is_cut)
            n = l->script->chunk;
        uint8_t *copy = malloc(n);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, l->out.data + at, n);
        r = stream_write_all(l->stream, &(struct iovec){ copy, n }, 1);
        free(copy);
        at += n;
        if (r == 0 && is_cut)
            r = task_sleep(1);
    }
    buffer_reset(&l->out);
    return r;
}

static SUSPENDS int converse(struct script_line *l, struct redis_replies *words) {
    uint8_t in[READ_BYTES];
    for (;;) {
        ssize_t got = stream_read(l->stream, in, sizeof in);
        if (got <= 0)
            return (int) got;
        int r = redis_replies_feed(words, bytes_of(in, (size_t) got));
        struct redisReply *command;
        while (r == 0 && (r = redis_replies_next(words, &command)) > 0) {
            hear(l, command);
            redis_reply_free(command);
            r = 0;
        }
        if (r == 0)
            r = speak(l);
        if (r < 0 || l->is_closing)
            return r;
    }
}

static SUSPENDS int serve(void *line) {
    struct script_line *l = line;
    struct redis_replies *words = NULL;
    int r = redis_replies_new(MUCH, &words);
    if (r == 0)
        (void) converse(l, words);
    redis_replies_free(words);
    list_remove(&l->link);
    buffer_finish(&l->out);
    l->stream = stream_close(l->stream);
    return 0;
}

SUSPENDS int redis_script_connect(void *script, const struct address *a, const struct tls *tls,
                                  struct stream **ret) {
    struct redis_script *s = script;
    (void) tls;
    if (s->attempts < SCRIPT_TIMES_MAX)
        s->times[s->attempts] = loop_now();
    s->attempts++;
    if (s->hangs)
        return task_sleep(INT64_MAX / 4);
    if (s->connect_error < 0)
        return s->connect_error;
    struct stream *ours, *theirs;
    int r = stream_pair(s->capacity ? s->capacity : CAPACITY, &ours, &theirs);
    if (r < 0)
        return r;
    void *data;
    r = group_spawn_with(&s->tasks, "redis", serve, sizeof(struct script_line), &data);
    if (r < 0) {
        stream_close(ours);
        stream_close(theirs);
        return r;
    }
    struct script_line *l = data;
    l->script = s;
    l->stream = ours;
    l->address = *a;
    list_append(&s->lines, &l->link);
    *ret = theirs;
    return 0;
}

SUSPENDS int redis_script_say(struct script_line *l, const char *text) {
    return stream_write_all(l->stream, &(struct iovec){ (void *) (uintptr_t) text, strlen(text) },
                            1);
}

void redis_script_cut(struct redis_script *s) {
    LIST_FOREACH (&s->lines, k)
        stream_pair_cut(CONTAINER_OF(k, struct script_line, link)->stream);
}

struct script_line *redis_script_line(struct redis_script *s, bool is_subscribing) {
    LIST_FOREACH (&s->lines, k) {
        struct script_line *l = CONTAINER_OF(k, struct script_line, link);
        if (l->is_subscribing == is_subscribing && l->stream)
            return l;
    }
    return NULL;
}

SUSPENDS void redis_script_finish(struct redis_script *s) {
    group_finish(&s->tasks);
    buffer_finish(&s->heard);
}
