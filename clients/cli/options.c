#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/cli.h"
#include "protocol/json.h"
#include "protocol/token_key.h"

const struct cli_command cli_commands[] = {
    { "sub", "CHANNEL...",
      "follow channels; comes back after a cut and says if anything is missing", 1,
      CLI_CHANNELS_MAX, false, cli_sub },
    { "pub", "CHANNEL DATA|-",
      "publish; returns when it is durable; - publishes each line of stdin", 2, 2, false, cli_pub },
    { "history", "CHANNEL", "print what a channel keeps", 1, 1, false, cli_history },
    { "presence", "CHANNEL", "print who is in a channel", 1, 1, false, cli_presence },
    { "info", "", "connect and print what the server says of itself", 0, 0, false, cli_info },
    { "api", "METHOD [JSON|-]", "call the server API; - reads the parameters from stdin", 1, 2,
      false, cli_api },
    { "gentoken", "", "make a token for a connection, or with --channel for a subscription", 0, 0,
      true, cli_gentoken },
    { "checktoken", "TOKEN", "say whether a server would believe a token, and what it claims", 1, 1,
      true, cli_checktoken },
    { "backup", "DIR", "copy a server's data into a new directory, while it runs or not", 1, 1,
      true, cli_backup },
    { "restore", "DIR", "put such a copy back; the server has to be stopped", 1, 1, true,
      cli_restore },
    { "chat-export", "", "print the chat as lines of JSON, while the server runs or not", 0, 0,
      true, cli_chat_export },
    { "chat-import", "FILE|-", "make a chat of such lines; the server has to be stopped", 1, 1,
      true, cli_chat_import },
    { "bench", "fanout|publish|idle", "put load on a server and print what it did", 1, 1, false,
      cli_bench },
    { "chat", "[login|send ROOM...]", "the team chat in the terminal, and for pipes", 0, 256, false,
      cli_chat, .has_own_loop = true },
    { NULL, NULL, NULL, 0, 0, false, NULL },
};

enum {
    OPTION_TOKEN_FILE = 256,
    OPTION_CA_FILE,
    OPTION_SINCE,
    OPTION_NO_RECOVER,
    OPTION_PROTOBUF,
    OPTION_WINDOW,
    OPTION_TEXT,
    OPTION_STATS,
    OPTION_SECRET,
    OPTION_SECRET_FILE,
    OPTION_USER,
    OPTION_CHANNEL,
    OPTION_INFO,
    OPTION_TTL,
    OPTION_CLIENT,
    OPTION_DATA,
    OPTION_META,
    OPTION_SUBS,
    OPTION_CHANNELS,
    OPTION_OVERRIDE,
    OPTION_TOKEN_ID,
    OPTION_AUDIENCE,
    OPTION_ISSUER,
    OPTION_ALGORITHM,
    OPTION_KEY_ID,
    OPTION_EXPIRE_AT,
    OPTION_KEY_FILE,
    OPTION_API_KEY,
    OPTION_API_KEY_FILE,
    OPTION_SUBSCRIBERS,
    OPTION_PUBLISHERS,
    OPTION_SIZE,
    OPTION_SECONDS,
    OPTION_RATE,
    OPTION_SERVER_PID,
    OPTION_DATA_DIR,
    OPTION_FORCE,
    OPTION_SECRETS,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    { "url", required_argument, NULL, 'u' },
    { "token", required_argument, NULL, 't' },
    { "token-file", required_argument, NULL, OPTION_TOKEN_FILE },
    { "ca-file", required_argument, NULL, OPTION_CA_FILE },
    { "protobuf", no_argument, NULL, OPTION_PROTOBUF },
    { "json", no_argument, NULL, 'j' },
    { "quiet", no_argument, NULL, 'q' },
    { "since", required_argument, NULL, OPTION_SINCE },
    { "count", required_argument, NULL, 'n' },
    { "no-recover", no_argument, NULL, OPTION_NO_RECOVER },
    { "limit", required_argument, NULL, 'l' },
    { "reverse", no_argument, NULL, 'r' },
    { "window", required_argument, NULL, OPTION_WINDOW },
    { "text", no_argument, NULL, OPTION_TEXT },
    { "stats", no_argument, NULL, OPTION_STATS },
    { "secret", required_argument, NULL, OPTION_SECRET },
    { "secret-file", required_argument, NULL, OPTION_SECRET_FILE },
    { "user", required_argument, NULL, OPTION_USER },
    { "channel", required_argument, NULL, OPTION_CHANNEL },
    { "info", required_argument, NULL, OPTION_INFO },
    { "ttl", required_argument, NULL, OPTION_TTL },
    { "client", required_argument, NULL, OPTION_CLIENT },
    { "data", required_argument, NULL, OPTION_DATA },
    { "meta", required_argument, NULL, OPTION_META },
    { "subs", required_argument, NULL, OPTION_SUBS },
    { "channels", required_argument, NULL, OPTION_CHANNELS },
    { "override", required_argument, NULL, OPTION_OVERRIDE },
    { "id", required_argument, NULL, OPTION_TOKEN_ID },
    { "audience", required_argument, NULL, OPTION_AUDIENCE },
    { "issuer", required_argument, NULL, OPTION_ISSUER },
    { "algorithm", required_argument, NULL, OPTION_ALGORITHM },
    { "key-id", required_argument, NULL, OPTION_KEY_ID },
    { "expire-at", required_argument, NULL, OPTION_EXPIRE_AT },
    { "key-file", required_argument, NULL, OPTION_KEY_FILE },
    { "config", required_argument, NULL, 'c' },
    { "api-key", required_argument, NULL, OPTION_API_KEY },
    { "api-key-file", required_argument, NULL, OPTION_API_KEY_FILE },
    { "subscribers", required_argument, NULL, OPTION_SUBSCRIBERS },
    { "publishers", required_argument, NULL, OPTION_PUBLISHERS },
    { "size", required_argument, NULL, OPTION_SIZE },
    { "seconds", required_argument, NULL, OPTION_SECONDS },
    { "rate", required_argument, NULL, OPTION_RATE },
    { "server-pid", required_argument, NULL, OPTION_SERVER_PID },
    { "data-dir", required_argument, NULL, OPTION_DATA_DIR },
    { "force", no_argument, NULL, OPTION_FORCE },
    { "secrets", no_argument, NULL, OPTION_SECRETS },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, OPTION_VERSION },
    { 0 },
};

static void help(FILE *to) {
    fputs("usage: parley [OPTION...] COMMAND [ARGUMENT...]\n\n", to);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        fprintf(to, "  %-11s %-20s %s\n", c->name, c->arguments, c->what);
    fputs("\nto reach a server\n"
          "  -u, --url URL          ws://host[:port][/path], wss://…, unix:/path; also PARLEY_URL "
          "in the\n"
          "                         environment; default " URL_DEFAULT "\n"
          "  -t, --token TOKEN      connect with a token; also PARLEY_TOKEN in the environment\n"
          "      --token-file FILE  the same, from a file\n"
          "      --ca-file FILE     certificates to trust for wss://, instead of the system's\n"
          "      --protobuf         speak Protobuf with the server instead of JSON\n"
          "\noutput\n"
          "  -j, --json             one JSON object a line\n"
          "  -q, --quiet            nothing on stderr but errors\n"
          "\nsub, history\n"
          "  -n, --count N          end after N publications\n"
          "      --since OFFSET:EPOCH   from there on\n"
          "      --no-recover       sub: after a cut go on with what is new\n"
          "  -l, --limit N          history: at most N; default 100\n"
          "  -r, --reverse          history: newest first\n"
          "\npub\n"
          "      --text             DATA and lines are text, even where they would be JSON\n"
          "      --window N         unacknowledged lines at most; default 256\n"
          "\npresence\n"
          "      --stats            only count\n"
          "\ngentoken, checktoken\n"
          "  -c, --config FILE      the server's: its secret, audience, issuer; or one of\n"
          "      --secret S, --secret-file FILE: of HS256, HS384, HS512\n"
          "      --key-file FILE        PEM; private to sign, public or private to check\n"
          "\ngentoken\n"
          "      --user NAME, --ttl SECONDS (0: for ever; default 3600), --info JSON, --id JTI,\n"
          "      --audience A, --issuer I, --expire-at SECONDS (Unix time; 0: never),\n"
          "      --channels A,B, --subs JSON, --meta JSON (of a connection)\n"
          "      --channel CHANNEL, --client ID, --data JSON, --override JSON (of a subscription)\n"
          "      --algorithm NAME (default: the key's first), --key-id KID\n"
          "\napi\n"
          "      --api-key KEY, --api-key-file FILE; also PARLEY_API_KEY in the environment\n"
          "\nchat\n"
          "      login              asks for login and password and keeps a token\n"
          "      (nothing)          full screen; /help there\n"
          "      send ROOM [TEXT]   says TEXT, or what comes by stdin\n"
          "      read ROOM          prints the last --limit messages\n"
          "      rooms              id, kind, unread, name of your rooms\n"
          "      logout             forgets the token\n"
          "\nbackup, restore, chat-export, chat-import\n"
          "      --data-dir DIR     the server's; also PARLEY_DATA_DIR in the environment\n"
          "      --force            restore: put aside what is there\n"
          "      --secrets          chat-export: passwords' hashes and webhooks' secrets, too\n"
          "\nbench\n"
          "      --subscribers N, --publishers N, --size BYTES, --seconds N, --rate N (a second; "
          "0: as fast as\n"
          "      acknowledged), --channel CHANNEL, --server-pid PID (to see its CPU and memory)\n"
          "\nDATA that is not JSON is sent as a JSON string.\n"
          "exit codes: 0 done; 64 usage; 65 bad data; 66 no input; 68 no such room; 69 no server, "
          "channel or function;\n"
          "71 system error; 74 output failed; 75 try again later; 76 protocol error; 77 not "
          "allowed;\n"
          "78 certificates\n",
          to);
}

static int usage(int *ret_exit) {
    fputs("parley --help says more\n", stderr);
    *ret_exit = EX_USAGE;
    return -1;
}

static bool parse_number(const char *text, uint64_t min, uint64_t max, const char *option,
                         uint64_t *ret) {
    char *end;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < min || value > max) {
        fprintf(stderr,
                "parley: --%s takes a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'\n",
                option, min, max, text);
        return false;
    }
    *ret = value;
    return true;
}

static bool read_small_file(const char *path, char *to, size_t cap) {
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(to, 1, cap, f) : 0;
    bool is_good = f && !ferror(f) && n > 0 && n < cap;

    if (!is_good)
        fprintf(stderr, "parley: %s: %s\n", path,
                !f || ferror(f) ? strerror(errno)
                : n             ? "is too large"
                                : "is empty");
    if (f)
        (void) fclose(f);
    if (!is_good)
        return false;
    to[n] = '\0';
    to[strcspn(to, "\r\n")] = '\0';
    return true;
}

static bool parse_since(const char *text, struct cli_options *o) {
    char *end;

    errno = 0;
    o->since_offset = strtoull(text, &end, 10);
    if (errno || end == text || *end != ':' || end[1] == '\0') {
        fprintf(stderr,
                "parley: --since takes OFFSET:EPOCH, as `parley history` prints it, not '%s'\n",
                text);
        return false;
    }
    o->since_epoch = end + 1;
    o->has_since = true;
    return true;
}

static bool parse_json(const char *value, const char *option, const char **ret) {
    *ret = value;
    if (json_is_valid(str_bytes(str_of(value)), NULL))
        return true;
    fprintf(stderr, "parley: --%s takes JSON, not '%s'\n", option, value);
    return false;
}

static bool parse_option(int option, const char *value, struct cli_options *o) {
    uint64_t number = 0;

    switch (option) {
    case 'u':
        o->url_text = value;
        return true;
    case 't':
        o->token = value;
        return true;
    case OPTION_TOKEN_FILE:
        o->token = o->token_memory;
        return read_small_file(value, o->token_memory, sizeof o->token_memory);
    case OPTION_CA_FILE:
        o->ca_file = value;
        return true;
    case OPTION_PROTOBUF:
        return o->is_protobuf = true;
    case 'j':
        return o->is_json = true;
    case 'q':
        return o->is_quiet = true;
    case OPTION_SINCE:
        return parse_since(value, o);
    case 'n':
        return parse_number(value, 1, UINT64_MAX, "count", &o->count);
    case OPTION_NO_RECOVER:
        return o->no_recover = true;
    case 'l':
        if (!parse_number(value, 0, INT32_MAX, "limit", &number))
            return false;
        o->limit = (int32_t) number;
        return true;
    case 'r':
        return o->is_reverse = true;
    case OPTION_WINDOW:
        if (!parse_number(value, 1, 65536, "window", &number))
            return false;
        o->window = (uint32_t) number;
        return true;
    case OPTION_TEXT:
        return o->is_text = true;
    case OPTION_STATS:
        return o->is_stats = true;
    case OPTION_SECRET:
        o->secret = value;
        return true;
    case OPTION_SECRET_FILE:
        o->secret = o->token_memory;
        return read_small_file(value, o->token_memory, sizeof o->token_memory);
    case OPTION_USER:
        o->user = value;
        return true;
    case OPTION_CHANNEL:
        o->channel = value;
        return true;
    case OPTION_INFO:
        return parse_json(value, "info", &o->info);
    case OPTION_DATA:
        return parse_json(value, "data", &o->data);
    case OPTION_META:
        return parse_json(value, "meta", &o->meta);
    case OPTION_SUBS:
        return parse_json(value, "subs", &o->subs);
    case OPTION_OVERRIDE:
        return parse_json(value, "override", &o->override);
    case OPTION_CHANNELS:
        o->channels = value;
        return true;
    case OPTION_CLIENT:
        o->client_id = value;
        return true;
    case OPTION_TOKEN_ID:
        o->token_id = value;
        return true;
    case OPTION_AUDIENCE:
        o->audience = value;
        return true;
    case OPTION_ISSUER:
        o->issuer = value;
        return true;
    case OPTION_KEY_ID:
        o->key_id = value;
        return true;
    case OPTION_KEY_FILE:
        o->key_file = value;
        return true;
    case 'c':
        o->config_file = value;
        return true;
    case OPTION_ALGORITHM:
        o->algorithm = value;
        if (token_algorithm_of(str_of(value)))
            return true;
        fprintf(stderr,
                "parley: --algorithm takes HS256, RS256, ES256, EdDSA and the like, not "
                "'%s'\n",
                value);
        return false;
    case OPTION_EXPIRE_AT:
        if (!parse_number(value, 0, INT64_MAX / 1000, "expire-at", &number))
            return false;
        o->expire_at_s = (int64_t) number;
        return true;
    case OPTION_TTL:
        if (!parse_number(value, 0, INT32_MAX, "ttl", &number))
            return false;
        o->ttl_s = (int64_t) number;
        return true;
    case OPTION_API_KEY:
        o->api_key = value;
        return true;
    case OPTION_API_KEY_FILE:
        o->api_key = o->token_memory;
        return read_small_file(value, o->token_memory, sizeof o->token_memory);
    case OPTION_SUBSCRIBERS:
        if (!parse_number(value, 0, 100000, "subscribers", &number))
            return false;
        o->subscribers = (uint32_t) number;
        return true;
    case OPTION_PUBLISHERS:
        if (!parse_number(value, 1, 10000, "publishers", &number))
            return false;
        o->publishers = (uint32_t) number;
        return true;
    case OPTION_SIZE:
        if (!parse_number(value, 32, 60000, "size", &number))
            return false;
        o->size_bytes = (uint32_t) number;
        return true;
    case OPTION_SECONDS:
        if (!parse_number(value, 1, 86400, "seconds", &number))
            return false;
        o->seconds = (uint32_t) number;
        return true;
    case OPTION_RATE:
        if (!parse_number(value, 0, 10000000, "rate", &number))
            return false;
        o->rate = (double) number;
        return true;
    case OPTION_SERVER_PID:
        if (!parse_number(value, 1, INT32_MAX, "server-pid", &number))
            return false;
        o->server_pid = (long) number;
        return true;
    case OPTION_DATA_DIR:
        o->data_dir = value;
        return true;
    case OPTION_FORCE:
        return o->is_forced = true;
    case OPTION_SECRETS:
        return o->has_secrets = true;
    default:
        return false; /* getopt has said what is wrong */
    }
}

static bool set_url(struct cli_options *o) {
    const char *why = NULL;

    if (url_parse(o->url_text, &o->url, &why) < 0) {
        fprintf(stderr, "parley: URL '%s': %s\n", o->url_text, why);
        return false;
    }
    return true;
}

static const struct cli_command *find_command(const char *name) {
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

int cli_parse(int argc, char **argv, struct cli_options *ret,
              const struct cli_command **ret_command, int *ret_exit) {
    const char *url = getenv("PARLEY_URL");
    struct cli_options *o = ret;

    *o = (struct cli_options){ .url_text = url && *url ? url : URL_DEFAULT,
                               .token = getenv("PARLEY_TOKEN"),
                               .api_key = getenv("PARLEY_API_KEY"),
                               .data_dir = getenv("PARLEY_DATA_DIR"),
                               .limit = 100,
                               .window = 256,
                               .ttl_s = 3600,
                               .expire_at_s = -1,
                               .subscribers = 1000,
                               .publishers = 1,
                               .size_bytes = 128,
                               .seconds = 5 };
    *ret_command = NULL;
    for (int option;
         (option = getopt_long(argc, argv, "u:t:jqn:l:rhc:", long_options, NULL)) != -1;) {
        if (option == 'h') {
            help(stdout);
            *ret_exit = EX_OK;
            return -1;
        }
        if (option == OPTION_VERSION) {
            puts("parley " PARLEY_VERSION);
            *ret_exit = EX_OK;
            return -1;
        }
        if (!parse_option(option, optarg, o))
            return usage(ret_exit);
    }

    if (optind == argc) {
        help(stderr);
        *ret_exit = EX_USAGE;
        return -1;
    }
    const struct cli_command *command = find_command(argv[optind]);
    if (!command) {
        fprintf(stderr, "parley: there is no command '%s'\n", argv[optind]);
        return usage(ret_exit);
    }
    o->arguments = (const char *const *) argv + optind + 1;
    o->n_arguments = (size_t) (argc - optind - 1);
    if (o->n_arguments < command->min_arguments || o->n_arguments > command->max_arguments) {
        fprintf(stderr, "usage: parley %s %s\n", command->name, command->arguments);
        return usage(ret_exit);
    }
    if (!command->is_offline && !set_url(o))
        return usage(ret_exit);
    *ret_command = command;
    return 0;
}
