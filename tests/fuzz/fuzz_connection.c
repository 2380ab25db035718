/*
 * A whole daemon, and any bytes from a client: whatever they are, the connection ends when the
 * client has gone, and nothing is left of it.
 *
 * The first byte says in what pieces the rest arrives. In it, $S and $N stand for the session and
 * the node of a client that listens to a streamed answer, for /emulation.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/config/load.h"
#include "daemon/daemon.h"
#include "daemon/worker_thread.h"
#include "tests/fuzz/fuzz.h"

static const char CONFIG[] =
        "engine: {type: memory}\n"
        "client: {insecure: true, allowed_origins: ['*'], ping_interval: 0s, pong_timeout: 0s}\n"
        "websocket: {compression: true, message_size_limit: 4096}\n"
        "http_stream: {enabled: true}\nsse: {enabled: true}\nuni_sse: {enabled: true}\n"
        "uni_http_stream: {enabled: true}\nuni_websocket: {enabled: true}\ninit: {enabled: true}\n"
        "health: {enabled: true}\nprometheus: {enabled: true}\n"
        "http_api: {insecure: true}\n"
        "channel: {without_namespace: {presence: true, join_leave: true, history_size: 10, "
        "history_ttl: 10s, force_recovery: true, allowed_delta_types: [fossil], "
        "delta_publish: true, allow_tags_filter: true}}\n";

static struct config *load(void) {
    struct config *c = NULL;
    struct config_report *report = calloc(1, sizeof *report);
    char path[64];
    int fd = memfd_create("parleyd.yaml", MFD_CLOEXEC);
    assert(report && fd >= 0);
    assert(write(fd, CONFIG, sizeof CONFIG - 1) == (ssize_t) sizeof CONFIG - 1);
    (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    int r = config_load(&(struct config_source){ .file = path }, &c, report);
    if (r < 0 && report->n)
        (void) fprintf(stderr, "%s\n", report->items[0].text);
    assert(r == 0);
    config_report_finish(report);
    free(report);
    (void) close(fd);
    return c;
}

/* Kept for all inputs: as the loop is, it is the process's. */
static struct daemon *open_once(void) {
    static struct daemon *d;
    if (d)
        return d;
    struct daemon_options o = { .config = load(),
                                .is_single_threaded = true,
                                .has_no_listeners = true };
    int r = daemon_open(&o, &d, NULL);
    assert(r == 0);
    return d;
}

static struct stream *reach(struct daemon *d) {
    struct stream *ours, *theirs;
    int r = stream_pair(65536, &ours, &theirs);
    assert(r == 0);
    r = daemon_accept(d, 0, theirs);
    assert(r == 0);
    return ours;
}

/* Whatever comes, until the end of the stream. */
static bool read_to_end(struct stream *s) {
    DEADLINE(patience, 600 * 1000);
    char bytes[256];
    ssize_t n;
    while ((n = stream_read(s, bytes, sizeof bytes)) > 0)
        ;
    return n == 0;
}

static void send_all(struct stream *s, const void *data, size_t len) {
    DEADLINE(patience, 1000);
    struct iovec v = { (void *) (uintptr_t) data, len };
    int r = stream_write_all(s, &v, 1);
    (void) r; /* it may not want to hear more */
}

/* ---- the listener ---- */

static struct str after(char *text, const char *name) {
    char *at = strstr(text, name);
    assert(at);
    at += strlen(name);
    return (struct str){ at, strcspn(at, "\"") };
}

/* text: what it heard, terminated, where its ids are. */
static struct stream *listen_to_stream(struct daemon *d, char text[static 2048]) {
    static const char request[] =
            "POST /connection/http_stream HTTP/1.1\r\nHost: a\r\nContent-Length: 59\r\n\r\n"
            "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}} ";
    struct stream *s = reach(d);
    size_t len = 0;

    send_all(s, request, sizeof request - 1);
    DEADLINE(patience, 1000);
    while (!strstr(text, "\"id\":2")) {
        ssize_t n = stream_read(s, text + len, 2047 - len);
        assert(n > 0);
        len += (size_t) n;
        text[len] = '\0';
    }
    return s;
}

/* ---- an input ---- */

static void fill_in(const uint8_t *data, size_t size, struct str session, struct str node,
                    struct buffer *out) {
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '$' && i + 1 < size && data[i + 1] == 'S') {
            buffer_append_str(out, session);
            i++;
        } else if (data[i] == '$' && i + 1 < size && data[i + 1] == 'N') {
            buffer_append_str(out, node);
            i++;
        } else {
            buffer_append_byte(out, data[i]);
        }
    }
}

static void send_in_pieces(struct stream *s, const struct buffer *all, size_t piece) {
    for (size_t at = 0; at < all->len; at += piece) {
        size_t left = all->len - at;
        send_all(s, all->data + at, left < piece ? left : piece);
        int r = task_yield();
        (void) r;
    }
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct daemon *d = open_once();
    const struct worker *w = &d->threads[0].worker;
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT, all = BUFFER_INIT;
    if (size < 2)
        return 0;

    char *heard = (char *) buffer_reserve(&text, 2048); /* too much for the stack */
    assert(heard);
    heard[0] = '\0';
    struct stream *listener = listen_to_stream(d, heard);
    struct stream *s = reach(d);
    fill_in(data + 1, size - 1, after(heard, "\"session\":\""), after(heard, "\"node\":\""), &all);
    send_in_pieces(s, &all, data[0] ? (size_t) data[0] * 16 : all.len);
    int r = task_sleep(1);
    (void) r;
    r = stream_shutdown(s);
    (void) r;
    assert(read_to_end(s));
    s = stream_close(s);
    listener = stream_close(listener);

    /* The goodbye waits for the peer for some seconds at most. */
    for (int i = 0; i < 100 && w->n_connections > 0; i++)
        r = task_sleep(1000);
    assert(w->n_connections == 0 && w->hub.n_taken == 0 && w->n_exchanges == 0);
    return 0;
}
