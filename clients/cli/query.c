/* parley history, presence, info: one question, one answer. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clients/cli/cli.h"
#include "protocol/json.h"

/* Connects, asks, gives the reply of the kind that is wanted; 0, or an exit code with the reason on
 * stderr. */
static int ask(const struct cli_options *o, struct command *command, enum reply_kind wanted,
               struct client **ret_client, struct reply *ret) {
    struct client_end end = { 0 };
    int code = EX_OK;

    if (cli_open(o, ret_client, &code) < 0)
        return code;
    if (client_call(*ret_client, command, NULL, NULL, ret, &end) <= 0) {
        cli_say("%s", end.why);
        return cli_exit_code(&end);
    }
    if (ret->kind == REPLY_ERROR) {
        cli_say("%.*s (%u)", (int) ret->error.message.len, ret->error.message.data,
                ret->error.code);
        return cli_exit_code_of_error(&ret->error);
    }
    if (ret->kind != wanted) {
        cli_say("the server answered another question than was asked");
        return EX_PROTOCOL;
    }
    return 0;
}

/* What is asked is not JSON lines but the protocol's own reply. */
static void print_reply(const struct reply *reply) {
    CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;

    codec_json.encode_reply(reply, &line);
    fwrite(line.data, 1, line.len, stdout);
    putchar('\n');
}

int cli_history(const struct cli_options *o) {
    CLEANUP(client_closep) struct client *c = NULL;
    struct str channel = str_of(o->arguments[0]);
    struct reply reply;
    struct command command = { .kind = COMMAND_HISTORY,
                               .history = { .channel = channel,
                                            .limit = o->limit,
                                            .reverse = o->is_reverse,
                                            .has_since = o->has_since,
                                            .since_offset = o->since_offset,
                                            .since_epoch = str_of(o->since_epoch) } };
    int code = ask(o, &command, REPLY_HISTORY, &c, &reply);

    if (code)
        return code;
    for (size_t i = 0; i < reply.history.publications.n; i++) {
        struct wire_publication p = wire_publications_at(&reply.history.publications, i);
        cli_print_publication(o, channel, &p);
    }
    if (!o->is_quiet)
        fprintf(stderr, "%zu of %" PRIu64 "; --since %" PRIu64 ":%.*s is the end\n",
                reply.history.publications.n, reply.history.offset, reply.history.offset,
                (int) reply.history.epoch.len, reply.history.epoch.data);
    return EX_OK;
}

static int presence_stats(const struct cli_options *o, struct str channel) {
    CLEANUP(client_closep) struct client *c = NULL;
    struct reply reply;
    struct command command = { .kind = COMMAND_PRESENCE_STATS, .presence = { .channel = channel } };
    int code = ask(o, &command, REPLY_PRESENCE_STATS, &c, &reply);

    if (code)
        return code;
    if (o->is_json)
        print_reply(&reply);
    else
        printf("%u clients, %u users\n", reply.presence_stats.num_clients,
               reply.presence_stats.num_users);
    return EX_OK;
}

static void print_presence(struct reply *reply) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct client_info *items = arena_alloc(&arena, reply->presence.n * sizeof *items);

    for (size_t i = 0; items && i < reply->presence.n; i++) {
        items[i] = reply->presence.items[i];
        items[i].conn_info = cli_json_of(items[i].conn_info, &arena);
        items[i].chan_info = cli_json_of(items[i].chan_info, &arena);
    }
    if (items)
        reply->presence.items = items;
    print_reply(reply);
}

int cli_presence(const struct cli_options *o) {
    CLEANUP(client_closep) struct client *c = NULL;
    struct str channel = str_of(o->arguments[0]);
    struct reply reply;
    struct command command = { .kind = COMMAND_PRESENCE, .presence = { .channel = channel } };

    if (o->is_stats)
        return presence_stats(o, channel);
    int code = ask(o, &command, REPLY_PRESENCE, &c, &reply);
    if (code)
        return code;
    if (o->is_json) {
        print_presence(&reply);
        return EX_OK;
    }
    for (size_t i = 0; i < reply.presence.n; i++) {
        const struct client_info *who = &reply.presence.items[i];
        printf("%.*s  %.*s  %.*s\n", (int) who->client.len, who->client.data,
               who->user.len ? (int) who->user.len : 11,
               who->user.len ? who->user.data : "(anonymous)", (int) who->conn_info.len,
               (const char *) who->conn_info.data);
    }
    return EX_OK;
}

int cli_info(const struct cli_options *o) {
    CLEANUP(client_closep) struct client *c = NULL;
    int code = EX_OK;

    if (cli_open(o, &c, &code) < 0)
        return code;
    const struct reply_connect *r = client_result(c);
    if (o->is_json) {
        CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
        struct reply reply = { .kind = REPLY_CONNECT, .id = 1, .connect = *r };
        reply.connect.data = cli_json_of(r->data, &arena);
        print_reply(&reply);
        return EX_OK;
    }
    printf("server   %s%s\n", o->url.host, o->url.path);
    printf("version  %.*s\n", (int) r->version.len, r->version.data);
    printf("client   %.*s\n", (int) r->client.len, r->client.data);
    printf("pings    %s%u%s\n", r->ping_s ? "every " : "none", r->ping_s, r->ping_s ? " s" : "");
    printf("expires  %s\n", r->expires ? "yes" : "no");
    for (size_t i = 0; i < r->n_subs; i++)
        printf("channel  %.*s\n", (int) r->subs[i].channel.len, r->subs[i].channel.data);
    return EX_OK;
}
