/*
 * By what gentoken signs and checktoken checks: a secret, a file with a key, or the configuration
 * of a server. Outside of loops: it reads files.
 */
#pragma once

#include "clients/cli/cli.h"
#include "daemon/config/config.h"
#include "daemon/keys/keyring.h"

struct cli_keys {
    struct config *config;        /* of --config; a reference. Or NULL */
    struct config_token settings; /* of the configuration, or of the other options alone */
    struct token_key *key;        /* of --secret or --key-file, or of the configuration's secret */
    char *memory;                 /* private */
};

/*
 * is_subscription: the settings for subscriptions, where they differ. signs: the key must be able
 * to sign. 0 or an exit code, having said why on stderr. cli_keys_finish() in any case.
 */
MUST_CHECK int cli_keys_load(const struct cli_options *o, bool is_subscription, bool signs,
                             struct cli_keys *ret);
void cli_keys_finish(struct cli_keys *k);
