/* parley api: one call of the HTTP server API. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "async/http_client.h"
#include "clients/cli/cli.h"
#include "protocol/codes.h"
#include "protocol/json.h"

enum { TIMEOUT_MS = 30000, ANSWER_MAX = 256 * 1024 * 1024, BODY_MAX = 256 * 1024 * 1024 };

/* Beside the endpoint for clients, or where the URL's path says. */
static void put_url(const struct cli_options *o, struct buffer *out) {
    bool is_default = strncmp(o->url.path, "/connection/", strlen("/connection/")) == 0;
    const char *prefix = is_default ? "/api" : o->url.path;
    size_t len = strlen(prefix);

    while (len > 0 && prefix[len - 1] == '/')
        len--;
    buffer_printf(out, "%s://%s%.*s/%s", o->url.is_tls ? "https" : "http",
                  strncmp(o->url.address.text, "unix:", 5) == 0 ? "localhost" : o->url.address.text,
                  (int) len, prefix, o->arguments[0]);
    buffer_append_byte(out, '\0');
}

/* Nothing else happens meanwhile: reading may block. */
static int read_stdin(struct buffer *out) {
    for (;;) {
        uint8_t *at = buffer_reserve(out, 65536);
        ssize_t n = at ? read(STDIN_FILENO, at, 65536) : -1;
        if (!at)
            return buffer_error(out);
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buffer_added(out, (size_t) n);
    }
}

/* What the body says went wrong; false: nothing did. */
static bool find_error(struct bytes body, struct arena *a, struct reply_error *ret) {
    struct json_string name, inner;
    bool has_error = false;
    struct json j;

    json_init(&j, body);
    if (json_peek(&j) != JSON_IS_OBJECT || !json_enter_object(&j))
        return false;
    while (json_member(&j, &name)) {
        if (!json_is(name, STR("error")) || json_peek(&j) != JSON_IS_OBJECT) {
            json_skip(&j);
            continue;
        }
        has_error = true;
        json_enter_object(&j);
        while (json_member(&j, &inner)) {
            if (json_is(inner, STR("code")))
                json_uint32(&j, &ret->code);
            else if (json_is(inner, STR("message")))
                json_text(&j, a, &ret->message);
            else
                json_skip(&j);
        }
    }
    ret->is_temporary = error_is_temporary(ret->code);
    return has_error && json_result(&j) == 0;
}

static int judge(const struct http_result *answer) {
    CLEANUP(arena_finish) struct arena a = ARENA_INIT;
    struct bytes body = bytes_of(answer->body, answer->body_len);
    struct reply_error error = { 0 };

    if (find_error(body, &a, &error)) {
        cli_say("error %u: %.*s", error.code, (int) error.message.len, error.message.data);
        return cli_exit_code_of_error(&error);
    }
    switch (answer->status) {
    case 200:
        printf("%.*s\n", (int) body.len, (const char *) body.data);
        return EX_OK;
    case 401:
        cli_say("the key is missing or wrong: see --api-key-file");
        return EX_NOPERM;
    case 404:
        cli_say("the server has no such method, or no API there");
        return EX_UNAVAILABLE;
    default:
        cli_say("the server answered with status %d", answer->status);
        return answer->status >= 500 ? EX_TEMPFAIL : EX_DATAERR;
    }
}

static int call(const struct cli_options *o, struct bytes body) {
    CLEANUP(buffer_finish) struct buffer url = BUFFER_INIT;
    struct http_field fields[] = { { "Content-Type", "application/json" },
                                   { "X-API-Key", o->api_key } };
    bool is_unix = strncmp(o->url.address.text, "unix:", 5) == 0;
    struct http_result answer = { 0 };
    struct http_client *http;

    put_url(o, &url);
    int r = buffer_error(&url);
    if (r == 0)
        r = http_client_open(&(struct http_client_options){ .tls = o->tls }, &http);
    if (r < 0) {
        cli_say("%s", strerror(-r));
        return EX_OSERR;
    }
    r = http_client_call(http,
                         &(struct http_call){
                                 .url = (const char *) url.data,
                                 .unix_socket = is_unix ? o->url.address.text + 5 : NULL,
                                 .fields = fields,
                                 .n_fields = o->api_key ? 2 : 1,
                                 .body = body.data,
                                 .body_len = body.len,
                                 .has_body = true,
                                 .timeout_ms = TIMEOUT_MS,
                                 .response_max = ANSWER_MAX,
                         },
                         &answer);
    if (r < 0)
        cli_say("%s", *answer.why ? answer.why : strerror(-r));
    int code = r < 0 ? (r == -ETIMEDOUT ? EX_TEMPFAIL : EX_UNAVAILABLE) : judge(&answer);
    http_result_finish(&answer);
    http_client_close(http);
    return code;
}

int cli_api(const struct cli_options *o) {
    CLEANUP(buffer_finish) struct buffer input = BUFFER_INIT;
    const char *text = o->n_arguments > 1 ? o->arguments[1] : "{}";
    struct bytes body = str_bytes(str_of(text));

    if (strcmp(text, "-") == 0) {
        buffer_init(&input, BODY_MAX);
        int r = read_stdin(&input);
        if (r < 0) {
            cli_say("stdin: %s", strerror(-r));
            return EX_NOINPUT;
        }
        body = buffer_bytes(&input);
    }
    return call(o, body);
}
