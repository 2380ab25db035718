/* parley gentoken: signs a connection or subscription token with the server's secret. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "async/loop.h"
#include "clients/cli/cli.h"
#include "protocol/json.h"
#include "protocol/token.h"

int cli_gentoken(const struct cli_options *o) {
    CLEANUP(buffer_finish) struct buffer claims = BUFFER_INIT;
    CLEANUP(buffer_finish) struct buffer token = BUFFER_INIT;
    int64_t now_s = loop_wall_ms() / 1000;

    if (!o->secret) {
        cli_say("gentoken takes --secret-file FILE (or --secret): the server's "
                "client.token.hmac_secret_key");
        return EX_USAGE;
    }
    buffer_append_str(&claims, STR("{\"sub\":"));
    json_append_string(&claims, str_of(o->user ? o->user : ""));
    buffer_printf(&claims, ",\"iat\":%lld", (long long) now_s);
    if (o->ttl_s)
        buffer_printf(&claims, ",\"exp\":%lld", (long long) (now_s + o->ttl_s));
    if (o->channel) {
        buffer_append_str(&claims, STR(",\"channel\":"));
        json_append_string(&claims, str_of(o->channel));
    }
    if (o->info) {
        buffer_append_str(&claims, STR(",\"info\":"));
        buffer_append_str(&claims, str_of(o->info));
    }
    buffer_append_byte(&claims, '}');

    int r = buffer_error(&claims);
    if (r == 0)
        r = token_sign(TOKEN_HS256, str_bytes(str_of(o->secret)), buffer_bytes(&claims), &token);
    if (r < 0) {
        cli_say("cannot sign: %s", strerror(-r));
        return EX_DATAERR;
    }
    printf("%.*s\n", (int) token.len, (const char *) token.data);
    return EX_OK;
}
