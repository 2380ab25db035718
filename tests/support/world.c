#include "tests/support/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/config/load.h"
#include "protocol/frame.h"
#include "protocol/handshake.h"
#include "protocol/http.h"
#include "protocol/token.h"
#include "tests/support/bus.h"

enum { PATIENCE_MS = 30000, PIPE_BYTES = 65536, MESSAGE_MAX = 64 * 1024 * 1024 };

struct peer {
    struct world *world;
    struct link link; /* in the world's */
    struct stream *stream;
    struct frame_pool *pool;
    struct frame_decoder decoder;
    struct frame_limits limits;
    struct buffer out, in, text;
    struct bytes left; /* of in: not decoded */
    char client_id[64];
};

/* ---- the daemon ---- */

static int load_config(const struct world_options *o, const char *yaml, struct config **ret,
                       char *why, size_t cap) {
    const char *common = getenv("PARLEY_WORKERS");
    char workers[16];
    (void) snprintf(workers, sizeof workers, "%u", o->workers ? o->workers : 1);
    const struct config_flag flags[] = {
        { "--engine", "engine.type", o->data_dir ? "sqlite" : "memory" },
        { "--workers", "workers", o->workers || !common ? workers : common },
        { "--secret", "client.token.hmac_secret_key", "secret" },
        { "--port", "http_server.port", "0" },
        { "--data-dir", "data_dir", o->data_dir },
    };
    struct config_report report = { 0 };
    char path[64];

    int fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t written = yaml ? write(fd, yaml, strlen(yaml)) : 0;
    (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct config_source source = { .file = yaml ? path : NULL,
                                    .flags = flags,
                                    .n_flags = ELEMENTS_OF(flags) - (o->data_dir ? 0 : 1) };
    int r = written < 0 ? -EIO : config_load(&source, ret, &report);
    size_t first = 0;
    while (first < report.n && !report.items[first].is_error)
        first++;
    if (r < 0)
        (void) snprintf(why, cap, "configuration: %s",
                        first < report.n ? report.items[first].text : "?");
    config_report_finish(&report);
    (void) close(fd);
    return r;
}

static int open_daemon(struct world *w) {
    char *why = NULL;
    struct daemon_options o = {
        .config = w->config,
        .log = w->options->log,
        .engine_vfs = w->options->vfs,
        .http = w->options->http,
        .open_engine = w->options->bus ? bus_open_engine : w->options->open_engine,
        .open_engine_arg = w->options->bus ? w->options->bus : w->options->open_engine_arg,
        .is_single_threaded = !w->options->is_real,
        .has_no_listeners = !w->options->is_real && !w->options->listens
    };
    int r = daemon_open(&o, &w->daemon, &why);
    if (r < 0)
        (void) snprintf(w->failure, sizeof w->failure, "daemon: %s", why ? why : "?");
    free(why);
    return r;
}

int world_restart(struct world *w) {
    w->daemon = daemon_close(w->daemon);
    return open_daemon(w);
}

int world_configure(struct world *w, const char *yaml) {
    struct config *c;
    int r = load_config(w->options, yaml, &c, w->failure, sizeof w->failure);
    if (r < 0)
        return r;
    config_unref(w->config);
    w->config = c;
    return daemon_reload(w->daemon, c, NULL);
}

struct run {
    struct world world;
    story_fn *story;
    void *arg;
};

static int begin(struct world *w) {
    group_init(&w->tasks);
    list_init(&w->peers);
    int r = load_config(w->options, w->options->config, &w->config, w->failure, sizeof w->failure);
    return r < 0 ? r : open_daemon(w);
}

static void end(struct world *w) {
    struct link *k;
    group_finish(&w->tasks);
    while ((k = list_first(&w->peers)))
        peer_close(CONTAINER_OF(k, struct peer, link));
    w->daemon = daemon_close(w->daemon);
    w->config = config_unref(w->config);
}

static void note_of(struct world *w, const struct world *another) {
    if (!w->failure[0])
        memcpy(w->failure, another->failure, sizeof w->failure);
}

struct world *world_open_another(struct world *w, const struct world_options *o) {
    struct world *another = calloc(1, sizeof *another);
    if (!another)
        return NULL;
    another->options = o;
    another->next = w->others;
    w->others = another;
    if (begin(another) == 0)
        return another;
    world_close_another(w, another);
    return NULL;
}

void world_close_another(struct world *w, struct world *another) {
    struct world **at = &w->others;
    while (*at != another)
        at = &(*at)->next;
    *at = another->next;
    end(another);
    note_of(w, another);
    free(another);
}

static int run_story(void *arg) {
    struct run *run = arg;
    struct world *w = &run->world;

    int r = begin(w);
    if (r == 0) {
        r = run->story(w, run->arg);
        for (struct world *o = w->others; o; o = o->next)
            note_of(w, o);
        if (r < 0 && !w->failure[0])
            (void) snprintf(w->failure, sizeof w->failure, "the story ended: %s", strerror(-r));
    }
    while (w->others)
        world_close_another(w, w->others);
    end(w);
    w->bus = bus_close(w->bus);
    return 0;
}

static void on_warning(void *arg, const char *text) {
    struct run *run = arg;
    if (!run->world.failure[0])
        (void) snprintf(run->world.failure, sizeof run->world.failure, "the loop warns: %s", text);
}

const char *world_run(const struct world_options *o, story_fn *story, void *arg) {
    static char failure[2048];
    static const struct world_options plain = { 0 };
    struct run run = { .world = { .options = o ? o : &plain }, .story = story, .arg = arg };
    struct loop_options loop = { .name = "world",
                                 .is_simulated = !o || !o->is_real,
                                 .seed = o ? o->seed : 0,
                                 .shuffle_ready = o && o->seed,
                                 .simulated_epoch_ms = o ? o->epoch_ms : 0,
                                 .on_warning = on_warning,
                                 .on_warning_arg = &run };

    int r = loop_run(&loop, run_story, &run);
    if (r < 0 && !run.world.failure[0])
        (void) snprintf(run.world.failure, sizeof run.world.failure, "the loop ended: %s",
                        strerror(-r));
    memcpy(failure, run.world.failure, sizeof failure);
    if (failure[0])
        (void) fprintf(stderr, "%s\n", failure);
    return failure[0] ? failure : NULL;
}

bool story_is(struct world *w, bool is_so, const char *what, const char *file, int line) {
    if (!is_so && !w->failure[0])
        (void) snprintf(w->failure, sizeof w->failure, "%s:%d: not so: %s", file, line, what);
    return is_so;
}

/* ---- clients ---- */

struct world *peer_world(struct peer *p) {
    return p->world;
}

const char *peer_client_id(struct peer *p) {
    return p->client_id;
}

struct peer *peer_close(struct peer *p) {
    if (!p)
        return NULL;
    list_remove(&p->link);
    frame_decoder_finish(&p->decoder);
    frame_pool_free(p->pool);
    stream_close(p->stream);
    buffer_finish(&p->out);
    buffer_finish(&p->in);
    buffer_finish(&p->text);
    free(p);
    return NULL;
}

int peer_send_raw(struct peer *p, struct bytes bytes) {
    DEADLINE(patience, PATIENCE_MS);
    struct iovec v = { .iov_base = (void *) (uintptr_t) bytes.data, .iov_len = bytes.len };
    return stream_write_all(p->stream, &v, 1);
}

int peer_send_frame(struct peer *p, unsigned opcode, struct bytes payload) {
    uint8_t mask[FRAME_MASK_BYTES];
    loop_random(mask, sizeof mask);
    buffer_reset(&p->out);
    frame_encode(&(struct frame){ .opcode = (enum frame_opcode) opcode, .mask = mask }, payload,
                 &p->out);
    return peer_send_raw(p, buffer_bytes(&p->out));
}

void peer_say(struct peer *p, const char *format, ...) {
    char *text;
    va_list args;

    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        return;
    (void) peer_send_frame(p, FRAME_TEXT, bytes_of(text, (size_t) len));
    free(text);
}

static ssize_t read_more(struct peer *p) {
    buffer_reset(&p->in);
    uint8_t *at = buffer_reserve(&p->in, 16384);
    if (!at)
        return -ENOMEM;
    ssize_t n = stream_read(p->stream, at, 16384);
    if (n > 0) {
        buffer_added(&p->in, (size_t) n);
        p->left = buffer_bytes(&p->in);
    }
    return n;
}

static const char *describe(struct peer *p, const struct frame_event *ev) {
    buffer_reset(&p->text);
    if (ev->opcode == FRAME_CLOSE)
        buffer_printf(&p->text, "close %u ", ev->close_code);
    else if (ev->opcode == FRAME_PING || ev->opcode == FRAME_PONG)
        buffer_printf(&p->text, "%s ", ev->opcode == FRAME_PING ? "ping" : "pong");
    buffer_append_bytes(&p->text, ev->payload);
    buffer_append_byte(&p->text, 0);
    return buffer_error(&p->text) == 0 ? (const char *) p->text.data : "error";
}

const char *peer_hear(struct peer *p, int64_t wait_ms) {
    DEADLINE(patience, wait_ms);
    struct frame_event ev;

    for (;;) {
        int r = frame_next(&p->decoder, p->pool, &p->limits, &p->left, &ev);
        if (r > 0) {
            if (ev.opcode == FRAME_CLOSE) /* as a browser answers it */
                (void) peer_send_frame(p, FRAME_CLOSE, bytes_of(NULL, 0));
            return describe(p, &ev);
        }
        if (r < 0)
            return r == -ENOMEM ? "error" : "garbage";
        ssize_t n = read_more(p);
        if (n == 0)
            return "end";
        if (n == -ETIMEDOUT && deadline_passed(&patience))
            return "nothing";
        if (n < 0)
            return n == -ECONNRESET || n == -EPIPE ? "reset" : "error";
    }
}

bool text_matches(const char *text, const char *pattern) {
    const char *star = NULL, *retry = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

bool peer_expect(struct peer *p, const char *pattern, const char *file, int line) {
    struct world *w = p->world;
    const char *heard = peer_hear(p, PATIENCE_MS);

    if (text_matches(heard, pattern))
        return true;
    if (!w->failure[0])
        (void) snprintf(w->failure, sizeof w->failure,
                        "%s:%d: expected %.700s\n  but heard %.1000s", file, line, pattern, heard);
    return false;
}

/* What came instead of a WebSocket is nothing, or begins as HTTP does. */
static bool is_refusal(const struct peer *p, int result) {
    static const char begins[] = "HTTP/1.1 ";
    size_t n = p->in.len < sizeof begins - 1 ? p->in.len : sizeof begins - 1;
    return result != -ETIMEDOUT && (n == 0 || memcmp(p->in.data, begins, n) == 0);
}

/* The handshake, as a client does it. */
static int shake_hands(struct peer *p, const struct peer_options *o) {
    uint8_t key[HANDSHAKE_KEY_BYTES];
    struct handshake_options options = { .allows_deflate = o->offers_deflate };
    struct http_header origin = { STR("Origin"), str_of(o->origin) };
    struct http_limits limits = { 8192, 16384, HTTP_HEADERS_MAX };
    struct handshake agreed = { 0 };

    loop_random(key, sizeof key);
    int r = handshake_write_request(STR("test"), STR("/connection/websocket"), key, &options,
                                    &origin, o->origin ? 1 : 0, &p->out);
    if (r == 0)
        r = peer_send_raw(p, buffer_bytes(&p->out));

    struct http_response *response = calloc(1, sizeof *response);
    if (!response)
        return -ENOMEM;
    http_response_init(response);
    DEADLINE(patience, PATIENCE_MS);
    int done = 0;
    while (r == 0 && done == 0) {
        uint8_t *at = buffer_reserve(&p->in, 4096);
        ssize_t n = at ? stream_read(p->stream, at, 4096) : -ENOMEM;
        if (n <= 0) {
            r = n < 0 ? (int) n : -EPIPE;
            break;
        }
        buffer_added(&p->in, (size_t) n);
        done = http_response_parse(response, &limits, buffer_bytes(&p->in));
    }
    if (r == 0 && done > 0)
        r = handshake_check_answer(response, key, &options, &agreed);
    else if (r == 0)
        r = done;
    if (r < 0 && !(o->may_be_refused && is_refusal(p, r)) && !p->world->failure[0])
        (void) snprintf(p->world->failure, sizeof p->world->failure, "upgrade: status %d, %s",
                        response->status, strerror(-r));
    p->left = bytes_of(p->in.data + response->size, p->in.len - response->size);
    frame_decoder_init(&p->decoder, FRAME_CLIENT, agreed.is_deflated);
    free(response);
    return r;
}

static int reach_over_tcp(struct peer *p) {
    struct address address;
    char text[ADDRESS_TEXT_MAX];

    if (!daemon_address(p->world->daemon, 0, text, sizeof text))
        return -ENOENT;
    int r = address_parse(text, &address);
    return r < 0 ? r : stream_connect(&address, NULL, &p->stream);
}

static int reach_daemon(struct peer *p, const struct peer_options *o) {
    struct world *w = p->world;
    struct stream *ours, *theirs;

    if (w->options->is_real)
        return reach_over_tcp(p);
    int r = stream_pair(w->options->pipe_bytes ? w->options->pipe_bytes : PIPE_BYTES, &ours,
                        &theirs);
    if (r < 0)
        return r;
    p->stream = ours;
    unsigned n = (unsigned) w->daemon->n_workers;
    r = daemon_accept(w->daemon, o->worker >= 0 ? (unsigned) o->worker : w->next_worker++ % n,
                      theirs);
    if (r < 0)
        stream_close(theirs);
    return r;
}

struct peer *peer_open(struct world *w, const struct peer_options *o) {
    static const struct peer_options plain = { .worker = -1 };
    struct peer *p = calloc(1, sizeof *p);

    o = o ? o : &plain;
    if (!p)
        return NULL;
    p->world = w;
    list_append(&w->peers, &p->link);
    p->limits.max_message = MESSAGE_MAX;
    p->pool = frame_pool_new(1);
    int r = p->pool ? reach_daemon(p, o) : -ENOMEM;
    if (r == 0)
        r = shake_hands(p, o);
    if (r < 0) {
        if (!w->failure[0] && !o->may_be_refused)
            (void) snprintf(w->failure, sizeof w->failure, "connection: %s", strerror(-r));
        return peer_close(p);
    }
    return p;
}

bool peer_connect(struct peer *p, const char *token) {
    if (token)
        peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\",\"name\":\"test\"}}", token);
    else
        peer_say(p, "{\"id\":1,\"connect\":{}}");
    const char *heard = peer_hear(p, PATIENCE_MS);
    static const char before[] = "{\"id\":1,\"connect\":{\"client\":\"";
    if (strncmp(heard, before, sizeof before - 1) != 0) {
        if (!p->world->failure[0])
            (void) snprintf(p->world->failure, sizeof p->world->failure, "connect: heard %.1000s",
                            heard);
        return false;
    }
    (void) snprintf(p->client_id, sizeof p->client_id, "%.36s", heard + sizeof before - 1);
    return true;
}

/* ---- tokens ---- */

int64_t world_now_s(void) {
    return loop_wall_ms() / 1000;
}

const char *world_token(struct world *w, const char *claims, ...) {
    static char token[4096];
    char text[2048];
    CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
    va_list args;

    va_start(args, claims);
    int len = vsnprintf(text, sizeof text, claims, args);
    va_end(args);
    if (token_sign(TOKEN_HS256, str_bytes(STR("secret")), bytes_of(text, (size_t) len), &out) < 0)
        return "";
    (void) snprintf(token, sizeof token, "%.*s", (int) out.len, (const char *) out.data);
    return token;
}

/* ---- dialogues ---- */

static void append_token(struct peer *p, struct str claims, struct buffer *out) {
    CLEANUP(buffer_finish) struct buffer token = BUFFER_INIT;
    if (token_sign(TOKEN_HS256, str_bytes(STR("secret")), str_bytes(claims), &token) == 0)
        buffer_append_bytes(out, buffer_bytes(&token));
}

static bool begins(const char *at, const char *end, const char *with) {
    return (size_t) (end - at) >= strlen(with) && strncmp(at, with, strlen(with)) == 0;
}

/* Replaces what stands for something else. Claims are expanded before they are signed. */
static void expand(struct peer *p, const char *at, const char *end, struct buffer *out) {
    while (at < end) {
        const char *shut = begins(at, end, "<<") ? strstr(at, ">>") : NULL;
        if (shut && shut < end) {
            CLEANUP(buffer_finish) struct buffer claims = BUFFER_INIT;
            expand(p, at + 2, shut, &claims);
            append_token(p, (struct str){ (const char *) claims.data, claims.len }, out);
            at = shut + 2;
        } else if (begins(at, end, "NOW+") || begins(at, end, "NOW-")) {
            char *after;
            long seconds = strtol(at + 3, &after, 10);
            buffer_append_int(out, world_now_s() + seconds);
            at = after;
        } else if (begins(at, end, "\\n")) {
            buffer_append_byte(out, '\n');
            at += 2;
        } else if (begins(at, end, "CLIENT")) {
            buffer_append_str(out, str_of(p->client_id));
            at += 6;
        } else {
            buffer_append_byte(out, *at == '\'' ? '"' : (uint8_t) *at);
            at++;
        }
    }
}

static bool play_line(struct peer *p, const char *at, const char *end, const char *file, int line) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
    char kind = *at++;

    while (at < end && *at == ' ')
        at++;
    if (kind == '+')
        return task_sleep(strtol(at, NULL, 10)) == 0;

    expand(p, at, end, &text);
    if (kind == '>')
        return peer_send_frame(p, FRAME_TEXT, buffer_bytes(&text)) == 0;
    buffer_append_byte(&text, 0);
    return peer_expect(p, (const char *) text.data, file, line);
}

bool peer_play(struct peer *p, const char *dialogue, const char *file, int line) {
    const char *at = dialogue;

    while (*at) {
        const char *end = at + strcspn(at, "\n");
        while (at < end && *at == ' ')
            at++;
        if (at < end && !play_line(p, at, end, file, line))
            return false;
        at = *end ? end + 1 : end;
    }
    return true;
}
