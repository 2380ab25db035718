/*
 * Any request is answered or refused with what an HTTP reader takes; what is accepted a client of
 * ours could have asked for. Input: a byte of flags, then a request or, for a client, a response.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "protocol/deflate.h"
#include "protocol/handshake.h"
#include "tests/fuzz/fuzz.h"

static const struct http_limits limits = { .max_line = 500, .max_head = 4000, .max_headers = 30 };
static const struct str spoken[] = { STR("centrifuge-json"), STR("chat") };

static void judge_request(struct bytes in, const struct handshake_options *o) {
    struct http_request *r = malloc(sizeof *r);
    struct http_response *answer = malloc(sizeof *answer);
    struct buffer out = BUFFER_INIT;
    struct handshake h;

    assert(r && answer);
    http_request_init(r);
    if (http_request_parse(r, &limits, in) == 1) {
        int n = handshake_check(r, o, &h);
        int w = n < 0 ? handshake_write_refusal(n, &out)
                      : handshake_write_answer(&h, NULL, 0, &out);
        assert(w == 0);
        http_response_init(answer);
        int k = http_response_parse(answer, &limits, buffer_bytes(&out));
        assert(k == 1);
        if (n == 0) {
            assert(answer->status == 101 && handshake_is_asked(r));
            assert(h.send_window_bits >= DEFLATE_WINDOW_MIN &&
                   h.send_window_bits <= DEFLATE_WINDOW_MAX);
            assert(o->allows_deflate || !h.is_deflated);
            assert(h.subprotocol.len == 0 || h.subprotocol.data == spoken[0].data ||
                   h.subprotocol.data == spoken[1].data);
        } else {
            assert(n == -EBADMSG || n == -EPROTONOSUPPORT);
            assert(answer->status == 400 || answer->status == 426);
        }
    }
    buffer_finish(&out);
    free(r);
    free(answer);
}

static void judge_response(struct bytes in, const struct handshake_options *o) {
    static const uint8_t key[] = "the sample nonce";
    struct http_response *r = malloc(sizeof *r);
    struct handshake h;

    assert(r);
    http_response_init(r);
    if (http_response_parse(r, &limits, in) == 1) {
        int n = handshake_check_answer(r, key, o, &h);
        assert(n == 0 || n == -EBADMSG || n == -ECONNREFUSED);
        assert(n != 0 || (r->status == 101 && (o->allows_deflate || !h.is_deflated)));
    }
    free(r);
}

int fuzz_one(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;

    const struct handshake_options o = { .subprotocols = spoken,
                                         .subprotocol_count = 2,
                                         .allows_deflate = (data[0] & 2) != 0 };
    struct bytes in = bytes_of(data + 1, size - 1);
    if (data[0] & 1)
        judge_response(in, &o);
    else
        judge_request(in, &o);
    return 0;
}
