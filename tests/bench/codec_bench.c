/*
 * What a message costs in protocol/: nanoseconds per command decoded, per reply and publication
 * encoded, per token verified. Medians of several rounds; arguments: [rounds].
 *
 *     cmake --build build/release --target codec_bench && build/release/bin/codec_bench
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/codec.h"
#include "protocol/fossil.h"
#include "protocol/json.h"
#include "protocol/token.h"

enum { ROUNDS = 11, ROUND_NS = 20000000 };

struct subject {
    const struct codec *codec;
    struct bytes text;
    struct push push;
    struct reply reply;
    struct buffer out;
    struct token_verifier *verifier;
    struct bytes base; /* that text is a patch on */
};

/* Each does its job n times. The sum keeps the compiler from leaving it out. */
typedef uint64_t job_fn(struct subject *s, unsigned n);

static uint64_t decode_commands(struct subject *s, unsigned n) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        struct command_reader r;
        struct command c;
        command_reader_init(&r, s->codec, s->text);
        while (command_next(&r, &c) == 1)
            sum += c.id;
        command_reader_finish(&r);
    }
    return sum;
}

static uint64_t scan(struct subject *s, unsigned n) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += json_is_valid(s->text, NULL);
    return sum;
}

static uint64_t encode_push(struct subject *s, unsigned n) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        buffer_reset(&s->out);
        s->codec->encode_push(&s->push, &s->out);
        sum += s->out.len;
    }
    return sum;
}

static uint64_t encode_reply(struct subject *s, unsigned n) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        buffer_reset(&s->out);
        s->codec->encode_reply(&s->reply, &s->out);
        sum += s->out.len;
    }
    return sum;
}

static uint64_t verify_token(struct subject *s, unsigned n) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        struct arena arena = ARENA_INIT;
        struct connection_claims claims;
        const char *why;
        struct str token = { (const char *) s->text.data, s->text.len };
        sum += token_verify_connection(s->verifier, token, 1, &arena, &claims, &why) == 0;
        arena_finish(&arena);
    }
    return sum;
}

static uint64_t now_ns(void) {
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    const double *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void measure(const char *name, job_fn *job, struct subject *s, size_t rounds) {
    double *results = calloc(rounds, sizeof *results);
    uint64_t sum = 0, begin = now_ns();
    unsigned n = 1000;

    if (!results)
        abort();
    sum += job(s, n); /* warms up, and says how many make a round */
    uint64_t took = now_ns() - begin;
    n = (unsigned) ((uint64_t) ROUND_NS * n / (took ? took : 1)) + 1;
    for (size_t i = 0; i < rounds; i++) {
        begin = now_ns();
        sum += job(s, n);
        results[i] = (double) (now_ns() - begin) / n;
    }
    qsort(results, rounds, sizeof *results, compare);
    (void) printf("%-44s %8.1f ns   best %8.1f%s\n", name, results[rounds / 2], results[0],
                  sum ? "" : "  (did nothing)");
    free(results);
}

static uint64_t index_base(struct subject *s, unsigned n) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        struct fossil_index *index = fossil_index_new(s->base);
        sum += index != NULL;
        fossil_index_free(index);
    }
    return sum;
}

static uint64_t encode_patch(struct subject *s, unsigned n) {
    struct fossil_index *index = fossil_index_new(s->base);
    uint64_t sum = 0;

    for (unsigned i = 0; index && i < n; i++) {
        buffer_reset(&s->out);
        if (fossil_encode(index, s->text, true, &s->out) < 0)
            abort();
        sum += s->out.len;
    }
    fossil_index_free(index);
    return sum;
}

static const char publish[] = "{\"id\":3,\"publish\":{\"channel\":\"news\",\"data\":"
                              "{\"text\":\"hello world\",\"n\":42}}}";
static const char subscribe[] = "{\"id\":1,\"subscribe\":{\"channel\":\"chat:room-1\","
                                "\"recover\":true,\"offset\":1234,\"epoch\":\"abcd\"}}";

int main(int argc, char **argv) {
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    struct subject s = { .codec = &codec_json };
    struct buffer text = BUFFER_INIT;

    if (!rounds)
        rounds = ROUNDS;

    s.text = str_bytes(STR("{}"));
    measure("decode pong, 2 bytes", decode_commands, &s, rounds);
    s.text = str_bytes(str_of(publish));
    measure("decode publish, 74 bytes", decode_commands, &s, rounds);
    measure("  of this, scanning alone", scan, &s, rounds);
    s.text = str_bytes(str_of(subscribe));
    measure("decode subscribe, 90 bytes", decode_commands, &s, rounds);

    for (int i = 0; i < 32; i++) {
        if (i)
            buffer_append_byte(&text, '\n');
        buffer_append_str(&text, str_of(publish));
    }
    s.text = buffer_bytes(&text);
    measure("decode 32 publishes in one frame", decode_commands, &s, rounds);

    buffer_reset(&text);
    buffer_append_str(&text, STR("{\"id\":3,\"publish\":{\"channel\":\"news\",\"data\":\""));
    for (int i = 0; i < 100; i++)
        buffer_append_str(&text, STR("forty bytes of text without any escapes "));
    buffer_append_str(&text, STR("\"}}"));
    s.text = buffer_bytes(&text);
    measure("decode publish, 4000 bytes of text", decode_commands, &s, rounds);

    buffer_reset(&text);
    buffer_append_str(&text, STR("{\"id\":3,\"publish\":{\"channel\":\"news\",\"data\":\""));
    for (int i = 0; i < 100; i++)
        buffer_append_str(&text, STR("\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xe6\x97\xa5"
                                     "\xe6\x9c\xac \xf0\x9f\x98\x80 \xd0\xbc\xd0\xb8\xd1\x80"));
    buffer_append_str(&text, STR("\"}}"));
    s.text = buffer_bytes(&text);
    measure("decode publish, 3200 bytes beyond ASCII", decode_commands, &s, rounds);

    const struct client_info info = { .user = STR("alice"),
                                      .client = STR("6a1f1c9e-5c0a-4b1e-9d55-1f5b9c1c7d10") };
    s.push = (struct push){ .kind = PUSH_PUBLICATION,
                            .channel = STR("news"),
                            .publication = { .data = str_bytes(STR("{\"text\":\"hello world\"}")),
                                             .offset = 123456 } };
    measure("encode publication push", encode_push, &s, rounds);
    s.push.publication.info = &info;
    measure("encode publication push with its publisher", encode_push, &s, rounds);
    s.reply = (struct reply){ .kind = REPLY_PUBLISH, .id = 12345 };
    measure("encode publish reply", encode_reply, &s, rounds);

    s.codec = &codec_protobuf;
    buffer_reset(&text);
    s.codec->encode_command(
            &(struct command){ .kind = COMMAND_PUBLISH,
                               .id = 3,
                               .publish = { .channel = STR("news"),
                                            .data = str_bytes(STR("{\"text\":\"hello world\","
                                                                  "\"n\":42}")) } },
            &text);
    s.text = buffer_bytes(&text);
    measure("Protobuf: decode publish", decode_commands, &s, rounds);
    s.push.publication.info = NULL;
    measure("Protobuf: encode publication push", encode_push, &s, rounds);
    s.push.publication.info = &info;
    measure("Protobuf: encode it with its publisher", encode_push, &s, rounds);
    measure("Protobuf: encode publish reply", encode_reply, &s, rounds);

    const struct token_options o = { .hmac_secret = str_bytes(STR("a secret of some length")) };
    buffer_reset(&text);
    if (token_verifier_new(&o, &s.verifier) < 0 ||
        token_sign(TOKEN_HS256, o.hmac_secret,
                   str_bytes(STR("{\"sub\":\"42\",\"exp\":1900000000,\"info\":{\"name\":\"A\"}}")),
                   &text) < 0)
        abort();
    s.text = buffer_bytes(&text);
    measure("verify a connection's HS256 token", verify_token, &s, rounds);

    char before[4000], after[4000];
    for (size_t i = 0; i < sizeof before; i++)
        before[i] = (char) ('a' + (i * i / 7 + i) % 26);
    memcpy(after, before, sizeof after);
    after[100] = after[3900] = '#';
    s.base = bytes_of(before, sizeof before);
    s.text = bytes_of(after, sizeof after);
    measure("index a base of 4000 bytes for patches", index_base, &s, rounds);
    measure("a patch on it that changes two places", encode_patch, &s, rounds);

    token_verifier_free(s.verifier);
    buffer_finish(&s.out);
    buffer_finish(&text);
    return 0;
}
