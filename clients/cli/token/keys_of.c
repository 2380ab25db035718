#include "clients/cli/token/keys_of.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/load.h"

extern char **environ;

enum { FILE_MAX = 64 * 1024, VARIABLES_MAX = 4096 };

/* A file of keys, whole and terminated. */
static int read_file(const char *path, char **ret, size_t *ret_len) {
    FILE *f = fopen(path, "re");
    char *text = f ? malloc(FILE_MAX + 1) : NULL;
    size_t n = text ? fread(text, 1, FILE_MAX + 1, f) : 0;
    bool is_good = text && !ferror(f) && n > 0 && n <= FILE_MAX;

    if (!is_good)
        cli_say("%s: %s", path,
                !text || ferror(f) ? strerror(errno)
                : n                ? "is too large"
                                   : "is empty");
    if (f)
        (void) fclose(f);
    if (!is_good) {
        free(text);
        return EX_NOINPUT;
    }
    text[n] = '\0';
    *ret = text;
    *ret_len = n;
    return 0;
}

/* The environment without what is this program's own. */
static const char **variables(void) {
    size_t n = 0;
    const char **list = calloc(VARIABLES_MAX + 1, sizeof *list);
    for (char **v = environ; list && *v && n < VARIABLES_MAX; v++)
        if (strncmp(*v, "PARLEY_URL=", 11) != 0 && strncmp(*v, "PARLEY_TOKEN=", 13) != 0)
            list[n++] = *v;
    return list;
}

static int load_config(const char *path, struct cli_keys *k) {
    struct config_report *report = calloc(1, sizeof *report);
    const char **environment = variables();
    int code = EX_OSERR;

    if (report && environment) {
        struct config_source source = { .file = path,
                                        .credentials_dir = getenv("CREDENTIALS_DIRECTORY"),
                                        .environment = environment };
        int r = config_load(&source, &k->config, report);
        for (size_t i = 0; r < 0 && i < report->n; i++)
            if (report->items[i].is_error)
                cli_say("%s", report->items[i].text);
        code = r == 0 ? 0 : r == -EINVAL ? EX_CONFIG : EX_OSERR;
        config_report_finish(report);
    }
    free(report);
    free(environment);
    return code;
}

static int load_key_file(const char *path, bool signs, struct cli_keys *k) {
    size_t len = 0;
    int code = read_file(path, &k->memory, &len);
    if (code)
        return code;
    struct bytes pem = bytes_of(k->memory, len);
    int r = token_key_of_private_pem(pem, &k->key);
    if (r == -EINVAL && !signs)
        r = token_key_of_public_pem(pem, &k->key);
    if (r < 0)
        cli_say("%s: is no %s key in PEM of RSA (2048 bits or more), P-256, P-384, P-521, Ed25519 "
                "or Ed448",
                path, signs ? "private" : "private or public");
    return r < 0 ? EX_DATAERR : 0;
}

int cli_keys_load(const struct cli_options *o, bool is_subscription, bool signs,
                  struct cli_keys *ret) {
    int code = 0, r = 0;

    *ret = (struct cli_keys){ 0 };
    if ((o->secret != NULL) + (o->key_file != NULL) + (o->config_file != NULL && !o->key_file) !=
        1) {
        cli_say("one of --secret-file FILE (or --secret), --key-file FILE and --config FILE says "
                "by which key");
        return EX_USAGE;
    }
    if (o->config_file) {
        code = load_config(o->config_file, ret);
        if (code)
            return code;
        const struct config_client *c = &ret->config->client;
        ret->settings =
                is_subscription && c->has_subscription_token ? c->subscription_token : c->token;
    }
    if (o->key_file)
        return load_key_file(o->key_file, signs, ret);
    struct str secret = o->secret ? str_of(o->secret) : ret->settings.hmac_secret_key;
    if (secret.len)
        r = token_key_of_secret(str_bytes(secret), &ret->key);
    if (r < 0)
        cli_say("%s", strerror(-r));
    return r < 0 ? EX_OSERR : 0;
}

void cli_keys_finish(struct cli_keys *k) {
    token_key_unref(k->key);
    config_unref(k->config);
    free(k->memory);
    *k = (struct cli_keys){ 0 };
}
