/*
 * What HTTP and WebSocket cost, in nanoseconds of CPU time per operation, medians of several
 * rounds; reading a frame also by wslay alone, which is the least it can cost.
 *
 *     protocol_bench [ROUNDS]        lines of "name ns"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wslay/wslay.h>

#include "protocol/deflate.h"
#include "protocol/frame.h"
#include "protocol/handshake.h"
#include "protocol/utf8.h"

enum { ROUNDS_DEFAULT = 9, ROUNDS_MAX = 99, SMALL = 128, LARGE = 16384 };

struct world {
    struct frame_pool *pool;
    struct deflater *deflater;
    struct buffer out, small_frame, large_frame;
    struct http_request request;
    wslay_frame_context_ptr bare;
    struct bytes bare_in;
    uint8_t payload[LARGE];
};

static const struct frame_limits frame_limits = { .max_message = 1 << 20 };
static const struct http_limits http_limits = { .max_line = 4096,
                                                .max_head = 16384,
                                                .max_headers = 64 };
static const struct str browser =
        STR("GET /connection/websocket?format=json HTTP/1.1\r\n"
            "Host: chat.example.org\r\n"
            "Connection: Upgrade\r\n"
            "Pragma: no-cache\r\n"
            "Cache-Control: no-cache\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/120.0.0.0 Safari/537.36\r\n"
            "Upgrade: websocket\r\n"
            "Origin: https://chat.example.org\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Accept-Encoding: gzip, deflate, br\r\n"
            "Accept-Language: en-GB,en;q=0.9\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n");

static void check(bool holds) {
    if (!holds)
        abort();
}

static void parse_request(struct world *w) {
    http_request_init(&w->request);
    int r = http_request_parse(&w->request, &http_limits, str_bytes(browser));
    check(r == 1);
}

static void shake_hands(struct world *w) {
    static const struct handshake_options options = { .allows_deflate = true };
    struct handshake h;

    parse_request(w);
    int r = handshake_check(&w->request, &options, &h);
    check(r == 0);
    buffer_reset(&w->out);
    r = handshake_write_answer(&h, NULL, 0, &w->out);
    check(r == 0);
}

static void decode(struct world *w, const struct buffer *frame) {
    struct frame_decoder d;
    struct frame_event ev;
    struct bytes in = buffer_bytes(frame);

    frame_decoder_init(&d, FRAME_SERVER, false);
    int r = frame_next(&d, w->pool, &frame_limits, &in, &ev);
    check(r == 1);
    r = frame_next(&d, w->pool, &frame_limits, &in, &ev);
    check(r == 0);
}

static void decode_small(struct world *w) {
    decode(w, &w->small_frame);
}

static void decode_large(struct world *w) {
    decode(w, &w->large_frame);
}

static ssize_t bare_feed(uint8_t *to, size_t cap, int flags, void *arg) {
    struct world *w = arg;
    size_t n = w->bare_in.len < cap ? w->bare_in.len : cap;
    if (n == 0)
        return -1;
    memcpy(to, w->bare_in.data, n);
    w->bare_in.data += n;
    w->bare_in.len -= n;
    return (ssize_t) n;
}

static void bare(struct world *w, const struct buffer *frame) {
    struct wslay_frame_iocb io;
    w->bare_in = buffer_bytes(frame);
    while (wslay_frame_recv(w->bare, &io) >= 0)
        continue;
}

static void bare_small(struct world *w) {
    bare(w, &w->small_frame);
}

static void bare_large(struct world *w) {
    bare(w, &w->large_frame);
}

static void encode_small(struct world *w) {
    const struct frame f = { .opcode = FRAME_TEXT };
    buffer_reset(&w->out);
    frame_encode(&f, bytes_of(w->payload, SMALL), &w->out);
}

static void header_only(struct world *w) {
    const struct frame f = { .opcode = FRAME_TEXT };
    uint8_t header[FRAME_HEADER_MAX];
    size_t n = frame_header(&f, SMALL, header);
    check(n == 4);
}

static void deflate_1000(struct world *w) {
    buffer_reset(&w->out);
    int r = deflater_message(w->deflater, 12, bytes_of(w->payload, 1000), &w->out);
    check(r == 1);
}

static void utf8_large(struct world *w) {
    check(utf8_is_valid(bytes_of(w->payload, LARGE)));
}

static const struct {
    const char *name;
    void (*run)(struct world *w);
    long count;
} benches[] = {
    { "request of a browser, 590 bytes", parse_request, 200000 },
    { "the same, checked and answered", shake_hands, 100000 },
    { "text frame of 128 bytes, masked", decode_small, 500000 },
    { "the same by wslay alone", bare_small, 500000 },
    { "text frame of 16 KiB, masked", decode_large, 10000 },
    { "the same by wslay alone", bare_large, 10000 },
    { "encode a text frame of 128 bytes", encode_small, 1000000 },
    { "encode its header", header_only, 1000000 },
    { "deflate 1,000 bytes", deflate_1000, 20000 },
    { "check 16 KiB of ASCII", utf8_large, 100000 },
};

static double now_ns(void) {
    struct timespec ts;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static const struct wslay_frame_callbacks callbacks = { .recv_callback = bare_feed };
    static const uint8_t mask[FRAME_MASK_BYTES] = { 1, 2, 3, 4 };
    const struct frame f = { .opcode = FRAME_TEXT, .mask = mask };
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    struct world *w = calloc(1, sizeof *w);

    check(w != NULL);
    if (rounds < 1 || rounds > ROUNDS_MAX)
        rounds = ROUNDS_DEFAULT;
    w->pool = frame_pool_new(4);
    w->deflater = deflater_new();
    check(w->pool && w->deflater && wslay_frame_context_init(&w->bare, &callbacks, w) == 0);
    for (size_t i = 0; i < LARGE; i++)
        w->payload[i] =
                (uint8_t) "{\"push\":{\"channel\":\"chat:room\",\"pub\":{\"data\":"[i * i % 45];
    frame_encode(&f, bytes_of(w->payload, SMALL), &w->small_frame);
    frame_encode(&f, bytes_of(w->payload, LARGE), &w->large_frame);

    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
        double each[ROUNDS_MAX];
        for (long k = 0; k < rounds; k++) {
            double before = now_ns();
            for (long n = 0; n < benches[i].count; n++)
                benches[i].run(w);
            each[k] = (now_ns() - before) / (double) benches[i].count;
        }
        qsort(each, (size_t) rounds, sizeof *each, by_value);
        (void) printf("%-36s %10.1f\n", benches[i].name, each[rounds / 2]);
    }
    wslay_frame_context_free(w->bare);
    buffer_finish(&w->out);
    buffer_finish(&w->small_frame);
    buffer_finish(&w->large_frame);
    frame_pool_free(w->pool);
    deflater_free(w->deflater);
    free(w);
    return 0;
}
