/*
 * parley pub: publishes one message, or every line of stdin with a bounded number under way.
 *
 * Over a cut, what was not acknowledged is sent again, in order: each line is published at least
 * once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/event.h"
#include "async/group.h"
#include "async/list.h"
#include "async/semaphore.h"
#include "async/task.h"
#include "clients/cli/cli.h"
#include "clients/cli/lines.h"
#include "protocol/json.h"

struct message {
    struct link link;
    uint32_t id; /* on the current connection */
    uint64_t line;
    struct bytes data; /* lies behind */
};

struct pub {
    const struct cli_options *options;
    struct str channel;
    struct list pending; /* not acknowledged, oldest first */
    struct semaphore window;
    struct event changed;  /* something was acknowledged, or all is lost */
    struct client *client; /* NULL: there is no connection just now */
    uint64_t acknowledged;
    int exit_code;
};

/* JSON goes as it is (on one line), anything else as a JSON string. */
static void encode_data(const struct cli_options *o, struct bytes text, struct buffer *out) {
    if (o->is_text || !json_is_valid(text, NULL))
        json_append_string(out, (struct str){ .data = (const char *) text.data, .len = text.len });
    else
        json_compact(text, out);
}

static struct message *message_new(const struct cli_options *o, struct bytes text, uint64_t line) {
    CLEANUP(buffer_finish) struct buffer data = BUFFER_INIT;

    encode_data(o, text, &data);
    struct message *m = buffer_error(&data) < 0 ? NULL : calloc(1, sizeof *m + data.len);
    if (!m)
        return NULL;
    memcpy(m + 1, data.data, data.len);
    m->line = line;
    m->data = bytes_of(m + 1, data.len);
    return m;
}

static int send_message(struct pub *p, struct message *m) {
    m->id = client_queue(
            p->client, &(struct command){ .kind = COMMAND_PUBLISH,
                                          .publish = { .channel = p->channel, .data = m->data } });
    return m->id ? client_flush(p->client) : -ENOMEM;
}

static struct message *find(struct pub *p, uint32_t id) {
    LIST_FOREACH (&p->pending, k) {
        struct message *m = CONTAINER_OF(k, struct message, link);
        if (m->id == id)
            return m;
    }
    return NULL;
}

/* 0; -EAGAIN: take another connection and send again; -EINVAL: refused for good. */
static int settle(struct pub *p, const struct reply *reply) {
    struct message *m = find(p, reply->id);

    if (!m || reply->kind == REPLY_PUSH)
        return 0;
    if (reply->kind == REPLY_ERROR) {
        if (!p->options->is_quiet || !reply->error.is_temporary)
            cli_say("line %" PRIu64 ": %.*s (%u)", m->line, (int) reply->error.message.len,
                    reply->error.message.data, reply->error.code);
        p->exit_code = cli_exit_code_of_error(&reply->error);
        return reply->error.is_temporary ? -EAGAIN : -EINVAL;
    }
    p->exit_code = EX_OK;
    p->acknowledged++;
    list_remove(&m->link);
    free(m);
    semaphore_release(&p->window);
    event_set(&p->changed);
    return 0;
}

static int use_connection(struct pub *p, struct client_end *end) {
    struct reply reply;
    int r = 0;

    LIST_FOREACH (&p->pending, k) {
        struct message *m = CONTAINER_OF(k, struct message, link);
        m->id = client_queue(p->client, &(struct command){ .kind = COMMAND_PUBLISH,
                                                           .publish = { .channel = p->channel,
                                                                        .data = m->data } });
    }
    r = client_flush(p->client);
    while (r == 0) {
        r = client_next(p->client, &reply, end);
        if (r <= 0)
            return r;
        r = settle(p, &reply);
    }
    return r;
}

/* Keeps a connection up and takes acknowledgements; ends only when nothing more can be done. */
static int keep_connected(void *arg) {
    struct pub *p = arg;
    struct client_options options = { .url = &p->options->url,
                                      .tls = p->options->tls,
                                      .token = str_of(p->options->token),
                                      .is_protobuf = p->options->is_protobuf };
    unsigned tries = 0;

    for (bool was_connected = false;;) {
        struct client_end end = { 0 };
        uint64_t before = p->acknowledged;
        int r = client_open(&options, &p->client, &end);
        if (r == 0) {
            was_connected = true;
            r = use_connection(p, &end);
            p->client = client_close(p->client);
        }
        if (r == -ECANCELED || r == -EINVAL)
            return r;
        if (end.is_final || !was_connected) {
            cli_say("%s", end.why);
            p->exit_code = cli_exit_code(&end);
            return -EINVAL;
        }
        if (p->acknowledged != before)
            tries = 0;
        int64_t wait_ms = client_backoff_ms(tries++);
        if (end.why[0] && !p->options->is_quiet)
            cli_say("%s; again in %.1f s", end.why, (double) wait_ms / 1000);
        r = task_sleep(wait_ms);
        if (r < 0)
            return r;
    }
}

static int publish(struct pub *p, struct bytes text, uint64_t line) {
    int r = semaphore_acquire(&p->window);
    if (r < 0)
        return r;

    struct message *m = message_new(p->options, text, line);
    if (!m)
        return -ENOMEM;
    list_append(&p->pending, &m->link);
    if (p->client)
        (void) send_message(p, m); /* a broken connection is seen by who reads from it */
    return 0;
}

static int wait_for_all(struct pub *p) {
    while (!list_is_empty(&p->pending)) {
        event_clear(&p->changed);
        int r = event_wait(&p->changed);
        if (r < 0)
            return r;
    }
    return 0;
}

static int feed_lines(struct pub *p) {
    struct lines lines;
    struct bytes line;
    int r = lines_open(&lines);

    while (r == 0 && (r = lines_next(&lines, &line)) > 0)
        r = line.len ? publish(p, line, lines.number) : 0;
    if (r == -EMSGSIZE) {
        cli_say("line %" PRIu64 " is longer than %d bytes", lines.number + 1, LINES_LINE_MAX);
        p->exit_code = EX_DATAERR;
    } else if (r < 0 && r != -ECANCELED) {
        cli_say("stdin: %s", strerror(-r));
        p->exit_code = EX_NOINPUT;
    }
    lines_close(&lines);
    return r;
}

static int feed(void *arg) {
    struct pub *p = arg;
    const char *data = p->options->arguments[1];
    int r = strcmp(data, "-") == 0 ? feed_lines(p) : publish(p, str_bytes(str_of(data)), 1);
    int later = wait_for_all(p);

    return r < 0 ? r : later;
}

int cli_pub(const struct cli_options *o) {
    struct pub p = { .options = o, .channel = str_of(o->arguments[0]) };
    int first = 0, r;

    semaphore_init(&p.window, o->window);
    event_init(&p.changed);
    {
        GROUP(both);
        r = group_spawn(&both, "connection", keep_connected, &p);
        if (r == 0)
            r = group_spawn(&both, "input", feed, &p);
        if (r == 0)
            r = group_wait_any(&both, &first);
    }
    for (struct link *k; (k = list_pop(&p.pending));)
        free(CONTAINER_OF(k, struct message, link));
    if (r < 0) {
        cli_say("%s", strerror(-r));
        return EX_OSERR;
    }
    if (strcmp(o->arguments[1], "-") == 0 && !o->is_quiet)
        cli_say("%" PRIu64 " published", p.acknowledged);
    return first < 0 && p.exit_code == EX_OK ? EX_UNAVAILABLE : p.exit_code;
}
