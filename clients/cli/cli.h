/* The program `parley`: what its commands share. */
#pragma once

#include <sysexits.h>

#include "async/tls.h"
#include "clients/cli/client.h"

enum { CLI_CHANNELS_MAX = 128, CLI_TOKEN_MAX = 8192 };

/* The command line, read. Strings are the command line's or the environment's own. */
struct cli_options {
    const char *url_text;
    struct url url;
    struct tls *tls; /* set when the URL asks for it */
    const char *token;
    char token_memory[CLI_TOKEN_MAX]; /* of --token-file */
    const char *ca_file;              /* NULL: the system's */
    bool is_protobuf;
    bool is_json;
    bool is_quiet;

    const char *const *arguments; /* behind the command's name */
    size_t n_arguments;

    /* sub, history */
    bool has_since;
    uint64_t since_offset;
    const char *since_epoch;
    uint64_t count; /* 0: no end */
    bool no_recover;
    bool is_reverse;
    int32_t limit;
    /* pub */
    uint32_t window;
    bool is_text;
    /* presence */
    bool is_stats;
    /* gentoken */
    const char *secret, *user, *channel, *info;
    const char *client_id, *data, *meta, *subs, *channels, *override;
    const char *token_id, *audience, *issuer;
    const char *algorithm, *key_id;
    int64_t ttl_s;       /* 0: does not expire */
    int64_t expire_at_s; /* below 0: not said */
    /* gentoken, checktoken */
    const char *key_file, *config_file;
    /* api */
    const char *api_key;
    /* backup, restore, chat-export, chat-import */
    const char *data_dir;
    bool is_forced, has_secrets;
    /* bench */
    uint32_t subscribers, publishers, size_bytes, seconds;
    double rate;
    long server_pid;
};

/* A command: runs as the root task, or where is_offline outside of any loop; its result is the exit
 * code (sysexits.h). */
struct cli_command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *what;      /* one line */
    size_t min_arguments, max_arguments;
    bool is_offline; /* needs no server, and no loop around it */
    int (*run)(const struct cli_options *o);
    bool has_own_loop; /* runs outside of any, but needs a server */
};

extern const struct cli_command cli_commands[]; /* ends with a NULL name */

/* Reads the command line. 0 with *ret_command; or -1: it has been explained on stderr (or help was
 * asked for, then *ret_command is NULL): exit with *ret_exit. */
MUST_CHECK int cli_parse(int argc, char **argv, struct cli_options *ret,
                         const struct cli_command **ret_command, int *ret_exit);

__attribute__((format(printf, 1, 2))) void cli_say(const char *format, ...); /* a line on stderr */

/* o->tls, if the URL asks for it. EX_OK; or it has been said on stderr why not. */
MUST_CHECK int cli_open_tls(struct cli_options *o);

/* Opens a connection, or says on stderr why not and gives the exit code. */
SUSPENDS MUST_CHECK int cli_open(const struct cli_options *o, struct client **ret, int *ret_exit);

int cli_exit_code(const struct client_end *end);
int cli_exit_code_of_error(const struct reply_error *e);

/* A publication on stdout, as text or as a JSON line. */
void cli_print_publication(const struct cli_options *o, struct str channel,
                           const struct wire_publication *p);

/* That publications of a channel are missing, as a JSON line. */
void cli_print_gap(struct str channel);

/* A payload as one-line JSON: as it is, or what is no JSON as a string; in the arena. */
struct bytes cli_json_of(struct bytes payload, struct arena *a);

/* Writes out what was printed. 0, or -EPIPE: nobody reads it any more. */
MUST_CHECK int cli_flush(void);

SUSPENDS int cli_sub(const struct cli_options *o);
SUSPENDS int cli_pub(const struct cli_options *o);
SUSPENDS int cli_history(const struct cli_options *o);
SUSPENDS int cli_presence(const struct cli_options *o);
SUSPENDS int cli_info(const struct cli_options *o);
SUSPENDS int cli_api(const struct cli_options *o);
int cli_gentoken(const struct cli_options *o);
int cli_checktoken(const struct cli_options *o);
int cli_backup(const struct cli_options *o);
int cli_restore(const struct cli_options *o);
int cli_chat_export(const struct cli_options *o);
int cli_chat_import(const struct cli_options *o);
SUSPENDS int cli_bench(const struct cli_options *o);
int cli_chat(const struct cli_options *o);
