#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/cli.h"
#include "protocol/json.h"

/* Part of it may be a server's words: no terminal is to obey them. C1 is two bytes in UTF-8. */
static void print_harmless(const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char) *text, next = (unsigned char) text[1];
        bool is_c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;
        bool is_control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
        fputc(is_c1 || is_control ? '?' : c, stderr);
        text += is_c1;
    }
}

void cli_say(const char *format, ...) {
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    fputs("parley: ", stderr);
    print_harmless(text ? text : "out of memory");
    fputc('\n', stderr);
    free(text);
}

int cli_flush(void) {
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -EPIPE;
}

int cli_exit_code(const struct client_end *end) {
    if (end->error == -EACCES || (end->code >= 3500 && end->code < 4000))
        return EX_NOPERM;
    if (end->error == -EPROTO || end->error == -EMSGSIZE || end->error == -EILSEQ)
        return EX_PROTOCOL;
    return EX_UNAVAILABLE;
}

int cli_exit_code_of_error(const struct reply_error *e) {
    if (e->is_temporary)
        return EX_TEMPFAIL;
    switch (e->code) {
    case ERROR_UNAUTHORIZED:
    case ERROR_PERMISSION_DENIED:
    case ERROR_TOKEN_EXPIRED:
    case ERROR_EXPIRED:
        return EX_NOPERM;
    case ERROR_BAD_REQUEST:
        return EX_DATAERR;
    default:
        return EX_UNAVAILABLE;
    }
}

int cli_open_tls(struct cli_options *o) {
    char *why = NULL;

    if (!o->url.is_tls || o->tls)
        return EX_OK;
    int r = tls_client_new(&(struct tls_client_options){ .ca_file = o->ca_file }, &o->tls, &why);
    if (r == 0)
        return EX_OK;
    cli_say("TLS: %s", why ? why : strerror(-r));
    free(why);
    return EX_CONFIG;
}

int cli_open(const struct cli_options *o, struct client **ret, int *ret_exit) {
    struct client_options options = {
        .url = &o->url, .tls = o->tls, .token = str_of(o->token), .is_protobuf = o->is_protobuf
    };
    struct client_end end;
    int r = client_open(&options, ret, &end);

    if (r < 0) {
        cli_say("%s", end.why);
        *ret_exit = cli_exit_code(&end);
    }
    return r;
}

/* A client's bytes on a terminal: escape sequences must not reach it. */
static void print_plain(struct bytes data) {
    for (size_t i = 0; i < data.len; i++) {
        uint8_t byte = data.data[i];
        if (byte < 0x20 || byte == 0x7f)
            printf("\\x%02x", byte);
        else
            putchar(byte);
    }
}

static void freep(void *at) {
    free(*(void **) at);
}

/* A JSON string is shown as its text. */
static void print_data(struct bytes data) {
    struct json j;
    struct json_string s;

    json_init(&j, data);
    if (json_peek(&j) == JSON_IS_STRING && json_read_string(&j, &s)) {
        CLEANUP(freep) char *text = malloc(s.raw.len + 1);
        if (text) {
            print_plain(bytes_of(text, json_unescape(s.raw, text)));
            return;
        }
    }
    print_plain(data);
}

void cli_print_gap(struct str channel) {
    CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;

    buffer_append_str(&line, STR("{\"channel\":"));
    json_append_string(&line, channel);
    buffer_append_str(&line, STR(",\"recovered\":false}\n"));
    fwrite(line.data, 1, line.len, stdout);
}

struct bytes cli_json_of(struct bytes payload, struct arena *a) {
    CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;

    if (!payload.len)
        return payload;
    if (!json_is_valid(payload, NULL))
        json_append_string(&out, (struct str){ (const char *) payload.data, payload.len });
    else if (json_has_newline(payload))
        json_compact(payload, &out);
    else
        return payload;

    void *copy = buffer_error(&out) < 0 ? NULL : arena_alloc(a, out.len);
    return copy ? bytes_of(memcpy(copy, out.data, out.len), out.len) : (struct bytes){ 0 };
}

static void print_json(struct str channel, const struct wire_publication *p) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;
    struct push push = { .kind = PUSH_PUBLICATION, .channel = channel, .publication = *p };
    struct client_info info;

    push.publication.data = cli_json_of(p->data, &arena);
    if (p->info) {
        info = *p->info;
        info.conn_info = cli_json_of(info.conn_info, &arena);
        info.chan_info = cli_json_of(info.chan_info, &arena);
        push.publication.info = &info;
    }
    codec_json.encode_bare_push(&push, &line);
    fwrite(line.data, 1, line.len, stdout);
    putchar('\n');
}

void cli_print_publication(const struct cli_options *o, struct str channel,
                           const struct wire_publication *p) {
    if (o->is_json) {
        print_json(channel, p);
        return;
    }
    if (o->n_arguments > 1)
        printf("%.*s ", (int) channel.len, channel.data);
    if (p->offset)
        printf("%" PRIu64 " ", p->offset);
    if (p->info && p->info->user.len) {
        print_plain(str_bytes(p->info->user));
        fputs(": ", stdout);
    }
    print_data(p->data);
    putchar('\n');
}
