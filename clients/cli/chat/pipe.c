/* parley chat send, read, rooms: for pipes and scripts. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "async/loop.h"
#include "async/task.h"
#include "clients/cli/chat/chat.h"
#include "clients/cli/chat/model.h"
#include "clients/cli/chat/text.h"
#include "protocol/buffer.h"
#include "protocol/json.h"
#include "protocol/utf8.h"

enum { TEXT_MAX = 1 << 20, TRIES = 5, TIME_MAX = 32 };

struct pipe {
    struct cli_options *options;
    struct client *client;
    struct model model;
    struct arena arena; /* of the answers */
};

/* What the chat refuses by its own codes (docs/chat-protocol.md). */
static int exit_code_of(const struct reply_error *e) {
    enum { NOT_FOUND = 404, TOO_LONG = 413, ARCHIVED = 423, SLOW_MODE = 429, MUTED = 430, BANNED };

    switch (e->code) {
    case NOT_FOUND:
        return EX_NOHOST;
    case TOO_LONG:
        return EX_DATAERR;
    case ARCHIVED:
    case MUTED:
    case BANNED:
        return EX_NOPERM;
    case SLOW_MODE:
        return EX_TEMPFAIL;
    default:
        return cli_exit_code_of_error(e);
    }
}

/* Asks, and says what went wrong. An exit code; EX_TEMPFAIL: another try may help. */
static int call(struct pipe *p, const char *method, const struct buffer *data,
                struct chat_object *ret) {
    struct command command = { .kind = COMMAND_RPC,
                               .rpc = { .method = str_of(method), .data = buffer_bytes(data) } };
    struct client_end end = { 0 };
    struct reply reply;

    int r = buffer_error(data);
    if (r < 0)
        return EX_OSERR;
    r = client_call(p->client, &command, NULL, NULL, &reply, &end);
    if (r <= 0) {
        cli_say("%s", end.why);
        return EX_TEMPFAIL;
    }
    if (reply.kind == REPLY_ERROR) {
        cli_say("%s: %.*s (%" PRIu32 ")", method, (int) reply.error.message.len,
                reply.error.message.data, reply.error.code);
        return exit_code_of(&reply.error);
    }
    r = reply.kind == REPLY_RPC ? chat_object_decode(reply.rpc.data, &p->arena, ret) : -EPROTO;
    if (r < 0)
        cli_say("%s: the answer is not understood", method);
    return r < 0 ? EX_PROTOCOL : EX_OK;
}

static int begin(struct pipe *p) {
    CLEANUP(buffer_finish) struct buffer nothing = BUFFER_INIT;
    struct chat_object answer = { 0 };
    int code;

    if (cli_open(p->options, &p->client, &code) < 0)
        return code;
    buffer_append_str(&nothing, STR("{}"));
    code = call(p, "sync", &nothing, &answer);
    if (code == EX_OK && model_sync(&p->model, &answer) < 0)
        code = EX_OSERR;
    return code;
}

static const struct room *room_of(const struct pipe *p, const char *name) {
    const struct room *r = model_find_room(&p->model, str_of(name));
    if (!r)
        cli_say("you are in no room called %s, or in several; see `parley chat rooms`", name);
    return r;
}

/* ---- send ---- */

static int read_text(const struct cli_options *o, struct buffer *out) {
    for (size_t i = 2; i < o->n_arguments; i++)
        buffer_printf(out, "%s%s", i > 2 ? " " : "", o->arguments[i]);
    while (o->n_arguments == 2) {
        uint8_t *at = buffer_reserve(out, 65536);
        ssize_t n = at ? read(STDIN_FILENO, at, 65536) : -1;
        if (!at)
            return buffer_error(out);
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        buffer_added(out, (size_t) n);
        if (out->len > TEXT_MAX)
            return -EMSGSIZE;
    }
    while (out->len && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r'))
        out->len--;
    return buffer_error(out);
}

static int send_text(struct pipe *p, struct str text) {
    CLEANUP(buffer_finish) struct buffer data = BUFFER_INIT;
    struct chat_object answer = { 0 };
    uint64_t id[2];
    int code = EX_TEMPFAIL;

    loop_random(id, sizeof id);
    for (unsigned i = 0; i < TRIES && code == EX_TEMPFAIL; i++) {
        if (i > 0) {
            p->client = client_close(p->client);
            model_finish(&p->model);
            if (task_sleep(client_backoff_ms(i)) < 0)
                return EX_TEMPFAIL;
        }
        code = begin(p);
        if (code != EX_OK)
            continue;
        const struct room *r = room_of(p, p->options->arguments[1]);
        if (!r)
            return EX_NOHOST;
        /* The same id each time: however often it arrives, it is said once. */
        buffer_reset(&data);
        buffer_append_str(&data, STR("{\"room\":"));
        json_append_string(&data, str_of(r->id));
        buffer_printf(&data, ",\"client_id\":\"%016" PRIx64 "%05" PRIx64 "\",\"text\":", id[0],
                      id[1] & 0xfffff);
        json_append_string(&data, text);
        buffer_append_byte(&data, '}');
        code = call(p, "message.send", &data, &answer);
    }
    if (code == EX_OK && p->options->is_json)
        printf("{\"seq\":%" PRIu64 ",\"ver\":%" PRIu64 "}\n", answer.seq, answer.ver);
    return code;
}

static int run_send(struct pipe *p) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;

    int r = read_text(p->options, &text);
    if (r < 0) {
        cli_say("standard input: %s", strerror(-r));
        return EX_NOINPUT;
    }
    if (text.len == 0 || !utf8_is_valid(buffer_bytes(&text))) {
        cli_say(text.len ? "that is no UTF-8" : "there is nothing to send");
        return EX_DATAERR;
    }
    return send_text(p, (struct str){ (char *) text.data, text.len });
}

/* ---- read, rooms ---- */

static void print_json(const struct message *m) {
    CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;

    buffer_printf(&line, "{\"seq\":%" PRIu64 ",\"at\":%" PRId64 ",\"user\":", m->seq, m->at_ms);
    json_append_string(&line, str_of(m->user));
    if (m->is_deleted) {
        buffer_append_str(&line, STR(",\"deleted\":true}"));
    } else {
        buffer_append_str(&line, STR(",\"text\":"));
        json_append_string(&line, str_of(m->text));
        buffer_append_byte(&line, '}');
    }
    if (buffer_error(&line) == 0)
        printf("%.*s\n", (int) line.len, (char *) line.data);
}

static void print_message(const struct pipe *p, const struct message *m) {
    char time[TIME_MAX] = "";
    time_t at = (time_t) (m->at_ms / 1000);
    struct tm tm;

    if (p->options->is_json)
        return print_json(m);
    if (localtime_r(&at, &tm))
        (void) strftime(time, sizeof time, "%Y-%m-%d %H:%M:%S", &tm);
    CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
    buffer_printf(&line, "%s ", time);
    text_append_harmless(&line, str_of(model_user_label(&p->model, m->user)));
    buffer_append_str(&line, STR(": "));
    text_append_harmless(&line, str_of(m->is_deleted ? "(deleted)" : m->text));
    if (buffer_error(&line) == 0)
        printf("%.*s\n", (int) line.len, (char *) line.data);
}

static int run_read(struct pipe *p) {
    CLEANUP(buffer_finish) struct buffer data = BUFFER_INIT;
    struct chat_object answer = { 0 };

    int code = begin(p);
    if (code != EX_OK)
        return code;
    struct room *r = (struct room *) (uintptr_t) room_of(p, p->options->arguments[1]);
    if (!r)
        return EX_NOHOST;
    uint64_t limit = p->options->count ? p->options->count : (uint64_t) p->options->limit;
    buffer_append_str(&data, STR("{\"room\":"));
    json_append_string(&data, str_of(r->id));
    buffer_printf(&data, ",\"limit\":%" PRIu64 "}", limit < 100 ? limit : 100);
    code = call(p, "message.history", &data, &answer);
    if (code != EX_OK)
        return code;
    if (room_prepend(r, &answer) < 0)
        return EX_OSERR;
    for (size_t i = 0; i < r->n; i++)
        print_message(p, &r->messages[i]);
    return EX_OK;
}

static int run_rooms(struct pipe *p) {
    int code = begin(p);

    for (size_t i = 0; code == EX_OK && i < p->model.n_rooms; i++) {
        const struct room *r = p->model.rooms[i];
        CLEANUP(buffer_finish) struct buffer label = BUFFER_INIT;
        text_append_harmless(&label, str_of(model_room_label(&p->model, r)));
        if (buffer_error(&label) < 0)
            return EX_OSERR;
        printf("%s\t%s\t%u\t%.*s\n", r->id, r->kind, r->unread, (int) label.len,
               (char *) label.data);
    }
    return code;
}

static int run(void *arg) {
    struct pipe *p = arg;
    const char *what = p->options->arguments[0];

    int code = cli_open_tls(p->options);
    if (code == EX_OK)
        code = strcmp(what, "send") == 0   ? run_send(p)
               : strcmp(what, "read") == 0 ? run_read(p)
                                           : run_rooms(p);
    p->client = client_close(p->client);
    if (cli_flush() < 0 && code == EX_OK)
        code = EX_IOERR;
    p->options->tls = tls_free(p->options->tls);
    return code;
}

int chat_pipe(struct cli_options *o) {
    struct pipe p = { .options = o };

    model_init(&p.model);
    int code = loop_run(NULL, run, &p);
    model_finish(&p.model);
    arena_finish(&p.arena);
    return code < 0 ? EX_OSERR : code;
}
